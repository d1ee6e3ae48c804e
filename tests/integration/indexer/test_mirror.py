"""The mirror against a real chain: what happens there shows here, and what is undone there is undone here."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from sqlalchemy import Connection, Engine, event, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from aicp.abi import escrow as escrow_abi
from aicp.abi import usdc as usdc_abi
from aicp.rules.primitives import Finality, checksum
from indexer import views
from indexer.core.chain_view import TooDeepError
from indexer.runner import Runner
from indexer.store.errors import ForeignMirrorError, LostRaceError
from indexer.store.schema import PHYSICAL
from indexer.views import EscrowStatus
from tests.fixtures.chainlab import USDC, Lab, hex0
from tests.fixtures.services import wait_for
from tests.fixtures.storelab import drop_mirror
from tests.integration.indexer.conftest import digest, settle

NewRunner = Callable[[], Runner]


def test_direct_funding_shows_up_with_its_finality(lab: Lab, engine: Engine, new_runner: NewRunner) -> None:
    runner = new_runner()
    settle(runner)
    terms = lab.terms()
    escrow_id = lab.fund(terms)
    settle(runner)
    with Session(engine) as session:
        seen = views.escrow(session, escrow_id, Finality.SEEN)
        assert seen is not None
        assert (seen.status, seen.amount_units, seen.client) == (EscrowStatus.FUNDED, 25 * USDC, lab.buyer)
        assert (seen.salt, seen.job_hash, seen.accept_by) == (terms.salt, terms.job_hash, terms.accept_by)
        assert seen.origin.finality is Finality.SEEN
        assert views.escrow(session, escrow_id, Finality.FINAL) is None
    lab.chain.mine(1)
    settle(runner)
    with Session(engine) as session:
        assert views.escrow(session, escrow_id, Finality.SAFE) is not None
        assert views.escrow(session, escrow_id, Finality.FINAL) is None
    lab.chain.mine(1)
    settle(runner)
    with Session(engine) as session:
        final = views.escrow(session, escrow_id, Finality.FINAL)
        assert final is not None
        assert final.origin.finality is Finality.FINAL


def test_a_whole_deal_and_a_pool(lab: Lab, engine: Engine, new_runner: NewRunner) -> None:
    lab.stake()
    escrow_id = lab.journey()
    lab.deposit_pool(5 * USDC)
    lab.chain.mine(3)
    settle(new_runner())
    escrow = lab.contracts.escrow
    with Session(engine) as session:
        row = views.escrow(session, escrow_id, Finality.FINAL)
        assert row is not None
        assert (row.status, row.outcome, row.released_units) == (EscrowStatus.CLOSED, "completed", 25 * USDC)
        events = views.escrow_events(session, escrow_id)
        assert [event.kind for event in events] == ["funded", "accepted", "submitted", "released", "closed"]
        fee = 25 * USDC * 250 // 10_000
        told = {"id": f"0x{escrow_id.hex()}", "amount": str(25 * USDC), "fee": str(fee)}
        assert events[3].fields == told, "decoded from the raw log"
        assert events[0].fields["terms"]["client"] == checksum(lab.buyer)
        assert views.ledger_balance(session, escrow, lab.agent, Finality.FINAL) == 25 * USDC - fee
        assert views.ledger_balance(session, escrow, lab.fees, Finality.FINAL) == fee
        stake = views.stake(session, lab.agent, Finality.FINAL)
        assert (stake.staked_units, stake.locked_units) == (100 * USDC, 0)
        [pool] = views.pools_of(session, lab.buyer)
        [deposited] = views.pool_events(session, pool.pool_id)
        assert deposited.fields["payer"] == checksum(lab.buyer)
        assert deposited.fields["amount"] == deposited.fields["balance"] == str(5 * USDC)
        assert (pool.balance_latest_units, pool.balance_final_units, pool.headroom_units) == (5 * USDC,) * 3
        totals = views.totals(session)
        assert (totals.escrow_released_units, totals.pool_balance_units) == (25 * USDC, 5 * USDC)
        [latest, *_] = views.chain_activity(session, lab.buyer, None, 10)
        assert latest.kind == "pool_deposited"
        older = views.chain_activity(session, lab.buyer, latest.cursor, 10)
        assert [row.kind for row in older][:2] == ["closed", "released"]


def test_paying_from_the_balance_keeps_the_ledger_right(lab: Lab, engine: Engine, new_runner: NewRunner) -> None:
    lab.fund(terms := lab.terms())
    lab.send(lab.buyer, lab.contracts.escrow, escrow_abi.encode_cancel(terms))
    again = lab.terms(10 * USDC)
    lab.send(lab.buyer, lab.contracts.escrow, escrow_abi.encode_fund_from_balance(again))
    settle(new_runner())
    with Session(engine) as session:
        assert views.ledger_balance(session, lab.contracts.escrow, lab.buyer, Finality.SEEN) == 15 * USDC


def test_a_reorg_takes_back_what_only_the_other_chain_had(lab: Lab, engine: Engine, new_runner: NewRunner) -> None:
    runner = new_runner()
    lab.stake()
    before = lab.terms()
    lab.fund(before)
    lab.chain.mine(4)
    settle(runner)
    kept = digest(engine)
    base = head_of(lab)
    snapshot = lab.chain.rpc("evm_snapshot")
    orphan = lab.fund(lab.terms())
    settle(runner)
    with Session(engine) as session:
        assert views.escrow(session, orphan, Finality.SEEN) is not None
    lab.chain.rpc("evm_revert", snapshot)
    lab.later(7)
    settle(runner)
    with Session(engine) as session:
        assert views.escrow(session, orphan, Finality.SEEN) is None
    assert {k: v for k, v in digest(engine).items() if k != "log"} == {k: v for k, v in kept.items() if k != "log"}
    lab.accept(before)
    settle(runner)
    with Session(engine) as session:
        rebuilt = views.escrow(session, lab.id_of(before), Finality.SEEN)
        assert rebuilt is not None
        assert rebuilt.status is EscrowStatus.ACCEPTED
        assert rebuilt.origin.block_number == base + 2
    assert digest(engine) == _rebuilt(engine, new_runner)


def test_a_reorg_adds_to_blocks_that_were_held_empty(lab: Lab, engine: Engine, new_runner: NewRunner) -> None:
    runner = new_runner()
    lab.chain.mine(2)
    settle(runner)
    base = head_of(lab)
    snapshot = lab.chain.rpc("evm_snapshot")
    lab.chain.mine(2)
    settle(runner)
    empty = [(block.number, block.hash) for block in runner.position.view.tail]
    assert [number for number, _ in empty] == [base + 1, base + 2]
    lab.chain.rpc("evm_revert", snapshot)
    lab.chain.rpc("evm_increaseTime", 9)
    lab.deposit_pool(USDC)
    lab.deposit_pool(2 * USDC)
    assert head_of(lab) == base + 2
    settle(runner)
    with engine.connect() as connection:
        found = connection.execute(text("SELECT block_number, block_hash FROM chain.pool_event ORDER BY 1")).all()
    assert [row.block_number for row in found] == [base + 1, base + 2]
    assert not {bytes(row.block_hash) for row in found} & {block_hash for _, block_hash in empty}
    assert digest(engine) == _rebuilt(engine, new_runner)


@pytest.mark.parametrize("place", ["another block", "another index of the same block"])
def test_a_reorg_moves_a_transaction(lab: Lab, engine: Engine, new_runner: NewRunner, place: str) -> None:
    runner = new_runner()
    lab.chain.mine(2)
    settle(runner)
    snapshot = lab.chain.rpc("evm_snapshot")
    lab.deposit_pool(USDC)
    settle(runner)
    [old] = pool_events(engine)
    raw = lab.chain.rpc("eth_getRawTransactionByHash", hex0(old.tx_hash))
    lab.chain.rpc("evm_revert", snapshot)
    lab.chain.rpc("evm_increaseTime", 9)
    if place == "another block":
        lab.chain.mine(1)
        lab.chain.rpc("eth_sendRawTransaction", raw)
    else:
        lab.chain.rpc("evm_setAutomine", False)
        approve = usdc_abi.encode_approve(lab.contracts.escrow, 1)
        # the block takes the better paid one first; it logs an Approval before our event
        paid = {"maxPriorityFeePerGas": hex(10**11), "maxFeePerGas": hex(10**12)}
        request = {"from": hex0(lab.agent), "to": hex0(lab.usdc), "data": hex0(approve), **paid}
        lab.chain.rpc("eth_sendTransaction", request)
        lab.chain.rpc("eth_sendRawTransaction", raw)
        lab.chain.mine(1)
        lab.chain.rpc("evm_setAutomine", True)
    settle(runner)
    [new] = pool_events(engine)
    assert new.tx_hash == old.tx_hash
    assert new.block_hash != old.block_hash
    if place == "another block":
        assert new.block_number == old.block_number + 1
    else:
        assert (new.block_number, new.log_index) == (old.block_number, old.log_index + 1)
    assert digest(engine) == _rebuilt(engine, new_runner)


def test_a_lower_head_is_not_a_reorg(lab: Lab, engine: Engine, new_runner: NewRunner) -> None:
    runner = new_runner()
    lab.chain.mine(4)
    snapshot = lab.chain.rpc("evm_snapshot")
    escrow_id = lab.fund(lab.terms())
    settle(runner)
    lab.chain.rpc("evm_revert", snapshot)
    settle(runner)
    with Session(engine) as session:
        assert views.escrow(session, escrow_id, Finality.SEEN) is not None


def test_reorg_below_the_finalised_block_writes_nothing(lab: Lab, engine: Engine, new_runner: NewRunner) -> None:
    runner = new_runner()
    lab.chain.mine(2)
    snapshot = lab.chain.rpc("evm_snapshot")
    lab.fund(lab.terms())
    lab.chain.mine(6)
    settle(runner)
    kept = digest(engine)
    lab.chain.rpc("evm_revert", snapshot)
    lab.chain.rpc("evm_increaseTime", 100)
    lab.chain.mine(12)
    with pytest.raises(TooDeepError):
        runner.run(threading.Event())
    assert digest(engine) == kept
    with engine.connect() as connection:
        health = connection.execute(text("SELECT state, reason FROM chain.health")).one()
    assert health.state == "stopped"
    assert "below the finalised block" in health.reason


def test_of_two_indexers_the_first_one_stops(lab: Lab, engine: Engine, new_runner: NewRunner) -> None:
    first, second = new_runner(), new_runner()
    settle(first)
    settle(second)
    lab.deposit_pool(USDC)
    settle(second)
    with pytest.raises(LostRaceError):
        settle(first)
    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM chain.pool_event")).scalar_one() == 1


def test_another_chain_is_refused(lab: Lab, engine: Engine, new_runner: NewRunner) -> None:
    settle(new_runner())
    with engine.begin() as connection:
        connection.execute(text(f"UPDATE {PHYSICAL}.meta SET genesis_hash = decode(repeat('00', 32), 'hex')"))
    with pytest.raises(ForeignMirrorError):
        settle(new_runner())


@pytest.mark.parametrize("answered", [False, True], ids=["commit lost", "only its answer lost"])
def test_a_connection_lost_at_commit_loses_and_doubles_nothing(
    lab: Lab, engine: Engine, new_runner: NewRunner, answered: bool
) -> None:
    runner = new_runner()
    settle(runner)
    lost: list[int] = []

    @event.listens_for(engine, "commit")
    def lose(connection: Connection) -> None:
        if not lost:
            lost.append(1)
            if answered:
                connection.connection.dbapi_connection.commit()
            raise OperationalError("COMMIT", {}, psycopg.OperationalError("server closed the connection"))

    lab.deposit_pool(USDC)
    lab.deposit_pool(2 * USDC)
    stop = threading.Event()
    thread = threading.Thread(target=runner.run, args=(stop,))
    thread.start()
    head = int(lab.chain.rpc("eth_blockNumber"), 16)
    wait_for(lambda: runner.position.view.head.number == head, "the runner catches up")
    stop.set()
    thread.join(20)
    assert lost
    kept = digest(engine)
    assert len(kept["pool_event"]) == 2
    assert kept == _rebuilt(engine, new_runner)


def head_of(lab: Lab) -> int:
    return int(lab.chain.rpc("eth_blockNumber"), 16)


def pool_events(engine: Engine) -> list[Any]:
    with engine.connect() as connection:
        return list(connection.execute(text("SELECT * FROM chain.pool_event ORDER BY block_number, log_index")))


def _rebuilt(engine: Engine, new_runner: NewRunner) -> dict[str, list[str]]:
    """Return what a mirror built from nothing holds."""
    runner = new_runner()
    drop_mirror(engine)
    settle(runner)
    return digest(engine)
