"""verifiers, evidence, split offers, release signatures"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_UNITS = sa.Numeric(78, 0)


def _created_at() -> sa.Column[object]:
    return sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False)


def _of_escrow(table: str) -> list[sa.ForeignKeyConstraint]:
    return [
        sa.ForeignKeyConstraint(["deal_id"], ["app.deal.id"], name=op.f(f"fk_{table}_deal_id_deal")),
        sa.ForeignKeyConstraint(
            ["escrow_id"], ["app.escrow_terms.escrow_id"], name=op.f(f"fk_{table}_escrow_id_escrow_terms")
        ),
    ]


def upgrade() -> None:
    for table in ("task", "deal"):
        op.add_column(table, sa.Column("verifier", sa.LargeBinary(length=20), nullable=True), schema="app")
        op.create_index(op.f(f"ix_{table}_verifier"), table, ["verifier"], schema="app")
    op.create_table(
        "evidence",
        sa.Column("escrow_id", sa.LargeBinary(length=32), nullable=False),
        sa.Column("evidence_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("deal_id", sa.Uuid(), nullable=False),
        sa.Column("party", sa.LargeBinary(length=20), nullable=False),
        sa.Column("document", postgresql.JSONB(), nullable=False),
        _created_at(),
        *_of_escrow("evidence"),
        sa.PrimaryKeyConstraint("escrow_id", "evidence_hash", name=op.f("pk_evidence")),
        schema="app",
    )
    op.create_index(op.f("ix_evidence_deal_id"), "evidence", ["deal_id"], schema="app")
    _create_split_offer()
    op.create_table(
        "release_signature",
        sa.Column("escrow_id", sa.LargeBinary(length=32), nullable=False),
        sa.Column("role", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("cumulative_units", _UNITS, nullable=False),
        sa.Column("valid_until", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("deal_id", sa.Uuid(), nullable=False),
        sa.Column("signer", sa.LargeBinary(length=20), nullable=False),
        sa.Column("signature", sa.LargeBinary(), nullable=False),
        sa.Column("intent_id", sa.Uuid(), nullable=True),
        _created_at(),
        sa.CheckConstraint("cumulative_units > 0", name=op.f("ck_release_signature_cumulative")),
        *_of_escrow("release_signature"),
        sa.PrimaryKeyConstraint(
            "escrow_id", "role", "cumulative_units", "valid_until", name=op.f("pk_release_signature")
        ),
        schema="app",
    )
    op.create_index(op.f("ix_release_signature_deal_id"), "release_signature", ["deal_id"], schema="app")


def _create_split_offer() -> None:
    op.create_table(
        "split_offer",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("deal_id", sa.Uuid(), nullable=False),
        sa.Column("escrow_id", sa.LargeBinary(length=32), nullable=False),
        sa.Column("offered_by", sa.LargeBinary(length=20), nullable=False),
        sa.Column("to_provider_units", _UNITS, nullable=False),
        sa.Column("to_client_units", _UNITS, nullable=False),
        sa.Column("valid_until", sa.BigInteger(), nullable=False),
        sa.Column("signature", sa.LargeBinary(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("acceptance", sa.LargeBinary(), nullable=True),
        sa.Column("intent_id", sa.Uuid(), nullable=True),
        _created_at(),
        sa.CheckConstraint("state in ('open', 'replaced', 'accepted')", name=op.f("ck_split_offer_state")),
        sa.CheckConstraint("to_provider_units >= 0 AND to_client_units >= 0", name=op.f("ck_split_offer_parts")),
        *_of_escrow("split_offer"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_split_offer")),
        schema="app",
    )
    for column in ("deal_id", "escrow_id"):
        op.create_index(op.f(f"ix_split_offer_{column}"), "split_offer", [column], schema="app")
    op.create_index(
        "uq_split_offer_open",
        "split_offer",
        ["escrow_id", "offered_by"],
        unique=True,
        schema="app",
        postgresql_where=sa.text("state = 'open'"),
    )


def downgrade() -> None:
    for table in ("release_signature", "split_offer", "evidence"):
        op.drop_table(table, schema="app")
    for table in ("task", "deal"):
        op.drop_index(op.f(f"ix_{table}_verifier"), table, schema="app")
        op.drop_column(table, "verifier", schema="app")
