"""Scores over HTTP."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query

from aicp.rules.pricing import Tier
from aicp.rules.primitives import Finality
from backend.api.deps import Ctx, CurrentSession, Read, Write
from backend.api.paging import Cursor, Limit
from backend.api.types import Page
from backend.reputation import service, vouches
from backend.reputation.schemas import (
    EpochOut,
    HistoryOut,
    LeaderOut,
    Measure,
    ReputationOut,
    ScoreFileOut,
    VouchIn,
    VouchOut,
)

router = APIRouter(tags=["reputation"])

AgentName = Annotated[str, Path(max_length=42)]


@router.get("/agents/{agent_id}/reputation")
async def get_reputation(
    agent_id: AgentName, ctx: Ctx, read: Read, min_finality: Finality = Finality.SEEN
) -> ReputationOut:
    """Return an agent's newest anchored score (by address or alias) with the steps to it and its proof."""
    return await read(lambda session: service.reputation(session, ctx, agent_id, min_finality))


@router.get("/agents/{agent_id}/reputation/history")
async def get_reputation_history(
    agent_id: AgentName,
    ctx: Ctx,
    read: Read,
    *,
    min_finality: Finality = Finality.SEEN,
    cursor: Cursor = None,
    limit: Limit = 30,
) -> Page[HistoryOut]:
    """List the anchored epochs an agent (by address or alias) has a score in, newest first."""
    return await read(
        lambda session: service.history(session, ctx, agent_id, cursor=cursor, limit=limit, finality=min_finality)
    )


@router.get("/agents/{agent_id}/vouches")
async def list_vouches(agent_id: AgentName, ctx: Ctx, read: Read) -> list[VouchOut]:
    """List who vouches for an agent (by address or alias), those that end last first, at most 100."""
    return await read(lambda session: vouches.of_agent(session, ctx, agent_id))


@router.post("/agents/{agent_id}/vouches")
async def vouch_for_agent(
    agent_id: AgentName, body: VouchIn, ctx: Ctx, caller: CurrentSession, write: Write
) -> VouchOut:
    """Vouch for an agent by the caller's signature; it binds the caller until its end."""
    return await write(lambda session: vouches.vouch(session, ctx, caller.address, agent_id, body))


@router.get("/reputation/leaderboard")
async def get_leaderboard(
    read: Read,
    *,
    by: Measure = "overall",
    specialty: Annotated[str | None, Query(max_length=60, description="As `task_type:compute`.")] = None,
    tier: Tier | None = None,
    min_jobs: Annotated[int, Query(ge=0, le=2**31 - 1)] = 0,
    capability: Annotated[str | None, Query(pattern="^[a-z0-9_]{2,40}$")] = None,
    min_finality: Finality = Finality.SEEN,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Page[LeaderOut]:
    """List the agents of the newest anchored epoch, best first: by a measure, or by a specialty."""
    wanted = service.Wanted(by=by, specialty=specialty, tier=tier, min_jobs=min_jobs, capability=capability)
    return await read(
        lambda session: service.leaderboard(session, wanted, cursor=cursor, limit=limit, finality=min_finality)
    )


@router.get("/reputation/epochs")
async def list_score_epochs(
    ctx: Ctx, read: Read, min_finality: Finality = Finality.SEEN, cursor: Cursor = None, limit: Limit = 50
) -> Page[EpochOut]:
    """List the epochs of scores, newest first."""
    return await read(lambda session: service.epochs(session, ctx, cursor=cursor, limit=limit, finality=min_finality))


@router.get("/reputation/epochs/{epoch}")
async def get_score_file(epoch: Annotated[int, Path(ge=1, lt=2**63)], read: Read) -> ScoreFileOut:
    """Return the published file of an epoch: its leaves and its manifest, whose canonical hash is anchored."""
    return await read(lambda session: service.score_file(session, epoch))
