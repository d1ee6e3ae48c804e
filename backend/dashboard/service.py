"""Dashboards: what an account has, earns or spends, and what waits for it, by a fixed number of statements."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from typing import Any, Final

from sqlalchemy.orm import Session

from aicp.rules.decay import DAY
from aicp.rules.fees import BPS
from aicp.rules.primitives import Finality, checksum, hex0x
from aicp.rules.reputation import FLOOR
from backend.agents import service as agents
from backend.agents.repo import RUNNING
from backend.breakers.schemas import agent_out
from backend.context import Context
from backend.dashboard import repo
from backend.dashboard.schemas import (
    AgentDashboardOut,
    AgentWaitingOut,
    BuyerDashboardOut,
    BuyerWaitingOut,
    DayOut,
    EarnedDayOut,
    LastFailureOut,
    StandingOut,
    StateCountOut,
)
from backend.db.times import moment, unix
from backend.deals.appeal_view import ends_of
from backend.domain.task_states import TaskState
from backend.errors import NotFound
from backend.reputation import repo as scores
from backend.reputation.anchored import newest_anchored
from backend.reputation.models import Score
from backend.reputation.schemas import ForecastOut
from backend.wallet.service import collectable

DAYS: Final = 30
WEEK: Final = 7
BIDS_DAYS: Final = 90


def of_buyer(session: Session, ctx: Context, account: bytes) -> BuyerDashboardOut:
    """Return a buyer's dashboard."""
    now = ctx.now()
    balance, free, reserved = session.execute(repo.pools(account)).one()
    held, escrows = session.execute(repo.in_escrow(account)).one()
    days = _days(session, account, now, agent=False)
    rows = session.execute(
        repo.waiting_for_buyer(
            account, ctx.deployment.escrow, now=now, moment=moment(now),
            payment_seconds=ctx.constants.awaiting_payment_seconds,
        )
    ).all()  # fmt: skip
    due = _due(session, ctx, rows)
    return BuyerDashboardOut(
        account=account,
        pool_units=int(balance),
        pool_free_units=int(free),
        pool_reserved_units=int(reserved),
        escrow_units=int(held),
        escrows=escrows,
        collectable_units=collectable(session, ctx, account),
        spent_7_units=_sum_of(days, WEEK),
        spent_30_units=_sum_of(days, DAYS),
        days=days,
        tasks=_counts(session.execute(repo.task_states(account)).tuples()),
        waiting=[
            BuyerWaitingOut(step=step, task_id=task, deal_id=deal, title=title, units=int(units), due=ends)
            for (step, task, deal, title, units, _, _), ends in zip(rows, due, strict=True)
        ],
    )


def of_agent(session: Session, ctx: Context, name: str, account: bytes) -> AgentDashboardOut:
    """Return an agent's dashboard, to itself only. Raises NotFound for anybody else."""
    agent = agents.named(session, name)
    if agent.address != account:
        raise NotFound("There is no such agent of yours.")
    now = ctx.now()
    days = _earned_days(session, account, now)
    owed, channels, oldest = session.execute(repo.owed(account)).one()
    decided, won = session.execute(repo.auctions(account, moment(now - BIDS_DAYS * DAY))).one()
    breaker = session.execute(repo.breaker(account)).scalar_one_or_none()
    rows = session.execute(
        repo.waiting_for_agent(account, ctx.deployment.escrow, now=now, moment=moment(now))
    ).all()  # fmt: skip
    due = _due(session, ctx, rows)
    return AgentDashboardOut(
        account=account,
        slug=agent.slug,
        name=agent.name,
        earned_7_units=_sum_of(days, WEEK),
        earned_30_units=_sum_of(days, DAYS),
        sales_7_units=sum(day.sales_units for day in days[-WEEK:]),
        sales_30_units=sum(day.sales_units for day in days),
        days=days,
        collectable_units=collectable(session, ctx, account),
        owed_units=int(owed),
        owed_channels=channels,
        settles_at=None if oldest is None else moment(unix(oldest) + ctx.constants.settle_age_seconds),
        running=session.execute(repo.running(account, RUNNING)).scalar_one(),
        capacity=agent.capacity,
        deals=_counts(session.execute(repo.deal_states(account)).tuples()),
        standing=_standing(session, account),
        breaker=None if breaker is None else agent_out(breaker, checksum(account)),
        bids_decided=decided,
        bids_won=won,
        win_rate_bps=won * BPS // decided if decided else None,
        waiting=[
            AgentWaitingOut(
                step=step, task_id=task, deal_id=deal, title=title, units=None if units is None else int(units),
                due=ends,
            )
            for (step, task, deal, title, units, _, _), ends in zip(rows, due, strict=True)
        ],
    )  # fmt: skip


def _since(now: int) -> dt.datetime:
    """Return where the first of the days that are shown begins."""
    first = moment(now).date() - dt.timedelta(days=DAYS - 1)
    return dt.datetime.combine(first, dt.time(), dt.UTC)


def _days(session: Session, account: bytes, now: int, *, agent: bool) -> list[DayOut]:
    since = _since(now)
    found = {day: (int(deals), int(units)) for day, deals, units in session.execute(
        repo.days(account, since, agent=agent)
    ).tuples()}  # fmt: skip
    wanted = [since.date() + dt.timedelta(days=number) for number in range(DAYS)]
    return [DayOut(day=day, deals=found.get(day, (0, 0))[0], units=found.get(day, (0, 0))[1]) for day in wanted]


def _earned_days(session: Session, agent: bytes, now: int) -> list[EarnedDayOut]:
    """Return what an agent earned each day, for deals and by x402."""
    sold = {day: (count, int(units)) for day, count, units in session.execute(
        repo.sales(agent, _since(now))
    ).tuples()}  # fmt: skip
    found = []
    for one in _days(session, agent, now, agent=True):
        count, units = sold.get(one.day, (0, 0))
        found.append(
            EarnedDayOut(day=one.day, deals=one.deals, units=one.units + units, sales=count, sales_units=units)
        )
    return found


def _sum_of(days: Sequence[DayOut], last: int) -> int:
    return sum(day.units for day in days[-last:])


def _counts(rows: Iterable[tuple[str, int]]) -> list[StateCountOut]:
    return [StateCountOut(state=TaskState(state), count=count) for state, count in rows]


def _due(session: Session, ctx: Context, rows: Sequence[Any]) -> list[dt.datetime | None]:
    """Return the deadline of each row; that of an appeal follows from all periods of its dispute."""
    ends = ends_of(session, ctx, [row[6] for row in rows if row[6] is not None])
    found = (row[5] if row[6] is None else ends.get(row[6]) for row in rows)
    return [None if due is None else moment(int(due)) for due in found]


def _standing(session: Session, agent: bytes) -> StandingOut:
    anchored = newest_anchored(session, Finality.SEEN)
    score = None
    if anchored is not None:
        score = session.execute(scores.score(anchored.computed.id, agent)).scalar_one_or_none()
    failure = _last_failure(session, agent, score)
    if anchored is None or score is None:
        return StandingOut(score=FLOOR, epoch=None, ended_at=None, forecast=[], last_failure=failure)
    return StandingOut(
        score=score.score, epoch=anchored.row.epoch, ended_at=anchored.computed.ended_at,
        forecast=[ForecastOut(days=days, score=then) for days, then in score.detail["forecast"]],
        last_failure=failure,
    )  # fmt: skip


def _last_failure(session: Session, agent: bytes, score: Score | None) -> LastFailureOut | None:
    row = session.execute(repo.last_failure(agent)).tuples().one_or_none()
    if row is None:
        return None
    escrow_id, outcome, closed_at, amount = row
    told = None if score is None else score.detail.get("recovery")
    redeemed = told["redemption_bps"] if told is not None and told["escrow_id"] == hex0x(escrow_id) else None
    return LastFailureOut(
        escrow_id=escrow_id, outcome=outcome, closed_at=moment(closed_at), amount_units=int(amount),
        redemption_bps=redeemed,
    )  # fmt: skip
