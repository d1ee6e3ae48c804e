"""Figures over time against a chain counted by hand."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from aicp.abi import escrow as escrow_abi
from aicp.abi import payment_channel as channel_abi
from aicp.rules.primitives import Finality
from indexer import views
from indexer.runner import Runner
from indexer.views import Bucket, Metric
from tests.fixtures.chainlab import USDC, Lab
from tests.integration.indexer.conftest import settle
from tests.integration.indexer.test_disputes import Court, arbitrator_code, court

__all__ = ["arbitrator_code", "court"]

NewRunner = Callable[[], Runner]
HOUR, DAY = 3_600, 86_400
LONG = 2 * DAY


def values(
    engine: Engine,
    metric: Metric,
    first: int,
    last: int,
    *,
    bucket: Bucket = Bucket.DAY,
    finality: Finality = Finality.SEEN,
) -> list[int]:
    with Session(engine) as session:
        points = views.series(session, metric, first=first, last=last, bucket=bucket, min_finality=finality)
    assert [point.start for point in points] == list(
        range(points[0].start, points[-1].start + 1, HOUR if bucket is Bucket.HOUR else DAY)
    )
    assert points[0].start <= first < last <= points[-1].start + (HOUR if bucket is Bucket.HOUR else DAY)
    return [point.value for point in points]


def midnight(lab: Lab) -> int:
    """Let time pass to shortly after the next midnight and return that midnight."""
    now = lab.now()
    start = now - now % DAY + DAY
    lab.later(start - now + 60)
    return start


@pytest.fixture
def days(lab: Lab) -> int:
    """Two days, and their first midnight.

    On the first one deal is released in full, another one begun, a pool filled; on the second there are claims against
    the pool, and a part of the other deal is released, another refunded.
    """
    lab.stake()
    first = midnight(lab)
    lab.journey()  # 25 USDC, fee 2.5 %
    lab.fund(half := lab.terms(8 * USDC))
    lab.accept(half)
    lab.deposit_pool(5 * USDC)
    assert midnight(lab) == first + DAY
    lab.claim(total=400_000)
    lab.claim(total=1_000_000)
    lab.send(lab.other, lab.contracts.payment_channel, channel_abi.encode_settle(lab.agent, lab.usdc))
    lab.claim(total=1_250_000, pay=True)
    lab.release(half, 2 * USDC)
    lab.send(lab.agent, lab.contracts.escrow, escrow_abi.encode_refund(half, 3 * USDC))
    return first


def test_what_moved_in_each_day(lab: Lab, engine: Engine, new_runner: NewRunner, days: int) -> None:
    settle(new_runner())
    counted = {
        Metric.ESCROW_FUNDED: [0, 33 * USDC, 0, 0],
        Metric.ESCROW_RELEASED: [0, 25 * USDC, 2 * USDC, 0],
        Metric.ESCROW_REFUNDED: [0, 0, 3 * USDC, 0],
        Metric.FEES: [0, 625_000, 50_000, 0],
        Metric.MICROPAYMENTS_CLAIMED: [0, 0, 1_250_000, 0],
        Metric.MICROPAYMENTS_SETTLED: [0, 0, 1_250_000, 0],
        Metric.POOL_BALANCE: [0, 5 * USDC, 3_750_000, 3_750_000],
        Metric.DISPUTES: [0, 0, 0, 0],
        Metric.ACTIVE_AGENTS: [0, 1, 1, 0],
    }
    for metric in Metric:
        assert values(engine, metric, days - DAY, days + 3 * DAY) == counted[metric], metric


def test_hours_and_half_asked_buckets(lab: Lab, engine: Engine, new_runner: NewRunner, days: int) -> None:
    settle(new_runner())
    hours = values(engine, Metric.ESCROW_FUNDED, days, days + DAY, bucket=Bucket.HOUR)
    assert len(hours) == 24
    assert (hours[0], sum(hours)) == (33 * USDC, 33 * USDC)
    assert values(engine, Metric.ESCROW_RELEASED, days + DAY - 1, days + DAY + 1) == [25 * USDC, 2 * USDC]
    assert values(engine, Metric.POOL_BALANCE, days, days + DAY) == [5 * USDC], "what moved later is counted back"
    with Session(engine) as session:
        for first, last in ((days, days), (days, days + 1_001 * HOUR)):
            with pytest.raises(ValueError, match="points"):
                views.series(
                    session, Metric.FEES, first=first, last=last, bucket=Bucket.HOUR, min_finality=Finality.SEEN
                )


def test_only_blocks_of_the_asked_finality_count(lab: Lab, engine: Engine, new_runner: NewRunner, days: int) -> None:
    runner = new_runner()
    lab.chain.mine(3)
    settle(runner)
    lab.deposit_pool(USDC)
    lab.fund(lab.terms())
    settle(runner)
    last = lab.now() + 1
    for metric, moved in ((Metric.POOL_BALANCE, USDC), (Metric.ESCROW_FUNDED, 25 * USDC)):
        seen = values(engine, metric, days + DAY, last)
        final = values(engine, metric, days + DAY, last, finality=Finality.FINAL)
        assert [a - b for a, b in zip(seen, final, strict=True)] == [moved]


def test_a_reorg_takes_back_what_it_has_to(lab: Lab, engine: Engine, new_runner: NewRunner, days: int) -> None:
    runner = new_runner()
    lab.chain.mine(3)
    settle(runner)
    before = values(engine, Metric.POOL_BALANCE, days, days + LONG)
    snapshot = lab.chain.rpc("evm_snapshot")
    lab.deposit_pool(USDC)
    settle(runner)
    assert values(engine, Metric.POOL_BALANCE, days, days + LONG)[-1] == before[-1] + USDC
    lab.chain.rpc("evm_revert", snapshot)
    lab.chain.rpc("evm_increaseTime", 9)
    lab.chain.mine(2)
    settle(runner)
    assert values(engine, Metric.POOL_BALANCE, days, days + LONG) == before


def test_disputes_are_counted_when_they_are_raised(engine: Engine, new_runner: NewRunner, court: Court) -> None:
    first = midnight(court.lab)
    court.disputed()
    midnight(court.lab)
    court.challenged()
    court.challenged()
    settle(new_runner())
    assert values(engine, Metric.DISPUTES, first, first + LONG) == [1, 2]
