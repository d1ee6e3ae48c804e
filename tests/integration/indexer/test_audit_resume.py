"""An audit that was stopped and goes on ends as one that never stopped, also when the mirror has changed meanwhile."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import zip_longest
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import Engine, text

from aicp.abi import escrow as escrow_abi
from indexer.audit import mirror
from indexer.audit.book import Book
from indexer.audit.command import INTERRUPTED, audit
from indexer.audit.patience import Patient
from indexer.runner import Runner
from indexer.store.schema import PHYSICAL
from tests.fixtures.chainlab import USDC, Lab
from tests.integration.indexer.conftest import settle

EARLY = f"(SELECT min(block_number) FROM {PHYSICAL}.escrow_event)"
CHANGES = {
    "a changed row": f"UPDATE {PHYSICAL}.escrow_event SET released_units = released_units + 1 "
    f"WHERE block_number = {EARLY}",
    "a missing row": f"DELETE FROM {PHYSICAL}.escrow_event WHERE block_number = {EARLY}",
    "an invented row": f"INSERT INTO {PHYSICAL}.escrow_event SELECT (jsonb_populate_record(e, "
    f"jsonb_build_object('log_index', log_index + 100))).* FROM {PHYSICAL}.escrow_event e "
    f"WHERE block_number = {EARLY} LIMIT 1",
    "a changed log": f"UPDATE {PHYSICAL}.log SET data = data || '\\x00' WHERE block_number = {EARLY}",
    "a row of the state": f"UPDATE {PHYSICAL}.escrow SET released_units = released_units - 1 WHERE released_units > 0",
}


@pytest.fixture
def busy(lab: Lab, new_runner: Callable[[], Runner]) -> None:
    """Events in blocks far enough from each other that the audit reads them in several stretches."""
    lab.stake()
    lab.journey()
    for _ in range(3):
        lab.fund(terms := lab.terms())
        lab.accept(terms)
        lab.release(terms, 7 * USDC)
        lab.chain.mine(40)
    lab.send(lab.agent, lab.contracts.escrow, escrow_abi.encode_withdraw(3 * USDC))
    lab.chain.mine(40)
    settle(new_runner())


Run = Callable[..., tuple[Result, dict[str, Any] | None, str]]


@pytest.fixture
def run(lab: Lab, fresh_pg_url: str, tmp_path: Path) -> Run:
    file = tmp_path / "deployment.json"
    file.write_text(json.dumps(lab.deployment().to_json()))

    def call(name: str) -> tuple[Result, dict[str, Any] | None, str]:
        lines = tmp_path / f"{name}.csv"
        arguments = ["--rpc", lab.chain.url, "--deployment", str(file), "--db", fresh_pg_url, "--csv", str(lines)]
        arguments += ["--checkpoint", str(tmp_path / f"{name}.sqlite"), "--json"]
        answer = CliRunner(mix_stderr=False).invoke(audit, arguments)
        report = json.loads(answer.stdout) if answer.stdout else None
        return answer, report, lines.read_text(encoding="utf-8")

    return call


def stop(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, times: int) -> None:
    """Press Ctrl-C when a function was called that often and has done its work."""
    work, calls = getattr(owner, name), 0

    def interrupted(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        done = work(*args, **kwargs)
        if calls == times:
            raise KeyboardInterrupt
        return done

    monkeypatch.setattr(owner, name, interrupted)


POINTS = {
    "after the first stretch": (Book, "commit", 1),
    "after the second stretch": (Book, "commit", 2),
    "before the third stretch is kept": (mirror, "compare_stretch", 3),
    "after all stretches": (Book, "commit", 4),
    "after the mirror's state": (mirror, "compare_state", 1),
    "while the contracts are asked": (Patient, "view_calls", 1),
    "at the end": (mirror, "compare_outside", 1),
}


def same(one: dict[str, Any] | None, other: dict[str, Any] | None) -> None:
    assert one is not None
    assert other is not None
    resumed = {"resumed_at"}
    assert {k: v for k, v in one.items() if k not in resumed} == {k: v for k, v in other.items() if k not in resumed}


def same_lines(one: str, other: str) -> None:
    pairs = zip_longest(one.splitlines(), other.splitlines())
    assert [pair for pair in pairs if pair[0] != pair[1]][:3] == []


@pytest.mark.timeout(300)
def test_it_ends_the_same_wherever_it_was_stopped(busy: None, run: Run, engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text(CHANGES["a changed row"]))
        connection.execute(text(CHANGES["a changed log"]))
    whole, expected, lines = run("whole")
    assert (whole.exit_code, expected is not None and expected["difference_count"]) == (1, 2), whole.output
    resumed = []
    for number, (point, (owner, name, times)) in enumerate(POINTS.items()):
        with pytest.MonkeyPatch.context() as patched:
            stop(patched, owner, name, times)
            stopped, nothing, _ = run(f"stopped-{number}")
        assert (stopped.exit_code, nothing) == (INTERRUPTED, None), (point, stopped.output)
        answer, report, written = run(f"stopped-{number}")
        assert answer.exit_code == whole.exit_code, point
        same(report, expected)
        same_lines(written, lines)
        assert report is not None
        resumed.append(report["resumed_at"])
    assert None not in resumed
    assert len(set(resumed)) >= 3


@pytest.mark.timeout(300)
@pytest.mark.parametrize("change", list(CHANGES))
@pytest.mark.parametrize("falsified", [True, False], ids=["falsified meanwhile", "mended meanwhile"])
def test_it_compares_the_mirror_as_it_is_now(
    busy: None, run: Run, engine: Engine, change: str, falsified: bool
) -> None:
    tables = ("escrow_event", "log", "escrow")
    with engine.begin() as connection:
        for table in tables:
            connection.execute(text(f"CREATE TABLE good_{table} AS TABLE {PHYSICAL}.{table}"))
        if not falsified:
            assert connection.execute(text(CHANGES[change])).rowcount > 0
    with pytest.MonkeyPatch.context() as patched:
        stop(patched, Book, "commit", 3)
        assert run("stopped")[0].exit_code == INTERRUPTED
    with engine.begin() as connection:
        if falsified:
            assert connection.execute(text(CHANGES[change])).rowcount > 0
        else:
            for table in tables:
                connection.execute(text(f"DELETE FROM {PHYSICAL}.{table}"))
                connection.execute(text(f"INSERT INTO {PHYSICAL}.{table} SELECT * FROM good_{table}"))
    answer, report, lines = run("stopped")
    whole, expected, all_lines = run("whole")
    assert answer.exit_code == whole.exit_code == (1 if falsified else 0), answer.output
    same(report, expected)
    same_lines(lines, all_lines)


def test_a_csv_file_that_somebody_changed_is_written_anew(busy: None, run: Run, tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patched:
        stop(patched, Book, "commit", 3)
        assert run("stopped")[0].exit_code == INTERRUPTED
    file = tmp_path / "stopped.csv"
    file.write_text(file.read_text(encoding="utf-8").replace("present", "missing", 1), encoding="utf-8")
    answer, report, lines = run("stopped")
    assert "stopped.csv is not as an earlier run left it; everything is read again" in answer.stderr
    whole, expected, all_lines = run("whole")
    assert (answer.exit_code, whole.exit_code) == (0, 0)
    same(report, expected)
    same_lines(lines, all_lines)


def test_a_mirror_that_was_behind_and_went_on_is_compared_up_to_where_it_is(
    busy: None, lab: Lab, new_runner: Callable[[], Runner], run: Run
) -> None:
    for _ in range(3):
        lab.fund(lab.terms())
        lab.chain.mine(70)
    with pytest.MonkeyPatch.context() as patched:
        stop(patched, Patient, "view_calls", 1)
        assert run("stopped")[0].exit_code == INTERRUPTED
    settle(new_runner())
    answer, report, lines = run("stopped")
    whole, expected, all_lines = run("whole")
    assert (answer.exit_code, whole.exit_code) == (0, 0)
    same(report, expected)
    same_lines(lines, all_lines)
