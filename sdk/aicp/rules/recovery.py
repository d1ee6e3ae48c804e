"""How an agent gets over a failure: by time, by work that went well, and by agents who vouch for it.

Source: docs/Rules.md, "Scores", under "Recovery". A failure (given back, missed, lost) weighs less and less in the
score:

* by time: 50% less after 30 days without another failure, gradually, each day a thirtieth of it;
* by redemption: 10% less for each full witness (see `witnesses`) with a deal that succeeded after it and was worth as
  much, at most 30%, if that money stayed with the agent (what goes back is netted); such deals are what the marketplace
  offers as redemption tasks;
* by vouching: 10% less for each agent that vouches at the time, at most 20%. Who vouches carries the failures of the
  other during that time as if they were its own, up to the stake it named.

A lost dispute never weighs less than half. All parts in basis points of the failure's weight.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from aicp.abi.enums import Outcome
from aicp.abi.typed_data import Vouch
from aicp.rules.decay import DAY
from aicp.rules.facts import BURDENS, SUCCESSES, Deal
from aicp.rules.fees import BPS
from aicp.rules.witnesses import PPM, Market

RECOVERY_DAYS: Final = 30
BY_TIME_BPS: Final = 5_000
BY_REDEMPTION_BPS: Final = 1_000
MAX_REDEMPTIONS: Final = 3
BY_VOUCH_BPS: Final = 1_000
MAX_VOUCHES: Final = 2
LOST_STAYS_BPS: Final = 5_000
VOUCHER_CREDIT_PPM: Final = 5 * PPM
"""Only an agent with five full witnesses of its own can vouch."""


def valid_vouches(
    vouches: Iterable[Vouch], market: Market, *, at: int, free_stake: Mapping[bytes, int], credit: Mapping[bytes, int]
) -> tuple[Vouch, ...]:
    """Return the vouches that hold at a second, one a voucher and agent, the caller having checked their signatures.

    A vouch holds if it is in its time, voucher and agent are of different groups, the voucher's `credit` (ppm, of
    witnesses) suffices, and all it has put at risk is within its `free_stake` (base units); where not all fits,
    the vouches with the lowest salts come first.
    """
    found: dict[tuple[bytes, bytes], Vouch] = {}
    left = dict(free_stake)
    for vouch in sorted(vouches, key=lambda one: (one.salt, one.voucher, one.agent, one.valid_until, one.at_risk)):
        if not (vouch.valid_from <= at < vouch.valid_until) or (vouch.voucher, vouch.agent) in found:
            continue
        if market.group_of(vouch.voucher) == market.group_of(vouch.agent):
            continue
        if credit.get(vouch.voucher, 0) < VOUCHER_CREDIT_PPM or not 0 < vouch.at_risk <= left.get(vouch.voucher, 0):
            continue
        left[vouch.voucher] -= vouch.at_risk
        found[vouch.voucher, vouch.agent] = vouch
    return tuple(found.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovery:
    """How far an agent has got over a failure. `redemption_ppm` counts full witnesses, in ppm of one.

    `forgiven_bps` is how much less the failure weighs in all, in basis points, the parts added up and limited.
    """

    failure: Deal
    time_bps: int
    redemption_ppm: int
    redemption_bps: int
    vouchers: int
    vouch_bps: int
    forgiven_bps: int


def recovery_of(deal: Deal, own: Sequence[Deal], market: Market, *, at: int, vouchers: int) -> Recovery:
    """Return how much less a failure weighs at a second, and why.

    `own` are all deals of the agent, `vouchers` how many vouch for it. Raises ValueError for what is no failure.
    """
    if deal.outcome not in BURDENS:
        raise ValueError("only a failure can be forgiven")
    last = max(one.closed_at for one in own if one.outcome in BURDENS)
    clean = min(max(at - last, 0) // DAY, RECOVERY_DAYS)
    agent = market.group_of(deal.provider)
    redeemers = {
        market.group_of(one.client)
        for one in own
        if one.outcome in SUCCESSES and one.closed_at > deal.closed_at and one.released >= deal.amount
    } - {agent}
    credit = sum(market.credit.get(group, 0) for group in redeemers if market.net_paid(group, agent) >= deal.amount)
    by_time = BY_TIME_BPS * clean // RECOVERY_DAYS
    redeemed = min(credit, MAX_REDEMPTIONS * PPM) * BY_REDEMPTION_BPS // PPM
    vouched = min(vouchers, MAX_VOUCHES) * BY_VOUCH_BPS
    most = BPS - LOST_STAYS_BPS if deal.outcome is Outcome.LOST else BPS
    return Recovery(
        failure=deal,
        time_bps=by_time,
        redemption_ppm=credit,
        redemption_bps=redeemed,
        vouchers=vouchers,
        vouch_bps=vouched,
        forgiven_bps=min(by_time + redeemed + vouched, most),
    )


def forgiven_bps(deal: Deal, own: Sequence[Deal], market: Market, *, at: int, vouchers: int) -> int:
    """Return how much less a failure weighs at a second, in basis points; arguments as for `recovery_of`."""
    return recovery_of(deal, own, market, at=at, vouchers=vouchers).forgiven_bps


def last_recovery(recoveries: Iterable[Recovery]) -> Recovery | None:
    """Return how far an agent has got over the last of its failures, None where it has none."""
    return max(recoveries, key=lambda one: (one.failure.closed_at, one.failure.escrow_id), default=None)


def carried(vouches: Iterable[Vouch], voucher: bytes, deals: Iterable[Deal]) -> tuple[tuple[Deal, int], ...]:
    """Return the failures that a voucher carries for others, each with the weight, in base units, that it carries.

    They are the failures of the agent closed while the vouch stood; together at most what was put at risk.
    """
    own = [vouch for vouch in vouches if vouch.voucher == voucher]
    if not own:
        return ()
    found: list[tuple[Deal, int]] = []
    failures = (deal for deal in deals if deal.outcome in BURDENS)
    known = sorted(failures, key=lambda deal: (deal.closed_at, deal.escrow_id))
    for vouch in own:
        left = vouch.at_risk
        for deal in known:
            if deal.provider == vouch.agent and vouch.valid_from <= deal.closed_at < vouch.valid_until and left > 0:
                weight = min(left, deal.amount)
                found.append((deal, weight))
                left -= weight
    return tuple(found)
