"""Tells the operator what endangers receipts, and that it is over. Reads only what other parts have written down.

It runs apart from the settlement it watches, so that a settlement which stands still is noticed.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping

from sqlalchemy.orm import Session

from aicp.rules.primitives import format_usdc, hex0x
from backend.alarms import service as alarms
from backend.alarms.service import AlarmKind
from backend.context import Context
from backend.domain.micro import accepts_orders
from backend.settlement import repo_watch as repo
from indexer import views

FAILED_TRIES = 3
"""So many claims in a row that claimed nothing are no coincidence."""


def watch(session: Session, ctx: Context) -> int:
    """Raise and clear the alarms of settlement; return how many are open."""
    found = {
        AlarmKind.WITHDRAWAL_UNCLAIMED: _threatened(session, ctx),
        AlarmKind.CLAIM_FAILED: _failing(session, ctx),
        AlarmKind.FINALITY_STALLED: _stalled(session, ctx),
    }
    return sum(_tell(session, kind, details) for kind, details in found.items())


def _tell(session: Session, kind: AlarmKind, details: Mapping[str, str]) -> int:
    for subject, detail in details.items():
        alarms.raise_alarm(session, kind, subject, detail)
    alarms.clear_others(session, kind, list(details))
    return len(details)


def _threatened(session: Session, ctx: Context) -> dict[str, str]:
    rows = session.execute(repo.threatened(ctx.operators)).tuples()
    own = session.execute(repo.leaving(ctx.operators)).tuples()
    return {
        hex0x(channel_id): (
            f"{format_usdc(int(units))} USDC of a channel's receipts are unclaimed in final blocks while the buyer "
            f"withdraws {format_usdc(int(leaving))} USDC from the channel; the money may leave {_when(finalize_at)}."
        )
        for channel_id, units, leaving, finalize_at in own
    } | {
        hex0x(pool_id): (
            f"{format_usdc(int(units))} USDC of receipts in {channels} channels are unclaimed in final blocks while "
            f"the buyer withdraws {format_usdc(int(leaving))} USDC; the money may leave {_when(finalize_at)}."
        )
        for pool_id, units, channels, leaving, finalize_at in rows
    }


def _when(finalize_at: int | None) -> str:
    if finalize_at is None:
        return "a day after the withdrawal was announced"
    return f"at {dt.datetime.fromtimestamp(finalize_at, dt.UTC):%Y-%m-%d %H:%M:%S} UTC"


def _failing(session: Session, ctx: Context) -> dict[str, str]:
    rows = session.execute(repo.failing(ctx.operators, FAILED_TRIES)).tuples()
    return {
        hex0x(channel_id): f"{tries} claims in a row have claimed nothing of {format_usdc(int(units))} USDC."
        for channel_id, tries, units in rows
    }


def _stalled(session: Session, ctx: Context) -> dict[str, str]:
    try:
        status = views.sync_status(session)
    except views.MirrorEmptyError:
        return {}
    if accepts_orders(finalized_time=status.finalized_time, now=ctx.now(), constants=ctx.constants):
        return {}
    minutes = (ctx.now() - status.finalized_time) // 60
    return {"chain": f"The newest final block is {minutes} minutes old; payments below $10 are refused."}


def ledger_differs(session: Session, found: Mapping[str, str]) -> int:
    """Tell of every account whose ledger and chain disagree, and that others agree again; return how many differ."""
    return _tell(session, AlarmKind.LEDGER_MISMATCH, found)
