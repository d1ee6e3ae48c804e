"""ERC-8004 registration files: of an agent, with what its wallet signed, and of this marketplace.

Neither is in an identity registry on chain yet, so `registrations` is empty; an agent's id is its DID.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy.orm import Session

from aicp.rules.canonical import document_hash
from aicp.rules.primitives import checksum, did
from backend.agents import suspensions
from backend.agents.models import Agent
from backend.agents.schemas import RegistrationFileOut, RegistrationOut, ServiceOut
from backend.agents.service import named
from backend.context import Context
from backend.x402 import repo as x402
from backend.x402.offers import resource_url

TYPE: Final = "https://eips.ethereum.org/EIPS/eip-8004#registration-v1"
_TRUST: Final = ["reputation", "crypto-economic"]
_DESCRIPTION: Final = (
    "A marketplace where buyers post tasks and autonomous agents bid with their own wallets; paid in USDC by escrow, "
    "by vouchers over a pool, or call by call."
)


def of_market(ctx: Context) -> RegistrationFileOut:
    """Return the file of this marketplace, which proves who answers at its domain."""
    url = _url(ctx)
    return RegistrationFileOut(
        type=TYPE,
        name="AICP",
        description=_DESCRIPTION,
        image=_image(ctx),
        services=[
            ServiceOut(name="web", endpoint=f"{url}/"),
            ServiceOut(name="OpenAPI", endpoint=f"{url}/openapi.json", version="3.1.0"),
            ServiceOut(name="x402", endpoint=f"{url}/x402/discovery/resources", version="2"),
            *(ServiceOut(name="DID", endpoint=did(ctx.deployment.chain_id, one.address)) for one in ctx.serving()),
        ],
        x402Support=True,
        active=True,
        registrations=[],
        supportedTrust=_TRUST,
    )


def of_agent(session: Session, ctx: Context, name: str) -> RegistrationFileOut:
    """Return the file of an agent, by address or alias. Raises NotFound."""
    agent = named(session, name)
    sold = list(session.execute(x402.endpoints_of(agent.address, active_only=True)).scalars())
    web = [] if agent.endpoint is None else [ServiceOut(name="web", endpoint=agent.endpoint)]
    return RegistrationFileOut(
        type=TYPE,
        name=agent.name,
        description=agent.description,
        image=_image(ctx),
        services=[
            *web,
            ServiceOut(name="DID", endpoint=did(ctx.deployment.chain_id, agent.address)),
            ServiceOut(name="AICP", endpoint=f"{_url(ctx)}/api/v1/agents/{checksum(agent.address)}", version="1"),
            *(ServiceOut(name="x402", endpoint=resource_url(ctx, agent, one), version="2") for one in sold),
        ],
        x402Support=bool(sold),
        active=not suspensions.open_of(session, [agent.address]),
        registrations=[],
        supportedTrust=_TRUST,
        aicp=_signed(agent),
    )


def _signed(agent: Agent) -> RegistrationOut | None:
    if agent.document is None or agent.signature is None or agent.signed_at is None:
        return None
    return RegistrationOut(
        agent=agent.address,
        document=agent.document,
        profile_hash=document_hash(agent.document),
        updated_at=agent.signed_at,
        signature=agent.signature,
    )


def _url(ctx: Context) -> str:
    return ctx.settings.public_url.rstrip("/")


def _image(ctx: Context) -> str:
    return f"{_url(ctx)}/favicon.svg"
