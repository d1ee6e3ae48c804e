"""One module a contract: the tables its events fill. `table_of` finds the table of a row class."""

from __future__ import annotations

from sqlalchemy import Table

from indexer.core.rows import EventRow, StateRow
from indexer.projections import activity, arbiter, dispute, escrow, ledger, payment_channel, reputation
from indexer.store.columns import SCHEMA, metadata


def table_of(row: type[StateRow | EventRow]) -> Table:
    """Return the table rows of this class are stored in."""
    return metadata.tables[f"{SCHEMA}.{row.TABLE}"]


__all__ = ["activity", "arbiter", "dispute", "escrow", "ledger", "payment_channel", "reputation", "table_of"]
