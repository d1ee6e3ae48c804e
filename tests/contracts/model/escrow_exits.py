"""Escrow: money that goes back, settlement by both, ratings, administration."""

from __future__ import annotations

from dataclasses import dataclass

from tests.contracts.model.escrow_model import BEFORE_RULED, EscrowModel
from tests.contracts.model.escrow_terms import Deal, Status, Terms
from tests.contracts.model.node import Event
from tests.contracts.model.outcome import UNNAMED, ZERO, Checks, Tx
from tests.contracts.model.reputation_model import Outcome
from tests.contracts.model.typed import Sig


@dataclass(slots=True)
class EscrowExits(EscrowModel):
    """The rare ways out."""

    def refund(self, tx: Tx, terms: Terms, cumulative: int) -> list[Event]:
        """The provider raises the refunded total."""
        checks, deal = Checks(), self.deal(terms)
        self._provider(checks, deal, tx.sender)
        return self._refund(checks, tx, deal, cumulative)

    def refundWithSignature(self, tx: Tx, terms: Terms, cumulative: int, valid_until: int, sig: Sig) -> list[Event]:
        """By the provider's `Refund`."""
        checks, deal = Checks(), self.deal(terms)
        self._signed(checks, tx, terms.provider, valid_until, sig, "Refund", deal.id, cumulative)
        return self._refund(checks, tx, deal, cumulative)

    def refundAndPay(self, tx: Tx, terms: Terms, cumulative: int) -> list[Event]:
        """As `refund`, to the client's wallet if the token lets it through."""
        events = self.refund(tx, terms, cumulative)
        return events + self._push(terms.client, events[0].values["amount"])

    def _refund(self, checks: Checks, tx: Tx, deal: Deal, cumulative: int) -> list[Event]:
        self._status(checks, deal, *BEFORE_RULED)
        self._rises(checks, deal, deal.refunded, cumulative)
        checks.done()
        outcome = self._given_back(tx, deal)
        events = self._pay_client(deal, cumulative - deal.refunded)
        return events if deal.left else events + self._close(tx, deal, outcome)

    @staticmethod
    def _given_back(tx: Tx, deal: Deal) -> Outcome:
        if deal.status == Status.DISPUTED:
            return Outcome.LOST
        missed = deal.status == Status.ACCEPTED and tx.now >= deal.terms.deliver_by
        return Outcome.MISSED if missed else Outcome.RETURNED

    def cancel(self, tx: Tx, terms: Terms) -> list[Event]:
        """Before acceptance: the client at once, anyone when the time for it is over."""
        checks, deal = Checks(), self.deal(terms)
        if tx.now < terms.accept_by:
            self._client(checks, deal, tx.sender)
        return self._cancel(checks, tx, deal)

    def cancelWithSignature(self, tx: Tx, terms: Terms, valid_until: int, sig: Sig) -> list[Event]:
        """By the client's `Cancellation`."""
        checks, deal = Checks(), self.deal(terms)
        self._signed(checks, tx, terms.client, valid_until, sig, "Cancellation", deal.id)
        return self._cancel(checks, tx, deal)

    def _cancel(self, checks: Checks, tx: Tx, deal: Deal) -> list[Event]:
        self._status(checks, deal, Status.FUNDED)
        checks.done()
        return self._pay_client(deal, deal.left) + self._close(tx, deal, Outcome.CANCELLED)

    def reclaim(self, tx: Tx, terms: Terms) -> list[Event]:
        """Anyone, when nothing was submitted in time."""
        checks, deal = Checks(), self.deal(terms)
        self._status(checks, deal, Status.ACCEPTED)
        checks.refuse(tx.now < terms.deliver_by, "Escrow_DeadlineNotReached", deal.id, terms.deliver_by)
        checks.done()
        return self._pay_client(deal, deal.left) + self._close(tx, deal, Outcome.MISSED)

    def split(
        self, tx: Tx, terms: Terms, to_provider: int, to_client: int, valid_until: int, client: Sig, provider: Sig
    ) -> list[Event]:
        """Both divide what is left."""
        checks, deal = Checks(), self.deal(terms)
        self._status(checks, deal, *BEFORE_RULED)
        for who, sig in ((terms.client, client), (terms.provider, provider)):
            self._signed(checks, tx, who, valid_until, sig, "Split", deal.id, to_provider, to_client)
        asked = to_provider + to_client
        left = deal.left if deal.status != Status.NONE else 0
        checks.refuse(asked != left, "Escrow_SplitMismatch", deal.id, asked, left)
        checks.done()
        shared = deal.bond // 2 if deal.status == Status.DISPUTED else 0
        parts = {"id": deal.id, "toProvider": to_provider, "toClient": to_client}
        events = [Event("EscrowSplit", parts), *self._pay_provider(deal, to_provider)]
        return events + self._pay_client(deal, to_client) + self._close(tx, deal, Outcome.SETTLED, shared)

    # Afterwards -----------------------------------------------------------------------------------------------------

    def settleStake(self, tx: Tx, terms: Terms) -> list[Event]:
        """Reputation never fails here, so nothing is ever pending."""
        checks, deal = Checks(), self.deal(terms)
        checks.refuse(True, "Escrow_StakeNotPending", deal.id)
        checks.done()
        raise AssertionError

    def rate(self, tx: Tx, terms: Terms, score: int, comment: bytes) -> list[Event]:
        """One side rates the other, once."""
        return self._rate(Checks(), self.deal(terms), tx.sender, score, comment)

    def rateWithSignature(
        self, tx: Tx, terms: Terms, rater: str, score: int, comment: bytes, valid_until: int, sig: Sig
    ) -> list[Event]:
        """By the rater's `Rating`."""
        checks, deal = Checks(), self.deal(terms)
        self._signed(checks, tx, rater, valid_until, sig, "Rating", deal.id, score, comment)
        return self._rate(checks, deal, rater, score, comment)

    def _rate(self, checks: Checks, deal: Deal, rater: str, score: int, comment: bytes) -> list[Event]:
        client, provider = deal.terms.client, deal.terms.provider
        self._status(checks, deal, Status.CLOSED)
        checks.refuse(not deal.accepted, "Escrow_NotAccepted", deal.id)
        checks.refuse(rater not in {client, provider}, "Escrow_CallerNotParty", deal.id, rater)
        checks.refuse(score > 100, "Escrow_ScoreOutOfRange", score)
        rated = deal.rated_by_client if rater == client else deal.rated_by_provider
        checks.refuse(rated, "Escrow_AlreadyRated", deal.id, rater)
        checks.done()
        if rater == client:
            deal.rated_by_client = True
        else:
            deal.rated_by_provider = True
        ratee = provider if rater == client else client
        about = {"id": deal.id, "rater": rater, "ratee": ratee, "score": score, "commentHash": comment}
        return [Event("Rated", {**about, "settledValue": deal.released})]

    # Administration -------------------------------------------------------------------------------------------------

    def setFee(self, tx: Tx, fee_bps: int) -> list[Event]:
        """Fee of escrows funded from now on."""
        checks = Checks()
        checks.refuse(tx.sender != self.admin, UNNAMED)
        checks.refuse(fee_bps > self.bounds.max_fee_bps, "Escrow_FeeAboveCap", fee_bps, self.bounds.max_fee_bps)
        checks.done()
        self.fee_bps = fee_bps
        return [Event("FeeChanged", {"feeBps": fee_bps})]

    def setFeeRecipient(self, tx: Tx, account: str) -> list[Event]:
        """Account of the fees from now on."""
        checks = Checks()
        checks.refuse(tx.sender != self.admin, UNNAMED)
        checks.refuse(account == ZERO, "Escrow_ZeroAddress")
        checks.done()
        self.fee_recipient = account
        return [Event("FeeRecipientChanged", {"feeRecipient": account})]
