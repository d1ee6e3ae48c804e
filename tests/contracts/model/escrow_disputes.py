"""Escrow: disputes with bonds, default, ruling, execution, a stalled arbiter. The whole model of Escrow."""

from __future__ import annotations

from dataclasses import dataclass, field

from eth_abi import encode
from eth_utils import keccak

from tests.contracts.model.arbiter_model import ArbiterModel
from tests.contracts.model.escrow_exits import EscrowExits
from tests.contracts.model.escrow_terms import Deal, Status, Terms
from tests.contracts.model.node import Event
from tests.contracts.model.outcome import TOKEN_REFUSED, UNNAMED, ZERO, Checks, Tx
from tests.contracts.model.reputation_model import Outcome
from tests.contracts.model.typed import NO_SIG, Sig

Bond = tuple[int, Sig]
NO_BOND: Bond = (0, NO_SIG)
OUTCOMES = (Outcome.TIE, Outcome.LOST, Outcome.WON)
MAX_FEE = 2**96 - 1


def bond_nonce(escrow_id: bytes, party: str) -> bytes:
    """ERC-3009 nonce of a party's bond."""
    return keccak(encode(["bytes32", "string", "address"], [escrow_id, "bond", party]))


@dataclass(slots=True)
class EscrowWithDisputes(EscrowExits):
    """Everything Escrow does."""

    arbiters: dict[str, ArbiterModel] = field(default_factory=dict)
    by_dispute: dict[tuple[str, int], bytes] = field(default_factory=dict)

    # Bonds ----------------------------------------------------------------------------------------------------------

    def _fee_of(self, checks: Checks, deal: Deal) -> int:
        arbiter = self.arbiters.get(deal.terms.arbiter)
        checks.refuse(deal.terms.arbiter == ZERO, "Escrow_NoArbiter", deal.id)
        silent = arbiter is None or arbiter.fee > MAX_FEE
        checks.refuse(silent and deal.terms.arbiter != ZERO, "Escrow_ArbiterFailed", deal.terms.arbiter)
        return arbiter.fee if arbiter and not silent else 0

    def _check_bond(self, checks: Checks, tx: Tx, deal: Deal, party: str, fee: int, bond: Bond) -> None:
        before, sig = bond
        if sig.given:
            nonce = bond_nonce(deal.id, party)
            self.token.check_receive(checks, tx, party, self.address, fee, (0, before), nonce, sig)
            return
        amount, have = deal.terms.amount, self.balances[party]
        checks.refuse(fee > amount, "Escrow_BondAboveAmount", deal.id, fee, amount)
        checks.refuse(fee > have, "Ledger_InsufficientBalance", party, have, fee)

    def _take_bond(self, deal: Deal, party: str, fee: int, bond: Bond) -> list[Event]:
        posted = Event("BondPosted", {"id": deal.id, "party": party, "amount": fee})
        if bond[1].given:
            self.token.receive(party, self.address, fee, bond_nonce(deal.id, party))
            return [posted]
        self.balances[party] -= fee
        return [posted, Event("BalanceSpent", {"account": party, "id": deal.id, "amount": fee})]

    # Raising and answering ------------------------------------------------------------------------------------------

    def dispute(self, tx: Tx, terms: Terms, evidence: bytes) -> list[Event]:
        """The client objects."""
        checks, deal = Checks(), self.deal(terms)
        self._client(checks, deal, tx.sender)
        return self._dispute(checks, tx, deal, evidence, NO_BOND)

    def disputeWithSignature(
        self, tx: Tx, terms: Terms, evidence: bytes, valid_until: int, sig: Sig, bond: Bond
    ) -> list[Event]:
        """The client, or by his `Dispute`; the bond perhaps from his wallet."""
        checks, deal = Checks(), self.deal(terms)
        if tx.sender != terms.client:
            self._signed(checks, tx, terms.client, valid_until, sig, "Dispute", deal.id, evidence)
        return self._dispute(checks, tx, deal, evidence, bond)

    def _dispute(self, checks: Checks, tx: Tx, deal: Deal, evidence: bytes, bond: Bond) -> list[Event]:
        client = deal.terms.client
        self._status(checks, deal, Status.SUBMITTED)
        checks.refuse(tx.now >= deal.clock, "Escrow_ChallengeOver", deal.id, deal.clock)
        fee = self._fee_of(checks, deal)
        self._check_bond(checks, tx, deal, client, fee, bond)
        checks.done()
        events = self._take_bond(deal, client, fee, bond)
        deal.status, deal.bond, deal.clock = Status.CHALLENGED, fee, tx.now + deal.terms.challenge_period
        values = {"id": deal.id, "by": client, "evidenceHash": evidence, "respondBy": deal.clock}
        return [*events, Event("DisputeRaised", values)]

    def respond(self, tx: Tx, terms: Terms) -> list[Event]:
        """The provider answers and pays the arbiter."""
        checks, deal = Checks(), self.deal(terms)
        self._provider(checks, deal, tx.sender)
        return self._respond(checks, tx, deal, NO_BOND)

    def respondWithSignature(self, tx: Tx, terms: Terms, valid_until: int, sig: Sig, bond: Bond) -> list[Event]:
        """The provider, or by his `Response`."""
        checks, deal = Checks(), self.deal(terms)
        if tx.sender != terms.provider:
            self._signed(checks, tx, terms.provider, valid_until, sig, "Response", deal.id)
        return self._respond(checks, tx, deal, bond)

    def _respond(self, checks: Checks, tx: Tx, deal: Deal, bond: Bond) -> list[Event]:
        terms = deal.terms
        self._status(checks, deal, Status.CHALLENGED)
        checks.refuse(tx.now >= deal.clock, "Escrow_ChallengeOver", deal.id, deal.clock)
        fee = self._fee_of(checks, deal)
        self._check_bond(checks, tx, deal, terms.provider, fee, bond)
        arbiter = self.arbiters.get(terms.arbiter)
        if arbiter is None:
            checks.done()
            raise AssertionError
        self._check_arbiter(checks, deal, arbiter, fee)
        checks.done()
        events = self._take_bond(deal, terms.provider, fee, bond)
        self.token.move(self.address, arbiter.address, fee)
        deal.dispute_id = arbiter.open_case()
        self.by_dispute[arbiter.address, deal.dispute_id] = deal.id
        deal.status, deal.clock = Status.DISPUTED, tx.now + max(terms.dispute_timeout, arbiter.longest())
        values = {"id": deal.id, "disputeId": deal.dispute_id, "decideBy": deal.clock}
        question = {
            "arbitrator": arbiter.address, "disputeID": deal.dispute_id, "metaEvidenceID": 0,
            "evidenceGroupID": deal.dispute_id,
        }  # fmt: skip
        return [*events, Event("Dispute", question), Event("DisputeJoined", values)]

    def _check_arbiter(self, checks: Checks, deal: Deal, arbiter: ArbiterModel, fee: int) -> None:
        taken = arbiter.takes(fee)
        checks.refuse(taken is None, UNNAMED)
        checks.refuse(taken is not None and taken != fee, "Escrow_ArbiterFeeMismatch", deal.id)
        parties = {self.address, arbiter.address}
        checks.refuse(bool(taken) and (self.token.paused or bool(parties & self.token.blacklisted)), TOKEN_REFUSED)
        number = len(arbiter.cases) if arbiter.honest else arbiter.next_id
        used = number >= 2**160 or (arbiter.address, number) in self.by_dispute
        checks.refuse(used, "Escrow_DisputeIdTaken", arbiter.address, number)

    # Ends -----------------------------------------------------------------------------------------------------------

    def claimDefault(self, tx: Tx, terms: Terms) -> list[Event]:
        """Anyone, when the provider did not answer."""
        checks, deal = Checks(), self.deal(terms)
        self._status(checks, deal, Status.CHALLENGED)
        checks.refuse(tx.now < deal.clock, "Escrow_ChallengeActive", deal.id, deal.clock)
        checks.done()
        told = Event("DisputeDefaulted", {"id": deal.id, "winner": terms.client})
        return [told, *self._pay_client(deal, deal.left), *self._close(tx, deal, Outcome.LOST)]

    def rule(self, tx: Tx, dispute_id: int, ruling: int) -> list[Event]:
        """The arbiter rules; once it is over he says nothing new."""
        checks = Checks()
        found = self.by_dispute.get((tx.sender, dispute_id))
        checks.refuse(found is None, "Escrow_CallerNotArbiter")
        checks.done()
        deal = self.deals[found or b""]
        if deal.status != Status.DISPUTED:
            return []
        checks.refuse(ruling > 2, "Escrow_InvalidRuling", ruling)
        checks.done()
        deal.status, deal.ruling = Status.RULED, ruling
        return [self._ruling(deal, ruling)]

    @staticmethod
    def _ruling(deal: Deal, ruling: int) -> Event:
        values = {"arbitrator": deal.terms.arbiter, "disputeID": deal.dispute_id, "ruling": ruling}
        return Event("Ruling", values)

    def execute(self, tx: Tx, terms: Terms) -> list[Event]:
        """Anyone carries the ruling out, delivered or not."""
        checks, deal = Checks(), self.deal(terms)
        self._status(checks, deal, Status.RULED, Status.DISPUTED)
        checks.done()
        if deal.status == Status.RULED:
            return self._carry_out(tx, deal, deal.ruling, OUTCOMES[deal.ruling])
        final = self.arbiters[terms.arbiter].final_ruling(deal.dispute_id)
        checks.refuse(final is None, "Escrow_NotRuled", deal.id)
        checks.refuse(final is not None and final > 2, "Escrow_InvalidRuling", final)
        checks.done()
        ruling = final or 0
        return [self._ruling(deal, ruling), *self._carry_out(tx, deal, ruling, OUTCOMES[ruling])]

    def resolveStalled(self, tx: Tx, terms: Terms) -> list[Event]:
        """Anyone, when the arbiter's time is over: his final ruling, or halves."""
        checks, deal = Checks(), self.deal(terms)
        self._status(checks, deal, Status.DISPUTED)
        checks.refuse(tx.now < deal.clock, "Escrow_DeadlineNotReached", deal.id, deal.clock)
        checks.done()
        final = self.arbiters[terms.arbiter].final_ruling(deal.dispute_id)
        if final is None or final > 2:
            return self._carry_out(tx, deal, 0, Outcome.STALLED)
        return [self._ruling(deal, final), *self._carry_out(tx, deal, final, OUTCOMES[final])]

    def _carry_out(self, tx: Tx, deal: Deal, ruling: int, outcome: Outcome) -> list[Event]:
        shares = {0: (deal.left // 2, deal.bond // 2), 1: (0, 0), 2: (deal.left, deal.bond)}
        to_provider, bond = shares[ruling]
        events = self._pay_provider(deal, to_provider)
        return events + self._pay_client(deal, deal.left) + self._close(tx, deal, outcome, bond)
