"""The Celery application: a doorbell. Postgres holds all work; a message only says that it is time to look.

Every task is a sweep without arguments that takes rows with SKIP LOCKED, so a lost, doubled or late message changes
nothing but latency, and emptying Redis loses nothing. Messages nobody took in time expire instead of piling up.
"""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

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
    "aicp.assign": "scheduler",
    "aicp.settle": "settlement",
    "aicp.follow_ledger": "settlement",
    "aicp.check_ledger": "settlement",
    "aicp.score": "settlement",
}
CHILD_TASKS: Final = 2_000
CHILD_KIB: Final = 400_000
"""A process that has made so many rounds, or has grown so large, is replaced by a fresh one."""
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


def broker_url(chosen: Settings) -> str:
    """Return where messages wait, as Celery spells it: a database of their own, apart from the limits' counters."""
    url = chosen.broker_url or _next_database(chosen.redis_url)
    if not url.startswith("unix://"):
        return url
    # a Unix socket has its own scheme there, and another name for the database
    return "redis+socket://" + url.removeprefix("unix://").replace("?db=", "?virtual_host=")


def _next_database(redis_url: str) -> str:
    parts = urlsplit(redis_url)
    if parts.scheme == "unix":
        number = int(dict(parse_qsl(parts.query)).get("db", "0"))
        return parts._replace(query=f"db={number + 1}").geturl()
    return parts._replace(path=f"/{int(parts.path.strip('/') or 0) + 1}").geturl()


def _schedule(every: float) -> dict[str, Any]:
    slow = {
        "aicp.keep": 2 * every,
        "aicp.settle": 2 * every,
        "aicp.follow_ledger": 5 * every,
        "aicp.check_ledger": 300 * every,
        "aicp.score": 20 * every,
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
    app = Celery("aicp", broker=broker_url(chosen), include=["backend.worker.tasks"])
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
        worker_max_tasks_per_child=CHILD_TASKS,
        worker_max_memory_per_child=CHILD_KIB,
        broker_transport_options={"visibility_timeout": chosen.broker_visibility_seconds},
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
