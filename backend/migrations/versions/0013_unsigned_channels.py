"""channels the ledger was read past while their operator's key was not there

What was passed over before stands there as well: every channel that has earned more than is signed for.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "unsigned_channel",
        sa.Column("channel_id", sa.LargeBinary(length=32), nullable=False),
        sa.Column("operator", sa.LargeBinary(length=20), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["channel_id"], ["app.channel.channel_id"], name=op.f("fk_unsigned_channel_channel_id_channel")
        ),
        sa.PrimaryKeyConstraint("channel_id", name=op.f("pk_unsigned_channel")),
        schema="app",
    )
    op.create_index(op.f("ix_unsigned_channel_operator"), "unsigned_channel", ["operator"], schema="app")
    op.execute(
        "INSERT INTO app.unsigned_channel (channel_id, operator) SELECT c.channel_id, p.operator "
        "FROM app.channel c JOIN app.pool p USING (pool_id) WHERE c.earned_units > c.receipted_units"
    )


def downgrade() -> None:
    op.drop_table("unsigned_channel", schema="app")
