"""One line for every account a log concerns, unless the log has an event row of an escrow, a channel or a pool.

Those name their parties; `indexer.views.activity` puts both together.
"""

from __future__ import annotations

from sqlalchemy import Column, Index, Table, Text

from indexer.store.columns import metadata, origin, raw, units

activity = Table(
    "activity",
    metadata,
    *origin(),
    raw("account", primary_key=True),
    Column("contract", Text, nullable=False),
    Column("kind", Text, nullable=False),
    raw("subject", nullable=True),
    units("amount_units"),
    Index("activity_of", "account", "block_number", "log_index"),
)
