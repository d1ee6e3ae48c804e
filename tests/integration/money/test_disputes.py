"""Disputes on a real chain: silence, answers, rulings, a stalled arbiter, and everything that must not move money."""

from __future__ import annotations

from dataclasses import replace

import pytest
from pydantic import SecretStr

from aicp.abi import escrow as escrow_abi
from aicp.abi.typed_data import Dispute, Domain, Refund, Withdrawal
from aicp.rules.ledgers import LedgerName
from aicp.rules.primitives import keccak
from backend.dashboard import service as dashboard
from backend.deals import disputes, escrow_steps, quotes, terms, timeline
from backend.deals.errors import BondMismatch, BondShort, StepUnderway
from backend.deals.models import Deal
from backend.deals.schemas import RefundIn
from backend.errors import (
    Conflict,
    InvalidSignature,
    NotFound,
    SignatureExpired,
    TermsMismatch,
    UnknownFile,
    WrongState,
)
from backend.files import service as files
from backend.wallet import service as wallet
from backend.wallet.schemas import IntentOut, WithdrawalIn
from backend.worker import sweeps
from backend.worker.runtime import close_machine
from scripts.devnet.keys import dev_accounts
from tests.fixtures.disputelab import FEE, Court, straight
from tests.fixtures.moneylab import USDC, World
from tests.fixtures.services import CHAIN_ID

PRICE = 11 * USDC
STAKE = PRICE // 5


@pytest.fixture(scope="module")
def court(world: World) -> Court:
    world.stake(world.agent, 150 * USDC)
    made = Court(world)
    made.seat()
    return made


def intents(court: Court, kind: str, deal: Deal) -> list[tuple[str, str | None]]:
    rows = court.world.sql(
        "SELECT state, error_code FROM txm.intent WHERE kind = :k AND reference->>'deal_id' = :d ORDER BY created_at",
        k=kind, d=str(deal.id),
    )  # fmt: skip
    return [(row[0], row[1]) for row in rows]


def balances(court: Court) -> tuple[int, int]:
    """What buyer and agent own, in their wallets and in the escrow's ledger."""
    world = court.world
    buyer, agent = world.buyer.address, world.agent.address
    return world.usdc_of(buyer) + world.ledger_of(buyer), world.usdc_of(agent) + world.ledger_of(agent)


def give_in(court: Court, deal: Deal) -> None:
    """The agent gives everything back."""
    world = court.world
    message = Refund(
        escrow_id=court.escrow_id(deal), cumulative_refunded=deal.price_units, valid_until=world.clock() + 600
    )
    given = RefundIn(
        escrow_id=message.escrow_id, cumulative_refunded_units=deal.price_units, valid_until=message.valid_until,
        signature=world.agent.sign(message, world.ctx.domains.escrow),
    )  # fmt: skip
    world.write(lambda s: escrow_steps.refund(s, world.ctx, deal.id, deal.agent, given))


def actions(court: Court, deal: Deal) -> set[tuple[str, str]]:
    return {(one.name, one.who) for one in court.out(deal).actions if one.allowed}


def test_a_silent_agent_loses_and_the_bond_comes_back(court: Court) -> None:
    world = court.world
    deal = court.submitted()
    assert {("dispute", "buyer"), ("release", "buyer"), ("refund", "agent"), ("split", "agent")} <= actions(court, deal)
    assert court.out(deal).escrow.dispute_fee_units == FEE  # type: ignore[union-attr]
    before = balances(court)
    given = court.dispute_in(deal, court.bond(deal, world.buyer))
    court.raise_dispute(deal, given)
    court.raise_dispute(deal, given)
    assert len(intents(court, "dispute", deal)) == 1, "the same request again is the same call"
    world.until(lambda: world.state(deal) == "disputed", "disputed")
    court.raise_dispute(deal, given)
    assert intents(court, "dispute", deal) == [("final", None)]
    assert balances(court) == (before[0] - FEE, before[1])
    spent = world.read(lambda s: dashboard.of_buyer(s, world.ctx, world.buyer.address))
    assert (spent.escrow_units, spent.escrows) == (PRICE + FEE, 1), "the bond is the buyer's until the dispute is over"
    shown = court.out(deal).escrow.dispute  # type: ignore[union-attr]
    assert shown is not None
    assert [one.claim for one in shown.evidence] == ["The result is empty."]
    assert (shown.bond_units, shown.evidence_hash, shown.responded_at) == (FEE, given.evidence_hash, None)
    assert ("respond", "agent") in actions(court, deal)
    sweeps.keep(world.machine)
    assert intents(court, "claim_default", deal) == [], "the agent's time runs"
    world.later(620)
    sweeps.keep(world.machine)
    sweeps.keep(world.machine)
    world.until(lambda: world.state(deal) == "refunded", "the buyer has won")
    assert intents(court, "claim_default", deal) == [("final", None)]
    # the price is back, the bond too, and half of the whole stake that was lost
    assert balances(court)[0] == before[0] + PRICE
    assert ("rate", "buyer") in actions(court, deal)
    assert world.told(world.buyer.address, deal)[3:] == ["dispute_opened", "refunded"]
    assert world.told(world.agent.address, deal)[3:] == ["answer_wanted", "refunded", "slashed"]


def test_the_share_of_the_lost_stake_is_paid_out_where_it_lies_by_a_signature_for_that_contract(court: Court) -> None:
    world, who = court.world, court.world.buyer
    share, before = STAKE // 2, world.usdc_of(who.address)

    def withdraw(units: int, domain: Domain, ledger: LedgerName = LedgerName.REPUTATION) -> IntentOut:
        message = Withdrawal(
            account=who.address, to=who.address, amount=units, nonce=0, valid_until=world.clock() + 600
        )
        given = WithdrawalIn(
            ledger=ledger, to=who.address, amount_units=units, nonce=0, valid_until=message.valid_until,
            signature=who.sign(message, domain),
        )  # fmt: skip
        return world.write(lambda s: wallet.withdraw(s, world.ctx, who.address, given))

    own = world.ctx.ledgers[LedgerName.REPUTATION].domain
    with pytest.raises(InvalidSignature):
        withdraw(share, world.ctx.domains.escrow)
    with pytest.raises(Conflict, match="holds less"):
        withdraw(share + 1, own)
    intent = withdraw(share, own)
    world.until(lambda: world.intent_state(intent.id) == "final", "paid out")
    assert world.usdc_of(who.address) == before + share
    with pytest.raises(Conflict, match="holds less"):
        withdraw(1, own)


def test_an_answered_dispute_is_ruled_by_jurors_and_carried_out_by_the_keeper(court: Court) -> None:
    world = court.world
    deal = court.submitted()
    before = balances(court)
    court.answered(deal)
    assert balances(court) == (before[0] - FEE, before[1] - FEE)
    shown = court.out(deal).escrow.dispute  # type: ignore[union-attr]
    assert shown is not None
    assert (shown.arbiter_fee_units, shown.arbiter_period, shown.arbiter_round) == (FEE, "evidence", 0)
    assert {one.role for one in shown.evidence} == {"buyer", "agent"}
    for sha in (one.files[0].sha256 for one in shown.evidence):
        for reader in (world.buyer.address, world.agent.address):
            assert world.read(lambda s, r=reader, f=sha: files.readable(s, world.ctx, r, f)).sha256 == sha
        with pytest.raises(NotFound):
            world.read(lambda s, f=sha: files.readable(s, world.ctx, world.rival.address, f))
    reasons = world.sql("SELECT payload->>'reason' FROM app.outbox WHERE payload->>'deal_id' = :d", d=str(deal.id))
    assert "the escrow is disputed evidence" in {row[0] for row in reasons}, "told although the task has not moved"
    assert shown.responded_at is not None
    court.keep()
    assert intents(court, "arbiter_advance", deal) == [], "evidence is still collected"
    world.later(61)
    court.keep_until(deal, "commit")
    court.vote(deal, 2)
    assert court.period(deal) == "appeal"
    world.later(61)
    for _ in range(4):
        court.keep()
    world.until(lambda: world.state(deal) == "completed", "the agent has won")
    assert intents(court, "arbiter_execute_ruling", deal) == [("final", None)]
    assert intents(court, "execute", deal) == [("final", None)]
    fee = PRICE * 250 // 10_000
    assert balances(court)[1] == before[1] - FEE + PRICE - fee + FEE, "price and the buyer's bond for his own fee"
    final = court.out(deal).escrow.dispute  # type: ignore[union-attr]
    assert final is not None
    assert (final.ruling, final.outcome, final.arbiter_period) == ("agent", "won", "solved")
    both = ["appeal_open", "ruling", "released"]
    assert world.told(world.buyer.address, deal)[3:] == ["dispute_opened", "dispute_answered", *both]
    assert world.told(world.agent.address, deal)[3:] == ["answer_wanted", *both]
    drawn = world.sql("SELECT DISTINCT juror FROM chain.arbiter_ballot WHERE seats > 0")
    jurors = "SELECT account FROM app.notification WHERE kind = 'vote_wanted' AND task_id = :t"
    assert set(world.sql(jurors, t=deal.task_id)) == set(drawn) != set()


def test_jurors_are_settled_and_rounds_swept_by_the_keeper(court: Court) -> None:
    world = court.world
    for _ in range(4):
        court.keep()
    assert world.one("SELECT count(*) FROM chain.arbiter_ballot WHERE NOT settled") == 0
    assert world.one("SELECT count(*) FROM chain.arbiter_round WHERE NOT swept") == 0
    asked = world.one("SELECT count(*) FROM txm.intent WHERE kind LIKE 'arbiter%' OR kind = 'juror_claim'")
    world.later(700)
    court.keep()
    now = world.one("SELECT count(*) FROM txm.intent WHERE kind LIKE 'arbiter%' OR kind = 'juror_claim'")
    assert now == asked, "what is done is not asked for again"


def test_what_is_not_a_dispute_of_this_buyer_now_is_refused(court: Court) -> None:
    world = court.world
    deal = court.submitted()
    good = court.dispute_in(deal, court.bond(deal, world.buyer))
    refused = {
        "another signer": (court.dispute_in(deal, good.bond, signer=world.rival), InvalidSignature),
        "expired": (court.dispute_in(deal, good.bond, lasts=0), SignatureExpired),
        "too small a bond": (court.dispute_in(deal, court.bond(deal, world.buyer, FEE - 1)), BondMismatch),
        "too large a bond": (court.dispute_in(deal, court.bond(deal, world.buyer, FEE + 1)), BondMismatch),
        "a bond by another": (court.dispute_in(deal, court.bond(deal, world.buyer, signer=world.rival)),
                              InvalidSignature),
        "other evidence": (good.model_copy(update={"evidence": court.evidence(world.buyer)}), TermsMismatch),
        "another escrow": (good.model_copy(update={"escrow_id": keccak(b"other")}), TermsMismatch),
        "a file of somebody else": (good.model_copy(update={"evidence": court.evidence(world.agent)}), UnknownFile),
    }  # fmt: skip
    for given, problem in refused.values():
        with pytest.raises(problem):
            court.raise_dispute(deal, given)
    with pytest.raises(NotFound):
        world.write(lambda s: disputes.dispute(s, world.ctx, deal.id, world.agent.address, good))
    with pytest.raises(WrongState):
        court.respond(deal, court.response_in(deal, court.bond(deal, world.agent)))
    assert intents(court, "dispute", deal) == []
    world.release(deal)
    world.until(lambda: world.state(deal) == "completed", "completed")
    with pytest.raises(WrongState):
        court.raise_dispute(deal, good)


def test_a_bond_from_the_escrow_balance(court: Court) -> None:
    world = court.world
    held = world.ledger_of(world.buyer.address)
    assert held >= FEE, "what earlier refunds left"
    deal = court.submitted()
    court.raise_dispute(deal, court.dispute_in(deal, None))
    world.until(lambda: court.chain_status(deal) == "challenged", "challenged")
    assert world.ledger_of(world.buyer.address) == held - FEE
    rich = court.submitted()
    data = escrow_abi.encode_withdraw(world.ledger_of(world.buyer.address))
    straight(court, world.buyer, data)
    world.turn()
    with pytest.raises(BondShort):
        court.raise_dispute(rich, court.dispute_in(rich, None))
    offered = court.offer(deal, world.agent, 1 * USDC, PRICE - 1 * USDC)
    court.take(deal, offered, world.buyer)
    world.until(lambda: world.state(deal) == "split", "divided in the middle of a dispute")
    world.release(rich)


def test_a_fee_that_rises_after_signing_fails_the_call_and_moves_nothing(court: Court) -> None:
    world = court.world
    deal = court.submitted()
    arbiter = world.ctx.deployment.arbiter
    before, honest = balances(court), quotes.known(world.ctx, arbiter)
    assert honest is not None
    key = quotes._key(world.ctx, arbiter)
    quotes._quotes[key] = replace(honest, fee_units=FEE - 1)
    court.raise_dispute(deal, court.dispute_in(deal, court.bond(deal, world.buyer, FEE - 1)))
    quotes._quotes[key] = honest
    with pytest.raises(StepUnderway):
        court.raise_dispute(deal, court.dispute_in(deal, court.bond(deal, world.buyer)))
    world.until(lambda: intents(court, "dispute", deal)[0][0] == "failed", "it fails in the simulation")
    assert court.chain_status(deal) == "submitted"
    assert balances(court) == before
    court.disputed(deal)
    world.turn()
    assert [state for state, _ in intents(court, "dispute", deal)] == ["failed", "final"]
    assert balances(court)[0] == before[0] - FEE, "one bond, whatever was signed"
    give_in(court, deal)
    world.until(lambda: world.state(deal) == "refunded", "given back while challenged")
    assert balances(court) == (before[0] + PRICE, before[1]), "and the bond with it"


def test_what_is_done_straight_from_wallets_is_followed(court: Court) -> None:
    world = court.world
    deal = court.submitted()
    agreed = terms.from_json(world.terms_row(deal).terms)
    message = Dispute(escrow_id=court.escrow_id(deal), evidence_hash=keccak(b"mine"), valid_until=world.clock() + 600)
    bond = court.bond(deal, world.buyer)
    data = escrow_abi.encode_dispute_with_signature(
        agreed, message.evidence_hash, message.valid_until, world.buyer.sign(message, world.ctx.domains.escrow),
        escrow_abi.BondAuthorization(bond.valid_before, bond.signature),
    )  # fmt: skip
    straight(court, world.rival, data)
    world.until(lambda: world.state(deal) == "disputed", "somebody else has sent it")
    shown = court.out(deal).escrow.dispute  # type: ignore[union-attr]
    assert shown is not None
    assert shown.evidence == []
    with pytest.raises(WrongState):
        court.raise_dispute(deal, court.dispute_in(deal, bond))
    court.respond(deal, court.response_in(deal, court.bond(deal, world.agent)))
    world.until(lambda: court.chain_status(deal) == "disputed", "answered")
    court.respond(deal, court.response_in(deal, None, court.evidence(world.agent, "Later words.")))
    shown = court.out(deal).escrow.dispute  # type: ignore[union-attr]
    assert shown is not None
    assert [one.claim for one in shown.evidence] == ["Later words."]
    kinds = {item.kind for item in world.read(lambda s: timeline.of_deal(s, deal.id, deal.buyer))}
    assert {"escrow.dispute_raised", "escrow.dispute_joined"} <= kinds
    give_in(court, deal)
    world.until(lambda: world.state(deal) == "refunded", "the agent gives in")


def test_a_stalled_arbiter_ends_in_halves(court: Court) -> None:
    world = court.world
    deal = court.submitted()
    court.answered(deal)
    before = balances(court)
    decide_by = court.out(deal).escrow.dispute.decide_by  # type: ignore[union-attr]
    assert decide_by is not None
    world.later(decide_by - world.clock() + 10)
    sweeps.keep(world.machine)
    world.until(lambda: world.state(deal) == "split", "in halves")
    assert intents(court, "resolve_stalled", deal)[-1] == ("final", None)
    fee = (PRICE // 2) * 250 // 10_000
    assert balances(court) == (before[0] + PRICE - PRICE // 2 + FEE - FEE // 2, before[1] + PRICE // 2 - fee + FEE // 2)


def test_a_ruling_that_was_not_delivered_is_carried_out_and_seeds_are_opened(court: Court) -> None:
    world = court.world
    deal = court.submitted()
    court.answered(deal)
    keys = [SecretStr(account.key) for account in (dev_accounts(CHAIN_ID).operator, *dev_accounts(CHAIN_ID).relayers)]
    seeder = world.new_machine(relayer_keys=keys)
    world.later(61)
    court.keep_until(deal, "commit", machine=seeder)
    assert [state for state, _ in shared(court, "randomness_commit")] == ["final"]
    assert [state for state, _ in shared(court, "randomness_reveal")] == ["final"], "the seed it had committed to"
    court.vote(deal, 1)
    world.later(61)
    with court.broken(world.ctx.deployment.escrow):
        court.keep(seeder)
    world.until(lambda: intents(court, "arbiter_execute_ruling", deal) == [("final", None)], "handed over in vain")
    assert court.chain_status(deal) == "disputed"
    court.keep(seeder)
    world.until(lambda: world.state(deal) == "refunded", "carried out all the same")
    assert intents(court, "execute", deal) == [("final", None)]
    close_machine(seeder)


def shared(court: Court, kind: str) -> list[tuple[str, str | None]]:
    rows = court.world.sql("SELECT state, error_code FROM txm.intent WHERE kind = :k ORDER BY created_at", k=kind)
    return [(row[0], row[1]) for row in rows]


def test_a_stake_that_could_not_be_settled_is_settled_by_the_keeper(court: Court) -> None:
    world = court.world
    deal = court.submitted()
    locked = "SELECT locked_units FROM chain.stake WHERE agent = :a"
    before = world.one(locked, a=world.agent.address)
    with court.broken(world.ctx.deployment.reputation):
        world.release(deal)
        world.until(lambda: world.state(deal) == "completed", "paid although Reputation failed")
    assert world.one(locked, a=world.agent.address) == before
    world.later(10)
    court.keep()
    world.until(lambda: intents(court, "settle_stake", deal) == [("final", None)], "settled")
    world.turn()
    assert before - world.one(locked, a=world.agent.address) == STAKE
    court.keep()
    assert len(intents(court, "settle_stake", deal)) == 1
