"""What operators see of keys, nodes and alarms."""

from __future__ import annotations

from typing import Final

from sqlalchemy.orm import Session

from backend.alarms import repo as alarms
from backend.alarms.schemas import operator_alarm_out
from backend.context import Context
from backend.network import repo as network
from backend.ops import repo
from backend.ops.schemas import KeyOut, KeysReportOut, OperatorNodeOut
from backend.txm.models import RelayAccount

SHOWN_ALARMS: Final = 100


def keys(session: Session, ctx: Context) -> KeysReportOut:
    """Return the relayer keys with what they own and have in flight, the nodes, and the newest alarms."""
    return KeysReportOut(
        keys=[key_out(*row) for row in session.execute(repo.keys(ctx.deployment.chain_id)).tuples()],
        nodes=[
            OperatorNodeOut(
                name=node.name,
                answers=node.answers,
                failures=node.failures,
                last_error=node.last_error,
                updated_at=node.updated_at,
            )
            for node in session.execute(network.nodes()).scalars()
        ],
        alarms=[operator_alarm_out(alarm) for alarm in session.execute(alarms.latest_alarms(SHOWN_ALARMS)).scalars()],
        queued=session.execute(repo.queued()).scalar_one(),
    )


def key_out(account: RelayAccount, in_flight: int, oldest: int | None) -> KeyOut:
    """Return a relayer key as operators see it."""
    return KeyOut(
        address=account.address,
        next_nonce=account.next_nonce,
        in_flight=in_flight,
        oldest_nonce=oldest,
        balance_wei=None if account.balance_wei is None else str(account.balance_wei),
        balance_at=account.balance_at,
        quarantined_reason=account.quarantined_reason,
    )
