"""Tasks: posting, moving, cancelling and expiring them.

Invariants: a task moves only along the transition table, every move is written down with the fact that justified it,
and the events that tell of it are in the same commit. Callers that decide on a state lock the task row first
(`get_for_update`); bids, awards and moves of a task are serialised by that lock.
"""

from __future__ import annotations

import datetime as dt
import secrets
import uuid
from typing import Any, Final

from sqlalchemy.orm import Session

from aicp.rules.auctions import AuctionOptions, Extension, options_of
from aicp.rules.awarding import Weights
from aicp.rules.documents import FileEntry, task_document, task_hash
from aicp.rules.primitives import ZERO_ADDRESS
from aicp.rules.specialties import first_specialty
from backend.context import Context
from backend.db.ids import new_id
from backend.db.times import moment, unix
from backend.domain.task_states import AWARDABLE, COUNTS_COMPLETED, COUNTS_FAILED, TaskState, may_move
from backend.errors import Conflict, InvalidInput, NotFound, PriceOutOfRange, WrongState
from backend.files import service as files
from backend.files.models import Upload
from backend.notifications.sources import task_moved
from backend.outbox.service import emit
from backend.tasks import repo
from backend.tasks.models import Task, TaskFile, TaskTransition
from backend.tasks.schemas import TaskIn

EXPIRED_AT_ONCE: Final = 100


def get(session: Session, task_id: uuid.UUID) -> Task:
    """Return the task. Raises NotFound."""
    task = session.execute(repo.by_id(task_id)).scalar_one_or_none()
    if task is None:
        raise NotFound("There is no such task.")
    return task


def get_for_update(session: Session, task_id: uuid.UUID) -> Task:
    """Return the task with its row locked until the end of the transaction. Raises NotFound."""
    task = session.execute(repo.locked(task_id)).scalar_one_or_none()
    if task is None:
        raise NotFound("There is no such task.")
    return task


def move(
    session: Session,
    ctx: Context,
    task: Task,
    target: TaskState,
    *,
    reason: str,
    evidence: dict[str, Any],
    deal_id: uuid.UUID | None = None,
) -> None:
    """Move a task the caller has locked; write the transition and announce it.

    `evidence` is the JSON-ready fact that justifies the move. Raises WrongState when the table does not allow it.
    """
    source = TaskState(task.state)
    if not may_move(source, target):
        raise WrongState(f"A task that is {source} cannot become {target}.", state=source.value)
    _enter(session, ctx, task, source, target, reason=reason, evidence=evidence, deal_id=deal_id)


def _enter(
    session: Session,
    ctx: Context,
    task: Task,
    source: TaskState | None,
    target: TaskState,
    *,
    reason: str,
    evidence: dict[str, Any],
    deal_id: uuid.UUID | None,
) -> None:
    at = moment(ctx.now())
    deal_id = deal_id or task.deal_id
    task.state = target.value
    task.state_since = at
    transition = TaskTransition(
        task_id=task.id,
        deal_id=deal_id,
        source=None if source is None else source.value,
        target=target.value,
        reason=reason,
        evidence=evidence,
        at=at,
    )
    session.add(transition)
    session.flush()
    announce(session, task)
    if deal_id is not None:
        _count(session, task, deal_id)
        announce_deal(session, task, deal_id, reason)
    task_moved(session, task, transition)


def _count(session: Session, task: Task, deal_id: uuid.UUID) -> None:
    """Write what the deal now counts as, where this move decides it; a task that goes on without its agent does."""
    state = TaskState(task.state)
    if state in COUNTS_COMPLETED:
        session.execute(repo.count_completed(deal_id))
    elif state in COUNTS_FAILED:
        session.execute(repo.count_failed(task.id, deal_id))


def announce(session: Session, task: Task) -> None:
    """Tell everybody that a task changed."""
    payload = {"task_id": task.id, "state": task.state, "capability": task.capability, "title": task.title}
    emit(session, "task.changed", payload, None)


def announce_deal(session: Session, task: Task, deal_id: uuid.UUID, reason: str) -> None:
    """Tell the parties of a deal, and its verifier, that it changed."""
    parties = session.execute(repo.deal_parties(deal_id)).one_or_none()
    if parties is None:
        return
    payload = {"deal_id": deal_id, "task_id": task.id, "state": task.state, "reason": reason}
    told = [parties.buyer, parties.agent]
    emit(session, "deal.changed", payload, told if parties.verifier is None else [*told, parties.verifier])


def _entry(upload: Upload) -> FileEntry:
    return FileEntry(name=upload.name, sha256=upload.sha256, size=upload.size, media_type=upload.media_type)


def _document(
    ctx: Context, buyer: bytes, posted: TaskIn, uploads: list[Upload], *, task_id: uuid.UUID, now: int
) -> dict[str, Any]:
    try:
        return task_document(
            task_id=task_id,
            buyer=buyer,
            title=posted.title,
            description=posted.description,
            capability=posted.capability,
            complexity=posted.complexity,
            urgency=posted.urgency,
            budget_units=posted.budget_units,
            escrow_only=posted.escrow_only,
            deliver_within_seconds=posted.deliver_within_seconds,
            auction_ends_at=moment(now + posted.auction_seconds),
            input_files=[_entry(upload) for upload in uploads],
            chain_id=ctx.deployment.chain_id,
            escrow=ctx.deployment.escrow,
            salt=secrets.token_bytes(32),
            verifier=posted.verifier or ZERO_ADDRESS,
            auction=_options(posted).to_json(),
        )
    except ValueError as error:
        raise InvalidInput(str(error)) from error


def _options(posted: TaskIn) -> AuctionOptions:
    """Return what the buyer chose of his auction. Raises ValueError for what does not go together."""
    weights, extension = posted.award_weights, posted.extension
    made = AuctionOptions(
        weights=None if weights is None else Weights(**weights.model_dump()),
        reserve_units=posted.reserve_units,
        buy_now_units=posted.buy_now_units,
        reveal_seconds=posted.reveal_seconds,
        extension=None if extension is None else Extension(**extension.model_dump()),
        instant=posted.instant,
    )
    made.check_budget(posted.budget_units)
    return made


def options(task: Task) -> AuctionOptions:
    """Return what the task's document says of its auction."""
    return options_of(task.document)


def first_end(task: Task) -> int:
    """Return the end of the auction it was posted with, unix seconds."""
    return int(dt.datetime.fromisoformat(task.document["auction_ends_at"]).timestamp())


_OWN_FIELDS: Final = frozenset({"salt", "auction_ends_at"})


def _repeat(existing: Task, buyer: bytes, posted: TaskIn, document: dict[str, Any]) -> Task:
    """Return the task posted before under the same client-made id, if this is the same request again."""
    same = {key: value for key, value in document.items() if key not in _OWN_FIELDS}
    before = {key: value for key, value in existing.document.items() if key not in _OWN_FIELDS}
    lasting = first_end(existing) - unix(existing.created_at)
    if existing.buyer != buyer or same != before or lasting != posted.auction_seconds:
        raise Conflict("Another task has this id.", what_to_do="Post with a new id.")
    return existing


def _require_verifier_fits(ctx: Context, buyer: bytes, posted: TaskIn) -> None:
    if posted.verifier is None:
        return
    if posted.verifier in {buyer, ctx.deployment.arbiter, ZERO_ADDRESS}:
        raise InvalidInput("The verifier is neither the buyer nor the arbiter, and not the zero address.")
    if not posted.escrow_only:
        raise InvalidInput("A verifier works with escrow only.", what_to_do="Set escrow_only, or name no verifier.")


def _reveal_end(posted: TaskIn, now: int) -> dt.datetime | None:
    return None if posted.reveal_seconds is None else moment(now + posted.auction_seconds + posted.reveal_seconds)


def submit(session: Session, ctx: Context, buyer: bytes, posted: TaskIn) -> Task:
    """Post a task. Raises PriceOutOfRange, UnknownFile, InvalidInput, Conflict (the id is taken)."""
    if posted.budget_units < ctx.constants.minimum_price_units:
        raise PriceOutOfRange(
            "The budget is below the minimum price.", minimum_price_units=str(ctx.constants.minimum_price_units)
        )
    if posted.id is not None and posted.id.version != 7:
        raise InvalidInput("A task id made by the client is a UUIDv7.")
    _require_verifier_fits(ctx, buyer, posted)
    uploads = files.require_inputs(session, buyer, posted.input_files, posted.input_names)
    task_id = posted.id or new_id()
    now = ctx.now()
    document = _document(ctx, buyer, posted, uploads, task_id=task_id, now=now)
    existing = session.execute(repo.by_id(task_id)).scalar_one_or_none()
    if existing is not None:
        return _repeat(existing, buyer, posted, document)
    task = Task(
        id=task_id,
        buyer=buyer,
        task_hash=task_hash(document),
        document=document,
        title=posted.title,
        capability=posted.capability,
        budget_units=posted.budget_units,
        escrow_only=posted.escrow_only,
        verifier=posted.verifier,
        deliver_within_seconds=posted.deliver_within_seconds,
        auction_ends_at=moment(now + posted.auction_seconds),
        reveal_ends_at=_reveal_end(posted, now),
        instant=posted.instant,
        urgency=posted.urgency,
        specialty=first_specialty(document),
        state=TaskState.OPEN.value,
        state_since=moment(now),
        deal_id=None,
        created_at=moment(now),
    )
    session.add(task)
    session.flush()
    for upload in uploads:
        session.add(
            TaskFile(
                id=new_id(),
                task_id=task_id,
                deal_id=None,
                role="input",
                sha256=upload.sha256,
                name=upload.name,
                size=upload.size,
                media_type=upload.media_type,
            )
        )
    evidence = {"session": "0x" + buyer.hex()}
    _enter(session, ctx, task, None, TaskState.OPEN, reason="posted", evidence=evidence, deal_id=None)
    return task


def cancel(session: Session, ctx: Context, buyer: bytes, task_id: uuid.UUID) -> Task:
    """Take back a task that is open, or whose bids are being shown.

    Raises NotFound for anybody but its buyer, WrongState once it is awarded.
    """
    task = get_for_update(session, task_id)
    if task.buyer != buyer:
        raise NotFound("There is no such task of yours.")
    if TaskState(task.state) not in AWARDABLE:
        raise WrongState("Only a task that is open, or not paid yet, can be cancelled here.", state=task.state)
    evidence = {"session": "0x" + buyer.hex()}
    move(session, ctx, task, TaskState.CANCELLED, reason="cancelled by the buyer", evidence=evidence)
    return task


def expire_due(session: Session, ctx: Context) -> int:
    """Expire tasks whose auction is over and where no bid counts, or may still be shown; return how many.

    A task that the scheduler offers lasts until nobody may be asked any more: until its buyer's order ends.
    """
    now = ctx.now()
    due = session.execute(repo.due_without_bids(moment(now), now, EXPIRED_AT_ONCE)).scalars().all()
    for task in due:
        evidence = {"now": now, "auction_ends_at": int(task.auction_ends_at.timestamp())}
        reason = "nobody has taken it in time" if task.instant else "the auction ended without a live bid"
        move(session, ctx, task, TaskState.EXPIRED, reason=reason, evidence=evidence)
    return len(due)
