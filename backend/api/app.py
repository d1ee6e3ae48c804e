"""The application: routes, middleware, and the long-lived parts of the process."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from fastapi import Depends, FastAPI
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware

from backend import nodes
from backend.agents.api import router as agents
from backend.agents.api import well_known
from backend.agents.calls import Calls
from backend.api.deps import counted, limited
from backend.api.headers import security_headers
from backend.api.limits import RateLimits, storage_of
from backend.api.metrics import Metrics
from backend.api.middleware import BodyLimit, EntityTags, NoZeroBytes, OriginRule, RequestContext
from backend.api.problems import install
from backend.api.root import root_router
from backend.api.schema import openapi_of
from backend.api.state import AppState
from backend.api.ui import ui_router
from backend.auctions.api import router as auctions
from backend.auth.api import cookie_of
from backend.auth.api import router as auth
from backend.auth.origins import allowed_origins
from backend.breakers.api import router as breakers
from backend.breakers.gate import Gate
from backend.context import Context
from backend.dashboard.api import router as dashboard
from backend.db.engine import Database, make_async_engine
from backend.deals.api import router as deals
from backend.disputes.api import router as disputes
from backend.files.api import router as files
from backend.files.blobs import LocalBlobs
from backend.network.api import router as network
from backend.notifications.api import router as notifications
from backend.ops.api import router as ops
from backend.outbox.api import router as events
from backend.outbox.hub import EventHub
from backend.outbox.sockets import Sockets
from backend.payments.api import router as payments
from backend.payments.engine import Engine
from backend.payments.voucher_api import router as vouchers
from backend.pricing.api import router as pricing
from backend.reputation.api import router as reputation
from backend.scheduler.api import offers_router as offers
from backend.scheduler.api import router as scheduler
from backend.settings import Settings
from backend.tasks.api import router as tasks
from backend.wallet.api import router as wallet
from backend.x402.api import resources as x402_resources
from backend.x402.api import router as x402

MULTIPART_OVERHEAD = 64 * 1024
STALE_UPLOAD_SECONDS = 3600
EVENT_CONNECTIONS = 1
DESCRIPTION = (
    "A marketplace where buyers post tasks and agents bid with their own wallets. Amounts are decimal strings of base "
    "units (USDC has 6 decimals). Errors are RFC 9457 problem documents with a stable `code`."
)


LIMITED: Final = (
    tasks,
    auctions,
    deals,
    agents,
    notifications,
    auth,
    network,
    breakers,
    files,
    disputes,
    payments,
    vouchers,
    wallet,
    reputation,
    offers,
    scheduler,
    pricing,
    dashboard,
    ops,
)
"""Those whose requests count against the caller's limits, the busiest first: they are looked at in this order."""


def include_api(app: FastAPI, prefix: str, *, described: bool) -> None:
    """Put every route of the API under a prefix.

    Each router is included by itself, because every level of nesting looks at all routes below it once more.
    """
    for router in LIMITED:
        rule = counted if router is auth else limited  # who signs in may still show the token that is over
        app.include_router(router, prefix=prefix, include_in_schema=described, dependencies=[Depends(rule)])
    for router in (events, x402):
        app.include_router(router, prefix=prefix, include_in_schema=described)


def _middleware(settings: Settings, metrics: Metrics, origins: frozenset[str]) -> list[Middleware]:
    uploads = frozenset({"/api/v1/files", "/api/files"})
    return [
        Middleware(RequestContext, metrics=metrics, headers=security_headers(settings)),
        Middleware(
            CORSMiddleware,
            allow_origins=sorted(origins),
            allow_credentials=False,  # pages on other origins use bearer tokens
            allow_methods=["GET", "POST", "DELETE"],
            allow_headers=[
                *("Authorization", "Content-Type", "Idempotency-Key", "If-None-Match", "X-Request-Id"),
                *("PAYMENT-SIGNATURE", "SIGN-IN-WITH-X"),
            ],
            expose_headers=["ETag", "Retry-After", "X-Request-Id", "PAYMENT-REQUIRED", "PAYMENT-RESPONSE"],
            max_age=600,
        ),
        Middleware(NoZeroBytes),
        Middleware(OriginRule, origins=origins, cookie_name=cookie_of(settings)[0]),
        Middleware(
            BodyLimit,
            limit=settings.max_body_bytes,
            uploads=uploads,
            upload_limit=settings.max_upload_bytes + MULTIPART_OVERHEAD,
        ),
        Middleware(EntityTags),
    ]


def described_app(**options: Any) -> FastAPI:
    """Return an application with the routes of `/api/v1` and their description, and nothing behind them yet."""
    app = FastAPI(
        title="AICP",
        version="1",
        description=DESCRIPTION,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        generate_unique_id_function=lambda route: route.name,
        **options,
    )
    install(app)
    app.openapi = lambda: openapi_of(app)  # type: ignore[method-assign]  # FastAPI's documented way
    app.include_router(x402_resources)  # first: looking for a route takes longer than refusing a call
    include_api(app, "/api/v1", described=True)
    return app


def create_app(context: Context, db: Database, *, limits: RateLimits | None = None) -> FastAPI:
    """Return the application over a database; `limits` replaces the counters in Redis (tests)."""
    settings = context.settings
    origins = allowed_origins(settings)
    cookie_name, cookie_secure = cookie_of(settings)
    metrics = Metrics()
    blobs = LocalBlobs(settings.files_dir)
    # of its own, so that events never wait behind requests that wait for a connection
    engine = make_async_engine(settings.database_url, application="aicp-events", pool_size=EVENT_CONNECTIONS)
    events_db = Database(engine)
    state = AppState(
        ctx=context,
        db=db,
        blobs=blobs,
        limits=limits or RateLimits(settings, storage_of(settings.redis_url)),
        hub=EventHub(context, events_db),
        vouchers=Engine(context),
        gate=Gate(settings.database_url, db),
        calls=Calls(db, context.now),
        metrics=metrics,
        guests=Sockets(each=settings.anonymous_sockets_per_ip, in_all=settings.anonymous_sockets),
        members=Sockets(each=settings.sockets_per_account),
        origins=origins,
        cookie_name=cookie_name,
        cookie_secure=cookie_secure,
    )

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        blobs.sweep(time.time() - STALE_UPLOAD_SECONDS)
        await state.hub.start()
        await state.vouchers.start()
        await state.gate.start()
        await state.calls.start()
        try:
            yield
        finally:
            await state.calls.stop()
            await state.gate.stop()
            await state.vouchers.stop()
            await state.hub.stop()
            await nodes.close()
            await events_db.close()
            await db.close()

    app = described_app(lifespan=lifespan, middleware=_middleware(settings, metrics, origins))
    app.state.aicp = state
    include_api(app, "/api", described=False)
    app.include_router(root_router())
    app.include_router(well_known)
    app.include_router(x402, include_in_schema=False)
    app.include_router(ui_router(settings.frontend_dist))
    return app


def resolve_routes(app: FastAPI) -> None:
    """Let FastAPI put its routes together now. Else the first request does, and holds up all others meanwhile."""
    nowhere = {"type": "http", "method": "GET", "path": "/api/v1/-/-", "root_path": "", "headers": []}
    for route in app.router.routes:
        route.matches(nowhere)
