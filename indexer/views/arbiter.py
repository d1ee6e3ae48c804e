"""Reads of the arbiter's disputes, rounds, ballots and jurors.

Their rows have no event rows with running values; as of an older block they are read through the undo journal. What
asks for something to do (`judged`, `open_disputes`) always looks at the newest block.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    FromClause,
    LargeBinary,
    Select,
    SmallInteger,
    and_,
    cast,
    exists,
    literal,
    or_,
    select,
    tuple_,
)
from sqlalchemy.orm import Session

from aicp.abi.enums import DisputePeriod
from aicp.rules.primitives import Finality
from indexer.core.states import EscrowStatus
from indexer.projections.arbiter import arbiter_ballot, arbiter_dispute, arbiter_event, arbiter_round
from indexer.projections.arbiter import juror as jurors
from indexer.projections.escrow import escrow as escrows
from indexer.views.asof import as_of
from indexer.views.sync import bound, marks, origin_of
from indexer.views.types import (
    ArbiterDisputeRow,
    ArbiterEventRow,
    BallotRow,
    JurorRow,
    OpenDispute,
    RoundRow,
)

_DISPUTE = (
    "dispute_id", "arbitrable", "created_at", "period", "period_at", "round_number", "reference", "extra_data",
    "ruling", "delivered",
)  # fmt: skip
_ROUND = (
    "round_number", "seats", "drawn", "committed", "refused_votes", "first_votes", "second_votes", "leaked",
    "appeal_first_units", "appeal_second_units",
)  # fmt: skip
_BALLOT = (
    "dispute_id", "round_number", "juror", "seats", "state", "choice", "settled", "returned_units", "reward_units",
)  # fmt: skip
_JUROR = ("free_units", "locked_units", "weight_units", "requested_units", "unbond_at")


def arbiter_dispute_of(
    s: Session, arbitrable: bytes, reference: bytes, min_finality: Finality = Finality.SEEN
) -> ArbiterDisputeRow | None:
    """Return the newest dispute a contract brought before the arbiter about a reference: Escrow's is the escrow id."""
    disputes = as_of(arbiter_dispute, min_finality)
    found = (disputes.c.arbitrable == arbitrable, disputes.c.reference == reference)
    statement = select(disputes).where(*found).order_by(disputes.c.created_at.desc()).limit(1)
    row = s.execute(statement).mappings().one_or_none()
    return None if row is None else ArbiterDisputeRow(**{name: row[name] for name in _DISPUTE})


def arbiter_dispute_by_id(
    s: Session, dispute_id: bytes, min_finality: Finality = Finality.SEEN
) -> ArbiterDisputeRow | None:
    """Return a dispute by its number in 32 bytes."""
    disputes = as_of(arbiter_dispute, min_finality)
    row = s.execute(select(disputes).where(disputes.c.dispute_id == dispute_id)).mappings().one_or_none()
    return None if row is None else ArbiterDisputeRow(**{name: row[name] for name in _DISPUTE})


def judged(s: Session, arbitrable: bytes, juror: bytes) -> list[bytes]:
    """Return what a contract's disputes are about in which the juror has a seat and no ruling is handed over yet.

    The contract is part of the question: anybody can bring a dispute of his own about the same reference.
    """
    d, seat = arbiter_dispute.c, arbiter_ballot.c
    sits = exists().where(seat.dispute_id == d.dispute_id, seat.juror == juror, seat.seats > 0)
    mine = (d.arbitrable == arbitrable, d.reference.is_not(None), d.ruling.is_(None), sits)
    return list(s.execute(select(d.reference).where(*mine).order_by(d.created_at)).scalars())


def arbiter_periods(s: Session, dispute_id: bytes, min_finality: Finality = Finality.SEEN) -> list[tuple[str, int]]:
    """Return every period of a dispute in order, with the time at which it was written down."""
    return arbiter_periods_of(s, [dispute_id], min_finality).get(dispute_id, [])


def arbiter_periods_of(
    s: Session, dispute_ids: Sequence[bytes], min_finality: Finality = Finality.SEEN
) -> dict[bytes, list[tuple[str, int]]]:
    """Return the periods of disputes, in one statement."""
    e = arbiter_event.c
    statement = (
        select(e.dispute_id, e.kind, e.fields, e.block_time)
        .where(e.dispute_id.in_(dispute_ids), e.kind.in_(["created", "new_period"]))
        .where(e.block_number <= bound(min_finality))
        .order_by(e.block_number, e.log_index)
    )
    first = DisputePeriod.EVIDENCE
    found: dict[bytes, list[tuple[str, int]]] = {}
    for dispute_id, kind, fields, time in s.execute(statement):
        period = first if kind == "created" else DisputePeriod(int(fields["period"]))
        found.setdefault(bytes(dispute_id), []).append((period.name.lower(), time))
    return found


def open_disputes(
    s: Session, arbitrable: bytes, *, among: Select[Any], after: tuple[int, bytes] | None, limit: int
) -> list[OpenDispute]:
    """Return a page of a contract's disputes that are not carried out in full, oldest first.

    Only those about a reference in `among` are looked at. `after` is (created_at, dispute id) of the last row before.
    """
    d, unsettled, unswept = arbiter_dispute.c, arbiter_ballot.c, arbiter_round.c
    stuck = and_(
        ~d.delivered,
        exists().where(escrows.c.escrow_id == d.reference, escrows.c.status == EscrowStatus.DISPUTED),
    )
    statement = (
        select(arbiter_dispute, stuck.label("undelivered"))
        .where(
            d.arbitrable == arbitrable,
            d.reference.in_(among),
            or_(
                d.ruling.is_(None),
                stuck,
                exists().where(unsettled.dispute_id == d.dispute_id, ~unsettled.settled),
                exists().where(unswept.dispute_id == d.dispute_id, ~unswept.swept),
                d.dispute_id.in_(select(_to_return().subquery().c.dispute_id)),
            ),
        )
        .order_by(d.created_at, d.dispute_id)
        .limit(limit)
    )
    if after is not None:
        place = tuple_(literal(after[0], BigInteger), literal(after[1], LargeBinary))
        statement = statement.where(tuple_(d.created_at, d.dispute_id) > place)
    rows = s.execute(statement).mappings().all()
    ids = [row["dispute_id"] for row in rows]
    ballots = _ballots(s, arbiter_ballot, unsettled.dispute_id.in_(ids) & ~unsettled.settled)
    rest = s.execute(
        select(unswept.dispute_id, unswept.round_number)
        .where(unswept.dispute_id.in_(ids), ~unswept.swept)
        .order_by(unswept.round_number)
    ).all()
    unreturned = s.execute(_to_return().where(d.dispute_id.in_(ids))).all()
    return [
        OpenDispute(
            dispute=ArbiterDisputeRow(**{name: row[name] for name in _DISPUTE}),
            undelivered=row["undelivered"],
            unsettled=tuple((b.round_number, b.juror) for b in ballots if b.dispute_id == row["dispute_id"]),
            unswept=tuple(number for dispute_id, number in rest if dispute_id == row["dispute_id"]),
            unreturned=tuple((number, who) for named, number, who in unreturned if named == row["dispute_id"]),
        )
        for row in rows
    ]


def _to_return() -> Select[Any]:
    """Dispute, round and account of each contribution of a party that is to go back to it, in whole or in part.

    Whoever else has paid for an appeal collects by himself: he could make others send any number of transactions.
    """
    e, d, r = arbiter_event.c, arbiter_dispute.c, arbiter_round.c
    number, side = cast(e.fields["round"].astext, SmallInteger), cast(e.fields["side"].astext, SmallInteger)
    other = arbiter_event.alias("returned")
    returned = exists().where(
        other.c.dispute_id == e.dispute_id,
        other.c.kind == "contribution_returned",
        other.c.account == e.account,
        other.c.fields["round"].astext == e.fields["round"].astext,
    )
    wins = or_(number == d.round_number, d.ruling == 0, d.ruling == side)
    return (
        select(e.dispute_id, number.label("round_number"), e.account)
        .join(arbiter_dispute, d.dispute_id == e.dispute_id)
        .join(arbiter_round, and_(r.dispute_id == e.dispute_id, r.round_number == number))
        .join(escrows, escrows.c.escrow_id == d.reference)
        .where(e.kind == "appeal_contributed", r.appeal_left_units > 0, d.ruling.is_not(None), wins, ~returned)
        .where(e.account.in_([escrows.c.client, escrows.c.provider]))
        .distinct()
        .order_by(e.dispute_id, number, e.account)
    )


def rounds(s: Session, dispute_id: bytes, min_finality: Finality = Finality.SEEN) -> list[RoundRow]:
    """Return the rounds of a dispute in their order, each with its ballots, as of the newest block of this finality."""
    ballots: dict[int, list[BallotRow]] = {}
    held = as_of(arbiter_ballot, min_finality)
    for ballot in _ballots(s, held, held.c.dispute_id == dispute_id):
        ballots.setdefault(ballot.round_number, []).append(ballot)
    table = as_of(arbiter_round, min_finality)
    statement = select(table).where(table.c.dispute_id == dispute_id).order_by(table.c.round_number)
    rows = s.execute(statement).mappings()
    return [
        RoundRow(ballots=tuple(ballots.get(row["round_number"], ())), **{name: row[name] for name in _ROUND})
        for row in rows
    ]


def ballots_of(s: Session, juror: bytes, min_finality: Finality = Finality.SEEN) -> list[BallotRow]:
    """Return every ballot of a juror that was not settled by the newest block of this finality."""
    held = as_of(arbiter_ballot, min_finality)
    return _ballots(s, held, (held.c.juror == juror) & ~held.c.settled)


def _ballots(s: Session, held: FromClause, condition: ColumnElement[bool]) -> list[BallotRow]:
    statement = select(held).where(condition).order_by(held.c.ballot_id)
    return [BallotRow(**{name: row[name] for name in _BALLOT}) for row in s.execute(statement).mappings()]


def arbiter_events(s: Session, dispute_id: bytes, min_finality: Finality = Finality.SEEN) -> list[ArbiterEventRow]:
    """Return every event of a dispute at the arbiter, evidence included, oldest first."""
    statement = (
        select(arbiter_event, *marks())
        .where(arbiter_event.c.dispute_id == dispute_id, arbiter_event.c.block_number <= bound(min_finality))
        .order_by(arbiter_event.c.block_number, arbiter_event.c.log_index)
    )
    return [
        ArbiterEventRow(kind=row["kind"], account=row["account"], fields=row["fields"], origin=origin_of(row))
        for row in s.execute(statement).mappings()
    ]


def juror(s: Session, account: bytes, min_finality: Finality = Finality.SEEN) -> JurorRow:
    """Return a juror's stake as of the newest block of this finality; zeros if the account had never staked."""
    held = as_of(jurors, min_finality)
    row = s.execute(select(held).where(held.c.juror == account)).mappings().one_or_none()
    if row is None:
        return JurorRow(juror=account, free_units=0, locked_units=0, weight_units=0, requested_units=0, unbond_at=None)
    return JurorRow(juror=account, **{name: row[name] for name in _JUROR})
