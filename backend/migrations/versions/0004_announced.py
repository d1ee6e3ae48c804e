"""what of an escrow the parties were told"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("escrow_terms", sa.Column("announced", sa.Text(), nullable=True), schema="app")


def downgrade() -> None:
    op.drop_column("escrow_terms", "announced", schema="app")
