"""Alarms as everybody and as operators see them."""

from __future__ import annotations

import uuid
from typing import Final

from backend.alarms.models import Alarm
from backend.api.types import AddressText, Model, UtcTime

_SENTENCES: Final[dict[str, str]] = {
    "withdrawal_unclaimed": "A buyer takes money back while agents have receipts against it; they are claimed first.",
    "dust_unclaimed": "Receipts worth less than their gas are not claimed for their agents, who can claim them.",
    "claim_failed": "The chain refuses a claim; the receipt's holder can still claim it himself.",
    "claim_without_key": "Claims wait for gas; holders of receipts can claim themselves.",
    "finality_stalled": "The chain makes no final blocks; payments below $10 wait until it does.",
    "ledger_mismatch": "The ledger and the chain disagree somewhere; the operator is comparing them.",
    "anchor_key_missing": "Scores are not anchored: the key that may is not here; the last anchored ones stay.",
    "node_down": "One of our chain nodes does not answer; others are asked.",
    "wrong_chain": "One of our nodes serves another chain and is not used.",
    "code_changed": "A contract is not what was deployed; nothing is sent to the chain.",
}


class AlarmOut(Model):
    """An open alarm: its kind, what it is about, since when, and a sentence for people."""

    kind: str
    subject: str
    since: UtcTime
    sentence: str


class OperatorAlarmOut(AlarmOut):
    """An alarm with what the operator has to know; `cleared_at` is null while it is open."""

    id: uuid.UUID
    detail: str
    times: int
    seen_at: UtcTime
    cleared_at: UtcTime | None
    cleared_by: AddressText | None
    """The operator who ended it; null where it ended by itself."""


def alarm_out(alarm: Alarm) -> AlarmOut:
    """Return what everybody may see of an alarm."""
    return AlarmOut(kind=alarm.kind, subject=alarm.subject, since=alarm.raised_at, sentence=sentence_of(alarm))


def sentence_of(alarm: Alarm) -> str:
    """Return what an alarm means to those who use the service."""
    return _SENTENCES.get(alarm.kind, "The operator is looking at something that is not as it should be.")


def operator_alarm_out(alarm: Alarm) -> OperatorAlarmOut:
    """Return all of an alarm."""
    return OperatorAlarmOut(
        id=alarm.id,
        kind=alarm.kind,
        subject=alarm.subject,
        since=alarm.raised_at,
        sentence=sentence_of(alarm),
        detail=alarm.detail,
        times=alarm.times,
        seen_at=alarm.seen_at,
        cleared_at=alarm.cleared_at,
        cleared_by=alarm.cleared_by,
    )
