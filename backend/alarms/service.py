"""Raising and clearing alarms. Any part of the service may; people read them in the status and in the operator's view.

An alarm is written in the transaction of whoever raises it, so it is there exactly if what it tells of is. While it is
open, raising it again only counts; what is no longer so is cleared by the part that raised it.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

import structlog
from sqlalchemy.orm import Session

from aicp.rules.primitives import checksum
from backend.alarms import repo
from backend.alarms.models import Alarm
from backend.outbox.service import emit

_log = structlog.get_logger("alarms")


class AlarmKind(StrEnum):
    """What may be wrong. The subject says with whom or what."""

    KEY_OUT_OF_FUNDS = "key_out_of_funds"
    """A relayer key cannot pay for what waits (subject: its address)."""
    KEY_LOW = "key_low"
    """A relayer key should be topped up (subject: its address)."""
    KEY_QUARANTINED = "key_quarantined"
    """A relayer key is used by somebody else too and is out of use (subject: its address)."""
    SIGNER_FAILED = "signer_failed"
    """A key's signer does not answer, or answers with what is no signature of it (subject: the key's address)."""
    FEE_CAP = "fee_cap"
    """A transaction waits at the fee cap or at its budget (subject: the transaction's id)."""
    NODE_DOWN = "node_down"
    """A node does not answer (subject: its name)."""
    WRONG_CHAIN = "wrong_chain"
    """A node serves another chain (subject: its name)."""
    CODE_CHANGED = "code_changed"
    """A contract's code is not what was deployed (subject: its address)."""
    WITHDRAWAL_UNCLAIMED = "withdrawal_unclaimed"
    """A pool or a channel withdraws while receipts against it are unclaimed (subject: its id)."""
    DUST_UNCLAIMED = "dust_unclaimed"
    """A withdrawal threatens receipts worth less than their gas, past the day's allowance (subject: the pool's id)."""
    CLAIM_FAILED = "claim_failed"
    """The chain refuses a claim (subject: the channel's id)."""
    CLAIM_WITHOUT_KEY = "claim_without_key"
    """No relayer key has room and gas for a claim that is due (subject: `claims`)."""
    FINALITY_STALLED = "finality_stalled"
    """No block has become final for so long that small payments are refused (subject: `chain`)."""
    LEDGER_MISMATCH = "ledger_mismatch"
    """The ledger and the chain disagree at a final block (subject: the account)."""
    ANCHOR_KEY_MISSING = "anchor_key_missing"
    """The key that may anchor scores is not here (subject: `scores`)."""


def raise_alarm(session: Session, kind: AlarmKind, subject: str, detail: str) -> bool:
    """Open an alarm, or count it again where it is open; return whether it is new."""
    new: bool = session.execute(repo.raised(kind.value, subject, detail)).scalar_one()
    if new:
        _log.error("an alarm is raised", kind=kind.value, subject=subject, detail=detail)
        emit(session, "alarm.changed", {"kind": kind.value, "subject": subject, "open": True}, None)
    return new


def clear(session: Session, kind: AlarmKind, subject: str, operator: bytes | None = None) -> bool:
    """End an alarm, on an operator's word or because what raised it is over; return whether it was open."""
    if session.execute(repo.cleared(kind.value, subject, operator)).first() is None:
        return False
    by = None if operator is None else checksum(operator)
    _log.info("an alarm is cleared", kind=kind.value, subject=subject, operator=by)
    emit(session, "alarm.changed", {"kind": kind.value, "subject": subject, "open": False}, None)
    return True


def clear_others(session: Session, kind: AlarmKind, still: Sequence[str]) -> int:
    """End every alarm of a kind whose subject is not among `still`; return how many."""
    gone = set(session.execute(repo.open_subjects(kind.value)).scalars()) - set(still)
    return sum(clear(session, kind, subject) for subject in sorted(gone))


def open_alarms(session: Session) -> list[Alarm]:
    """Return the open alarms, oldest first."""
    return list(session.execute(repo.open_alarms()).scalars())
