"""Auctions: signed bids, the operator's receipts, withdrawals and awards.

Invariants: everything here happens under the task's row lock, so receipt numbers of a task have no holes and an award
commits to exactly the bids that were receipted before it. A receipt leaves only after its bid is committed; a bid that
is refused leaves nothing behind. Sealed bids are in `sealed`, the published rule in `ruled`, buyers' orders in
`orders`.
"""

from __future__ import annotations

import uuid

from sqlalchemy.orm import Session

from aicp.abi.typed_data import BidReceipt, BidWithdrawal
from aicp.rules.auctions import Extension
from aicp.rules.primitives import hex0x
from backend.agents.suspensions import require_free
from backend.auctions import orders, repo, view
from backend.auctions.awards import award_bid
from backend.auctions.checks import (
    require_bidder,
    require_lifetime,
    require_offer,
    require_room,
    require_running,
    require_time_to_order,
    require_unsuspended,
)
from backend.auctions.models import Award, Bid, BidCommit
from backend.auctions.ruled import award_by_rule, decide
from backend.auctions.schemas import BidIn, BidOut, CommitOut
from backend.auctions.sealed import announce as announce_commit
from backend.auctions.sealed import require_shown
from backend.context import Context
from backend.db.times import moment, unix
from backend.deals.models import Deal
from backend.domain.signatures import require_account
from backend.domain.task_states import AWARDABLE, TaskState
from backend.errors import BidRefused, BidReplayed, Conflict, InvalidInput, NotFound, WrongState
from backend.notifications import sources as notices
from backend.outbox.service import emit
from backend.scheduler import offers
from backend.scheduler.errors import GivenByScheduler
from backend.tasks import service as tasks
from backend.tasks.models import Task


def place(session: Session, ctx: Context, agent: bytes, task_id: uuid.UUID, posted: BidIn) -> BidOut:
    """Take a signed bid of the signed-in agent and return it with the operator's receipt.

    A task that the scheduler offers takes the bid of the agent that is asked, and no other; it wins at once. Raises
    NotFound, InvalidSignature, AgentSuspended, BidReplayed, AuctionClosed, NotOffered, Forbidden, SignatureExpired,
    BidRefused, TooManyBids, AuctionFull.
    """
    task = tasks.get_for_update(session, task_id)
    message = posted.message(task.task_hash, agent)
    bid_hash = message.digest(ctx.domains.marketplace)
    require_account(bid_hash, posted.signature, agent)
    require_free(session, agent)
    if session.execute(repo.by_hash(bid_hash)).scalar_one_or_none() is not None:
        raise BidReplayed(bid_hash=hex0x(bid_hash), what_to_do="Sign a new bid with another salt.")
    if task.reveal_ends_at is not None:
        raise BidRefused("Bids on this task are sealed.", what_to_do="Commit to the bid, and show it after the end.")
    options = tasks.options(task)
    offer = offers.require_offered(session, ctx, task, agent) if options.instant else None
    if offer is None:
        require_running(ctx, task)
    require_bidder(task, agent)
    require_lifetime(ctx, message.valid_until)
    if options.buy_now_units is not None and message.amount <= options.buy_now_units:
        require_time_to_order(ctx, message.valid_until)
    require_offer(ctx, task, message, None if offer is None else offer.max_units)
    seq = session.execute(repo.newest_seq(task.id)).scalar_one() + 1
    require_room(seq, session.execute(repo.bids_of(task.id, agent)).scalar_one())
    receipt = BidReceipt(bid_hash=bid_hash, seq=seq).digest(ctx.domains.marketplace)
    operator = ctx.operator
    bid = Bid(
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
        commitment=None,
        commit_signature=None,
        reveal_receipt_signature=None,
    )
    session.add(bid)
    session.flush()
    notices.bid_placed(session, ctx, task, bid)
    out = _announce(session, ctx, task, bid_hash)
    if options.extension is not None:
        _extend(session, ctx, task, options.extension)
    if offer is not None:
        offers.close(session, ctx, offer, "bid", bid.bid_hash)
        orders.assign(session, ctx, task, bid, offer)
    elif options.buy_now_units is not None:
        orders.award_first(session, ctx, task)
    return out


def _extend(session: Session, ctx: Context, task: Task, extension: Extension) -> None:
    """Move the auction's end where a bid came within the window that the task names."""
    ends_at = extension.end_after(ctx.now(), unix(task.auction_ends_at), tasks.first_end(task))
    if ends_at != unix(task.auction_ends_at):
        task.auction_ends_at = moment(ends_at)
        session.flush()
        tasks.announce(session, task)


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
    commit = session.execute(repo.commit_by_hash(bid_hash)).scalar_one_or_none()
    if not _take_back(session, ctx, task, bid, signature):
        return view.bid_by_hash(session, ctx, bid_hash)
    if commit is not None:
        _take_back(session, ctx, task, commit, signature)
        announce_commit(session, ctx, task, bid_hash)
    return _announce(session, ctx, task, bid_hash)


def withdraw_commit(
    session: Session, ctx: Context, agent: bytes, task_id: uuid.UUID, *, bid_hash: bytes, signature: bytes
) -> CommitOut:
    """Withdraw a sealed bid, shown or not; as `withdraw`."""
    task = tasks.get_for_update(session, task_id)
    commit = session.execute(repo.commit_by_hash(bid_hash)).scalar_one_or_none()
    if commit is None or commit.task_id != task.id or commit.agent != agent:
        raise NotFound("There is no such sealed bid of yours.")
    if commit.revealed_at is not None:
        withdraw(session, ctx, agent, task_id, bid_hash=bid_hash, signature=signature)
    elif _take_back(session, ctx, task, commit, signature):
        return announce_commit(session, ctx, task, bid_hash)
    return view.commit_by_hash(session, ctx, bid_hash)


def _take_back(session: Session, ctx: Context, task: Task, row: Bid | BidCommit, signature: bytes) -> bool:
    """Write down that a bid was withdrawn; return False where it was before."""
    digest = BidWithdrawal(bid_hash=row.bid_hash).digest(ctx.domains.marketplace)
    require_account(digest, signature, row.agent)
    if row.withdrawn_at is not None:
        return False
    if session.execute(repo.winning_live_deal(row.bid_hash)).scalar_one():
        raise WrongState("The bid has won; give the work back instead.", state=task.state)
    row.withdrawn_at = moment(ctx.now())
    row.withdrawal_signature = signature
    session.flush()
    notices.bid_withdrawn(session, task, row)
    return True


def award(
    session: Session, ctx: Context, buyer: bytes, task_id: uuid.UUID, bid_hash: bytes | None
) -> tuple[Task, Award, Deal]:
    """Award a task to one of its live bids, as its buyer; without a bid the published rule chooses.

    Where the task names weights the buyer chooses only if no bid counts for the rule. Raises NotFound for anybody else,
    WrongState unless open and shown, Conflict when the bid does not count any more or the choice is the other's,
    GivenByScheduler where that is the scheduler's, BidderSuspended, InvalidInput without a bid and without weights.
    """
    task = tasks.get_for_update(session, task_id)
    if task.buyer != buyer:
        raise NotFound("There is no such task of yours.")
    if TaskState(task.state) not in AWARDABLE:
        raise WrongState("Only an open task can be awarded.", state=task.state)
    if task.instant:
        raise GivenByScheduler(what_to_do="Wait for its offers, or cancel the task and post one with an auction.")
    if bid_hash is None:
        return task, *_by_rule(session, ctx, task)
    bid = session.execute(repo.by_hash(bid_hash)).scalar_one_or_none()
    if bid is None or bid.task_id != task.id:
        raise NotFound("The task has no such bid.")
    require_shown(session, ctx, task)
    if decide(session, ctx, task) is not None:
        raise Conflict("The task is awarded by its rule.", what_to_do="Ask for the award without naming a bid.")
    require_unsuspended(session, bid)
    made = award_bid(session, ctx, task, bid, reason="awarded by the buyer", decided_by="buyer")
    return task, *made


def _by_rule(session: Session, ctx: Context, task: Task) -> tuple[Award, Deal]:
    if tasks.options(task).weights is None:
        raise InvalidInput("The task names no weights for the rule.", what_to_do="Choose a bid.")
    made = award_by_rule(session, ctx, task, reason="awarded by the rule, as the buyer asked")
    if made is None:
        raise Conflict("No bid counts for the rule.", what_to_do="Wait for bids, or choose one.")
    return made
