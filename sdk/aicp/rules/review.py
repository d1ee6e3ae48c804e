"""Which scores people should look at: what an honest market makes seldom. A score in the queue is not changed.

Source: docs/Rules.md, "Scores", under "Review". Each reason is a code with the figures it follows from, in hundredths,
basis points or ppm.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from aicp.rules.facts import BURDENS, MAX_MARK, mark
from aicp.rules.reputation import FLOOR, Evidence, ScoreCard, foreign
from aicp.rules.witnesses import PPM

JUMP: Final = 1_500
"""Hundredths by which a score may move in one epoch without being looked at."""
SELF_BPS: Final = 1_000
RECIPROCAL_BPS: Final = 2_000
ONE_WITNESS_BPS: Final = 6_000
RATINGS_APART: Final = 4_000
NOTABLE: Final = 500

Reason = Literal["jump", "self_dealing", "reciprocal", "one_witness", "closed_clique", "ratings_apart"]


@dataclass(frozen=True, slots=True)
class Finding:
    """An agent to look at, why, and how much of it there is (`measure`, in the unit of the reason)."""

    agent: bytes
    reason: Reason
    measure: int


def review_queue(
    cards: Iterable[ScoreCard], evidence: Iterable[Evidence], before: Mapping[bytes, int]
) -> tuple[Finding, ...]:
    """Return what stands out in an epoch, by agent; `before` are the scores of the epoch before.

    jump: moved by more than 15.00. self_dealing: more than 10% of its value is with its own group. reciprocal: more
    than 20% of what buyers paid it went back to them. one_witness: more than 60% of its value is one buyer's though it
    scores more than 5.00 above a newcomer. closed_clique: it is no part of the main market, and has had a full witness.
    ratings_apart: its ratings and its outcomes are more than 40.00 apart.
    """
    by_agent = {one.agent: one for one in evidence}
    found: list[Finding] = []
    for card in sorted(cards, key=lambda card: card.agent):
        moved = abs(card.score - before.get(card.agent, FLOOR))
        if moved > JUMP:
            found.append(Finding(card.agent, "jump", moved))
        found += _of_deals(card, by_agent[card.agent])
    return tuple(found)


def _of_deals(card: ScoreCard, evidence: Evidence) -> list[Finding]:
    market, own = evidence.market, evidence.market.group_of(evidence.agent)
    deals = foreign(evidence)
    everything = sum(deal.amount for deal in evidence.deals)
    paid = {group: market.paid.get((group, own), 0) for group in {market.group_of(deal.client) for deal in deals}}
    back = sum(min(units, market.paid.get((own, group), 0)) for group, units in paid.items())
    total = sum(paid.values())
    measured: list[tuple[Reason, int, int]] = [
        ("self_dealing", _bps(everything - sum(deal.amount for deal in deals), everything), SELF_BPS),
        ("reciprocal", _bps(back, total), RECIPROCAL_BPS),
        (
            "one_witness",
            _bps(max(paid.values(), default=0), total) if card.score > FLOOR + NOTABLE else 0,
            ONE_WITNESS_BPS,
        ),
        ("closed_clique", 0 if own in market.main else card.credit, PPM - 1),
        ("ratings_apart", _apart(evidence), RATINGS_APART),
    ]
    return [Finding(card.agent, reason, measure) for reason, measure, limit in measured if measure > limit]


def _apart(evidence: Evidence) -> int:
    rated = [deal for deal in foreign(evidence) if deal.rating is not None and deal.outcome not in BURDENS]
    value = sum(deal.amount for deal in rated)
    if value == 0:
        return 0
    marks = sum(deal.amount * mark(deal) for deal in rated) // value
    ratings = sum(deal.amount * (deal.rating or 0) * 100 for deal in rated) // value
    return min(abs(marks - ratings), MAX_MARK)


def _bps(part: int, whole: int) -> int:
    return part * 10_000 // whole if whole else 0
