"""The reads the backend builds on: what a pool may promise, which escrows are due, and who is told of a block."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner
from sqlalchemy import Engine, make_url, select, text
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import Session

from aicp.abi import escrow as escrow_abi
from aicp.abi import payment_channel as channel_abi
from aicp.rules.primitives import ZERO_ADDRESS, Finality
from indexer import views
from indexer.command import indexer
from indexer.projections.escrow import escrow as escrows
from indexer.projections.payment_channel import pool as pools
from indexer.runner import Runner
from indexer.store import schema
from indexer.views import DueEscrow, DueReason
from tests.fixtures.chainlab import USDC, Lab
from tests.integration.indexer.conftest import settle

NewRunner = Callable[[], Runner]


def headroom(engine: Engine) -> Decimal:
    with Session(engine) as session:
        [pool] = session.execute(select(pools.c.pool_id)).scalars().all()
        row = views.pool(session, pool)
        value = session.execute(select(views.pool_headroom_expr(pools.c.pool_id)).select_from(pools)).scalar_one()
        assert row is not None
        assert row.headroom_units == value
        return value


def ask_back(lab: Lab, amount: int) -> None:
    data = channel_abi.encode_initiate_pool_withdraw(ZERO_ADDRESS, lab.operator, amount)
    lab.send(lab.buyer, lab.contracts.payment_channel, data)


def test_headroom_counts_only_what_is_sure(lab: Lab, engine: Engine, new_runner: NewRunner) -> None:
    runner = new_runner()
    lab.deposit_pool(5 * USDC)
    settle(runner)
    assert headroom(engine) == 0  # seen, not final
    lab.chain.mine(2)
    settle(runner)
    assert headroom(engine) == 5 * USDC
    ask_back(lab, 2 * USDC)
    settle(runner)
    assert headroom(engine) == 3 * USDC  # at once
    lab.send(
        lab.buyer, lab.contracts.payment_channel, channel_abi.encode_cancel_pool_withdraw(ZERO_ADDRESS, lab.operator)
    )
    settle(runner)
    assert headroom(engine) == 3 * USDC  # the cancellation is not final
    lab.chain.mine(2)
    settle(runner)
    assert headroom(engine) == 5 * USDC


def test_an_orphaned_withdrawal_still_counts_until_its_height_is_final(
    lab: Lab, engine: Engine, new_runner: NewRunner
) -> None:
    runner = new_runner()
    lab.deposit_pool(5 * USDC)
    lab.chain.mine(3)
    settle(runner)
    snapshot = lab.chain.rpc("evm_snapshot")
    ask_back(lab, 2 * USDC)
    settle(runner)
    lab.chain.rpc("evm_revert", snapshot)
    lab.chain.rpc("evm_increaseTime", 9)
    lab.chain.mine(1)
    settle(runner)
    with Session(engine) as session:
        [pool] = views.pools_of(session, lab.buyer)
        assert (pool.withdraw_units, pool.pending_withdraw_units) == (0, 2 * USDC)
    assert headroom(engine) == 3 * USDC
    lab.chain.mine(2)
    settle(runner)
    assert headroom(engine) == 5 * USDC


def _all_series(session: Session, now: int) -> None:
    for metric in views.Metric:
        views.series(session, metric, first=now - 1, last=now, bucket=views.Bucket.HOUR, min_finality=Finality.SAFE)


def all_due(session: Session, now: int) -> list[DueEscrow]:
    among = select(escrows.c.escrow_id)
    return [due for reason in DueReason for due in views.due_escrows(session, now, reason, among=among, limit=100)]


def test_due_escrows_by_each_clock(lab: Lab, engine: Engine, new_runner: NewRunner) -> None:
    lab.stake()
    lab.fund(funded := lab.terms())
    lab.fund(accepted := lab.terms())
    lab.accept(accepted)
    lab.fund(submitted := lab.terms())
    lab.accept(submitted)
    lab.submit(submitted)
    submitted_at = lab.now()
    lab.journey()
    runner = new_runner()
    settle(runner)
    with Session(engine) as session:
        before_safe = {due.escrow.escrow_id for due in all_due(session, accepted.deliver_by)}
    lab.chain.mine(2)
    settle(runner)
    ids = {lab.id_of(terms) for terms in (funded, accepted, submitted)}
    assert before_safe <= ids
    with Session(engine) as session:
        assert all_due(session, submitted_at + 59) == []
        [first] = all_due(session, submitted_at + 60)
        assert (first.reason, first.due_at) == (DueReason.CHALLENGE_OVER, submitted_at + 60)
        due = all_due(session, accepted.deliver_by)
        assert [(d.escrow.escrow_id, d.reason) for d in due] == [
            (lab.id_of(submitted), DueReason.CHALLENGE_OVER),
            (lab.id_of(accepted), DueReason.DELIVER_BY_OVER),
            (lab.id_of(funded), DueReason.ACCEPT_BY_OVER),
        ]


def test_due_escrows_are_asked_for_by_whose_they_are_and_in_pages(
    lab: Lab, engine: Engine, new_runner: NewRunner
) -> None:
    terms = [lab.terms() for _ in range(5)]
    for one in terms:
        lab.fund(one)
    lab.chain.mine(2)
    settle(new_runner())
    late, dust = 2**40, lab.id_of(terms[0])
    ours = select(escrows.c.escrow_id).where(escrows.c.escrow_id != dust)
    seen: list[bytes] = []
    after: tuple[int, bytes] | None = None
    with Session(engine) as session:
        while True:
            page = views.due_escrows(
                session, late, DueReason.ACCEPT_BY_OVER, among=ours, after=after, limit=2
            )  # fmt: skip
            assert len(page) <= 2
            if not page:
                break
            seen += [due.escrow.escrow_id for due in page]
            after = (page[-1].due_at, page[-1].escrow.escrow_id)
    assert sorted(seen) == sorted(lab.id_of(one) for one in terms[1:]), "each of ours once, the stranger's never"


def test_every_write_is_told_after_its_commit(lab: Lab, engine: Engine, new_runner: NewRunner) -> None:
    runner = new_runner()
    settle(runner)
    url = make_url(engine.url.render_as_string(hide_password=False)).set(drivername="postgresql")
    with psycopg.connect(url.render_as_string(hide_password=False), autocommit=True) as listener:
        listener.execute("LISTEN chain")
        lab.deposit_pool(USDC)
        number = int(lab.chain.rpc("eth_blockNumber"), 16)
        settle(runner)
        heard = [int(note.payload) for note in listener.notifies(timeout=5, stop_after=1)]
        with Session(engine) as session:
            assert views.sync_status(session).head_number >= heard[0]
    assert set(heard) == {number}


def test_reads_run_over_asyncpg_as_well(lab: Lab, engine: Engine, new_runner: NewRunner) -> None:
    lab.deposit_pool(5 * USDC)
    lab.chain.mine(2)
    settle(new_runner())
    url = engine.url.set(drivername="postgresql+asyncpg")

    async def read() -> tuple[int, Decimal, int]:
        asynchronous = create_async_engine(url)
        try:
            async with AsyncSession(asynchronous) as session:
                status = await session.run_sync(views.sync_status)
                [pool] = await session.run_sync(views.pools_of, lab.buyer)
                expression = select(views.pool_headroom_expr(pools.c.pool_id)).select_from(pools)
                totals = await session.run_sync(views.totals)
                assert await session.run_sync(views.totals, Finality.FINAL) == totals
                await session.run_sync(views.stake, lab.agent, Finality.FINAL)
                await session.run_sync(views.escrow, bytes(32), Finality.SAFE)
                await session.run_sync(all_due, 2**40)
                await session.run_sync(_all_series, lab.now())
                assert (await session.run_sync(views.mirror_status, lab.now())).state == "ok"
                assert pool.balance_final_units == totals.pool_balance_units
                return status.head_number, (await session.execute(expression)).scalar_one(), pool.nonce
        finally:
            await asynchronous.dispose()

    head, room, nonce = asyncio.run(read())
    assert (room, nonce) == (5 * USDC, 0)
    assert head == int(lab.chain.rpc("eth_blockNumber"), 16)


def test_a_reorg_while_it_was_stopped_is_found_at_start(lab: Lab, engine: Engine, new_runner: NewRunner) -> None:
    lab.chain.mine(4)
    snapshot = lab.chain.rpc("evm_snapshot")
    lab.deposit_pool(5 * USDC)
    settle(new_runner())
    lab.chain.rpc("evm_revert", snapshot)
    lab.chain.rpc("evm_increaseTime", 9)
    lab.deposit_pool(2 * USDC)
    lab.chain.mine(1)
    settle(new_runner())
    with Session(engine) as session:
        [pool] = views.pools_of(session, lab.buyer)
        assert pool.balance_latest_units == 2 * USDC
        assert session.execute(text("SELECT count(*) FROM chain.pool_event")).scalar_one() == 1


def test_claims_draw_from_the_pool_and_settle(lab: Lab, engine: Engine, new_runner: NewRunner) -> None:
    runner = new_runner()
    lab.deposit_pool(5 * USDC)
    first = lab.claim(total=400_000)
    lab.claim(total=1_000_000)
    channel_address = lab.contracts.payment_channel
    lab.send(lab.other, channel_address, channel_abi.encode_settle(lab.agent, lab.usdc))
    lab.chain.mine(1)
    settle(runner)
    with Session(engine) as session:
        [pool] = views.pools_of(session, lab.buyer)
        assert (pool.balance_latest_units, pool.claimed_latest_units) == (4_000_000, 1_000_000)
        channel = views.channel(session, first, Finality.SEEN)
        assert channel is not None
        assert (channel.balance_units, channel.total_claimed_units, channel.pool_id) == (
            1_000_000,
            1_000_000,
            pool.pool_id,
        )
        receiver = views.receiver(session, lab.agent)
        assert (receiver.claimed_units, receiver.settled_units) == (1_000_000, 1_000_000)
        assert [event.kind for event in views.pool_events(session, pool.pool_id)] == ["deposited", "drawn", "drawn"]


def test_a_claim_paid_at_once_raises_no_total_of_the_receiver(
    lab: Lab, engine: Engine, new_runner: NewRunner, agree: Callable[[], dict[str, Any]]
) -> None:
    lab.deposit_pool(5 * USDC)
    lab.claim(total=400_000)
    channel_id = lab.claim(total=1_000_000, pay=True)
    runner = new_runner()
    lab.chain.mine(1)
    settle(runner)
    with Session(engine) as session:
        channel = views.channel(session, channel_id, Finality.SEEN)
        assert channel is not None
        assert (channel.balance_units, channel.total_claimed_units) == (1_000_000, 1_000_000)
        receiver = views.receiver(session, lab.agent)
        assert (receiver.claimed_units, receiver.settled_units) == (400_000, 0)
    settle(runner)
    agree()
    lab.chain.mine(2)
    settle(runner)
    assert headroom(engine) == 5 * USDC  # a draw lowers the balance and the open receipts alike


def test_reads_answer_as_of_the_asked_finality(lab: Lab, engine: Engine, new_runner: NewRunner) -> None:
    """Rows without event rows are read through the undo journal: the oldest entry above a block is what was there."""
    lab.stake()
    lab.journey()
    lab.deposit_pool(5 * USDC)
    lab.claim(total=400_000)
    lab.chain.mine(2)
    runner = new_runner()
    settle(runner)
    with Session(engine) as session:
        before = views.totals(session)
        assert views.totals(session, Finality.FINAL) == before, "everything is final"
    lab.claim(total=1_000_000)
    lab.fund(lab.terms())  # a row that did not exist at the final block
    settle(runner)
    with Session(engine) as session:
        seen = views.totals(session)
        assert (seen.escrow_count, seen.claimed_units) == (before.escrow_count + 1, 1_000_000)
        assert views.totals(session, Finality.FINAL) == before
        claimed = [views.receiver(session, lab.agent, grade).claimed_units for grade in Finality]
        assert dict(zip(Finality, claimed, strict=True)) == {
            Finality.SEEN: 1_000_000, Finality.SAFE: claimed[1], Finality.FINAL: 400_000,
        }  # fmt: skip
        newest = [
            views.chain_activity(session, lab.buyer, None, 200, grade) for grade in (Finality.SEEN, Finality.FINAL)
        ]
        assert len(newest[0]) > len(newest[1])
        assert {row.origin.finality for row in newest[1]} == {Finality.FINAL}


def test_a_row_changed_twice_is_read_as_it_was_at_each_grade(lab: Lab, engine: Engine, new_runner: NewRunner) -> None:
    """Two changes above the final block, one of them safe: the journal's oldest entry above each mark decides."""
    lab.deposit_pool(USDC)
    lab.chain.mine(2)
    runner = new_runner()
    settle(runner)
    lab.deposit_pool(USDC)
    lab.deposit_pool(USDC)
    settle(runner)
    with Session(engine) as session:
        levels = {grade: views.totals(session, grade).pool_balance_units for grade in Finality}
        status = views.sync_status(session)
    assert status.finalized_number < status.safe_number < status.head_number
    assert levels == {Finality.SEEN: 3 * USDC, Finality.SAFE: 2 * USDC, Finality.FINAL: USDC}


def test_withdrawals_are_paged_and_told_by_finality(lab: Lab, engine: Engine, new_runner: NewRunner) -> None:
    lab.stake()
    lab.journey()
    escrow = lab.contracts.escrow
    earned = 25 * USDC - 625_000
    lab.send(lab.agent, escrow, escrow_abi.encode_withdraw(2 * USDC))
    lab.chain.mine(3)
    lab.send(lab.agent, escrow, escrow_abi.encode_withdraw(3 * USDC))
    settle(new_runner())
    with Session(engine) as session:
        contracts = (escrow, lab.contracts.reputation)
        [newest] = views.withdrawals(session, contracts, lab.agent, cursor=None, limit=1)
        assert (newest.contract, newest.amount_units, newest.left_units) == (escrow, 3 * USDC, earned - 5 * USDC)
        [older] = views.withdrawals(session, contracts, lab.agent, cursor=newest.cursor, limit=5)
        assert (older.amount_units, older.left_units) == (2 * USDC, earned - 2 * USDC)
        final = views.withdrawals(session, contracts, lab.agent, cursor=None, limit=5, min_finality=Finality.FINAL)
        assert final == [older]
        assert views.withdrawals(session, contracts, lab.buyer, cursor=None, limit=5) == []
        with pytest.raises(ValueError, match="cursor"):
            views.withdrawals(session, contracts, lab.agent, cursor="x", limit=5)


def test_the_command_says_how_the_mirror_is(lab: Lab, engine: Engine, fresh_pg_url: str, new_runner: NewRunner) -> None:
    ask = ["status", "--db", fresh_pg_url, "--json", "--max-lag", str(10**9), "--max-finality-age", str(10**9)]
    empty = CliRunner().invoke(indexer, ask)
    assert (empty.exit_code, "no mirror" in empty.output) == (1, True)
    settle(new_runner())
    well = CliRunner().invoke(indexer, ask)
    assert well.exit_code == 0, well.output
    said = json.loads(well.stdout)
    assert (said["ok"], said["state"], said["version"]) == (True, "ok", schema.VERSION)
    assert said["head_number"] == int(lab.chain.rpc("eth_blockNumber"), 16)
    table = schema.PHYSICAL
    letter = (
        f"INSERT INTO {table}.dead_letter (block_number, log_index, block_hash, tx_hash, address, topics, data, error) "
        "VALUES ({}, 0, '', '', '', '{{}}', '', 'unknown')"
    )
    for trouble, says in (
        (f"UPDATE {table}.health SET state = 'stalled', reason = 'finality stands still'", "finality stands still"),
        (f"INSERT INTO {table}.missing_range VALUES (900, 950, 'pruned')", "900"),
        (letter.format(10**6), "dead_letter"),
    ):
        with engine.begin() as connection:
            connection.exec_driver_sql(trouble)
        answer = CliRunner().invoke(indexer, ask)
        assert answer.exit_code == 1
        assert any(says in sentence for sentence in json.loads(answer.stdout)["troubles"]), answer.output
    with engine.begin() as connection:
        for name in ("health", "missing_range", "dead_letter"):
            connection.execute(text(f"DELETE FROM {table}.{name}"))
        connection.exec_driver_sql(letter.format(1))  # below the cursor: whatever it was, it has been read since
    assert CliRunner().invoke(indexer, ask).exit_code == 0
