"""vouches, thresholds of pools, an agent's scores over time, the newest tasks, and who takes offers"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

VOUCHES_ARE_KEPT = """
CREATE FUNCTION app.vouches_are_kept() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'a vouch is never changed: whoever has signed it is bound until its end'
        USING ERRCODE = 'insufficient_privilege';
END $$;

CREATE TRIGGER vouch_is_kept BEFORE UPDATE OR DELETE ON app.vouch
    FOR EACH STATEMENT EXECUTE FUNCTION app.vouches_are_kept();
"""

UNITS = sa.Numeric(precision=78, scale=0)


def upgrade() -> None:
    op.create_index("ix_score_agent", "score", ["agent", "epoch_id"], unique=False, schema="app")
    takes_offers: sa.Column[bool] = sa.Column(
        "takes_offers", sa.Boolean(), server_default=sa.text("false"), nullable=False
    )
    op.add_column("agent", takes_offers, schema="app")
    op.create_index("ix_task_newest", "task", ["created_at", "id"], unique=False, schema="app")
    op.create_table(
        "vouch",
        sa.Column("vouch_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("voucher", sa.LargeBinary(length=20), nullable=False),
        sa.Column("agent", sa.LargeBinary(length=20), nullable=False),
        sa.Column("at_risk_units", UNITS, nullable=False),
        sa.Column("valid_from", sa.BigInteger(), nullable=False),
        sa.Column("valid_until", sa.BigInteger(), nullable=False),
        sa.Column("salt", sa.LargeBinary(length=32), nullable=False),
        sa.Column("signature", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("at_risk_units > 0", name=op.f("ck_vouch_at_risk")),
        sa.CheckConstraint("valid_from < valid_until", name=op.f("ck_vouch_time")),
        sa.CheckConstraint("voucher <> agent", name=op.f("ck_vouch_another")),
        sa.PrimaryKeyConstraint("vouch_hash", name=op.f("pk_vouch")),
        schema="app",
    )
    op.create_index(op.f("ix_vouch_voucher"), "vouch", ["voucher"], unique=False, schema="app")
    op.create_index(op.f("ix_vouch_agent"), "vouch", ["agent"], unique=False, schema="app")
    op.execute(VOUCHES_ARE_KEPT)
    op.create_table(
        "pool_watch",
        sa.Column("pool_id", sa.LargeBinary(length=32), nullable=False),
        sa.Column("below_units", UNITS, nullable=True),
        sa.Column("low", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("short", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("falls", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.CheckConstraint("below_units > 0", name=op.f("ck_pool_watch_below")),
        sa.ForeignKeyConstraint(["pool_id"], ["app.pool.pool_id"], name=op.f("fk_pool_watch_pool_id_pool")),
        sa.PrimaryKeyConstraint("pool_id", name=op.f("pk_pool_watch")),
        schema="app",
    )


def downgrade() -> None:
    for name in ("pool_watch", "vouch"):
        op.drop_table(name, schema="app")
    op.execute("DROP FUNCTION app.vouches_are_kept()")
    op.drop_column("agent", "takes_offers", schema="app")
    op.drop_index("ix_task_newest", table_name="task", schema="app")
    op.drop_index("ix_score_agent", table_name="score", schema="app")
