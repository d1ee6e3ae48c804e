"""Statements over bids and awards."""

from __future__ import annotations

import datetime as dt
import uuid

from sqlalchemy import ColumnElement, Numeric, Select, and_, cast, exists, func, or_, select, union

from backend.agents.models import Agent
from backend.auctions.models import Award, Bid, BidCommit, TaskOrder
from backend.db.times import moment
from backend.deals.models import Deal
from backend.domain.task_states import AWARDABLE, TaskState
from backend.tasks.models import Task
from backend.tasks.repo import live_bid, live_commit


def by_hash(bid_hash: bytes) -> Select[Bid]:
    """One bid."""
    return select(Bid).where(Bid.bid_hash == bid_hash)


def newest_seq(task_id: uuid.UUID) -> Select[int]:
    """The last receipt number of a task, 0 before the first; exact only under the task's row lock."""
    return select(func.coalesce(func.max(Bid.seq), 0)).where(Bid.task_id == task_id)


def bids_of(task_id: uuid.UUID, agent: bytes) -> Select[int]:
    """How many bids of an agent a task has had, of whatever fate."""
    return select(func.count()).select_from(Bid).where(Bid.task_id == task_id, Bid.agent == agent)


def book(task_id: uuid.UUID, now: int) -> Select[Bid, bool, str | None]:
    """Every bid of a task with whether it counts now and its agent's name: counting ones first, cheapest first."""
    counts = live_bid(now).label("counts")
    return (
        select(Bid, counts, Agent.name)
        .outerjoin(Agent, Agent.address == Bid.agent)
        .where(Bid.task_id == task_id)
        .order_by(counts.desc(), Bid.amount_units, Bid.seq)
    )


def one(bid_hash: bytes, now: int) -> Select[Bid, bool, str | None]:
    """One bid with whether it counts now and its agent's name."""
    return (
        select(Bid, live_bid(now).label("counts"), Agent.name)
        .outerjoin(Agent, Agent.address == Bid.agent)
        .where(Bid.bid_hash == bid_hash)
    )


def live(task_id: uuid.UUID, now: int) -> Select[Bid]:
    """The bids that count now, cheapest first."""
    return select(Bid).where(Bid.task_id == task_id, live_bid(now)).order_by(Bid.amount_units, Bid.seq)


def of_task(task_id: uuid.UUID) -> Select[Bid]:
    """Every bid of a task that somebody has seen, in the order of their receipts."""
    return select(Bid).where(Bid.task_id == task_id).order_by(Bid.seq)


def hashes(task_id: uuid.UUID) -> Select[bytes]:
    """The hashes of everything receipted for a task, bids and sealed bids, each once."""
    bids, commits = select(Bid.bid_hash), select(BidCommit.bid_hash)
    every = union(bids.where(Bid.task_id == task_id), commits.where(BidCommit.task_id == task_id)).subquery()
    return select(every.c.bid_hash)


def commit_by_hash(bid_hash: bytes) -> Select[BidCommit]:
    """One sealed bid."""
    return select(BidCommit).where(BidCommit.bid_hash == bid_hash)


def newest_commit_seq(task_id: uuid.UUID) -> Select[int]:
    """The last receipt number of a task with sealed bids, 0 before the first; exact only under the task's row lock."""
    return select(func.coalesce(func.max(BidCommit.seq), 0)).where(BidCommit.task_id == task_id)


def commits_of(task_id: uuid.UUID, agent: bytes) -> Select[int]:
    """How many sealed bids of an agent a task has had, of whatever fate."""
    return select(func.count()).select_from(BidCommit).where(BidCommit.task_id == task_id, BidCommit.agent == agent)


def newest_commit_of(task_id: uuid.UUID, agent: bytes) -> Select[int]:
    """The last receipt number of an agent's sealed bids on a task."""
    return select(func.max(BidCommit.seq)).where(BidCommit.task_id == task_id, BidCommit.agent == agent)


def _may_count(now: int) -> ColumnElement[bool]:
    """Whether a sealed bid counts, or may still be shown."""
    in_time = or_(BidCommit.revealed_at.is_not(None), Task.reveal_ends_at > moment(now))
    return live_commit(now) & in_time


def commits(task_id: uuid.UUID, now: int) -> Select[BidCommit, bool, str | None]:
    """Every sealed bid of a task with whether it may count and its agent's name, in the order of their receipts."""
    return (
        select(BidCommit, _may_count(now).label("counts"), Agent.name)
        .join(Task, Task.id == BidCommit.task_id)
        .outerjoin(Agent, Agent.address == BidCommit.agent)
        .where(BidCommit.task_id == task_id)
        .order_by(BidCommit.seq)
    )


def one_commit(bid_hash: bytes, now: int) -> Select[BidCommit, bool, str | None]:
    """One sealed bid with whether it may count and its agent's name."""
    return (
        select(BidCommit, _may_count(now).label("counts"), Agent.name)
        .join(Task, Task.id == BidCommit.task_id)
        .outerjoin(Agent, Agent.address == BidCommit.agent)
        .where(BidCommit.bid_hash == bid_hash)
    )


def _hidden(now: int) -> ColumnElement[bool]:
    """Whether a task has sealed bids that would count and are not shown yet."""
    return exists().where(BidCommit.task_id == Task.id, BidCommit.revealed_at.is_(None), live_commit(now))


def hidden(task_id: uuid.UUID, now: int) -> Select[bool]:
    """Whether a task has sealed bids that would count and are not shown yet."""
    return select(_hidden(now)).where(Task.id == task_id)


def due_reveals(now: int) -> Select[uuid.UUID]:
    """Open tasks whose auction is over and whose sealed bids are to be shown."""
    running = (Task.auction_ends_at <= moment(now)) & (Task.reveal_ends_at > moment(now))
    return select(Task.id).where(Task.state == TaskState.OPEN.value, running, _hidden(now))


def lapsed(task_id: uuid.UUID) -> Select[bytes]:
    """The bids of a task whose deals ended unpaid; exact while the task is to be awarded."""
    return select(Deal.bid_hash).where(Deal.task_id == task_id, ~Deal.live)


def _untried(now: int) -> ColumnElement[bool]:
    """Whether a bid of the task counts now and has not had its turn: no deal of it ended unpaid."""
    tried = exists().where(Deal.task_id == Bid.task_id, Deal.bid_hash == Bid.bid_hash, ~Deal.live)
    return and_(Bid.task_id == Task.id, live_bid(now), ~tried)


def due_by_rule(now: int) -> Select[uuid.UUID]:
    """Tasks which the rule awards now: over, nothing left to be shown, and a bid that counts for the rule."""
    at = moment(now)
    ended = or_(Task.reveal_ends_at.is_(None), Task.reveal_ends_at <= at, ~_hidden(now))
    reserve = cast(Task.document["reserve_units"].astext, Numeric(78, 0))
    counting = exists().where(_untried(now), Bid.amount_units <= func.coalesce(reserve, Task.budget_units))
    return (
        select(Task.id)
        .where(Task.state.in_([state.value for state in AWARDABLE]), Task.auction_ends_at <= at)
        .where(Task.document.has_key("award_weights"), ended, counting)
        .order_by(Task.auction_ends_at)
    )


def due_by_order(now: int) -> Select[uuid.UUID]:
    """Open tasks with a bid within the price that their buyers have signed."""
    within = exists().where(_untried(now), Bid.amount_units <= TaskOrder.max_units)
    return (
        select(Task.id)
        .join(TaskOrder, TaskOrder.task_id == Task.id)
        .where(Task.state == TaskState.OPEN.value, ~Task.instant, TaskOrder.valid_until > now, within)
        .order_by(Task.id)
    )


def order_of(task_id: uuid.UUID) -> Select[TaskOrder]:
    """The buyer's order of a task."""
    return select(TaskOrder).where(TaskOrder.task_id == task_id)


def awards(task_id: uuid.UUID) -> Select[Award, uuid.UUID]:
    """Every award of a task with the deal it made, oldest first."""
    return (
        select(Award, Deal.id)
        .join(Deal, Deal.award_id == Award.id)
        .where(Award.task_id == task_id)
        .order_by(Award.created_at, Award.id)
    )


def newest_award(task_id: uuid.UUID) -> Select[Award, uuid.UUID]:
    """The last award of a task with the deal it made."""
    return (
        select(Award, Deal.id)
        .join(Deal, Deal.award_id == Award.id)
        .where(Award.task_id == task_id)
        .order_by(Award.created_at.desc(), Award.id.desc())
        .limit(1)
    )


def count_since(start: dt.datetime) -> Select[int]:
    """How many bids came in since a moment."""
    return select(func.count()).select_from(Bid).where(Bid.received_at > start)


def winning_live_deal(bid_hash: bytes) -> Select[bool]:
    """Whether a live deal was made of the bid."""
    return select(exists().where(Deal.bid_hash == bid_hash, Deal.live))
