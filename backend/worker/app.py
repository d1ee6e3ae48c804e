"""The Celery application: a doorbell. Postgres holds all work; a message only says that it is time to look.

Every task is a sweep without arguments that takes rows with SKIP LOCKED, so a lost, doubled or late message changes
nothing but latency, and emptying Redis loses nothing. Messages nobody took in time expire instead of piling up.
"""

from __future__ import annotations

from typing import Any, Final

import structlog
from celery import Celery
from celery.signals import beat_embedded_init, worker_process_init, worker_process_shutdown, worker_ready

from backend.api.logs import configure as configure_logs
from backend.context import load_context
from backend.settings import Settings, settings
from backend.txm.machine import Machine
from backend.worker.runtime import build_machine, close_machine, die_with_parent

QUEUES: Final = {
    "aicp.sweep_transactions": "txm",
    "aicp.reconcile": "deals",
    "aicp.keep": "keeper",
    "aicp.settle": "settlement",
    "aicp.follow_ledger": "settlement",
    "aicp.check_ledger": "settlement",
}
SOFT_LIMIT_SECONDS: Final = 60
HARD_LIMIT_SECONDS: Final = 90

_machine: Machine | None = None


def machine() -> Machine:
    """Return this process's machine, built on first use after the fork."""
    global _machine  # noqa: PLW0603  # one a process, made after the fork
    if _machine is None:
        made = settings()
        _machine = build_machine(made, load_context(made))
    return _machine


def broker_url(redis_url: str) -> str:
    """Return the URL as Celery spells it: a Unix socket has its own scheme there."""
    return "redis+socket://" + redis_url.removeprefix("unix://") if redis_url.startswith("unix://") else redis_url


def _schedule(every: float) -> dict[str, Any]:
    slow = {
        "aicp.keep": 2 * every,
        "aicp.settle": 2 * every,
        "aicp.follow_ledger": 5 * every,
        "aicp.check_ledger": 300 * every,
    }
    return {
        name: {
            "task": name,
            "schedule": slow.get(name, every),
            "options": {"queue": queue, "expires": max(5.0, 3 * slow.get(name, every))},
        }
        for name, queue in QUEUES.items()
    }


def make_app(chosen: Settings) -> Celery:
    """Return the application for these settings."""
    app = Celery("aicp", broker=broker_url(chosen.redis_url), include=["backend.worker.tasks"])
    app.conf.update(
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        worker_prefetch_multiplier=1,
        task_ignore_result=True,
        task_track_started=True,
        task_serializer="json",
        accept_content=["json"],
        task_soft_time_limit=SOFT_LIMIT_SECONDS,
        task_time_limit=HARD_LIMIT_SECONDS,
        task_routes={name: {"queue": queue} for name, queue in QUEUES.items()},
        broker_transport_options={"visibility_timeout": 10 * HARD_LIMIT_SECONDS},
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
        beat_scheduler="celery.beat:Scheduler",
        beat_max_loop_interval=1,
        beat_schedule=_schedule(chosen.sweep_seconds),
        timezone="UTC",
    )
    return app


@worker_ready.connect
def _say_ready(**_: Any) -> None:
    configure_logs()
    structlog.get_logger("worker").info("ready")


@worker_process_init.connect
def _start_process(**_: Any) -> None:
    global _machine  # noqa: PLW0603  # never the parent's
    _machine = None
    configure_logs()
    die_with_parent()


@beat_embedded_init.connect
def _start_beat(**_: Any) -> None:
    die_with_parent()


@worker_process_shutdown.connect
def _stop_process(**_: Any) -> None:
    if _machine is not None:
        close_machine(_machine)
