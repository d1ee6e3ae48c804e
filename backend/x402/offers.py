"""What a request without (good) payment is told: the ways to pay, and where the caller's channel stands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from aicp.rules.primitives import checksum, hex0x
from backend.agents.errors import AgentUnavailable
from backend.agents.models import Agent
from backend.context import Context
from backend.payments.charges import ChannelState
from backend.x402 import payment_ids, siwx, wire
from backend.x402.models import PaidEndpoint
from backend.x402.reasons import Reason
from backend.x402.schemas import PaymentRequired, Requirements, ResourceInfo

TIMEOUT_SECONDS: Final = 300
"""How long a token authorization made for an offer lives: room for the agent's answer and the transaction after it."""
DEPOSIT_PAYMENTS: Final = 100
"""How many payments the deposit we suggest is good for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """A paid endpoint with its agent, at the URL its callers know."""

    endpoint: PaidEndpoint
    agent: Agent
    url: str
    suspended: bool
    """An operator has suspended the agent: it sells nothing now."""

    def require_served(self) -> None:
        """Raise AgentUnavailable where nothing is bought of the agent now."""
        if self.suspended:
            raise AgentUnavailable(
                "An operator has suspended this agent; nothing was charged.",
                what_to_do="Buy from another agent: GET /x402/discovery/resources.",
            )


def network_of(ctx: Context) -> str:
    """Return the network's CAIP-2 name."""
    return f"eip155:{ctx.deployment.chain_id}"


def resource_url(ctx: Context, agent: Agent, endpoint: PaidEndpoint) -> str:
    """Return the URL of a paid endpoint at this gateway."""
    return f"{ctx.settings.public_url.rstrip('/')}/x402/agents/{agent.slug}/{endpoint.slug}"


def offer_of(ctx: Context, endpoint: PaidEndpoint, agent: Agent, suspended: bool = False) -> Offer:
    """Return an endpoint as a caller sees it."""
    return Offer(endpoint=endpoint, agent=agent, url=resource_url(ctx, agent, endpoint), suspended=suspended)


def token_extra(ctx: Context) -> dict[str, Any]:
    """Return what a client must know of the token to sign for it."""
    deployment = ctx.deployment
    return {"name": deployment.token_name, "version": deployment.token_version, "assetTransferMethod": "eip3009"}


def by_channel(ctx: Context, offer: Offer, operator: bytes | None = None) -> Requirements:
    """Return the way to pay by voucher: by a new channel, or by one that names an operator of ours already."""
    endpoint = offer.endpoint
    named = ctx.operator if operator is None else ctx.operator_of(operator) or ctx.operator
    extra = {
        **token_extra(ctx),
        "receiverAuthorizer": checksum(named.address),
        "withdrawDelay": ctx.constants.channel_withdraw_delay_seconds,
        "minDeposit": str(DEPOSIT_PAYMENTS * endpoint.price_units),
    }
    return _requirements(ctx, wire.CHANNEL_SCHEME, endpoint, extra)


def by_transfer(ctx: Context, offer: Offer) -> Requirements:
    """Return the way to pay by one signed transfer."""
    return _requirements(ctx, wire.EXACT_SCHEME, offer.endpoint, token_extra(ctx))


def _requirements(ctx: Context, scheme: str, endpoint: PaidEndpoint, extra: dict[str, Any]) -> Requirements:
    return Requirements(
        scheme=scheme, network=network_of(ctx), amount=endpoint.price_units, asset=ctx.deployment.usdc,
        pay_to=endpoint.agent, max_timeout_seconds=TIMEOUT_SECONDS, extra=extra,
    )  # fmt: skip


def channel_state(state: ChannelState) -> dict[str, Any]:
    """Return `channelState`: the balance is what the channel can be charged up to, pool included."""
    return {
        "channelId": hex0x(state.channel_id),
        "balance": str(max(state.spendable_units, state.own_units)),
        "totalClaimed": str(state.claimed_units),
        "withdrawRequestedAt": 0,
        "refundNonce": "0",
        "chargedCumulativeAmount": str(state.earned_units + state.in_flight_units),
    }


def _corrected(requirements: Requirements, state: ChannelState) -> Requirements:
    extra: dict[str, Any] = {**requirements.extra, "channelState": channel_state(state)}
    if state.signature is not None:
        extra["voucherState"] = {
            "signedMaxClaimable": str(state.ceiling_units), "signature": hex0x(state.signature),
        }  # fmt: skip
    return requirements.model_copy(update={"extra": extra})


def required(
    ctx: Context, offer: Offer, reason: Reason = Reason.NEEDED, *, state: ChannelState | None = None
) -> PaymentRequired:
    """Return the offer; with `state` it carries the last signed voucher, from which a client finds its place again."""
    channel = by_channel(ctx, offer)
    endpoint = offer.endpoint
    extensions = payment_ids.declare(required=endpoint.payment_id_required)
    if endpoint.free_again_seconds:
        extensions |= siwx.declare(ctx, offer.url)
    return PaymentRequired(
        error=reason.value,
        resource=ResourceInfo(url=offer.url, description=endpoint.description, mime_type=endpoint.mime_type),
        accepts=[channel if state is None else _corrected(channel, state), by_transfer(ctx, offer)],
        extensions=extensions,
    )
