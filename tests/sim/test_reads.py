"""Reads that put rows together anew, against what the oracle remembers of every log."""

from __future__ import annotations

from itertools import groupby
from typing import Any

from sqlalchemy.orm import Session

from aicp.rules.primitives import Finality
from indexer import views
from tests.sim.oracle import replay
from tests.sim.oracle_base import Row
from tests.sim.scene import Scene
from tests.sim.turn import CONTRACTS

_LINE = ("block_number", "log_index", "block_hash", "tx_hash", "contract", "kind", "subject", "amount_units")


def _grown(scene: Scene, blocks: int = 60) -> Any:
    scene.mine(blocks)
    scene.chain.finalise(blocks - 20, blocks - 30)
    scene.arrive(scene.machine())
    return replay(CONTRACTS, (log for block in scene.chain.path for log in block.logs))


def _answered(row: views.ActivityRow) -> tuple[Any, ...]:
    origin = row.origin
    place = (origin.block_number, origin.log_index, origin.block_hash, origin.tx_hash)
    return (*place, row.contract, row.kind, row.subject, row.amount_units)


def test_activity_says_everything_that_concerns_an_account(scene: Scene) -> None:
    model = _grown(scene)
    assert {row["kind"] for row in model.told} >= {"funded", "channel_claimed", "pool_deposited", "withdrawn"}
    with Session(scene.sandbox.engine) as session:
        for account, told in groupby(sorted(model.told, key=_owner), key=_owner):
            rows = sorted(told, key=lambda row: (row["block_number"], row["log_index"]), reverse=True)
            wanted = [tuple(row[name] for name in _LINE) for row in rows]
            assert _paged(session, account, 3) == wanted
            final = [line for line in wanted if line[0] <= scene.chain.final]
            answer = views.chain_activity(session, account, None, 200, Finality.FINAL)
            assert [_answered(row) for row in answer] == final[:200]


def _owner(row: Row) -> bytes:
    account: bytes = row["account"]
    return account


def _paged(session: Session, account: bytes, size: int) -> list[tuple[Any, ...]]:
    found: list[views.ActivityRow] = []
    while page := views.chain_activity(session, account, found[-1].cursor if found else None, size):
        assert len(page) <= size
        found += page
    return [_answered(row) for row in found]


def test_every_event_row_has_its_event(scene: Scene) -> None:
    model = _grown(scene, 150)
    with Session(scene.sandbox.engine) as session:
        read = 0
        for key in model.rows["escrow"]:
            events = views.escrow_events(session, key)
            held = [row for row in model.added["escrow_event"] if row["escrow_id"] == key]
            assert [event.kind for event in events] == [row["kind"] for row in held]
            for event in events:
                if event.kind == "stake_settled":
                    assert event.fields["escrow_id"] == f"0x{key.hex()}"
                elif event.kind != "ruled":  # a ruling names the arbiter's number alone
                    assert event.fields["id"] == f"0x{key.hex()}"
                read += event.kind == "stake_settled"
        assert read, "Reputation has had a word as well"
        for key in model.rows["pool"]:
            for pool_event in views.pool_events(session, key):
                assert pool_event.fields["pool_id"] == f"0x{key.hex()}"
