"""How much gas the relayers spend for one address a day; past it the owner's own wallet can always send.

A call is counted when it is asked for, at what it should take, and again when it is mined, with what it has used above
that, whether it failed or not. Whoever makes his calls dear, by a contract wallet, so uses up his own day sooner.
"""

from __future__ import annotations

from sqlalchemy.orm import Session

from backend.context import Context
from backend.db.times import moment
from backend.domain.gas import counted_gas
from backend.errors import LimitExceeded
from backend.wallet import repo


def charge(session: Session, ctx: Context, address: bytes, kind: str) -> None:
    """Reserve gas for one relayed call. Raises LimitExceeded when the address has used its day up."""
    gas = counted_gas(kind, None)
    limit = ctx.settings.relayed_gas_per_day
    day = moment(ctx.now()).date()
    granted = None
    if gas <= limit:
        granted = session.execute(repo.add_gas(address, day, gas, limit)).scalar_one_or_none()
    if granted is None:
        raise LimitExceeded(
            "The gas relayed for this address today is used up.",
            what_to_do="Send it yourself from your wallet, or wait until tomorrow (UTC).",
        )


def count(session: Session, ctx: Context, address: bytes, kind: str, *, before: int | None, used: int | None) -> None:
    """Count what a mined call has used instead of what was known of it before; None where it is not mined (any more).

    It is spent already, so no limit holds it up.
    """
    change = counted_gas(kind, used) - counted_gas(kind, before)
    if change:
        session.execute(repo.correct_gas(address, moment(ctx.now()).date(), change))
