"""Bids and awards as readers see them."""

from __future__ import annotations

import uuid

from sqlalchemy.orm import Session

from aicp.abi.signing import recover
from aicp.abi.typed_data import BidReceipt
from backend.auctions import repo
from backend.auctions.models import Award, Bid
from backend.auctions.schemas import AwardOut, BidOut
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
    )


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
    )


def newest_award(session: Session, task: Task) -> AwardOut:
    """Return the last award of a task. Raises NotFound before the first."""
    row = session.execute(repo.newest_award(task.id)).one_or_none()
    if row is None:
        raise NotFound("The task has not been awarded.")
    return award_out(task, row[0], row[1])
