"""How fast the mirror was while it grew, from when how many events were there."""

from __future__ import annotations

import pytest

from scripts.bench.mirror import Run

RUN = Run(
    events=100, seconds=10.0, working_seconds=9.0, rows=0, peak_bytes=0,
    progress=((1.0, 0), (2.0, 10), (4.0, 50), (5.0, 60), (9.0, 100)),
)  # fmt: skip


@pytest.mark.parametrize(("first", "last", "rate"), [(10, 50, 20.0), (0, 60, 15.0), (45, 100, 10.0)])
def test_the_rate_of_a_stretch_is_that_of_the_commits_inside_it(first: int, last: int, rate: float) -> None:
    assert RUN.rate_within(first, last) == rate
