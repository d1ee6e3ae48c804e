"""`python -m backend.api`: serves the API and the page."""

from __future__ import annotations

import gc
from typing import Final

import uvicorn

from backend.api.app import create_app, resolve_routes
from backend.api.logs import configure
from backend.certificates import for_nodes, for_strangers
from backend.context import load_context
from backend.db.engine import Database, make_async_engine
from backend.outbox.frames import SERVED
from backend.settings import settings

GRACE_SECONDS: Final = 10
YOUNG_OBJECTS: Final = 2_000
YOUNG_LOOKS: Final = 10
OLD_LOOKS: Final = 25
"""How rarely the collector looks at everything: once in so many looks at the young, half a million new objects. A
thousand WebSockets are a quarter of a million, a fifth of a second, and it did so every twenty seconds. What requests
leave behind is young, and found soon enough; a WebSocket that ends leaves 54 old objects, 23 KB."""


def main() -> None:
    """Serve until told to stop; then refuse new requests, finish those under way, and close."""
    configure()
    chosen = settings()
    app = create_app(load_context(chosen), Database(make_async_engine(chosen.database_url)))
    resolve_routes(app)
    for_nodes()
    for_strangers()
    gc.collect()
    gc.freeze()  # to look at all modules and routes in every full collection holds every request up meanwhile
    gc.set_threshold(YOUNG_OBJECTS, YOUNG_LOOKS, OLD_LOOKS)
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
