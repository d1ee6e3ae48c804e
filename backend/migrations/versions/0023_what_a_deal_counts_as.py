"""what a deal counts as in its agent's figures, beside the moves that say so"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

FROM_MOVES = """
UPDATE app.deal SET counts_as = found.counts_as FROM (
    SELECT
        deal_id,
        CASE
            WHEN bool_or(target IN ('completed', 'split')) THEN 'completed'
            WHEN bool_or(target = 'assigned')
                AND bool_or(target IN ('failed', 'expired', 'refunded', 'rejected', 'open')) THEN 'failed'
        END AS counts_as
    FROM app.task_transition
    WHERE deal_id IS NOT NULL
    GROUP BY deal_id
) AS found
WHERE deal.id = found.deal_id AND found.counts_as IS NOT NULL
"""


def upgrade() -> None:
    op.add_column("deal", sa.Column("counts_as", sa.Text(), nullable=True), schema="app")
    op.execute(FROM_MOVES)
    op.create_check_constraint(op.f("ck_deal_counts_as"), "deal", "counts_as in ('completed', 'failed')", schema="app")
    op.create_index(
        "ix_deal_counted", "deal", ["agent", "counts_as"], unique=False, schema="app",
        postgresql_where=sa.text("counts_as IS NOT NULL"),
    )  # fmt: skip
    op.create_index(
        "ix_deal_live_agent", "deal", ["agent", "task_id"], unique=False, schema="app",
        postgresql_where=sa.text("live"),
    )  # fmt: skip


def downgrade() -> None:
    op.drop_index("ix_deal_live_agent", table_name="deal", schema="app")
    op.drop_index("ix_deal_counted", table_name="deal", schema="app")
    op.drop_constraint(op.f("ck_deal_counts_as"), "deal", schema="app", type_="check")
    op.drop_column("deal", "counts_as", schema="app")
