"""what accounts are told, where they have it sent, and what was sent there"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "notification",
        sa.Column("id", sa.BigInteger(), autoincrement=True, nullable=False),
        sa.Column("account", sa.LargeBinary(length=20), nullable=False),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("sentence", sa.Text(), nullable=False),
        sa.Column("facts", postgresql.JSONB(), nullable=False),
        sa.Column("task_id", sa.Uuid(), nullable=True),
        sa.Column("deal_id", sa.Uuid(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("read_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notification")),
        sa.UniqueConstraint("account", "event", name=op.f("uq_notification_account_event")),
        schema="app",
    )
    op.create_index("ix_notification_inbox", "notification", ["account", "id"], unique=False, schema="app")
    op.create_index(
        "ix_notification_unread", "notification", ["account", "id"], unique=False, schema="app",
        postgresql_where=sa.text("read_at IS NULL"),
    )  # fmt: skip
    op.create_table(
        "subscription",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account", sa.LargeBinary(length=20), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("kinds", sa.ARRAY(sa.Text()), nullable=True),
        sa.Column("secret", sa.Text(), nullable=True),
        sa.Column("code", sa.Text(), nullable=True),
        sa.Column("code_expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("confirmed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("channel in ('webhook', 'email')", name=op.f("ck_subscription_channel")),
        sa.CheckConstraint("(channel = 'webhook') = (secret IS NOT NULL)", name=op.f("ck_subscription_secret")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_subscription")),
        schema="app",
    )
    op.create_index(
        "ix_subscription_live", "subscription", ["account"], unique=False, schema="app",
        postgresql_where=sa.text("ended_at IS NULL"),
    )  # fmt: skip
    op.create_index("ix_subscription_target", "subscription", ["target"], unique=False, schema="app")
    op.create_index(
        "uq_subscription_mailbox", "subscription", ["account"], unique=True, schema="app",
        postgresql_where=sa.text("ended_at IS NULL AND channel = 'email'"),
    )  # fmt: skip
    op.create_table(
        "dispatch",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("subscription_id", sa.Uuid(), nullable=False),
        sa.Column("notification_id", sa.BigInteger(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("left", sa.Integer(), nullable=False),
        sa.Column("not_before", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("state in ('waiting', 'sent', 'dead')", name=op.f("ck_dispatch_state")),
        sa.CheckConstraint('tries >= 0 AND "left" >= 0', name=op.f("ck_dispatch_counts")),
        sa.ForeignKeyConstraint(
            ["subscription_id"], ["app.subscription.id"], name=op.f("fk_dispatch_subscription_id_subscription")
        ),
        sa.ForeignKeyConstraint(
            ["notification_id"], ["app.notification.id"], name=op.f("fk_dispatch_notification_id_notification"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dispatch")),
        schema="app",
    )  # fmt: skip
    op.create_index(
        op.f("ix_dispatch_notification_id"), "dispatch", ["notification_id"], unique=False, schema="app"
    )  # fmt: skip
    op.create_index(
        "ix_dispatch_due", "dispatch", ["not_before"], unique=False, schema="app",
        postgresql_where=sa.text("state = 'waiting'"),
    )  # fmt: skip
    op.create_index("ix_dispatch_log", "dispatch", ["subscription_id", "id"], unique=False, schema="app")
    op.create_table(
        "dispatch_try",
        sa.Column("dispatch_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("milliseconds", sa.Integer(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("problem", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["dispatch_id"], ["app.dispatch.id"], name=op.f("fk_dispatch_try_dispatch_id_dispatch"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("dispatch_id", "number", name=op.f("pk_dispatch_try")),
        schema="app",
    )


def downgrade() -> None:
    for name in ("dispatch_try", "dispatch", "subscription", "notification"):
        op.drop_table(name, schema="app")
