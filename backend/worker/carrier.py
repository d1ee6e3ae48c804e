"""`python -m backend.worker.carrier`: carries notifications to webhooks and mailboxes, a child of `backend.worker`.

It holds nothing: what it has taken when it dies is due again a little later, for it or for one of another group.
"""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Final

import structlog

from backend.api.logs import configure as configure_logs
from backend.context import Context, load_context
from backend.db.engine import SyncDatabase, make_sync_engine
from backend.errors import Unavailable
from backend.notifications.sending import send_due
from backend.settings import settings
from backend.worker.runtime import die_with_parent

EVERY: Final = 2
"""Sweeps between two looks."""

_log = structlog.get_logger("carrier")


def carry(ctx: Context, db: SyncDatabase, stop: threading.Event) -> None:
    """Send what is due, again and again, until told to stop; a batch under way is finished."""
    while not stop.is_set():
        try:
            send_due(ctx, db)
        except Unavailable as error:
            _log.warning("the database does not answer; the next round tries again", error=error.detail)
        except Exception as error:  # noqa: BLE001  # a restart would meet the same
            _log.error("a round failed", error=type(error).__name__)
        stop.wait(EVERY * ctx.settings.sweep_seconds)


def main() -> None:
    """Carry until a signal, or until the parent is gone."""
    configure_logs()
    die_with_parent()
    stop = threading.Event()

    def end(_signal: int, _frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    chosen = settings()
    db = SyncDatabase(make_sync_engine(chosen.database_url, application="aicp-carrier", pool_size=1))
    carry(load_context(chosen), db, stop)
    db.close()


if __name__ == "__main__":
    main()
