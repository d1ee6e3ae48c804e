"""Which of several live operators a buyer's next work goes to."""

from __future__ import annotations

from sqlalchemy.orm import Session

from backend.context import Context, OperatorSigner
from backend.domain.micro import available
from backend.payments import repo
from indexer import views


def operator_for(session: Session, ctx: Context, *, buyer: bytes, price_units: int) -> OperatorSigner:
    """Return the serving operator under whom the buyer has a pool that covers the price, the newest first.

    A pool stays with its operator until it is moved, so while two serve, a buyer with a pool under the older one is
    not asked for another deposit. Without such a pool it is the operator whom new pools name.
    """
    live = [epoch.address for epoch in ctx.serving()]
    if len(live) > 1:
        covered = {
            pool.operator
            for pool in views.pools_of(session, buyer)
            if not pool.withdraw_units and _free_units(session, pool) >= price_units
        }
        for address in live:
            signer = ctx.operator_of(address)
            if address in covered and signer is not None:
                return signer
    return ctx.operator


def _free_units(session: Session, pool: views.PoolRow) -> int:
    ours = session.execute(repo.pool(pool.pool_id)).scalar_one_or_none()
    if ours is None:
        return max(0, pool.headroom_units)
    return available(
        headroom_units=pool.headroom_units + ours.own_paid_units, earned_units=ours.earned_units,
        reserved_units=ours.reserved_units,
    )  # fmt: skip
