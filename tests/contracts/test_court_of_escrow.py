"""Escrow and our own arbiter together: from the deal to the last withdrawal, and what must not stop it on the way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import ape
import pytest
from eth_abi import encode

from tests.contracts.court import APPEAL, DAY, FEE, HOUR, SOLVED, STAKE, Court, open_court
from tests.contracts.world import FOREVER, USDC, Terms, nonce_of

CHALLENGED, DISPUTED, RULED, CLOSED = 4, 5, 6, 7
LOST, WON, STALLED = 5, 6, 8
PRICE, LOCK, BOND = 25 * USDC + 1, 5 * USDC + 1, 3 * FEE
PROOF = b"\x33" * 32
REVERTS = bytes.fromhex("60006000fd")


@pytest.fixture(scope="module")
def court(world, accounts, project) -> Court:
    """The arbiter with five jurors."""
    return open_court(world, accounts, project)


@dataclass(frozen=True, slots=True)
class Case:
    """A deal whose dispute is before the arbiter."""

    court: Court
    terms: Terms
    id: bytes
    number: int
    extra: bytes

    def state(self) -> tuple[int, int, int, int]:
        """Status, ruling or outcome, released, refunded."""
        state = self.court.world.escrow.stateOf(self.id)
        return state.status, state.ruling, state.released, state.refunded

    def clock(self) -> int:
        """End of the arbiter's time."""
        return int(self.court.world.escrow.stateOf(self.id).clock)

    def seat(self) -> None:
        """From Evidence to Commit."""
        ends_at = self.court.state(self.number).endsAt
        if self.court.world.now() < ends_at:
            self.court.world.pass_to(ends_at)
        self.court.arbiter.advance(self.number, sender=self.court.anyone)
        self.redraw()

    def redraw(self) -> None:
        """From Drawing to Commit."""
        self.court.open_session()
        self.court.arbiter.draw(self.number, self.extra, 15, sender=self.court.anyone)

    def judged(self, *choices: int) -> None:
        """Votes, and nobody appeals."""
        self.seat()
        self.court.vote(self.number, *choices)
        self.court.end(self.number, APPEAL)
        assert self.court.state(self.number).period == SOLVED

    def execute(self) -> None:
        """Anyone carries the ruling out."""
        self.court.world.escrow.execute(self.terms.tuple(), sender=self.court.anyone)


def holders(court: Court) -> dict[str, int]:
    """USDC of everybody who takes part."""
    world = court.world
    people = (world.owner, world.guardian, world.treasury, world.client, world.provider, world.verifier, *court.jurors)
    contracts = (world.escrow, world.reputation, court.arbiter, court.asker, world.channel)
    return {one.address: int(world.usdc.balanceOf(one)) for one in (*people, *contracts)}


def bond(court: Court, signer: Any, escrow_id: bytes) -> tuple[int, bytes]:
    nonce = nonce_of(("bytes32", escrow_id), ("string", "bond"), ("address", signer.address))
    return FOREVER, court.world.authorization(signer, court.world.escrow, BOND, nonce)


def disputed(court: Court) -> Case:
    """Fund, accept, submit, dispute with a bond, respond."""
    world = court.world
    terms = world.submitted(arbiter=court.arbiter.address, verifier=world.verifier.address, amount=PRICE)
    escrow_id, call = world.id_of(terms), terms.tuple()
    assert world.reputation.stakeOf(world.provider).locked == LOCK
    client, provider = bond(court, world.client, escrow_id), bond(court, world.provider, escrow_id)
    world.escrow.disputeWithSignature(call, PROOF, 0, b"", client, sender=world.client)
    assert world.status(terms) == CHALLENGED
    now = world.now()
    world.escrow.respondWithSignature(call, 0, b"", provider, sender=world.provider)
    parties = [world.client.address, world.provider.address, world.verifier.address]
    extra = encode(["bytes32", "address", "address", "address"], [escrow_id, *parties])
    number = int(world.escrow.disputes(escrow_id).disputeId)
    assert number == court.arbiter.disputeIdOf(world.escrow, extra)
    case = Case(court, terms, escrow_id, number, extra)
    assert case.clock() >= now + max(terms.dispute_timeout, court.arbiter.maxDuration())
    assert world.usdc.allowance(world.escrow, court.arbiter) == 0
    return case


def appeal(case: Case, appellant: int) -> None:
    """Both sides pay for a larger panel."""
    case.court.fund(case.number, appellant, 100 * FEE)
    case.court.fund(case.number, 3 - appellant, 100 * FEE)
    case.redraw()


def empty(contract: Any, *accounts: Any) -> None:
    """Everybody takes out what he has."""
    for account in accounts:
        have = contract.balanceOf(account)
        if have:
            contract.withdraw(have, sender=account)
        assert contract.balanceOf(account) == 0


def settle_court(case: Case, rounds: int) -> None:
    """Every juror, contributor and the sink get what is due, and take it out."""
    court, world = case.court, case.court.world
    arbiter = court.arbiter
    for number in range(rounds):
        for juror in {juror.address: juror for juror in court.panel(case.number, number)}.values():
            arbiter.claim(case.number, number, juror, sender=court.anyone)
        for party in (world.client, world.provider):
            if sum(arbiter.contributionOf(case.number, number, party)):
                try:
                    arbiter.claimContribution(case.number, number, party, sender=court.anyone)
                except arbiter.Arbiter_NothingDue:
                    assert number == 0, "only the side that lost the appeal gets nothing"
        arbiter.sweep(case.number, number, sender=court.anyone)
    empty(arbiter, *court.jurors, world.client, world.provider, world.treasury)


def test_court__a_deal_goes_through_two_panels_to_the_last_withdrawal(court):
    world, arbiter = court.world, court.arbiter
    before = holders(court)
    client_before = world.usdc.balanceOf(world.client)
    case = disputed(court)
    arbiter.submitEvidence(case.number, "ipfs://work-as-agreed", sender=world.provider)
    case.seat()
    with ape.reverts(world.escrow.Escrow_NotRuled):
        case.execute()
    court.vote(case.number, 1, 1, 1)
    appeal(case, appellant=2)  # the provider appeals, and loses before seven seats
    with ape.reverts(world.escrow.Escrow_NotRuled):
        case.execute()
    court.vote(case.number, *[1] * 7)
    court.end(case.number, APPEAL)
    arbiter.executeRuling(case.number, sender=court.anyone)
    assert case.state() == (RULED, 1, 0, 0)
    with ape.reverts(world.escrow.Escrow_WrongStatus):
        world.escrow.refund(case.terms.tuple(), PRICE, sender=world.provider)
    pool = world.reputation.bonusPool()
    case.execute()
    assert case.state() == (CLOSED, LOST, 0, PRICE)
    assert world.escrow.balanceOf(world.client) == PRICE + BOND
    assert world.reputation.balanceOf(world.client) == LOCK // 2
    assert world.reputation.bonusPool() == pool + LOCK - LOCK // 2
    assert world.reputation.stakeOf(world.provider).staked == 1_000 * USDC - LOCK
    assert world.reputation.stakeOf(world.provider).locked == 0
    record = world.reputation.recordOf(world.provider)
    assert (record.completed, record.failed, record.disputed, record.lost) == (0, 0, 1, 1)
    for rater in (world.client, world.provider):
        world.escrow.rate(case.terms.tuple(), 10, PROOF, sender=rater)
    settle_court(case, rounds=2)
    empty(world.escrow, world.client, world.provider, world.treasury)
    empty(world.reputation, world.client)
    assert sum(holders(court).values()) == sum(before.values())
    assert world.usdc.balanceOf(world.escrow) == before[world.escrow.address]
    assert world.usdc.balanceOf(arbiter) == sum(arbiter.jurorOf(juror).free for juror in court.jurors)
    assert all(arbiter.jurorOf(juror).locked == 0 for juror in court.jurors)
    assert world.usdc.balanceOf(world.client) >= client_before + LOCK // 2  # winning a dispute costs nothing


def test_court__an_undelivered_ruling_is_read_and_may_come_late(court):
    world = court.world
    case = disputed(court)
    case.judged(2, 2, 2)
    fee = PRICE * 250 // 10_000
    case.execute()
    assert case.state() == (CLOSED, WON, PRICE, 0)
    assert world.escrow.balanceOf(world.provider) == PRICE - fee + BOND
    assert world.reputation.stakeOf(world.provider).staked == 1_000 * USDC
    receipt = court.arbiter.executeRuling(case.number, sender=court.anyone)
    assert not list(court.arbiter.RulingUndelivered.from_receipt(receipt))
    assert case.state() == (CLOSED, WON, PRICE, 0)


def test_court__a_silent_arbiter_ends_in_halves_and_a_later_ruling_changes_nothing(court):
    world = court.world
    case = disputed(court)
    world.pass_to(case.clock() - 2)
    with ape.reverts(world.escrow.Escrow_DeadlineNotReached):
        world.escrow.resolveStalled(case.terms.tuple(), sender=court.anyone)
    world.pass_to(case.clock())
    world.escrow.resolveStalled(case.terms.tuple(), sender=court.anyone)
    half = PRICE // 2
    assert case.state() == (CLOSED, STALLED, half, PRICE - half)
    assert world.escrow.balanceOf(world.client) == PRICE - half + BOND - BOND // 2
    assert world.escrow.balanceOf(world.provider) == half - half * 250 // 10_000 + BOND // 2
    assert tuple(world.reputation.stakeOf(world.provider))[:2] == (1_000 * USDC, 0)
    case.judged(1, 1, 1)
    court.arbiter.executeRuling(case.number, sender=court.anyone)
    assert case.state() == (CLOSED, STALLED, half, PRICE - half)


def test_court__a_final_ruling_beats_the_clock(court):
    case = disputed(court)
    case.judged(1, 1, 1)
    court.world.pass_to(case.clock())
    court.world.escrow.resolveStalled(case.terms.tuple(), sender=court.anyone)
    assert case.state() == (CLOSED, LOST, 0, PRICE)


def test_court__no_juror_can_hold_it_up(court):
    """One juror's account turns into code that refuses every call, another is blacklisted by the token."""
    world, arbiter = court.world, court.arbiter
    case = disputed(court)
    case.seat()
    court.vote(case.number, 2, 2, 2)
    panel = list({juror.address: juror for juror in court.panel(case.number)}.values())
    refusing, listed = panel[0], panel[-1]
    world.usdc.blacklist(listed, sender=world.owner)
    world.chain.provider.set_code(refusing.address, REVERTS)
    court.end(case.number, APPEAL)
    arbiter.executeRuling(case.number, sender=court.anyone)
    case.execute()
    assert case.state() == (CLOSED, WON, PRICE, 0)
    for juror in panel:
        arbiter.claim(case.number, 0, juror, sender=court.anyone)
        assert arbiter.balanceOf(juror) > 0
        assert arbiter.jurorOf(juror).locked == 0
    world.escrow.withdraw(world.escrow.balanceOf(world.provider), sender=world.provider)
    others = [juror for juror in panel if juror not in (refusing, listed)]
    empty(arbiter, *others)
    world.chain.provider.set_code(refusing.address, b"")


def test_court__jurors_weigh_what_they_stake_and_cannot_leave_with_a_seat(court):
    case = disputed(court)
    case.seat()
    seated = court.panel(case.number)[0]
    court.arbiter.requestUnstake(8 * STAKE, sender=seated)
    court.later(7 * DAY + HOUR)
    free = court.arbiter.jurorOf(seated).free
    court.arbiter.completeUnstake(seated, sender=court.anyone)
    juror = court.arbiter.jurorOf(seated)
    assert (juror.free, free + juror.locked) == (0, 8 * STAKE)
    assert juror.locked >= STAKE
