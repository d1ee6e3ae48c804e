"""How much gas the relayers spend for one address a day; past it the owner's own wallet can always send.

A call is counted when it is asked for, at what it should take, and again when it is mined, with what it has used above
that, whether it failed or not. Whoever makes his calls dear, by a contract wallet, so uses up his own day sooner.
"""

from __future__ import annotations

import datetime as dt
from typing import Final

from sqlalchemy.orm import Session

from backend.context import Context
from backend.db.times import moment
from backend.domain.gas import counted_gas
from backend.errors import LimitExceeded
from backend.wallet import repo

STRANGERS: Final = bytes(20)
"""Stands for all whose payments at other servers the facilitator relays."""
SALES: Final = bytes(19) + b"\x01"
"""Stands for all who pay at our agents' endpoints by transactions."""
DUST: Final = bytes(19) + b"\x02"
"""Stands for all whose withdrawals threaten receipts that are worth less than their gas."""


def charge(session: Session, ctx: Context, address: bytes, kind: str) -> None:
    """Reserve gas for one relayed call. Raises LimitExceeded when the address has used its day up."""
    if not _granted(session, ctx, address, counted_gas(kind, None), ctx.settings.relayed_gas_per_day):
        raise LimitExceeded(
            "The gas relayed for this address today is used up.",
            what_to_do="Send it yourself from your wallet, or wait until tomorrow (UTC).",
        )


def give_back(session: Session, address: bytes, gas: int, reserved_at: dt.datetime) -> None:
    """Free gas that was reserved for a call which is not asked for after all, on the day it was reserved."""
    session.execute(repo.correct_gas(address, reserved_at.astimezone(dt.UTC).date(), -gas))


def charge_all(session: Session, ctx: Context, who: bytes, gas: int) -> None:
    """Reserve gas of what `STRANGERS` or `SALES` have together. Raises LimitExceeded when their day is used up."""
    if not _granted(session, ctx, who, gas, ctx.settings.facilitated_gas_per_day):
        raise LimitExceeded(
            "The gas relayed today for payments without a session is used up.",
            what_to_do="Pay from a pool or a funded channel, send it yourself, or wait until tomorrow (UTC).",
        )


def dust_room(session: Session, ctx: Context, who: bytes) -> int:
    """Return how much gas for dust is left today: to a pool owner, or under `DUST` to all of them."""
    limit = ctx.settings.facilitated_gas_per_day if who == DUST else ctx.settings.relayed_gas_per_day
    return limit - session.execute(repo.reserved(who, moment(ctx.now()).date())).scalar_one()


def charge_dust(session: Session, ctx: Context, owner: bytes, gas: int) -> bool:
    """Reserve gas for claims of dust that a pool owner's withdrawal threatens; return whether his day had room for it.

    All owners together have a day too. Where this returns False the caller rolls back.
    """
    return _granted(session, ctx, owner, gas, ctx.settings.relayed_gas_per_day) and _granted(
        session, ctx, DUST, gas, ctx.settings.facilitated_gas_per_day
    )


def _granted(session: Session, ctx: Context, address: bytes, gas: int, limit: int) -> bool:
    day = moment(ctx.now()).date()
    return gas <= limit and session.execute(repo.add_gas(address, day, gas, limit)).first() is not None


def count(session: Session, ctx: Context, address: bytes, kind: str, *, before: int | None, used: int | None) -> None:
    """Count what a mined call has used instead of what was known of it before; None where it is not mined (any more).

    It is spent already, so no limit holds it up.
    """
    change = counted_gas(kind, used) - counted_gas(kind, before)
    if change:
        session.execute(repo.correct_gas(address, moment(ctx.now()).date(), change))
