"""How much gas the relayers spend for one address a day; past it the owner's own wallet can always send."""

from __future__ import annotations

from typing import Final

from sqlalchemy.orm import Session

from backend.context import Context
from backend.db.times import moment
from backend.errors import LimitExceeded
from backend.wallet import repo

_GAS: Final[dict[str, int]] = {
    "fund": 350_000,
    "submit": 100_000,
    "release": 200_000,
    "refund": 250_000,
    "cancel": 120_000,
    "dispute": 250_000,
    "respond": 450_000,
    "split": 300_000,
    "release_quorum": 250_000,
    "rate": 100_000,
    "pool_deposit": 180_000,
    "pool_withdraw": 90_000 + 110_000,
    "pool_withdraw_cancel": 90_000,
    "withdraw": 110_000,
    "stake": 160_000,
    "faucet": 80_000,
}
"""Gas units reserved for a relayed call of each kind. A pool's withdrawal is finalised for the buyer as well."""


def charge(session: Session, ctx: Context, address: bytes, kind: str) -> None:
    """Reserve gas for one relayed call. Raises LimitExceeded when the address has used its day up."""
    gas = _GAS[kind]
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
