"""Appeals at the DisputeArbiter: what the next round costs, who has to pay how much of it, and until when.

The contract's own rules, computed from what it says and what the mirror holds. Choice 1 is the buyer, 2 the agent, 0
neither. Amounts are base units, times unix seconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass


def seats_of(round_number: int) -> int:
    """Return the seats of a round: 3, 7, 15."""
    return (4 << round_number) - 1


def verdict_of(rounds: Sequence[tuple[int, int, int]]) -> int:
    """Return what the votes say, from the seats for 0, 1 and 2 of each round in order.

    The newest round in which anybody voted decides; a tie of the leaders, or no vote at all, is 0.
    """
    for refused, first, second in reversed(rounds):
        if refused + first + second:
            most = max(first, second)
            return 0 if first == second or refused >= most else 1 if first > second else 2
    return 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Periods:
    """Lengths of an arbiter's periods in seconds."""

    evidence: int
    commit: int
    reveal: int
    appeal: int


def clock_of(entered: Iterable[tuple[str, int]], periods: Periods) -> tuple[int, int] | None:
    """Return when the newest period began and when it ends, None where no time ends it.

    `entered` names every period in order with the time at which it was written down. A period may be written down
    late: then it began when the one before it was over, and a reveal period may be missing.
    """
    lengths = {
        "evidence": periods.evidence, "commit": periods.commit, "reveal": periods.reveal, "appeal": periods.appeal,
    }  # fmt: skip
    before, end = "", None
    for name, written in entered:
        if name == "appeal" and before == "commit" and end is not None:
            end += periods.reveal
        start = written if end is None else min(written, end)
        length = lengths.get(name)
        end = None if length is None else start + length
        before = name
    return None if end is None else (start, end)


@dataclass(frozen=True, slots=True, kw_only=True)
class AppealSide:
    """One side of an appeal: what it needs, what it has, and until when the rest can be paid in."""

    side: int
    required_units: int
    paid_units: int
    payable_until: int | None
    """None where nothing is missing."""

    @property
    def missing_units(self) -> int:
        """What is still to be paid in."""
        return self.required_units - self.paid_units


@dataclass(frozen=True, slots=True, kw_only=True)
class Appeal:
    """An appeal that can be paid for, against a round with its verdict.

    Until `challenge_by` anybody may pay for either side. Where no side that lost is paid for by then, the verdict
    stands; where one is, the other side has until `ends_at`, and loses if it does not pay.
    """

    round_number: int
    verdict: int
    cost_units: int
    challenge_by: int
    ends_at: int
    first: AppealSide
    second: AppealSide

    @property
    def challenged(self) -> bool:
        """Whether a side the votes are against has paid in full."""
        return any(one.missing_units == 0 and one.side != self.verdict for one in (self.first, self.second))

    def is_open(self, now: int) -> bool:
        """Return whether anything can still be paid at `now`."""
        return now < (self.ends_at if self.challenged else self.challenge_by)

    def side(self, number: int) -> AppealSide:
        """Return the side with this number. Raises ValueError for any but 1 and 2."""
        if number not in {1, 2}:
            raise ValueError("an appeal has the sides 1 and 2")
        return self.first if number == 1 else self.second


def appeal_of(  # noqa: PLR0917  # what the contract says, in its order
    round_number: int, verdict: int, fee_per_seat: int, raised: tuple[int, int], start: int, length: int
) -> Appeal:
    """Return the appeal against a round: `raised` for both sides, running `length` seconds from `start`."""
    cost = fee_per_seat * seats_of(round_number + 1)
    ends_at = start + length
    challenge_by = ends_at - length // 2
    required = [cost if side == verdict else 2 * cost for side in (1, 2)]

    def side(number: int) -> AppealSide:
        own, other = number - 1, 2 - number
        missing = required[own] - raised[own]
        # before a side that lost has paid, time ends the appeal at half time whatever the other one has
        answered = raised[other] == required[other] and other + 1 != verdict
        until = None if missing == 0 else ends_at if answered else challenge_by
        return AppealSide(
            side=number, required_units=required[own], paid_units=raised[own], payable_until=until
        )  # fmt: skip

    return Appeal(
        round_number=round_number,
        verdict=verdict,
        cost_units=cost,
        challenge_by=challenge_by,
        ends_at=ends_at,
        first=side(1),
        second=side(2),
    )
