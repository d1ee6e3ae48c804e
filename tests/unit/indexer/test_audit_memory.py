"""An audit's memory does not grow with the chain. Each run is a process of its own, so its peak is its own too."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[3]
GROWTH_KIB = 20 * 1024
"""Five times the events may cost this much: SQLite's page cache fills up once, to 8 MiB. Rows in memory take 29 MiB."""


def audited(events: int, directory: Path, seconds: int) -> dict[str, Any]:
    """Audit a made chain in a process of its own; return its report with `peak_kib`."""
    environ = {**os.environ, "PYTHONPATH": f"{ROOT / 'sdk'}{os.pathsep}{ROOT}"}
    command = [sys.executable, str(ROOT / "tests/fixtures/madechain.py"), str(events), str(directory / "book.sqlite")]
    ran = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=seconds, check=False)
    assert ran.returncode == 0, ran.stderr
    report: dict[str, Any] = json.loads(ran.stdout)
    assert (report["ok"], report["events"]) == (True, events)
    return report


@pytest.mark.timeout(600)
def test_five_times_the_events_take_no_more_memory(tmp_path: Path) -> None:
    few, many = audited(10_000, tmp_path, 120), audited(50_000, tmp_path, 480)
    assert many["checked"]["escrow values against the contracts"] == 87_500
    assert many["peak_kib"] - few["peak_kib"] < GROWTH_KIB


@pytest.mark.timeout(7_200)
def test_a_million_events_take_no_more_memory(tmp_path: Path) -> None:
    if not os.environ.get("AICP_AUDIT_MILLION"):
        pytest.skip("a million events take about five minutes; set AICP_AUDIT_MILLION=1 to audit them")
    few, many = audited(10_000, tmp_path, 120), audited(1_000_000, tmp_path, 7_000)
    assert many["peak_kib"] - few["peak_kib"] < GROWTH_KIB
