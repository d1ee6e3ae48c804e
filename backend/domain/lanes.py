"""Which of many agents has the most points within a price, while points fall as work is given out.

A `Seat` is an agent of one round. A `Pool` holds the keys of seats ordered by price floor, in blocks of about the
square root of their number with the highest key of each block kept, so that the best within a price takes two looks at
a few dozen numbers. Points only fall during a round, so a key that has become stale is at least what it should be: it
is put right when it comes out on top, not before. A key is the points and, below them, who wins among equals (the
lowest address), as one integer.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from math import isqrt
from typing import Final

from aicp.rules.fees import BPS

NOBODY: Final = -1


class Seat:
    """An agent of one round. `rank` is its place by address among `total`; `base` is its key without a bonus."""

    __slots__ = (
        "_capacity",
        "_fixed",
        "_room",
        "base",
        "floor",
        "free",
        "health",
        "newcomer",
        "pools",
        "rank",
        "total",
    )

    def __init__(
        self, *, rank: int, total: int, floor: int, fixed: int, room: int, free: int, capacity: int, health: str,
        newcomer: bool,
    ) -> None:  # fmt: skip
        """`fixed` are points without room, `room` is its weight; `health` is empty for who may be given work."""
        self.rank, self.total, self.floor = rank, total, floor
        self._fixed, self._room, self._capacity = fixed, room, capacity
        self.free, self.health, self.newcomer = free, health, newcomer
        self.pools: list[Pool] = []
        self.base = self._key()

    def take(self) -> None:
        """Give it one more task."""
        self.free -= 1
        self.base = self._key()
        if not self.free:
            for pool in self.pools:
                pool.filled(self)

    def _key(self) -> int:
        points = self._fixed + self._room * (self.free * BPS // self._capacity)
        return points * self.total + self.total - 1 - self.rank


class Steps:
    """The highest key at or below each floor, of seats that may not be given work for one reason."""

    __slots__ = ("_floors", "_keys")

    def __init__(self) -> None:
        """Begin with nobody."""
        self._floors: list[int] = []
        self._keys: list[int] = []

    def add(self, floor: int, key: int) -> None:
        """Add a seat."""
        at = bisect_right(self._floors, floor)
        if at and self._keys[at - 1] >= key:
            return
        first = at - 1 if at and self._floors[at - 1] == floor else at
        while at < len(self._keys) and self._keys[at] <= key:
            at += 1
        self._floors[first:at] = [floor]
        self._keys[first:at] = [key]

    def best(self, limit: int) -> int:
        """Return the highest key of those whose floor is within the limit, or NOBODY."""
        at = bisect_right(self._floors, limit)
        return self._keys[at - 1] if at else NOBODY


class Pool:
    """Seats that can do the same work, each with the bonus points it has there."""

    def __init__(self, members: Iterable[tuple[Seat, int]]) -> None:
        """Take the seats in; each is told of this pool, so that it can say when it is full."""
        ordered = sorted(members, key=lambda member: (member[0].floor, member[0].rank))
        self._seats = [seat for seat, _ in ordered]
        self._bonus = [bonus * seat.total for seat, bonus in ordered]
        self._floors = [seat.floor for seat in self._seats]
        self._at = {seat.rank: position for position, seat in enumerate(self._seats)}
        self._total = self._seats[0].total if self._seats else 1
        self.refused: dict[str, Steps] = {}
        self._keys: list[int] = []
        for seat, bonus in zip(self._seats, self._bonus, strict=True):
            seat.pools.append(self)
            key = seat.base + bonus
            if reason := seat.health or ("" if seat.free else "full"):
                self._refuse(reason, seat.floor, key)
                key = NOBODY
            self._keys.append(key)
        self._width = isqrt(len(ordered)) + 1
        self._tops = [max(self._keys[at : at + self._width]) for at in range(0, len(ordered), self._width)]

    def __len__(self) -> int:
        """Return how many seats there are, whether they may be given work or not."""
        return len(self._seats)

    def within(self, limit: int) -> int:
        """Return how many seats have their floor within a price: those before that position."""
        return bisect_right(self._floors, limit)

    def filled(self, seat: Seat) -> None:
        """Take a seat out that has no room left."""
        position = self._at[seat.rank]
        self._put(position, NOBODY)
        self._refuse("full", seat.floor, seat.base + self._bonus[position])

    def bound(self, low: int, high: int, without: int = NOBODY) -> int:
        """Return what no key between two positions is above, or NOBODY where nobody is; one rank is left out."""
        left_out = NOBODY if without == NOBODY else self._at.get(without, NOBODY)
        if low <= left_out < high:
            return max(self._highest(low, left_out), self._highest(left_out + 1, high))
        return self._highest(low, high)

    def right(self, key: int) -> bool:
        """Return whether a key of this pool is what it should be, and put it right."""
        position = self._at[self._total - 1 - key % self._total]
        fresh = self._seats[position].base + self._bonus[position]
        if fresh == key:
            return True
        self._put(position, fresh)
        return False

    def _refuse(self, reason: str, floor: int, key: int) -> None:
        if reason not in self.refused:
            self.refused[reason] = Steps()
        self.refused[reason].add(floor, key)

    def _highest(self, low: int, high: int) -> int:
        keys = self._keys
        if not low and high == len(keys):
            return max(self._tops, default=NOBODY)
        width = self._width
        first, last = -(-low // width), high // width
        if first >= last:
            return max(keys[low:high], default=NOBODY)
        parts = self._tops[first:last]
        parts += keys[low : first * width]
        parts += keys[last * width : high]
        return max(parts)

    def _put(self, position: int, key: int) -> None:
        self._keys[position] = key
        block = position // self._width
        self._tops[block] = max(self._keys[block * self._width : (block + 1) * self._width])


_Span = tuple[Pool, int, int]


class Lane:
    """Everybody who can do one kind of work and has not tried it.

    Its pools may hold the same seat twice, without and with the points of a specialty: the higher key is its own.
    """

    __slots__ = ("_everybody", "_newcomers")

    def __init__(self, everybody: tuple[Pool, ...], newcomers: tuple[Pool, ...]) -> None:
        """Each tuple is one pool, or a second one with the points of a specialty."""
        self._everybody, self._newcomers = everybody, newcomers

    def best(self, limit: int, without: int = NOBODY) -> int:
        """Return the highest key within a price, leaving one rank out, or NOBODY."""
        return _highest([(pool, 0, pool.within(limit)) for pool in self._everybody], without)

    def best_newcomer(self, limit: int) -> int:
        """Return the highest key of a newcomer within a price, or NOBODY."""
        return _highest([(pool, 0, pool.within(limit)) for pool in self._newcomers], NOBODY)

    def has_newcomer(self, limit: int) -> bool:
        """Return whether a newcomer may be given work within a price."""
        return self._newcomers[0].bound(0, self._newcomers[0].within(limit)) != NOBODY

    def refused(self, limit: int) -> list[tuple[str, int]]:
        """Return each reason why somebody is not given this work now, with the highest key it applies to."""
        found: dict[str, int] = {}
        dear: list[_Span] = []
        for pool in self._everybody:
            for reason, steps in pool.refused.items():
                key = steps.best(limit)
                if key > found.get(reason, NOBODY):
                    found[reason] = key
            within = pool.within(limit)
            if within < len(pool):
                dear.append((pool, within, len(pool)))
        if dear and (key := _highest(dear, NOBODY)) != NOBODY:
            found["too_dear"] = key
        return list(found.items())

    def __len__(self) -> int:
        """Return how many can do the work."""
        return len(self._everybody[0])


def _highest(spans: list[_Span], without: int) -> int:
    """Return the highest key in parts of pools, leaving one rank out, or NOBODY."""
    bounds = [pool.bound(low, high, without) for pool, low, high in spans]
    while True:
        key = max(bounds)
        if key == NOBODY:
            return NOBODY
        which = bounds.index(key)
        pool, low, high = spans[which]
        if pool.right(key):
            return key
        bounds[which] = pool.bound(low, high, without)
