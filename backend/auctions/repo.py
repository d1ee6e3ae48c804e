"""Statements over bids and awards."""

from __future__ import annotations

import datetime as dt
import uuid

from sqlalchemy import Select, exists, func, select

from backend.agents.models import Agent
from backend.auctions.models import Award, Bid
from backend.deals.models import Deal
from backend.tasks.repo import live_bid


def by_hash(bid_hash: bytes) -> Select[Bid]:
    """One bid."""
    return select(Bid).where(Bid.bid_hash == bid_hash)


def newest_seq(task_id: uuid.UUID) -> Select[int]:
    """The last receipt number of a task, 0 before the first; exact only under the task's row lock."""
    return select(func.coalesce(func.max(Bid.seq), 0)).where(Bid.task_id == task_id)


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


def hashes(task_id: uuid.UUID) -> Select[bytes]:
    """The hashes of every receipted bid of a task."""
    return select(Bid.bid_hash).where(Bid.task_id == task_id)


def newest_award(task_id: uuid.UUID) -> Select[Award, uuid.UUID]:
    """The last award of a task with the deal it made."""
    return (
        select(Award, Deal.id)
        .join(Deal, Deal.award_id == Award.id)
        .where(Award.task_id == task_id)
        .order_by(Award.created_at.desc(), Award.id.desc())
        .limit(1)
    )


def count_since(moment: dt.datetime) -> Select[int]:
    """How many bids came in since a moment."""
    return select(func.count()).select_from(Bid).where(Bid.received_at > moment)


def winning_live_deal(bid_hash: bytes) -> Select[bool]:
    """Whether a live deal was made of the bid."""
    return select(exists().where(Deal.bid_hash == bid_hash, Deal.live))
