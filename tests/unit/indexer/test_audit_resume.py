"""A killed audit goes on where it stopped and ends with the same report; a checkpoint of something else is refused."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from indexer.audit.book import Book, CheckpointError, Identity
from indexer.audit.contribution import Contribution
from indexer.chain.errors import InconsistentNodeError
from indexer.core.rows import Escrow, Ledger, Pool
from tests.fixtures.madechain import MadeChain, audited

ROOT = Path(__file__).resolve().parents[3]
EVENTS = 7_000
HERE = Identity(chain_id=1, genesis_hash=b"\x01" * 32, deployment_digest=b"\x02" * 32)


def comparable(report: dict[str, Any]) -> dict[str, Any]:
    """Return what two runs over the same chain must agree in."""
    return {name: value for name, value in report.items() if name not in {"resumed_at", "peak_kib"}}


def killed_at(asked: int, checkpoint: Path) -> None:
    """Run the audit in a process that is killed when it asks for logs that often."""
    environ = {**os.environ, "PYTHONPATH": f"{ROOT / 'sdk'}{os.pathsep}{ROOT}"}
    script = str(ROOT / "tests/fixtures/madechain.py")
    command = [sys.executable, script, str(EVENTS), str(checkpoint), str(asked)]
    ran = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=150, check=False)
    assert ran.returncode == -signal.SIGKILL, ran.stderr


def test_a_killed_audit_goes_on_and_ends_the_same(tmp_path: Path) -> None:
    checkpoint, csv = tmp_path / "killed.sqlite", tmp_path / "killed.csv"
    whole = audited(MadeChain(EVENTS), tmp_path / "whole.sqlite", tmp_path / "whole.csv")
    killed_at(3, checkpoint)
    with csv.open("a", encoding="utf-8") as file:
        file.write("a line after the last commit,")
    asked: list[int] = []

    def watch(method: str, params: Any) -> None:
        if method == "eth_getLogs":
            asked.append(int(params[0]["fromBlock"], 16))

    rest = audited(MadeChain(EVENTS, watch=watch), checkpoint, csv)
    assert rest.resumed_at == asked[0] - 1 > 0
    assert comparable(rest.as_json()) == comparable(whole.as_json())
    assert csv.read_text() == (tmp_path / "whole.csv").read_text()
    assert not checkpoint.exists()


def test_a_checkpoint_after_a_block_the_chain_lost_is_refused(tmp_path: Path) -> None:
    checkpoint = tmp_path / "book.sqlite"
    killed_at(3, checkpoint)
    with sqlite3.connect(checkpoint) as db:
        document = json.loads(db.execute("SELECT document FROM state").fetchone()[0])
        document["hash"] = "ab" * 32
        db.execute("UPDATE state SET document = ?", (json.dumps(document),))
    db.close()
    with pytest.raises(CheckpointError, match=r"a block (16|32) the chain does not have"):
        audited(MadeChain(EVENTS), checkpoint)


@pytest.mark.parametrize("field", ["chain_id", "genesis_hash", "deployment_digest"])
def test_a_checkpoint_of_something_else_is_refused(tmp_path: Path, field: str) -> None:
    book = Book(tmp_path / "book.sqlite", HERE, "")
    book.commit(7, b"\x07" * 32, {})
    book.close(finished=False)
    other = {"chain_id": 1, "genesis_hash": b"\x01" * 32, "deployment_digest": b"\x02" * 32}
    other[field] = 2 if field == "chain_id" else b"\x09" * 32
    with pytest.raises(CheckpointError, match="another chain or deployment"):
        Book(tmp_path / "book.sqlite", Identity(**other), "")  # type: ignore[arg-type]


def test_other_wishes_begin_anew_and_no_database_is_no_checkpoint(tmp_path: Path) -> None:
    book = Book(tmp_path / "book.sqlite", HERE, "without a mirror")
    book.put([Pool(pool_id=b"p", payer=b"", payer_authorizer=b"", operator=b"")])
    book.commit(7, b"\x07" * 32, {})
    book.close(finished=False)
    anew = Book(tmp_path / "book.sqlite", HERE, "with a mirror")
    assert (anew.position, anew.size()) == (None, 0)
    with pytest.raises(CheckpointError, match="is used by another audit"):
        Book(tmp_path / "book.sqlite", HERE, "with a mirror")
    anew.close(finished=True)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "text").write_text("this is no database, however long it may be" * 10)
    with pytest.raises(CheckpointError, match="cannot be used as a checkpoint"):
        Book(tmp_path / "text", HERE, "")


@pytest.fixture
def book(tmp_path: Path) -> Iterator[Book]:
    book = Book(tmp_path / "book.sqlite", HERE, "")
    yield book
    book.close(finished=True)


def test_rows_come_back_as_they_went_in(book: Book) -> None:
    rows = [
        Escrow(
            escrow_id=bytes([n]), client=b"c", provider=b"p", verifier=b"", arbiter=b"", amount_units=2**96 - 1,
            fee_bps=0, quorum=0, accept_by=1, deliver_by=2, challenge_period=3, dispute_timeout=4, job_hash=b"j",
            salt=2**256 - n, status="funded", accepted_at=None, stake_locked=True,
        )
        for n in range(1, 200)
    ]  # fmt: skip
    ledgers = [Ledger(ledger_id=bytes([n]), contract=b"", account=b"", balance_units=-n) for n in (3, 1, 2)]
    book.put([*rows, *ledgers])
    assert list(book.rows(Escrow)) == rows
    assert [row.balance_units for row in book.rows(Ledger)] == [-1, -2, -3]
    found = dict(book.load([(Ledger, b"\x02"), (Escrow, b"\x02"), (Ledger, b"\x09")]))
    assert found == {(Ledger, b"\x02"): ledgers[2], (Escrow, b"\x02"): rows[1], (Ledger, b"\x09"): None}
    assert (book.find(Escrow, b"\x05"), book.find(Contribution, b"\x05")) == (rows[4], None)
    assert book.size() == len(rows) + 3


def test_sums_are_exact_and_only_commits_last(tmp_path: Path) -> None:
    path = tmp_path / "sums.sqlite"
    book = Book(path, HERE, "")
    book.add("a", {b"k": 2**200})
    book.commit(1, b"\x01" * 32, {"events": 5})
    book.add("a", {b"k": -1, b"l": 4})
    assert book.sums("a", [b"k", b"l", b"m"]) == {b"k": 2**200 - 1, b"l": 4, b"m": 0}
    assert book.sums("b", [b"k"]) == {b"k": 0}
    book.close(finished=False)
    again = Book(path, HERE, "")
    assert again.position is not None
    assert (again.position.number, again.position.report) == (1, {"events": 5})
    assert again.sums("a", [b"k", b"l"]) == {b"k": 2**200, b"l": 0}
    again.close(finished=True)


class Broken(MadeChain):
    """A node on which block 17, where the second stretch begins, follows another block 16."""

    def _header(self, number: int) -> dict[str, str]:
        header = MadeChain._header(self, number)
        return {**header, "parentHash": "0x" + "fe" * 32} if number == 17 else header


class Replaced(MadeChain):
    """A node whose final block, asked for by its number, is another one."""

    def _answer(self, method: str, params: Any) -> Any:
        answer = MadeChain._answer(self, method, params)
        is_tag = method == "eth_getBlockByNumber" and params[0] == "finalized"
        return {**answer, "hash": "0x" + "fe" * 32} if is_tag else answer


@pytest.mark.parametrize(
    ("chain", "reason"),
    [
        (Broken(EVENTS), "block 17 does not continue what was read before"),
        (Replaced(EVENTS), "block 35 was replaced while it was read"),
    ],
)
def test_blocks_that_do_not_follow_each_other_are_never_mixed(tmp_path: Path, chain: MadeChain, reason: str) -> None:
    with pytest.raises(InconsistentNodeError, match=reason):
        audited(chain, tmp_path / "book.sqlite")


class Behind(MadeChain):
    """A node that has every block, and calls none above the second final."""

    def _answer(self, method: str, params: Any) -> Any:
        is_tag = method == "eth_getBlockByNumber" and params[0] in {"safe", "finalized"}
        return self._header(2) if is_tag else MadeChain._answer(self, method, params)


def test_a_node_that_calls_less_final_than_was_read_is_not_believed(tmp_path: Path) -> None:
    checkpoint = tmp_path / "book.sqlite"
    killed_at(3, checkpoint)
    with pytest.raises(InconsistentNodeError, match=r"calls block 2 final, after block (16|32)"):
        audited(Behind(EVENTS), checkpoint)
