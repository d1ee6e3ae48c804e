"""Rows of DisputeArbiter: disputes, rounds, ballots, jurors, the session of drawings."""

from __future__ import annotations

from typing import Any

from indexer.core.rows import EventRow, StateRow


class ArbiterDispute(StateRow, kw_only=True, gc=False):
    """A dispute at the arbiter. `period` is the newest one written down on chain; time may have passed it.

    `reference` is the first word of `extra_data`: the escrow id where Escrow asked. `delivered` is false after the
    arbitrable failed to take the ruling.
    """

    TABLE = "arbiter_dispute"
    KEY = "dispute_id"

    dispute_id: bytes
    arbitrable: bytes
    created_at: int
    period: str
    period_at: int
    round_number: int = 0
    reference: bytes | None = None
    extra_data: bytes | None = None
    ruling: int | None = None
    delivered: bool = True


class ArbiterRound(StateRow, kw_only=True, gc=False):
    """A round and the appeal against it. `round_id` is the dispute's id and the round's number in one byte.

    Votes are counted by seats. `pot_units` is what the round has to give out: its fee and lost stakes, less what was
    given; below zero while rewards were paid before the wrong jurors were settled. `appeal_left_units` is what of
    `appeal_first_units` and `appeal_second_units` neither paid the next round nor went back.
    """

    TABLE = "arbiter_round"
    KEY = "round_id"

    round_id: bytes
    dispute_id: bytes
    round_number: int
    seats: int = 0
    drawn: int = 0
    committed: int = 0
    refused_votes: int = 0
    first_votes: int = 0
    second_votes: int = 0
    leaked: int = 0
    swept: bool = False
    pot_units: int = 0
    appeal_first_units: int = 0
    appeal_second_units: int = 0
    appeal_left_units: int = 0


class ArbiterBallot(StateRow, kw_only=True, gc=False):
    """A juror's seats in a round. `ballot_id` is the round's id and the juror's address."""

    TABLE = "arbiter_ballot"
    KEY = "ballot_id"

    ballot_id: bytes
    dispute_id: bytes
    round_number: int
    juror: bytes
    seats: int = 0
    state: str = "none"
    commitment: bytes | None = None
    choice: int | None = None
    settled: bool = False
    returned_units: int = 0
    reward_units: int = 0


class Juror(StateRow, kw_only=True, gc=False):
    """A juror's stake: free, at risk in rounds that are not settled, and what is drawn by."""

    TABLE = "juror"
    KEY = "juror"

    juror: bytes
    free_units: int = 0
    locked_units: int = 0
    weight_units: int = 0
    requested_units: int = 0
    unbond_at: int | None = None


class ArbiterSession(StateRow, kw_only=True, gc=False):
    """The session of drawings that all disputes share; `since` is when its phase began."""

    TABLE = "arbiter_session"
    KEY = "contract"

    contract: bytes
    number: int
    phase: str
    since: int


class ArbiterEvent(EventRow, kw_only=True, gc=False):
    """One event of a dispute at the arbiter; `account` is the juror, party or contributor it names."""

    TABLE = "arbiter_event"

    dispute_id: bytes
    kind: str
    account: bytes | None
    fields: dict[str, Any]
