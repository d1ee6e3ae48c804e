"""Receipts of gateway charges: one for all a channel has earned since the last, signed before claims are built.

A receipt is signed under the channel's lock and stored in the commit that marks its charges as covered; a crash before
it leaves the charges due. Receipts of a channel grow, so the newest one is worth all before it.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy.orm import Session

from aicp.abi.typed_data import ClaimBatch, ClaimEntry
from backend.context import Context
from backend.db.ids import new_id
from backend.db.times import moment
from backend.payments import charge_repo, repo
from backend.payments.models import Receipt

AT_ONCE: Final = 500


def due(session: Session, ctx: Context) -> list[bytes]:
    """Return channels with earned charges that no receipt covers."""
    return list(session.execute(charge_repo.channels_due(ctx.operators, AT_ONCE)).scalars())


def sign(session: Session, ctx: Context, channel_id: bytes) -> bool:
    """Sign the receipt of all a channel has earned; return whether there was something to sign."""
    known = session.execute(repo.channel(channel_id)).scalar_one()
    pool = session.execute(repo.pool_locked(known.pool_id)).scalar_one()
    channel = session.execute(repo.channel_locked(channel_id)).scalar_one()
    operator = ctx.operator_of(pool.operator)
    session.execute(charge_repo.covered(channel_id))
    if operator is None or channel.ceiling_signature is None or channel.earned_units <= channel.receipted_units:
        return False
    entry = ClaimEntry(
        channel_id=channel_id, max_claimable_amount=channel.ceiling_units, total_claimed=channel.earned_units
    )
    session.add(
        Receipt(
            id=new_id(), channel_id=channel_id, order_hash=None, total_claimed_units=channel.earned_units,
            ceiling_units=channel.ceiling_units, voucher_signature=channel.ceiling_signature,
            operator=operator.address,
            operator_signature=operator.sign(ClaimBatch(claims=(entry,)).digest(ctx.domains.channel)),
            created_at=moment(ctx.now()),
        )
    )  # fmt: skip
    channel.receipted_units = channel.earned_units
    session.flush()
    return True
