"""Column types of the `chain` schema: exact base units, addresses, hashes, seconds, and where a row comes from."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from sqlalchemy import BigInteger, Boolean, Column, Dialect, Index, Integer, LargeBinary, MetaData, Numeric
from sqlalchemy.types import TypeDecorator

SCHEMA = "chain"
"""Name consumers read. The indexer writes to `chain_v<N>`, behind the views of this schema."""

metadata = MetaData(schema=SCHEMA)


class Units(TypeDecorator[int]):
    """An integer of up to 256 bits, kept exactly: NUMERIC(78,0) in the database, `int` in Python."""

    impl = Numeric(78, 0)
    cache_ok = True

    def process_bind_param(self, value: int | None, dialect: Dialect) -> Decimal | None:  # noqa: ARG002
        return None if value is None else Decimal(value)

    def process_result_value(self, value: Any | None, dialect: Dialect) -> int | None:  # noqa: ARG002
        return None if value is None else int(value)


def units(name: str, *, nullable: bool = False) -> Column[int]:
    """Return an amount, counter or on-chain number column."""
    return Column(name, Units, nullable=nullable)


def flag(name: str) -> Column[bool]:
    """Return a yes-or-no column that is never null."""
    return Column(name, Boolean, nullable=False)


def raw(name: str, *, primary_key: bool = False, nullable: bool = False) -> Column[bytes]:
    """Return an address, hash or id column."""
    return Column(name, LargeBinary, primary_key=primary_key, nullable=nullable)


def seconds(name: str, *, nullable: bool = False) -> Column[int]:
    """Return a column of unix seconds."""
    return Column(name, BigInteger, nullable=nullable)


def origin() -> tuple[Column[Any], ...]:
    """Return the columns that say which log an append-only row comes from; block and log index form its key."""
    return (
        Column("block_number", BigInteger, primary_key=True),
        Column("log_index", Integer, primary_key=True),
        raw("block_hash"),
        raw("tx_hash"),
        seconds("block_time"),
    )


def last_change() -> tuple[Column[Any], ...]:
    """Return the columns of a state row that say which log changed it last."""
    return (
        Column("block_number", BigInteger, nullable=False),
        Column("log_index", Integer, nullable=False),
        raw("block_hash"),
        raw("tx_hash"),
    )


def passing_time(table: str) -> Index:
    """Return an index by time for an append-only table: its rows lie in that order, so a few pages are enough."""
    return Index(f"{table}_time", "block_time", postgresql_using="brin", postgresql_with={"autosummarize": "on"})
