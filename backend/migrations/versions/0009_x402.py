"""paid endpoints, charges and payments of the x402 gateway"""

from __future__ import annotations

from typing import Any, Final

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_UNITS: Final = sa.Numeric(precision=78, scale=0)
_NOW: Final = sa.text("now()")


def _time(name: str, **options: Any) -> sa.Column[Any]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=False, **options)


def _hash(name: str, *, nullable: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.LargeBinary(length=32), nullable=nullable)


def _charges() -> None:
    op.create_table(
        "charge",
        sa.Column("id", sa.Uuid(), nullable=False),
        _hash("channel_id"),
        _hash("pool_id"),
        sa.Column("payer", sa.LargeBinary(length=20), nullable=False),
        sa.Column("ceiling_units", _UNITS, nullable=False),
        sa.Column("price_units", _UNITS, nullable=False),
        sa.Column("earned_units", _UNITS, nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        _time("ends_at"),
        _time("created_at", server_default=_NOW),
        sa.CheckConstraint("price_units > 0", name=op.f("ck_charge_price")),
        sa.CheckConstraint("earned_units BETWEEN 0 AND price_units", name=op.f("ck_charge_earned")),
        sa.CheckConstraint("state in ('reserved', 'earned', 'void')", name=op.f("ck_charge_state")),
        sa.CheckConstraint("(state = 'earned') = (earned_units > 0)", name=op.f("ck_charge_end")),
        sa.ForeignKeyConstraint(["channel_id"], ["app.channel.channel_id"], name=op.f("fk_charge_channel_id_channel")),
        sa.ForeignKeyConstraint(["pool_id"], ["app.pool.pool_id"], name=op.f("fk_charge_pool_id_pool")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_charge")),
        schema="app",
    )
    op.create_index(
        "uq_charge_ceiling", "charge", ["channel_id", "ceiling_units"], unique=True, schema="app",
        postgresql_where=sa.text("state <> 'void'"),
    )  # fmt: skip
    op.create_index(
        "uq_charge_in_flight", "charge", ["channel_id"], unique=True, schema="app",
        postgresql_where=sa.text("state = 'reserved'"),
    )  # fmt: skip
    op.create_table(
        "channel_refund",
        _hash("channel_id"),
        sa.Column("nonce", _UNITS, nullable=False),
        sa.Column("units", _UNITS, nullable=False),
        sa.Column("intent_id", sa.Uuid(), nullable=False),
        sa.Column("final", sa.Boolean(), nullable=False),
        _time("created_at", server_default=_NOW),
        sa.CheckConstraint("units > 0", name=op.f("ck_channel_refund_units")),
        sa.ForeignKeyConstraint(
            ["channel_id"], ["app.channel.channel_id"], name=op.f("fk_channel_refund_channel_id_channel")
        ),
        sa.PrimaryKeyConstraint("channel_id", "nonce", name=op.f("pk_channel_refund")),
        schema="app",
    )


def _endpoints() -> None:
    op.create_table(
        "paid_endpoint",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("agent", sa.LargeBinary(length=20), nullable=False),
        sa.Column("slug", sa.Text(), nullable=False),
        sa.Column("upstream_url", sa.Text(), nullable=False),
        sa.Column("price_units", _UNITS, nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("mime_type", sa.Text(), nullable=False),
        sa.Column("payment_id_required", sa.Boolean(), nullable=False),
        sa.Column("free_again_seconds", sa.Integer(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        _time("created_at", server_default=_NOW),
        _time("updated_at", server_default=_NOW),
        sa.CheckConstraint("price_units > 0", name=op.f("ck_paid_endpoint_price")),
        sa.CheckConstraint("free_again_seconds >= 0", name=op.f("ck_paid_endpoint_free_again")),
        sa.ForeignKeyConstraint(["agent"], ["app.agent.address"], name=op.f("fk_paid_endpoint_agent_agent")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_paid_endpoint")),
        sa.UniqueConstraint("agent", "slug", name=op.f("uq_paid_endpoint_agent_slug")),
        schema="app",
    )
    op.create_table(
        "used_sign_in",
        sa.Column("nonce", sa.Text(), nullable=False),
        _time("used_at"),
        sa.PrimaryKeyConstraint("nonce", name=op.f("pk_used_sign_in")),
        schema="app",
    )


def _payments() -> None:
    op.create_table(
        "x402_payment",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("endpoint_id", sa.Uuid(), nullable=False),
        sa.Column("scheme", sa.Text(), nullable=False),
        sa.Column("payer", sa.LargeBinary(length=20), nullable=False),
        _hash("request_hash"),
        sa.Column("payment_id", sa.Text(), nullable=True),
        sa.Column("charge_id", sa.Uuid(), nullable=True),
        _hash("nonce", nullable=True),
        sa.Column("intent_id", sa.Uuid(), nullable=True),
        sa.Column("price_units", _UNITS, nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("answer_status", sa.Integer(), nullable=True),
        sa.Column("answer_type", sa.Text(), nullable=True),
        sa.Column("answer_body", sa.LargeBinary(), nullable=True),
        sa.Column("response", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        _time("ends_at"),
        _time("created_at", server_default=_NOW),
        sa.CheckConstraint("state in ('open', 'served', 'answered', 'void')", name=op.f("ck_x402_payment_state")),
        sa.CheckConstraint("scheme in ('batch-settlement', 'exact')", name=op.f("ck_x402_payment_scheme")),
        sa.CheckConstraint(
            "(scheme = 'exact') = (nonce IS NOT NULL) AND (scheme = 'exact') = (charge_id IS NULL)",
            name=op.f("ck_x402_payment_way"),
        ),
        sa.ForeignKeyConstraint(
            ["endpoint_id"], ["app.paid_endpoint.id"], name=op.f("fk_x402_payment_endpoint_id_paid_endpoint")
        ),
        sa.ForeignKeyConstraint(["charge_id"], ["app.charge.id"], name=op.f("fk_x402_payment_charge_id_charge")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_x402_payment")),
        sa.UniqueConstraint("charge_id", name=op.f("uq_x402_payment_charge_id")),
        schema="app",
    )
    for name, columns, unique, where in (
        ("uq_x402_payment_id", ["payer", "payment_id"], True, "payment_id IS NOT NULL AND state <> 'void'"),
        ("uq_x402_payment_nonce", ["payer", "nonce"], True, "nonce IS NOT NULL AND state <> 'void'"),
        ("ix_x402_payment_paid", ["endpoint_id", "payer", "created_at"], False, None),
        ("ix_x402_payment_open", ["ends_at"], False, "state in ('open', 'served')"),
        ("ix_x402_payment_kept", ["created_at"], False, "answer_body IS NOT NULL"),
    ):
        condition = None if where is None else sa.text(where)
        op.create_index(name, "x402_payment", columns, unique=unique, schema="app", postgresql_where=condition)


def upgrade() -> None:
    _charges()
    _endpoints()
    _payments()


def downgrade() -> None:
    for table in ("x402_payment", "used_sign_in", "paid_endpoint", "channel_refund", "charge"):
        op.drop_table(table, schema="app")
