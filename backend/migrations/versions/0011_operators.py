"""who signed a bid's receipt, pools on their way to another operator, agents' wishes to be claimed"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("bid", sa.Column("operator", sa.LargeBinary(length=20), nullable=True), schema="app")
    op.create_table(
        "pool_move",
        sa.Column("pool_id", sa.LargeBinary(length=32), nullable=False),
        sa.Column("nonce", sa.BigInteger(), nullable=False),
        sa.Column("payer", sa.LargeBinary(length=20), nullable=False),
        sa.Column("withdrawal_id", sa.Uuid(), nullable=False),
        sa.Column("target_pool_id", sa.LargeBinary(length=32), nullable=False),
        sa.Column("payer_authorizer", sa.LargeBinary(length=20), nullable=False),
        sa.Column("operator", sa.LargeBinary(length=20), nullable=False),
        sa.Column("amount_units", sa.Numeric(precision=78, scale=0), nullable=False),
        sa.Column("valid_after", sa.BigInteger(), nullable=False),
        sa.Column("valid_before", sa.BigInteger(), nullable=False),
        sa.Column("salt", sa.LargeBinary(length=32), nullable=False),
        sa.Column("signature", sa.LargeBinary(), nullable=False),
        sa.Column("deposit_id", sa.Uuid(), nullable=True),
        sa.Column("ended_reason", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("amount_units > 0", name=op.f("ck_pool_move_amount")),
        sa.ForeignKeyConstraint(["pool_id"], ["app.pool.pool_id"], name=op.f("fk_pool_move_pool_id_pool")),
        sa.PrimaryKeyConstraint("pool_id", "nonce", name=op.f("pk_pool_move")),
        schema="app",
    )
    op.create_index(
        "ix_pool_move_open", "pool_move", ["created_at"], schema="app",
        postgresql_where=sa.text("deposit_id IS NULL AND ended_reason IS NULL"),
    )  # fmt: skip
    op.create_table(
        "pool_release",
        sa.Column("pool_id", sa.LargeBinary(length=32), nullable=False),
        sa.Column("nonce", sa.BigInteger(), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["pool_id"], ["app.pool.pool_id"], name=op.f("fk_pool_release_pool_id_pool")),
        sa.PrimaryKeyConstraint("pool_id", "nonce", name=op.f("pk_pool_release")),
        schema="app",
    )
    op.create_table(
        "claim_wish",
        sa.Column("channel_id", sa.LargeBinary(length=32), nullable=False),
        sa.Column("total_units", sa.Numeric(precision=78, scale=0), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["channel_id"], ["app.channel.channel_id"], name=op.f("fk_claim_wish_channel_id_channel")
        ),
        sa.PrimaryKeyConstraint("channel_id", name=op.f("pk_claim_wish")),
        schema="app",
    )


def downgrade() -> None:
    op.drop_table("claim_wish", schema="app")
    op.drop_table("pool_release", schema="app")
    op.drop_table("pool_move", schema="app")
    op.drop_column("bid", "operator", schema="app")
