"""Pools on their way to another operator, and withdrawals the operator lets go early."""

from __future__ import annotations

import uuid

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from backend.db.base import AddressColumn, Base, CreatedAt, HashColumn, Moment, SignatureColumn, UnitsColumn


class PoolMove(Base):
    """A signed withdrawal and the signed deposit that follows it; named by the pool it leaves and that pool's nonce."""

    __tablename__ = "pool_move"

    pool_id: Mapped[HashColumn] = mapped_column(ForeignKey("app.pool.pool_id"), primary_key=True)
    nonce: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    """The nonce the withdrawal was signed for: announcing it and ending it move the pool's nonce on by one each."""
    payer: Mapped[AddressColumn]
    withdrawal_id: Mapped[uuid.UUID]
    target_pool_id: Mapped[HashColumn]
    payer_authorizer: Mapped[AddressColumn]
    operator: Mapped[AddressColumn]
    amount_units: Mapped[UnitsColumn]
    valid_after: Mapped[int] = mapped_column(BigInteger)
    valid_before: Mapped[int] = mapped_column(BigInteger)
    salt: Mapped[HashColumn]
    signature: Mapped[SignatureColumn]
    deposit_id: Mapped[uuid.UUID | None]
    """The deposit's intent, once the withdrawal has been paid."""
    ended_reason: Mapped[str | None] = mapped_column(Text)
    """Why there will be no deposit: a problem's code, `withdrawal_failed` or `withdrawal_cancelled`."""
    created_at: Mapped[CreatedAt]

    __table_args__ = (
        CheckConstraint("amount_units > 0", name="amount"),
        Index("ix_pool_move_open", "created_at", postgresql_where=text("deposit_id IS NULL AND ended_reason IS NULL")),
        {"schema": "app"},
    )


class PoolRelease(Base):
    """When a withdrawal was first found to be one the operator can let go early."""

    __tablename__ = "pool_release"

    pool_id: Mapped[HashColumn] = mapped_column(ForeignKey("app.pool.pool_id"), primary_key=True)
    nonce: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    seen_at: Mapped[Moment]

    __table_args__ = ({"schema": "app"},)
