"""How long a call waits of which no node says what it would do."""

from __future__ import annotations

from datetime import timedelta

from backend.txm.patience import FIRST_PAUSE, LONGEST_PAUSE, NEAR, pause


def test_pauses_double_up_to_the_longest() -> None:
    lasted = [timedelta(0)]
    for _ in range(8):
        lasted.append(pause(lasted[-1], None))
    assert lasted[1:4] == [FIRST_PAUSE, 2 * FIRST_PAUSE, 4 * FIRST_PAUSE]
    assert lasted[-1] == LONGEST_PAUSE


def test_what_is_near_its_end_does_not_wait_for_long() -> None:
    assert pause(LONGEST_PAUSE, NEAR) == FIRST_PAUSE
    assert pause(LONGEST_PAUSE, NEAR + timedelta(seconds=1)) == LONGEST_PAUSE


def test_a_pause_before_a_clock_went_back_counts_as_none() -> None:
    assert pause(timedelta(seconds=-5), None) == FIRST_PAUSE
