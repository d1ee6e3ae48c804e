"""The finer scores of an agent: by specialty (task type, industry, region) and by what it is good at.

Source: docs/Rules.md, "Scores", under "Finer scores". None of them is anchored: they order lists and enter awards.
Deals paid by channel count here for speed and reliability only, at most 5 a day and pair, weighed as their buyer is
credible.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from aicp.rules.decay import DAY
from aicp.rules.facts import BURDENS, MAX_MARK, SUCCESSES, Deal, MicroDeal
from aicp.rules.reputation import FLOOR, Evidence, believed, credit_of, foreign, specialty_score
from aicp.rules.witnesses import PPM

TASK_TYPES: Final = ("compute", "ml_training", "data_processing", "storage", "analytics")
INDUSTRIES: Final = ("finance", "healthcare", "media", "gaming", "research")
REGIONS: Final = ("us-east", "us-west", "eu-west", "asia-pacific")
SPECIALTIES: Final[Mapping[str, tuple[str, ...]]] = {
    "task_type": TASK_TYPES,
    "industry": INDUSTRIES,
    "region": REGIONS,
}
MEASURES: Final = ("speed", "quality", "reliability")
"""The fields of `Qualities`."""
MICRO_A_DAY: Final = 5
"""Deals paid by channel that count a day between the same two."""

Tags = Mapping[str, str]
"""What the task of a deal was about: a value for some of task_type, industry and region."""


@dataclass(frozen=True, slots=True)
class Qualities:
    """Hundredths, 2,000 where nobody has said anything yet."""

    speed: int
    quality: int
    reliability: int


def task_tags(document: Mapping[str, Any]) -> Tags:
    """Return what a task document is about: its capability where that is a task type, and what it names itself."""
    named = {"task_type": document.get("capability")}
    named |= {name: document[name] for name in SPECIALTIES if name in document}
    return {name: value for name, value in named.items() if value in SPECIALTIES[name]}


def task_specialty(document: Mapping[str, Any]) -> str | None:
    """Return the specialty that counts for the award of a task: its type, as `task_type:compute`; None without one."""
    task_type = task_tags(document).get("task_type")
    return None if task_type is None else f"task_type:{task_type}"


def first_specialty(document: Mapping[str, Any]) -> str | None:
    """Return what a task document is about first, as `task_type:compute` or `region:us-east`; None if nothing."""
    return next((f"{dimension}:{value}" for dimension, value in task_tags(document).items()), None)


def specialties(evidence: Evidence, tags: Mapping[bytes, Tags]) -> dict[tuple[str, str], int]:
    """Return every specialty's score, by (dimension, value); `tags` are by escrow id. Raises ValueError for others."""
    for tagged in tags.values():
        for dimension, value in tagged.items():
            if value not in SPECIALTIES.get(dimension, ()):
                raise ValueError(f"{dimension} {value} is no specialty")
    return {
        (dimension, value): _one(evidence, tags, dimension, value)
        for dimension, values in SPECIALTIES.items()
        for value in values
    }


def _one(evidence: Evidence, tags: Mapping[bytes, Tags], dimension: str, value: str) -> int:
    return specialty_score(evidence, lambda deal: tags.get(deal.escrow_id, {}).get(dimension) == value)


def speed_mark(allowed_seconds: int, used_seconds: int | None) -> int:
    """Return how fast a delivery was: 10,000 at once, 5,000 in the last second, 0 late or never."""
    if used_seconds is None or used_seconds > allowed_seconds:
        return 0
    if allowed_seconds <= 0:
        return MAX_MARK // 2
    return MAX_MARK - MAX_MARK // 2 * max(used_seconds, 0) // allowed_seconds


def counting(micro: Iterable[MicroDeal]) -> tuple[MicroDeal, ...]:
    """Return the small deals that count: signed by whom they burden, the first 5 a day between the same two."""
    seen: Counter[tuple[bytes, bytes, int]] = Counter()
    found = []
    for deal in sorted(micro, key=lambda one: (one.ended_at, one.order_hash)):
        pair = (deal.client, deal.provider, deal.ended_at // DAY)
        if deal.counts and seen[pair] < MICRO_A_DAY:
            seen[pair] += 1
            found.append(deal)
    return tuple(found)


def qualities(evidence: Evidence, micro: Iterable[MicroDeal] = ()) -> Qualities:
    """Return speed, quality and reliability of an agent, each believed as far as its witnesses go.

    Speed is the mean speed mark of deliveries, reliability the share of deals that did not fail, both by deal; quality
    is the mean rating, by what was paid. Every deal is weighed by its buyer's credit, a failure in full.
    """
    market, own = evidence.market, evidence.market.group_of(evidence.agent)
    deals = foreign(evidence)
    credit = credit_of(evidence, deals)
    speed, quality, reliability = _Mean(), _Mean(), _Mean()
    for deal in deals:
        weight = market.credit.get(market.group_of(deal.client), 0)
        if deal.outcome in SUCCESSES | BURDENS:
            failed = deal.outcome in BURDENS
            reliability.add(PPM if failed else weight, 0 if failed else MAX_MARK)
            speed.add(PPM if failed and deal.submitted_at is None else weight, _speed(deal))
        if deal.rating is not None:
            quality.add(weight * deal.released, deal.rating * 100)
    for small in counting(micro):
        weight = market.credit.get(market.group_of(small.client), 0)
        if market.group_of(small.client) != own:
            reliability.add(weight, MAX_MARK if small.succeeded else 0)
            speed.add(weight, speed_mark(small.allowed_seconds, small.used_seconds))
    return Qualities(*(believed(mean.value(), credit) for mean in (speed, quality, reliability)))


def _speed(deal: Deal) -> int:
    used = None if deal.submitted_at is None else deal.submitted_at - deal.accepted_at
    return speed_mark(deal.deliver_by - deal.accepted_at, used)


class _Mean:
    __slots__ = ("_total", "_weighted")

    def __init__(self) -> None:
        self._total = self._weighted = 0

    def add(self, weight: int, value: int) -> None:
        self._total += weight
        self._weighted += weight * value

    def value(self) -> int:
        return self._weighted // self._total if self._total else FLOOR
