"""Promises of a pool never exceed it, whoever races whom; what is refused leaves nothing behind."""

from __future__ import annotations

import secrets
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import event
from sqlalchemy.orm import Session

from aicp.abi import payment_channel as channel_abi
from aicp.abi.signing import recover
from aicp.abi.typed_data import ClaimBatch, ClaimEntry, PoolWithdraw
from backend.deals import service as deals
from backend.domain.micro import utc_day
from backend.errors import (
    CeilingTooLow,
    ChainBehind,
    Conflict,
    InvalidSignature,
    NotFound,
    Problem,
    SignatureExpired,
    TermsMismatch,
    VoucherAbovePool,
)
from backend.payments import pools, repo, view, watch
from backend.payments.errors import PoolClosing, SessionKeyCap
from backend.payments.receipts import Filter, page
from backend.payments.schemas import PoolOut, PoolWithdrawIn
from backend.worker import sweeps
from tests.fixtures.moneylab import USDC, Person, World, stranger

POOL = 2 * USDC


@pytest.fixture(scope="module", autouse=True)
def funded(world: World) -> None:
    world.deposit(POOL)


def counts(world: World) -> list[int]:
    tables = ("app.micro_order", "app.voucher", "app.receipt", "app.channel")
    return [world.one(f"SELECT count(*) FROM {table}") for table in tables]


def promised(world: World) -> tuple[int, int]:
    row = world.sql("SELECT reserved_units, earned_units FROM app.pool WHERE pool_id = :id", id=world.pool_id)
    return (int(row[0][0]), int(row[0][1])) if row else (0, 0)


def test_a_pool_that_falls_is_told_once_a_fall(world: World) -> None:
    def below(units: int | None) -> int:
        """Set the threshold, look twice, and return how many were told."""
        shown = world.write(lambda s: watch.set_threshold(s, world.ctx, world.pool_id, world.buyer.address, units))
        assert shown.warn_below_units == units
        return world.write(watch.watch) + world.write(watch.watch)

    def told() -> list[str]:
        rows = world.sql("SELECT sentence FROM app.notification WHERE kind LIKE 'pool_%' ORDER BY id")
        return [row[0] for row in rows]

    assert below(POOL) == 0, "as much as he wants is free"
    assert below(3 * USDC) == 1
    assert told() == ["2.00 USDC are free in your pool, less than the 3.00 USDC you set; top it up."]
    assert (below(POOL), below(3 * USDC), below(None)) == (0, 1, 0), "it has risen, and falls a second time"
    with pytest.raises(NotFound):
        world.write(lambda s: watch.set_threshold(s, world.ctx, world.pool_id, world.agent.address, USDC))

    deal = world.deal(2_500_000)
    assert world.write(watch.watch) + world.write(watch.watch) == 1
    assert told()[-1] == "Your pool lacks 0.50 USDC for deals that run or wait for payment; top it up."
    world.write(lambda s: deals.call_off(s, world.ctx, world.buyer.address, deal.task_id))
    assert (below(None), len(told())) == (0, 3), "nothing waits any more, and that is no news"


def test_a_payment_above_the_pool_is_402_and_nothing_is_stored(world: World) -> None:
    deal, before = world.deal(POOL + 1), counts(world)
    with pytest.raises(VoucherAbovePool) as refused:
        world.place(deal, world.order(deal, POOL + 1))
    assert refused.value.status == 402
    assert refused.value.extra["available_units"] == str(POOL)
    assert counts(world) == before
    assert promised(world) == (0, 0)
    assert world.state(deal) == "awaiting_payment"


def test_orders_that_break_a_rule_store_nothing(world: World) -> None:
    deal, now = world.deal(300_000), world.clock()
    before = counts(world)
    refusals: list[tuple[type[Problem], object]] = [
        (CeilingTooLow, world.order(deal, 299_999)),
        (CeilingTooLow, world.order(deal, None)),
        (TermsMismatch, world.order(deal, 300_000, price=299_999)),
        (TermsMismatch, world.order(deal, 300_000, deliver_by=now + 30)),
        (TermsMismatch, world.order(deal, 300_000, evaluate_by=now + 300 + 21_601)),
        (InvalidSignature, world.order(deal, 300_000, signer=stranger())),
        (InvalidSignature, world.order(deal, 300_000, channel_id=bytes(32))),
        (InvalidSignature, world.order(deal, 300_000).model_copy(update={"evaluate_by": now + 601})),
        (
            InvalidSignature,
            world.order(deal, 300_000).model_copy(update={"voucher": world.voucher(300_000, signer=stranger())}),
        ),
        (
            InvalidSignature,
            world.order(deal, 300_000).model_copy(update={"voucher": world.voucher(300_000, agent=world.rival)}),
        ),
    ]
    for problem, given in refusals:
        with pytest.raises(problem):
            world.place(deal, given)
    assert counts(world) == before
    assert world.state(deal) == "awaiting_payment"


def test_the_attackers_own_session_key_finds_no_pool_even_with_the_operators_key(world: World) -> None:
    deal, mine = world.deal(300_000), Person(secrets.token_bytes(32))
    honest, world.session_key = world.session_key, mine
    try:
        given = world.order(deal, 300_000)
    finally:
        world.session_key = honest
    with pytest.raises(VoucherAbovePool):
        world.place(deal, given)


def test_a_bid_that_expired_is_not_ordered_and_an_old_final_block_stops_orders(world: World) -> None:
    deal = world.deal(300_000)
    world.clock.added += 3_700
    with pytest.raises(SignatureExpired):
        world.place(deal, world.order(deal, 300_000))
    world.clock.added -= 3_700
    world.sql("UPDATE chain.cursor SET finalized_time = finalized_time - 28801")
    try:
        with pytest.raises(ChainBehind):
            world.place(deal, world.order(deal, 300_000))
    finally:
        world.sql("UPDATE chain.cursor SET finalized_time = finalized_time + 28801")


def test_racing_orders_never_promise_more_than_the_pool(world: World) -> None:
    price = 150_000
    deals = [world.deal(price, agent=(world.agent, world.rival)[n % 2]) for n in range(24)]
    given = [world.order(deal, POOL) for deal in deals]

    def attempt(n: int) -> bool:
        try:
            world.place(deals[n % 24], given[n % 24])
        except VoucherAbovePool:
            return False
        return True

    with ThreadPoolExecutor(6) as pool:
        taken = list(pool.map(attempt, [*range(24), *range(24)]))
    accepted = {n % 24 for n, ok in enumerate(taken) if ok}
    assert len(accepted) == POOL // price, "all the pool covers and not one more"
    assert promised(world) == (len(accepted) * price, 0)
    assert world.one("SELECT count(*) FROM app.micro_order") == len(accepted)
    in_flight = world.one("SELECT sum(in_flight_units) FROM app.channel WHERE pool_id = :id", id=world.pool_id)
    assert int(in_flight) == len(accepted) * price
    for n in accepted:
        world.deliver(deals[n])
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda n: world.judge(deals[n], accepted=n % 3 != 0), accepted))
    good = sum(n % 3 != 0 for n in accepted)
    assert promised(world) == (0, good * price), "rejections free their reserve, acceptances earn once"


def test_receipts_are_issued_in_order_and_the_operator_signs_exactly_their_claim(world: World) -> None:
    domain = world.ctx.domains.channel
    for agent in (world.agent, world.rival):
        shown = world.read(lambda s, a=agent: page(s, world.ctx, a.address, Filter(), cursor=None, limit=100)).items
        assert shown
        running = 0
        for receipt in sorted(shown, key=lambda r: r.total_claimed_units):
            running += receipt.price_units
            assert receipt.total_claimed_units == running <= receipt.max_claimable_units
            entry = ClaimEntry(receipt.channel_id, receipt.max_claimable_units, receipt.total_claimed_units)
            digest = ClaimBatch(claims=(entry,)).digest(domain)
            assert recover(digest, receipt.operator_signature) == world.ctx.operator.address


def test_a_verdict_of_a_stranger_and_a_late_rejection_change_nothing(world: World) -> None:
    deal = world.deal(100_000)
    world.place(deal, world.order(deal, POOL))
    world.deliver(deal)
    with pytest.raises(InvalidSignature):
        world.judge(deal, accepted=True, signer=stranger())
    with pytest.raises(InvalidSignature):
        world.judge(deal, accepted=True, signer=world.agent)
    world.clock.added += 601
    with pytest.raises(SignatureExpired):
        world.judge(deal, accepted=False)
    world.judge(deal, accepted=True)
    world.judge(deal, accepted=True)
    assert world.state(deal) == "completed"
    world.clock.added -= 601


def ordered_today(world: World) -> int:
    """What counts against the cap; a rejected order is void and does not."""
    return int(
        world.one(
            "SELECT coalesce(sum(price_units), 0) FROM app.micro_order WHERE state <> 'void' "
            "AND extract(epoch FROM created_at)::bigint / 86400 = :day",
            day=utc_day(world.clock()),
        )
    )


def test_a_session_key_orders_up_to_its_daily_cap_and_not_a_unit_more(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(world.ctx.settings, "session_key_units_per_day", ordered_today(world) + 50_000)
    above = world.deal(50_001)
    before, reserved = counts(world), promised(world)
    with pytest.raises(SessionKeyCap) as refused:
        world.place(above, world.order(above, POOL))
    assert (refused.value.status, refused.value.code) == (403, "session_key_cap")
    assert (counts(world), promised(world)) == (before, reserved), "nothing is stored"
    exact = world.deal(50_000)
    given = world.order(exact, POOL)
    world.place(exact, given)
    world.place(exact, given)
    smallest = world.deal(10_000)
    with pytest.raises(SessionKeyCap):
        world.place(smallest, world.order(smallest, POOL))
    world.deliver(exact)
    world.judge(exact, accepted=False)
    world.place(smallest, world.order(smallest, POOL))


def test_the_cap_begins_anew_with_the_day(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(world.ctx.settings, "session_key_units_per_day", 10_000)
    deal = world.deal(10_000)
    with pytest.raises(SessionKeyCap):
        world.place(deal, world.order(deal, POOL))
    world.sql("UPDATE app.pool SET spent_day = spent_day - 1")
    world.place(deal, world.order(deal, POOL))
    spent = world.sql("SELECT spent_day, spent_units FROM app.pool WHERE pool_id = :id", id=world.pool_id)
    assert [tuple(row) for row in spent] == [(utc_day(world.clock()), 10_000)]
    world.sql("UPDATE app.pool SET spent_units = :units", units=ordered_today(world))


def test_racing_orders_of_several_agents_never_pass_the_cap(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(world.ctx.settings, "session_key_units_per_day", ordered_today(world) + 30_000)
    deals = [world.deal(10_000, agent=(world.agent, world.rival)[n % 2]) for n in range(8)]
    given = [world.order(deal, POOL) for deal in deals]

    def attempt(n: int) -> bool:
        try:
            world.place(deals[n], given[n])
        except SessionKeyCap:
            return False
        return True

    with ThreadPoolExecutor(6) as pool:
        assert sum(pool.map(attempt, range(8))) == 3


def test_more_than_a_pool_holds_is_not_asked_back(world: World) -> None:
    held = world.read(lambda s: pools.read(s, world.ctx, world.pool_id, world.buyer.address))
    message = PoolWithdraw(
        pool_id=world.pool_id, amount=held.balance_latest_units + 1, cancel=False, nonce=held.nonce,
        valid_until=world.clock() + 600,
    )  # fmt: skip
    given = PoolWithdrawIn(
        amount_units=message.amount, cancel=False, nonce=held.nonce, valid_until=message.valid_until,
        signature=world.buyer.sign(message, world.ctx.domains.channel),
    )  # fmt: skip
    with pytest.raises(Conflict, match="holds less"):
        world.write(lambda s: pools.withdraw(s, world.ctx, world.pool_id, world.buyer.address, given))


def test_an_announced_withdrawal_stops_orders_and_claims_everything_at_once(world: World) -> None:
    deal = world.deal(100_000)
    data = channel_abi.encode_initiate_pool_withdraw(world.session_key.address, world.ctx.operator.address, POOL)
    world.send(world.buyer.address, world.ctx.deployment.payment_channel, data)
    world.mirror()
    with pytest.raises(PoolClosing):
        world.place(deal, world.order(deal, POOL))
    shown = world.read(lambda s: pools.read(s, world.ctx, world.pool_id, world.buyer.address))
    assert shown.available_units == 0 < shown.balance_latest_units, "nothing is free that every order is refused"
    earned = promised(world)[1]
    paid = world.usdc_of(world.agent.address) + world.usdc_of(world.rival.address)
    assert sweeps.settle(world.machine) == 2
    world.turn()
    now = world.usdc_of(world.agent.address) + world.usdc_of(world.rival.address)
    assert now - paid == earned
    totals = world.one("SELECT sum(total_claimed_units) FROM chain.channel WHERE pool_id = :id", id=world.pool_id)
    assert int(totals) == earned, "what is claimed on chain is what receipts say"


def test_a_pool_of_any_number_of_channels_is_shown_in_as_many_steps(world: World, monkeypatch) -> None:
    """Channels cost a buyer a base unit each: showing a pool must not take a question for every one of them."""
    asked: list[str] = []

    def shown() -> PoolOut:
        asked.clear()

        def read(session: Session) -> PoolOut:
            event.listen(session.get_bind(), "before_cursor_execute", noted)
            try:
                return pools.read(session, world.ctx, world.pool_id, world.buyer.address)
            finally:
                event.remove(session.get_bind(), "before_cursor_execute", noted)

        return world.read(read)

    def noted(*statement: object) -> None:
        asked.append(str(statement[2]))

    world.write(lambda s: s.execute(repo.new_pool(world.pool_id, world.buyer.address, world.session_key.address,
                                                  world.ctx.operator.address)))  # fmt: skip
    known, few = len(shown().channels), len(asked)
    for number in range(5):
        world.write(
            lambda s, n=number: s.execute(repo.new_channel(secrets.token_bytes(32), world.pool_id, bytes([n] * 20)))
        )
    assert (len(shown().channels), len(asked)) == (known + 5, few)
    newest = [channel.channel_id for channel in shown().channels][-3:]
    monkeypatch.setattr(view, "MOST_CHANNELS", 3)
    assert [channel.channel_id for channel in shown().channels] == newest
