"""Which channel and pool belong to a deal: rebuilt from the deal's own parties, never taken from a client.

A config whose authorizer, receiver or operator is anybody else has another id; a signature over it fits nothing here.
"""

from __future__ import annotations

from dataclasses import dataclass

from aicp.abi.typed_data import ChannelConfig
from aicp.rules.ids import channel_id, marketplace_config, pool_id, pool_key
from aicp.rules.primitives import ZERO_ADDRESS
from backend.context import Context
from backend.payments.models import Channel, Pool


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """The marketplace channel of (payer, session key, agent, operator) and the pool it draws from."""

    config: ChannelConfig
    channel_id: bytes
    pool_id: bytes

    @property
    def voucher_signer(self) -> bytes:
        """Who signs vouchers, orders and verdicts: the session key, or the payer where there is none."""
        return self.config.payer if self.config.payer_authorizer == ZERO_ADDRESS else self.config.payer_authorizer


def config_of(ctx: Context, pool: Pool, channel: Channel) -> ChannelConfig:
    """Return the config of a channel we keep: the marketplace's, or that of an x402 client."""
    if channel.salt is None or channel.withdraw_delay is None:
        return lane(
            ctx, payer=pool.payer, payer_authorizer=pool.payer_authorizer, receiver=channel.receiver,
            operator=pool.operator,
        ).config  # fmt: skip
    return ChannelConfig(
        payer=pool.payer,
        payer_authorizer=pool.payer_authorizer,
        receiver=channel.receiver,
        receiver_authorizer=pool.operator,
        token=ctx.deployment.usdc,
        withdraw_delay=channel.withdraw_delay,
        salt=channel.salt,
    )


def lane(ctx: Context, *, payer: bytes, payer_authorizer: bytes, receiver: bytes, operator: bytes) -> Lane:
    """Return the lane of these four; ids follow from them alone."""
    config = marketplace_config(payer, payer_authorizer, receiver, operator, ctx.deployment.usdc, ctx.constants)
    return Lane(
        config=config,
        channel_id=channel_id(config, ctx.domains.channel),
        pool_id=pool_id(pool_key(payer, payer_authorizer, operator), ctx.domains.channel),
    )
