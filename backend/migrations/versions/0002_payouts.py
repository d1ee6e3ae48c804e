"""tries to pay receivers"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "payout",
        sa.Column("receiver", sa.LargeBinary(length=20), nullable=False),
        sa.Column("settled_units", sa.Numeric(precision=78, scale=0), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("not_before", sa.DateTime(timezone=True), nullable=False),
        sa.Column("intent_id", sa.Uuid(), nullable=True),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("tries > 0", name=op.f("ck_payout_tries")),
        sa.PrimaryKeyConstraint("receiver", name=op.f("pk_payout")),
        schema="app",
    )


def downgrade() -> None:
    op.drop_table("payout", schema="app")
