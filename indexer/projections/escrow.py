"""Tables of the Escrow contract: current state of each escrow, every transition of it, and the pull ledger."""

from __future__ import annotations

from sqlalchemy import BigInteger, CheckConstraint, Column, Index, Integer, SmallInteger, Table, Text
from sqlalchemy.dialects.postgresql import JSONB

from indexer.store.columns import last_change, metadata, origin, raw, seconds, units

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
    raw("deliverable_hash", nullable=True),
    Column("outcome", Text, nullable=True),
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
    Column("kind", Text, nullable=False),
    Column("fields", JSONB, nullable=False),
    Column("status", Text, nullable=False),
    units("released_units"),
    units("refunded_units"),
    units("fee_units"),
    units("stake_units"),
    seconds("accepted_at", nullable=True),
    seconds("challenge_ends_at", nullable=True),
    raw("deliverable_hash", nullable=True),
    Column("outcome", Text, nullable=True),
    Index("escrow_event_of", "escrow_id", "block_number", "log_index"),
)

ledger = Table(
    "ledger",
    metadata,
    raw("account", primary_key=True),
    units("balance_units"),
    units("credited_units"),
    units("withdrawn_units"),
    *last_change(),
    CheckConstraint("balance_units >= 0", name="ledger_not_negative"),
)

ledger_entry = Table(
    "ledger_entry",
    metadata,
    *origin(),
    raw("account", primary_key=True),
    Column("kind", Text, nullable=False),
    raw("escrow_id", nullable=True),
    units("delta_units"),
    units("balance_units"),
    Index("ledger_entry_of", "account", "block_number", "log_index"),
)
