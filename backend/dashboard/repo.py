"""Statements of dashboards: each answers one question of one account, whatever number of rows it has."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Date,
    Integer,
    Select,
    and_,
    case,
    cast,
    exists,
    func,
    literal,
    null,
    or_,
    select,
    union_all,
)

from backend.auctions.models import Bid, BidCommit
from backend.breakers.models import BreakerRow
from backend.db.base import Units
from backend.deals.failover import PAYMENT_SECONDS
from backend.deals.models import Deal, EscrowTerms
from backend.domain.task_states import TaskState
from backend.payments.models import Channel, MicroOrder, Pool, Receipt
from backend.tasks.models import Task, TaskTransition
from backend.tasks.repo import live_bid, live_commit
from backend.x402.models import PaidEndpoint, X402Payment
from indexer import views
from indexer.core.reputation import OUTCOME_KIND
from indexer.core.states import EscrowStatus, Outcome
from indexer.projections.activity import activity
from indexer.projections.arbiter import arbiter_dispute as courts
from indexer.projections.dispute import dispute as disputes
from indexer.projections.escrow import escrow as escrows
from indexer.projections.escrow import escrow_event
from indexer.projections.payment_channel import channel as mirrored_channels
from indexer.projections.payment_channel import pool as mirrored_pools
from indexer.projections.reputation import agent_record

SHOWN: Final = 50
S = TaskState
_FAILURES: Final = [f"{OUTCOME_KIND}{one}" for one in (Outcome.RETURNED, Outcome.MISSED, Outcome.LOST)]
_DONE: Final = (S.COMPLETED.value, S.SPLIT.value)


def pools(payer: bytes) -> Select[int, int, int]:
    """What an account's pools hold, how much of it is free, and how much is reserved."""
    room = (
        views.pool_headroom_expr(mirrored_pools.c.pool_id)
        + func.coalesce(Pool.own_paid_units, 0)
        - func.coalesce(Pool.earned_units, 0)
        - func.coalesce(Pool.reserved_units, 0)
    )
    return (
        select(
            _sum(mirrored_pools.c.balance_units), _sum(func.greatest(room, 0)), _sum(Pool.reserved_units)
        )
        .select_from(mirrored_pools)
        .outerjoin(Pool, Pool.pool_id == mirrored_pools.c.pool_id)
        .where(mirrored_pools.c.payer == payer)
    )  # fmt: skip


def _sum(column: Any) -> ColumnElement[Any]:
    return func.coalesce(func.sum(column), 0)


def in_escrow(client: bytes) -> Select[int, int]:
    """What is left in a buyer's open escrows, his bonds in disputes included, and how many these are."""
    left = escrows.c.amount_units - escrows.c.released_units - escrows.c.refunded_units
    bond = func.coalesce(disputes.c.bond_left_units, 0)
    open_ones = (escrows.c.client == client, escrows.c.status != EscrowStatus.CLOSED)
    with_disputes = escrows.outerjoin(disputes, disputes.c.escrow_id == escrows.c.escrow_id)
    return select(_sum(left + bond), func.count()).select_from(with_disputes).where(*open_ones)


def days(account: bytes, since: dt.datetime, *, agent: bool) -> Select[dt.date, int, int]:
    """Per UTC day: deals completed, and what was released to agents; to the agent itself less the fee."""
    party, on_chain = (Deal.agent, escrow_event.c.provider) if agent else (Deal.buyer, escrow_event.c.client)
    amount = escrow_event.c.event_amount_units
    fees = escrow_event.c.event_fee_units if agent else literal(0)
    day = cast(func.timezone("UTC", TaskTransition.at), Date)
    paid_by_pool = and_(Deal.path == "channel", TaskTransition.target == S.COMPLETED.value)
    deals = (
        select(
            day.label("day"),
            literal(1, Integer).label("deals"),
            case((paid_by_pool, Deal.price_units), else_=literal(0, Units)).label("units"),
        )
        .join(Deal, and_(Deal.task_id == TaskTransition.task_id, Deal.id == TaskTransition.deal_id))
        .where(party == account, TaskTransition.target.in_(_DONE), TaskTransition.at >= since)
    )
    released = select(
        cast(func.timezone("UTC", func.to_timestamp(escrow_event.c.block_time)), Date), literal(0, Integer),
        amount - fees,
    ).where(
        on_chain == account, escrow_event.c.kind == "released", escrow_event.c.block_time >= int(since.timestamp())
    )  # fmt: skip
    both = union_all(deals, released).subquery()
    return select(both.c.day, func.sum(both.c.deals), func.sum(both.c.units)).group_by(both.c.day)


def sales(agent: bytes, since: dt.datetime) -> Select[dt.date, int, int]:
    """Per UTC day: requests answered for pay through the x402 gateway, and what they paid; there is no fee on them."""
    day = cast(func.timezone("UTC", X402Payment.created_at), Date)
    return (
        select(day, func.count(), func.sum(X402Payment.price_units))
        .join(PaidEndpoint, PaidEndpoint.id == X402Payment.endpoint_id)
        .where(PaidEndpoint.agent == agent, X402Payment.state == "answered", X402Payment.created_at >= since)
        .group_by(day)
    )


def last_failure(agent: bytes) -> Select[bytes, str, int, int]:
    """An agent's newest failure as it was recorded: escrow, outcome, unix second, price; none is looked up at once."""
    failed = select(agent_record.c.failed + agent_record.c.lost).where(agent_record.c.agent == agent).scalar_subquery()
    return (
        select(escrows.c.escrow_id, escrows.c.outcome, activity.c.block_time, escrows.c.amount_units)
        .join(escrows, escrows.c.escrow_id == activity.c.subject)
        .where(failed > 0, activity.c.account == agent, activity.c.kind.in_(_FAILURES))
        .order_by(activity.c.block_number.desc(), activity.c.log_index.desc())
        .limit(1)
    )


def task_states(buyer: bytes) -> Select[str, int]:
    """How many tasks of a buyer stand in each state."""
    return select(Task.state, func.count()).where(Task.buyer == buyer).group_by(Task.state).order_by(Task.state)


def deal_states(agent: bytes) -> Select[str, int]:
    """How many tasks stand in each state whose newest deal is an agent's."""
    current = select(Task.state, func.count()).join(Deal, Deal.id == Task.deal_id).where(Deal.agent == agent)
    return current.group_by(Task.state).order_by(Task.state)


def _disputed(open_step: str) -> Any:
    """The step of a disputed deal: an open appeal, an answer that is due, or the dispute itself."""
    return case(
        (courts.c.period == "appeal", literal("appeal")),
        (escrows.c.status == EscrowStatus.CHALLENGED, literal(open_step)),
        else_=literal("dispute"),
    )


def _decides_at() -> Any:
    """When a disputed deal moves on without anybody; an appeal's clock is read apart."""
    answer = (escrows.c.status == EscrowStatus.CHALLENGED, escrows.c.respond_by)
    return case((courts.c.period == "appeal", null()), answer, else_=escrows.c.decide_by)


def _seconds(moment: Any) -> Any:
    return cast(func.extract("epoch", moment), BigInteger)


def _with_deal(escrow: bytes, *columns: Any) -> Select[Any]:
    """Tasks with their deal and all whose clocks it may run by; the escrow contract is the address."""
    of_escrow = and_(courts.c.arbitrable == escrow, courts.c.reference == escrows.c.escrow_id)
    return (
        select(*columns)
        .select_from(Task)
        .outerjoin(Deal, Deal.id == Task.deal_id)
        .outerjoin(EscrowTerms, and_(EscrowTerms.deal_id == Deal.id, EscrowTerms.lapsed_at.is_(None)))
        .outerjoin(escrows, escrows.c.escrow_id == EscrowTerms.escrow_id)
        .outerjoin(courts, and_(of_escrow, courts.c.ruling.is_(None)))
        .outerjoin(MicroOrder, MicroOrder.deal_id == Deal.id)
    )


def waiting_for_buyer(
    buyer: bytes, escrow: bytes, *, now: int, moment: dt.datetime, payment_seconds: int
) -> Select[str, Any, Any, str, int, int | None, bytes | None]:
    """What waits in a buyer's tasks, due first: step, task, deal, title, units, deadline, and dispute of an appeal."""
    counting = exists().where(Bid.task_id == Task.id, live_bid(now))
    ended = and_(Task.state == S.OPEN.value, Task.auction_ends_at <= moment, counting)
    hidden = exists().where(BidCommit.task_id == Task.id, BidCommit.revealed_at.is_(None), live_commit(now))
    shown = and_(Task.state == S.REVEALING.value, or_(Task.reveal_ends_at <= moment, ~hidden), counting)
    unpaid, delivered = Task.state == S.AWAITING_PAYMENT.value, Task.state == S.DELIVERED.value
    disputed = Task.state == S.DISPUTED.value
    step = case(
        (unpaid, literal("pay")), (delivered, literal("review")), (disputed, _disputed("dispute")),
        else_=literal("award"),
    )  # fmt: skip
    due = case(
        (unpaid & Task.instant, _seconds(Deal.created_at) + PAYMENT_SECONDS),
        (unpaid, _seconds(Task.state_since) + payment_seconds),
        (delivered, func.coalesce(MicroOrder.evaluate_by, escrows.c.challenge_ends_at)),
        (disputed, _decides_at()),
    )
    appealed = case((disputed & (courts.c.period == "appeal"), courts.c.dispute_id))
    units = func.coalesce(Deal.price_units, Task.budget_units)
    return (
        _with_deal(escrow, step, Task.id, Deal.id, Task.title, units, due.label("due"), appealed)
        .where(Task.buyer == buyer, or_(ended, shown, unpaid, delivered, disputed))
        .order_by(due.asc().nulls_last(), Task.id)
        .limit(SHOWN)
    )


def waiting_for_agent(
    agent: bytes, escrow: bytes, *, now: int, moment: dt.datetime
) -> Select[str, Any, Any, str, int | None, int | None, bytes | None]:
    """What waits in an agent's deals and sealed bids, due first; columns as of `waiting_for_buyer`."""
    accepts = Task.state == S.AWAITING_ACCEPTANCE.value
    works = Task.state.in_([S.ASSIGNED.value, S.RUNNING.value])
    disputed = Task.state == S.DISPUTED.value
    step = case(
        (accepts, literal("accept")), (works, literal("deliver")), else_=_disputed("answer")
    )  # fmt: skip
    due = case(
        (accepts, EscrowTerms.acceptance_due),
        (works, func.coalesce(MicroOrder.deliver_by, EscrowTerms.deliver_by)),
        (disputed, _decides_at()),
    )
    appealed = case((disputed & (courts.c.period == "appeal"), courts.c.dispute_id))
    deals = _with_deal(
        escrow, step.label("step"), Task.id, Deal.id.label("deal"), Task.title, Deal.price_units.label("units"),
        due.label("due"), appealed.label("appealed"),
    ).where(Deal.agent == agent, Deal.live, or_(accepts, works, disputed))  # fmt: skip
    hidden = (
        select(
            literal("show_bid"), Task.id, null(), Task.title, null(), _seconds(Task.reveal_ends_at), null()
        )
        .join(BidCommit, BidCommit.task_id == Task.id)
        .where(BidCommit.agent == agent, BidCommit.revealed_at.is_(None), live_commit(now))
        .where(Task.state == S.REVEALING.value, Task.reveal_ends_at > moment)
    )  # fmt: skip
    both = union_all(deals, hidden).subquery()
    return select(*both.c).order_by(both.c.due.asc().nulls_last(), both.c.id).limit(SHOWN)


def owed(agent: bytes) -> Select[int, int, dt.datetime | None]:
    """What channels have earned for an agent that no claim has covered, in how many, and since when receipts wait."""
    claimed = func.coalesce(mirrored_channels.c.total_claimed_units, 0)
    oldest = (
        select(func.min(Receipt.created_at))
        .where(Receipt.channel_id == Channel.channel_id, Receipt.total_claimed_units > claimed)
        .correlate(Channel, mirrored_channels)
        .scalar_subquery()
    )
    return (
        select(_sum(Channel.earned_units - claimed), func.count(), func.min(oldest))
        .outerjoin(mirrored_channels, mirrored_channels.c.channel_id == Channel.channel_id)
        .where(Channel.receiver == agent, Channel.earned_units > claimed)
    )


def auctions(agent: bytes, since: dt.datetime) -> Select[int, int]:
    """How many tasks an agent has bid for that are decided, and how many of them it was awarded."""
    tried = select(Bid.task_id).where(Bid.agent == agent, Bid.received_at >= since).distinct().subquery()
    won = exists().where(Deal.task_id == tried.c.task_id, Deal.agent == agent)
    decided = exists().where(Deal.task_id == tried.c.task_id)
    return select(func.count(), func.count().filter(won)).select_from(tried).where(decided)


def breaker(agent: bytes) -> Select[BreakerRow]:
    """The circuit breaker of an agent's server."""
    return select(BreakerRow).where(BreakerRow.agent == agent)


def running(agent: bytes, states: Sequence[TaskState]) -> Select[int]:
    """How many deals of an agent are in work."""
    working = (Deal.agent == agent, Deal.live, Task.state.in_([state.value for state in states]))
    return select(func.count()).select_from(Deal).join(Task, Task.id == Deal.task_id).where(*working)
