"""Figures over time, for charts: what moved in each hour or day, or what stood at its end.

They are sums over the append-only event rows: no table of their own, and a reorg takes back what it has to. Hours and
days are those of UTC, by the time of the block.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from itertools import accumulate
from typing import Any, Final, assert_never

from sqlalchemy import ColumnElement, Select, Table, distinct, func, literal, select, tuple_, union, union_all
from sqlalchemy.orm import Session

from aicp.rules.primitives import Finality
from indexer.projections.dispute import dispute_event
from indexer.projections.escrow import escrow_event
from indexer.projections.payment_channel import channel_event, pool, pool_event, receiver_event
from indexer.views.asof import as_of
from indexer.views.sync import bound

MAX_POINTS: Final = 1_000
_SECONDS: Final = {"hour": 3_600, "day": 86_400}
_NOW: Final = -1
_CLAIMS: Final = ("claimed", "claimed_and_paid")


class Bucket(StrEnum):
    """How long a point stands for."""

    HOUR = "hour"
    DAY = "day"


class Metric(StrEnum):
    """What is counted. Amounts are in base units; all but `POOL_BALANCE` are what moved within each bucket."""

    ESCROW_FUNDED = "escrow_funded"
    ESCROW_RELEASED = "escrow_released"
    """Fees included."""
    ESCROW_REFUNDED = "escrow_refunded"
    FEES = "fees"
    MICROPAYMENTS_CLAIMED = "micropayments_claimed"
    MICROPAYMENTS_SETTLED = "micropayments_settled"
    """What receivers were paid, with and without waiting."""
    POOL_BALANCE = "pool_balance"
    """What all pools held at the end of the bucket."""
    DISPUTES = "disputes"
    """Disputes raised; a number."""
    ACTIVE_AGENTS = "active_agents"
    """Different accounts that took on or handed in work, or for which micropayments were claimed; a number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One bucket: its first second (unix) and its figure."""

    start: int
    value: int


def series(s: Session, metric: Metric, *, first: int, last: int, bucket: Bucket, min_finality: Finality) -> list[Point]:
    """Return a point for every bucket between two times (unix seconds, `last` excluded), empty ones included.

    The first and last bucket are whole ones, also where the times lie within. Blocks above the newest one of this
    finality do not count. Raises ValueError for no time at all, or more than 1,000 buckets.
    """
    size = _SECONDS[bucket]
    starts = range(first // size * size, last, size)
    if not 0 < len(starts) <= MAX_POINTS:
        raise ValueError(f"between one and {MAX_POINTS} points can be asked for")
    if metric is Metric.POOL_BALANCE:
        return _pool_balances(s, starts, min_finality)
    values: dict[int, int] = dict.fromkeys(starts, 0)
    for statement in _parts(metric, starts, min_finality):
        for start, value in s.execute(statement):
            values[start] += int(value)
    return [Point(start=start, value=value) for start, value in values.items()]


def _parts(metric: Metric, starts: range, finality: Finality) -> list[Select[Any]]:
    """Return statements of (start of bucket, figure) whose figures add up to the metric."""
    match metric:
        case Metric.ESCROW_FUNDED:
            return [_sum(escrow_event, ("funded",), "event_amount_units", starts, finality)]
        case Metric.ESCROW_RELEASED:
            return [_sum(escrow_event, ("released",), "event_amount_units", starts, finality)]
        case Metric.ESCROW_REFUNDED:
            return [_sum(escrow_event, ("refunded",), "event_amount_units", starts, finality)]
        case Metric.FEES:
            return [_sum(escrow_event, ("released",), "event_fee_units", starts, finality)]
        case Metric.MICROPAYMENTS_CLAIMED:
            return [_sum(channel_event, _CLAIMS, "event_amount_units", starts, finality)]
        case Metric.MICROPAYMENTS_SETTLED:
            paid = _sum(channel_event, _CLAIMS[1:], "event_amount_units", starts, finality)
            return [
                paid,
                _grouped(receiver_event, _gain(receiver_event, "receiver", "settled_units"), starts, finality),
            ]
        case Metric.DISPUTES:
            raised = _grouped(dispute_event, func.count(), starts, finality)
            return [raised.where(dispute_event.c.kind == "raised")]
        case Metric.ACTIVE_AGENTS:
            return [_active_agents(starts, finality)]
        case Metric.POOL_BALANCE:
            raise ValueError("a balance is no sum of what moved")
        case _:
            assert_never(metric)


def _within(table: Table, starts: range, finality: Finality) -> tuple[ColumnElement[bool], ...]:
    time = table.c.block_time
    return (time >= starts.start, time < starts[-1] + starts.step, table.c.block_number <= bound(finality))


def _start(table: Table, starts: range) -> ColumnElement[int]:
    return (table.c.block_time - table.c.block_time % starts.step).label("start")


def _grouped(table: Table, figure: ColumnElement[Any], starts: range, finality: Finality) -> Select[Any]:
    return select(_start(table, starts), figure).where(*_within(table, starts, finality)).group_by("start")


def _sum(table: Table, kinds: tuple[str, ...], amount: str, starts: range, finality: Finality) -> Select[Any]:
    return _grouped(table, func.sum(table.c[amount]), starts, finality).where(table.c.kind.in_(kinds))


def _gain(table: Table, key: str, name: str) -> ColumnElement[Any]:
    """Return the sum of what each event added to a running value of its row."""
    before = table.alias("before")
    former = (
        select(before.c[name])
        .where(
            before.c[key] == table.c[key],
            tuple_(before.c.block_number, before.c.log_index) < tuple_(table.c.block_number, table.c.log_index),
        )
        .order_by(before.c.block_number.desc(), before.c.log_index.desc())
        .limit(1)
        .correlate(table)
        .scalar_subquery()
    )
    return func.sum(table.c[name] - func.coalesce(former, literal(0)))


def _active_agents(starts: range, finality: Finality) -> Select[Any]:
    working = select(_start(escrow_event, starts), escrow_event.c.provider.label("agent")).where(
        *_within(escrow_event, starts, finality), escrow_event.c.kind.in_(("accepted", "submitted"))
    )
    earning = select(_start(channel_event, starts), channel_event.c.receiver.label("agent")).where(
        *_within(channel_event, starts, finality), channel_event.c.kind.in_(_CLAIMS)
    )
    active = union(working, earning).subquery()
    return select(active.c.start, func.count(distinct(active.c.agent))).group_by(active.c.start)


def _pool_balances(s: Session, starts: range, finality: Finality) -> list[Point]:
    """Count back from what the pools hold now: only what moved since has to be read."""
    pools = as_of(pool, finality)
    now = select(literal(_NOW), func.coalesce(func.sum(pools.c.balance_units), literal(0)))
    since = (pool_event.c.block_time >= starts.start, pool_event.c.block_number <= bound(finality))
    gain = _gain(pool_event, "pool_id", "balance_units")
    statement = select(_start(pool_event, starts), gain).where(*since).group_by("start")
    gains = {int(start): int(value) for start, value in s.execute(union_all(now, statement))}  # both of one moment
    after_all = sum(value for start, value in gains.items() if start > starts[-1])
    moved = [-gains.get(start, 0) for start in reversed(starts)]
    levels = list(accumulate(moved[:-1], initial=gains[_NOW] - after_all))
    return [Point(start=start, value=level) for start, level in zip(starts, reversed(levels), strict=True)]
