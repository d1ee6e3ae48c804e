"""Channels: deposits, claims with cumulative totals, batches that leave bad rows out, settling, ways back."""

from __future__ import annotations

from dataclasses import dataclass, field

from eth_abi import encode
from eth_utils import keccak

from tests.contracts.model import channel_types as types
from tests.contracts.model.channel_types import Book, ChannelDeal, Claim, Config, PoolDeal, PoolKey, Receiver, Rows
from tests.contracts.model.node import Event
from tests.contracts.model.outcome import TOKEN_REFUSED, ZERO, Checks, OneOf, Tx
from tests.contracts.model.token_model import TokenModel
from tests.contracts.model.typed import Domain, Sig


@dataclass(frozen=True, slots=True)
class CollectorData:
    """What the ERC-3009 collector is given."""

    after: int
    before: int
    salt: int
    sig: Sig

    def packed(self) -> bytes:
        """ABI form."""
        kinds = ["uint256", "uint256", "uint256", "bytes"]
        return encode(kinds, [self.after, self.before, self.salt, self.sig.raw])


@dataclass(slots=True)
class ChannelModel:
    """State of the payment channel. Methods carry the names of the contract's functions."""

    address: str
    collector: str
    token: TokenModel
    domain: Domain
    guardian: str
    book: Book = field(default_factory=Book)
    inflows_paused: bool = False

    def channel(self, config: Config) -> ChannelDeal:
        """A channel, empty if it was never used."""
        return self.book.channels.setdefault(config.id(self.domain), ChannelDeal(config))

    def pool(self, key: PoolKey) -> PoolDeal:
        """A pool, empty if it was never used."""
        return self.book.pools.setdefault(key, PoolDeal())

    def pool_id(self, key: PoolKey) -> bytes:
        """Its id."""
        return self.domain.digest(types.POOL_KEY, *key)

    def _sound(self, checks: Checks, config: Config) -> None:
        parties = {config.payer, config.receiver, config.receiver_authorizer}
        checks.refuse(ZERO in parties, "InvalidChannel")
        checks.refuse(not types.SHORTEST <= config.delay <= types.LONGEST, "WithdrawDelayOutOfRange")
        checks.refuse(config.token != self.token.domain.contract, "UnsupportedToken", config.token)

    # Deposits -------------------------------------------------------------------------------------------------------

    def deposit(self, tx: Tx, config: Config, amount: int, collector: str, data: CollectorData | bytes) -> list[Event]:
        """Money into a channel: by the payer, or by the ERC-3009 collector."""
        checks = Checks()
        self._sound(checks, config)
        checks.refuse(amount == 0, "ZeroDeposit")
        checks.refuse(self.inflows_paused, "Guarded_InflowsPaused")
        if isinstance(data, CollectorData):
            nonce = keccak(encode(["bytes32", "uint256"], [config.id(self.domain), data.salt]))
            window = (data.after, data.before)
            self.token.check_receive(checks, tx, config.payer, self.collector, amount, window, nonce, data.sig)
            checks.done()
            self.token.receive(config.payer, self.collector, amount, nonce)
            self.token.move(self.collector, self.address, amount)
        else:
            checks.refuse(collector != ZERO, "UnsupportedCollector", collector)
            checks.refuse(tx.sender != config.payer, "InvalidCollector")
            self.token.check_pull(checks, tx.sender, self.address, amount)
            checks.done()
            self.token.pull(tx.sender, self.address, amount)
        channel = self.channel(config)
        events = self._created(channel)
        channel.balance += amount
        values = {"channelId": config.id(self.domain), "sender": tx.sender, "amount": amount}
        return [*events, Event("Deposited", {**values, "newBalance": channel.balance})]

    def _created(self, channel: ChannelDeal) -> list[Event]:
        if channel.balance or channel.claimed:
            return []
        return [self._about("ChannelCreated", channel)]

    def _about(self, name: str, channel: ChannelDeal) -> Event:
        return Event(name, {"channelId": channel.config.id(self.domain), "config": channel.config.tuple()})

    # Claims ---------------------------------------------------------------------------------------------------------

    def claim(self, tx: Tx, claims: list[Claim]) -> list[Event]:
        """By receiver or receiver authorizer of each row; all rows or none."""
        checks = Checks()
        checks.refuse(not claims, "EmptyBatch")
        for claim in claims:
            allowed = tx.sender in {claim.config.receiver, claim.config.receiver_authorizer}
            checks.refuse(not allowed, "NotAuthorizedToClaim")
        pooled = [tx.sender == claim.config.receiver_authorizer for claim in claims]
        return self._claims(checks, tx, claims, pooled)

    def claimWithSignature(self, tx: Tx, claims: list[Claim], sig: Sig) -> list[Event]:
        """By one signature of the common receiver authorizer."""
        checks = Checks()
        checks.refuse(not claims, "EmptyBatch")
        authorizers = {claim.config.receiver_authorizer for claim in claims}
        checks.refuse(len(authorizers) > 1, "NotReceiverAuthorizer")
        if claims:
            digest = types.batch_digest(self.domain, [claim.entry(self.domain) for claim in claims])
            checks.refuse(not sig.by(claims[0].config.receiver_authorizer, digest), "InvalidSignature")
        return self._claims(checks, tx, claims, [True] * len(claims))

    def _claims(self, checks: Checks, tx: Tx, claims: list[Claim], pooled: list[bool]) -> list[Event]:
        events = []
        for claim, from_pool in zip(claims, pooled, strict=True):
            channel = self.channel(claim.config)
            if claim.total <= channel.claimed:
                continue
            self._check_claim(checks, channel, claim, from_pool)
            if checks.errors:
                continue
            drawn = max(0, claim.total - channel.balance)
            events += self._take(tx, channel, claim, drawn)
            if drawn:
                events.append(Event("PoolDrawn", {"poolId": self.pool_id(claim.config.pool), "amount": drawn}))
        checks.done()
        return events

    def _check_claim(self, checks: Checks, channel: ChannelDeal, claim: Claim, from_pool: bool) -> None:
        self._sound(checks, claim.config)
        checks.refuse(claim.total > claim.ceiling, "ClaimExceedsCeiling")
        digest = self.domain.digest(types.VOUCHER, claim.config.id(self.domain), claim.ceiling)
        checks.refuse(not claim.sig.by(claim.config.signer, digest), "InvalidSignature")
        short = max(0, claim.total - channel.balance)
        have = self.pool(claim.config.pool).balance
        checks.refuse(short > 0 and not from_pool, "ClaimExceedsBalance")
        checks.refuse(from_pool and short > have, "PoolInsufficient", self.pool_id(claim.config.pool), have, short)

    def _take(self, tx: Tx, channel: ChannelDeal, claim: Claim, drawn: int) -> list[Event]:
        events = self._created(channel) if drawn else []
        self.pool(claim.config.pool).balance -= drawn
        channel.balance += drawn
        amount = claim.total - channel.claimed
        channel.claimed = claim.total
        self.book.receivers.setdefault(claim.config.receiver, Receiver()).claimed += amount
        values = {"channelId": claim.config.id(self.domain), "sender": tx.sender, "claimAmount": amount}
        return [*events, Event("Claimed", {**values, "newTotalClaimed": claim.total})]

    def claimBatch(self, tx: Tx, operator: str, groups: list[Rows], sig: Sig) -> list[Event]:
        """By the operator or his signature over all whole rows; bad rows are left out."""
        checks = Checks()
        if sig.given:
            entries = [claim.entry(self.domain) for group in groups for claim in group.claims]
            good = sig.by(operator, types.batch_digest(self.domain, entries))
            checks.refuse(not good, "InvalidSignature")
        else:
            checks.refuse(tx.sender != operator, "NotAuthorizedToClaim")
        checks.done()
        events = []
        for number, group in enumerate(groups):
            drawn = 0
            for index, claim in enumerate(group.claims):
                reasons = self._reasons(claim)
                if reasons:
                    values = {"group": number, "row": index, "reason": OneOf(frozenset(reasons))}
                    events.append(Event("RowSkipped", values))
                    continue
                channel = self.channel(claim.config)
                short = max(0, claim.total - channel.balance)
                events += self._take(tx, channel, claim, short)
                drawn += short
            if group.tail:
                values = {"group": number, "row": len(group.claims), "reason": types.TRAILING}
                events.append(Event("RowSkipped", values))
            if drawn:
                key = (group.payer, group.authorizer, operator)
                events.append(Event("PoolDrawn", {"poolId": self.pool_id(key), "amount": drawn}))
        return events

    def _reasons(self, claim: Claim) -> set[int]:
        config, found = claim.config, set()
        channel = self.channel(config)
        if ZERO in {config.payer, config.receiver} or not types.SHORTEST <= config.delay <= types.LONGEST:
            found.add(types.BAD_CHANNEL)
        if claim.total <= channel.claimed:
            found.add(types.STALE)
        if claim.total > claim.ceiling:
            found.add(types.ABOVE_CEILING)
        if not claim.sig.by(config.signer, self.domain.digest(types.VOUCHER, config.id(self.domain), claim.ceiling)):
            found.add(types.BAD_SIGNATURE)
        if claim.total - channel.balance > self.pool(config.pool).balance:
            found.add(types.INSUFFICIENT)
        return found

    # Payouts --------------------------------------------------------------------------------------------------------

    def settle(self, tx: Tx, receiver: str, token: str) -> list[Event]:
        """Pay a receiver all that was claimed."""
        checks = Checks()
        checks.refuse(token != self.token.domain.contract, "UnsupportedToken", token)
        due = self._due(receiver)
        checks.refuse(due > 0 and not self.token.moves(self.address, receiver, due), TOKEN_REFUSED)
        checks.done()
        return self._settle(tx, receiver)

    def _due(self, receiver: str) -> int:
        totals = self.book.receivers.setdefault(receiver, Receiver())
        return totals.claimed - totals.settled

    def _settle(self, tx: Tx, receiver: str) -> list[Event]:
        due = self._due(receiver)
        if due == 0:
            return []
        self.book.receivers[receiver].settled += due
        self.token.move(self.address, receiver, due)
        values = {"receiver": receiver, "token": self.token.domain.contract, "sender": tx.sender, "amount": due}
        return [Event("Settled", values)]

    def settleMany(self, tx: Tx, receivers: list[str]) -> list[Event]:
        """Pay many; one the token refuses is left out."""
        events = []
        for receiver in receivers:
            due = self._due(receiver)
            if due and not self.token.moves(self.address, receiver, due):
                events.append(Event("SettleSkipped", {"receiver": receiver}))
            else:
                events += self._settle(tx, receiver)
        return events

    # Ways back ------------------------------------------------------------------------------------------------------

    def initiateWithdraw(self, tx: Tx, config: Config, amount: int) -> list[Event]:
        """The payer's side asks unclaimed money back."""
        checks, channel = Checks(), self.channel(config)
        checks.refuse(tx.sender not in {config.payer, config.authorizer}, "InvalidChannel")
        checks.refuse(amount == 0, "NothingToWithdraw")
        checks.refuse(channel.asked_at > 0, "WithdrawalAlreadyPending")
        checks.refuse(amount > channel.free, "WithdrawAmountExceedsAvailable")
        checks.done()
        channel.asked, channel.asked_at = amount, tx.now
        values = {"channelId": config.id(self.domain), "amount": amount, "finalizeAfter": tx.now + config.delay}
        return [Event("WithdrawInitiated", values)]

    def finalizeWithdraw(self, tx: Tx, config: Config) -> list[Event]:
        """The payer's side gets it, as far as it is still unclaimed."""
        checks, channel = Checks(), self.channel(config)
        allowed = tx.sender in {config.payer, config.authorizer}
        checks.refuse(not allowed, "NotAuthorizedToFinalizeWithdraw")
        checks.refuse(channel.asked_at == 0, "WithdrawalNotPending")
        checks.refuse(tx.now < channel.asked_at + config.delay, "WithdrawDelayNotElapsed")
        paid = min(channel.asked, channel.free)
        checks.refuse(paid > 0 and not self.token.moves(self.address, config.payer, paid), TOKEN_REFUSED)
        checks.done()
        channel.asked = channel.asked_at = 0
        return self._back(tx, channel, paid, "WithdrawFinalized")

    def _back(self, tx: Tx, channel: ChannelDeal, paid: int, name: str) -> list[Event]:
        channel.balance -= paid
        self.token.move(self.address, channel.config.payer, paid)
        values = {"channelId": channel.config.id(self.domain), "sender": tx.sender, "amount": paid}
        closed = paid > 0 and channel.balance == 0 and channel.claimed == 0
        return [Event(name, values), *([self._about("ChannelClosed", channel)] if closed else [])]

    def refund(self, tx: Tx, config: Config, amount: int) -> list[Event]:
        """The receiver's side gives unclaimed money back."""
        checks = Checks()
        allowed = tx.sender in {config.receiver, config.receiver_authorizer}
        checks.refuse(not allowed, "NotAuthorizedToRefund")
        return self._refund(checks, tx, config, amount)

    def refundWithSignature(self, tx: Tx, config: Config, amount: int, nonce: int, sig: Sig) -> list[Event]:
        """By the receiver authorizer's signature, once."""
        checks, current = Checks(), self.channel(config).refund_nonce
        checks.refuse(nonce != current, "InvalidRefundNonce")
        digest = self.domain.digest(types.REFUND, config.id(self.domain), nonce, amount)
        checks.refuse(not sig.by(config.receiver_authorizer, digest), "InvalidSignature")
        return self._refund(checks, tx, config, amount)

    def _refund(self, checks: Checks, tx: Tx, config: Config, amount: int) -> list[Event]:
        channel = self.channel(config)
        paid = min(amount, channel.free)
        checks.refuse(amount == 0, "ZeroRefund")
        checks.refuse(paid > 0 and not self.token.moves(self.address, config.payer, paid), TOKEN_REFUSED)
        checks.done()
        channel.refund_nonce += 1
        channel.asked = max(0, channel.asked - paid)  # as x402 has it: what is given back is no longer asked for
        channel.asked_at = channel.asked_at if channel.asked else 0
        return self._back(tx, channel, paid, "Refunded") if paid else []
