"""Random lives of escrows, by every road, with every party hostile, on the model and on the contracts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule

from tests.contracts.model.escrow_disputes import NO_BOND, bond_nonce
from tests.contracts.model.escrow_system import EscrowSystem
from tests.contracts.model.escrow_terms import DAY, Deal, Status, Terms
from tests.contracts.model.machine import Ground, Machine
from tests.contracts.model.outcome import ZERO
from tests.contracts.model.typed import NO_SIG, Sig

AMOUNTS = (1, 2, 3, 5, 39, 40, 41, 199, 999, 1_001, 4_999, 5_001, 9_999, 10_007, 15_001, 60_000)
WAYS = (*["party"] * 5, *["signed"] * 5, "stranger", "wrong signer", "expired", "last second", "other escrow", "twin")
PEOPLE = ("owner", "guardian", "treasury", "c1", "c2", "p1", "p2", "verifier", "stranger")
HASH = b"\x22" * 32


def some(*statuses: Status) -> Callable[[Any], bool]:
    """True while an escrow is in one of these states."""
    return lambda machine: bool(machine.deals(*statuses))


class EscrowLife(Machine):
    """Steps every deal takes: funding, acceptance, submission, and what both machines need."""

    system: EscrowSystem

    def __init__(self, ground: Ground, system: EscrowSystem) -> None:
        super().__init__(ground, system)
        self.salt = 0

    def deals(self, *statuses: Status) -> list[Deal]:
        """Escrows in these states, in all if none is named."""
        return [deal for deal in self.system.escrow.deals.values() if not statuses or deal.status in statuses]

    def pick(self, data: Any, *statuses: Status) -> Deal:
        """One of them."""
        found: Deal = data.draw(st.sampled_from(self.deals(*statuses)))
        return found

    def person(self, data: Any) -> str:
        """Anybody."""
        return self.system.who[data.draw(st.sampled_from(PEOPLE))]

    def replayers(self) -> list[str]:
        return [self.system.who[role] for role in PEOPLE]

    def unrepeatable(self) -> set[str]:
        return {"token", "court", "evil"}

    def sign_for(
        self, data: Any, way: str, deal: Deal, party: str, kind: str, values: tuple[Any, ...]
    ) -> tuple[int, Sig]:
        """A message with its last second, spoilt as `way` says."""
        valid_until = {"expired": self.at - 1, "last second": self.at}.get(way, self.at + 1_000)
        others = [other.id for other in self.deals() if other.id != deal.id] or [HASH]
        escrow_id = data.draw(st.sampled_from(others)) if way == "other escrow" else deal.id
        digest = self.system.escrow.digest(kind, escrow_id, *values, valid_until)
        if way == "twin":
            return valid_until, self.ground.keys.twin(party, digest)
        return valid_until, self.sign(self.person(data) if way == "wrong signer" else party, digest)

    def by(
        self, data: Any, deal: Deal, party: str, kind: str, function: str, *arguments: Any, values: Any = None,
        lead: tuple[Any, ...] = (), tail: tuple[Any, ...] = (), joined: bool = False,
    ) -> Any:  # fmt: skip
        """Call by the party, by somebody with its message, or by somebody without."""
        way = data.draw(st.sampled_from(WAYS))
        if way in {"party", "stranger"}:
            sender = party if way == "party" else self.person(data)
            return self.do(sender, "escrow", function, deal.terms, *arguments)
        message = self.sign_for(data, way, deal, party, kind, arguments if values is None else values)
        signed = ((message,) if joined else message) + tail
        return self.do(self.person(data), "escrow", f"{function}WithSignature", deal.terms, *lead, *arguments, *signed)

    def cumulative(self, data: Any, deal: Deal, current: int) -> int:
        """A running total: often all that is left, sometimes a part, sometimes wrong."""
        every = current + deal.left
        near = (every, every, every, current + 1, current + (deal.left + 1) // 2, current, every + 1, 0)
        return max(0, data.draw(st.sampled_from(near)))

    # New deals ------------------------------------------------------------------------------------------------------

    def fresh(self, data: Any) -> Terms:
        """Sound terms of a new deal."""
        who, now = self.system.who, self.at
        self.salt += 1
        accept_by = now + data.draw(st.sampled_from((30, 300, 7 * DAY)))
        return Terms(
            who[data.draw(st.sampled_from(("c1", "c1", "c2", "p1")))],
            who[data.draw(st.sampled_from(("p2", "p1")))],
            data.draw(st.sampled_from((ZERO, who["verifier"]))),
            who[data.draw(st.sampled_from(("court", "court", "court", "evil", "evil", "evil", "vault")))],
            data.draw(st.sampled_from(AMOUNTS)),
            self.system.escrow.fee_bps,
            data.draw(st.sampled_from((0, 1, 2, 2))),
            *(accept_by, accept_by + data.draw(st.sampled_from((1, 100, 10 * DAY)))),
            *(data.draw(st.sampled_from((60, 600))), data.draw(st.sampled_from((0, 60, DAY)))),
            *(HASH, self.salt),
        )

    def spoilt(self, data: Any, terms: Terms) -> Terms:
        """Terms with one field at or beyond its bound."""
        bounds, now, who = self.system.escrow.bounds, self.at, self.system.who
        edge = data.draw(st.sampled_from((-1, 0, 1)))
        changes: list[dict[str, Any]] = [
            {"amount": 0}, {"client": ZERO}, {"provider": ZERO}, {"provider": terms.client}, {"quorum": 3},
            {"quorum": 4}, {"verifier": terms.client}, {"arbiter": terms.provider}, {"arbiter": ZERO},
            {"verifier": terms.provider}, {"arbiter": terms.client}, {"fee_bps": terms.fee_bps + 1},
            {"accept_by": now + edge}, {"accept_by": terms.deliver_by + edge},
            {"accept_by": now + bounds.max_accept + edge, "deliver_by": now + bounds.max_accept + 2},
            {"deliver_by": now + bounds.max_deliver + edge}, {"challenge_period": bounds.min_challenge + edge},
            {"challenge_period": bounds.max_challenge + edge}, {"dispute_timeout": bounds.max_dispute + edge},
            {"verifier": terms.arbiter}, {"provider": who["p1"], "amount": 2**96 - 1},
        ]  # fmt: skip
        return replace(terms, **data.draw(st.sampled_from(changes)))

    @initialize(data=st.data(), states=st.lists(st.sampled_from(list(Status)[1:7]), min_size=3, max_size=5))
    def deals_under_way(self, data: Any, states: list[Status]) -> None:
        """Some sound deals that got this far."""
        for state in states:
            terms = self.fresh(data)
            if state > Status.SUBMITTED:
                arbiter = data.draw(st.sampled_from(("court", "evil")))
                terms = replace(terms, arbiter=self.system.who[arbiter], amount=terms.amount % 2_000 + 11)
            self._grow(data, terms, state)

    def _grow(self, data: Any, terms: Terms, state: Status) -> None:
        deal = Deal(terms.id(self.system.escrow.domain), terms)
        before, here = self.at + 1_000, self.system.escrow.address
        digest = self.system.token.receive_digest(terms.client, here, terms.amount, 0, before, deal.id)
        acceptance = self.sign_for(data, "signed", deal, terms.provider, "Acceptance", ())
        given = acceptance if state > Status.FUNDED else (0, NO_SIG)
        who, call = self.system.who, "fundWithAuthorization"
        self.do(who["stranger"], "escrow", call, terms, before, self.sign(terms.client, digest), given)
        if state >= Status.SUBMITTED:
            self.do(terms.provider, "escrow", "submit", terms, HASH)
        if state >= Status.CHALLENGED:
            bond = self.good_bond(deal, terms.client)
            self.do(terms.client, "escrow", "disputeWithSignature", terms, HASH, 0, NO_SIG, bond)
        if state >= Status.DISPUTED:
            if terms.arbiter == who["evil"]:
                self.do(who["stranger"], "evil", "setNextId", 100 + len(self.system.escrow.by_dispute))
            bond = self.good_bond(deal, terms.provider)
            joined = self.do(terms.provider, "escrow", "respondWithSignature", terms, 0, NO_SIG, bond)
            if joined and state == Status.RULED and terms.arbiter == who["court"]:
                number = self.system.escrow.deals[deal.id].dispute_id
                self.do(who["owner"], "court", "giveRuling", number, data.draw(st.integers(0, 2)))

    @precondition(lambda self: len(self.deals()) < 12)
    @rule(data=st.data(), road=st.integers(0, 5), kind=st.sampled_from(("sound", "sound", "spoilt", "known")))
    def fund(self, data: Any, road: int, kind: str) -> None:
        """A deal by any of the roads; an id is funded once, whatever the road."""
        terms = self.fresh(data)
        if kind == "spoilt":
            terms = self.spoilt(data, terms)
        elif kind == "known" and self.deals():
            terms = self.pick(data).terms
        self._fund(data, terms, road)

    def _fund(self, data: Any, terms: Terms, road: int) -> None:
        escrow = self.system.escrow
        deal = Deal(terms.id(escrow.domain), terms)
        client = terms.client if terms.client in self.ground.keys.keys else self.system.who["c1"]
        if road == 0:
            self.do(data.draw(st.sampled_from((client, client, self.person(data)))), "escrow", "fund", terms)
        elif road == 1:
            self.by(data, deal, client, "Fund", "fundFromBalance")
        elif road == 2:
            self._fund_with_permit(data, deal, client)
        else:
            self._fund_with_authorization(data, deal, client, accept=road > 3)

    def _fund_with_permit(self, data: Any, deal: Deal, client: str) -> None:
        token, here = self.system.token, self.system.escrow.address
        value = deal.terms.amount + data.draw(st.sampled_from((0, 0, 0, -1, 1)))
        value, deadline = max(0, value), self.at + data.draw(st.sampled_from((100, 0, -1)))
        signer = data.draw(st.sampled_from((client, client, self.person(data))))
        permit = self.sign(signer, token.permit_digest(client, here, value, deadline))
        way = data.draw(st.sampled_from(WAYS))
        message = self.sign_for(data, way, deal, client, "Fund", ())
        sender = client if way == "party" else self.person(data)
        self.do(sender, "escrow", "fundWithPermit", deal.terms, value, deadline, permit, *message)

    def _fund_with_authorization(self, data: Any, deal: Deal, client: str, *, accept: bool) -> None:
        terms, here = deal.terms, self.system.escrow.address
        before = self.at + data.draw(st.sampled_from((1_000, 1_000, 1_000, 1, 0)))
        value = terms.amount + data.draw(st.sampled_from((0, 0, 0, 0, 1)))
        digest = self.system.token.receive_digest(client, here, value, 0, before, deal.id)
        signer = data.draw(st.sampled_from((client, client, client, self.person(data))))
        acceptance: tuple[int, Sig] = (0, NO_SIG)
        if accept and terms.provider in self.ground.keys.keys:
            way = data.draw(st.sampled_from(("signed", *WAYS)))
            acceptance = self.sign_for(data, way, deal, terms.provider, "Acceptance", ())
        arguments = (terms, before, self.sign(signer, digest), acceptance)
        self.do(self.person(data), "escrow", "fundWithAuthorization", *arguments)

    # Work -----------------------------------------------------------------------------------------------------------

    @precondition(some(Status.FUNDED))
    @rule(data=st.data())
    def accept(self, data: Any) -> None:
        """The provider accepts."""
        deal = self.pick(data, Status.FUNDED)
        self.by(data, deal, deal.terms.provider, "Acceptance", "accept", joined=True)

    @precondition(some(Status.ACCEPTED))
    @rule(data=st.data())
    def submit(self, data: Any) -> None:
        """The provider submits."""
        deal = self.pick(data, Status.ACCEPTED)
        self.by(data, deal, deal.terms.provider, "Submission", "submit", HASH)

    @rule(data=st.data())
    def let_time_pass(self, data: Any) -> None:
        """To a deadline, or a second beside it."""
        self.wait(data)

    def bond(self, data: Any, deal: Deal, party: str) -> tuple[int, Sig]:
        """A bond from the party's wallet, or none."""
        kind = data.draw(st.sampled_from(("none", "good", "good", "other fee", "late")))
        if kind == "none":
            return NO_BOND
        return self.good_bond(deal, party, late=kind == "late", more=int(kind == "other fee"))

    def good_bond(self, deal: Deal, party: str, *, late: bool = False, more: int = 0) -> tuple[int, Sig]:
        """A party's authorization of the arbiter's present fee."""
        arbiter = self.system.escrow.arbiters.get(deal.terms.arbiter)
        if arbiter is None or arbiter.fee >= 2**96:
            return NO_BOND
        before = self.at + (0 if late else 1_000)
        here, nonce = self.system.escrow.address, bond_nonce(deal.id, party)
        digest = self.system.token.receive_digest(party, here, arbiter.fee + more, 0, before, nonce)
        return before, self.sign(party, digest)
