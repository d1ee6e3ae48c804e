"""Turns vouchers in their order of arrival into one group to write, and settles in memory what needs no writing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import msgspec

from backend.payments.known import KnownChannel, KnownPool
from backend.payments.outcomes import Accepted, Code, Outcome, Refused


class Item(msgspec.Struct, eq=False):
    """A voucher whose signature is good, on its way to the database. `done` is called once with what became of it."""

    channel: KnownChannel
    ceiling_units: int
    signature: bytes
    done: Callable[[Outcome], None]
    waits: bool = True


@dataclass(slots=True, eq=False)
class Rise:
    """What a group does to one channel."""

    channel: KnownChannel
    expected: int
    ceiling_units: int
    signature: bytes | None
    price_units: int
    sum_units: int = 0


@dataclass(slots=True, eq=False)
class Plan:
    """One group. `paid` are its new vouchers with their prices; the other lists need no writing of their own."""

    day: int
    cap_units: int
    rises: dict[int, Rise] = field(default_factory=dict)
    sums: dict[int, int] = field(default_factory=dict)
    pools: dict[int, KnownPool] = field(default_factory=dict)
    paid: list[tuple[Item, int]] = field(default_factory=list)
    repeated: list[tuple[Item, int]] = field(default_factory=list)
    lower: list[Item] = field(default_factory=list)
    short: list[tuple[Item, Refused]] = field(default_factory=list)

    def place(self, item: Item) -> None:
        """Place a voucher: it pays exactly what it raises its channel's ceiling by."""
        channel = item.channel
        key = id(channel)
        rise = self.rises.get(key)
        if rise is None:
            ceiling, signature, last = channel.ceiling_units, channel.signature, channel.price_units
        else:
            ceiling, signature, last = rise.ceiling_units, rise.signature, rise.price_units
        price = item.ceiling_units - ceiling
        if price <= 0:
            if price == 0 and item.signature == signature:
                self.repeated.append((item, last))
            elif price == 0:
                self.short.append((item, Refused(Code.DIFFERS, channel.corrective())))
            else:
                self.lower.append(item)
            return
        pool = channel.pool
        pool_key = id(pool)
        before = self.sums.get(pool_key, 0)
        refused = self._refusal(pool, before, price)
        if refused is not None:
            self.short.append((item, refused))
            return
        self.sums[pool_key] = before + price
        self.pools[pool_key] = pool
        if rise is None:
            rise = self.rises[key] = Rise(channel, ceiling, 0, None, 0)
        rise.ceiling_units, rise.signature, rise.price_units = item.ceiling_units, item.signature, price
        rise.sum_units += price
        self.paid.append((item, price))

    def _refusal(self, pool: KnownPool, before: int, price: int) -> Refused | None:
        if before + price > pool.room():
            left = max(0, pool.room() - before)
            return Refused(Code.ABOVE_POOL, {"available_units": str(left), "price_units": str(price)})
        spent = pool.spent_on(self.day) + before
        if spent + price > self.cap_units:
            figures = {"cap_units": self.cap_units, "ordered_units": spent, "price_units": price}
            return Refused(Code.SESSION_KEY_CAP, {name: str(units) for name, units in figures.items()})
        return None

    def parameters(self) -> tuple[Any, ...]:
        """Return what `hot_repo.PAY` takes."""
        pools, rises, paid = list(self.pools.values()), list(self.rises.values()), self.paid
        return (
            [pool.pool_id for pool in pools],
            list(self.sums.values()),
            [pool.headroom_units for pool in pools],
            [rise.channel.channel_id for rise in rises],
            [rise.expected for rise in rises],
            [rise.ceiling_units for rise in rises],
            [rise.signature for rise in rises],
            [rise.sum_units for rise in rises],
            self.day,
            self.cap_units,
            [item.channel.channel_id for item, _ in paid],
            [item.ceiling_units for item, _ in paid],
            [item.signature for item, _ in paid],
            [price for _, price in paid],
        )

    def written(self, rows: Iterable[Any]) -> None:
        """Take over what the group has changed, after its COMMIT."""
        by_id = {pool.pool_id: pool for pool in self.pools.values()}
        for row in rows:
            pool = by_id[row["pool_id"]]
            pool.take(row)
            pool.spent_day = self.day
        for rise in self.rises.values():
            channel = rise.channel
            channel.ceiling_units, channel.signature = rise.ceiling_units, rise.signature
            channel.price_units = rise.price_units
            channel.earned_units += rise.sum_units

    def stored(self) -> Iterator[tuple[Item, Accepted]]:
        """Yield what to tell everybody whose voucher is stored. Tell it after the COMMIT only."""
        for item, price in self.paid:
            yield item, Accepted(item.channel.text, item.ceiling_units, price, repeated=False)
        for item, price in self.repeated:
            yield item, Accepted(item.channel.text, item.ceiling_units, price, repeated=True)
