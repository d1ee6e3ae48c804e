"""Alarms as everybody and as operators see them."""

from __future__ import annotations

from backend.alarms.models import Alarm
from backend.api.types import Model, UtcTime


class AlarmOut(Model):
    """An open alarm: its kind, what it is about, and since when."""

    kind: str
    subject: str
    since: UtcTime


class OperatorAlarmOut(AlarmOut):
    """An alarm with what the operator has to know; `cleared_at` is null while it is open."""

    detail: str
    times: int
    seen_at: UtcTime
    cleared_at: UtcTime | None


def alarm_out(alarm: Alarm) -> AlarmOut:
    """Return what everybody may see of an alarm."""
    return AlarmOut(kind=alarm.kind, subject=alarm.subject, since=alarm.raised_at)


def operator_alarm_out(alarm: Alarm) -> OperatorAlarmOut:
    """Return all of an alarm."""
    return OperatorAlarmOut(
        kind=alarm.kind,
        subject=alarm.subject,
        since=alarm.raised_at,
        detail=alarm.detail,
        times=alarm.times,
        seen_at=alarm.seen_at,
        cleared_at=alarm.cleared_at,
    )
