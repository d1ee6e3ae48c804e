"""Pools, channels and orders as their parties see them."""

from __future__ import annotations

from typing import Final

from sqlalchemy.orm import Session

from backend.api.types import ChainRef
from backend.context import Context
from backend.deals.models import Deal
from backend.deals.schemas import ChannelSideOut
from backend.domain.micro import available, need
from backend.payments import repo, watch_repo
from backend.payments.channels import lane
from backend.payments.models import Channel, MicroOrder
from backend.payments.schemas import ChannelOut, OrderOut, PoolOut
from indexer import views

MOST_CHANNELS: Final = 200
"""Channels told of with a pool, the newest; a pool may have any number of them."""


def _order_out(order: MicroOrder, payer_authorizer: bytes) -> OrderOut:
    return OrderOut(
        order_hash=order.order_hash,
        channel_id=order.channel_id,
        bid_hash=order.bid_hash,
        price_units=order.price_units,
        deliver_by=order.deliver_by,
        evaluate_by=order.evaluate_by,
        payer_authorizer=payer_authorizer,
        signature=order.signature,
        state=order.state,
        verdict_accepted=order.verdict_accepted,
        verdict_reason=order.verdict_reason,
    )


def _paying_pool(session: Session, ctx: Context, deal: Deal, session_key: bytes | None) -> views.PoolRow | None:
    """Return the pool that would pay: the one of the session key, if the chain knows it.

    Where no key is named it is the buyer's pool with the deal's operator that has the most headroom and is not being
    emptied. Another key of the same buyer has another pool and other channels.
    """
    if session_key is not None:
        way = lane(ctx, payer=deal.buyer, payer_authorizer=session_key, receiver=deal.agent, operator=deal.operator)
        return views.pool(session, way.pool_id)
    open_pools = [
        pool
        for pool in views.pools_of(session, deal.buyer)
        if pool.operator == deal.operator and not pool.withdraw_units
    ]
    return max(open_pools, key=lambda pool: pool.headroom_units, default=None)


def channel_side(session: Session, ctx: Context, deal: Deal, session_key: bytes | None = None) -> ChannelSideOut:
    """Return the channel side of a deal: the order it has, or what an order by the session key would need."""
    order = session.execute(repo.order_of_deal(deal.id)).scalar_one_or_none()
    pool_id: bytes | None = None if order is None else order.pool_id
    pool = _paying_pool(session, ctx, deal, session_key) if order is None else views.pool(session, order.pool_id)
    if pool is not None:
        pool_id = pool.pool_id
    if pool_id is None or pool is None:
        return ChannelSideOut(
            pool_id=pool_id, channel_id=None, earned_units=0, in_flight_units=0, ceiling_units=0,
            need_units=deal.price_units, available_units=0, order=None,
        )  # fmt: skip
    way = lane(
        ctx, payer=deal.buyer, payer_authorizer=pool.payer_authorizer, receiver=deal.agent, operator=deal.operator
    )
    channel = session.execute(repo.channel(way.channel_id)).scalar_one_or_none()
    ours = session.execute(repo.pool(pool_id)).scalar_one_or_none()
    earned = 0 if channel is None else channel.earned_units
    in_flight = 0 if channel is None else channel.in_flight_units
    return ChannelSideOut(
        pool_id=pool_id,
        channel_id=way.channel_id,
        earned_units=earned,
        in_flight_units=in_flight,
        ceiling_units=0 if channel is None else channel.ceiling_units,
        need_units=need(
            earned_units=earned,
            in_flight_units=in_flight,
            price_units=deal.price_units if order is None else 0,
        ),
        available_units=available(
            headroom_units=pool.headroom_units,
            earned_units=0 if ours is None else ours.earned_units,
            reserved_units=0 if ours is None else ours.reserved_units,
        ),
        order=None if order is None else _order_out(order, pool.payer_authorizer),
    )


def _channel_out(channel: Channel, name: str | None, claimed: int) -> ChannelOut:
    return ChannelOut(
        channel_id=channel.channel_id,
        pool_id=channel.pool_id,
        receiver=channel.receiver,
        receiver_name=name,
        ceiling_units=channel.ceiling_units,
        in_flight_units=channel.in_flight_units,
        earned_units=channel.earned_units,
        claimed_units=claimed,
    )


def pool_out(session: Session, ctx: Context, pool: views.PoolRow) -> PoolOut:
    """Return a pool: the chain's word on its balance and ours on what is promised from it."""
    ours = session.execute(repo.pool(pool.pool_id)).scalar_one_or_none()
    earned = 0 if ours is None else ours.earned_units
    reserved = 0 if ours is None else ours.reserved_units
    watched = session.execute(watch_repo.watch(pool.pool_id)).scalar_one_or_none()
    headroom = pool.headroom_units + (0 if ours is None else ours.own_paid_units)
    closing = bool(pool.withdraw_units or pool.pending_withdraw_units)  # orders are refused then, whatever is left
    origin = pool.origin
    return PoolOut(
        pool_id=pool.pool_id,
        payer=pool.payer,
        payer_authorizer=pool.payer_authorizer,
        operator=pool.operator,
        balance_latest_units=pool.balance_latest_units,
        balance_final_units=pool.balance_final_units,
        pending_withdraw_units=pool.pending_withdraw_units,
        finalize_at=pool.finalize_at,
        nonce=pool.nonce,
        reserved_units=reserved,
        earned_units=earned,
        claimed_units=pool.claimed_latest_units,
        available_units=0
        if closing
        else available(headroom_units=headroom, earned_units=earned, reserved_units=reserved),
        channels=[
            _channel_out(channel, name, int(claimed))
            for channel, name, claimed in reversed(
                session.execute(repo.channels_of(pool.pool_id, MOST_CHANNELS)).tuples().all()
            )
        ],
        chain=ChainRef(
            block_number=origin.block_number,
            block_hash=origin.block_hash,
            tx_hash=origin.tx_hash,
            log_index=origin.log_index,
            finality=origin.finality,
        ),
        operator_serves=ctx.takes(pool.operator),
        warn_below_units=None if watched is None else watched.below_units,
    )
