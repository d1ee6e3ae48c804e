"""The list of everything that can be bought here, in the shape x402 crawlers read."""

from __future__ import annotations

from typing import Final

from sqlalchemy.orm import Session

from aicp.rules.primitives import did
from backend.context import Context
from backend.x402 import offers, repo
from backend.x402.schemas import DiscoveredOut, DiscoveryOut, PaginationOut

MOST: Final = 100
USUAL: Final = 20


def page(session: Session, ctx: Context, *, limit: int, offset: int) -> DiscoveryOut:
    """Return one page of paid endpoints, the most recently changed first; those of agents that rest are left out."""
    now_ms = ctx.now() * 1000
    rows = session.execute(repo.discovered(limit, offset, now_ms)).tuples().all()
    items = []
    for endpoint, agent in rows:
        offer = offers.offer_of(ctx, endpoint, agent)
        items.append(
            DiscoveredOut(
                resource=offer.url,
                accepts=[offers.by_channel(ctx, offer), offers.by_transfer(ctx, offer)],
                last_updated=endpoint.updated_at.isoformat(timespec="seconds").replace("+00:00", "Z"),
                metadata={
                    "description": endpoint.description, "mimeType": endpoint.mime_type, "agent": agent.name,
                    "agentId": did(ctx.deployment.chain_id, agent.address),
                },
            )
        )  # fmt: skip
    total = session.execute(repo.count_active(now_ms)).scalar_one()
    return DiscoveryOut(items=items, pagination=PaginationOut(limit=limit, offset=offset, total=total))
