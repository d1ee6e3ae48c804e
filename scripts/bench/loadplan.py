"""What the load is: when which request leaves. All of it follows from a seed, before anything is sent.

Requests arrive by a Poisson process of a fixed rate, whatever comes back (an open loop): a service that stalls gets the
requests of its stall all the same, and each counts from the moment it was due.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Final, Literal

import msgspec

Kind = Literal["submit", "bid", "withdraw", "award", "read"]

SILENCE: Final = 2.0
"""Seconds between an auction's post and the first bid on it."""
BIDDING: Final = 20.0
AWARDED: Final = 30.0
"""Seconds after its post at which an auction's buyer awards it."""
WITHDRAWN: Final = 0.25
"""The share of auctions in which a bid is withdrawn."""

READS: Final = {
    "GET /tasks": 12,
    "GET /tasks/{task_id}": 22,
    "GET /tasks/{task_id}/bids": 20,
    "GET /tasks/{task_id}/history": 3,
    "GET /tasks?mine=true": 6,
    "GET /deals": 6,
    "GET /deals/{deal_id}": 6,
    "GET /agents": 4,
    "GET /agents/{agent_id}": 5,
    "GET /notifications": 3,
    "GET /notifications/unread": 6,
    "GET /network/status": 4,
    "POST /pricing/estimate": 3,
}
"""Routes that are read, and how often each, as the pages ask for them."""


class User(msgspec.Struct, frozen=True):
    """A person or an agent who is signed in."""

    key: bytes
    token: str


class Load(msgspec.Struct, frozen=True):
    """Whom it comes from, where it goes, and how much of it there is; rates a second, times in seconds."""

    port: int
    chain_id: int
    escrow: bytes
    buyers: list[User]
    agents: list[User]
    seconds: float
    warm_up: float
    """Requests due before this are sent and not measured."""
    auctions_per_hour: int
    bids: int
    """How many agents bid in an auction."""
    reads_per_s: float
    sockets: int
    seed: int = 1


@dataclass(frozen=True, slots=True)
class Arrival:
    """One request: when it is due, counted from the start, of which auction, and by which user of its kind."""

    due: float
    kind: Kind
    user: int
    auction: int = -1
    """-1 for a read."""
    bid: int = 0
    """The how many'th bid of the auction."""
    route: str = ""


def arrivals(load: Load) -> list[Arrival]:
    """Return every request in the order in which they are due; auctions posted in time are carried to their end."""
    rng = Random(load.seed)  # noqa: S311  # a load, not a secret
    made = [one for number, at in enumerate(_poisson(rng, load.auctions_per_hour / 3600, load.seconds))
            for one in _auction(rng, load, number, at)]  # fmt: skip
    everybody = len(load.buyers) + len(load.agents)
    routes = rng.choices(list(READS), list(READS.values()), k=int(load.reads_per_s * load.seconds * 2) + 100)
    made += [
        Arrival(at, "read", rng.randrange(everybody), route=route)
        for at, route in zip(_poisson(rng, load.reads_per_s, load.seconds), routes, strict=False)
    ]
    return sorted(made, key=lambda one: one.due)


def _poisson(rng: Random, rate: float, seconds: float) -> Iterator[float]:
    at = rng.expovariate(rate)
    while at < seconds:
        yield at
        at += rng.expovariate(rate)


def _auction(rng: Random, load: Load, number: int, at: float) -> Iterator[Arrival]:
    yield Arrival(at, "submit", rng.randrange(len(load.buyers)), number)
    bidders = rng.sample(range(len(load.agents)), load.bids)
    times = [at + SILENCE + rng.uniform(0, BIDDING) for _ in bidders]
    for place, (agent, due) in enumerate(zip(bidders, times, strict=True)):
        yield Arrival(due, "bid", agent, number, place)
    if rng.random() < WITHDRAWN:
        yield Arrival(times[-1] + SILENCE, "withdraw", bidders[-1], number, load.bids - 1)
    yield Arrival(at + AWARDED, "award", 0, number)
