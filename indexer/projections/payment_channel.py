"""Tables of the PaymentChannel contract: channels, pools and receivers, with running values in every event row."""

from __future__ import annotations

from sqlalchemy import BigInteger, CheckConstraint, Column, Index, Integer, Table, Text

from indexer.store.columns import last_change, metadata, origin, passing_time, raw, seconds, units

channel = Table(
    "channel",
    metadata,
    raw("channel_id", primary_key=True),
    raw("payer"),
    raw("payer_authorizer"),
    raw("receiver"),
    raw("receiver_authorizer"),
    raw("token"),
    Column("withdraw_delay", BigInteger, nullable=False),
    raw("salt"),
    raw("pool_id"),
    units("balance_units"),
    units("total_claimed_units"),
    units("drawn_units"),
    units("withdraw_units"),
    seconds("withdraw_finalize_at", nullable=True),
    *last_change(),
    CheckConstraint("total_claimed_units >= 0 AND total_claimed_units <= balance_units", name="channel_covered"),
    Index("channel_payer", "payer"),
    Index("channel_receiver", "receiver"),
    Index("channel_pool", "pool_id"),
)

channel_event = Table(
    "channel_event",
    metadata,
    *origin(),
    raw("channel_id"),
    raw("payer"),
    raw("receiver"),
    Column("kind", Text, nullable=False),
    units("event_amount_units"),
    units("balance_units"),
    units("total_claimed_units"),
    units("drawn_units"),
    units("withdraw_units"),
    seconds("withdraw_finalize_at", nullable=True),
    Index("channel_event_of", "channel_id", "block_number", "log_index"),
    Index("channel_event_payer", "payer", "block_number", "log_index"),
    Index("channel_event_receiver", "receiver", "block_number", "log_index"),
    passing_time("channel_event"),
)

pool = Table(
    "pool",
    metadata,
    raw("pool_id", primary_key=True),
    raw("payer"),
    raw("payer_authorizer"),
    raw("operator"),
    units("balance_units"),
    units("drawn_units"),
    units("withdraw_units"),
    seconds("finalize_at", nullable=True),
    Column("nonce", BigInteger, nullable=False),
    *last_change(),
    CheckConstraint("balance_units >= 0 AND drawn_units >= 0 AND withdraw_units >= 0", name="pool_not_negative"),
    Index("pool_payer", "payer"),
)

pool_event = Table(
    "pool_event",
    metadata,
    *origin(),
    raw("pool_id"),
    raw("payer"),
    Column("kind", Text, nullable=False),
    units("event_amount_units"),
    units("balance_units"),
    units("drawn_units"),
    units("withdraw_units"),
    seconds("finalize_at", nullable=True),
    Column("nonce", BigInteger, nullable=False),
    Index("pool_event_of", "pool_id", "block_number", "log_index"),
    Index("pool_event_payer", "payer", "block_number", "log_index"),
    passing_time("pool_event"),
)

pool_withdraw_seen = Table(
    "pool_withdraw_seen",
    metadata,
    raw("pool_id", primary_key=True),
    raw("block_hash", primary_key=True),
    Column("log_index", Integer, primary_key=True, autoincrement=False),
    Column("block_number", BigInteger, nullable=False),
    raw("tx_hash"),
    seconds("block_time"),
    units("amount_units"),
)
"""Withdrawals announced in any unfinalised block, orphaned ones too: finality deletes them, a reorg does not."""

receiver = Table(
    "receiver",
    metadata,
    raw("receiver", primary_key=True),
    units("claimed_units"),
    units("settled_units"),
    *last_change(),
    CheckConstraint("settled_units >= 0 AND settled_units <= claimed_units", name="receiver_covered"),
)

receiver_event = Table(
    "receiver_event",
    metadata,
    *origin(),
    raw("receiver"),
    Column("kind", Text, nullable=False),
    units("claimed_units"),
    units("settled_units"),
    Index("receiver_event_of", "receiver", "block_number", "log_index"),
    passing_time("receiver_event"),
)
