"""Places where the process may be told to die."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from indexer.failpoints import EXIT_CODE, NAMES, Failpoints, failpoint, install_hook


@pytest.mark.parametrize(("armed", "passes"), [("fetched", 1), ("fetched:3", 3)])
def test_an_armed_place_ends_the_process_at_its_pass(armed: str, passes: int) -> None:
    script = (
        "from indexer.failpoints import failpoint\nfor n in range(5):\n print(n, flush=True)\n failpoint('fetched')"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "AICP_FAILPOINT": armed}, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert (done.returncode, done.stdout.split()) == (EXIT_CODE, [str(n) for n in range(passes)])


def test_nothing_happens_without_a_name_or_a_hook() -> None:
    for name in NAMES:
        failpoint(name)


def test_a_hook_hears_every_name_and_may_fail() -> None:
    heard: list[str] = []

    def hook(name: str) -> None:
        heard.append(name)
        if name == "before_commit":
            raise OSError("gone")

    install_hook(hook)
    try:
        failpoint("fetched")
        with pytest.raises(OSError, match="gone"):
            failpoint("before_commit")
    finally:
        install_hook(None)
    failpoint("after_commit")
    assert heard == ["fetched", "before_commit"]


def test_a_name_nobody_passes_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AICP_TEST_FAILPOINT", "stored:2")
    Failpoints("AICP_TEST_FAILPOINT", ("stored", "sent"))
    with pytest.raises(ValueError, match="stored"):
        Failpoints("AICP_TEST_FAILPOINT", ("sent",))
