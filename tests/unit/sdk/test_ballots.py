"""A juror's memory: the first vote stands, whatever is tried again; seats and the place looked up to are kept."""

from __future__ import annotations

from pathlib import Path

from aicp.abi.enums import BallotState, DisputePeriod
from aicp.client.ballots import Ballot, BallotBox
from aicp.client.juror import Choice, Seat, by_number

ARBITER, JUROR, OTHER = b"a" * 20, b"j" * 20, b"o" * 20
DISPUTE = 2**255 + 7


def test_the_first_vote_of_a_round_stands_and_survives(tmp_path: Path) -> None:
    box = BallotBox(tmp_path / "home" / "votes", ARBITER, JUROR)
    first = Ballot(2, b"s" * 32)
    assert box.keep(DISPUTE, 0, first) == first
    again = BallotBox(tmp_path / "home" / "votes", ARBITER, JUROR)
    assert again.keep(DISPUTE, 0, Ballot(1, b"t" * 32)) == first
    assert again.ballot(DISPUTE, 0) == first
    assert again.ballot(DISPUTE, 1) is None
    assert BallotBox(again.path, ARBITER, OTHER).ballot(DISPUTE, 0) is None
    assert again.path.stat().st_mode & 0o777 == 0o600


def test_seats_are_found_once_and_closed(tmp_path: Path) -> None:
    box = BallotBox(tmp_path / "votes", ARBITER, JUROR)
    assert box.looked() is None
    box.found({(DISPUTE, 0)}, 10)
    box.found({(DISPUTE, 0), (DISPUTE, 1)}, 12)
    assert (box.open_seats(), box.looked()) == ([(DISPUTE, 0), (DISPUTE, 1)], 12)
    box.close(DISPUTE, 0)
    box.found({(DISPUTE, 0)}, 13)
    assert box.open_seats() == [(DISPUTE, 1)]
    assert BallotBox(box.path, OTHER, JUROR).open_seats() == []


def test_the_published_rule_of_the_demo_jurors() -> None:
    for dispute_id, choice in ((6, Choice.BUYER), (7, Choice.AGENT)):
        seat = Seat(
            dispute_id=dispute_id, round=0, seats=1, period=DisputePeriod.COMMIT, current=True, ends_at=0,
            state=BallotState.NONE, settled=False, ruling=None,
        )  # fmt: skip
        assert by_number(seat) is choice
