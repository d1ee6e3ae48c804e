"""Vouchers that are good and still not taken: each time for one reason, and nothing is stored."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from aicp.abi import payment_channel as channel_abi
from aicp.rules.deployment import OperatorEpoch
from backend.context import Context
from backend.db.times import moment
from backend.payments.engine import Engine, VoucherIn
from backend.payments.outcomes import Accepted, Code, Outcome
from tests.fixtures.moneylab import USDC, World
from tests.fixtures.voucherlab import paid, receiver, voucher


def offered(ctx: Context, *bodies: dict[str, Any]) -> list[Outcome]:
    """Offer vouchers, one batch, to an engine of a process that owns the pool."""

    async def run() -> list[Outcome]:
        engine = Engine(ctx, own=lambda _: True)
        await engine.start()
        try:
            return await engine.accept([msgspec.convert(body, VoucherIn) for body in bodies])
        finally:
            await engine.stop()

    return asyncio.run(run())


def code(outcome: Outcome) -> Code | None:
    return None if isinstance(outcome, Accepted) else outcome.code


def rows(world: World) -> list[int]:
    tables = ("app.voucher", "app.ledger_entry", "app.posting")
    return [int(world.one(f"SELECT count(*) FROM {table}")) for table in tables]


def test_an_operator_who_no_longer_serves_takes_nothing_but_repeats(world: World) -> None:
    first, second = voucher(world, receiver(71), 1_000), voucher(world, receiver(71), 2_000)
    assert isinstance(offered(world.ctx, first)[0], Accepted)
    before, known = paid(world), rows(world)
    past = OperatorEpoch(address=world.ctx.operator.address, from_time=moment(0), until=moment(world.clock() - 1))
    gone = replace(world.ctx, deployment=replace(world.ctx.deployment, operators=(past,)))
    again, new, unmet = offered(gone, first, second, voucher(world, receiver(72), 1_000))
    assert isinstance(again, Accepted)
    assert again.repeated
    assert (code(new), code(unmet)) == (Code.OPERATOR_RETIRED, Code.OPERATOR_RETIRED)
    assert (paid(world), rows(world)) == (before, known)


def test_finality_too_old_takes_nothing(world: World) -> None:
    good = voucher(world, receiver(73), 1_000)
    assert isinstance(offered(world.ctx, good)[0], Accepted)
    before = paid(world)
    late = replace(world.ctx, now=lambda: world.clock() + world.ctx.constants.max_finality_age_seconds + 600)
    assert code(offered(late, voucher(world, receiver(73), 2_000))[0]) is Code.CHAIN_BEHIND
    assert paid(world) == before


def test_a_key_spends_its_daily_cap_and_not_a_unit_more(world: World) -> None:
    before = paid(world)
    frugal = replace(
        world.ctx, settings=world.ctx.settings.model_copy(update={"session_key_units_per_day": before + 1_500})
    )
    agent = receiver(74)
    first, above, exact = offered(
        frugal, voucher(world, agent, 1_000), voucher(world, agent, 1_501), voucher(world, agent, 1_500)
    )
    assert (code(first), code(above), code(exact)) == (None, Code.SESSION_KEY_CAP, None)
    assert paid(world) == before + 1_500


@contextmanager
def withdrawing(world: World) -> Iterator[None]:
    key, operator, target = world.session_key.address, world.ctx.operator.address, world.ctx.deployment.payment_channel
    world.send(world.buyer.address, target, channel_abi.encode_initiate_pool_withdraw(key, operator, USDC))
    world.mirror()
    try:
        yield
    finally:
        world.send(world.buyer.address, target, channel_abi.encode_cancel_pool_withdraw(key, operator))
        world.turn()


def test_a_pool_that_is_being_withdrawn_pays_nothing(world: World) -> None:
    before = paid(world)
    with withdrawing(world):
        assert code(offered(world.ctx, voucher(world, receiver(75), 1_000))[0]) is Code.POOL_CLOSING
    assert paid(world) == before
    assert code(offered(world.ctx, voucher(world, receiver(75), 1_000))[0]) is None


def test_a_commit_that_fails_is_never_told_as_stored(world: World) -> None:
    agent = receiver(76)
    assert isinstance(offered(world.ctx, voucher(world, agent, 1_000))[0], Accepted)
    before, known = paid(world), rows(world)
    world.sql(
        "CREATE FUNCTION app.refuse() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'at COMMIT' USING ERRCODE = 'disk_full'; END $$"
    )
    world.sql(
        "CREATE CONSTRAINT TRIGGER refuse AFTER INSERT ON app.ledger_entry DEFERRABLE INITIALLY DEFERRED "
        "FOR EACH ROW EXECUTE FUNCTION app.refuse()"
    )
    try:
        assert code(offered(world.ctx, voucher(world, agent, 2_000))[0]) is Code.UNAVAILABLE
        assert (paid(world), rows(world)) == (before, known)
    finally:
        world.sql("DROP FUNCTION app.refuse() CASCADE")
    assert isinstance(offered(world.ctx, voucher(world, agent, 2_000))[0], Accepted)
    assert paid(world) == before + 1_000


@pytest.mark.parametrize("nonsense", ["0xzz", "latest", "0x" + "g" * 64, "0x\xb2\xb2"])
def test_a_question_about_no_channel_holds_up_nobody(world: World, nonsense: str) -> None:
    async def run() -> Outcome:
        engine = Engine(world.ctx, own=lambda _: True)
        await engine.start()
        try:
            with pytest.raises(ValueError, match="channel"):
                await asyncio.wait_for(engine.state(nonsense), 10)
            body = msgspec.convert(voucher(world, receiver(77), 1_000), VoucherIn)
            return (await asyncio.wait_for(engine.accept([body]), 10))[0]
        finally:
            await engine.stop()

    assert isinstance(asyncio.run(run()), Accepted)


def test_a_ceiling_above_all_payments_is_answered_like_any_other(world: World) -> None:
    agent = receiver(78)
    assert isinstance(offered(world.ctx, voucher(world, agent, 1_000))[0], Accepted)
    # an order may come with a ceiling no bare voucher can reach
    world.sql(
        "UPDATE app.channel SET ceiling_units = :most WHERE receiver = :agent", most=2**96 - 1, agent=agent
    )  # fmt: skip
    below, pays = offered(world.ctx, voucher(world, agent, 2**64), voucher(world, receiver(79), 1_000))
    assert (code(below), code(pays)) == (Code.STALE, None)
