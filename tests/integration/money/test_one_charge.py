"""One task is never charged twice, and what somebody signed wrongly or too late leaves nothing behind."""

from __future__ import annotations

import pytest

from aicp.abi import escrow as escrow_abi
from aicp.abi import reputation as reputation_abi
from aicp.abi import usdc as usdc_abi
from aicp.abi.typed_data import Release
from backend.deals import escrow_steps, service, terms
from backend.deals.errors import StakeShort
from backend.deals.schemas import ReleaseIn
from backend.errors import (
    AuthorizationLive,
    ChainBehind,
    InvalidSignature,
    LimitExceeded,
    NotFound,
    SignatureExpired,
    TermsMismatch,
    WrongState,
)
from backend.worker import sweeps
from tests.fixtures.moneylab import USDC, World, stranger


@pytest.fixture(scope="module", autouse=True)
def staked(world: World) -> None:
    for agent in (world.agent, world.rival):
        world.stake(agent, 400 * USDC)


def funds(world: World) -> int:
    return world.usdc_of(world.buyer.address) + world.ledger_of(world.buyer.address)


def stored(world: World) -> list[tuple[int, ...]]:
    tables = ("app.authorization", "txm.intent", "app.deal_action", "app.deliverable", "app.micro_order", "app.voucher")
    return [tuple(world.sql(f"SELECT count(*) FROM {table}")[0]) for table in tables]


def test_tampered_terms_and_wrong_signers_store_nothing(world: World) -> None:
    deal = world.deal(20 * USDC)
    row = world.terms_row(deal)
    before = stored(world)
    with pytest.raises(InvalidSignature):
        world.accept(deal, agent=world.rival)
    with pytest.raises(TermsMismatch):
        world.accept(deal, escrow_id=bytes(32))
    world.accept(deal)
    good = world.authorization(deal)
    with pytest.raises(InvalidSignature):
        world.pay(deal, world.authorization(deal, signer=stranger()))
    with pytest.raises(InvalidSignature):
        world.pay(deal, good.model_copy(update={"valid_before": good.valid_before - 1}))
    with pytest.raises(TermsMismatch):
        world.pay(deal, good.model_copy(update={"escrow_id": bytes(32)}))
    with pytest.raises(TermsMismatch):
        world.pay(deal, world.authorization(deal, lifetime=901))
    with pytest.raises(SignatureExpired):
        world.pay(deal, world.authorization(deal, lifetime=-1))
    assert world.state(deal) == "awaiting_payment"
    assert stored(world) == before
    assert world.terms_row(deal).escrow_id == row.escrow_id


def test_a_stranger_learns_nothing_of_a_deal(world: World) -> None:
    deal = world.deal(20 * USDC)
    with pytest.raises(NotFound):
        world.read(lambda s: service.find(s, deal.id, stranger().address))
    with pytest.raises(NotFound):
        world.write(lambda s: service.start(s, world.ctx, deal.id, world.buyer.address))


def test_a_stake_that_is_too_small_is_refused_before_the_buyer_signs(world: World) -> None:
    deal = world.deal(9_000 * USDC)
    with pytest.raises(StakeShort) as refused:
        world.accept(deal)
    assert refused.value.extra["need_units"] == str(1_800 * USDC)


def test_a_repeated_authorization_is_one_intent_and_one_charge(world: World) -> None:
    held = funds(world)
    deal = world.deal(15 * USDC)
    world.accept(deal)
    signed = world.authorization(deal)
    for _ in range(3):
        world.pay(deal, signed)
    world.until(lambda: world.state(deal) == "assigned", "assigned")
    world.pay(deal, signed)
    assert world.one("SELECT count(*) FROM txm.intent WHERE reference->>'deal_id' = :id", id=str(deal.id)) == 1
    assert held - funds(world) == 15 * USDC


def test_an_award_to_another_agent_waits_until_the_first_payment_can_no_longer_be_used(world: World) -> None:
    held = funds(world)
    task = world.post(18 * USDC)
    first_bid, second_bid = world.bid(task, world.agent, 18 * USDC), world.bid(task, world.rival, 17 * USDC)
    first = world.award(task, first_bid)
    world.accept(first)
    signed = world.authorization(first)
    world.pay(first, signed)
    # the relayer never sends it, but the signature is out: whoever has it may still send it
    world.sql("UPDATE txm.intent SET state = 'cancelled' WHERE reference->>'deal_id' = :id", id=str(first.id))
    world.turn(rounds=1)
    assert world.state(first) == "awaiting_payment"

    def give_up(session):
        from backend.tasks.service import get_for_update

        deal, locked = service.find(session, first.id, world.buyer.address), get_for_update(session, task.id)
        service.back_to_bids(session, world.ctx, deal, locked, "the agent left")

    world.write(give_up)
    second = world.award(task, second_bid)
    world.accept(second, agent=world.rival)
    with pytest.raises(AuthorizationLive):
        world.pay(second)
    # the authorization outlives its own deal: once expired in a final block, and unfunded, the next one may follow
    world.clock.added += 601
    with pytest.raises(ChainBehind):
        world.pay(second, world.authorization(second, lifetime=90))
    world.later(1)
    world.pay(second, world.authorization(second, lifetime=90))
    world.until(lambda: world.state(second) == "assigned", "assigned")
    agreed = world.read(lambda s: terms.from_json(s.execute(terms.repo.all_terms(first.id)).scalars().one().terms))
    data = escrow_abi.encode_fund_with_authorization(
        agreed, signed.valid_before, signed.signature, escrow_abi.Acceptance(0, b"")
    )
    with pytest.raises(AssertionError, match="'status': '0x0'"):
        world.send(stranger().address, world.ctx.deployment.escrow, data)
    assert held - funds(world) == 17 * USDC, "paid once, to the second agent"


def test_a_fund_front_run_without_the_acceptance_is_success_and_the_acceptance_follows(world: World) -> None:
    held = funds(world)
    deal = world.deal(16 * USDC)
    world.accept(deal)
    row, signed = world.terms_row(deal), world.authorization(deal)
    world.pay(deal, signed)
    data = escrow_abi.encode_fund_with_authorization(
        terms.from_json(row.terms), signed.valid_before, signed.signature, escrow_abi.Acceptance(0, b"")
    )
    world.send(stranger().address, world.ctx.deployment.escrow, data)
    world.until(lambda: world.state(deal) == "assigned", "assigned")
    kinds = sorted(
        r[0] for r in world.sql("SELECT kind FROM txm.intent WHERE reference->>'deal_id' = :i", i=str(deal.id))
    )
    assert kinds == ["accept", "fund"]
    assert held - funds(world) == 16 * USDC


def test_an_escrow_funded_straight_from_the_wallet_goes_the_same_way(world: World) -> None:
    held = funds(world)
    deal = world.deal(14 * USDC)
    world.accept(deal)
    agreed = terms.from_json(world.terms_row(deal).terms)
    escrow = world.ctx.deployment.escrow
    world.send(world.buyer.address, world.ctx.deployment.usdc, usdc_abi.encode_approve(escrow, 14 * USDC))
    world.send(world.buyer.address, escrow, escrow_abi.encode_fund(agreed))
    world.until(lambda: world.state(deal) == "assigned", "assigned")
    world.send(world.agent.address, escrow, escrow_abi.encode_submit(agreed, bytes([7]) * 32))
    world.until(lambda: world.state(deal) == "delivered", "delivered")
    world.send(world.buyer.address, escrow, escrow_abi.encode_release(agreed, 14 * USDC))
    world.until(lambda: world.state(deal) == "completed", "completed")
    assert held - funds(world) == 14 * USDC


def test_a_stake_withdrawn_before_the_fund_moves_nothing(world: World) -> None:
    held = funds(world)
    deal = world.deal(30 * USDC, agent=world.rival)
    world.accept(deal, agent=world.rival)
    reputation = world.ctx.deployment.reputation
    free = 400 * USDC - 17 * USDC * 2000 // 10_000
    world.send(world.rival.address, reputation, reputation_abi.encode_request_unstake(free))
    world.later(61)
    world.send(world.rival.address, reputation, reputation_abi.encode_complete_unstake(world.rival.address))
    world.pay(deal)
    world.until(lambda: world.state(deal) == "awaiting_payment", "the payment failed")
    code = world.one("SELECT error_code FROM txm.intent WHERE reference->>'deal_id' = :id", id=str(deal.id))
    assert code == "Stake_Insufficient"
    assert held == funds(world), "the buyer was not charged"


def test_an_agent_who_does_not_answer_loses_the_deal_and_terms_that_lapse_are_composed_anew(world: World) -> None:
    silent = world.deal(20 * USDC)
    world.clock.added += 62
    sweeps.keep(world.machine)
    assert world.state(silent) == "open"
    with pytest.raises((WrongState, TermsMismatch)):
        world.write(lambda s: service.start(s, world.ctx, silent.id, world.agent.address))
    deal = world.deal(20 * USDC)
    world.accept(deal)
    old = world.terms_row(deal).escrow_id
    world.clock.added += 901
    sweeps.keep(world.machine)
    assert world.state(deal) == "awaiting_payment"
    assert not world.read(lambda s: terms.wants_new_terms(s, world.ctx, deal.id, world.agent.address))
    assert world.read(lambda s: terms.wants_new_terms(s, world.ctx, deal.id, world.buyer.address))
    assert world.write(lambda s: terms.renew_for_buyer(s, world.ctx, deal.id, world.buyer.address))
    assert world.state(deal) == "awaiting_acceptance"
    assert world.terms_row(deal).escrow_id != old


def test_an_authorization_that_expires_unsent_moves_nothing_and_the_buyer_signs_again(world: World) -> None:
    held = funds(world)
    deal = world.deal(13 * USDC)
    world.accept(deal)
    world.pay(deal, world.authorization(deal, lifetime=60))
    assert world.state(deal) == "funding"
    world.clock.added += 61
    world.turn(rounds=1)
    assert world.state(deal) == "awaiting_payment"
    assert world.one("SELECT state FROM txm.intent WHERE reference->>'deal_id' = :id", id=str(deal.id)) == "expired"
    assert held == funds(world)
    world.pay(deal)
    world.until(lambda: world.state(deal) == "assigned", "assigned")
    assert held - funds(world) == 13 * USDC


def test_a_repeated_release_reserves_its_gas_once(world: World) -> None:
    deal = world.deal(11 * USDC)
    world.accept(deal)
    world.pay(deal)
    world.until(lambda: world.state(deal) == "assigned", "assigned")
    row = world.terms_row(deal)
    until = world.clock() + 900
    message = Release(escrow_id=row.escrow_id, cumulative_released=deal.price_units, valid_until=until)
    given = ReleaseIn(
        escrow_id=row.escrow_id, cumulative_released_units=deal.price_units, valid_until=until,
        signature=world.buyer.sign(message, world.ctx.domains.escrow),
    )  # fmt: skip

    def reserved() -> int:
        return int(world.one("SELECT sum(gas) FROM app.relayed_gas WHERE address = :a", a=world.buyer.address))

    before = reserved()
    world.write(lambda s: escrow_steps.release(s, world.ctx, deal.id, world.buyer.address, given))
    once = reserved()
    assert once > before
    for _ in range(3):
        world.write(lambda s: escrow_steps.release(s, world.ctx, deal.id, world.buyer.address, given))
    assert reserved() == once


def test_past_the_days_gas_the_answer_is_to_send_it_yourself(world: World, monkeypatch) -> None:
    deal = world.deal(13 * USDC)
    world.accept(deal)
    before = stored(world)
    monkeypatch.setattr(world.ctx.settings, "relayed_gas_per_day", 1)
    with pytest.raises(LimitExceeded) as refused:
        world.pay(deal)
    assert "Send it yourself" in refused.value.what_to_do
    assert stored(world) == before
    assert world.state(deal) == "awaiting_payment"


def test_a_round_ends_the_authorization_of_a_deal_that_waits_again(world: World) -> None:
    """Nothing of the escrow is on chain and the deal waits for a signature: only its authorization is left to end."""
    deal = world.deal(12 * USDC)
    world.accept(deal)
    world.pay(deal, world.authorization(deal, lifetime=60))

    def authorization() -> str:
        return str(world.one("SELECT state FROM app.authorization WHERE deal_id = :d", d=deal.id))

    world.clock.added += 90  # no block is past its expiry yet
    sweeps.sweep_transactions(world.machine)
    sweeps.reconcile(world.machine)
    assert (world.state(deal), authorization()) == ("awaiting_payment", "live")
    world.later(10)
    sweeps.reconcile(world.machine)
    assert (world.state(deal), authorization()) == ("awaiting_payment", "lapsed")
