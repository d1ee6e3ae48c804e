"""An agent's wish that what it has earned is claimed now, rather than when it is old enough.

The wish is honoured where the claim is worth its gas by the same measure as any other. Otherwise the agent is told
from which value on, and how to claim without us.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy.orm import Session

from aicp.rules.primitives import Finality, format_usdc
from backend.context import Context
from backend.db.times import moment
from backend.domain.settlement import worth
from backend.errors import NotFound
from backend.payments import repo as payments
from backend.payments.errors import ClaimNotWorth, NothingToClaim, RetiredOperator
from backend.payments.schemas import ClaimWishOut
from backend.settlement import repo
from indexer import views

YOURSELF: Final = (
    "Claim it yourself: send claimWithSignature with your newest receipt, as `aicp wallet collect --direct` does."
)


def ask(session: Session, ctx: Context, channel_id: bytes, agent: bytes, *, gas_price_wei: int | None) -> ClaimWishOut:
    """Take the wish of a channel's agent. Without a gas price the workers weigh it once they know one.

    Raises NotFound, NothingToClaim, ClaimNotWorth, RetiredOperator where the key that signs the claim is not here.
    """
    channel = session.execute(payments.channel(channel_id)).scalar_one_or_none()
    if channel is None or channel.receiver != agent:
        raise NotFound("There is no such channel of yours.")
    pool = session.execute(payments.pool(channel.pool_id)).scalar_one()
    if ctx.operator_of(pool.operator) is None:
        raise RetiredOperator(what_to_do=YOURSELF)
    chain = views.channel(session, channel_id, Finality.SEEN)
    unclaimed = channel.earned_units - (0 if chain is None else chain.total_claimed_units)
    if unclaimed <= 0:
        raise NothingToClaim
    if gas_price_wei is not None:
        needed = worth(gas_price_wei=gas_price_wei, constants=ctx.constants).once_old_units
        if unclaimed < needed:
            raise ClaimNotWorth(
                f"{format_usdc(unclaimed)} USDC are unclaimed; at today's gas price a claim is made for "
                f"{format_usdc(needed)} USDC and more.",
                what_to_do=f"Wait until more is earned or gas is cheaper. {YOURSELF}",
                unclaimed_units=str(unclaimed), needed_units=str(needed),
            )  # fmt: skip
    session.execute(repo.wish(channel_id, channel.earned_units, moment(ctx.now())))
    asked_at = session.execute(repo.wished_at(channel_id)).scalar_one()
    return ClaimWishOut(channel_id=channel_id, unclaimed_units=unclaimed, asked_at=asked_at)
