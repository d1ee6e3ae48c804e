"""a pool's headroom is read from the mirror alone: no copy of it is kept"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for column in ("headroom_at", "closing", "headroom_units"):
        op.drop_column("pool", column, schema="app")


def downgrade() -> None:
    op.add_column(
        "pool",
        sa.Column("headroom_units", sa.Numeric(precision=78, scale=0), server_default="0", nullable=False),
        schema="app",
    )
    op.add_column("pool", sa.Column("closing", sa.Boolean(), server_default="false", nullable=False), schema="app")
    op.add_column("pool", sa.Column("headroom_at", sa.DateTime(timezone=True), nullable=True), schema="app")
