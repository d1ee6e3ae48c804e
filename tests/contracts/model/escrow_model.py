"""Escrow from the funding to the release, and what every exit has in common."""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.contracts.model.escrow_terms import MESSAGES, Bounds, Deal, Status, Terms, selector
from tests.contracts.model.ledger_model import LedgerModel
from tests.contracts.model.node import Event
from tests.contracts.model.outcome import Checks, OneOf, Refused, Tx
from tests.contracts.model.reputation_model import End, Outcome, ReputationModel, required_stake
from tests.contracts.model.typed import Sig

ROW_ERRORS = {
    "Escrow_WrongStatus": selector("Escrow_WrongStatus(bytes32,uint8)"),
    "Escrow_CallerNotClient": selector("Escrow_CallerNotClient(bytes32,address)"),
}
BEFORE_RULED = (Status.FUNDED, Status.ACCEPTED, Status.SUBMITTED, Status.CHALLENGED, Status.DISPUTED)
ROLES = ("client", "provider", "verifier")

Acceptance = tuple[int, Sig]


@dataclass(slots=True)
class EscrowModel(LedgerModel):
    """State of Escrow. Methods carry the names of the contract's functions."""

    reputation: ReputationModel = field(kw_only=True)
    bounds: Bounds = field(kw_only=True)
    fee_bps: int = field(kw_only=True)
    fee_recipient: str = field(kw_only=True)
    deals: dict[bytes, Deal] = field(default_factory=dict)

    # Common to all --------------------------------------------------------------------------------------------------

    def deal(self, terms: Terms) -> Deal:
        """The escrow of these terms, in state None if it was never funded."""
        found = terms.id(self.domain)
        return self.deals.get(found) or Deal(found, terms)

    def digest(self, kind: str, *values: object) -> bytes:
        """Digest of a message."""
        return self.domain.digest(MESSAGES[kind], *values)

    def _status(self, checks: Checks, deal: Deal, *allowed: Status) -> None:
        checks.refuse(deal.status not in allowed, "Escrow_WrongStatus", deal.id, int(deal.status))

    def _client(self, checks: Checks, deal: Deal, caller: str) -> None:
        checks.refuse(caller != deal.terms.client, "Escrow_CallerNotClient", deal.id, caller)

    def _provider(self, checks: Checks, deal: Deal, caller: str) -> None:
        checks.refuse(caller != deal.terms.provider, "Escrow_CallerNotProvider", deal.id, caller)

    def _signed(self, checks: Checks, tx: Tx, who: str, valid_until: int, sig: Sig, kind: str, *values: object) -> None:
        checks.refuse(tx.now > valid_until, "Escrow_SignatureExpired", valid_until)
        good = sig.by(who, self.digest(kind, *values, valid_until))
        checks.refuse(not good, "Escrow_InvalidSignature", who)

    # Funding --------------------------------------------------------------------------------------------------------

    def _fundable(self, checks: Checks, tx: Tx, terms: Terms) -> Deal:
        deal = self.deal(terms)
        terms.check(checks, self.bounds, self.fee_bps, tx.now)
        checks.refuse(deal.status != Status.NONE, "Escrow_AlreadyExists", deal.id)
        checks.refuse(self.inflows_paused, "Guarded_InflowsPaused")
        return deal

    def _funded(self, deal: Deal) -> list[Event]:
        deal.status = Status.FUNDED
        self.deals[deal.id] = deal
        parties = {"client": deal.terms.client, "provider": deal.terms.provider}
        return [Event("EscrowFunded", {"id": deal.id, **parties, "terms": deal.terms.tuple()})]

    def fund(self, tx: Tx, terms: Terms) -> list[Event]:
        """From the caller's wallet."""
        checks = Checks()
        deal = self._fundable(checks, tx, terms)
        self._client(checks, deal, tx.sender)
        self.token.check_pull(checks, tx.sender, self.address, terms.amount)
        checks.done()
        self.token.pull(tx.sender, self.address, terms.amount)
        return self._funded(deal)

    def fundFromBalance(self, tx: Tx, terms: Terms) -> list[Event]:
        """From the client's balance here."""
        checks = Checks()
        self._client(checks, self.deal(terms), tx.sender)
        return self._from_balance(checks, tx, terms)

    def fundFromBalanceWithSignature(self, tx: Tx, terms: Terms, valid_until: int, sig: Sig) -> list[Event]:
        """From the client's balance, by his `Fund`."""
        checks = Checks()
        self._signed(checks, tx, terms.client, valid_until, sig, "Fund", terms.id(self.domain))
        return self._from_balance(checks, tx, terms)

    def _from_balance(self, checks: Checks, tx: Tx, terms: Terms) -> list[Event]:
        deal = self._fundable(checks, tx, terms)
        spent = self._spend(checks, deal, terms.client, terms.amount)
        return [*spent, *self._funded(deal)]

    def _spend(self, checks: Checks, deal: Deal, account: str, amount: int) -> list[Event]:
        have = self.balances[account]
        checks.refuse(have < amount, "Ledger_InsufficientBalance", account, have, amount)
        checks.done()
        self.balances[account] -= amount
        return [Event("BalanceSpent", {"account": account, "id": deal.id, "amount": amount})]

    def fundWithAuthorization(
        self, tx: Tx, terms: Terms, valid_before: int, sig: Sig, acceptance: Acceptance
    ) -> list[Event]:
        """By the client's ERC-3009 signature; with an acceptance both steps or none."""
        checks = Checks()
        deal = self._fundable(checks, tx, terms)
        window = (0, valid_before)
        self.token.check_receive(checks, tx, terms.client, self.address, terms.amount, window, deal.id, sig)
        if acceptance[1].given:
            self._signed(checks, tx, terms.provider, *acceptance, "Acceptance", deal.id)
            self._acceptable(checks, tx, deal)
        checks.done()
        self.token.receive(terms.client, self.address, terms.amount, deal.id)
        events = self._funded(deal)
        return events + self._accepted(deal) if acceptance[1].given else events

    def fundWithPermit(
        self, tx: Tx, terms: Terms, value: int, deadline: int, permit: Sig, valid_until: int, fund: Sig
    ) -> list[Event]:
        """From the client's wallet after a permit that may fail."""
        checks = Checks()
        deal = self._fundable(checks, tx, terms)
        if tx.sender != terms.client:
            self._signed(checks, tx, terms.client, valid_until, fund, "Fund", deal.id)
        self.token.try_permit(tx, terms.client, self.address, value, deadline, permit)
        self.token.check_pull(checks, terms.client, self.address, terms.amount)
        checks.done()
        self.token.pull(terms.client, self.address, terms.amount)
        return self._funded(deal)

    # Work -----------------------------------------------------------------------------------------------------------

    def accept(self, tx: Tx, terms: Terms) -> list[Event]:
        """The provider starts; his stake is locked."""
        checks, deal = Checks(), self.deal(terms)
        self._provider(checks, deal, tx.sender)
        return self._accept(checks, tx, deal)

    def acceptWithSignature(self, tx: Tx, terms: Terms, acceptance: Acceptance) -> list[Event]:
        """By his `Acceptance`."""
        checks, deal = Checks(), self.deal(terms)
        self._signed(checks, tx, terms.provider, *acceptance, "Acceptance", deal.id)
        return self._accept(checks, tx, deal)

    def _accept(self, checks: Checks, tx: Tx, deal: Deal) -> list[Event]:
        self._status(checks, deal, Status.FUNDED)
        self._acceptable(checks, tx, deal)
        checks.done()
        return self._accepted(deal)

    def _acceptable(self, checks: Checks, tx: Tx, deal: Deal) -> None:
        terms = deal.terms
        checks.refuse(tx.now >= terms.accept_by, "Escrow_DeadlinePassed", deal.id, terms.accept_by)
        self.reputation.check_lock(checks, terms.provider, terms.amount)

    def _accepted(self, deal: Deal) -> list[Event]:
        deal.status, deal.accepted, deal.stake_locked = Status.ACCEPTED, True, True
        terms = deal.terms
        locked = self.reputation.lock(terms.provider, deal.id, terms.amount)
        return [*locked, Event("EscrowAccepted", {"id": deal.id, "stake": required_stake(terms.amount)})]

    def submit(self, tx: Tx, terms: Terms, deliverable: bytes) -> list[Event]:
        """A deliverable is in; the challenge period runs."""
        checks, deal = Checks(), self.deal(terms)
        self._provider(checks, deal, tx.sender)
        return self._submit(checks, tx, deal, deliverable)

    def submitWithSignature(self, tx: Tx, terms: Terms, deliverable: bytes, valid_until: int, sig: Sig) -> list[Event]:
        """By the provider's `Submission`."""
        checks, deal = Checks(), self.deal(terms)
        self._signed(checks, tx, terms.provider, valid_until, sig, "Submission", deal.id, deliverable)
        return self._submit(checks, tx, deal, deliverable)

    def _submit(self, checks: Checks, tx: Tx, deal: Deal, deliverable: bytes) -> list[Event]:
        terms = deal.terms
        self._status(checks, deal, Status.ACCEPTED)
        checks.refuse(tx.now >= terms.deliver_by, "Escrow_DeadlinePassed", deal.id, terms.deliver_by)
        checks.done()
        deal.status, deal.clock = Status.SUBMITTED, tx.now + terms.challenge_period
        values = {"id": deal.id, "deliverableHash": deliverable, "challengeEndsAt": deal.clock}
        return [Event("WorkSubmitted", values)]

    # Release --------------------------------------------------------------------------------------------------------

    def release(self, tx: Tx, terms: Terms, cumulative: int) -> list[Event]:
        """The client raises the released total."""
        checks, deal = Checks(), self.deal(terms)
        self._client(checks, deal, tx.sender)
        return self._release(checks, tx, deal, cumulative)

    def releaseWithSignature(self, tx: Tx, terms: Terms, cumulative: int, valid_until: int, sig: Sig) -> list[Event]:
        """By the client's `Release`."""
        checks, deal = Checks(), self.deal(terms)
        self._signed(checks, tx, terms.client, valid_until, sig, "Release", deal.id, cumulative)
        return self._release(checks, tx, deal, cumulative)

    def releaseWithQuorum(
        self, tx: Tx, terms: Terms, cumulative: int, valid_until: int, signatures: list[tuple[int, Sig]]
    ) -> list[Event]:
        """By as many roles as the terms ask for, never the provider alone."""
        checks, deal = Checks(), self.deal(terms)
        roles = [role for role, _ in signatures]
        checks.refuse(roles != sorted(set(roles)), "Escrow_DuplicateSigner")
        for role, sig in signatures:
            signer = str(getattr(terms, ROLES[role]))
            self._signed(checks, tx, signer, valid_until, sig, "Release", deal.id, cumulative)
        checks.refuse(tx.now > valid_until, "Escrow_SignatureExpired", valid_until)
        met = len(roles) >= terms.quorum > 0 and roles != [1]
        checks.refuse(not met, "Escrow_QuorumNotMet", deal.id, len(roles), terms.quorum)
        return self._release(checks, tx, deal, cumulative)

    def releaseAndPay(self, tx: Tx, terms: Terms, cumulative: int) -> list[Event]:
        """As `release`, to the provider's wallet if the token lets it through."""
        checks, deal = Checks(), self.deal(terms)
        self._client(checks, deal, tx.sender)
        events = self._release(checks, tx, deal, cumulative)
        return events + self._push(terms.provider, events[0].values["amount"] - events[0].values["fee"])

    def _push(self, account: str, amount: int) -> list[Event]:
        if not self.token.moves(self.address, account, amount):
            return []
        self.balances[account] -= amount
        self.token.move(self.address, account, amount)
        return [Event("Withdrawn", {"account": account, "to": account, "amount": amount})]

    def _release(self, checks: Checks, tx: Tx, deal: Deal, cumulative: int) -> list[Event]:
        self._status(checks, deal, Status.ACCEPTED, Status.SUBMITTED)
        self._rises(checks, deal, deal.released, cumulative)
        checks.done()
        events = self._pay_provider(deal, cumulative - deal.released)
        return events if deal.left else events + self._close(tx, deal, Outcome.COMPLETED)

    def _rises(self, checks: Checks, deal: Deal, current: int, cumulative: int) -> None:
        checks.refuse(cumulative <= current, "Escrow_NotIncreasing", deal.id, current, cumulative)
        checks.refuse(cumulative - current > deal.left, "Escrow_ReleaseExceedsAmount")

    def _pay_provider(self, deal: Deal, amount: int) -> list[Event]:
        before = deal.fee
        deal.released += amount
        fee = deal.fee - before
        self.balances[deal.terms.provider] += amount - fee
        self.balances[self.fee_recipient] += fee
        return [Event("EscrowReleased", {"id": deal.id, "amount": amount, "fee": fee})]

    def _pay_client(self, deal: Deal, amount: int) -> list[Event]:
        deal.refunded += amount
        self.balances[deal.terms.client] += amount
        return [Event("EscrowRefunded", {"id": deal.id, "amount": amount})]

    def releaseAfterChallenge(self, tx: Tx, terms: Terms) -> list[Event]:
        """Anyone, once nobody objected in time."""
        checks, deal = Checks(), self.deal(terms)
        self._status(checks, deal, Status.SUBMITTED)
        checks.refuse(tx.now < deal.clock, "Escrow_ChallengeActive", deal.id, deal.clock)
        checks.done()
        return self._pay_provider(deal, deal.left) + self._close(tx, deal, Outcome.COMPLETED)

    def releaseBatch(self, tx: Tx, rows: list[Terms]) -> list[Event]:
        """All that is left of many; bad rows are left out."""
        events = []
        for index, terms in enumerate(rows):
            checks, deal = Checks(), self.deal(terms)
            self._client(checks, deal, tx.sender)
            self._status(checks, deal, Status.ACCEPTED, Status.SUBMITTED)
            try:
                checks.done()
            except Refused as refused:
                reasons = OneOf(frozenset(ROW_ERRORS[name] for name, _ in refused.errors))
                events.append(Event("RowSkipped", {"index": index, "reason": reasons}))
            else:
                events += self._pay_provider(deal, deal.left) + self._close(tx, deal, Outcome.COMPLETED)
        return events

    # The end --------------------------------------------------------------------------------------------------------

    def _close(self, tx: Tx, deal: Deal, outcome: Outcome, bond_of_provider: int = 0) -> list[Event]:
        """Give the bond back, write the outcome, report it."""
        assert deal.left == 0
        parts = {deal.terms.client: deal.bond - bond_of_provider, deal.terms.provider: bond_of_provider}
        events = []
        for account, amount in parts.items():
            self.balances[account] += amount
            events.append(Event("BondReturned", {"id": deal.id, "account": account, "amount": amount}))
        deal.bond = 0
        if not deal.accepted and outcome != Outcome.SETTLED:
            outcome = Outcome.CANCELLED
        deal.status, deal.ruling = Status.CLOSED, int(outcome)
        events.append(Event("EscrowClosed", {"id": deal.id}))
        if not deal.accepted:
            return events
        deal.stake_locked = False
        terms = deal.terms
        numbers = (terms.amount, deal.released, deal.refunded, deal.fee)
        return events + self.reputation.settle(tx, End(terms.provider, terms.client, deal.id, *numbers, outcome))
