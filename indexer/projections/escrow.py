"""Tables of the Escrow contract: current state of each escrow and every transition of it."""

from __future__ import annotations

from sqlalchemy import BigInteger, CheckConstraint, Column, Index, Integer, SmallInteger, Table, Text

from indexer.store.columns import flag, last_change, metadata, origin, passing_time, raw, seconds, units

escrow = Table(
    "escrow",
    metadata,
    raw("escrow_id", primary_key=True),
    raw("client"),
    raw("provider"),
    raw("verifier"),
    raw("arbiter"),
    units("amount_units"),
    Column("fee_bps", Integer, nullable=False),
    Column("quorum", SmallInteger, nullable=False),
    seconds("accept_by"),
    seconds("deliver_by"),
    Column("challenge_period", BigInteger, nullable=False),
    Column("dispute_timeout", BigInteger, nullable=False),
    raw("job_hash"),
    units("salt"),
    Column("status", Text, nullable=False),
    units("released_units"),
    units("refunded_units"),
    units("fee_units"),
    units("stake_units"),
    seconds("accepted_at", nullable=True),
    seconds("challenge_ends_at", nullable=True),
    seconds("respond_by", nullable=True),
    seconds("decide_by", nullable=True),
    Column("ruling", SmallInteger, nullable=True),
    raw("deliverable_hash", nullable=True),
    Column("ending", Text, nullable=True),
    Column("outcome", Text, nullable=True),
    flag("stake_locked"),
    flag("rated_by_client"),
    flag("rated_by_provider"),
    *last_change(),
    CheckConstraint("released_units + refunded_units <= amount_units", name="escrow_within_amount"),
    CheckConstraint("released_units >= 0 AND refunded_units >= 0 AND fee_units >= 0", name="escrow_not_negative"),
    Index("escrow_client", "client"),
    Index("escrow_provider", "provider"),
    Index("escrow_open", "status", postgresql_where="status <> 'closed'"),
)

escrow_event = Table(
    "escrow_event",
    metadata,
    *origin(),
    raw("escrow_id"),
    raw("client"),
    raw("provider"),
    Column("kind", Text, nullable=False),
    units("event_amount_units"),
    units("event_fee_units"),
    Column("status", Text, nullable=False),
    units("released_units"),
    units("refunded_units"),
    units("fee_units"),
    units("stake_units"),
    seconds("accepted_at", nullable=True),
    seconds("challenge_ends_at", nullable=True),
    seconds("respond_by", nullable=True),
    seconds("decide_by", nullable=True),
    Column("ruling", SmallInteger, nullable=True),
    raw("deliverable_hash", nullable=True),
    Column("outcome", Text, nullable=True),
    flag("stake_locked"),
    Index("escrow_event_of", "escrow_id", "block_number", "log_index"),
    Index("escrow_event_client", "client", "block_number", "log_index"),
    Index("escrow_event_provider", "provider", "block_number", "log_index"),
    passing_time("escrow_event"),
)

escrow_config = Table(
    "escrow_config",
    metadata,
    raw("contract", primary_key=True),
    raw("fee_recipient"),
    Column("fee_bps", Integer, nullable=False),
    *last_change(),
)
"""Fee and fee recipient in force, one row a contract."""
