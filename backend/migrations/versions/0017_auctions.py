"""sealed bids, awards by the rule with their records, buyers' orders for a buy-now price

Awards made before were all chosen by their buyers.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

_SEALED = "num_nulls(commitment, commit_signature, reveal_receipt_signature) IN (0, 3)"
_RECORD = "(decided_by = 'rule') = (record IS NOT NULL) AND (record IS NULL) = (record_signature IS NULL)"


def upgrade() -> None:
    op.add_column("task", sa.Column("reveal_ends_at", sa.DateTime(timezone=True), nullable=True), schema="app")
    op.add_column("bid", sa.Column("commitment", sa.LargeBinary(length=32), nullable=True), schema="app")
    op.add_column("bid", sa.Column("commit_signature", sa.LargeBinary(), nullable=True), schema="app")
    op.add_column("bid", sa.Column("reveal_receipt_signature", sa.LargeBinary(), nullable=True), schema="app")
    op.create_check_constraint(op.f("ck_bid_sealed"), "bid", _SEALED, schema="app")
    op.add_column(
        "award", sa.Column("decided_by", sa.Text(), nullable=False, server_default=sa.text("'buyer'")), schema="app"
    )
    op.alter_column("award", "decided_by", server_default=None, schema="app")
    op.add_column("award", sa.Column("record", postgresql.JSONB(), nullable=True), schema="app")
    op.add_column("award", sa.Column("record_signature", sa.LargeBinary(), nullable=True), schema="app")
    op.create_check_constraint(
        op.f("ck_award_decided_by"), "award", "decided_by IN ('buyer', 'rule', 'order')", schema="app"
    )
    op.create_check_constraint(op.f("ck_award_record"), "award", _RECORD, schema="app")
    op.create_table(
        "bid_commit",
        sa.Column("bid_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("task_id", sa.Uuid(), nullable=False),
        sa.Column("agent", sa.LargeBinary(length=20), nullable=False),
        sa.Column("commitment", sa.LargeBinary(length=32), nullable=False),
        sa.Column("valid_until", sa.BigInteger(), nullable=False),
        sa.Column("signature", sa.LargeBinary(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("receipt_signature", sa.LargeBinary(), nullable=False),
        sa.Column("operator", sa.LargeBinary(length=20), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("revealed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("withdrawn_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("withdrawal_signature", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(["task_id"], ["app.task.id"], name=op.f("fk_bid_commit_task_id_task")),
        sa.PrimaryKeyConstraint("bid_hash", name=op.f("pk_bid_commit")),
        sa.UniqueConstraint("task_id", "seq", name=op.f("uq_bid_commit_task_id_seq")),
        schema="app",
    )
    op.create_index(op.f("ix_bid_commit_agent"), "bid_commit", ["agent"], unique=False, schema="app")
    op.create_index(op.f("ix_bid_commit_task_id"), "bid_commit", ["task_id"], unique=False, schema="app")
    op.create_table(
        "task_order",
        sa.Column("order_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("task_id", sa.Uuid(), nullable=False),
        sa.Column("max_units", sa.Numeric(78, 0), nullable=False),
        sa.Column("valid_until", sa.BigInteger(), nullable=False),
        sa.Column("salt", sa.LargeBinary(length=32), nullable=False),
        sa.Column("signature", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("max_units > 0", name=op.f("ck_task_order_price")),
        sa.ForeignKeyConstraint(["task_id"], ["app.task.id"], name=op.f("fk_task_order_task_id_task")),
        sa.PrimaryKeyConstraint("order_hash", name=op.f("pk_task_order")),
        sa.UniqueConstraint("task_id", name=op.f("uq_task_order_task_id")),
        schema="app",
    )


def downgrade() -> None:
    op.drop_table("task_order", schema="app")
    op.drop_table("bid_commit", schema="app")
    op.drop_constraint(op.f("ck_award_record"), "award", schema="app")
    op.drop_constraint(op.f("ck_award_decided_by"), "award", schema="app")
    for name in ("record_signature", "record", "decided_by"):
        op.drop_column("award", name, schema="app")
    op.drop_constraint(op.f("ck_bid_sealed"), "bid", schema="app")
    for name in ("reveal_receipt_signature", "commit_signature", "commitment"):
        op.drop_column("bid", name, schema="app")
    op.drop_column("task", "reveal_ends_at", schema="app")
