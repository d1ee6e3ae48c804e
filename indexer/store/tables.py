"""Tables the indexer keeps for itself: its position, unfinalised blocks, raw logs, undo journal, dead letters."""

from __future__ import annotations

from sqlalchemy import (
    ARRAY,
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    Identity,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Table,
    Text,
    func,
)
from sqlalchemy.dialects.postgresql import JSONB

from indexer.store.columns import metadata, raw, seconds

meta = Table(
    "meta",
    metadata,
    Column("id", SmallInteger, CheckConstraint("id = 1"), primary_key=True),
    Column("version", Integer, nullable=False),
    Column("chain_id", BigInteger, nullable=False),
    raw("genesis_hash"),
    raw("deployment_digest"),
    Column("start_block", BigInteger, nullable=False),
)
"""What this schema mirrors; a database of another chain or deployment is refused, never mixed."""

cursor = Table(
    "cursor",
    metadata,
    Column("id", SmallInteger, CheckConstraint("id = 1"), primary_key=True),
    Column("number", BigInteger, nullable=False),
    raw("hash"),
    seconds("block_time"),
    Column("safe_number", BigInteger, nullable=False),
    Column("finalized_number", BigInteger, nullable=False),
    raw("finalized_hash"),
    seconds("finalized_time"),
    Column("epoch", BigInteger, nullable=False),
    Column("updated_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    CheckConstraint("finalized_number <= safe_number AND safe_number <= number", name="cursor_order"),
)
"""The one row every write compares and sets: last block taken, marks of finality, epoch of the running indexer."""

block = Table(
    "block",
    metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    raw("hash"),
    raw("parent_hash"),
    seconds("time"),
)
"""Every block above the finalised one, and that one itself."""

log = Table(
    "log",
    metadata,
    Column("block_number", BigInteger, primary_key=True, autoincrement=False),
    Column("log_index", Integer, primary_key=True, autoincrement=False),
    raw("block_hash"),
    raw("tx_hash"),
    seconds("block_time"),
    raw("address"),
    Column("topics", ARRAY(LargeBinary), nullable=False),
    raw("data"),
)
"""Raw logs of our contracts on the chain we follow; projections can be rebuilt from them."""

undo = Table(
    "undo",
    metadata,
    Column("block_number", BigInteger, primary_key=True, autoincrement=False),
    Column("table_name", Text, primary_key=True),
    raw("key", primary_key=True),
    Column("before", JSONB(none_as_null=True), nullable=True),
)
"""The row of a state table as it was before an unfinalised block changed it; null where there was none."""

missing_range = Table(
    "missing_range",
    metadata,
    Column("first", BigInteger, primary_key=True, autoincrement=False),
    Column("last", BigInteger, nullable=False),
    Column("reason", Text, nullable=False),
    CheckConstraint("first <= last", name="missing_range_order"),
)
"""Stretches of finalised blocks passed over for now: raw logs above them may be held, projections stop before them."""

health = Table(
    "health",
    metadata,
    Column("id", SmallInteger, CheckConstraint("id = 1"), primary_key=True),
    Column("state", Text, CheckConstraint("state IN ('ok', 'stalled', 'stopped')"), nullable=False),
    Column("reason", Text, nullable=False),
    Column("since", DateTime(timezone=True), nullable=False, server_default=func.now()),
)
"""What the indexer says of itself: `stalled` waits for something and goes on, `stopped` needs a person."""

dead_letter = Table(
    "dead_letter",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("block_number", BigInteger, nullable=False),
    Column("log_index", Integer, nullable=False),
    raw("block_hash"),
    raw("tx_hash"),
    raw("address"),
    Column("topics", ARRAY(LargeBinary), nullable=False),
    raw("data"),
    Column("error", Text, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Index("dead_letter_log", "block_hash", "log_index", unique=True),
)
"""Logs of our own contracts nobody could decode. The stream stops at the first one."""
