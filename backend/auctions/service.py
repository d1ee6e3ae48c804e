"""Auctions: signed bids, the operator's receipts, withdrawals and awards.

Invariants: everything here happens under the task's row lock, so receipt numbers of a task have no holes and an award
commits to exactly the bids that were receipted before it. A receipt leaves only after its bid is committed; a bid that
is refused leaves nothing behind.
"""

from __future__ import annotations

import uuid
from typing import Any, Final

from sqlalchemy.orm import Session

from aicp.abi.typed_data import Award as AwardMessage
from aicp.abi.typed_data import Bid as BidMessage
from aicp.abi.typed_data import BidReceipt, BidWithdrawal
from aicp.rules.bids import bids_root
from aicp.rules.primitives import hex0x
from backend.agents.suspensions import require_free
from backend.auctions import repo, view
from backend.auctions.models import Award, Bid
from backend.auctions.schemas import BidIn, BidOut
from backend.context import Context
from backend.db.ids import new_id
from backend.db.times import moment, unix
from backend.deals.models import Deal
from backend.deals.service import open_deal
from backend.domain.signatures import require_account
from backend.domain.task_states import BIDDABLE, TaskState
from backend.errors import (
    AuctionClosed,
    BidRefused,
    BidReplayed,
    Conflict,
    Forbidden,
    NotFound,
    SignatureExpired,
    WrongState,
)
from backend.outbox.service import emit
from backend.payments.operators import operator_for
from backend.tasks import service as tasks
from backend.tasks.models import Task

MAX_BID_LIFE_SECONDS: Final = 30 * 86400


def _check_fits(ctx: Context, task: Task, bid: BidMessage) -> None:
    now = ctx.now()
    if TaskState(task.state) not in BIDDABLE or unix(task.auction_ends_at) <= now:
        raise AuctionClosed(state=task.state)
    if bid.agent == task.buyer:
        raise Forbidden("A buyer cannot bid on his own task.")
    if bid.agent == task.verifier:
        raise Forbidden("The verifier of a task cannot bid on it.")
    if bid.valid_until <= now:
        raise SignatureExpired("The bid's validUntil has passed.")
    if bid.valid_until > now + MAX_BID_LIFE_SECONDS:
        raise BidRefused("The bid is valid for longer than 30 days.")
    lowest, highest = ctx.constants.minimum_price_units, task.budget_units
    if not lowest <= bid.amount <= highest:
        raise BidRefused(
            "The price is below the minimum or above the budget.",
            minimum_units=str(lowest),
            budget_units=str(highest),
        )
    if bid.eta_seconds > task.deliver_within_seconds:
        raise BidRefused(
            "The bid needs longer than the task allows.", deliver_within_seconds=task.deliver_within_seconds
        )


def place(session: Session, ctx: Context, agent: bytes, task_id: uuid.UUID, posted: BidIn) -> BidOut:
    """Take a signed bid of the signed-in agent and return it with the operator's receipt.

    Raises NotFound, InvalidSignature, AgentSuspended, BidReplayed, AuctionClosed, Forbidden, SignatureExpired,
    BidRefused.
    """
    task = tasks.get_for_update(session, task_id)
    message = BidMessage(
        task_hash=task.task_hash,
        agent=agent,
        amount=posted.amount_units,
        eta_seconds=posted.eta_seconds,
        escrow_only=posted.escrow_only,
        valid_until=posted.valid_until,
        salt=posted.salt,
    )
    bid_hash = message.digest(ctx.domains.marketplace)
    require_account(bid_hash, posted.signature, agent)
    require_free(session, agent)
    if session.execute(repo.by_hash(bid_hash)).scalar_one_or_none() is not None:
        raise BidReplayed(bid_hash=hex0x(bid_hash), what_to_do="Sign a new bid with another salt.")
    _check_fits(ctx, task, message)
    seq = session.execute(repo.newest_seq(task.id)).scalar_one() + 1
    receipt = BidReceipt(bid_hash=bid_hash, seq=seq).digest(ctx.domains.marketplace)
    operator = ctx.operator
    session.add(
        Bid(
            bid_hash=bid_hash,
            task_id=task.id,
            agent=agent,
            amount_units=message.amount,
            eta_seconds=message.eta_seconds,
            escrow_only=message.escrow_only,
            valid_until=message.valid_until,
            salt=message.salt,
            signature=posted.signature,
            seq=seq,
            receipt_signature=operator.sign(receipt),
            operator=operator.address,
            received_at=moment(ctx.now()),
            withdrawn_at=None,
            withdrawal_signature=None,
        )
    )
    session.flush()
    return _announce(session, ctx, task, bid_hash)


def _announce(session: Session, ctx: Context, task: Task, bid_hash: bytes) -> BidOut:
    out = view.bid_by_hash(session, ctx, bid_hash)
    emit(session, "bid.received", {"task_id": task.id, "bid": out}, None)
    return out


def withdraw(
    session: Session, ctx: Context, agent: bytes, task_id: uuid.UUID, *, bid_hash: bytes, signature: bytes
) -> BidOut:
    """Withdraw a bid by its agent's `BidWithdrawal`; repeating it changes nothing.

    Raises NotFound, InvalidSignature, WrongState once the bid has won and its deal lives.
    """
    task = tasks.get_for_update(session, task_id)
    bid = session.execute(repo.by_hash(bid_hash)).scalar_one_or_none()
    if bid is None or bid.task_id != task.id or bid.agent != agent:
        raise NotFound("There is no such bid of yours.")
    require_account(BidWithdrawal(bid_hash=bid_hash).digest(ctx.domains.marketplace), signature, agent)
    if bid.withdrawn_at is not None:
        return view.bid_by_hash(session, ctx, bid_hash)
    if session.execute(repo.winning_live_deal(bid_hash)).scalar_one():
        raise WrongState("The bid has won; give the work back instead.", state=task.state)
    bid.withdrawn_at = moment(ctx.now())
    bid.withdrawal_signature = signature
    session.flush()
    return _announce(session, ctx, task, bid_hash)


def live_bids(session: Session, ctx: Context, task_id: uuid.UUID) -> list[Bid]:
    """Return the bids that count now, cheapest first."""
    return list(session.execute(repo.live(task_id, ctx.now())).scalars())


def award(
    session: Session, ctx: Context, buyer: bytes, task_id: uuid.UUID, bid_hash: bytes
) -> tuple[Task, Award, Deal]:
    """Award an open task to one of its live bids, as its buyer.

    Raises NotFound for anybody else, WrongState unless open, Conflict when the bid does not count any more.
    """
    task = tasks.get_for_update(session, task_id)
    if task.buyer != buyer:
        raise NotFound("There is no such task of yours.")
    if task.state != TaskState.OPEN.value:
        raise WrongState("Only an open task can be awarded.", state=task.state)
    bid = session.execute(repo.by_hash(bid_hash)).scalar_one_or_none()
    if bid is None or bid.task_id != task.id:
        raise NotFound("The task has no such bid.")
    award_row, deal = award_bid(session, ctx, task, bid, reason="awarded by the buyer")
    return task, award_row, deal


def award_bid(session: Session, ctx: Context, task: Task, bid: Bid, *, reason: str) -> tuple[Award, Deal]:
    """Sign the award of a live bid and open its deal; the caller holds the task's lock and has decided.

    Used for the buyer's choice and for the next bid when a deal ends unpaid. Raises Conflict, WrongState.
    """
    if bid.bid_hash not in {row.bid_hash for row in live_bids(session, ctx, task.id)}:
        raise Conflict("The bid is withdrawn, expired or replaced.", what_to_do="Choose another bid.")
    hashes = list(session.execute(repo.hashes(task.id)).scalars())
    message = AwardMessage(
        task_hash=task.task_hash, bid_hash=bid.bid_hash, bids_root=bids_root(hashes), bid_count=len(hashes)
    )
    operator = operator_for(session, ctx, buyer=task.buyer, price_units=bid.amount_units)
    row = Award(
        id=new_id(),
        task_id=task.id,
        bid_hash=bid.bid_hash,
        bids_root=message.bids_root,
        bid_count=message.bid_count,
        operator=operator.address,
        signature=operator.sign(message.digest(ctx.domains.marketplace)),
        created_at=moment(ctx.now()),
    )
    session.add(row)
    session.flush()
    evidence: dict[str, Any] = {
        "bid_hash": hex0x(bid.bid_hash),
        "bids_root": hex0x(row.bids_root),
        "bid_count": row.bid_count,
        "signature": hex0x(row.signature),
    }
    tasks.move(session, ctx, task, TaskState.AWARDED, reason=reason, evidence=evidence)
    return row, open_deal(session, ctx, task, row, bid)
