"""alarms, priorities and budgets of intents, what is known of keys and nodes"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

UNITS = sa.Numeric(precision=78, scale=0)
MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "alarm",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("times", sa.Integer(), server_default="1", nullable=False),
        sa.Column("raised_at", MOMENT, server_default=sa.text("now()"), nullable=False),
        sa.Column("seen_at", MOMENT, server_default=sa.text("now()"), nullable=False),
        sa.Column("cleared_at", MOMENT, nullable=True),
        sa.CheckConstraint("times > 0", name=op.f("ck_alarm_times")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alarm")),
        schema="app",
    )
    op.create_index(
        "uq_alarm_open", "alarm", ["kind", "subject"], unique=True, schema="app",
        postgresql_where=sa.text("cleared_at IS NULL"),
    )  # fmt: skip
    op.add_column("intent", sa.Column("priority", sa.Integer(), server_default="0", nullable=False), schema="txm")
    op.add_column("intent", sa.Column("budget_wei", UNITS, nullable=True), schema="txm")
    op.add_column("intent", sa.Column("cancel_asked_at", MOMENT, nullable=True), schema="txm")
    op.create_check_constraint(op.f("ck_intent_budget_wei"), "intent", "budget_wei >= 0", schema="txm")
    op.add_column("account", sa.Column("balance_wei", UNITS, nullable=True), schema="txm")
    op.add_column("account", sa.Column("balance_at", MOMENT, nullable=True), schema="txm")
    op.create_check_constraint(op.f("ck_account_balance_wei"), "account", "balance_wei >= 0", schema="txm")
    op.add_column("attempt", sa.Column("outcome", sa.Text(), nullable=True), schema="txm")
    op.add_column(
        "attempt", sa.Column("spends_nothing", sa.Boolean(), server_default=sa.false(), nullable=False), schema="txm"
    )
    op.add_column("tx", sa.Column("rejected_intent_id", sa.Uuid(), nullable=True), schema="txm")
    op.create_foreign_key(
        op.f("fk_tx_rejected_intent_id_intent"), "tx", "intent", ["rejected_intent_id"], ["id"],
        source_schema="txm", referent_schema="txm",
    )  # fmt: skip
    op.create_index(op.f("ix_tx_rejected_intent_id"), "tx", ["rejected_intent_id"], schema="txm")
    op.create_table(
        "contract_code",
        sa.Column("chain_id", sa.BigInteger(), nullable=False),
        sa.Column("address", sa.LargeBinary(length=20), nullable=False),
        sa.Column("code_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("created_at", MOMENT, server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("chain_id", "address", name=op.f("pk_contract_code")),
        schema="txm",
    )
    op.create_table(
        "node",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("answers", sa.Boolean(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.Column("updated_at", MOMENT, server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("failures >= 0", name=op.f("ck_node_failures")),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_node")),
        schema="txm",
    )


def downgrade() -> None:
    op.drop_table("node", schema="txm")
    op.drop_table("contract_code", schema="txm")
    op.drop_column("tx", "rejected_intent_id", schema="txm")
    op.drop_column("attempt", "spends_nothing", schema="txm")
    op.drop_column("attempt", "outcome", schema="txm")
    op.drop_column("account", "balance_at", schema="txm")
    op.drop_column("account", "balance_wei", schema="txm")
    op.drop_column("intent", "cancel_asked_at", schema="txm")
    op.drop_column("intent", "budget_wei", schema="txm")
    op.drop_column("intent", "priority", schema="txm")
    op.drop_table("alarm", schema="app")
