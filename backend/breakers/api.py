"""Circuit breakers over HTTP."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path

from backend.api.deps import Ctx, OperatorSession, Read, Write
from backend.breakers import view
from backend.breakers.schemas import BreakerOut, FailureOut

router = APIRouter(prefix="/circuit-breaker", tags=["network"])


@router.get("/health")
async def get_circuit_breakers(read: Read) -> list[BreakerOut]:
    """Return the circuit breakers of our chain nodes, and of agents whose servers have ever failed."""
    return await read(view.health)


@router.get("/failures")
async def get_circuit_breaker_failures(read: Read, _: OperatorSession) -> list[FailureOut]:
    """Return the nodes and agents that fail, with their last errors; for operators."""
    return await read(view.failures)


@router.post("/reset/{breaker_id}")
async def reset_circuit_breaker(
    breaker_id: Annotated[str, Path(max_length=200)], ctx: Ctx, _: OperatorSession, write: Write
) -> BreakerOut:
    """Close the breaker of an agent (address or alias), or have a node asked again (its name); for operators.

    An agent is called again at once by every process; workers ask a node again in their next round.
    """
    return await write(lambda session: view.reset(session, ctx, breaker_id))
