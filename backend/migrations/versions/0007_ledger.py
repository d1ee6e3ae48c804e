"""a double-entry ledger, and what vouchers without orders need"""

from __future__ import annotations

from typing import Any, Final

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_UNITS: Final = sa.Numeric(precision=78, scale=0)

_GUARDS: Final = """
CREATE FUNCTION app.ledger_entry_balances() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (SELECT coalesce(sum(delta_units), 1) FROM app.posting WHERE entry_id = NEW.id) <> 0 THEN
        RAISE EXCEPTION 'the postings of ledger entry % do not add up to zero', NEW.id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'ledger_entry_balances';
    END IF;
    RETURN NULL;
END $$;

CREATE CONSTRAINT TRIGGER ledger_entry_balances AFTER INSERT ON app.ledger_entry
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION app.ledger_entry_balances();

CREATE FUNCTION app.posting_joins_own_entry() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (
        SELECT FROM (SELECT DISTINCT entry_id FROM fresh) AS f
        LEFT JOIN app.ledger_entry e ON e.id = f.entry_id WHERE e.txid IS DISTINCT FROM pg_current_xact_id()::text::bigint
    ) THEN
        RAISE EXCEPTION 'a posting joins no ledger entry of its own transaction'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'posting_joins_own_entry';
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER posting_joins_own_entry AFTER INSERT ON app.posting
    REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION app.posting_joins_own_entry();

CREATE FUNCTION app.ledger_is_kept() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the ledger is never changed: write an entry that corrects it'
        USING ERRCODE = 'insufficient_privilege';
END $$;

CREATE TRIGGER ledger_entry_is_kept BEFORE UPDATE OR DELETE ON app.ledger_entry
    FOR EACH STATEMENT EXECUTE FUNCTION app.ledger_is_kept();
CREATE TRIGGER posting_is_kept BEFORE UPDATE OR DELETE ON app.posting
    FOR EACH STATEMENT EXECUTE FUNCTION app.ledger_is_kept();
"""

# what was promised and earned before there was a ledger; deposits, withdrawals and claims are read from the chain
_OPENING: Final = """
WITH entry AS (
    INSERT INTO app.ledger_entry (kind, reference)
    SELECT 'opening', encode(pool_id, 'hex') FROM app.pool
    WHERE reserved_units + earned_units > 0 RETURNING id, decode(reference, 'hex') AS pool_id
)
INSERT INTO app.posting (entry_id, account, owner, delta_units)
SELECT e.id, 'available', e.pool_id, -(p.reserved_units + p.earned_units) FROM entry e JOIN app.pool p USING (pool_id)
UNION ALL
SELECT e.id, 'reserved', e.pool_id, p.reserved_units FROM entry e JOIN app.pool p USING (pool_id)
WHERE p.reserved_units > 0
UNION ALL
SELECT e.id, 'owed', c.channel_id, c.earned_units FROM entry e JOIN app.channel c USING (pool_id)
WHERE c.earned_units > 0
"""


def _units(name: str) -> sa.Column[Any]:
    return sa.Column(name, _UNITS, server_default="0", nullable=False)


_POOL_COLUMNS: Final[tuple[sa.Column[Any], ...]] = (
    _units("own_paid_units"),
    sa.Column("spent_day", sa.Integer(), server_default="0", nullable=False),
    _units("spent_units"),
    _units("headroom_units"),
    sa.Column("closing", sa.Boolean(), server_default="false", nullable=False),
    sa.Column("headroom_at", sa.DateTime(timezone=True), nullable=True),
)
_CHANNEL_COLUMNS: Final[tuple[sa.Column[Any], ...]] = (
    sa.Column("kind", sa.Text(), server_default="market", nullable=False),
    sa.Column("salt", sa.LargeBinary(length=32), nullable=True),
    sa.Column("withdraw_delay", sa.BigInteger(), nullable=True),
    _units("receipted_units"),
    _units("claimed_units"),
    _units("own_paid_units"),
)


def _checks(table: str, checks: dict[str, str]) -> None:
    for name, condition in checks.items():
        op.create_check_constraint(op.f(f"ck_{table}_{name}"), table, condition, schema="app")


def _ledger() -> None:
    op.create_table(
        "ledger_entry",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=True),
        sa.Column(
            "txid", sa.BigInteger(), server_default=sa.text("pg_current_xact_id()::text::bigint"), nullable=False
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "kind in ('opening', 'reserve', 'earn', 'void', 'pay', 'deposit', 'withdrawal', 'own', 'claim')",
            name=op.f("ck_ledger_entry_kind"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ledger_entry")),
        schema="app",
    )
    op.create_index(op.f("ix_ledger_entry_txid"), "ledger_entry", ["txid"], schema="app")
    op.create_table(
        "posting",
        sa.Column("entry_id", sa.BigInteger(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("owner", sa.LargeBinary(), nullable=False),
        sa.Column("delta_units", _UNITS, nullable=False),
        sa.CheckConstraint(
            "account in ('chain', 'available', 'reserved', 'owed', 'claimed')", name=op.f("ck_posting_account")
        ),
        sa.CheckConstraint("delta_units <> 0", name=op.f("ck_posting_delta")),
        sa.PrimaryKeyConstraint("entry_id", "account", "owner", name=op.f("pk_posting")),
        schema="app",
    )
    op.execute(_GUARDS)
    op.create_table(
        "ledger_mark",
        sa.Column("operator", sa.LargeBinary(length=20), nullable=False),
        sa.Column("block_number", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("block_number >= 0", name=op.f("ck_ledger_mark_block_number")),
        sa.PrimaryKeyConstraint("operator", name=op.f("pk_ledger_mark")),
        schema="app",
    )


def upgrade() -> None:
    for column in _POOL_COLUMNS:
        op.add_column("pool", column, schema="app")
    _checks("pool", {"own_paid": "own_paid_units BETWEEN 0 AND earned_units", "spent": "spent_units >= 0"})
    # the day of the upgrade counts what its last 24 hours have ordered
    op.execute(
        """
        UPDATE app.pool SET spent_day = extract(epoch FROM now())::bigint / 86400, spent_units = coalesce((
            SELECT sum(o.price_units) FROM app.micro_order o
            WHERE o.pool_id = pool.pool_id AND o.state <> 'void' AND o.created_at > now() - interval '1 day'), 0)
        """
    )
    for column in _CHANNEL_COLUMNS:
        op.add_column("channel", column, schema="app")
    op.execute("UPDATE app.channel SET receipted_units = earned_units")
    _checks(
        "channel",
        {
            "own_paid": "own_paid_units BETWEEN 0 AND claimed_units",
            "receipted": "receipted_units <= earned_units AND claimed_units <= earned_units",
            "kind": "kind in ('market', 'gateway')",
            "config": "(kind = 'gateway') = (salt IS NOT NULL) AND (kind = 'gateway') = (withdraw_delay IS NOT NULL)",
        },
    )
    op.add_column("voucher", _units("paid_units"), schema="app")
    op.add_column("voucher", sa.Column("entry_id", sa.BigInteger(), nullable=True), schema="app")
    _checks("voucher", {"paid": "(paid_units > 0) = (entry_id IS NOT NULL)"})
    op.alter_column("receipt", "order_hash", existing_type=sa.LargeBinary(length=32), nullable=True, schema="app")
    _ledger()
    op.execute(_OPENING)


def downgrade() -> None:
    op.drop_table("ledger_mark", schema="app")
    op.drop_table("posting", schema="app")
    op.drop_table("ledger_entry", schema="app")
    for name in ("ledger_entry_balances", "posting_joins_own_entry", "ledger_is_kept"):
        op.execute(f"DROP FUNCTION app.{name}()")
    op.execute("DELETE FROM app.receipt WHERE order_hash IS NULL")
    op.alter_column("receipt", "order_hash", existing_type=sa.LargeBinary(length=32), nullable=False, schema="app")
    for table, checks, columns in (
        ("voucher", ("paid",), ("entry_id", "paid_units")),
        (
            "channel",
            ("config", "kind", "own_paid", "receipted"),
            ("own_paid_units", "claimed_units", "receipted_units", "withdraw_delay", "salt", "kind"),
        ),
        (
            "pool",
            ("spent", "own_paid"),
            ("headroom_at", "closing", "headroom_units", "spent_units", "spent_day", "own_paid_units"),
        ),
    ):
        for check in checks:
            op.drop_constraint(op.f(f"ck_{table}_{check}"), table, schema="app", type_="check")
        for column in columns:
            op.drop_column(table, column, schema="app")
