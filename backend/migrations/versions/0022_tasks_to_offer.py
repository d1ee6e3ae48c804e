"""what the scheduler needs of a task, beside its document"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

FROM_DOCUMENTS = """
UPDATE app.task SET
    instant = document ? 'instant',
    urgency = COALESCE(document ->> 'urgency', '1.0'),
    specialty = CASE
        WHEN COALESCE(document ->> 'task_type', capability)
             IN ('compute', 'ml_training', 'data_processing', 'storage', 'analytics')
            THEN 'task_type:' || COALESCE(document ->> 'task_type', capability)
        WHEN document ->> 'industry' IN ('finance', 'healthcare', 'media', 'gaming', 'research')
            THEN 'industry:' || (document ->> 'industry')
        WHEN document ->> 'region' IN ('us-east', 'us-west', 'eu-west', 'asia-pacific')
            THEN 'region:' || (document ->> 'region')
    END
"""


def upgrade() -> None:
    instant: sa.Column[bool] = sa.Column("instant", sa.Boolean(), server_default=sa.text("false"), nullable=False)
    op.add_column("task", instant, schema="app")
    op.add_column("task", sa.Column("urgency", sa.Text(), nullable=True), schema="app")
    op.add_column("task", sa.Column("specialty", sa.Text(), nullable=True), schema="app")
    op.execute(FROM_DOCUMENTS)
    op.alter_column("task", "urgency", nullable=False, schema="app")
    op.create_index(
        "ix_task_to_offer", "task", ["buyer", "capability"], unique=False, schema="app",
        postgresql_where=sa.text("instant AND state = 'open'"),
    )  # fmt: skip
    op.create_index(
        "ix_task_left", "task", ["buyer", "state_since"], unique=False, schema="app",
        postgresql_where=sa.text("instant AND state IN ('cancelled', 'expired')"),
    )  # fmt: skip


def downgrade() -> None:
    op.drop_index("ix_task_left", table_name="task", schema="app")
    op.drop_index("ix_task_to_offer", table_name="task", schema="app")
    for column in ("specialty", "urgency", "instant"):
        op.drop_column("task", column, schema="app")
