"""Random lives of channels and pools, with every party hostile, on the model and on the contract."""

from __future__ import annotations

from typing import Any

from eth_abi import encode
from eth_utils import keccak
from hypothesis import strategies as st
from hypothesis.stateful import initialize, rule

from tests.contracts.model import channel_types as types
from tests.contracts.model.channel_model import CollectorData
from tests.contracts.model.channel_system import ChannelSystem
from tests.contracts.model.channel_types import Claim, Config, PoolKey, Rows
from tests.contracts.model.machine import Machine
from tests.contracts.model.outcome import ZERO
from tests.contracts.model.token_model import ENDLESS
from tests.contracts.model.typed import NO_SIG, Sig

AMOUNTS = (1, 2, 100, 101, 999, 5_000, 0)
PEOPLE = ("owner", "guardian", "c1", "c2", "key", "o1", "o2", "r1", "r2", "stranger")
WAYS = (*["good"] * 6, "other signer", "twin", "other message")
LIMITS = (-1, 0, 1)


class ChannelMachine(Machine):
    """Everything anybody can do."""

    system: ChannelSystem

    def __init__(self, ground: Any, system: ChannelSystem) -> None:
        super().__init__(ground, system)
        self.salt = 0

    def teardown(self) -> None:
        """What is owed is there: nobody donates here."""
        channel = self.system.channel
        assert self.system.token.balances[channel.address] == self.system.owed()

    def person(self, data: Any) -> str:
        """Anybody."""
        return self.system.who[data.draw(st.sampled_from(PEOPLE))]

    def replayers(self) -> list[str]:
        return [self.system.who[role] for role in PEOPLE]

    def unrepeatable(self) -> set[str]:
        return {"token"}

    def one(self, data: Any, *roles: str) -> str:
        """One of these roles; an empty name is nobody."""
        role = data.draw(st.sampled_from(roles))
        return self.system.who[role] if role else ZERO

    def key(self, data: Any) -> PoolKey:
        """A pool, mostly one of few."""
        return self.one(data, "c1", "c1", "c2"), self.one(data, "key", "key", ""), self.one(data, "o1", "o1", "o2")

    def config(self, data: Any) -> Config:
        """A channel, mostly one of few, sometimes an unsound one."""
        payer, authorizer, operator = self.key(data)
        token = self.system.token.domain.contract
        delay, salt = data.draw(st.sampled_from((900, 900, 900, 86_400))), bytes(31) + b"\x01"
        receiver = self.one(data, "r1", "r1", "r2")
        spoilt = data.draw(st.integers(0, 11))
        if spoilt == 0:
            delay = data.draw(st.sampled_from((0, types.SHORTEST - 1, types.LONGEST, types.LONGEST + 1)))
        elif spoilt == 1:
            token = data.draw(st.sampled_from((payer, ZERO)))
        elif spoilt == 2:
            payer, receiver, operator = data.draw(
                st.sampled_from(((ZERO, receiver, operator), (payer, ZERO, operator), (payer, receiver, ZERO)))
            )
        return Config(payer, authorizer, receiver, operator, token, delay, salt)

    def used(self, data: Any) -> Config:
        """A channel that holds something, if there is one."""
        found = [deal.config for deal in self.system.channel.book.channels.values() if deal.balance]
        return data.draw(st.sampled_from(found)) if found else self.config(data)

    def signed(self, data: Any, signer: str, digest: bytes, way: str = "") -> Sig:
        """A signature, spoilt now and then."""
        way = way or data.draw(st.sampled_from(WAYS))
        if way == "twin" and signer != ZERO:
            return self.ground.keys.twin(signer, digest)
        if way == "other signer" or signer not in self.ground.keys.keys:
            return self.sign(self.person(data), digest)
        return self.sign(signer, keccak(digest) if way == "other message" else digest)

    # Deposits -------------------------------------------------------------------------------------------------------

    @initialize(data=st.data(), further=st.lists(st.sampled_from(("claim", "channel back", "pool back")), max_size=3))
    def some_money(self, data: Any, further: list[str]) -> None:
        """A pool and a channel to begin with, perhaps claimed from or asked back."""
        who, usdc = self.system.who, self.system.token.domain.contract
        key = (who["c1"], who["key"], who["o1"])
        config = Config(key[0], key[1], self.one(data, "r1", "r2"), key[2], usdc, 900, bytes(31) + b"\x01")
        self.do(key[0], "channel", "depositPool", key[1], key[2], 3_000)
        self.do(key[0], "channel", "deposit", config, 500, ZERO, b"")
        for step in further:
            if step == "claim":
                digest = self.system.channel.domain.digest(types.VOUCHER, config.id(self.system.channel.domain), 700)
                self.do(key[2], "channel", "claim", [Claim(config, 700, self.sign(key[1], digest), 600)])
            elif step == "channel back":
                self.do(key[0], "channel", "initiateWithdraw", config, 400)
            else:
                self.do(key[0], "channel", "initiatePoolWithdraw", key[1], key[2], 9_000)
        unsound = self.config(data)
        sender = unsound.payer if unsound.payer != ZERO else key[0]
        self.do(sender, "channel", "deposit", unsound, 500, ZERO, b"")

    def used_pool(self, data: Any) -> PoolKey:
        """A pool that holds something or waits, if there is one."""
        pools = self.system.channel.book.pools.items()
        found = [key for key, pool in pools if (pool.balance or pool.finalize_at) and ZERO not in {key[0], key[2]}]
        return data.draw(st.sampled_from(found)) if found else self.key(data)

    @rule(data=st.data(), amount=st.sampled_from(AMOUNTS))
    def deposit(self, data: Any, amount: int) -> None:
        """By the payer, by somebody else, by a collector nobody knows."""
        config = self.config(data)
        sender = data.draw(st.sampled_from((config.payer, config.payer, self.person(data))))
        collector = data.draw(st.sampled_from((ZERO, ZERO, ZERO, ZERO, self.system.who["stranger"])))
        self.do(sender if sender != ZERO else self.person(data), "channel", "deposit", config, amount, collector, b"")

    @rule(data=st.data(), amount=st.sampled_from(AMOUNTS), other=st.sampled_from((0, 0, 0, 1)))
    def deposit_signed(self, data: Any, amount: int, other: int) -> None:
        """By the ERC-3009 collector, relayed; the signed amount or channel may be another."""
        config, channel = self.config(data), self.system.channel
        after, before = (
            self.at - data.draw(st.sampled_from((1, 1, 1, 0))),
            self.at + data.draw(st.sampled_from((9, 1, 0))),
        )
        signed_for = config if data.draw(st.integers(0, 5)) else self.config(data)
        nonce = keccak(encode(["bytes32", "uint256"], [signed_for.id(channel.domain), self._salt()]))
        digest = self.system.token.receive_digest(config.payer, channel.collector, amount + other, after, before, nonce)
        packed = CollectorData(after, before, self.salt, self.signed(data, config.payer, digest))
        self.do(self.person(data), "channel", "deposit", config, amount, channel.collector, packed)

    def _salt(self) -> int:
        self.salt += 1
        return self.salt

    @rule(data=st.data(), amount=st.sampled_from(AMOUNTS), road=st.integers(0, 2))
    def deposit_pool(self, data: Any, amount: int, road: int) -> None:
        """From the wallet, by permit, or by a signature over the pool."""
        payer, authorizer, operator = self.key(data)
        operator = data.draw(st.sampled_from((operator, operator, operator, ZERO)))
        channel, token = self.system.channel, self.system.token
        if road == 0:
            self.do(payer, "channel", "depositPool", authorizer, operator, amount)
        elif road == 1:
            deadline = self.at + data.draw(st.sampled_from((9, 0, -1)))
            sig = self.signed(data, payer, token.permit_digest(payer, channel.address, amount, deadline))
            self.do(payer, "channel", "depositPoolWithPermit", authorizer, operator, amount, deadline, sig)
        else:
            after, before = 0, self.at + data.draw(st.sampled_from((9, 1, 0)))
            signed_for = (payer, authorizer, operator) if data.draw(st.integers(0, 4)) else self.key(data)
            nonce = keccak(encode(["bytes32", "uint256"], [channel.pool_id(signed_for), self._salt()]))
            digest = token.receive_digest(payer, channel.address, amount, after, before, nonce)
            tail = (amount, after, before, self.salt, self.signed(data, payer, digest))
            sender = self.person(data)
            self.do(sender, "channel", "depositPoolWithAuthorization", payer, authorizer, operator, *tail)

    # Claims ---------------------------------------------------------------------------------------------------------

    def voucher(self, data: Any, config: Config) -> Claim:
        """A voucher with a total near what the channel and its pool can pay."""
        channel = self.system.channel
        state, pool = channel.channel(config), channel.pool(config.pool)
        reach = state.balance + pool.balance
        totals = (state.claimed + 1, state.claimed + 50, state.claimed + 50, state.balance, state.balance + 1, reach,
                  reach + 1, state.claimed, 0, state.balance + pool.balance // 2)  # fmt: skip
        total = data.draw(st.sampled_from(totals))
        ceiling = total + data.draw(st.sampled_from((0, 0, 7, 1_000, -1)))
        ceiling = max(ceiling, 0)
        digest = channel.domain.digest(types.VOUCHER, config.id(channel.domain), ceiling)
        return Claim(config, ceiling, self.signed(data, config.signer, digest), total)

    @rule(data=st.data(), size=st.sampled_from((1, 1, 1, 2, 0)))
    def claim(self, data: Any, size: int) -> None:
        """By the receiver, by the operator, or by his signature; old vouchers and new."""
        config = data.draw(st.sampled_from((self.used(data), self.config(data))))
        claims = [self.voucher(data, config if not index else self.config(data)) for index in range(size)]
        who = data.draw(st.sampled_from(("operator", "receiver", "signature", "signature", "stranger")))
        if who == "signature":
            domain = self.system.channel.domain
            digest = types.batch_digest(domain, [claim.entry(domain) for claim in claims])
            sig = self.signed(data, config.receiver_authorizer, digest)
            self.do(self.person(data), "channel", "claimWithSignature", claims, sig)
            return
        party = {"operator": config.receiver_authorizer, "receiver": config.receiver}.get(who, ZERO)
        self.do(party if party != ZERO else self.person(data), "channel", "claim", claims)

    @rule(data=st.data(), sizes=st.lists(st.integers(0, 3), min_size=1, max_size=2))
    def claim_batch(self, data: Any, sizes: list[int]) -> None:
        """Good rows and bad ones, by the operator or his signature."""
        domain = self.system.channel.domain
        operator = self.one(data, "o1", "o1", "o2")
        groups = [self._group(data, operator, size) for size in sizes]
        if data.draw(st.booleans()):
            sender = data.draw(st.sampled_from((operator, operator, self.person(data))))
            self.do(sender, "channel", "claimBatch", operator, groups, NO_SIG)
            return
        entries = [claim.entry(domain) for group in groups for claim in group.claims]
        sig = self.signed(data, operator, types.batch_digest(domain, entries))
        self.do(self.person(data), "channel", "claimBatch", operator, groups, sig)

    def _group(self, data: Any, operator: str, size: int) -> Rows:
        payer, authorizer = self.one(data, "c1", "c1", "c1", "c2", ""), self.one(data, "key", "key", "")
        delay = data.draw(st.sampled_from((900, 900, 900, 86_400, types.SHORTEST - 1, types.LONGEST + 1)))
        token, salt = self.system.token.domain.contract, bytes(31) + b"\x01"
        claims = []
        for _ in range(size):
            config = Config(payer, authorizer, self.one(data, "r1", "r1", "r2", "r2", ""), operator, token, delay, salt)
            claim = self.voucher(data, config)
            sig = claim.sig if claim.sig.signer else self.sign(self.person(data), keccak(text="garbage"))
            claims.append(Claim(config, claim.ceiling, sig, claim.total))
        if claims and data.draw(st.booleans()):
            claims.append(claims[0])
        tail = data.draw(st.sampled_from((b"", b"", b"\x00", b"\xff" * 107)))
        return Rows(payer, authorizer, delay, salt, tuple(claims), tail)

    @rule(
        data=st.data(),
        token=st.sampled_from(("usdc", "usdc", "other")),
        many=st.lists(st.sampled_from(PEOPLE), max_size=3),
    )
    def settle(self, data: Any, token: str, many: list[str]) -> None:
        """One receiver, or several at once."""
        who, usdc = self.system.who, self.system.token.domain.contract
        if data.draw(st.booleans()):
            receivers = [who[role] for role in (*many, "r1", "r2", "r1")]
            self.do(self.person(data), "channel", "settleMany", receivers)
        else:
            receiver = self.one(data, "r1", "r2", "stranger")
            self.do(self.person(data), "channel", "settle", receiver, usdc if token == "usdc" else who["c1"])

    # Ways back ------------------------------------------------------------------------------------------------------

    @rule(data=st.data(), share=st.integers(0, 3))
    def initiate(self, data: Any, share: int) -> None:
        """Ask unclaimed money of a channel back."""
        config = self.used(data)
        free = self.system.channel.channel(config).free
        amount = (free, free // 2, free + 1, 0)[share]
        sides = [side for side in (config.payer, config.authorizer, self.person(data)) if side != ZERO]
        self.do(data.draw(st.sampled_from(sides)), "channel", "initiateWithdraw", config, amount)

    @rule(data=st.data(), beside=st.sampled_from((-1, 0, 0, 1)))
    def finalize(self, data: Any, beside: int) -> None:
        """Get it, at the second it is due or beside it."""
        pending = [deal.config for deal in self.system.channel.book.channels.values() if deal.asked_at]
        config = data.draw(st.sampled_from(pending)) if pending else self.used(data)
        due = self.system.channel.channel(config).asked_at + config.delay
        if due > self.now and data.draw(st.booleans()):
            self.planned = due + beside
        sides = [side for side in (config.payer, config.authorizer, self.person(data)) if side != ZERO]
        self.do(data.draw(st.sampled_from(sides)), "channel", "finalizeWithdraw", config)

    @rule(data=st.data(), share=st.integers(0, 3), late=st.sampled_from((0, 0, 0, 1)))
    def refund(self, data: Any, share: int, late: int) -> None:
        """The receiver's side gives back."""
        config, channel = self.used(data), self.system.channel
        state = channel.channel(config)
        amount = (state.free, state.free // 2, state.free + 9, 0)[share]
        if data.draw(st.booleans()):
            nonce = state.refund_nonce + late
            digest = channel.domain.digest(types.REFUND, config.id(channel.domain), nonce, amount)
            sig = self.signed(data, config.receiver_authorizer, digest)
            self.do(self.person(data), "channel", "refundWithSignature", config, amount, nonce, sig)
            return
        sides = [side for side in (config.receiver, config.receiver_authorizer, self.person(data)) if side != ZERO]
        self.do(data.draw(st.sampled_from(sides)), "channel", "refund", config, amount)

    @rule(data=st.data(), what=st.sampled_from(("initiate", "initiate", "cancel", "finalize", "finalize", "release")))
    def leave_pool(self, data: Any, what: str) -> None:
        """The steps out of a pool, by the party or its signature."""
        key, channel = self.used_pool(data) if data.draw(st.integers(0, 4)) else self.key(data), self.system.channel
        pool = channel.pool(key)
        if pool.finalize_at > self.now and data.draw(st.booleans()):
            self.planned = pool.finalize_at + data.draw(st.sampled_from(LIMITS))
        if what == "finalize":
            self.do(self.person(data), "channel", "finalizePoolWithdraw", *key)
            return
        amount = data.draw(st.sampled_from((pool.balance, pool.balance // 2, pool.balance + 1, 0)))
        nonce = max(0, pool.nonce + data.draw(st.sampled_from((0, 0, 0, -1, 1))))
        valid_until = self.at + data.draw(st.sampled_from((9, 9, 0, -1)))
        party = key[2] if what == "release" else key[0]
        name = {"release": "releasePool"}.get(what, f"{what}PoolWithdraw")
        if data.draw(st.booleans()):
            sender = data.draw(st.sampled_from((party, party, party, self.person(data))))
            front = (*key, nonce) if what == "release" else key[1:]
            self.do(sender, "channel", name, *front, *((amount,) if what == "initiate" else ()))
            return
        values = (nonce, valid_until)
        if what != "release":
            values = (amount if what == "initiate" else 0, what == "cancel", *values)
        kind = types.POOL_RELEASE if what == "release" else types.POOL_WITHDRAW
        sig = self.signed(data, party, channel.domain.digest(kind, channel.pool_id(key), *values))
        middle = (amount,) if what == "initiate" else ()
        self.do(self.person(data), "channel", f"{name}WithSignature", *key, *middle, nonce, valid_until, sig)

    # Those who disturb ----------------------------------------------------------------------------------------------

    @rule(data=st.data(), way=st.sampled_from(("pause", "blacklist", "free", "free", "guard", "approve")))
    def disturb(self, data: Any, way: str) -> None:
        """A paused token, a blacklisted account, no new money, a short allowance."""
        token, who, here = self.system.token, self.system.who, self.system.channel.address
        if way == "guard" or self.system.channel.inflows_paused:
            sender = data.draw(st.sampled_from((who["guardian"], who["guardian"], self.person(data))))
            paused = self.system.channel.inflows_paused
            self.do(sender, "channel", "unpauseInflows" if paused else "pauseInflows")
        elif token.paused:
            self.do(who["owner"], "token", "unpause")
        elif token.blacklisted and way != "blacklist":
            self.do(who["owner"], "token", "unBlacklist", data.draw(st.sampled_from(sorted(token.blacklisted))))
        elif way == "approve":
            endless = token.allowances[who["c1"], here] == ENDLESS
            self.do(who["c1"], "token", "approve", here, 0 if endless else ENDLESS)
        else:
            call = ("pause",) if way == "pause" else ("blacklist", self.person(data))
            self.do(who["owner"], "token", *call)

    @rule(data=st.data())
    def send_again(self, data: Any) -> None:
        """A call of the past once more, signatures included."""
        self.replay(data)

    @rule(data=st.data())
    def let_time_pass(self, data: Any) -> None:
        """To the end of a wait, or a second beside it."""
        self.wait(data)
