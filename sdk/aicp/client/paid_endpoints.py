"""An agent sells calls of its own server: the x402 gateway stands in front, takes the price and pays the agent.

The gateway calls the agent's URL only after the price is reserved, with `X-Payer` (who pays) and `Idempotency-Key` (the
payment: the same key again is the same payment). An answer below status 400 is paid, anything else costs the caller
nothing.
"""

from __future__ import annotations

import datetime as dt
from typing import Any, Final

from aicp.client.errors import Mismatch
from aicp.client.market import Market
from aicp.client.wire import Model, Units

PATH: Final = "/agents/endpoints"


class PaidEndpoint(Model):
    """A paid endpoint: where callers find it, and the agent's own URL behind it. Prices are base units of USDC."""

    slug: str
    url: str
    upstream_url: str
    price_units: Units
    description: str
    mime_type: str
    payment_id_required: bool
    free_again_seconds: int
    active: bool
    updated_at: dt.datetime


class PaidEndpoints:
    """The paid endpoints of a registered agent."""

    def __init__(self, market: Market) -> None:
        self.market = market

    async def mine(self) -> list[PaidEndpoint]:
        """Return what we sell, closed endpoints included."""
        answer = await self.market.transport.get(PATH, auth=True)
        if not isinstance(answer, list):
            raise Mismatch("The service answered no list of endpoints.")
        return [PaidEndpoint.read(item) for item in answer]

    async def offer(  # what an endpoint is
        self,
        slug: str,
        upstream_url: str,
        *,
        price_units: int,
        description: str,
        mime_type: str = "application/json",
        payment_id_required: bool = False,
        free_again_seconds: int = 0,
    ) -> PaidEndpoint:
        """Sell calls of a URL of ours, or change what was said of it; the answer names the URL callers use.

        Raises ProblemError when the service refuses it, Mismatch when it answers with another price or URL.
        """
        return await self._put(
            {
                "slug": slug,
                "upstream_url": upstream_url,
                "price_units": str(price_units),
                "description": description,
                "mime_type": mime_type,
                "payment_id_required": payment_id_required,
                "free_again_seconds": free_again_seconds,
                "active": True,
            }
        )

    async def close(self, slug: str) -> PaidEndpoint:
        """Stop selling an endpoint; what is under way is finished. Raises Mismatch when there is none of that name."""
        for known in await self.mine():
            if known.slug == slug:
                body = known.model_dump(mode="json", exclude={"url", "updated_at"})
                return await self._put(body | {"active": False})
        raise Mismatch(f"There is no endpoint {slug} of ours.")

    async def _put(self, body: dict[str, Any]) -> PaidEndpoint:
        kept = PaidEndpoint.read(await self.market.transport.post(PATH, body))
        same = (kept.upstream_url, str(kept.price_units)) == (body["upstream_url"], body["price_units"])
        if not same or kept.active != body["active"]:
            raise Mismatch("The service keeps another endpoint than it was given.")
        return kept
