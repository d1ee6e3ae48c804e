"""The pull ledgers of Escrow and Reputation: what each account may take out, and every movement of it."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Column, Index, Table, Text

from indexer.store.columns import last_change, metadata, origin, raw, units

ledger = Table(
    "ledger",
    metadata,
    raw("ledger_id", primary_key=True),
    raw("contract"),
    raw("account"),
    units("balance_units"),
    units("credited_units"),
    units("withdrawn_units"),
    *last_change(),
    CheckConstraint("balance_units >= 0", name="ledger_not_negative"),
)
"""`ledger_id` is the contract's address followed by the account's."""

ledger_entry = Table(
    "ledger_entry",
    metadata,
    *origin(),
    raw("ledger_id", primary_key=True),
    Column("kind", Text, nullable=False),
    raw("escrow_id", nullable=True),
    units("delta_units"),
    units("balance_units"),
    Index("ledger_entry_of", "ledger_id", "block_number", "log_index"),
)
