"""Tables of what follows a deal in Escrow: disputes with every step of them, their numbers at arbiters, ratings."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Column, Index, SmallInteger, Table, Text
from sqlalchemy.dialects.postgresql import JSONB

from indexer.store.columns import flag, last_change, metadata, origin, passing_time, raw, seconds, units

dispute = Table(
    "dispute",
    metadata,
    raw("escrow_id", primary_key=True),
    raw("raised_by"),
    raw("evidence_hash"),
    seconds("raised_at"),
    seconds("respond_by"),
    raw("arbiter"),
    units("dispute_id", nullable=True),
    seconds("decide_by", nullable=True),
    Column("ruling", SmallInteger, nullable=True),
    flag("defaulted"),
    units("bond_units"),
    units("bond_left_units"),
    units("fee_units"),
    *last_change(),
    CheckConstraint("bond_left_units >= 0 AND bond_left_units <= bond_units", name="dispute_bond_within"),
    Index("dispute_number_of", "arbiter", "dispute_id"),
)

dispute_event = Table(
    "dispute_event",
    metadata,
    *origin(),
    raw("escrow_id"),
    Column("kind", Text, nullable=False),
    Column("fields", JSONB, nullable=False),
    units("dispute_id", nullable=True),
    seconds("decide_by", nullable=True),
    Column("ruling", SmallInteger, nullable=True),
    flag("defaulted"),
    units("bond_units"),
    units("bond_left_units"),
    units("fee_units"),
    Index("dispute_event_of", "escrow_id", "block_number", "log_index"),
    passing_time("dispute_event"),
)

dispute_number = Table(
    "dispute_number",
    metadata,
    raw("number_id", primary_key=True),
    raw("arbiter"),
    units("dispute_id"),
    raw("escrow_id"),
    *last_change(),
)
"""`number_id` is the arbiter's address followed by the number in 32 bytes."""

rating = Table(
    "rating",
    metadata,
    *origin(),
    raw("escrow_id"),
    raw("rater"),
    raw("ratee"),
    Column("score", SmallInteger, nullable=False),
    raw("comment_hash"),
    units("settled_units"),
    CheckConstraint("score BETWEEN 0 AND 100", name="rating_on_the_scale"),
    Index("rating_escrow", "escrow_id"),
    Index("rating_ratee", "ratee", "block_number", "log_index"),
)
