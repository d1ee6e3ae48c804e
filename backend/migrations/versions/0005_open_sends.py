"""how often signed bytes were sent with an open outcome"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("attempt", sa.Column("open_sends", sa.Integer(), server_default="0", nullable=False), schema="txm")
    # what was signed before may have been sent by a worker that died before it wrote that down
    op.execute("UPDATE txm.attempt SET open_sends = 1")
    op.create_check_constraint(op.f("ck_attempt_open_sends"), "attempt", "open_sends >= 0", schema="txm")


def downgrade() -> None:
    op.drop_column("attempt", "open_sends", schema="txm")
