"""What the voucher engine remembers of channels and pools, and how it gets to know them.

Nothing here decides about money: every figure is checked again by the statement that moves it. A figure that is out of
date costs a second look at the database, never a wrong answer.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from aicp.rules.primitives import ZERO_ADDRESS, hex0x
from backend.payments.outcomes import Refused
from backend.payments.recovering import Signer

MOST_CHANNELS: Final = 200_000


@dataclass(slots=True, eq=False)
class KnownPool:
    """A pool's figures: the mirror's headroom, and what we have promised, as of the last look at each."""

    pool_id: bytes
    payer: bytes
    payer_authorizer: bytes
    operator: bytes
    on_chain: bool = False
    closing: bool = False
    headroom_units: int = 0
    reserved_units: int = 0
    earned_units: int = 0
    own_paid_units: int = 0
    spent_day: int = 0
    spent_units: int = 0
    channels: int = 0
    alone: int = 0
    """Vouchers of this pool that wait for an exact look; those after them wait as well, to keep their order."""
    refused: tuple[float, int, Refused] | None = None
    """Until when an increment of at least so much is refused in the same words."""

    def room(self) -> int:
        """Return what the pool can still promise; below zero where a withdrawal is pending."""
        return self.headroom_units + self.own_paid_units - self.reserved_units - self.earned_units

    def spent_on(self, day: int) -> int:
        """Return what the session key has spent on a UTC day."""
        return self.spent_units if self.spent_day == day else 0

    def see(self, row: Mapping[str, Any]) -> None:
        """Take the mirror's figures."""
        pending = row["pending_units"]
        self.on_chain = pending is not None
        self.closing = bool(pending)
        self.headroom_units = int(row["headroom_units"])

    def take(self, row: Mapping[str, Any]) -> None:
        """Take our own figures."""
        self.reserved_units, self.earned_units = int(row["reserved_units"]), int(row["earned_units"])
        self.own_paid_units, self.spent_units = int(row["own_paid_units"]), int(row["spent_units"])


@dataclass(slots=True, eq=False)
class KnownChannel:
    """A channel: who signs for it, and its highest stored voucher."""

    text: str
    channel_id: bytes
    pool: KnownPool
    kind: str
    receiver: bytes
    signer: Signer
    ceiling_units: int = 0
    signature: bytes | None = None
    price_units: int = 0
    """What the highest stored voucher has paid by itself."""
    earned_units: int = 0
    in_flight_units: int = 0

    def take(self, row: Mapping[str, Any]) -> None:
        """Take the figures of its row."""
        self.ceiling_units, self.signature = int(row["ceiling_units"]), row["ceiling_signature"]
        self.price_units, self.earned_units = int(row["paid_units"]), int(row["earned_units"])
        self.in_flight_units = int(row["in_flight_units"])

    def corrective(self) -> dict[str, Any]:
        """Return what a client needs to go on from the highest stored voucher."""
        return {
            "channel_id": self.text,
            "ceiling_units": str(self.ceiling_units),
            "signature": None if self.signature is None else hex0x(self.signature),
            "earned_units": str(self.earned_units),
            "in_flight_units": str(self.in_flight_units),
        }


@dataclass(slots=True)
class Known:
    """The channels used last, with their pools."""

    channels: OrderedDict[str, KnownChannel] = field(default_factory=OrderedDict)
    pools: dict[bytes, KnownPool] = field(default_factory=dict)

    def add(self, channels: Iterable[Mapping[str, Any]], pools: Mapping[bytes, Mapping[str, Any]]) -> None:
        """Remember rows that were read; what is known already stays as it is."""
        for row in channels:
            text = hex0x(row["channel_id"])
            if text in self.channels:
                continue
            pool = self.pools.get(row["pool_id"]) or self._new_pool(pools[row["pool_id"]])
            pool.channels += 1
            by_payer = pool.payer_authorizer == ZERO_ADDRESS
            signer = Signer(row["channel_id"], pool.payer if by_payer else pool.payer_authorizer)
            known = KnownChannel(text, row["channel_id"], pool, row["kind"], row["receiver"], signer)
            known.take(row)
            self.channels[text] = known
        while len(self.channels) > MOST_CHANNELS:
            self._forget(self.channels.popitem(last=False)[1])

    def _new_pool(self, row: Mapping[str, Any]) -> KnownPool:
        pool = KnownPool(row["pool_id"], row["payer"], row["payer_authorizer"], row["operator"])
        pool.spent_day = row["spent_day"]
        pool.see(row)
        pool.take(row)
        self.pools[pool.pool_id] = pool
        return pool

    def _forget(self, channel: KnownChannel) -> None:
        channel.pool.channels -= 1
        if channel.pool.channels == 0:
            self.pools.pop(channel.pool.pool_id, None)
