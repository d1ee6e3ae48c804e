"""Computed epochs of scores with their leaves, signed vouches, and who gave each account its first USDC.

Epochs and scores are append-only: the database refuses to change or delete one. Whether an epoch is anchored, vetoed
or was never sent is not here: the mirror and the intents tell.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from backend.db.base import AddressColumn, Base, CreatedAt, HashColumn, Moment, SignatureColumn, UnitsColumn


class ScoreEpoch(Base):
    """An epoch as it was computed. A number may be computed again where nothing came to the chain under it."""

    __tablename__ = "score_epoch"

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=True)
    epoch: Mapped[int] = mapped_column(BigInteger, index=True)
    """The number the contract will give it."""
    ended_at: Mapped[Moment]
    """A midnight UTC."""
    block_number: Mapped[int] = mapped_column(BigInteger)
    root: Mapped[HashColumn]
    leaf_count: Mapped[int]
    manifest_hash: Mapped[HashColumn] = mapped_column(unique=True)
    manifest: Mapped[dict[str, Any]]
    uri: Mapped[str] = mapped_column(Text)
    created_at: Mapped[CreatedAt]

    __table_args__ = (
        UniqueConstraint("epoch", "ended_at"),
        CheckConstraint("epoch > 0 AND leaf_count > 0", name="not_empty"),
        {"schema": "app"},
    )


class Score(Base):
    """What one epoch says of one agent. Scores in hundredths."""

    __tablename__ = "score"

    epoch_id: Mapped[int] = mapped_column(ForeignKey("app.score_epoch.id"), primary_key=True)
    agent: Mapped[AddressColumn] = mapped_column(primary_key=True)
    score: Mapped[int]
    settled_value_units: Mapped[UnitsColumn]
    jobs: Mapped[int] = mapped_column(BigInteger)
    tier: Mapped[str] = mapped_column(Text)
    detail: Mapped[dict[str, Any]]
    """The steps to the score, the finer scores and the forecast, as `backend.reputation.epochs` writes them."""

    __table_args__ = (
        CheckConstraint("score BETWEEN 2000 AND 10000", name="on_the_scale"),
        CheckConstraint("settled_value_units >= 0 AND jobs > 0", name="settled"),
        Index("ix_score_order", "epoch_id", "score", "agent"),
        Index("ix_score_agent", "agent", "epoch_id"),
        {"schema": "app"},
    )


class FirstFunder(Base):
    """Who gave an account its first USDC since the contracts were deployed; only final blocks are read.

    `funder` is null while nobody has given the least gift in all by `scanned_to`, and the zero address where that was
    minted; until then `sums` are the base units by sender, both as in JSON.
    """

    __tablename__ = "first_funder"

    account: Mapped[AddressColumn] = mapped_column(primary_key=True)
    funder: Mapped[AddressColumn | None]
    scanned_to: Mapped[int] = mapped_column(BigInteger)
    sums: Mapped[dict[str, Any]]

    __table_args__ = ({"schema": "app"},)


class SignedVouch(Base):
    """A `Vouch` an agent has signed for another one: it may not be taken back, and its epochs name it for ever."""

    __tablename__ = "vouch"

    vouch_hash: Mapped[HashColumn] = mapped_column(primary_key=True)
    voucher: Mapped[AddressColumn] = mapped_column(index=True)
    agent: Mapped[AddressColumn] = mapped_column(index=True)
    at_risk_units: Mapped[UnitsColumn]
    """What it carries of the other's failures at most; the stake itself is not touched."""
    valid_from: Mapped[int] = mapped_column(BigInteger)
    valid_until: Mapped[int] = mapped_column(BigInteger)
    salt: Mapped[HashColumn]
    signature: Mapped[SignatureColumn]
    created_at: Mapped[CreatedAt]

    __table_args__ = (
        CheckConstraint("at_risk_units > 0", name="at_risk"),
        CheckConstraint("valid_from < valid_until", name="time"),
        CheckConstraint("voucher <> agent", name="another"),
        {"schema": "app"},
    )
