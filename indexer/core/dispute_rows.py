"""Rows of what follows a deal: disputes of escrows, their numbers at the arbiter, and ratings."""

from __future__ import annotations

from typing import Any

from indexer.core.rows import EventRow, StateRow


class Dispute(StateRow, kw_only=True, gc=False):
    """The dispute of an escrow. `bond_left_units` of the client's bond are still in the contract.

    `fee_units` is what the provider paid for the arbiter, `ruling` the arbiter's number: 1 the client, 2 the provider,
    0 neither. `defaulted` says that the provider stayed silent.
    """

    TABLE = "dispute"
    KEY = "escrow_id"

    escrow_id: bytes
    raised_by: bytes
    evidence_hash: bytes
    raised_at: int
    respond_by: int
    arbiter: bytes
    dispute_id: int | None = None
    decide_by: int | None = None
    ruling: int | None = None
    defaulted: bool = False
    bond_units: int = 0
    bond_left_units: int = 0
    fee_units: int = 0


class DisputeEvent(EventRow, kw_only=True, gc=False):
    """A dispute after one of its events."""

    TABLE = "dispute_event"

    escrow_id: bytes
    kind: str
    fields: dict[str, Any]
    dispute_id: int | None
    decide_by: int | None
    ruling: int | None
    defaulted: bool
    bond_units: int
    bond_left_units: int
    fee_units: int


class DisputeNumber(StateRow, kw_only=True, gc=False):
    """Whose dispute an arbiter's number is. `number_id` is the arbiter's address and the number in 32 bytes."""

    TABLE = "dispute_number"
    KEY = "number_id"

    number_id: bytes
    arbiter: bytes
    dispute_id: int
    escrow_id: bytes


class Rating(EventRow, kw_only=True, gc=False):
    """One side's rating of the other, 0 to 100, over an escrow in which `settled_units` were released."""

    TABLE = "rating"

    escrow_id: bytes
    rater: bytes
    ratee: bytes
    score: int
    comment_hash: bytes
    settled_units: int
