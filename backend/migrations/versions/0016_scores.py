"""computed epochs of scores, their leaves, and who gave each account its first USDC"""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0016"
down_revision = "0013"
branch_labels = None
depends_on = None

_KEPT: Final = """
CREATE FUNCTION app.scores_are_kept() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'a computed score is never changed: the next epoch has the next one'
        USING ERRCODE = 'insufficient_privilege';
END $$;

CREATE TRIGGER score_epoch_is_kept BEFORE UPDATE OR DELETE ON app.score_epoch
    FOR EACH STATEMENT EXECUTE FUNCTION app.scores_are_kept();
CREATE TRIGGER score_is_kept BEFORE UPDATE OR DELETE ON app.score
    FOR EACH STATEMENT EXECUTE FUNCTION app.scores_are_kept();
"""


def upgrade() -> None:
    op.create_table(
        "score_epoch",
        sa.Column("id", sa.BigInteger(), autoincrement=True, nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("block_number", sa.BigInteger(), nullable=False),
        sa.Column("root", sa.LargeBinary(length=32), nullable=False),
        sa.Column("leaf_count", sa.Integer(), nullable=False),
        sa.Column("manifest_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("manifest", postgresql.JSONB(), nullable=False),
        sa.Column("uri", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("epoch > 0 AND leaf_count > 0", name=op.f("ck_score_epoch_not_empty")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_score_epoch")),
        sa.UniqueConstraint("epoch", "ended_at", name=op.f("uq_score_epoch_epoch_ended_at")),
        sa.UniqueConstraint("manifest_hash", name=op.f("uq_score_epoch_manifest_hash")),
        schema="app",
    )
    op.create_index(op.f("ix_score_epoch_epoch"), "score_epoch", ["epoch"], unique=False, schema="app")
    op.create_table(
        "score",
        sa.Column("epoch_id", sa.BigInteger(), nullable=False),
        sa.Column("agent", sa.LargeBinary(length=20), nullable=False),
        sa.Column("score", sa.Integer(), nullable=False),
        sa.Column("settled_value_units", sa.Numeric(78, 0), nullable=False),
        sa.Column("jobs", sa.BigInteger(), nullable=False),
        sa.Column("tier", sa.Text(), nullable=False),
        sa.Column("detail", postgresql.JSONB(), nullable=False),
        sa.CheckConstraint("score BETWEEN 2000 AND 10000", name=op.f("ck_score_on_the_scale")),
        sa.CheckConstraint("settled_value_units >= 0 AND jobs > 0", name=op.f("ck_score_settled")),
        sa.ForeignKeyConstraint(["epoch_id"], ["app.score_epoch.id"], name=op.f("fk_score_epoch_id_score_epoch")),
        sa.PrimaryKeyConstraint("epoch_id", "agent", name=op.f("pk_score")),
        schema="app",
    )
    op.create_index("ix_score_order", "score", ["epoch_id", "score", "agent"], unique=False, schema="app")
    op.create_table(
        "first_funder",
        sa.Column("account", sa.LargeBinary(length=20), nullable=False),
        sa.Column("funder", sa.LargeBinary(length=20), nullable=True),
        sa.Column("scanned_to", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("account", name=op.f("pk_first_funder")),
        schema="app",
    )
    op.execute(_KEPT)


def downgrade() -> None:
    for name in ("first_funder", "score", "score_epoch"):
        op.drop_table(name, schema="app")
    op.execute("DROP FUNCTION app.scores_are_kept()")
