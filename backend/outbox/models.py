"""Events for the parties, written in the same commit as the state they speak of; and stored answers by key."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ARRAY, BigInteger, LargeBinary, SmallInteger, Text
from sqlalchemy.orm import Mapped, mapped_column

from backend.db.base import AddressColumn, Base, CreatedAt, HashColumn


class OutboxEvent(Base):
    """One event. `seq` is given by the publisher in commit order, so a reader of `since=seq` never misses one."""

    __tablename__ = "outbox"

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=True)
    seq: Mapped[int | None] = mapped_column(BigInteger, unique=True)
    type: Mapped[str] = mapped_column(Text)
    audience: Mapped[list[bytes] | None] = mapped_column(ARRAY(LargeBinary))
    """Addresses that may see it; null means everybody."""
    payload: Mapped[dict[str, Any]]
    created_at: Mapped[CreatedAt]

    __table_args__ = ({"schema": "app"},)


class StoredAnswer(Base):
    """The answer given to an Idempotency-Key, stored in the same commit as its effect."""

    __tablename__ = "idempotency"

    address: Mapped[AddressColumn] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(Text, primary_key=True)
    route: Mapped[str] = mapped_column(Text, primary_key=True)
    request_hash: Mapped[HashColumn]
    status: Mapped[int] = mapped_column(SmallInteger)
    answer: Mapped[dict[str, Any]]
    created_at: Mapped[CreatedAt]

    __table_args__ = ({"schema": "app"},)
