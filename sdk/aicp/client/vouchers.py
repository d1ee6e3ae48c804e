"""Payments by bare vouchers: each raises the ceiling of a channel by its price, and that is the payment.

Goals and invariants:
- a voucher is on disk before it is sent (`aicp.client.voucher_book`), and stays "under way" until its answer; what is
  under way is sent again, byte for byte, before anything else is signed for its channel;
- a payment has an id, its caller's or one the error carries: the same id again is the same payment and never pays
  twice, also after a crash, and also where another payment or process took it up meanwhile;
- the next ceiling is the highest we have signed plus the price; a higher one the service names is believed only with
  our own signature over it, which another process of ours may have made;
- a new voucher that turns out to be stored already, though nobody who shares our book has sent it, is not the payment:
  another state of ours signed it before;
- a refused voucher is forgotten only where the service says that nothing of it was stored.
A crash leaves at most one voucher a channel under way, which the next payment takes up.
"""

from __future__ import annotations

import asyncio
import secrets
import sqlite3
import uuid
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any, Final

import httpx

from aicp.abi.signing import SignatureError, recover
from aicp.abi.typed_data import Voucher
from aicp.client.chain import Chain
from aicp.client.errors import ClientError, Mismatch, ProblemError, Unreachable
from aicp.client.voucher_book import Signed, VoucherBook
from aicp.client.wallet import Wallet
from aicp.rules.ids import channel_id, marketplace_config, pool_id, pool_key
from aicp.rules.primitives import checksum, format_usdc, hex0x

__all__ = ["MOST_AT_ONCE", "NotKnown", "Paid", "VoucherBook", "VoucherSender"]

MOST_AT_ONCE: Final = 1_000
SERVICE_ERRORS: Final = 500
_DELAYS: Final = (0.1, 0.3, 1.0, 2.0)
_ATTEMPTS: Final = 10
"""How often vouchers are signed anew because another process of ours was faster."""


class NotKnown(Unreachable):
    """What became of a payment is not known. Repeated with `payment_id` it pays once; without, it is another one."""

    def __init__(self, sentence: str, payment_id: str) -> None:
        self.payment_id = payment_id
        super().__init__(sentence)


@dataclass(frozen=True, slots=True)
class Paid:
    """A stored voucher: what it has paid, and the ceiling it stands at. Base units.

    It has paid less than was asked for where another state of ours raised the ceiling at the same moment.
    """

    receiver: bytes
    price_units: int
    ceiling_units: int


@dataclass(frozen=True, slots=True)
class _Wish:
    """One payment as it is asked for."""

    channel: bytes
    receiver: bytes
    units: int
    payment_id: str


class VoucherSender:
    """Pays agents from one pool; payments to one agent go one after the other."""

    def __init__(  # noqa: PLR0917  # what a payment consists of
        self, chain: Chain, payer: bytes, key: Wallet, book: VoucherBook, urls: Sequence[str], http: httpx.AsyncClient
    ) -> None:
        """`key` is the pool's session key; `urls` are the addresses of the shards, in their order."""
        self._chain = chain
        self._payer = payer
        self._key = key
        self._book = book
        pool = pool_id(pool_key(payer, key.address, chain.current_operator), chain.channel)
        self._url = urls[pool[0] % len(urls)]
        self._http = http
        self._locks: dict[bytes, asyncio.Lock] = {}
        self._token = secrets.token_hex(16)

    async def pay(self, receiver: bytes, units: int, payment_id: str | None = None) -> Paid:
        """Pay an agent.

        Raises ProblemError for a refusal, NotKnown where the answer is not known: call again with the payment id it
        carries, or with your own, which also holds after a crash. Raises ValueError where the id is of another sum.
        """
        [outcome] = await self._pay([(receiver, units)], payment_id)
        if isinstance(outcome, Paid):
            return outcome
        raise outcome

    async def pay_many(
        self, payments: Sequence[tuple[bytes, int]], payment_id: str | None = None
    ) -> list[Paid | ClientError]:
        """Pay several agents, each at most once, in one request; return for each what `pay` would.

        One id names the payments to all of them. Raises NotKnown where that holds for all; ValueError.
        """
        if not 0 < len({receiver for receiver, _ in payments}) == len(payments) <= MOST_AT_ONCE:
            raise ValueError(f"a batch pays 1 to {MOST_AT_ONCE} different agents")
        return await self._pay(payments, payment_id)

    async def _pay(self, payments: Sequence[tuple[bytes, int]], payment_id: str | None) -> list[Paid | ClientError]:
        if any(units <= 0 for _, units in payments):
            raise ValueError("a payment is above zero")
        name = str(uuid.uuid4()) if payment_id is None else payment_id
        wishes = [_Wish(self._channel(receiver), receiver, units, name) for receiver, units in payments]
        channels = [wish.channel for wish in wishes]
        async with AsyncExitStack() as locks:
            for channel in sorted(channels):  # in one order, so that no two calls wait for each other
                await locks.enter_async_context(self._locks.setdefault(channel, asyncio.Lock()))
            try:
                outcomes = await self._round(wishes)
                behind = [wish for wish in wishes if isinstance(outcomes[wish.channel], _BehindError)]
                for wish in behind:
                    await self._catch_up(wish.channel)
                if behind:
                    outcomes |= await self._round(behind)
            except Unreachable as error:
                raise NotKnown(str(error), name) from error
            found = [outcomes[channel] for channel in channels]
            if payment_id is None and not any(isinstance(outcome, NotKnown) for outcome in found):
                self._book.forget(channels, name)
        return found

    async def _round(self, wishes: Sequence[_Wish]) -> dict[bytes, Paid | ClientError]:
        """Sign what is not signed yet, and send what is not known to be paid."""
        for _ in range(_ATTEMPTS):
            begun: dict[bytes, Signed] = {}
            for wish in wishes:
                if (known := await self._known(wish)) is not None:
                    begun[wish.channel] = known
            new = {wish.channel: self._sign(wish) for wish in wishes if wish.channel not in begun}
            try:
                self._book.begin(list(new.values()))
            except sqlite3.IntegrityError:
                continue
            return await self._send(wishes, begun | new, set(new))
        raise Unreachable("Other processes keep paying these agents. Nothing was signed.")

    async def _known(self, wish: _Wish) -> Signed | None:
        """Return the voucher of a payment that has begun; before another one begins, take up what is under way."""
        known = self._book.payment(wish.channel, wish.payment_id)
        if known is not None and known.units != wish.units:
            raise ValueError(f"payment {wish.payment_id} is one of {format_usdc(known.units)} USDC")
        if known is not None and known.price_units is not None:
            return known
        while (taken := self._book.take(wish.channel, self._token)) is not None:
            if taken.payment_id == wish.payment_id:
                return taken
            told, _ = await self._post("/vouchers", self._body(wish.receiver, taken))
            if isinstance(self._read(wish.receiver, taken, told, new=False), NotKnown):
                raise Unreachable("An earlier payment to this agent is still under way.")
        return None

    async def _send(
        self, wishes: Sequence[_Wish], vouchers: dict[bytes, Signed], new: set[bytes]
    ) -> dict[bytes, Paid | ClientError]:
        outcomes: dict[bytes, Paid | ClientError] = {
            wish.channel: _paid(wish.receiver, vouchers[wish.channel], price)
            for wish in wishes
            if (price := vouchers[wish.channel].price_units) is not None
        }
        rest = [wish for wish in wishes if wish.channel not in outcomes]
        bodies = [self._body(wish.receiver, vouchers[wish.channel]) for wish in rest]
        if len(bodies) > 1:
            answer, tries = await self._post("/vouchers/batch", {"vouchers": bodies})
            answers = answer.get("results", [answer] * len(bodies))
        elif bodies:
            answer, tries = await self._post("/vouchers", bodies[0])
            answers = [answer]
        else:
            return outcomes
        for wish, told in zip(rest, answers, strict=True):
            first = wish.channel in new and tries == 1
            outcomes[wish.channel] = self._read(wish.receiver, vouchers[wish.channel], told, new=first)
        return outcomes

    def _channel(self, receiver: bytes) -> bytes:
        chain = self._chain
        config = marketplace_config(
            self._payer, self._key.address, receiver, chain.current_operator, chain.contracts.usdc, chain.constants
        )
        return channel_id(config, chain.channel)

    def _sign(self, wish: _Wish) -> Signed:
        ceiling = self._book.settled(wish.channel) + wish.units
        return Signed(
            channel_id=wish.channel,
            payment_id=wish.payment_id,
            units=wish.units,
            ceiling_units=ceiling,
            signature=self._key.sign_digest(Voucher(wish.channel, ceiling).digest(self._chain.channel)),
            owner=self._token,
        )

    def _read(self, receiver: bytes, voucher: Signed, told: dict[str, Any], *, new: bool) -> Paid | ClientError:
        """Turn an answer into what became of a voucher, and note it. `new`: nobody of ours has sent it before."""
        code = told.get("code")
        if code is None and new and told.get("repeated") and self._book.let_go(voucher, voucher.ceiling_units):
            return _BehindError(409, {"code": "voucher_stale", "title": "This voucher was stored before."})
        if code is None:
            price = int(told["price_units"])
            self._book.paid(voucher, price)
            return _paid(receiver, voucher, price)
        problem = ProblemError(int(told.get("status", 400)), told)
        if code == "voucher_stale" and self._is_ours(voucher.channel_id, told):
            self._book.passed(voucher, int(told["ceiling_units"]))
            return _BehindError(int(told.get("status", 409)), told)
        if told.get("retryable") or problem.status >= SERVICE_ERRORS or not self._book.let_go(voucher):
            return NotKnown(str(problem), voucher.payment_id)  # it may have been stored, or be by who took it up
        return problem

    async def _catch_up(self, channel: bytes) -> None:
        """Take over the highest stored ceiling, where it carries our own signature. Raises Unreachable."""
        try:
            told = (await self._http.get(f"{self._url}/channels/{hex0x(channel)}")).json()
        except (httpx.TransportError, ValueError) as error:
            raise Unreachable("The service does not say where the channel stands.") from error
        if self._is_ours(channel, told):
            self._book.reached(channel, int(told["ceiling_units"]))

    def _is_ours(self, channel: bytes, told: dict[str, Any]) -> bool:
        """Whether a higher ceiling the service names carries our own signature."""
        try:
            message = Voucher(channel, int(told["ceiling_units"]))
            signer = recover(message.digest(self._chain.channel), bytes.fromhex(str(told["signature"])[2:]))
        except (KeyError, ValueError, SignatureError):
            return False
        return signer == self._key.address

    def _body(self, receiver: bytes, voucher: Signed) -> dict[str, Any]:
        return {
            "channel_id": hex0x(voucher.channel_id),
            "max_claimable_units": str(voucher.ceiling_units),
            "signature": hex0x(voucher.signature),
            "channel": {
                "payer": checksum(self._payer),
                "payer_authorizer": checksum(self._key.address),
                "receiver": checksum(receiver),
                "operator": checksum(self._chain.current_operator),
            },
        }

    async def _post(self, path: str, body: dict[str, Any]) -> tuple[dict[str, Any], int]:
        """Send until there is an answer that a repeat would not change; return it and how often it took.

        Raises Unreachable.
        """
        for tries, delay in enumerate((*_DELAYS, None), 1):
            try:
                response = await self._http.post(f"{self._url}{path}", json=body)
                answer = response.json()
            except (httpx.TransportError, ValueError):
                answer = None
            if isinstance(answer, dict) and response.status_code != 503:
                return answer, tries
            if delay is not None:
                await asyncio.sleep(delay)
        raise Unreachable("The service has not said what became of the payment; repeat it with its payment id.")


class _BehindError(ProblemError):
    """Another process of ours has paid on this channel; its ceiling is noted, and the payment can be signed again."""


def _paid(receiver: bytes, voucher: Signed, price_units: int) -> Paid | Mismatch:
    if price_units > voucher.units:
        return Mismatch(f"The service took {price_units} base units where {voucher.units} were signed for.")
    return Paid(receiver, price_units, voucher.ceiling_units)
