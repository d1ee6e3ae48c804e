"""Taking a relayer key back into use, and ending alarms, on an operator's word.

Goal: an operator can end a quarantine, and not too early. A key is taken back only when the chain shows that nothing of
it is in doubt: every transaction the newest block counts is final and known to the workers as ours or as somebody
else's, and none waits that is not ours. The next nonce is not touched here: the workers move it on from what is final,
and fill what is missing below it. So lifting too often costs nothing: a key that is used by others again loses a nonce
again and is quarantined again, and no signed call is carried out twice or lost.
"""

from __future__ import annotations

import uuid

import structlog
from sqlalchemy.orm import Session

from aicp.rules.primitives import checksum, hex0x
from backend.alarms import repo as alarm_repo
from backend.alarms import service as alarms
from backend.alarms.schemas import OperatorAlarmOut, operator_alarm_out
from backend.alarms.service import AlarmKind
from backend.context import Context
from backend.errors import NotFound
from backend.ops import repo, service
from backend.ops.errors import KeyInForeignUse, KeyNotSettled, QuarantineChanged
from backend.ops.nonces import Counts
from backend.ops.schemas import KeyOut
from backend.txm import repo as txm_repo

_log = structlog.get_logger("ops")


def lift(session: Session, ctx: Context, operator: bytes, key: bytes, *, reason: str, counts: Counts) -> KeyOut:
    """Take a key back into use whose quarantine the operator has looked at; one in use stays as it is.

    Raises NotFound, QuarantineChanged, KeyNotSettled, KeyInForeignUse.
    """
    chain_id = ctx.deployment.chain_id
    account = session.execute(txm_repo.account_locked(chain_id, key)).scalar_one_or_none()
    if account is None:
        raise NotFound("This is no relayer key.")
    if account.quarantined_reason is not None:
        if account.quarantined_reason != reason:
            raise QuarantineChanged(reason=account.quarantined_reason)
        flying = {row.nonce for row in session.execute(txm_repo.unmined(chain_id, [key])).scalars()}
        _require_quiet(counts, next_nonce=account.next_nonce, flying=flying)
        _log.warning("a relayer key is taken back", sender=checksum(key), operator=checksum(operator), reason=reason)
        account.quarantined_reason = None
        alarms.clear(session, AlarmKind.KEY_QUARANTINED, hex0x(key), operator)
        session.flush()
    return service.key_out(*session.execute(repo.key(chain_id, key)).tuples().one())


def _require_quiet(counts: Counts, *, next_nonce: int, flying: set[int]) -> None:
    if counts.latest > counts.finalized:
        raise KeyNotSettled("Transactions of this key are in blocks that are not final yet.")
    if counts.finalized > next_nonce or any(nonce < counts.finalized for nonce in flying):
        raise KeyNotSettled("The workers have not yet looked at everything the chain has of this key.")
    foreign = sorted(set(range(counts.latest, counts.pending)) - flying)
    if foreign:
        raise KeyInForeignUse(f"A node holds a transaction of this key with nonce {foreign[0]} that we did not sign.")


def clear_alarm(session: Session, operator: bytes, alarm_id: uuid.UUID) -> OperatorAlarmOut:
    """End an alarm, whose cause stays what it is: what still is so is told again by whoever finds it. Raises NotFound.

    One that is over stays as it is.
    """
    alarm = session.execute(alarm_repo.alarm(alarm_id)).scalar_one_or_none()
    if alarm is None:
        raise NotFound("There is no such alarm.")
    if alarm.cleared_at is None:
        alarms.clear(session, AlarmKind(alarm.kind), alarm.subject, operator)
        alarm = session.execute(alarm_repo.alarm(alarm_id)).scalar_one()
    return operator_alarm_out(alarm)
