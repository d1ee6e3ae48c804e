"""Sizes of ranges: what providers say of their limits, and that the size always fits in the end."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indexer.chain.errors import RangeTooLargeError, RateLimitedError, classify
from indexer.core.ranges import Hint, Ranges, hint_of

TOO_LARGE = [
    ("query returned more than 10000 results", Hint(logs=10_000)),
    ("query returned more than 10000 results. Try with this block range [0x100, 0x1ff].", Hint(blocks=256)),
    (
        (
            "Log response size exceeded. You can make eth_getLogs requests with up to a 2K block range and no limit on "
            "the response size, or you can request any block range with a cap of 10K logs in the response. Based on "
            "your parameters and the response size limit, this block range should work: [0x0, 0x9]"
        ),
        Hint(blocks=10),
    ),
    ("eth_getLogs is limited to a 10,000 range", Hint(blocks=10_000, firm=True)),
    ("eth_getLogs is limited to a 5 range", Hint(blocks=5, firm=True)),
    ("eth_getLogs is limited to 0 - 10000 blocks range", Hint(blocks=10_000, firm=True)),
    ("You can make eth_getLogs requests with up to a 10 block range", Hint(blocks=10, firm=True)),
    ("Block range is too large, limited to 2000", Hint(blocks=2_000, firm=True)),
    ("exceed maximum block range: 5000", Hint(blocks=5_000, firm=True)),
    ("Please limit the query to at most 1000 blocks", Hint(blocks=1_000, firm=True)),
    ("requested too many blocks from 0 to 5000, maximum is set to 2048", Hint(blocks=2_048, firm=True)),
    ("block range greater than 20000 max", Hint(blocks=20_000, firm=True)),
    ("invalid parameters: Max range: 800", Hint(blocks=800, firm=True)),
    ("range is too large, max is 1k blocks", Hint(blocks=1_000, firm=True)),
    ("ranges over 10000 blocks are not supported on freetier", Hint(blocks=10_000, firm=True)),
    ("query exceeds max block range 100000", Hint(blocks=100_000, firm=True)),
    ("query exceeds max results 20000, retry with the range 101-200", Hint(blocks=100)),
    ("query must be smaller than size 1024", Hint(blocks=1_024, firm=True)),
    ("Maximum allowed number of requested blocks is 3500", Hint(blocks=3_500, firm=True)),
    ("block range is too wide", Hint()),
    ("Block range limit exceeded. See more details in the documentation.", Hint()),
    ("Requested range exceeds maximum range limit", Hint()),
    ("logs matched by query exceeds limit of 10000", Hint(logs=10_000)),
    ("Too many logs requested. Max logs per response is 20000.", Hint(logs=20_000)),
    ("backend response too large", Hint()),
    ("query timeout exceeded", Hint()),
    ("limit exceeded", Hint()),
    ("response is too big", Hint()),
]


@pytest.mark.parametrize(("message", "hint"), TOO_LARGE, ids=[message[:40] for message, _ in TOO_LARGE])
def test_wordings_of_a_range_that_is_too_large(message: str, hint: Hint) -> None:
    error = classify("eth_getLogs", -32000, message)
    assert isinstance(error, RangeTooLargeError)
    assert error.hint == hint
    assert not isinstance(classify("eth_getBlockByNumber", -32000, message), RangeTooLargeError)


@pytest.mark.parametrize(
    "message",
    [
        "Too Many Requests, please slow down", "daily request count exceeded, request rate limited",
        "Your app has exceeded its compute units per second capacity", "rate limit exceeded", "capacity exceeded",
        "You have reached 25 requests per second", "project is rate-limited to 10 blocks", "request limit reached",
    ],
)  # fmt: skip
def test_wordings_of_too_many_requests(message: str) -> None:
    assert isinstance(classify("eth_getLogs", -32005, message), RateLimitedError)


def test_growth_is_additive_and_stops_at_ten_times_the_start() -> None:
    ranges = Ranges.starting(100, logs=1_000)
    sizes = []
    for _ in range(50):
        ranges = ranges.answered(ranges.size, 0)
        sizes.append(ranges.size)
    assert sizes[:3] == [125, 150, 175]
    assert sizes[-1] == 1_000


def test_a_short_last_range_does_not_change_the_size() -> None:
    ranges = Ranges.starting(100, logs=1_000)
    assert ranges.answered(3, 1).size == 100


def test_the_number_of_logs_bounds_the_number_of_blocks() -> None:
    ranges = Ranges.starting(100, logs=1_000)
    assert ranges.answered(100, 5_000).size == 20
    assert ranges.answered(1, 20_000).size == 1


def test_what_a_provider_names_is_believed_until_it_may_have_changed() -> None:
    ranges = Ranges.starting(2_000, logs=7_500).refused(2_000, hint_of("limited to a 50 range"))
    for _ in range(90):
        ranges = ranges.answered(ranges.size, 0)
        assert ranges.size == 50
    for _ in range(20):
        ranges = ranges.answered(ranges.size, 0)
    assert ranges.size > 50
    fewer = Ranges.starting(2_000, logs=20_000).refused(2_000, Hint(logs=10_000))
    assert (fewer.size, fewer.logs) == (1_000, 8_000)


def test_too_many_requests_slow_it_down_and_it_recovers() -> None:
    ranges = Ranges.starting(1_000, logs=1_000).limited(None)
    assert (ranges.size, ranges.pause) == (500, 0.5)
    assert ranges.limited(None).pause == 1.0
    assert ranges.limited(7.0).pause == 7.0
    assert ranges.limited(10_000.0).pause == 60.0
    pauses = []
    for _ in range(10):
        ranges = ranges.answered(ranges.size, 0)
        pauses.append(ranges.pause)
    assert pauses == sorted(pauses, reverse=True)
    assert pauses[-1] == 0.0
    assert ranges.size > 500


@settings(deadline=None)
@given(
    limit=st.integers(1, 5_000),
    density=st.integers(0, 400),
    cap=st.integers(100, 10_000),
    words=st.sampled_from(["limited to a {} range", "block range is too wide", "max range: {}"]),
    length=st.integers(1, 6_000),
)
def test_against_any_node_it_reaches_the_end_without_gap_or_overlap(
    limit: int, density: int, cap: int, words: str, length: int
) -> None:
    ranges, at, questions = Ranges.starting(2_000, logs=7_500), 0, 0
    refusals = 0
    while at < length:
        blocks = min(ranges.size, length - at)
        assert blocks >= 1
        questions += 1
        if blocks > limit or (density * blocks > cap and blocks > 1):
            smaller = ranges.refused(
                blocks, hint_of(words.format(limit) if blocks > limit else "more than 10000 results")
            )
            assert smaller.size < blocks or blocks == 1
            ranges, refusals = smaller, refusals + 1
            continue
        at += blocks
        ranges = ranges.answered(blocks, density * blocks)
    assert at == length
    assert refusals <= 20 + questions * 2 // 3


@given(st.text(max_size=60), st.integers(1, 10_000))
def test_any_words_give_a_smaller_range(words: str, blocks: int) -> None:
    ranges = Ranges.starting(blocks, logs=10).refused(blocks, hint_of(words))
    assert 1 <= ranges.size <= max(1, blocks - 1)


def test_it_begins_slowly_and_doubles_the_logs_it_aims_at() -> None:
    ranges = Ranges.starting(2_000, logs=7_500, slowly=True)
    asked = []
    for _ in range(8):
        asked.append(ranges.size * 400)
        ranges = ranges.answered(ranges.size, ranges.size * 400)
    assert asked == [400, 400, 800, 2_000, 4_000, 7_200, 7_200, 7_200]
    assert ranges.aim == 7_500


def test_an_almost_empty_range_says_little_about_the_next_one() -> None:
    ranges = Ranges.starting(2_000, logs=7_500, slowly=True)
    sizes = []
    for _ in range(8):
        sizes.append(ranges.size)
        ranges = ranges.answered(ranges.size, 0)
    assert sizes == [1, 4, 16, 64, 256, 756, 1_256, 1_756]


def test_a_limit_in_logs_holds_for_what_is_aimed_at_too() -> None:
    ranges = Ranges.starting(2_000, logs=7_500, slowly=True).refused(1, Hint(logs=100))
    for _ in range(10):
        ranges = ranges.answered(ranges.size, ranges.size * 40)
    assert (ranges.size, ranges.aim) == (2, 80)
