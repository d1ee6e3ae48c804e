"""Sealed bids: committed to while the auction runs, shown after its end, unknown to everybody until then.

A commitment is the digest of a whole `Bid`, salt and agent included, so nobody can guess it, copy it or show another
one for it. A later commit of an agent replaces the earlier ones for good: who commits to several prices cannot choose
between them when the others' are known. Everything happens under the task's row lock.
"""

from __future__ import annotations

import uuid

from sqlalchemy.orm import Session

from aicp.abi.typed_data import BidCommit as CommitMessage
from aicp.abi.typed_data import BidReceipt
from aicp.rules.primitives import hex0x
from backend.agents.suspensions import require_free
from backend.auctions import repo, view
from backend.auctions.checks import require_bidder, require_lifetime, require_offer, require_room, require_running
from backend.auctions.models import Bid, BidCommit
from backend.auctions.schemas import BidIn, BidOut, CommitIn, CommitOut
from backend.context import Context
from backend.db.times import moment, unix
from backend.domain.signatures import require_account
from backend.domain.task_states import AWARDABLE, TaskState
from backend.errors import AuctionClosed, BidRefused, BidReplayed, NotFound, WrongState
from backend.notifications import sources as notices
from backend.outbox.service import emit
from backend.tasks import service as tasks
from backend.tasks.models import Task


def commit(session: Session, ctx: Context, agent: bytes, task_id: uuid.UUID, posted: CommitIn) -> CommitOut:
    """Take a sealed bid of the signed-in agent and return it with the operator's receipt.

    Raises NotFound, InvalidSignature, AgentSuspended, BidReplayed, AuctionClosed, Forbidden, SignatureExpired,
    BidRefused, TooManyBids, AuctionFull.
    """
    task = tasks.get_for_update(session, task_id)
    message = CommitMessage(task_hash=task.task_hash, commitment=posted.commitment, valid_until=posted.valid_until)
    bid_hash = message.digest(ctx.domains.marketplace)
    require_account(bid_hash, posted.signature, agent)
    require_free(session, agent)
    if session.execute(repo.commit_by_hash(bid_hash)).scalar_one_or_none() is not None:
        raise BidReplayed(bid_hash=hex0x(bid_hash), what_to_do="Commit to a bid with another salt.")
    if task.reveal_ends_at is None:
        raise BidRefused("Bids on this task are open.", what_to_do="Send the bid itself.")
    require_running(ctx, task)
    require_bidder(task, agent)
    require_lifetime(ctx, message.valid_until)
    if message.valid_until <= unix(task.reveal_ends_at):
        raise BidRefused(
            "The bid would expire before all bids are shown.", reveal_ends_at=unix(task.reveal_ends_at)
        )  # fmt: skip
    seq = session.execute(repo.newest_commit_seq(task.id)).scalar_one() + 1
    require_room(seq, session.execute(repo.commits_of(task.id, agent)).scalar_one())
    operator = ctx.operator
    row = BidCommit(
        bid_hash=bid_hash,
        task_id=task.id,
        agent=agent,
        commitment=message.commitment,
        valid_until=message.valid_until,
        signature=posted.signature,
        seq=seq,
        receipt_signature=operator.sign(_receipt(ctx, bid_hash, seq)),
        operator=operator.address,
        received_at=moment(ctx.now()),
        revealed_at=None,
        withdrawn_at=None,
        withdrawal_signature=None,
    )
    session.add(row)
    session.flush()
    notices.bid_sealed(session, task, row)
    return announce(session, ctx, task, bid_hash)


def _receipt(ctx: Context, bid_hash: bytes, seq: int) -> bytes:
    return BidReceipt(bid_hash=bid_hash, seq=seq).digest(ctx.domains.marketplace)


def announce(session: Session, ctx: Context, task: Task, bid_hash: bytes) -> CommitOut:
    """Tell everybody how a sealed bid stands now, and return it."""
    out = view.commit_by_hash(session, ctx, bid_hash)
    emit(session, "bid.committed", {"task_id": task.id, "commit": out}, None)
    return out


def reveal(
    session: Session, ctx: Context, agent: bytes, task_id: uuid.UUID, *, bid_hash: bytes, posted: BidIn
) -> BidOut:
    """Show the bid behind a commit; repeating it changes nothing. The answer carries a receipt for showing it.

    Raises NotFound, InvalidSignature, AuctionClosed before the auction's end and after the time to show, WrongState for
    a commit that was withdrawn or replaced, SignatureExpired, BidRefused.
    """
    task = tasks.get_for_update(session, task_id)
    row = session.execute(repo.commit_by_hash(bid_hash)).scalar_one_or_none()
    if row is None or row.task_id != task.id or row.agent != agent:
        raise NotFound("There is no such sealed bid of yours.")
    message = posted.message(task.task_hash, agent)
    digest = message.digest(ctx.domains.marketplace)
    require_account(digest, posted.signature, agent)
    if digest != row.commitment:
        raise BidRefused("This is not the bid that was committed to.", commitment=hex0x(row.commitment))
    if row.revealed_at is not None:
        return view.bid_by_hash(session, ctx, bid_hash)
    _require_showing(ctx, task)
    if row.withdrawn_at is not None:
        raise WrongState("The bid was withdrawn.", state=task.state)
    if row.seq != session.execute(repo.newest_commit_of(task.id, agent)).scalar_one():
        raise WrongState("A later sealed bid of yours has replaced this one.", state=task.state)
    if message.valid_until != row.valid_until:
        raise BidRefused("The bid is valid for another time than its commit.", valid_until=row.valid_until)
    require_lifetime(ctx, message.valid_until)
    require_offer(ctx, task, message)
    _begin(session, ctx, task)
    signer = ctx.operator_of(row.operator) or ctx.operator
    shown = Bid(
        bid_hash=row.bid_hash,
        task_id=task.id,
        agent=agent,
        amount_units=message.amount,
        eta_seconds=message.eta_seconds,
        escrow_only=message.escrow_only,
        valid_until=message.valid_until,
        salt=message.salt,
        signature=posted.signature,
        seq=row.seq,
        receipt_signature=row.receipt_signature,
        operator=row.operator,
        received_at=row.received_at,
        withdrawn_at=None,
        withdrawal_signature=None,
        commitment=row.commitment,
        commit_signature=row.signature,
        reveal_receipt_signature=signer.sign(_receipt(ctx, row.commitment, row.seq)),
    )
    session.add(shown)
    row.revealed_at = moment(ctx.now())
    session.flush()
    notices.bid_shown(session, task, shown)
    announce(session, ctx, task, bid_hash)
    out = view.bid_by_hash(session, ctx, bid_hash)
    emit(session, "bid.received", {"task_id": task.id, "bid": out}, None)
    return out


def _require_showing(ctx: Context, task: Task) -> None:
    now = ctx.now()
    if task.reveal_ends_at is None or TaskState(task.state) not in AWARDABLE or unix(task.reveal_ends_at) <= now:
        raise AuctionClosed("The time to show sealed bids is over.", state=task.state)
    if unix(task.auction_ends_at) > now:
        raise AuctionClosed("Sealed bids are shown when the auction has ended.", state=task.state)


def _begin(session: Session, ctx: Context, task: Task) -> None:
    if task.state == TaskState.OPEN.value:
        evidence = {"now": ctx.now(), "auction_ends_at": unix(task.auction_ends_at)}
        tasks.move(session, ctx, task, TaskState.REVEALING, reason="the auction ended", evidence=evidence)


def due_reveals(session: Session, ctx: Context) -> list[uuid.UUID]:
    """Return the open tasks whose sealed bids are to be shown now."""
    return list(session.execute(repo.due_reveals(ctx.now())).scalars())


def begin_reveal(session: Session, ctx: Context, task_id: uuid.UUID) -> bool:
    """Let the time to show sealed bids begin, and tell everybody; return whether it did."""
    task = tasks.get_for_update(session, task_id)
    if task.state != TaskState.OPEN.value or task.id not in due_reveals(session, ctx):
        return False
    _begin(session, ctx, task)
    return True


def require_shown(session: Session, ctx: Context, task: Task) -> None:
    """Raise WrongState while sealed bids of the task may still be shown."""
    if task.reveal_ends_at is None or unix(task.reveal_ends_at) <= ctx.now():
        return
    if unix(task.auction_ends_at) > ctx.now() or session.execute(repo.hidden(task.id, ctx.now())).scalar_one():
        raise WrongState(
            "Sealed bids may still come or be shown.", state=task.state, reveal_ends_at=unix(task.reveal_ends_at)
        )
