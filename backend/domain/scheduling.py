"""Which agent is given which waiting task, and why. Pure: no clock, no chance; the order of the input says nothing.

Tasks are taken by priority (one step more for every `aging_seconds` they have waited), then the nearest deadline, then
the longest wait, then the id. Each goes to the agent with the most points among those that have its capabilities, are
heard, do not rest after failures, have room, ask no more than the buyer has signed for, and have not failed it before:

    points = reputation x score + specialty x specialty score + room x free share + speed x 1 s / (1 s + response time)

with weights in basis points, and every factor 0 to 10,000. Equal points: the lowest address. Of the tasks that a
newcomer could be given, newcomers get at least `newcomer_share_bps`; `credit` carries what they are owed from one round
to the next. A failover asks for the best of all and leaves the share alone. A task whose buyer holds as much of the
agents' room as he may, or has no money for it, waits (`places`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from aicp.rules.fees import BPS
from aicp.rules.scores import MAX_SCORE
from backend.domain.lanes import NOBODY, Lane, Pool, Seat
from backend.domain.places import Buyer, Hold

RULE_VERSION: Final = 1
FLOOR: Final = 2_000
"""The score of an agent that has none, and of a specialty it has not shown."""
NEWCOMER_DEALS: Final = 10
"""Below so many decided deals an agent is a newcomer, as its price multiplier is not its own yet."""
HALF_SPEED_MS: Final = 1_000
_NOTHING_TRIED: Final[frozenset[bytes]] = frozenset()
_NO_BUYERS: Final[Mapping[bytes, Buyer]] = MappingProxyType({})


class Why(StrEnum):
    """Why an agent was chosen or refused, or why a task waits."""

    BEST = "best"
    """Chosen: it has the most points."""
    NEWCOMER = "newcomer"
    """Chosen: the newcomers' share had come to this task."""
    FEWER_POINTS = "fewer_points"
    NEWCOMERS_TURN = "newcomers_turn"
    """Refused with more points than the newcomer that was chosen."""
    FULL = "full"
    RESTING = "resting"
    """Its circuit breaker is open."""
    SILENT = "silent"
    """It has not been heard of lately."""
    TOO_DEAR = "too_dear"
    """Its price floor is above what the buyer has signed for."""
    TRIED = "tried"
    """It has failed this very task."""
    NO_CAPABILITY = "no_capability"
    """The task waits: nobody has what it asks for."""
    EXPIRED = "expired"
    """The task waits no more: its deadline is over."""
    POOL_SHORT = Hold.POOL_SHORT.value
    BUYER_FULL = Hold.BUYER_FULL.value
    LEFT_UNPAID = Hold.LEFT_UNPAID.value
    """The task waits for its buyer: see `Hold`."""


_PATIENCE: Final = (Why.FULL, Why.RESTING, Why.SILENT, Why.TOO_DEAR, Why.TRIED)
"""A task waits for the first of these reasons that applies: the one that ends soonest by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What a market chooses: weights together 10,000 basis points, shares in basis points, times in seconds."""

    reputation: int = 4_500
    specialty: int = 2_000
    room: int = 2_500
    speed: int = 1_000
    newcomer_share_bps: int = 1_000
    aging_seconds: int = 600
    heard_within_seconds: int = 60
    buyer_places: int = 5
    """So many offers and unpaid deals a buyer may have at once."""

    def __post_init__(self) -> None:
        weights = (self.reputation, self.specialty, self.room, self.speed)
        if min(weights) < 0 or sum(weights) != BPS:
            raise ValueError("weights are at least 0 and together 10,000 basis points")
        if not 0 <= self.newcomer_share_bps <= BPS:
            raise ValueError("a share is 0 to 10,000 basis points")
        if min(self.aging_seconds, self.heard_within_seconds) < 1:
            raise ValueError("times are at least a second")
        if self.buyer_places < 1:
            raise ValueError("a buyer has a place")


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A task without an agent. Times are unix seconds; `max_units` is what the buyer has signed for at most."""

    id: str
    capabilities: frozenset[str]
    max_units: int
    deadline: int
    since: int
    priority: int = 0
    """A higher one comes first."""
    specialty: str | None = None
    tried: frozenset[bytes] = _NOTHING_TRIED
    """Agents that have failed it; none of them gets it again."""
    parties: frozenset[bytes] = _NOTHING_TRIED
    """Its buyer and verifier, who may not do it and are not spoken of."""
    buyer: bytes | None = None
    """Whose place it takes; None where it takes none, because he chooses himself."""
    pooled: bool = False
    """Whether a pool pays it at its highest price."""

    def __post_init__(self) -> None:
        if not self.capabilities or self.max_units < 0:
            raise ValueError("a task asks for a capability and has a price")


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """An agent as it stands. Scores are hundredths, times unix seconds, `load` counts tasks it has not finished."""

    agent: bytes
    capabilities: frozenset[str]
    score: int = FLOOR
    specialties: Mapping[str, int] = field(default_factory=dict)
    decided: int = 0
    """Its decided deals."""
    floor_units: int = 0
    load: int = 0
    capacity: int = 10
    heard_at: int | None = None
    rests_until: int = 0
    """The end of its circuit breaker's rest."""
    response_ms: int = 100

    def __post_init__(self) -> None:
        if min(self.floor_units, self.load, self.decided, self.response_ms) < 0 or self.capacity < 1:
            raise ValueError("an agent has a capacity, and no figure below 0")
        if not all(0 <= score <= MAX_SCORE for score in (self.score, *self.specialties.values())):
            raise ValueError("scores are 0 to 10,000 hundredths")

    @property
    def newcomer(self) -> bool:
        """Whether it has not had enough deals decided to be known."""
        return self.decided < NEWCOMER_DEALS

    def health(self, rule: Rule, now: int) -> Why | None:
        """Return why it may be given nothing now, or None."""
        if self.heard_at is None or self.heard_at <= now - rule.heard_within_seconds:
            return Why.SILENT
        return Why.RESTING if self.rests_until > now else None


@dataclass(frozen=True, slots=True)
class Refused:
    """An agent that was not given a task, and its points, as a share of `SCALE`."""

    agent: bytes
    why: Why
    points: int


SCALE: Final = BPS * MAX_SCORE
"""The points of a perfect agent."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What became of a task: its agent, or None and why it waits. `refused` names the best one for each reason."""

    task: str
    agent: bytes | None
    why: Why
    points: int
    refused: tuple[Refused, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """The decisions of a round, in the order in which they were made, and what newcomers are owed after it."""

    decisions: tuple[Decision, ...]
    credit: int


def assign(
    waiting: Iterable[Waiting],
    candidates: Iterable[Candidate],
    *,
    rule: Rule,
    now: int,
    credit: int = 0,
    buyers: Mapping[bytes, Buyer] = _NO_BUYERS,
) -> Plan:
    """Decide on every waiting task. `credit` is that of the round before, 0 at first.

    Raises ValueError when a task or an agent is given twice, KeyError when a buyer is not given.
    """
    market = _Market(candidates, rule, now, buyers)
    tasks = sorted(waiting, key=lambda task: _turn(task, rule, now))
    if len({task.id for task in tasks}) != len(tasks):
        raise ValueError("a task is given twice")
    decisions: list[Decision] = []
    for task in tasks:
        decision, credit = market.decide(task, credit)
        decisions.append(decision)
    return Plan(tuple(decisions), credit)


def floors_of(candidates: Iterable[Candidate], rule: Rule, now: int) -> dict[str, int]:
    """Return the least price floor, by capability, among agents that may be given something now and have room."""
    floors: dict[str, int] = {}
    for one in candidates:
        if one.load < one.capacity and one.health(rule, now) is None:
            for name in one.capabilities:
                floors[name] = min(one.floor_units, floors.get(name, one.floor_units))
    return floors


def failover(task: Waiting, dead: bytes, candidates: Iterable[Candidate], *, rule: Rule, now: int) -> Decision:
    """Decide anew on a task whose agent has died: the best that is left, and never one that has had it."""
    again = replace(task, tried=task.tried | {dead})
    plan = assign([again], candidates, rule=replace(rule, newcomer_share_bps=0), now=now)
    return plan.decisions[0]


def _turn(task: Waiting, rule: Rule, now: int) -> tuple[int, int, int, str]:
    steps = max(0, now - task.since) // rule.aging_seconds
    return (-(task.priority + steps), task.deadline, task.since, task.id)


class _Market:
    """The agents of a round, by what they can do, and the buyers with what they hold of their room."""

    def __init__(self, candidates: Iterable[Candidate], rule: Rule, now: int, buyers: Mapping[bytes, Buyer]) -> None:
        self._rule = rule
        self._now = now
        self._buyers = dict(buyers)
        self._agents = sorted(candidates, key=lambda candidate: candidate.agent)
        if len({candidate.agent for candidate in self._agents}) != len(self._agents):
            raise ValueError("an agent is given twice")
        self._seats = [self._seat(rank, candidate) for rank, candidate in enumerate(self._agents)]
        self._able: dict[str, list[int]] = {}
        for rank, candidate in enumerate(self._agents):
            for capability in candidate.capabilities:
                self._able.setdefault(capability, []).append(rank)
        self._known = frozenset(candidate.agent for candidate in self._agents)
        self._groups: dict[tuple[frozenset[str], frozenset[bytes], frozenset[bytes]], _Group] = {}

    def decide(self, task: Waiting, credit: int) -> tuple[Decision, int]:
        """Return what becomes of a task, and what newcomers are owed after it."""
        if task.deadline <= self._now:
            return Decision(task.id, None, Why.EXPIRED, 0, ()), credit
        hold = self._hold(task)
        if hold is not None:
            return Decision(task.id, None, Why(hold.value), 0, ()), credit
        group = self._group(task)
        lane = group.lane(task.specialty)
        best = lane.best(task.max_units)
        refused = [self._refused(Why(reason), key) for reason, key in lane.refused(task.max_units)]
        if group.tried:
            key = max(self._key(rank, task.specialty) for rank in group.tried)
            refused.append(self._refused(Why.TRIED, key))
        if best == NOBODY:
            return Decision(task.id, None, self._why_it_waits(lane, refused), 0, _ordered(refused)), credit
        chosen, why = best, Why.BEST
        seat = self._seats[self._rank(best)]
        if seat.newcomer:
            credit += self._rule.newcomer_share_bps - BPS
        elif lane.has_newcomer(task.max_units):
            credit += self._rule.newcomer_share_bps
            if credit >= BPS:
                credit -= BPS
                chosen, why = lane.best_newcomer(task.max_units), Why.NEWCOMER
                seat = self._seats[self._rank(chosen)]
        other = best if chosen != best else lane.best(task.max_units, without=seat.rank)
        if other != NOBODY:
            refused.append(self._refused(Why.FEWER_POINTS if other < chosen else Why.NEWCOMERS_TURN, other))
        seat.take()
        if task.buyer is not None:
            self._buyers[task.buyer] = self._buyers[task.buyer].asked(task.max_units, pooled=task.pooled)
        agent = self._agents[seat.rank].agent
        return Decision(task.id, agent, why, chosen // seat.total, _ordered(refused)), credit

    def _hold(self, task: Waiting) -> Hold | None:
        if task.buyer is None:
            return None
        return self._buyers[task.buyer].hold(self._rule.buyer_places, task.max_units, pooled=task.pooled)

    def _seat(self, rank: int, candidate: Candidate) -> Seat:
        rule = self._rule
        speed = BPS * HALF_SPEED_MS // (HALF_SPEED_MS + candidate.response_ms)
        return Seat(
            rank=rank,
            total=len(self._agents),
            floor=candidate.floor_units,
            fixed=rule.reputation * candidate.score + rule.speed * speed,
            room=rule.room,
            free=max(0, candidate.capacity - candidate.load),
            capacity=candidate.capacity,
            health=candidate.health(rule, self._now) or "",
            newcomer=candidate.newcomer,
        )

    def _group(self, task: Waiting) -> _Group:
        parties = task.parties & self._known
        which = (task.capabilities, task.tried, parties)
        group = self._groups.get(which)
        if group is None:
            able = [self._able.get(capability, []) for capability in task.capabilities]
            fewest = min(able, key=len)
            able_ranks = [rank for rank in fewest if task.capabilities <= self._agents[rank].capabilities]
            ranks = [rank for rank in able_ranks if self._agents[rank].agent not in parties]
            group = self._groups[which] = _Group(self, ranks, task.tried)
        return group

    def pools_of(self, ranks: Sequence[int], specialty: str | None) -> tuple[Pool, Pool]:
        """Return everybody and newcomers among ranks, with points of a specialty where one is named."""
        members = [(self._seats[rank], self._bonus(rank, specialty)) for rank in ranks]
        return Pool(members), Pool(member for member in members if member[0].newcomer)

    def candidate(self, rank: int) -> Candidate:
        """Return the agent of a rank."""
        return self._agents[rank]

    def _bonus(self, rank: int, specialty: str | None) -> int:
        shown = FLOOR if specialty is None else self._agents[rank].specialties.get(specialty, FLOOR)
        return self._rule.specialty * max(FLOOR, shown)

    def _key(self, rank: int, specialty: str | None) -> int:
        seat = self._seats[rank]
        return seat.base + self._bonus(rank, specialty) * seat.total

    def _rank(self, key: int) -> int:
        total = len(self._agents)
        return total - 1 - key % total

    def _refused(self, why: Why, key: int) -> Refused:
        return Refused(self._agents[self._rank(key)].agent, why, key // len(self._agents))

    @staticmethod
    def _why_it_waits(lane: Lane, refused: list[Refused]) -> Why:
        reasons = {one.why for one in refused}
        found = next((why for why in _PATIENCE if why in reasons), None)
        if found is not None and not (found is Why.TRIED and len(lane)):
            return found
        return Why.TOO_DEAR if len(lane) else Why.NO_CAPABILITY


class _Group:
    """Those that have the same capabilities and have not tried the task; specialists among them apart."""

    def __init__(self, market: _Market, ranks: Sequence[int], tried: frozenset[bytes]) -> None:
        self._market = market
        left = [rank for rank in ranks if market.candidate(rank).agent not in tried]
        self.tried = [rank for rank in ranks if market.candidate(rank).agent in tried]
        self._everybody, self._newcomers = market.pools_of(left, None)
        self._specialists: dict[str, list[int]] = {}
        for rank in left:
            for specialty in market.candidate(rank).specialties:
                self._specialists.setdefault(specialty, []).append(rank)
        self._common = Lane((self._everybody,), (self._newcomers,))
        self._lanes: dict[str, Lane] = {}

    def lane(self, specialty: str | None) -> Lane:
        """Return the lane of a specialty, which is the common one where nobody has it."""
        if specialty is None or specialty not in self._specialists:
            return self._common
        found = self._lanes.get(specialty)
        if found is None:
            everybody, newcomers = self._market.pools_of(self._specialists[specialty], specialty)
            found = Lane((self._everybody, everybody), (self._newcomers, newcomers))
            self._lanes[specialty] = found
        return found


def _ordered(refused: list[Refused]) -> tuple[Refused, ...]:
    refused.sort(key=lambda one: (-one.points, one.agent, one.why))
    return tuple(refused)
