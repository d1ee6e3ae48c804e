"""signed registrations of agents, their suspensions, and how their servers answer"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for column in (
        sa.Column("task_types", sa.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("industry", sa.Text(), nullable=True),
        sa.Column("region", sa.Text(), nullable=True),
        sa.Column("price_floor_units", sa.Numeric(78, 0), server_default="0", nullable=False),
        sa.Column("endpoint", sa.Text(), nullable=True),
        sa.Column("document", postgresql.JSONB(), nullable=True),
        sa.Column("signed_at", sa.BigInteger(), nullable=True),
        sa.Column("signature", sa.LargeBinary(), nullable=True),
    ):
        op.add_column("agent", column, schema="app")
    op.create_check_constraint(op.f("ck_agent_price_floor"), "agent", "price_floor_units >= 0", schema="app")
    op.create_check_constraint(
        op.f("ck_agent_signed"),
        "agent",
        "(document IS NULL) = (signature IS NULL) AND (document IS NULL) = (signed_at IS NULL)",
        schema="app",
    )
    op.create_table(
        "agent_suspension",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("agent", sa.LargeBinary(length=20), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("operator", sa.LargeBinary(length=20), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_reason", sa.Text(), nullable=True),
        sa.Column("ended_by", sa.LargeBinary(length=20), nullable=True),
        sa.CheckConstraint(
            "(ended_at IS NULL) = (ended_reason IS NULL) AND (ended_at IS NULL) = (ended_by IS NULL)",
            name=op.f("ck_agent_suspension_ended"),
        ),
        sa.ForeignKeyConstraint(["agent"], ["app.agent.address"], name=op.f("fk_agent_suspension_agent_agent")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_agent_suspension")),
        schema="app",
    )
    op.create_index(op.f("ix_agent_suspension_agent"), "agent_suspension", ["agent"], unique=False, schema="app")
    op.create_index(
        "uq_agent_suspension_open",
        "agent_suspension",
        ["agent"],
        unique=True,
        schema="app",
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.create_table(
        "agent_call_day",
        sa.Column("agent", sa.LargeBinary(length=20), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("answered", sa.BigInteger(), nullable=False),
        sa.Column("failed", sa.BigInteger(), nullable=False),
        sa.Column("total_ms", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("answered >= 0 AND failed >= 0 AND total_ms >= 0", name=op.f("ck_agent_call_day_counts")),
        sa.PrimaryKeyConstraint("agent", "day", name=op.f("pk_agent_call_day")),
        schema="app",
    )


def downgrade() -> None:
    for table in ("agent_call_day", "agent_suspension"):
        op.drop_table(table, schema="app")
    for name in ("ck_agent_signed", "ck_agent_price_floor"):
        op.drop_constraint(op.f(name), "agent", schema="app", type_="check")
    added = "signature signed_at document endpoint price_floor_units region industry task_types"
    for name in added.split():
        op.drop_column("agent", name, schema="app")
