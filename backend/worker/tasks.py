"""The tasks Celery knows: each rings one sweep."""

from __future__ import annotations

from collections.abc import Callable

import structlog
from celery import shared_task

from backend.errors import Unavailable
from backend.txm.machine import Machine
from backend.worker import sweeps
from backend.worker.app import machine

_log = structlog.get_logger("worker")


def _round(act: Callable[[Machine], object]) -> None:
    try:
        act(machine())
    except Unavailable as error:
        _log.warning("the database does not answer; the next round tries again", error=error.detail)


@shared_task(name="aicp.sweep_transactions")
def sweep_transactions() -> None:
    """Carry intents on."""
    _round(sweeps.sweep_transactions)


@shared_task(name="aicp.reconcile")
def reconcile() -> None:
    """Let deals follow the chain."""
    _round(sweeps.reconcile)


@shared_task(name="aicp.keep")
def keep() -> None:
    """Do what clocks decide."""
    _round(sweeps.keep)


@shared_task(name="aicp.assign")
def assign() -> None:
    """Offer waiting tasks to agents."""
    _round(sweeps.assign)


@shared_task(name="aicp.follow_ledger")
def follow_ledger() -> None:
    """Let the ledger follow the chain."""
    _round(sweeps.follow_ledger)


@shared_task(name="aicp.check_ledger")
def check_ledger() -> None:
    """Compare the ledger with the chain."""
    _round(sweeps.check_ledger)


@shared_task(name="aicp.settle")
def settle() -> None:
    """Claim and pay."""
    _round(sweeps.settle)


@shared_task(name="aicp.score")
def score() -> None:
    """Compute and anchor scores."""
    _round(sweeps.score)
