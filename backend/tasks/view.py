"""Tasks as readers see them: everybody the public part, its parties the rest."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy.orm import Session

from aicp.rules.fees import BPS, fee, required_stake
from aicp.rules.primitives import format_usdc
from aicp.rules.route import choose_path, micro_duration
from backend.api import paging
from backend.api.types import Page
from backend.context import Context
from backend.db.times import moment
from backend.domain.task_states import TaskState
from backend.files import service as files
from backend.files.schemas import FileOut
from backend.scheduler.buyers import hold_of
from backend.tasks import repo
from backend.tasks.models import Task
from backend.tasks.repo import Sort, TaskFilter
from backend.tasks.schemas import BuyerRecord, Path, RouteIn, RouteOut, TaskOut, TransitionOut
from backend.tasks.states import public_state


def path_of(ctx: Context, *, price_units: int, escrow_only: bool, deliver_within_seconds: int) -> Path:
    """Return which way a price of this task would be paid."""
    return choose_path(
        price_units,
        task_escrow_only=escrow_only,
        bid_escrow_only=False,
        duration_seconds=micro_duration(deliver_within_seconds, ctx.constants),
        constants=ctx.constants,
    )


def is_party(session: Session, task: Task, reader: bytes | None) -> bool:
    """Return whether the reader is the task's buyer, its verifier or its awarded agent."""
    if reader is None:
        return False
    if reader in {task.buyer, task.verifier}:
        return True
    return bool(session.execute(repo.is_awarded_agent(task.id, reader)).scalar_one())


def tasks_out(session: Session, ctx: Context, tasks: Sequence[Task]) -> list[TaskOut]:
    """Return the public part of tasks."""
    ids = [task.id for task in tasks]
    if not ids:
        return []
    now = ctx.now()
    figures = {row[0]: (row[1], row[2]) for row in session.execute(repo.bid_figures(ids, now))}
    inputs: dict[uuid.UUID, list[FileOut]] = {}
    for file in session.execute(repo.inputs(ids)).scalars():
        inputs.setdefault(file.task_id, []).append(files.file_out(file))
    about = _auction_facts(session, tasks, now)
    return [_public(ctx, task, *figures.get(task.id, (0, None)), inputs.get(task.id, []), about) for task in tasks]


@dataclass(frozen=True, slots=True)
class _AuctionFacts:
    """Of some tasks: how many sealed bids may count, and whose buy-now orders are here."""

    sealed: dict[uuid.UUID, int]
    ordered: frozenset[uuid.UUID]


def _auction_facts(session: Session, tasks: Sequence[Task], now: int) -> _AuctionFacts:
    sealed = [task.id for task in tasks if task.reveal_ends_at is not None]
    orderable = [task.id for task in tasks if "buy_now_units" in task.document]
    return _AuctionFacts(
        sealed=dict(session.execute(repo.commit_counts(sealed, now)).tuples().all()) if sealed else {},
        ordered=frozenset(session.execute(repo.orders(orderable, now)).scalars()) if orderable else frozenset(),
    )


def _public(  # noqa: PLR0917  # what one task shows
    ctx: Context, task: Task, bid_count: int, best: int | None, inputs: list[FileOut], about: _AuctionFacts
) -> TaskOut:
    state = TaskState(task.state)
    document = task.document
    return TaskOut(
        id=task.id,
        buyer=task.buyer,
        task_hash=task.task_hash,
        title=task.title,
        capability=task.capability,
        complexity=task.document["complexity"],
        urgency=task.urgency,
        budget_units=task.budget_units,
        escrow_only=task.escrow_only,
        path_at_budget=path_of(
            ctx,
            price_units=task.budget_units,
            escrow_only=task.escrow_only,
            deliver_within_seconds=task.deliver_within_seconds,
        ),
        deliver_within_seconds=task.deliver_within_seconds,
        auction_ends_at=task.auction_ends_at,
        state=state,
        public_state=public_state(state, auction_over=not task.instant and task.auction_ends_at <= moment(ctx.now())),
        state_since=task.state_since,
        bid_count=about.sealed.get(task.id, bid_count),
        best_bid_units=best,
        deal_id=task.deal_id,
        created_at=task.created_at,
        verifier=task.verifier,
        award_weights=document.get("award_weights"),
        reserve_units=document.get("reserve_units"),
        buy_now_units=document.get("buy_now_units"),
        buy_now_signed=task.id in about.ordered,
        reveal_ends_at=task.reveal_ends_at,
        extension=document.get("extension"),
        instant=task.instant,
        input_summary=inputs,
    )


def task_out(session: Session, ctx: Context, task: Task, reader: bytes | None) -> TaskOut:
    """Return a task with its buyer's record; its parties also get the description and the whole document."""
    decided, rejected = session.execute(repo.verdicts(task.buyer)).one()
    judged = BuyerRecord(decided=decided, rejected=rejected, rejected_bps=rejected * BPS // max(decided, 1))
    about = {"buyer_record": judged, "waits_for": hold_of(session, ctx, task)}
    out = tasks_out(session, ctx, [task])[0].model_copy(update=about)
    if not is_party(session, task, reader):
        return out
    return out.model_copy(update={"description": task.document["description"], "document": task.document})


def page(
    session: Session, ctx: Context, chosen: TaskFilter, *, sort: Sort, cursor: str | None, limit: int
) -> Page[TaskOut]:
    """Return one page of tasks. Raises InvalidInput for a cursor that is foreign, or of another order."""
    sorted_by = paging.UNITS if sort == "budget" else paging.moment
    after = paging.decode(cursor, sorted_by, uuid.UUID)
    rows = list(session.execute(repo.page(chosen, sort, after, limit + 1)).scalars())
    shown = rows[:limit]
    following = None
    if len(rows) > limit:
        last = shown[-1]
        keys = {"newest": last.created_at, "budget": last.budget_units, "ending": last.auction_ends_at}
        value: dt.datetime | int = keys[sort]  # type: ignore[assignment]  # the common type is lost
        following = paging.encode(value, last.id)
    return Page(items=tasks_out(session, ctx, shown), next_cursor=following)


PUBLIC_EVIDENCE: Final = frozenset(
    {"bid_hash", "award_id", "escrow_id", "order_hash", "deliverable_hash", "tx_hash", "block_number", "block_hash"}
    | {"log_index", "finality", "warning"}
)
"""What strangers may read of the facts behind a move: names of things, never signatures or amounts."""


def history(session: Session, task: Task) -> list[TransitionOut]:
    """Return every move of a task, oldest first."""
    return [
        TransitionOut(
            source=None if row.source is None else TaskState(row.source),
            target=TaskState(row.target),
            reason=row.reason,
            evidence={key: value for key, value in row.evidence.items() if key in PUBLIC_EVIDENCE},
            at=row.at,
        )
        for row in session.execute(repo.history(task.id)).scalars()
    ]


def route(ctx: Context, asked: RouteIn) -> RouteOut:
    """Say which way a price is paid, why, and what it costs on top."""
    duration = micro_duration(asked.deliver_within_seconds, ctx.constants)
    chosen = path_of(
        ctx,
        price_units=asked.price_units,
        escrow_only=asked.escrow_only,
        deliver_within_seconds=asked.deliver_within_seconds,
    )
    return RouteOut(
        path=chosen,
        reason=_reason(ctx, asked, duration),
        fee_units=fee(asked.price_units, ctx.constants.fee_bps) if chosen == "escrow" else 0,
        required_stake_units=(required_stake(asked.price_units, ctx.constants.stake_bps) if chosen == "escrow" else 0),
    )


def _reason(ctx: Context, asked: RouteIn, duration: int) -> str:
    limit = format_usdc(ctx.constants.threshold_units)
    if asked.price_units >= ctx.constants.threshold_units:
        return f"Prices of {limit} USDC and more are held in escrow on chain."
    if asked.escrow_only:
        return "You asked for escrow, which allows a dispute."
    if duration > ctx.constants.max_micro_seconds:
        return "The work may take longer than a pool can promise payment for, so escrow holds the money."
    return f"Prices below {limit} USDC are paid from the buyer's pool, without a transaction for each task."
