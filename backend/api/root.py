"""Routes at the root: liveness, readiness, figures, and the description of the API."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import structlog
from fastapi import APIRouter, Request
from redis.asyncio import Redis
from redis.exceptions import RedisError
from sqlalchemy import text
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response

from backend.api import docs, problem_list
from backend.api.state import AppState, app_state
from backend.errors import Unavailable
from indexer import views

LOG = structlog.get_logger(__name__)
CHECK_SECONDS: Final = 2.0


async def _database(state: AppState) -> str:
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            await state.db.read(lambda session: session.execute(text("SELECT 1")).scalar_one())
    except (Unavailable, TimeoutError):
        return "does not answer"
    return "ok"


async def _redis(state: AppState) -> str:
    if not state.ctx.settings.redis_url:
        return "not configured"
    try:
        async with Redis.from_url(state.ctx.settings.redis_url, socket_timeout=CHECK_SECONDS) as client:
            await client.ping()
    except (RedisError, OSError, TimeoutError):
        return "does not answer; limits and wake-ups are degraded"
    return "ok"


async def _mirror(state: AppState) -> str:
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            await state.db.read(views.sync_status)
    except views.MirrorEmptyError:
        return "empty; the indexer has not started"
    except (Unavailable, TimeoutError):
        return "does not answer"
    return "ok"


async def _description(request: Request) -> dict[str, Any]:
    """Return the API's description, made on a thread when it is first asked for: that takes a second."""
    described: dict[str, Any] = await asyncio.to_thread(request.app.openapi)
    return described


def root_router() -> APIRouter:
    """Return the routes at the root."""
    router = APIRouter(include_in_schema=False)

    @router.get("/health")
    async def health() -> dict[str, str]:
        """Say that the process serves requests."""
        return {"status": "ok"}

    @router.get("/ready")
    async def ready(request: Request) -> Response:
        """Say whether the parts we need answer; only the database is needed to serve."""
        state = app_state(request)
        database, redis, mirror = await asyncio.gather(_database(state), _redis(state), _mirror(state))
        body: dict[str, Any] = {"database": database, "redis": redis, "mirror": mirror}
        usable = database == "ok"
        return JSONResponse({"status": "ok" if usable else "unavailable", **body}, 200 if usable else 503)

    @router.get("/metrics")
    async def metrics(request: Request) -> Response:
        """Return Prometheus figures."""
        state = app_state(request)
        return PlainTextResponse(state.metrics.render() + state.gate.render(), media_type="text/plain; version=0.0.4")

    @router.get("/openapi.json")
    async def openapi(request: Request) -> Response:
        """Return the API description."""
        return JSONResponse(await _description(request))

    @router.get("/docs")
    async def documentation(request: Request) -> Response:
        """Return the API description as a page."""
        return HTMLResponse(docs.render(await _description(request)), headers={"Content-Security-Policy": docs.POLICY})

    @router.get("/docs/problems")
    async def problems() -> Response:
        """Return every refusal as a page."""
        page = docs.render_problems(problem_list.entries())
        return HTMLResponse(page, headers={"Content-Security-Policy": docs.POLICY})

    return router
