"""Refunds of gateway channels: unclaimed money of a channel's own balance goes back to its payer at once.

Invariants: nothing is refunded that the channel has earned or has in flight; from the signature on the amount is no
longer promised against (`charges.own_firm`), whatever becomes of the transaction, because the signature alone moves it;
one transaction at a time for a nonce of the contract. A crash before the commit leaves nothing signed that anybody has
seen.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Final

from sqlalchemy.orm import Session

from aicp.abi import payment_channel as abi
from aicp.abi.typed_data import ChannelConfig, ChannelRefund, ClaimBatch, ClaimEntry
from backend.context import Context
from backend.db.times import moment
from backend.errors import Conflict
from backend.payments import charge_models as models
from backend.payments import charge_repo, charges, repo
from backend.payments.errors import RetiredOperator
from backend.txm import service as txm
from backend.txm.states import NOT_CARRIED_OUT, IntentState

AT_ONCE: Final = 200


class NothingToRefund(Conflict):
    """The channel holds no more than it has earned."""

    code, title = "nothing_to_refund", "The channel holds nothing that could go back."


class RefundTooLarge(Conflict):
    """More is asked for than is free."""

    code, title = "refund_too_large", "The channel holds less than that beyond what it has earned."


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A wish for a refund: all that is free where `units` is None. Nonce and claimed total are the contract's."""

    config: ChannelConfig
    ceiling_units: int
    units: int | None
    nonce: int
    claimed_units: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """A refund signed by the operator, with the claim of what is earned where the chain does not have it yet."""

    channel_id: bytes
    units: int
    signature: bytes
    claim: abi.VoucherClaim | None
    claim_signature: bytes


def sign(session: Session, ctx: Context, asked: Asked) -> Signed:
    """Sign a refund; the caller stores it by `note` in the same commit.

    Raises RetiredOperator, ChannelBusy, CeilingMismatch, NothingToRefund, RefundTooLarge.
    """
    config = asked.config
    operator = ctx.operator_of(config.receiver_authorizer)
    if operator is None:
        raise RetiredOperator
    channel_id, pool_id = charges.ids_of(ctx, config)
    session.execute(repo.new_pool(pool_id, config.payer, config.payer_authorizer, config.receiver_authorizer))
    session.execute(repo.pool_locked(pool_id))
    session.execute(charge_repo.new_channel(channel_id, pool_id, config))
    channel = session.execute(repo.channel_locked(channel_id)).scalar_one()
    if channel.in_flight_units:
        raise charges.ChannelBusy
    if asked.ceiling_units != channel.earned_units:
        raise charges.CeilingMismatch
    known = session.execute(charge_repo.refund(channel_id, asked.nonce)).scalar_one_or_none()
    signed_before = 0 if known is None else known.units
    free = charges.own_firm(session, channel_id) + signed_before - channel.earned_units
    units = free if asked.units is None else asked.units
    if free <= 0:
        raise NothingToRefund
    if units > free:
        raise RefundTooLarge(free_units=str(free))
    message = ChannelRefund(channel_id=channel_id, nonce=asked.nonce, amount=units)
    claim, claim_signature = None, b""
    if channel.earned_units > asked.claimed_units and channel.ceiling_signature is not None:
        voucher = abi.Voucher(config, channel.ceiling_units)
        claim = abi.VoucherClaim(voucher, channel.ceiling_signature, channel.earned_units)
        entry = ClaimEntry(
            channel_id=channel_id, max_claimable_amount=channel.ceiling_units, total_claimed=channel.earned_units
        )
        claim_signature = operator.sign(ClaimBatch(claims=(entry,)).digest(ctx.domains.channel))
    signature = operator.sign(message.digest(ctx.domains.channel))
    return Signed(channel_id=channel_id, units=units, signature=signature, claim=claim, claim_signature=claim_signature)


def under_way(session: Session, ctx: Context, asked: Asked) -> tuple[uuid.UUID, int] | None:
    """Return transaction and amount of the refund that is under way for this nonce, None where there is none.

    A second one for the same nonce could never be mined beside it. Raises ChannelBusy where another amount is.
    """
    channel_id, _ = charges.ids_of(ctx, asked.config)
    known = session.execute(charge_repo.refund(channel_id, asked.nonce)).scalar_one_or_none()
    if known is None or IntentState(txm.get(session, known.intent_id).state) in NOT_CARRIED_OUT:
        return None
    if asked.units not in {None, known.units}:
        raise charges.ChannelBusy
    return known.intent_id, known.units


def note(session: Session, ctx: Context, asked: Asked, signed: Signed, intent_id: uuid.UUID) -> None:
    """Keep what was signed: of two amounts for one nonce the larger counts."""
    known = session.execute(charge_repo.refund(signed.channel_id, asked.nonce)).scalar_one_or_none()
    if known is None:
        session.add(
            models.ChannelRefund(
                channel_id=signed.channel_id, nonce=asked.nonce, units=signed.units, intent_id=intent_id, final=False,
                created_at=moment(ctx.now()),
            )
        )  # fmt: skip
    else:
        known.units, known.intent_id = max(known.units, signed.units), intent_id
    session.flush()


def follow(session: Session) -> int:
    """Stop holding refunds back that nobody can have mined any more, whoever has; return how many.

    By then the mirror's final balance is lower by what was paid.
    """
    ended = session.execute(charge_repo.ended_refunds(AT_ONCE)).scalars().all()
    for row in ended:
        row.final = True
    session.flush()
    return len(ended)
