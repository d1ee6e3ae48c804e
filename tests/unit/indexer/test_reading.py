"""Reading finalised stretches: nothing twice, nothing left out, and what cannot be read is named."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import httpx
import pytest

from indexer.background import Deferred, Start, Threaded
from indexer.chain.errors import ChainError, RateLimitedError, TimedOutError
from indexer.core.logs import RawLog
from indexer.core.ranges import Ranges
from indexer.core.reducer import Decoded
from indexer.failpoints import install_hook
from indexer.reading import PATIENCE, HoleError, Reader
from tests.unit.indexer.fakechain import Chain, FakeNode, RpcFault, node_of


class AnyReducer:
    """Decodes a log into itself."""

    def decode(self, logs: Iterable[RawLog]) -> list[Decoded]:
        return [Decoded(log, log.data) for log in logs]


class Ground:
    def __init__(self, *counts: int, ahead: Start | None = None, size: int = 10, logs: int = 1_000) -> None:
        self.fake = FakeNode(Chain().mine(*counts))
        self.node = node_of(self.fake)
        self.waited: list[float] = []
        reducer: Any = AnyReducer()
        self.reader = Reader(self.node, reducer, Ranges.starting(size, logs=logs), ahead=ahead)

    def read(self, first: int, until: int) -> Any:
        last = min(until, first + self.reader.ranges.size - 1)
        return self.reader.read(first, last, until=until, wait=self.waited.append)

    def all(self, until: int) -> list[tuple[int, int]]:
        at, places = 0, []
        while at < until:
            stretch = self.read(at + 1, until)
            if stretch is not None:
                assert stretch.found.start.number == at + 1
                places += [(item.log.block_number, item.log.log_index) for item in stretch.decoded]
                at = stretch.last
        assert at == until
        return places


COUNTS = [0, *[n % 4 for n in range(60)]]
PLACES = [(number, index) for number, count in enumerate(COUNTS) for index in range(count)]


@pytest.mark.parametrize("ahead", [None, Threaded, Deferred])
def test_every_log_comes_once_however_the_ranges_fall(ahead: Start | None) -> None:
    ground = Ground(*COUNTS, ahead=ahead, size=3, logs=20)
    assert ground.all(60) == PLACES


def arrived(ground: Ground) -> list[tuple[int, int]]:
    """Wait for everything fetched ahead; return which blocks that is."""
    for ahead in ground.reader._ahead:
        assert isinstance(ahead.task, Threaded)
        ahead.task._thread.join()
    return [(ahead.first, ahead.last) for ahead in ground.reader._ahead]


def test_the_next_stretches_are_fetched_meanwhile_and_not_again() -> None:
    ground = Ground(*COUNTS, ahead=Threaded, size=10)
    ground.read(1, 60)
    size = ground.reader.ranges.size
    assert arrived(ground) == [(11, 10 + size), (11 + size, 10 + 2 * size)]
    asked = ground.fake.batches
    assert ground.read(11, 60).found.start.number == 11
    arrived(ground)
    assert ground.fake.batches == asked + 2  # one question for logs and one for receipts, for the stretch after them


def test_what_was_fetched_ahead_is_used_though_smaller_ranges_are_wanted_by_now() -> None:
    ground = Ground(*COUNTS, ahead=Threaded, size=10)
    ground.read(1, 60)
    [(first, last), _] = arrived(ground)
    ground.reader.ranges = replace(ground.reader.ranges, size=1)
    asked = ground.fake.batches
    assert ground.reader.read(first, first, until=60, wait=ground.waited.append).last == last  # type: ignore[union-attr]
    arrived(ground)
    assert ground.fake.batches <= asked + 2


def test_nothing_past_the_last_final_block_is_used() -> None:
    ground = Ground(*COUNTS, ahead=Threaded, size=10)
    ground.read(1, 60)
    [(first, last), _] = arrived(ground)
    assert ground.read(first, last - 1).last == last - 1


def test_what_was_fetched_ahead_is_dropped_with_its_provider_or_when_it_does_not_fit() -> None:
    ground = Ground(*COUNTS, ahead=Threaded, size=10)
    ground.read(1, 60)
    assert ground.read(12, 60).found.start.number == 12
    assert arrived(ground)[0][0] > 12
    ground.reader.drop()
    assert not ground.reader._ahead


def test_trouble_met_ahead_is_raised_where_the_stretch_is_wanted() -> None:
    ground = Ground(*COUNTS, ahead=Threaded, size=10)
    ground.fake.fault = lambda method, params, result: (
        result[1:] if method == "eth_getLogs" and params[0]["fromBlock"] != "0x1" else result
    )
    assert ground.read(1, 60).last == 10
    with pytest.raises(ChainError):
        ground.read(11, 60)


def test_a_node_with_limits_is_read_to_the_end() -> None:
    ground = Ground(*COUNTS, size=50)

    def fault(method: str, params: list[Any], result: Any) -> Any:
        if method == "eth_getLogs" and int(params[0]["toBlock"], 16) - int(params[0]["fromBlock"], 16) >= 4:
            raise RpcFault(-32005, "block range is too wide")
        return result

    ground.fake.fault = fault
    assert ground.all(60) == PLACES


def test_a_timeout_makes_the_range_smaller() -> None:
    ground = Ground(*COUNTS, size=10)

    def late(request: httpx.Request) -> httpx.Response:
        raise httpx.ReadTimeout("late", request=request)

    ground.fake.answer = late
    with pytest.raises(TimedOutError):
        ground.read(1, 60)
    assert ground.reader.ranges.size == 5


def test_too_many_requests_slow_the_reading_down() -> None:
    ground = Ground(*COUNTS, size=10)
    ground.fake.answer = lambda _: httpx.Response(429, headers={"retry-after": "4"})
    with pytest.raises(RateLimitedError):
        ground.read(1, 60)
    ground.fake.answer = None
    ground.read(1, 60)
    ground.read(6, 60)
    assert (ground.waited, ground.reader.ranges.pause) == ([4.0, 2.0], 1.0)


def test_a_block_the_node_will_not_tell_is_a_hole() -> None:
    ground = Ground(*COUNTS, size=1)

    def fault(method: str, params: list[Any], result: Any) -> Any:
        if method in ("eth_getLogs", "eth_getBlockReceipts"):
            raise (
                RpcFault(-32005, "query returned more than 10000 results")
                if method == "eth_getLogs"
                else (RpcFault(-32601, "method not found"))
            )
        return result

    ground.fake.fault = fault
    with pytest.raises(HoleError) as caught:
        ground.read(3, 60)
    assert (caught.value.first, caught.value.last) == (3, 3)


def test_a_stretch_that_stays_wrong_is_a_hole_and_patience_starts_anew() -> None:
    ground = Ground(*COUNTS, size=10)
    ground.fake.fault = lambda method, _, result: result[1:] if method == "eth_getLogs" else result
    for _ in range(2):
        for _ in range(PATIENCE - 1):
            with pytest.raises(ChainError):
                ground.read(1, 60)
        with pytest.raises(HoleError):
            ground.read(1, 60)


def test_a_test_may_stop_it_after_every_fetch() -> None:
    ground = Ground(*COUNTS, size=30)
    passed: list[str] = []
    install_hook(passed.append)
    try:
        ground.all(60)
    finally:
        install_hook(None)
    assert set(passed) == {"fetched"}
