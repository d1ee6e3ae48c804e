"""Tests that failed are asked once more: what passes then is counted and named, what fails again has failed."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from scripts.suites import again, model, run
from scripts.suites.__main__ import report
from scripts.suites.again import MOST, ask_again, failed_tests
from scripts.suites.model import Counts, Runner, Suite, junit_counts

SHAKY = """
from pathlib import Path
import pytest

@pytest.fixture
def world():
    been = Path(__file__).with_name("been")
    ready = been.exists()
    been.touch()
    assert ready, "the world was not there yet"

def test_shaky(world): ...
def test_steady(): ...
"""


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "results"
    monkeypatch.setattr(model, "RESULTS", folder)
    monkeypatch.setattr(run, "RESULTS", folder)
    return folder


def told(results: Path, folder: Path, text: str, *, alone: tuple[str, ...] = ()) -> run.Outcome:
    """Run one file of tests as a suite, with the second question."""
    (folder / "test_file.py").write_text(text)
    name = "told"
    records = (f"--junitxml={results / name}.xml", "-o", f"cache_dir={results / name}.cache")
    runner = Runner(
        name=name,
        command=(sys.executable, "-m", "pytest", "-q", "--rootdir", str(folder), *records, str(folder)),
        needs=("pyproject.toml",),
        env={"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        counts=junit_counts,
        alone=alone,
        remembers=True,
    )
    outcome = run.run_suite(Suite("suite", 60, (runner,)), live=False)
    assert ask_again([outcome]) == [outcome]
    return outcome


def test_what_passes_alone_is_counted_and_named(
    results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    outcome = told(results, tmp_path, SHAKY)
    assert outcome.counts == Counts(passed=2)
    assert outcome.mended == ["test_file.py::test_shaky"]
    assert report([outcome]) == 0
    printed = capsys.readouterr().out
    assert "suite: failed beside the others, passed alone: test_file.py::test_shaky" in printed
    assert "the world was not there yet" in printed
    assert printed.endswith("2 passed, 0 failed\n")


def test_what_fails_again_has_failed(results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    outcome = told(results, tmp_path, f"{SHAKY}\ndef test_wrong():\n    assert False\n")
    assert outcome.counts == Counts(passed=2, failed=1)
    assert outcome.mended == ["test_file.py::test_shaky"]
    assert report([outcome]) == 1
    assert capsys.readouterr().out.endswith("2 passed, 1 failed\n")
    assert failed_tests(outcome.suite.runners[0]) == ["test_file.py::test_wrong"]


def test_a_test_that_runs_only_alone_is_asked_again_too(results: Path, tmp_path: Path) -> None:
    (tmp_path / "pytest.ini").write_text('[pytest]\naddopts = -m "not long"\nmarkers = long: only where it is alone\n')
    shaky = SHAKY.replace("def test_shaky", "@pytest.mark.long\ndef test_shaky")
    outcome = told(results, tmp_path, shaky, alone=("-m", ""))
    assert outcome.counts == Counts(passed=2)
    assert outcome.mended == ["test_file.py::test_shaky"]


def test_many_failures_are_not_asked_again(results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object, **__: object) -> None:
        raise AssertionError("asked again")

    monkeypatch.setattr(again, "execute", never)
    wrong = "".join(f"def test_{number}():\n    assert False\n" for number in range(MOST + 1))
    outcome = told(results, tmp_path, wrong)
    assert outcome.counts == Counts(failed=MOST + 1)
    assert report([outcome]) == 1


def test_a_runner_that_dies_is_not_asked_again(results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(again, "execute", lambda *_, **__: pytest.fail("asked again"))
    outcome = told(results, tmp_path, "import os\n\ndef test_dies():\n    os._exit(3)\n")
    assert outcome.counts == Counts(failed=1)
    assert report([outcome]) == 1
