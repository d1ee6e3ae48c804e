"""What happened on chain to an account: the event rows it is a party of, and the lines of all other logs."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import ColumnElement, Select, Table, Text, literal, select, union
from sqlalchemy.orm import Session

from aicp.rules.primitives import ZERO_ADDRESS, Finality
from indexer.core.escrow import STAKE_SETTLED
from indexer.projections.activity import activity
from indexer.projections.escrow import escrow_event
from indexer.projections.payment_channel import channel_event, pool_event
from indexer.views.sync import before, bound, cursor_of, marks, origin_of
from indexer.views.types import ActivityRow

MAX_ACTIVITY = 200
_ORIGIN: Final = ("block_number", "log_index", "block_hash", "tx_hash", "block_time")


def chain_activity(
    s: Session, account: bytes, cursor: str | None, limit: int, min_finality: Finality = Finality.SEEN
) -> list[ActivityRow]:
    """Return what happened to the account on chain, newest first, after `cursor` (the last row's `cursor`).

    Only what is in blocks of at least this finality; nothing ever happens to the zero address. At most 200 rows.
    Raises ValueError for a cursor this function did not make.
    """
    statement = activity_statement(account, cursor, min(limit, MAX_ACTIVITY), min_finality)
    if account == ZERO_ADDRESS:
        return []
    return [
        ActivityRow(
            contract=row["contract"],
            kind=row["kind"],
            subject=row["subject"],
            amount_units=row["amount_units"],
            cursor=cursor_of(row),
            origin=origin_of(row),
        )
        for row in s.execute(statement).mappings()
    ]


def activity_statement(account: bytes, cursor: str | None, limit: int, min_finality: Finality) -> Select[Any]:
    """Return the statement of a page: the newest rows of each party column, each read by the index of it, then of all.

    A log gives an account one row. Where the account is both parties of it, both branches find it and UNION leaves one;
    a condition instead would have to pass over every row of somebody who deals with himself.
    """

    def newest(table: Table, party: str, *told: ColumnElement[Any]) -> Select[Any]:
        rows = select(*(table.c[name] for name in _ORIGIN), *told).where(
            table.c[party] == account, table.c.block_number <= bound(min_finality)
        )
        if cursor is not None:
            rows = rows.where(before(table, cursor))
        return rows.order_by(table.c.block_number.desc(), table.c.log_index.desc()).limit(limit)

    deals = _told(escrow_event, "escrow", "", "escrow_id")
    channels = _told(channel_event, "payment_channel", "channel_", "channel_id")
    pools = _told(pool_event, "payment_channel", "pool_", "pool_id")
    # Reputation's word on an ended escrow has a line of its own
    moved = escrow_event.c.kind != STAKE_SETTLED
    rows = union(
        newest(activity, "account", *(activity.c[name] for name in ("contract", "kind", "subject", "amount_units"))),
        newest(escrow_event, "client", *deals).where(moved),
        newest(escrow_event, "provider", *deals).where(moved),
        newest(channel_event, "payer", *channels),
        newest(channel_event, "receiver", *channels),
        newest(pool_event, "payer", *pools),
    ).subquery("rows")
    ordered = select(rows, *marks()).order_by(rows.c.block_number.desc(), rows.c.log_index.desc())
    return ordered.limit(limit)


def _told(table: Table, contract: str, prefix: str, subject: str) -> tuple[ColumnElement[Any], ...]:
    """Return the columns of a line, made of those of an event row."""
    return (
        literal(contract, Text).label("contract"),
        (literal(prefix, Text) + table.c.kind).label("kind"),
        table.c[subject].label("subject"),
        table.c.event_amount_units.label("amount_units"),
    )
