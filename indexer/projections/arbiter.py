"""Tables of the DisputeArbiter contract: disputes and all their events, rounds, ballots, jurors, the session."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Column, Index, Integer, SmallInteger, Table, Text
from sqlalchemy.dialects.postgresql import JSONB

from indexer.store.columns import flag, last_change, metadata, origin, raw, seconds, units

arbiter_dispute = Table(
    "arbiter_dispute",
    metadata,
    raw("dispute_id", primary_key=True),
    raw("arbitrable"),
    seconds("created_at"),
    Column("period", Text, nullable=False),
    seconds("period_at"),
    Column("round_number", SmallInteger, nullable=False),
    raw("reference", nullable=True),
    raw("extra_data", nullable=True),
    Column("ruling", SmallInteger, nullable=True),
    flag("delivered"),
    *last_change(),
    Index("arbiter_dispute_reference", "arbitrable", "reference"),
    Index("arbiter_dispute_open", "period", postgresql_where="ruling IS NULL"),
)

arbiter_round = Table(
    "arbiter_round",
    metadata,
    raw("round_id", primary_key=True),
    raw("dispute_id"),
    Column("round_number", SmallInteger, nullable=False),
    Column("seats", SmallInteger, nullable=False),
    Column("drawn", SmallInteger, nullable=False),
    Column("committed", SmallInteger, nullable=False),
    Column("refused_votes", SmallInteger, nullable=False),
    Column("first_votes", SmallInteger, nullable=False),
    Column("second_votes", SmallInteger, nullable=False),
    Column("leaked", SmallInteger, nullable=False),
    flag("swept"),
    units("pot_units"),
    units("appeal_first_units"),
    units("appeal_second_units"),
    units("appeal_left_units"),
    *last_change(),
    CheckConstraint("appeal_left_units >= 0", name="arbiter_round_appeal_not_negative"),
    Index("arbiter_round_of", "dispute_id"),
)

arbiter_ballot = Table(
    "arbiter_ballot",
    metadata,
    raw("ballot_id", primary_key=True),
    raw("dispute_id"),
    Column("round_number", SmallInteger, nullable=False),
    raw("juror"),
    Column("seats", SmallInteger, nullable=False),
    Column("state", Text, nullable=False),
    raw("commitment", nullable=True),
    Column("choice", SmallInteger, nullable=True),
    flag("settled"),
    units("returned_units"),
    units("reward_units"),
    *last_change(),
    Index("arbiter_ballot_of", "dispute_id"),
    Index("arbiter_ballot_juror", "juror"),
)

juror = Table(
    "juror",
    metadata,
    raw("juror", primary_key=True),
    units("free_units"),
    units("locked_units"),
    units("weight_units"),
    units("requested_units"),
    seconds("unbond_at", nullable=True),
    *last_change(),
    CheckConstraint("free_units >= 0 AND locked_units >= 0", name="juror_not_negative"),
)

arbiter_session = Table(
    "arbiter_session",
    metadata,
    raw("contract", primary_key=True),
    Column("number", Integer, nullable=False),
    Column("phase", Text, nullable=False),
    seconds("since"),
    *last_change(),
)

arbiter_event = Table(
    "arbiter_event",
    metadata,
    *origin(),
    raw("dispute_id"),
    Column("kind", Text, nullable=False),
    raw("account", nullable=True),
    Column("fields", JSONB, nullable=False),
    Index("arbiter_event_of", "dispute_id", "block_number", "log_index"),
)
