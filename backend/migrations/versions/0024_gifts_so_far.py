"""what an account has got from each sender so far, until one of them has given it the least gift

Who was found by the first transfer of any size may be another one by the rule of the least gift, and what was read
before kept no sums: all of it is read again.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("DELETE FROM app.first_funder")
    op.add_column("first_funder", sa.Column("sums", postgresql.JSONB(), nullable=False), schema="app")


def downgrade() -> None:
    op.execute("DELETE FROM app.first_funder")
    op.drop_column("first_funder", "sums", schema="app")
