"""What `python -m scripts.suites` is told, before anything runs."""

from __future__ import annotations

import pytest

from scripts.suites.__main__ import main


def test_help_names_the_suites(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    assert "contracts" in capsys.readouterr().out


@pytest.mark.parametrize("names", [["nothing"], ["unit", "nothing"], ["--all"]])
def test_what_is_no_suite_is_refused(names: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(names)
    assert ended.value.code == 2
    assert names[-1] in capsys.readouterr().err
