"""Paid endpoints of agents, and the payments made at them with the answers they got."""

from __future__ import annotations

import uuid
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, LargeBinary, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from backend.db.base import AddressColumn, Base, CreatedAt, HashColumn, Moment, UnitsColumn


class PaidEndpoint(Base):
    """A URL of an agent that the gateway stands in front of."""

    __tablename__ = "paid_endpoint"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    agent: Mapped[AddressColumn] = mapped_column(ForeignKey("app.agent.address"))
    slug: Mapped[str] = mapped_column(Text)
    upstream_url: Mapped[str] = mapped_column(Text)
    """Told to nobody but the agent."""
    price_units: Mapped[UnitsColumn]
    description: Mapped[str] = mapped_column(Text)
    mime_type: Mapped[str] = mapped_column(Text)
    payment_id_required: Mapped[bool] = mapped_column(default=False)
    free_again_seconds: Mapped[int] = mapped_column(default=0)
    """How long who has paid may come again by `sign-in-with-x`; 0 where the extension is not offered."""
    active: Mapped[bool] = mapped_column(default=True)
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[CreatedAt]

    __table_args__ = (
        UniqueConstraint("agent", "slug"),
        CheckConstraint("price_units > 0", name="price"),
        CheckConstraint("free_again_seconds >= 0", name="free_again"),
        {"schema": "app"},
    )


class X402Payment(Base):
    """One paid request. `state`: open, served (answered by the agent, its transfer under way), answered, void.

    An identifier, a token authorization and a charge pay at most one request that is not void.
    """

    __tablename__ = "x402_payment"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    endpoint_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("app.paid_endpoint.id"))
    scheme: Mapped[str] = mapped_column(Text)
    payer: Mapped[AddressColumn]
    request_hash: Mapped[HashColumn]
    """Of endpoint, method, query and body: what was bought."""
    payment_id: Mapped[str | None] = mapped_column(Text)
    charge_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("app.charge.id"), unique=True)
    nonce: Mapped[HashColumn | None]
    """Of the token authorization, where the payment is one transfer."""
    intent_id: Mapped[uuid.UUID | None]
    """The transfer's transaction, or the deposit's that came with a voucher."""
    price_units: Mapped[UnitsColumn]
    state: Mapped[str] = mapped_column(Text)
    answer_status: Mapped[int | None]
    answer_type: Mapped[str | None] = mapped_column(Text)
    answer_body: Mapped[bytes | None] = mapped_column(LargeBinary)
    """Kept for a day."""
    response: Mapped[dict[str, Any] | None]
    """What PAYMENT-RESPONSE says."""
    ends_at: Mapped[Moment]
    created_at: Mapped[CreatedAt]

    __table_args__ = (
        CheckConstraint("state in ('open', 'served', 'answered', 'void')", name="state"),
        CheckConstraint("scheme in ('batch-settlement', 'exact')", name="scheme"),
        CheckConstraint(
            "(scheme = 'exact') = (nonce IS NOT NULL) AND (scheme = 'exact') = (charge_id IS NULL)", name="way"
        ),
        Index("uq_x402_payment_id", "payer", "payment_id", unique=True,
              postgresql_where=text("payment_id IS NOT NULL AND state <> 'void'")),
        Index("uq_x402_payment_nonce", "payer", "nonce", unique=True,
              postgresql_where=text("nonce IS NOT NULL AND state <> 'void'")),
        Index("ix_x402_payment_paid", "endpoint_id", "payer", "created_at"),
        Index("ix_x402_payment_open", "ends_at", postgresql_where=text("state in ('open', 'served')")),
        Index("ix_x402_payment_kept", "created_at", postgresql_where=text("answer_body IS NOT NULL")),
        {"schema": "app"},
    )  # fmt: skip


class UsedSignIn(Base):
    """A nonce of `sign-in-with-x` that has opened a resource."""

    __tablename__ = "used_sign_in"

    nonce: Mapped[str] = mapped_column(Text, primary_key=True)
    used_at: Mapped[Moment]

    __table_args__ = ({"schema": "app"},)
