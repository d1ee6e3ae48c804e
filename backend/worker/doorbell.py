"""`python -m backend.worker.doorbell`: hears of committed intents and of tasks to offer, and rings a round.

A child of `backend.worker`. It holds nothing. While it is away, or a ring is lost, the clock's rounds find the same
rows a little later.
"""

from __future__ import annotations

import time
from typing import Final

import psycopg
import structlog
from celery import Celery
from kombu.exceptions import OperationalError

from backend.api.logs import configure as configure_logs
from backend.db.engine import plain_dsn
from backend.scheduler.bell import BELL as ASSIGN_BELL
from backend.settings import settings
from backend.txm.repo import BELL
from backend.worker.app import QUEUES, make_app
from backend.worker.runtime import die_with_parent

TASKS: Final = {BELL: "aicp.sweep_transactions", ASSIGN_BELL: "aicp.assign"}
"""What is rung for on each channel."""
QUIET_SECONDS: Final = 0.1
"""At most so often a round is rung for: what has come meanwhile is rung for at once, by one ring."""
PAUSE_SECONDS: Final = 1.0
EXPIRES_SECONDS: Final = 5.0

_log = structlog.get_logger("doorbell")


def listen(app: Celery, database_url: str) -> None:
    """Ring a round for every notification until the connection is lost. Raises psycopg.OperationalError."""
    with psycopg.connect(plain_dsn(database_url), autocommit=True, application_name="aicp-doorbell") as connection:
        for channel in TASKS:
            connection.execute(f"LISTEN {channel}")
        for task in TASKS.values():
            ring(app, task)  # for what came while nobody listened
        while True:
            heard = {
                told.channel for told in connection.notifies(stop_after=1)
            }  # it returns all that have come by then
            for channel in sorted(heard):
                ring(app, TASKS[channel])
            time.sleep(QUIET_SECONDS)


def ring(app: Celery, task: str) -> None:
    """Ask for a round; a broker that does not answer is left to the clock."""
    try:
        app.send_task(task, queue=QUEUES[task], expires=EXPIRES_SECONDS, retry=False)
    except (OperationalError, OSError) as error:
        _log.warning("the broker does not answer; rounds come by the clock", error=type(error).__name__)


def main() -> None:
    """Listen until a signal, or until the parent is gone."""
    configure_logs()
    die_with_parent()
    chosen = settings()
    app = make_app(chosen)
    while True:
        try:
            listen(app, chosen.database_url)
        except psycopg.OperationalError as error:
            _log.warning("the database does not answer", error=type(error).__name__)
        time.sleep(PAUSE_SECONDS)


if __name__ == "__main__":
    main()
