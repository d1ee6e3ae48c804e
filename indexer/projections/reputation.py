"""Tables of the Reputation contract: stake of each agent, locks by escrow, and the record of outcomes."""

from __future__ import annotations

from sqlalchemy import BigInteger, CheckConstraint, Column, Index, Integer, Table, Text
from sqlalchemy.dialects.postgresql import JSONB

from indexer.store.columns import flag, last_change, metadata, origin, raw, seconds, units

stake = Table(
    "stake",
    metadata,
    raw("agent", primary_key=True),
    units("staked_units"),
    units("locked_units"),
    units("unbonding_units"),
    seconds("unbond_at", nullable=True),
    units("slashed_units"),
    *last_change(),
    CheckConstraint("locked_units >= 0 AND locked_units <= staked_units", name="stake_locked_within"),
)

stake_event = Table(
    "stake_event",
    metadata,
    *origin(),
    raw("agent"),
    Column("kind", Text, nullable=False),
    Column("fields", JSONB, nullable=False),
    units("staked_units"),
    units("locked_units"),
    units("unbonding_units"),
    seconds("unbond_at", nullable=True),
    units("slashed_units"),
    Index("stake_event_of", "agent", "block_number", "log_index"),
)

stake_lock = Table(
    "stake_lock",
    metadata,
    raw("escrow_id", primary_key=True),
    raw("agent"),
    units("amount_units"),
    units("slashed_units"),
    Column("state", Text, nullable=False),
    *last_change(),
    Index("stake_lock_agent", "agent"),
)

agent_record = Table(
    "agent_record",
    metadata,
    raw("agent", primary_key=True),
    Column("completed", Integer, nullable=False),
    Column("failed", Integer, nullable=False),
    Column("disputed", Integer, nullable=False),
    Column("lost", Integer, nullable=False),
    units("settled_units"),
    seconds("last_outcome_at", nullable=True),
    *last_change(),
)
"""What the contract's own O(1) record says of an agent."""

bonus_pool = Table(
    "bonus_pool",
    metadata,
    raw("contract", primary_key=True),
    units("balance_units"),
    *last_change(),
    CheckConstraint("balance_units >= 0", name="bonus_pool_not_negative"),
)

score_epoch = Table(
    "score_epoch",
    metadata,
    raw("epoch_id", primary_key=True),
    units("epoch"),
    raw("root"),
    Column("leaf_count", BigInteger, nullable=False),
    raw("manifest_hash"),
    Column("uri", Text, nullable=False),
    seconds("anchored_at"),
    seconds("active_at"),
    flag("vetoed"),
    *last_change(),
)
"""Anchored roots of scores; one counts from `active_at` on, unless the guardian vetoed it before."""
