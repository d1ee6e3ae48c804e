"""tasks offered to one agent at a time, and what newcomers are owed"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "task_offer",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("task_id", sa.Uuid(), nullable=False),
        sa.Column("agent", sa.LargeBinary(length=20), nullable=False),
        sa.Column("max_units", sa.Numeric(78, 0), nullable=False),
        sa.Column("rule_version", sa.Integer(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("points_bps", sa.Integer(), nullable=False),
        sa.Column("refused", postgresql.JSONB(), nullable=False),
        sa.Column("breaker_turn", sa.BigInteger(), nullable=False),
        sa.Column("offered_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("answer_until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("answer", sa.Text(), nullable=True),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("bid_hash", sa.LargeBinary(length=32), nullable=True),
        sa.CheckConstraint("answer IN ('bid', 'declined', 'silent', 'void')", name=op.f("ck_task_offer_answer")),
        sa.CheckConstraint("(answer IS NULL) = (answered_at IS NULL)", name=op.f("ck_task_offer_answered")),
        sa.CheckConstraint(
            "(answer IS NOT DISTINCT FROM 'bid') = (bid_hash IS NOT NULL)", name=op.f("ck_task_offer_bid")
        ),
        sa.ForeignKeyConstraint(["task_id"], ["app.task.id"], name=op.f("fk_task_offer_task_id_task")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_task_offer")),
        schema="app",
    )
    op.create_index(op.f("ix_task_offer_task_id"), "task_offer", ["task_id"], unique=False, schema="app")
    op.create_index(
        "uq_task_offer_live", "task_offer", ["task_id"], unique=True, schema="app",
        postgresql_where=sa.text("answer IS NULL"),
    )  # fmt: skip
    op.create_index(
        "uq_task_offer_once", "task_offer", ["task_id", "agent"], unique=True, schema="app",
        postgresql_where=sa.text("answer IS DISTINCT FROM 'void'"),
    )  # fmt: skip
    op.create_index(
        "ix_task_offer_waiting", "task_offer", ["agent"], unique=False, schema="app",
        postgresql_where=sa.text("answer IS NULL"),
    )  # fmt: skip
    op.create_table(
        "newcomer_credit",
        sa.Column("id", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("credit", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_newcomer_credit_one")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_newcomer_credit")),
        schema="app",
    )
    op.execute("INSERT INTO app.newcomer_credit (id, credit) VALUES (1, 0)")


def downgrade() -> None:
    for name in ("newcomer_credit", "task_offer"):
        op.drop_table(name, schema="app")
