"""The ends of escrows, the parties' balances and stakes, and those who disturb; the whole machine of Escrow."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from tests.contracts.model.escrow_machine import HASH, PEOPLE, WAYS, EscrowLife, some
from tests.contracts.model.escrow_model import BEFORE_RULED
from tests.contracts.model.escrow_terms import Status
from tests.contracts.model.ledger_model import WITHDRAWAL
from tests.contracts.model.outcome import ZERO
from tests.contracts.model.reputation_model import UNSTAKE
from tests.contracts.model.token_model import ENDLESS

PARTIES = ("c1", "c2", "p1", "p2")
LIVE = (Status.FUNDED, Status.ACCEPTED, Status.SUBMITTED, Status.CHALLENGED, Status.DISPUTED, Status.RULED)
FREE_FOR_ALL = (
    "cancel",
    "reclaim",
    "releaseAfterChallenge",
    "claimDefault",
    "execute",
    "resolveStalled",
    "settleStake",
)

EXITS = {
    Status.FUNDED: ("cancel",),
    Status.ACCEPTED: ("reclaim",),
    Status.SUBMITTED: ("releaseAfterChallenge",),
    Status.CHALLENGED: ("claimDefault",),
    Status.DISPUTED: ("resolveStalled", "execute"),
    Status.RULED: ("execute",),
}


class EscrowMachine(EscrowLife):
    """Everything anybody can do."""

    # Money moves ----------------------------------------------------------------------------------------------------

    @precondition(some(Status.ACCEPTED, Status.SUBMITTED))
    @rule(data=st.data(), push=st.integers(0, 3))
    def release(self, data: Any, push: int) -> None:
        """A part or all, perhaps to the wallet."""
        deal = self.pick(data, *LIVE) if push == 1 else self.pick(data, Status.ACCEPTED, Status.SUBMITTED)
        total, client = self.cumulative(data, deal, deal.released), deal.terms.client
        if push == 0:
            sender = data.draw(st.sampled_from((client, client, client, self.person(data))))
            self.do(sender, "escrow", "releaseAndPay", deal.terms, total)
        else:
            self.by(data, deal, client, "Release", "release", total)

    @precondition(some(Status.ACCEPTED, Status.SUBMITTED))
    @rule(data=st.data(), roles=st.sampled_from(([0, 1], [0, 2], [1, 2], [0, 1, 2], [0], [1], [1, 0], [0, 0], [])))
    def release_with_quorum(self, data: Any, roles: list[int]) -> None:
        """By several roles, in order or not."""
        deal = self.pick(data, Status.ACCEPTED, Status.SUBMITTED)
        terms, total = deal.terms, self.cumulative(data, deal, deal.released)
        way = data.draw(st.sampled_from(("signed", "signed", "signed", *WAYS)))
        parties = (terms.client, terms.provider, self.system.who["verifier"])
        signed = [self.sign_for(data, way, deal, parties[role], "Release", (total,)) for role in roles]
        valid_until = signed[0][0] if signed else self.at
        signatures = [(role, sig) for role, (_, sig) in zip(roles, signed, strict=True)]
        self.do(self.person(data), "escrow", "releaseWithQuorum", terms, total, valid_until, signatures)

    @precondition(some())
    @rule(data=st.data(), sender=st.sampled_from(("c1", "c1", "c2", "p1")))
    def release_batch(self, data: Any, sender: str) -> None:
        """Good rows, rows of others, rows twice, rows that are over."""
        every = [deal.terms for deal in self.deals()]
        rows = data.draw(st.lists(st.sampled_from(every), min_size=1, max_size=3))
        self.do(self.system.who[sender], "escrow", "releaseBatch", rows)

    @precondition(some(*BEFORE_RULED))
    @rule(data=st.data(), push=st.integers(0, 3))
    def refund(self, data: Any, push: int) -> None:
        """The provider gives back a part or all."""
        deal = self.pick(data, *BEFORE_RULED)
        total, provider = self.cumulative(data, deal, deal.refunded), deal.terms.provider
        if push == 0:
            sender = data.draw(st.sampled_from((provider, provider, provider, self.person(data))))
            self.do(sender, "escrow", "refundAndPay", deal.terms, total)
        else:
            self.by(data, deal, provider, "Refund", "refund", total)

    @precondition(some(*BEFORE_RULED))
    @rule(data=st.data(), share=st.sampled_from((0, 1, 2, 3)), odd=st.sampled_from((0, 0, 0, 1)))
    def split(self, data: Any, share: int, odd: int) -> None:
        """Both divide what is left."""
        deal = self.pick(data, *BEFORE_RULED)
        terms = deal.terms
        parts = (deal.left * share // 3 + odd, deal.left - deal.left * share // 3)
        ways = [data.draw(st.sampled_from(("signed", "signed", "signed", *WAYS))) for _ in range(2)]
        client = self.sign_for(data, ways[0], deal, terms.client, "Split", parts)
        provider = self.sign_for(data, ways[1], deal, terms.provider, "Split", parts)
        self.do(self.person(data), "escrow", "split", terms, *parts, client[0], client[1], provider[1])

    @precondition(some(Status.FUNDED))
    @rule(data=st.data())
    def cancel(self, data: Any) -> None:
        """The client changes his mind."""
        deal = self.pick(data, Status.FUNDED)
        self.by(data, deal, deal.terms.client, "Cancellation", "cancel")

    @precondition(some())
    @rule(data=st.data(), function=st.sampled_from(FREE_FOR_ALL))
    def anyone(self, data: Any, function: str) -> None:
        """What anyone may call, at any time, on any escrow."""
        self.do(self.person(data), "escrow", function, self.pick(data).terms)

    @precondition(some(*LIVE))
    @rule(data=st.data(), fitting=st.sampled_from((True, True, True, False)))
    def anyone_in_time(self, data: Any, fitting: bool) -> None:
        """What time opens, at the second it opens or beside it."""
        deal = self.pick(data, *LIVE)
        ends = {Status.FUNDED: deal.terms.accept_by, Status.ACCEPTED: deal.terms.deliver_by}.get(
            deal.status, deal.clock
        )
        if ends > self.now and data.draw(st.sampled_from((True, True, False))):
            self.planned = ends + data.draw(st.sampled_from((-1, 0, 0, 1)))
        function = data.draw(st.sampled_from(EXITS[deal.status] if fitting else FREE_FOR_ALL))
        self.do(self.person(data), "escrow", function, deal.terms)

    # Disputes -------------------------------------------------------------------------------------------------------

    @precondition(some(Status.SUBMITTED))
    @rule(data=st.data())
    def dispute(self, data: Any) -> None:
        """The client objects."""
        deal = self.pick(data, Status.SUBMITTED)
        tail = (self.bond(data, deal, deal.terms.client),)
        self.by(data, deal, deal.terms.client, "Dispute", "dispute", HASH, tail=tail)

    @precondition(some(Status.CHALLENGED))
    @rule(data=st.data())
    def respond(self, data: Any) -> None:
        """The provider answers."""
        deal = self.pick(data, Status.CHALLENGED)
        tail = (self.bond(data, deal, deal.terms.provider),)
        self.by(data, deal, deal.terms.provider, "Response", "respond", tail=tail)

    @precondition(some(Status.DISPUTED, Status.RULED, Status.CLOSED))
    @rule(data=st.data(), ruling=st.sampled_from((0, 1, 2, 2, 3)), silent=st.booleans())
    def decide(self, data: Any, ruling: int, silent: bool) -> None:
        """The arbiter rules, or only says so when asked, or rules again when it is over."""
        deal = self.pick(data, Status.DISPUTED, Status.RULED, Status.CLOSED)
        who, number = self.system.who, deal.dispute_id
        if self.system.escrow.by_dispute.get((deal.terms.arbiter, number)) != deal.id:
            return
        if deal.terms.arbiter == who["court"]:
            self.do(who["owner"], "court", "decide" if silent else "giveRuling", number, ruling)
        else:
            data_of = self.ground.contracts["escrow"].encode("rule", (number, ruling))
            self.do(who["stranger"], "evil", "act", self.system.escrow.address, bytes.fromhex(data_of[2:]))

    @precondition(some(Status.CLOSED))
    @rule(data=st.data(), score=st.sampled_from((0, 50, 100, 101)), side=st.sampled_from(("client", "provider", "any")))
    def rate(self, data: Any, score: int, side: str) -> None:
        """One side rates the other."""
        deal = self.pick(data, Status.CLOSED)
        rater = self.person(data) if side == "any" else getattr(deal.terms, side)
        self.by(data, deal, rater, "Rating", "rate", score, HASH, lead=(rater,))

    # Balances and stakes --------------------------------------------------------------------------------------------

    @rule(data=st.data(), contract=st.sampled_from(("escrow", "reputation")), part=st.sampled_from((1, 1, 2, 0, -1)))
    def withdraw(self, data: Any, contract: str, part: int) -> None:
        """All, a part, nothing or too much of a balance, by the owner or his signature."""
        model = getattr(self.system, contract)
        account = self.person(data)
        have = model.balances[account]
        amount = {0: 0, -1: have + 1}.get(part, have // max(part, 1))
        to = data.draw(st.sampled_from((self.person(data), ZERO, self.system.who["vault"])))
        way = data.draw(st.sampled_from(("self", "to", *WAYS)))
        if way == "self":
            self.do(account, contract, "withdraw", amount)
        elif way in {"to", "party", "stranger"}:
            self.do(account, contract, "withdrawTo", to, amount)
        else:
            valid_until = self.at + {"expired": -1, "last second": 0}.get(way, 100)
            nonce = model.withdrawal_nonces[account] + (way == "other escrow")
            digest = model.domain.digest(WITHDRAWAL, account, to, amount, nonce, valid_until)
            signer = self.person(data) if way == "wrong signer" else account
            sig = self.ground.keys.twin(account, digest) if way == "twin" else self.sign(signer, digest)
            arguments = (account, to, amount, valid_until, sig)
            self.do(self.person(data), contract, "withdrawWithSignature", *arguments)

    @rule(data=st.data(), role=st.sampled_from(PARTIES), amount=st.sampled_from((0, 1, 777, 20_000)))
    def stake(self, data: Any, role: str, amount: int) -> None:
        """More stake, or a gift to the bonus pool."""
        function = data.draw(st.sampled_from(("stake", "stake", "fundBonusPool")))
        self.do(self.system.who[role], "reputation", function, amount)

    @rule(data=st.data(), role=st.sampled_from(("p1", "p2", "c1")), share=st.sampled_from((0, 1, 2, 3)))
    def unstake(self, data: Any, role: str, share: int) -> None:
        """Ask for stake, by oneself or by signature."""
        reputation, account = self.system.reputation, self.system.who[role]
        staked = reputation.agents[account].staked
        amount = (0, staked, staked // 2, staked + 1)[share]
        way = data.draw(st.sampled_from(WAYS))
        if way in {"party", "stranger"}:
            self.do(account, "reputation", "requestUnstake", amount)
            return
        valid_until = self.at + {"expired": -1, "last second": 0}.get(way, 100)
        nonce = reputation.agents[account].nonce + (way == "other escrow")
        digest = reputation.domain.digest(UNSTAKE, account, amount, nonce, valid_until)
        signer = self.person(data) if way == "wrong signer" else account
        sig = self.ground.keys.twin(account, digest) if way == "twin" else self.sign(signer, digest)
        arguments = (account, amount, valid_until, sig)
        self.do(self.person(data), "reputation", "requestUnstakeWithSignature", *arguments)

    @rule(data=st.data(), role=st.sampled_from(("p1", "p2", "c1")), beside=st.sampled_from((-1, 0, 1)))
    def complete_unstake(self, data: Any, role: str, beside: int) -> None:
        """Get it, at the second it is due or beside it."""
        account = self.system.who[role]
        due = self.system.reputation.agents[account].unbond_at
        if due > self.now and data.draw(st.booleans()):
            self.planned = due + beside
        self.do(self.person(data), "reputation", "completeUnstake", account)

    # Those who disturb ----------------------------------------------------------------------------------------------

    @rule(data=st.data())
    def disturb(self, data: Any) -> None:
        """One of the ways to be a nuisance."""
        ways = (
            self._turn_arbiter, self._turn_arbiter, self._usurp, self._disturb_token, self._disturb_token,
            self._approve, self._guard, self._set_fee,
        )  # fmt: skip
        data.draw(st.sampled_from(ways))(data)

    def _turn_arbiter(self, data: Any) -> None:
        """The bad arbiter answers otherwise from now on, asks for something else, or numbers otherwise."""
        who = self.system.who["stranger"]
        what = data.draw(st.sampled_from(("setViews", "setFee", "setNextId")))
        draws = {
            "setViews": ((0, 0, 0, 1, 2, 3, 5), (0, 600, 10**6, 2**200), (2, 2, 0, 1, 3), (0, 1, 2, 3, 2**255)),
            "setFee": ((0, 1, 11, 11, 5_000, 2**96), (0, 0, 0, 0, 1, 2, 3, 4)),
            "setNextId": ((0, 1, 2, 3, 4, 5, 6, 7, 2**160 - 1, 2**160),),
        }
        self.do(who, "evil", what, *(data.draw(st.sampled_from(values)) for values in draws[what]))

    def _usurp(self, data: Any) -> None:
        """Somebody who is no arbiter rules."""
        self.do(self.person(data), "escrow", "rule", data.draw(st.integers(0, 2)), data.draw(st.integers(0, 3)))

    def _disturb_token(self, data: Any) -> None:
        """Pause or blacklist; what can be undone is undone first, mostly."""
        token, owner = self.system.token, self.system.who["owner"]
        way = data.draw(st.sampled_from(("pause", "blacklist", "free", "free")))
        if token.paused:
            self.do(owner, "token", "unpause")
        elif token.blacklisted and way != "blacklist":
            self.do(owner, "token", "unBlacklist", data.draw(st.sampled_from(sorted(token.blacklisted))))
        elif way == "pause":
            self.do(owner, "token", "pause")
        else:
            self.do(owner, "token", "blacklist", self.system.who[data.draw(st.sampled_from((*PEOPLE, "court")))])

    def _approve(self, data: Any) -> None:
        """An allowance changes; a short one first comes back to endless."""
        here, account = self.system.escrow.address, self.system.who[data.draw(st.sampled_from(PARTIES))]
        endless = self.system.token.allowances[account, here] == ENDLESS
        self.do(account, "token", "approve", here, data.draw(st.sampled_from((500, 0))) if endless else ENDLESS)

    def _guard(self, data: Any) -> None:
        """Stop new money, or let it in again."""
        contract = data.draw(st.sampled_from(("escrow", "reputation")))
        sender = data.draw(st.sampled_from((self.system.who["guardian"], self.person(data))))
        paused = getattr(self.system, contract).inflows_paused
        self.do(sender, contract, "unpauseInflows" if paused else "pauseInflows")

    def _set_fee(self, data: Any) -> None:
        """Another fee, or another account it goes to."""
        sender = data.draw(st.sampled_from((self.system.who["owner"], self.person(data))))
        if data.draw(st.booleans()):
            self.do(sender, "escrow", "setFee", data.draw(st.sampled_from((0, 250, 500, 501, 333))))
        else:
            to = data.draw(st.sampled_from((ZERO, self.system.who["treasury"], self.system.who["vault"])))
            self.do(sender, "escrow", "setFeeRecipient", to)

    @rule(data=st.data())
    def send_again(self, data: Any) -> None:
        """A call of the past once more, signatures included."""
        self.replay(data)
