"""The score of an agent: one deterministic function of chain events, in hundredths, 2,000 to 10,000.

Version 1. Source: docs/Rules.md, "Scores"; how failures weigh less is in `recovery`, whose word counts in `witnesses`.

1. `base` is the value-weighted mean of all outcomes and of the ratings of those who paid; each witness weighs what it
   has paid this agent, at most 100 USDC, times its credit; a failure weighs its price, at most
   100 USDC, whoever the buyer is, less what is forgiven.
2. `recent` is the same over the last 30 days, 2,000 if there is nothing.
3. `current = (base x decay + recent x (1e18 - decay)) / 1e18`, decay by the full days since the last outcome.
4. An agent that succeeded on d different days of the last 30 gets 10 x d more (at most 300).
5. A newcomer has 2,000. What is above is believed as far as witnesses speak for it: with k full witnesses
   `score = 2000 + (current - 2000) x k^2 / (k^2 + 15)`. So one full witness, which is 100 USDC of fees, moves a score
   by at most 5.00; twenty make 96% of the way.
6. No score is below 2,000.

Everything is rounded down, at each line.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from aicp.rules.decay import DAY, MAX_DAYS, days_between, decayed
from aicp.rules.facts import BURDENS, MAX_MARK, SUCCESSES, Deal, mark
from aicp.rules.fees import BPS
from aicp.rules.pricing import Tier, tier_of
from aicp.rules.recovery import Recovery
from aicp.rules.witnesses import PPM, Market

RULE_VERSION: Final = 1
FLOOR: Final = 2_000
RECENT_DAYS: Final = 30
ACTIVE_DAY: Final = 10
DOUBT: Final = 15
"""k of witnesses makes k^2/(k^2 + 15) of the way from the newcomer's score."""

Weigh = Callable[[Deal], int]


@dataclass(frozen=True, slots=True)
class Evidence:
    """What speaks about one agent: its deals, who speaks how loudly, and what it carries or is forgiven."""

    agent: bytes
    deals: tuple[Deal, ...]
    market: Market
    forgiven: Mapping[bytes, int]
    """Escrow id of a failure -> basis points of its weight that are forgiven."""
    carried: tuple[tuple[Deal, int], ...] = ()
    """Failures of others that it vouched for, with their weights in base units."""
    recovery: Recovery | None = None
    """How far it has got over the last of its own failures; it changes no score, `forgiven` does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreCard:
    """A score with every step to it. Scores and means in hundredths, `credit` in ppm of a full witness."""

    agent: bytes
    base: int
    recent: int
    days: int
    active_days: int
    current: int
    credit: int
    score: int
    settled_value: int
    jobs: int

    @property
    def tier(self) -> Tier:
        """The tier of the score, by the same edges as the success rate's; new below one full witness."""
        return Tier.NEW if self.credit < PPM else tier_of(self.score)[0]


def believed(current: int, credit_ppm: int) -> int:
    """Return the score of which `credit_ppm` of witnesses convince, never below the newcomer's 2,000."""
    if credit_ppm < 0:
        raise ValueError("credit is at least 0")
    square = credit_ppm * credit_ppm
    return FLOOR + max(0, min(current, MAX_MARK) - FLOOR) * square // (square + DOUBT * PPM * PPM)


def foreign(evidence: Evidence) -> tuple[Deal, ...]:
    """Return the deals of the agent with others than its own group."""
    own = evidence.market.group_of(evidence.agent)
    return tuple(deal for deal in evidence.deals if evidence.market.group_of(deal.client) != own)


def mean_of(evidence: Evidence, deals: Iterable[Deal], *, since: int = 0) -> int | None:
    """Return the weighted mean mark of deals in hundredths, None if nothing of weight is among them.

    `since` leaves out the failures carried for others that are older.
    """
    market, own = evidence.market, evidence.market.group_of(evidence.agent)
    cap = market.parameters.pair_cap_units
    witnessed: defaultdict[bytes, list[Deal]] = defaultdict(list)
    failures: list[tuple[Deal, int]] = []
    for deal in deals:
        witnessed[market.group_of(deal.client)].append(deal)
        if deal.outcome in BURDENS:
            stays = BPS - evidence.forgiven.get(deal.escrow_id, 0)
            failures.append((deal, min(deal.amount, cap) * stays // BPS))
    failures += [(deal, min(weight, cap)) for deal, weight in evidence.carried if deal.closed_at >= since]
    total = weighted = 0
    for group, of_group in witnessed.items():
        value, marks = _testimony(of_group)
        weight = market.credit.get(group, 0) * min(value, cap, market.net_paid(group, own))
        if weight:
            total += weight
            weighted += weight * (marks // value)
    for deal, weight in failures:
        total += PPM * weight
        weighted += PPM * weight * mark(deal)
    return weighted // total if total else None


def _testimony(deals: Sequence[Deal]) -> tuple[int, int]:
    """Return what one witness's outcomes and ratings weigh, and their marks times that."""
    value = marks = 0
    for deal in deals:
        if deal.outcome not in BURDENS:
            value += deal.amount
            marks += deal.amount * mark(deal)
        if deal.rating is not None:
            value += deal.released
            marks += deal.released * deal.rating * 100
    return value, marks


def credit_of(evidence: Evidence, deals: Iterable[Deal]) -> int:
    """Return how many full witnesses speak in deals, in ppm; outside the market's main part at most one."""
    market, own = evidence.market, evidence.market.group_of(evidence.agent)
    full = market.parameters.full_release_units
    released: defaultdict[bytes, int] = defaultdict(int)
    for deal in deals:
        released[market.group_of(deal.client)] += deal.released
    total = sum(
        market.credit.get(group, 0) * min(units, full, market.net_paid(group, own)) // full
        for group, units in released.items()
    )
    return total if own in market.main else min(total, PPM)


def score_card(evidence: Evidence, at: int) -> ScoreCard:
    """Return the score at a second, the end of an epoch; nothing in the evidence may be later. Raises ValueError."""
    deals = foreign(evidence)
    if any(deal.closed_at > at for deal in deals):
        raise ValueError("an outcome is later than the score")
    since = at - RECENT_DAYS * DAY
    lately = [deal for deal in deals if deal.closed_at >= since]
    base = mean_of(evidence, deals)
    recent = mean_of(evidence, lately, since=since)
    base, recent = FLOOR if base is None else base, FLOOR if recent is None else recent
    last = max((deal.closed_at for deal in deals), default=None)
    days = MAX_DAYS if last is None else days_between(last, at)
    active = len({deal.closed_at // DAY for deal in lately if deal.outcome in SUCCESSES})
    current = min(MAX_MARK, decayed(base, recent, days) + ACTIVE_DAY * min(active, RECENT_DAYS))
    credit = credit_of(evidence, deals)
    return ScoreCard(
        agent=evidence.agent,
        base=base,
        recent=recent,
        days=days,
        active_days=min(active, RECENT_DAYS),
        current=current,
        credit=credit,
        score=believed(current, credit),
        settled_value=sum(deal.released for deal in deals),
        jobs=len(deals),
    )


def forecast(evidence: Evidence, at: int, days: Iterable[int]) -> tuple[tuple[int, int], ...]:
    """Return (days ahead, score then) if nothing more happens: how a score decays. What is forgiven stays as it is."""
    return tuple((ahead, score_card(evidence, at + ahead * DAY).score) for ahead in days)


def success_ratio_bps(evidence: Evidence, deals: Iterable[Deal]) -> int:
    """Return the share of deals that succeeded among those that succeeded or failed, in basis points, each by credit.

    A success counts as much as its buyer is a full witness; a failure counts in full. 0 where nothing counts.
    """
    good = bad = 0
    for deal in deals:
        if deal.outcome in SUCCESSES:
            good += evidence.market.credit.get(evidence.market.group_of(deal.client), 0)
        elif deal.outcome in BURDENS:
            bad += PPM
    return good * BPS // (good + bad) if good + bad else 0


def specialty_score(evidence: Evidence, of_specialty: Callable[[Deal], bool]) -> int:
    """Return the score in a specialty: base x (1 + 0.5 x success ratio) of its deals alone, in hundredths.

    At most 10,000, and believed as far as the witnesses of that specialty go: 2,000 for who has done nothing in it.
    """
    deals = tuple(deal for deal in foreign(evidence) if of_specialty(deal))
    base = mean_of(evidence_without_carried(evidence), deals)
    if base is None:
        return FLOOR
    ratio = success_ratio_bps(evidence, deals)
    return believed(min(MAX_MARK, base * (20_000 + ratio) // 20_000), credit_of(evidence, deals))


def evidence_without_carried(evidence: Evidence) -> Evidence:
    """Return the evidence about the agent's own deals: what it carries for others belongs to no specialty."""
    return Evidence(evidence.agent, evidence.deals, evidence.market, evidence.forgiven)
