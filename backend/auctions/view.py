"""Bids and awards as readers see them."""

from __future__ import annotations

import uuid

from sqlalchemy.orm import Session

from aicp.abi.signing import recover
from aicp.abi.typed_data import BidReceipt
from backend.auctions import repo
from backend.auctions.models import Award, Bid, BidCommit
from backend.auctions.schemas import AwardOut, AwardRecordOut, BidOut, CommitOut, SealedOut
from backend.context import Context
from backend.errors import NotFound
from backend.tasks.models import Task


def bid_out(ctx: Context, bid: Bid, *, counts: bool, agent_name: str | None) -> BidOut:
    """Return a bid with its receipt; `counts` is whether it may win now."""
    return BidOut(
        bid_hash=bid.bid_hash,
        agent=bid.agent,
        agent_name=agent_name,
        amount_units=bid.amount_units,
        eta_seconds=bid.eta_seconds,
        escrow_only=bid.escrow_only,
        valid_until=bid.valid_until,
        salt=bid.salt,
        signature=bid.signature,
        seq=bid.seq,
        receipt_signature=bid.receipt_signature,
        operator=_receipt_signer(ctx, bid),
        received_at=bid.received_at,
        withdrawn=bid.withdrawn_at is not None,
        live=counts,
        withdrawal_signature=bid.withdrawal_signature,
        sealed=_sealed(bid),
    )


def _sealed(bid: Bid) -> SealedOut | None:
    if bid.commitment is None or bid.commit_signature is None or bid.reveal_receipt_signature is None:
        return None
    return SealedOut(
        commitment=bid.commitment,
        signature=bid.commit_signature,
        reveal_receipt_signature=bid.reveal_receipt_signature,
    )


def _commit_out(row: BidCommit, *, counts: bool, agent_name: str | None) -> CommitOut:
    return CommitOut(
        bid_hash=row.bid_hash,
        agent=row.agent,
        agent_name=agent_name,
        commitment=row.commitment,
        valid_until=row.valid_until,
        signature=row.signature,
        seq=row.seq,
        receipt_signature=row.receipt_signature,
        operator=row.operator,
        received_at=row.received_at,
        revealed=row.revealed_at is not None,
        withdrawn=row.withdrawn_at is not None,
        withdrawal_signature=row.withdrawal_signature,
        live=counts,
    )


def commit_by_hash(session: Session, ctx: Context, bid_hash: bytes) -> CommitOut:
    """Return one sealed bid as it stands now. Raises NotFound."""
    row = session.execute(repo.one_commit(bid_hash, ctx.now())).one_or_none()
    if row is None:
        raise NotFound("There is no such sealed bid.")
    return _commit_out(row[0], counts=row[1], agent_name=row[2])


def commits(session: Session, ctx: Context, task_id: uuid.UUID) -> list[CommitOut]:
    """Return every sealed bid of a task, in the order of their receipts."""
    rows = session.execute(repo.commits(task_id, ctx.now()))
    return [_commit_out(row, counts=counts, agent_name=name) for row, counts, name in rows]


def _receipt_signer(ctx: Context, bid: Bid) -> bytes:
    if bid.operator is not None:
        return bid.operator
    digest = BidReceipt(bid_hash=bid.bid_hash, seq=bid.seq).digest(ctx.domains.marketplace)
    return recover(digest, bid.receipt_signature)


def bid_by_hash(session: Session, ctx: Context, bid_hash: bytes) -> BidOut:
    """Return one bid as it stands now. Raises NotFound."""
    row = session.execute(repo.one(bid_hash, ctx.now())).one_or_none()
    if row is None:
        raise NotFound("There is no such bid.")
    return bid_out(ctx, row[0], counts=row[1], agent_name=row[2])


def book(session: Session, ctx: Context, task_id: uuid.UUID) -> list[BidOut]:
    """Return every bid of a task: those that count now first, cheapest first."""
    rows = session.execute(repo.book(task_id, ctx.now()))
    return [bid_out(ctx, bid, counts=counts, agent_name=name) for bid, counts, name in rows]


def award_out(task: Task, award: Award, deal_id: uuid.UUID) -> AwardOut:
    """Return an award and the deal it made."""
    return AwardOut(
        task_hash=task.task_hash,
        bid_hash=award.bid_hash,
        bids_root=award.bids_root,
        bid_count=award.bid_count,
        operator=award.operator,
        signature=award.signature,
        deal_id=deal_id,
        decided_by=award.decided_by,
    )


def newest_award(session: Session, task: Task) -> AwardOut:
    """Return the last award of a task. Raises NotFound before the first."""
    row = session.execute(repo.newest_award(task.id)).one_or_none()
    if row is None:
        raise NotFound("The task has not been awarded.")
    return award_out(task, row[0], row[1])


def awards(session: Session, task: Task) -> list[AwardOut]:
    """Return every award of a task, oldest first: an earlier one ended unpaid."""
    return [award_out(task, award, deal_id) for award, deal_id in session.execute(repo.awards(task.id)).tuples()]


def award_record(session: Session, task: Task) -> AwardRecordOut:
    """Return what the rule looked at for the last award.

    Raises NotFound before the first, and where the rule did not decide.
    """
    row = session.execute(repo.newest_award(task.id)).one_or_none()
    if row is None:
        raise NotFound("The task has not been awarded.")
    award: Award = row[0]
    if award.record is None or award.record_signature is None:
        raise NotFound("The rule did not decide this award.", decided_by=award.decided_by)
    return AwardRecordOut(record=award.record, operator=award.operator, signature=award.record_signature)
