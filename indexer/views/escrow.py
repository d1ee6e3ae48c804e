"""Reads of escrows and of the pull ledger."""

from __future__ import annotations

from typing import Any

from sqlalchemy import RowMapping, Select, and_, case, or_, select
from sqlalchemy.orm import Session

from aicp.rules.primitives import Finality
from indexer.core.states import EscrowStatus
from indexer.projections.escrow import escrow as escrows
from indexer.projections.escrow import escrow_event as events
from indexer.projections.ledger import ledger_entry
from indexer.views.sync import bound, marks, origin_of
from indexer.views.types import DueEscrow, DueReason, EscrowEventRow, EscrowRow

_TERMS = (
    "client", "provider", "verifier", "arbiter", "amount_units", "fee_bps", "quorum", "accept_by", "deliver_by",
    "challenge_period", "dispute_timeout", "job_hash", "salt",
)  # fmt: skip
_RUNNING = (
    "released_units", "refunded_units", "fee_units", "stake_units", "accepted_at", "challenge_ends_at",
    "deliverable_hash", "outcome",
)  # fmt: skip


def _with_terms() -> Select[Any]:
    return select(events, *(escrows.c[name] for name in _TERMS), *marks()).join(
        escrows, escrows.c.escrow_id == events.c.escrow_id
    )


def _row(row: RowMapping) -> EscrowRow:
    return EscrowRow(
        escrow_id=row["escrow_id"],
        status=EscrowStatus(row["status"]),
        origin=origin_of(row),
        **{name: row[name] for name in (*_TERMS, *_RUNNING)},
    )


def escrow(s: Session, escrow_id: bytes, min_finality: Finality) -> EscrowRow | None:
    """Return the escrow as of the newest block of this finality, or None if it was not funded by then."""
    statement = (
        _with_terms()
        .where(events.c.escrow_id == escrow_id, events.c.block_number <= bound(min_finality))
        .order_by(events.c.block_number.desc(), events.c.log_index.desc())
        .limit(1)
    )
    row = s.execute(statement).mappings().one_or_none()
    return None if row is None else _row(row)


def escrow_events(s: Session, escrow_id: bytes) -> list[EscrowEventRow]:
    """Return every event of the escrow, oldest first."""
    statement = (
        select(events, *marks())
        .where(events.c.escrow_id == escrow_id)
        .order_by(events.c.block_number, events.c.log_index)
    )
    return [
        EscrowEventRow(
            kind=row["kind"],
            fields=row["fields"],
            status=EscrowStatus(row["status"]),
            released_units=row["released_units"],
            refunded_units=row["refunded_units"],
            origin=origin_of(row),
        )
        for row in s.execute(statement).mappings()
    ]


def ledger_balance(s: Session, contract: bytes, account: bytes, min_finality: Finality) -> int:
    """Return what the account can withdraw from a contract (Escrow or Reputation), in base units, at this finality."""
    statement = (
        select(ledger_entry.c.balance_units)
        .where(ledger_entry.c.ledger_id == contract + account, ledger_entry.c.block_number <= bound(min_finality))
        .order_by(ledger_entry.c.block_number.desc(), ledger_entry.c.log_index.desc())
        .limit(1)
    )
    return s.execute(statement).scalar_one_or_none() or 0


def due_escrows(s: Session, now: int) -> list[DueEscrow]:
    """Return the escrows whose clock ran out at or before `now` (unix seconds), oldest clock first.

    An escrow is due by its state at `safe`, and only if the newest block has not moved it on since: submitted with the
    challenge over, accepted with `deliver_by` over, funded with `accept_by` over.
    """
    due_at = case(
        (escrows.c.status == EscrowStatus.SUBMITTED, escrows.c.challenge_ends_at),
        (escrows.c.status == EscrowStatus.ACCEPTED, escrows.c.deliver_by),
        (escrows.c.status == EscrowStatus.FUNDED, escrows.c.accept_by),
    )
    statement = (
        _with_terms()
        .add_columns(due_at.label("due_at"))
        .where(
            escrows.c.status != EscrowStatus.CLOSED,
            due_at <= now,
            escrows.c.block_number <= bound(Finality.SAFE),
            and_(events.c.block_number == escrows.c.block_number, events.c.log_index == escrows.c.log_index),
            or_(escrows.c.status != EscrowStatus.SUBMITTED, escrows.c.challenge_ends_at.is_not(None)),
        )
        .order_by(due_at, escrows.c.escrow_id)
    )
    return [
        DueEscrow(reason=_REASON[row["status"]], due_at=row["due_at"], escrow=_row(row))
        for row in s.execute(statement).mappings()
    ]


_REASON: dict[str, DueReason] = {
    EscrowStatus.SUBMITTED: DueReason.CHALLENGE_OVER,
    EscrowStatus.ACCEPTED: DueReason.DELIVER_BY_OVER,
    EscrowStatus.FUNDED: DueReason.ACCEPT_BY_OVER,
}
