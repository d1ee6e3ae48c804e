"""Statements over alarms."""

from __future__ import annotations

import uuid
from typing import Any

from sqlalchemy import Select, func, literal_column, select, text, update
from sqlalchemy.dialects.postgresql import insert as pg_insert

from backend.alarms.models import Alarm
from backend.db.ids import new_id


def raised(kind: str, subject: str, detail: str) -> Any:
    """Open an alarm, or count it once more where it is open; return whether it is new."""
    statement = pg_insert(Alarm).values(id=new_id(), kind=kind, subject=subject, detail=detail)
    return statement.on_conflict_do_update(
        index_elements=["kind", "subject"],
        index_where=text("cleared_at IS NULL"),
        set_={"detail": detail, "times": Alarm.times + 1, "seen_at": func.now()},
    ).returning(literal_column("xmax = 0"))


def cleared(kind: str, subject: str, operator: bytes | None) -> Any:
    """End an alarm; return the id where it was open."""
    return (
        update(Alarm)
        .where(Alarm.kind == kind, Alarm.subject == subject, Alarm.cleared_at.is_(None))
        .values(cleared_at=func.now(), cleared_by=operator)
        .returning(Alarm.id)
    )


def alarm(alarm_id: uuid.UUID) -> Select[Alarm]:
    """One alarm, as it is now."""
    return select(Alarm).where(Alarm.id == alarm_id).execution_options(populate_existing=True)


def open_alarms() -> Select[Alarm]:
    """Open alarms, oldest first."""
    return select(Alarm).where(Alarm.cleared_at.is_(None)).order_by(Alarm.raised_at, Alarm.id)


def open_subjects(kind: str) -> Select[str]:
    """The subjects of the open alarms of one kind."""
    return select(Alarm.subject).where(Alarm.kind == kind, Alarm.cleared_at.is_(None))


def latest_alarms(limit: int) -> Select[Alarm]:
    """Open and past alarms, those raised last first."""
    return select(Alarm).order_by(Alarm.seen_at.desc(), Alarm.id).limit(limit)
