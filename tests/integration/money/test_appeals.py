"""Appeals and juries on a real chain: what the service shows of them, what the keeper takes on, who gets what back."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from eth_abi.abi import encode

from aicp.abi import arbiter as abi
from aicp.abi import usdc as usdc_abi
from aicp.abi.typed_data import ReceiveWithAuthorization
from aicp.rules.ids import appeal_nonce, dispute_extra, dispute_id
from aicp.rules.primitives import Finality, hex0x
from backend.dashboard import service as dashboard
from backend.db.times import unix
from backend.deals import appeals, terms, timeline
from backend.deals.dispute_schemas import AppealOut, AppealPaymentIn, DisputeOut
from backend.deals.errors import AppealMismatch, StepUnderway
from backend.deals.models import Deal
from backend.domain.gas import RELAYED
from backend.errors import InvalidSignature, NotFound, SignatureExpired, WrongState
from backend.keeper import arbiter as keeper
from indexer import views
from tests.fixtures.disputelab import FEE, Court
from tests.fixtures.moneylab import USDC, Person, World
from tests.fixtures.services import CHAIN_ID

COST = 7 * USDC
APPEAL_SECONDS = 60


@pytest.fixture(scope="module")
def court(world: World) -> Court:
    world.stake(world.agent, 150 * USDC)
    made = Court(world)
    made.seat()
    for party in (world.buyer, world.agent, world.rival):
        world.chain.rpc("anvil_setBalance", hex0x(party.address), hex(10**20))
        world.chain.rpc("anvil_impersonateAccount", hex0x(party.address))
        world.send(party.address, world.ctx.deployment.usdc, usdc_abi.encode_faucet(party.address, 200 * USDC))
        data = usdc_abi.encode_approve(world.ctx.deployment.arbiter, 2**255)
        world.send(party.address, world.ctx.deployment.usdc, data)
    return made


def page_of(court: Court) -> list[views.OpenDispute]:
    world = court.world
    return world.read(lambda s: keeper.due_steps(s, world.ctx, None))


def dispute_of(court: Court, deal: Deal) -> DisputeOut:
    escrow = court.out(deal).escrow
    assert escrow is not None
    assert escrow.dispute is not None
    return escrow.dispute


def appeal_of(court: Court, deal: Deal) -> AppealOut:
    found = dispute_of(court, deal).appeal
    assert found is not None
    return found


def judged(court: Court, choice: int) -> Deal:
    """Return a deal whose first panel has voted."""
    deal = court.submitted()
    court.answered(deal)
    court.world.later(61)
    court.keep_until(deal, "commit")
    court.vote(deal, choice)
    assert court.period(deal) == "appeal"
    return deal


def pay(court: Court, deal: Deal, payer: Person, side: int, units: int) -> None:
    data = abi.encode_fund_appeal(court.dispute_id(deal), side, units)
    court.world.send(payer.address, court.world.ctx.deployment.arbiter, data)
    court.world.turn(rounds=1)


def signed(court: Court, deal: Deal, payer: Person, units: int, **changes: Any) -> AppealPaymentIn:
    """A party's signed payment for its own side; changes are of what is signed, `signer` and `said_units` are not."""
    world = court.world
    side = 1 if payer.address == deal.buyer else 2
    number, salt = changes.get("round", 0), changes.get("salt", secrets.token_bytes(32))
    message = ReceiveWithAuthorization(
        from_=payer.address, to=world.ctx.deployment.arbiter, value=units, valid_after=0,
        valid_before=changes.get("valid_before", world.clock() + 50),
        nonce=appeal_nonce(court.dispute_id(deal), number, changes.get("side", side), salt),
    )  # fmt: skip
    return AppealPaymentIn(
        escrow_id=court.escrow_id(deal), round=number, amount_units=changes.get("said_units", units),
        valid_before=message.valid_before, salt=salt,
        signature=changes.get("signer", payer).sign(message, world.ctx.domains.token),
    )  # fmt: skip


def relayed(court: Court, deal: Deal, payer: Person, given: AppealPaymentIn) -> None:
    world = court.world
    world.write(lambda s: appeals.pay(s, world.ctx, deal.id, payer.address, given))


def calls(court: Court, deal: Deal) -> list[tuple[str, str | None, int]]:
    rows = court.world.sql(
        "SELECT state, error_code, gas_used FROM txm.intent WHERE kind = 'appeal' AND reference->>'deal_id' = :d "
        "ORDER BY created_at",
        d=str(deal.id),
    )  # fmt: skip
    return [(row[0], row[1], int(row[2] or 0)) for row in rows]


@contextmanager
def without_gas(court: Court, *people: Person) -> Iterator[None]:
    rpc = court.world.chain.rpc
    for one in people:
        rpc("anvil_setBalance", hex0x(one.address), "0x0")
    yield
    for one in people:
        assert int(rpc("eth_getBalance", hex0x(one.address), "latest"), 16) == 0, "nobody has sent anything himself"
        rpc("anvil_setBalance", hex0x(one.address), hex(10**20))


def asked(court: Court, kind: str, deal: Deal) -> int:
    named = hex0x(court.dispute_id(deal).to_bytes(32))
    count = court.world.one(
        "SELECT count(*) FROM txm.intent WHERE kind = :k AND (reference->>'deal_id' = :d "
        "OR reference->>'dispute_id' = :n) AND state = 'final'",
        k=kind, d=str(deal.id), n=named,
    )  # fmt: skip
    return int(str(count))


def credit(court: Court, account: bytes) -> int:
    arbiter = court.world.ctx.deployment.arbiter
    return court.world.read(lambda s: views.ledger_balance(s, arbiter, account, Finality.SEEN))


def test_an_appeal_of_both_sides_is_drawn_voted_and_paid_back_by_the_keeper(court: Court) -> None:
    world = court.world
    deal = judged(court, 2)
    agreed = terms.from_json(world.terms_row(deal).terms)
    extra = dispute_extra(court.escrow_id(deal), agreed)
    contracts = world.ctx.deployment
    assert dispute_id(CHAIN_ID, contracts.arbiter, contracts.escrow, extra) == court.dispute_id(deal)
    shown = dispute_of(court, deal)
    call = {"to": hex0x(contracts.arbiter), "data": hex0x(abi.encode_appeal_period(court.dispute_id(deal)))}
    said = abi.decode_appeal_period_result(bytes.fromhex(world.chain.rpc("eth_call", call, "latest")[2:]))
    start, end = said.start, said.end
    assert (shown.arbiter_period_ends_at, shown.verdict, shown.ruling) == (end, "agent", None)
    waiting = world.read(lambda s: dashboard.of_buyer(s, world.ctx, world.buyer.address)).waiting
    assert [(one.step, one.deal_id, one.due and unix(one.due)) for one in waiting] == [("appeal", deal.id, end)]
    assert [(one.number, one.seats, one.drawn, one.agent_votes) for one in shown.rounds] == [(0, 3, 3, 3)]
    appeal = appeal_of(court, deal)
    assert (appeal.cost_units, appeal.ends_at, appeal.challenge_by) == (COST, end, end - APPEAL_SECONDS // 2)
    assert end - start == APPEAL_SECONDS
    assert [(one.role, one.required_units, one.missing_units) for one in appeal.sides] == [
        ("buyer", 2 * COST, 2 * COST), ("agent", COST, COST),
    ]  # fmt: skip

    pay(court, deal, world.buyer, 1, 4 * USDC)
    pay(court, deal, world.buyer, 1, 30 * USDC)  # no more than is missing is taken
    appeal = appeal_of(court, deal)
    told = world.sql("SELECT payload->>'reason' FROM app.outbox WHERE payload->>'deal_id' = :d", d=str(deal.id))
    assert [row[0] for row in told].count("the escrow is disputed appeal") == 3, "its begin, and each payment"
    assert appeal.challenged
    assert [(one.paid_units, one.payable_until) for one in appeal.sides] == [(2 * COST, None), (0, end)]
    world.later(APPEAL_SECONDS // 2 + 1)
    court.keep()
    court.keep()
    assert asked(court, "arbiter_execute_ruling", deal) == 0, "the agent may still answer"
    assert court.period(deal) == "appeal"
    pay(court, deal, world.agent, 2, COST)
    assert court.period(deal) == "drawing"
    shown = dispute_of(court, deal)
    assert (shown.arbiter_round, shown.appeal, shown.verdict) == (1, None, "agent")
    assert (shown.rounds[0].buyer_appeal_units, shown.rounds[0].agent_appeal_units) == (2 * COST, COST)
    assert shown.arbiter_period_ends_at is None

    court.keep_until(deal, "commit")
    court.vote(deal, 1, number=1)
    shown = dispute_of(court, deal)
    assert (shown.verdict, shown.arbiter_period, shown.rounds[1].buyer_votes) == ("buyer", "appeal", 7)
    assert [one.required_units for one in appeal_of(court, deal).sides] == [15 * USDC, 30 * USDC]
    world.later(APPEAL_SECONDS // 2 + 1)
    assert dispute_of(court, deal).appeal is None, "nobody has challenged it"
    before = (credit(court, world.buyer.address), credit(court, world.agent.address))
    for _ in range(4):
        court.keep()
    world.until(lambda: world.state(deal) == "refunded", "the buyer has won in the second round")
    assert dispute_of(court, deal).ruling == "buyer"
    world.until(lambda: asked(court, "appeal_return", deal) == 1, "only the buyer is due something")
    # what both sides raised, less the second panel, goes to the side that won
    told = [one for one in world.read(lambda s: timeline.of_deal(s, deal.id, deal.buyer)) if "arbiter." in one.kind]
    assert [one.kind.removeprefix("arbiter.") for one in told] == [
        "appeal_possible", "appeal_contributed", "appeal_contributed", "appeal_contributed", "appeal_decision",
        "appeal_possible", "contribution_returned",
    ]  # fmt: skip
    assert told[2].sentence == "10.00 USDC were paid for the buyer's side of the appeal.", "only what was missing"
    assert told[3].sentence == "7.00 USDC were paid for the agent's side of the appeal."
    after = dispute_of(court, deal)
    assert (after.buyer_credit_units, after.agent_credit_units) == (before[0] + 2 * COST, before[1])
    world.later(700)
    court.keep()
    assert asked(court, "appeal_return", deal) == 1


def test_a_side_that_does_not_answer_a_funded_appeal_loses(court: Court) -> None:
    world = court.world
    deal = judged(court, 2)
    before = credit(court, world.buyer.address)
    stranger = world.rival
    pay(court, deal, stranger, 1, COST)
    pay(court, deal, world.buyer, 1, COST)
    world.later(APPEAL_SECONDS + 1)
    assert dispute_of(court, deal).appeal is None
    for _ in range(4):
        court.keep()
    world.until(lambda: world.state(deal) == "refunded", "won by default")
    shown = dispute_of(court, deal)
    assert (shown.verdict, shown.ruling) == ("agent", "buyer")
    world.until(lambda: credit(court, world.buyer.address) == before + COST, "no round followed: all of it is back")
    world.later(700)
    court.keep()
    assert credit(court, stranger.address) == 0, "a stranger's contribution is his own to collect"
    assert asked(court, "appeal_return", deal) == 1
    assert page_of(court) == []


def test_both_sides_pay_by_signature_and_need_no_gas(court: Court) -> None:
    world = court.world
    deal = judged(court, 2)
    held = {one.address: world.usdc_of(one.address) for one in (world.buyer, world.agent)}
    with without_gas(court, world.buyer, world.agent):
        part = signed(court, deal, world.buyer, COST)
        relayed(court, deal, world.buyer, part)
        relayed(court, deal, world.buyer, part)
        assert len(calls(court, deal)) == 1, "the same request again is the same call"
        with pytest.raises(StepUnderway):
            relayed(court, deal, world.buyer, signed(court, deal, world.buyer, COST))
        world.until(lambda: calls(court, deal)[0][0] == "final", "mined")
        relayed(court, deal, world.buyer, signed(court, deal, world.buyer, COST))
        world.until(lambda: appeal_of(court, deal).challenged, "the buyer's side is paid")
        world.until(lambda: [row[0] for row in calls(court, deal)] == ["final"] * 2, "mined")
        relayed(court, deal, world.buyer, part)
        with pytest.raises(WrongState, match="paid in full"):
            relayed(court, deal, world.buyer, signed(court, deal, world.buyer, 1))
        answer = signed(court, deal, world.agent, COST)
        relayed(court, deal, world.agent, answer)
        world.until(lambda: dispute_of(court, deal).arbiter_round == 1, "the next panel is drawn")
        world.until(lambda: [row[0] for row in calls(court, deal)] == ["final"] * 3, "mined")
        relayed(court, deal, world.agent, answer)
        with pytest.raises(WrongState, match="No such appeal"):
            relayed(court, deal, world.agent, signed(court, deal, world.agent, COST))
        assert len(calls(court, deal)) == 3
    assert world.usdc_of(world.buyer.address) == held[world.buyer.address] - 2 * COST
    assert world.usdc_of(world.agent.address) == held[world.agent.address] - COST
    assert max(row[2] for row in calls(court, deal)) <= RELAYED["appeal"].reserved


def test_what_does_not_fit_the_appeal_is_not_relayed(court: Court) -> None:
    world = court.world
    deal = court.submitted()
    court.answered(deal)
    early = signed(court, deal, world.buyer, COST)
    with pytest.raises(WrongState, match="No such appeal"):
        relayed(court, deal, world.buyer, early)
    world.later(61)
    court.keep_until(deal, "commit")
    court.vote(deal, 2)
    buyer, agent = world.buyer, world.agent
    wrong: list[tuple[Person, AppealPaymentIn, type[Exception]]] = [
        (buyer, signed(court, deal, buyer, 2 * COST + 1), AppealMismatch),
        (buyer, signed(court, deal, buyer, 0), AppealMismatch),
        (agent, signed(court, deal, agent, COST + 1), AppealMismatch),
        (buyer, signed(court, deal, buyer, COST, round=1), WrongState),
        (buyer, signed(court, deal, buyer, COST, said_units=COST + 1), InvalidSignature),
        (buyer, signed(court, deal, buyer, COST, side=2), InvalidSignature),
        (buyer, signed(court, deal, buyer, COST, signer=agent), InvalidSignature),
        (buyer, signed(court, deal, buyer, COST, valid_before=world.clock()), SignatureExpired),
        (world.rival, signed(court, deal, world.rival, COST), NotFound),
    ]
    for payer, given, refusal in wrong:
        with pytest.raises(refusal):
            relayed(court, deal, payer, given)
    assert calls(court, deal) == []
    world.later(APPEAL_SECONDS // 2 + 1)
    with pytest.raises(WrongState, match="No such appeal"):
        relayed(court, deal, buyer, signed(court, deal, buyer, COST))
    assert calls(court, deal) == []


def test_strangers_disputes_are_never_looked_at(court: Court) -> None:
    world, arbiter = court.world, court.world.ctx.deployment.arbiter
    ours = court.submitted()
    court.answered(ours)
    agreed = terms.from_json(world.terms_row(ours).terms)
    # about the same escrow, brought by an account of its own: another arbitrable, so another dispute
    extra = dispute_extra(court.escrow_id(ours), agreed)
    other = encode(["bytes32"], [b"a stranger's question".ljust(32)])
    for data in (extra, other):
        world.send(
            world.buyer.address, arbiter,
            abi.encode_create_dispute_fee_token_fee_amount(2, data, world.ctx.deployment.usdc, FEE),
        )  # fmt: skip
    world.turn(rounds=1)
    assert world.one("SELECT count(*) FROM chain.arbiter_dispute WHERE arbitrable = :a", a=world.buyer.address) == 2
    world.later(61)
    court.keep_until(ours, "commit")
    strange = {dispute_id(CHAIN_ID, arbiter, world.buyer.address, data) for data in (extra, other)}
    for number in strange:
        row = world.read(lambda s, n=number: views.arbiter_dispute_by_id(s, n.to_bytes(32)))
        assert row is not None
        assert row.period == "evidence", "its time is over too, and nobody has written that down"
    pages = world.read(lambda s: keeper.due_steps(s, world.ctx, None))
    assert court.dispute_id(ours) in {int.from_bytes(row.dispute.dispute_id) for row in pages}
    assert strange.isdisjoint(int.from_bytes(row.dispute.dispute_id) for row in pages)
