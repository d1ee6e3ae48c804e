"""Statements over tasks, their history and their files."""

from __future__ import annotations

import datetime as dt
import uuid
from dataclasses import dataclass
from typing import Any, Final, Literal

from sqlalchemy import ColumnElement, Select, Update, and_, case, exists, func, literal, or_, select, tuple_, update
from sqlalchemy.orm import aliased

from backend.auctions.models import Bid, BidCommit, TaskOrder
from backend.deals.models import Deal
from backend.domain.task_states import AWARDABLE, TaskState
from backend.payments.models import MicroOrder, Pool
from backend.tasks.models import Task, TaskFile, TaskTransition

Sort = Literal["newest", "budget", "ending"]
Auction = Literal["open", "sealed", "rule", "buy_now"]
"""How bids come in (open or sealed), awarded by the rule, or with a buy-now price."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskFilter:
    """What a list of tasks is narrowed to; None means any."""

    states: tuple[TaskState, ...] = ()
    capability: str | None = None
    buyer: bytes | None = None
    party: bytes | None = None
    words: str | None = None
    specialty: tuple[str, str] | None = None
    """Dimension and value: what a task is about, as scores count it."""
    least_units: int | None = None
    most_units: int | None = None
    """Bounds of the budget, base units, both included."""
    auction: Auction | None = None


_KEYS: Final[dict[Sort, tuple[Any, bool]]] = {
    "newest": (Task.created_at, True),
    "budget": (Task.budget_units, True),
    "ending": (Task.auction_ends_at, False),
}
"""Sort column and whether it runs downwards."""


_AUCTIONS: Final[dict[Auction, ColumnElement[bool]]] = {
    "open": Task.reveal_ends_at.is_(None),
    "sealed": Task.reveal_ends_at.is_not(None),
    "rule": Task.document.has_key("award_weights"),
    "buy_now": Task.document.has_key("buy_now_units"),
}


def by_id(task_id: uuid.UUID) -> Select[Task]:
    """One task."""
    return select(Task).where(Task.id == task_id)


def locked(task_id: uuid.UUID) -> Select[Task]:
    """One task, its row locked until the end of the transaction and read anew."""
    return by_id(task_id).with_for_update().execution_options(populate_existing=True)


def _escaped(words: str) -> str:
    return words.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def _conditions(chosen: TaskFilter) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if chosen.states:
        conditions.append(Task.state.in_([state.value for state in chosen.states]))
    if chosen.capability is not None:
        conditions.append(Task.capability == chosen.capability)
    if chosen.buyer is not None:
        conditions.append(Task.buyer == chosen.buyer)
    if chosen.party is not None:
        agent_of = exists().where(Deal.task_id == Task.id, Deal.agent == chosen.party)
        conditions.append(or_(Task.buyer == chosen.party, agent_of))
    if chosen.specialty is not None:
        conditions.append(_about(*chosen.specialty))
    if chosen.least_units is not None:
        conditions.append(Task.budget_units >= chosen.least_units)
    if chosen.most_units is not None:
        conditions.append(Task.budget_units <= chosen.most_units)
    if chosen.auction is not None:
        conditions.append(_AUCTIONS[chosen.auction])
    if chosen.words:
        conditions.append(Task.title.ilike(f"%{_escaped(chosen.words)}%", escape="\\"))
    return conditions


def _about(dimension: str, value: str) -> ColumnElement[bool]:
    """Whether a task is about a specialty: its document names it, or its capability is that type of task."""
    named: ColumnElement[bool] = Task.document[dimension].astext == value
    if dimension != "task_type":
        return named
    return or_(named, and_(Task.capability == value, ~Task.document.has_key("task_type")))


def page(chosen: TaskFilter, sort: Sort, after: tuple[Any, uuid.UUID] | None, limit: int) -> Select[Task]:
    """Tasks in order, from behind the (sort value, id) of the last row seen."""
    column, down = _KEYS[sort]
    statement = select(Task).where(*_conditions(chosen)).limit(limit)
    if after is not None:
        here = tuple_(column, Task.id)
        there = tuple_(literal(after[0], column.type), literal(after[1], Task.id.type))
        statement = statement.where(here < there if down else here > there)
    return statement.order_by(*((column.desc(), Task.id.desc()) if down else (column, Task.id)))


# made once: nearly every answer of the API asks for them, and to put them together takes longer than to send them
_later_bid, _later_commit = aliased(Bid), aliased(BidCommit)
_standing_bid = and_(
    Bid.withdrawn_at.is_(None),
    ~exists().where(_later_bid.task_id == Bid.task_id, _later_bid.agent == Bid.agent, _later_bid.seq > Bid.seq),
)
_standing_commit = and_(
    BidCommit.withdrawn_at.is_(None),
    ~exists().where(
        _later_commit.task_id == BidCommit.task_id,
        _later_commit.agent == BidCommit.agent,
        _later_commit.seq > BidCommit.seq,
    ),
)


def live_bid(now: int) -> ColumnElement[bool]:
    """Whether a bid counts now: not withdrawn, not expired, not replaced by a later bid of its agent."""
    return and_(_standing_bid, Bid.valid_until > now)


def live_commit(now: int) -> ColumnElement[bool]:
    """Whether a sealed bid may still count: not withdrawn, not expired, not replaced by a later one of its agent."""
    return and_(_standing_commit, BidCommit.valid_until > now)


def commit_counts(task_ids: list[uuid.UUID], now: int) -> Select[uuid.UUID, int]:
    """Per task: its id and how many sealed bids may still count, shown or not."""
    return (
        select(BidCommit.task_id, func.count())
        .where(BidCommit.task_id.in_(task_ids), live_commit(now))
        .group_by(BidCommit.task_id)
    )


def orders(task_ids: list[uuid.UUID], now: int) -> Select[uuid.UUID]:
    """Those of the tasks whose buyer's order is here and valid."""
    return select(TaskOrder.task_id).where(TaskOrder.task_id.in_(task_ids), TaskOrder.valid_until > now)


def verdicts(buyer: bytes) -> Select[int, int]:
    """How many results paid from a pool a buyer has accepted or rejected, by word or silence, and how many rejected.

    Who pays is whose deal it is; the orders are found by his pools, which are few, not by his deals.
    """
    rejected = MicroOrder.verdict_accepted.is_(False)
    pools = select(Pool.pool_id).where(Pool.payer == buyer)
    return select(func.count(), func.count().filter(rejected)).where(
        MicroOrder.pool_id.in_(pools), or_(MicroOrder.state == "earned", rejected)
    )


def bid_figures(task_ids: list[uuid.UUID], now: int) -> Select[uuid.UUID, int, int | None]:
    """Per task: its id, how many bids count now, and the lowest of them."""
    return (
        select(Bid.task_id, func.count(), func.min(Bid.amount_units))
        .where(Bid.task_id.in_(task_ids), live_bid(now))
        .group_by(Bid.task_id)
    )


def inputs(task_ids: list[uuid.UUID]) -> Select[TaskFile]:
    """The input files of tasks, by name."""
    return (
        select(TaskFile)
        .where(TaskFile.task_id.in_(task_ids), TaskFile.role == "input")
        .order_by(TaskFile.task_id, TaskFile.name)
    )


def is_awarded_agent(task_id: uuid.UUID, address: bytes) -> Select[bool]:
    """Whether the address is the agent of the task's live deal, or has delivered on one."""
    delivered = exists().where(TaskFile.deal_id == Deal.id)
    current = exists().where(Task.id == Deal.task_id, Task.deal_id == Deal.id)
    return select(exists().where(Deal.task_id == task_id, Deal.agent == address, or_(Deal.live, current, delivered)))


def history(task_id: uuid.UUID) -> Select[TaskTransition]:
    """Every move of a task, oldest first."""
    return select(TaskTransition).where(TaskTransition.task_id == task_id).order_by(TaskTransition.id)


def count_completed(deal_id: uuid.UUID) -> Update:
    """Let a deal count as completed in its agent's figures."""
    return (
        update(Deal)
        .where(Deal.id == deal_id)
        .values(counts_as="completed")
        .execution_options(synchronize_session=False)
    )


def count_failed(task_id: uuid.UUID, deal_id: uuid.UUID) -> Update:
    """Let a deal count as failed if its agent had taken the work on, which is among the moves of its task."""
    its = (TaskTransition.task_id == task_id, TaskTransition.deal_id == deal_id)
    taken_on = exists().where(*its, TaskTransition.target == TaskState.ASSIGNED.value)
    statement = update(Deal).where(Deal.id == deal_id, taken_on).values(counts_as="failed")
    return statement.execution_options(synchronize_session=False)


def deal_parties(deal_id: uuid.UUID) -> Select[bytes, bytes, bytes | None]:
    """Buyer, agent and verifier of a deal."""
    return select(Deal.buyer, Deal.agent, Deal.verifier).where(Deal.id == deal_id)


def due_without_bids(moment: dt.datetime, now: int, limit: int) -> Select[Task]:
    """Tasks to be awarded whose auction is over and where no bid counts, or may still be shown; of those that the
    scheduler offers, the ones whose order has ended. Rows others hold are skipped."""
    counting = exists().where(Bid.task_id == Task.id, live_bid(now))
    hidden = exists().where(BidCommit.task_id == Task.id, BidCommit.revealed_at.is_(None), live_commit(now))
    to_be_shown = and_(Task.reveal_ends_at > moment, hidden)
    awardable = Task.state.in_([state.value for state in AWARDABLE])
    ordered = exists().where(TaskOrder.task_id == Task.id, TaskOrder.valid_until > now)
    waiting = case((Task.instant, ordered), else_=or_(counting, func.coalesce(to_be_shown, False)))
    return (
        select(Task)
        .where(awardable, Task.auction_ends_at <= moment, ~waiting)
        .order_by(Task.auction_ends_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )


def count_in(states: tuple[TaskState, ...]) -> Select[int]:
    """How many tasks stand in one of the states."""
    return select(func.count()).select_from(Task).where(Task.state.in_([state.value for state in states]))
