"""what operators end by hand: alarms and the rests of nodes; circuit breakers of agents"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("alarm", sa.Column("cleared_by", sa.LargeBinary(length=20), nullable=True), schema="app")
    op.add_column("node", sa.Column("reset_at", sa.DateTime(timezone=True), nullable=True), schema="txm")
    op.create_table(
        "breaker",
        sa.Column("agent", sa.LargeBinary(length=20), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("turn", sa.BigInteger(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("rest_ms", sa.Integer(), nullable=False),
        sa.Column("until_ms", sa.BigInteger(), nullable=False),
        sa.Column("given", sa.Integer(), nullable=False),
        sa.Column("succeeded", sa.Integer(), nullable=False),
        sa.Column("opened", sa.BigInteger(), nullable=False),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.Column("failed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("state in ('closed', 'open', 'half_open')", name=op.f("ck_breaker_state")),
        sa.CheckConstraint(
            "failures >= 0 AND given >= 0 AND succeeded >= 0 AND rest_ms >= 0", name=op.f("ck_breaker_counts")
        ),
        sa.PrimaryKeyConstraint("agent", name=op.f("pk_breaker")),
        schema="app",
    )


def downgrade() -> None:
    op.drop_table("breaker", schema="app")
    op.drop_column("node", "reset_at", schema="txm")
    op.drop_column("alarm", "cleared_by", schema="app")
