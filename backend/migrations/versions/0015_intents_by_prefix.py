"""intents are found by the beginning of their key, in databases of any language

Only in the language "C" can the index of a unique key answer that. Every due step of the keeper asks it, and so does
everybody at the facilitator.
"""

from __future__ import annotations

from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(
        "ix_intent_key_prefix", "intent", ["idem_key"], schema="txm", postgresql_ops={"idem_key": "text_pattern_ops"}
    )


def downgrade() -> None:
    op.drop_index("ix_intent_key_prefix", table_name="intent", schema="txm")
