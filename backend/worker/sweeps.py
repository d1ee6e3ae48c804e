"""The rounds a worker makes. Each step is one transaction of its own; any may be repeated, skipped or killed."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TypeVar

import structlog
from sqlalchemy.orm import Session

from backend.context import Context
from backend.deals import lapses
from backend.deals import reconcile as deals
from backend.errors import Problem, Unavailable
from backend.keeper.service import keep_escrows
from backend.payments import clocks
from backend.settlement.service import settle as settle_channels
from backend.tasks.service import expire_due
from backend.txm.machine import Machine
from backend.txm.rpc import NodeError, NodeUnreachable
from backend.txm.sweep import sweep

_log = structlog.get_logger("worker")
T = TypeVar("T")


def _acted(session: Session, *, act: Callable[[Session, Context, T], bool], ctx: Context, item: T) -> bool:
    return act(session, ctx, item)


def _each(machine: Machine, items: list[T], act: Callable[[Session, Context, T], bool]) -> int:
    """Act on each item in a transaction of its own; one that fails is logged and does not stop the others."""
    done = 0
    for item in items:
        try:
            done += machine.db.write(partial(_acted, act=act, ctx=machine.ctx, item=item))
        except Unavailable:
            raise
        except Problem as problem:
            _log.error("a step was refused", item=str(item), code=problem.code, detail=problem.detail)
    return done


def sweep_transactions(machine: Machine) -> dict[str, int]:
    """Carry intents on: sign, send, confirm, replace."""
    return sweep(machine)


def reconcile(machine: Machine) -> int:
    """Let deals follow the chain; return how many moved."""
    return _each(machine, machine.db.read(deals.live_deals), deals.reconcile_deal)


def keep(machine: Machine) -> int:
    """Do what clocks decide; return how much was done."""
    ctx, db = machine.ctx, machine.db
    done = db.write(lambda s: keep_escrows(s, ctx))
    done += _each(machine, db.read(lambda s: clocks.due(s, ctx)), clocks.run_out)
    done += _each(machine, db.read(lapses.waiting_deals), lapses.expire_waiting)
    return done + db.write(lambda s: expire_due(s, ctx))


def settle(machine: Machine) -> int:
    """Claim and pay what the policy chooses; return how many rows."""
    try:
        return settle_channels(machine)
    except (NodeUnreachable, NodeError) as error:
        _log.warning("the chain node does not answer", error=str(error))
        return 0
