"""Payments by bare vouchers: each raises the ceiling of a channel by its price, and that is the payment.

Goals and invariants:
- a voucher is on disk before it is sent, and stays "under way" until its answer; what is under way is sent again,
  byte for byte, before anything else is signed for its channel, so a lost answer never pays twice;
- the next ceiling is the highest we have signed plus the price; a higher one the service names is believed only with
  our own signature over it, which another process of ours may have made;
- a new voucher that turns out to be stored already is not the payment: another state of ours signed it before;
- a refused voucher is forgotten only where the service says that nothing of it was stored.
A crash leaves at most one voucher a channel under way, which the next payment takes up.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx

from aicp.abi.signing import SignatureError, recover
from aicp.abi.typed_data import Voucher
from aicp.client.chain import Chain
from aicp.client.errors import Mismatch, ProblemError, Unreachable
from aicp.client.kept import create, transaction
from aicp.client.wallet import Wallet
from aicp.rules.ids import channel_id, marketplace_config, pool_id, pool_key
from aicp.rules.primitives import checksum, hex0x

MOST_AT_ONCE: Final = 1_000
SERVICE_ERRORS: Final = 500
_DELAYS: Final = (0.1, 0.3, 1.0, 2.0)
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS bare_voucher (
    channel_id BLOB PRIMARY KEY, ceiling_units TEXT NOT NULL, pending_units TEXT, pending_signature BLOB
) STRICT
"""


@dataclass(frozen=True, slots=True)
class Signed:
    """A voucher as it was signed. Base units."""

    ceiling_units: int
    signature: bytes


@dataclass(frozen=True, slots=True)
class Paid:
    """A stored voucher: what it has paid, and the ceiling it stands at. Base units.

    It has paid less than was asked for where another process of ours raised the ceiling at the same moment.
    """

    receiver: bytes
    price_units: int
    ceiling_units: int


class VoucherBook:
    """What was signed, in a file; two processes of one payer may share it."""

    def __init__(self, path: Path) -> None:
        """Open or create the file, readable by its owner only. Raises OSError or sqlite3.Error."""
        self._path = path
        create(path, [_SCHEMA])

    def settled(self, channel: bytes) -> int:
        """Return the highest ceiling known to be stored, 0 for a new channel."""
        with transaction(self._path) as db:
            row = db.execute("SELECT ceiling_units FROM bare_voucher WHERE channel_id = ?", (channel,)).fetchone()
        return 0 if row is None else int(row[0])

    def pending(self, channel: bytes) -> Signed | None:
        """Return the voucher under way, if there is one."""
        with transaction(self._path) as db:
            row = db.execute(
                "SELECT pending_units, pending_signature FROM bare_voucher WHERE channel_id = ?", (channel,)
            ).fetchone()
        return None if row is None or row[0] is None else Signed(int(row[0]), row[1])

    def begin(self, channel: bytes, voucher: Signed) -> None:
        """Put a voucher under way, before it is sent. Raises sqlite3.IntegrityError where another one is."""
        with transaction(self._path) as db:
            db.execute("INSERT OR IGNORE INTO bare_voucher VALUES (?, '0', NULL, NULL)", (channel,))
            done = db.execute(
                "UPDATE bare_voucher SET pending_units = ?, pending_signature = ? "
                "WHERE channel_id = ? AND pending_units IS NULL",
                (str(voucher.ceiling_units), voucher.signature, channel),
            )
            if done.rowcount != 1:
                raise sqlite3.IntegrityError("another voucher of this channel is under way")

    def finish(self, channel: bytes, ceiling_units: int) -> None:
        """Note the highest stored ceiling; nothing is under way any more."""
        with transaction(self._path) as db:
            db.execute(
                "INSERT INTO bare_voucher VALUES (?, ?, NULL, NULL) ON CONFLICT (channel_id) DO UPDATE "
                "SET ceiling_units = excluded.ceiling_units, pending_units = NULL, pending_signature = NULL",
                (channel, str(ceiling_units)),
            )


class VoucherSender:
    """Pays agents from one pool. One instance a process; payments to one agent go one after the other."""

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

    async def pay(self, receiver: bytes, units: int) -> Paid:
        """Pay an agent. Raises ProblemError for a refusal, Unreachable where the answer is not known: call again."""
        channel = self._channel(receiver)
        async with self._locks.setdefault(channel, asyncio.Lock()):
            await self._take_up(receiver, channel)
            try:
                return await self._send(receiver, channel, self._sign(channel, units), units, new=True)
            except _BehindError:
                await self._catch_up(channel)
                return await self._send(receiver, channel, self._sign(channel, units), units, new=True)

    async def pay_many(self, payments: Sequence[tuple[bytes, int]]) -> list[Paid | ProblemError]:
        """Pay several agents, each at most once, in one request. Raises Unreachable, ValueError."""
        channels = {self._channel(receiver): (receiver, units) for receiver, units in payments}
        if not 0 < len(channels) == len(payments) <= MOST_AT_ONCE:
            raise ValueError(f"a batch pays 1 to {MOST_AT_ONCE} different agents")
        for channel, (receiver, _) in channels.items():
            await self._take_up(receiver, channel)
        signed = {channel: self._sign(channel, units) for channel, (_, units) in channels.items()}
        bodies = [self._body(channels[channel][0], channel, voucher) for channel, voucher in signed.items()]
        answer, tries = await self._post("/vouchers/batch", {"vouchers": bodies})
        results: list[Paid | ProblemError] = []
        for (channel, (receiver, units)), told in zip(channels.items(), answer["results"], strict=True):
            try:
                results.append(self._read(receiver, channel, signed[channel], units, told, new=tries == 1))
            except ProblemError as error:
                results.append(error)
        return results

    def _channel(self, receiver: bytes) -> bytes:
        chain = self._chain
        config = marketplace_config(
            self._payer, self._key.address, receiver, chain.current_operator, chain.contracts.usdc, chain.constants
        )
        return channel_id(config, chain.channel)

    def _sign(self, channel: bytes, units: int) -> Signed:
        if units <= 0:
            raise ValueError("a payment is above zero")
        ceiling = self._book.settled(channel) + units
        voucher = Signed(ceiling, self._key.sign_digest(Voucher(channel, ceiling).digest(self._chain.channel)))
        self._book.begin(channel, voucher)
        return voucher

    async def _take_up(self, receiver: bytes, channel: bytes) -> None:
        pending = self._book.pending(channel)
        if pending is None:
            return
        try:
            units = pending.ceiling_units - self._book.settled(channel)
            await self._send(receiver, channel, pending, units, new=False)
        except (_BehindError, ProblemError) as error:
            if self._book.pending(channel) is not None:
                raise Unreachable("An earlier payment to this agent is still under way.") from error

    async def _send(self, receiver: bytes, channel: bytes, voucher: Signed, units: int, *, new: bool) -> Paid:
        told, tries = await self._post("/vouchers", self._body(receiver, channel, voucher))
        return self._read(receiver, channel, voucher, units, told, new=new and tries == 1)

    def _read(
        self, receiver: bytes, channel: bytes, voucher: Signed, units: int, told: dict[str, Any], *, new: bool
    ) -> Paid:
        """Turn an answer into a payment and note it. Raises ProblemError or _BehindError where nothing was paid."""
        code = told.get("code")
        if code is None and new and told.get("repeated"):
            self._book.finish(channel, voucher.ceiling_units)
            raise _BehindError(409, {"code": "voucher_stale", "title": "This voucher was stored before."})
        if code is None:
            price = int(told["price_units"])
            self._book.finish(channel, voucher.ceiling_units)
            if price > units:
                raise Mismatch(f"The service took {price} base units where {units} were signed for.")
            return Paid(receiver, price, voucher.ceiling_units)
        problem = ProblemError(int(told.get("status", 400)), told)
        if told.get("retryable") or problem.status >= SERVICE_ERRORS:
            raise problem  # it may have been stored: it stays under way
        settled = self._book.settled(channel)
        if code == "voucher_stale" and self._is_ours(channel, told):
            self._book.finish(channel, max(settled, int(told["ceiling_units"])))
            raise _BehindError(int(told.get("status", 409)), told)
        self._book.finish(channel, settled)
        raise problem

    async def _catch_up(self, channel: bytes) -> None:
        """Take over the highest stored ceiling, where it carries our own signature. Raises Unreachable."""
        try:
            told = (await self._http.get(f"{self._url}/channels/{hex0x(channel)}")).json()
        except (httpx.TransportError, ValueError) as error:
            raise Unreachable("The service does not say where the channel stands.") from error
        if self._is_ours(channel, told):
            self._book.finish(channel, max(self._book.settled(channel), int(told["ceiling_units"])))

    def _is_ours(self, channel: bytes, told: dict[str, Any]) -> bool:
        """Whether a higher ceiling the service names carries our own signature."""
        try:
            message = Voucher(channel, int(told["ceiling_units"]))
            signer = recover(message.digest(self._chain.channel), bytes.fromhex(str(told["signature"])[2:]))
        except (KeyError, ValueError, SignatureError):
            return False
        return signer == self._key.address

    def _body(self, receiver: bytes, channel: bytes, voucher: Signed) -> dict[str, Any]:
        return {
            "channel_id": hex0x(channel),
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
        raise Unreachable("The service has not said what became of the payment; it is sent again with the next one.")


class _BehindError(ProblemError):
    """Another process of ours has paid on this channel; its ceiling is noted, and the payment can be signed again."""
