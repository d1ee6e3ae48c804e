"""`python -m backend.api`: serves the API and the page."""

from __future__ import annotations

import uvicorn

from backend.api.app import create_app
from backend.api.logs import configure
from backend.context import load_context
from backend.db.engine import Database, make_async_engine
from backend.settings import settings

GRACE_SECONDS = 10


def main() -> None:
    """Serve until told to stop; then refuse new requests, finish those under way, and close."""
    configure()
    chosen = settings()
    app = create_app(load_context(chosen), Database(make_async_engine(chosen.database_url)))
    uvicorn.run(
        app,
        host=chosen.host,
        port=chosen.port,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=GRACE_SECONDS,
        ws_max_size=65_536,
    )


if __name__ == "__main__":
    main()
