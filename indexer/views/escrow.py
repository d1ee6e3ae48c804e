"""Reads of escrows and of the pull ledger."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    LargeBinary,
    RowMapping,
    Select,
    Subquery,
    and_,
    literal,
    select,
    true,
    tuple_,
)
from sqlalchemy.orm import Session

from aicp.rules.primitives import Finality
from indexer.core.states import EscrowStatus
from indexer.projections.escrow import escrow as escrows
from indexer.projections.escrow import escrow_event as events
from indexer.projections.ledger import ledger_entry
from indexer.views.decoded import ESCROW_EVENTS, fields_of, with_log
from indexer.views.sync import bound, marks, origin_of
from indexer.views.types import DueEscrow, DueReason, EscrowEventRow, EscrowRow

_TERMS = (
    "client", "provider", "verifier", "arbiter", "amount_units", "fee_bps", "quorum", "accept_by", "deliver_by",
    "challenge_period", "dispute_timeout", "job_hash", "salt",
)  # fmt: skip
_RUNNING = (
    "released_units", "refunded_units", "fee_units", "stake_units", "accepted_at", "challenge_ends_at",
    "respond_by", "decide_by", "ruling", "deliverable_hash", "outcome", "stake_locked",
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


def escrow_states() -> Subquery:
    """Return the state of every escrow in the newest block, to join with: its id, `status`, what it has paid out, and
    `final`, whether a final block says so.
    """
    final = (escrows.c.block_number <= bound(Finality.FINAL)).label("final")
    parts = (escrows.c.escrow_id, escrows.c.status, escrows.c.released_units, escrows.c.refunded_units, final)
    return select(*parts).subquery("escrow_states")


def escrow_events(s: Session, escrow_id: bytes) -> list[EscrowEventRow]:
    """Return every event of the escrow, oldest first."""
    statement = (
        with_log(select(events, *marks()), events)
        .where(events.c.escrow_id == escrow_id)
        .order_by(events.c.block_number, events.c.log_index)
    )
    return [
        EscrowEventRow(
            kind=row["kind"],
            fields=fields_of(row, ESCROW_EVENTS),
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


_CLOCKS: dict[DueReason, tuple[EscrowStatus, ColumnElement[Any]]] = {
    DueReason.CHALLENGE_OVER: (EscrowStatus.SUBMITTED, escrows.c.challenge_ends_at),
    DueReason.DELIVER_BY_OVER: (EscrowStatus.ACCEPTED, escrows.c.deliver_by),
    DueReason.ACCEPT_BY_OVER: (EscrowStatus.FUNDED, escrows.c.accept_by),
    DueReason.RESPOND_BY_OVER: (EscrowStatus.CHALLENGED, escrows.c.respond_by),
    DueReason.DECIDE_BY_OVER: (EscrowStatus.DISPUTED, escrows.c.decide_by),
    DueReason.RULED: (EscrowStatus.RULED, escrows.c.accepted_at),
    DueReason.STAKE_OWED: (EscrowStatus.CLOSED, escrows.c.accepted_at),
}


def due_escrows(
    s: Session,
    now: int,
    reason: DueReason,
    *,
    among: Select[Any],
    after: tuple[int, bytes] | None = None,
    limit: int,
) -> list[DueEscrow]:
    """Return a page of the escrows whose clock `reason` ran out at or before `now` (unix seconds), oldest clock first.

    Only escrows whose id is in `among` are looked at: anyone may fund any number of escrows, nobody has to read them.
    `after` is (due_at, escrow id) of the last row of the page before. An escrow is due by its state at `safe`, and only
    if the newest block has not moved it on since: submitted with the challenge over, accepted with `deliver_by` over,
    funded with `accept_by` over, challenged with `respond_by` over, disputed with `decide_by` over, ruled, or closed
    with its stake still locked.
    """
    status, due_at = _CLOCKS[reason]
    owed = escrows.c.stake_locked if reason is DueReason.STAKE_OWED else true()
    statement = (
        _with_terms()
        .add_columns(due_at.label("due_at"))
        .where(
            escrows.c.status == status,
            due_at <= now,
            owed,
            escrows.c.escrow_id.in_(among),
            escrows.c.block_number <= bound(Finality.SAFE),
            and_(events.c.block_number == escrows.c.block_number, events.c.log_index == escrows.c.log_index),
        )
        .order_by(due_at, escrows.c.escrow_id)
        .limit(limit)
    )
    if after is not None:
        place = tuple_(literal(after[0], BigInteger), literal(after[1], LargeBinary))
        statement = statement.where(tuple_(due_at, escrows.c.escrow_id) > place)
    return [DueEscrow(reason=reason, due_at=row["due_at"], escrow=_row(row)) for row in s.execute(statement).mappings()]
