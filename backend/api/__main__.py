"""`python -m backend.api`: serves the API and the page."""

from __future__ import annotations

import gc

import uvicorn

from backend.api.app import create_app, resolve_routes
from backend.api.logs import configure
from backend.context import load_context
from backend.db.engine import Database, make_async_engine
from backend.outbox.frames import SERVED
from backend.settings import settings

GRACE_SECONDS = 10


def main() -> None:
    """Serve until told to stop; then refuse new requests, finish those under way, and close."""
    configure()
    chosen = settings()
    app = create_app(load_context(chosen), Database(make_async_engine(chosen.database_url)))
    resolve_routes(app)
    gc.collect()
    gc.freeze()  # to look at all modules and routes in every full collection holds every request up meanwhile
    uvicorn.run(
        app,
        host=chosen.host,
        port=chosen.port,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=GRACE_SECONDS,
        **SERVED,
    )


if __name__ == "__main__":
    main()
