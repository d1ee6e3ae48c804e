"""Notifications that no event brings about: clocks about to run out, and alarms for those who operate the service.

The keeper looks for them every round. What was told is told once, whichever worker finds it; one it missed while it was
away comes with its next round, unless the clock has run out by then.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from sqlalchemy.orm import Session

from aicp.rules.primitives import parse_address
from backend.alarms.schemas import sentence_of
from backend.context import Context
from backend.deals.models import Deal
from backend.domain.notices import NoticeKind, lead_seconds
from backend.notifications import repo
from backend.notifications.service import Notice, forget_old, tell
from backend.tasks.models import Task

AT_ONCE: Final = 100


def remind(session: Session, ctx: Context) -> int:
    """Tell of clocks that run out soon and of open alarms; return how many accounts were told of something new."""
    forget_old(session, ctx)
    return tell(session, [*_ending(session, ctx), *_alarms(session, ctx)])


def _ending(session: Session, ctx: Context) -> Iterable[Notice]:
    now = ctx.now()
    lead = lead_seconds(ctx.constants.evaluation_seconds)
    escrows = session.execute(repo.escrows_ending(now, AT_ONCE)).tuples().all()
    orders = session.execute(repo.orders_ending(now, lead, AT_ONCE)).tuples().all()
    return [_ends(deal, task, until) for deal, task, until in (*escrows, *orders)]


def _ends(deal: Deal, task: Task, until: int) -> Notice:
    return Notice(
        account=deal.buyer, event=f"evaluation_ending:{deal.id}", kind=NoticeKind.EVALUATION_ENDING,
        facts={"title": task.title, "until": str(until)}, task_id=task.id, deal_id=deal.id,
    )  # fmt: skip


def _alarms(session: Session, ctx: Context) -> Iterable[Notice]:
    for operator in {parse_address(text) for text in ctx.settings.operators}:
        for alarm in session.execute(repo.untold_alarms(operator, AT_ONCE)).scalars():
            facts = {"sentence": sentence_of(alarm), "alarm": alarm.kind, "subject": alarm.subject}
            yield Notice(account=operator, event=f"alarm:{alarm.id}", kind=NoticeKind.ALARM, facts=facts)
