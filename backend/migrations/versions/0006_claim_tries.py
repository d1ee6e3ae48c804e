"""tries to claim what channels have earned"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "claim_try",
        sa.Column("channel_id", sa.LargeBinary(length=32), nullable=False),
        sa.Column("claimed_units", sa.Numeric(precision=78, scale=0), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("not_before", sa.DateTime(timezone=True), nullable=False),
        sa.Column("intent_id", sa.Uuid(), nullable=True),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("tries > 0", name=op.f("ck_claim_try_tries")),
        sa.ForeignKeyConstraint(
            ["channel_id"], ["app.channel.channel_id"], name=op.f("fk_claim_try_channel_id_channel")
        ),
        sa.PrimaryKeyConstraint("channel_id", name=op.f("pk_claim_try")),
        schema="app",
    )
    # claims that are under way during the upgrade: nothing builds them a second time
    op.execute(
        """
        INSERT INTO app.claim_try (channel_id, claimed_units, tries, not_before, intent_id, updated_at)
        SELECT DISTINCT ON (r.channel_id) r.channel_id, 0, 1, now() + interval '60 seconds', r.intent_id, now()
        FROM app.claim_row r JOIN txm.intent i ON i.id = r.intent_id
        ORDER BY r.channel_id, r.total_claimed_units DESC, r.created_at DESC
        """
    )


def downgrade() -> None:
    op.drop_table("claim_try", schema="app")
