"""One round of the transaction manager. Any number of workers may run it at once, and any of them may die anywhere."""

from __future__ import annotations

import time
from collections import Counter
from typing import Final

import structlog

from backend.db.times import moment
from backend.txm import broadcast, confirm, heal, monitor, prepare, replace, repo
from backend.txm.machine import Machine
from backend.txm.rpc import NodeError, NodeUnreachable

ROUND_SECONDS: Final = 20.0
"""How long a round goes on while there is work; what is left waits for the next, which also looks after old nonces."""
LOOK_SECONDS: Final = 0.1
IDLE_LOOKS: Final = 3
"""How often a round looks for a block that makes room, before it leaves that to the next."""

_log = structlog.get_logger("txm.sweep")


def sweep(machine: Machine) -> Counter[str]:
    """Expire, confirm, heal, replace; then sign, send and confirm while there is work; return how much of each.

    A node that does not answer ends the round: everything stays where it is until the next one.
    """
    done = Counter({"expired": prepare.expire(machine)})
    monitor.forgive(machine)
    machine.rpc.doubt()
    try:
        heal.register_keys(machine)
        if monitor.contracts_are_ours(machine):
            done.update(_round(machine))
    except (NodeUnreachable, NodeError) as error:
        _log.warning("the chain node does not answer", error=str(error))
    monitor.report(machine)
    return done


def _round(machine: Machine) -> Counter[str]:
    done: Counter[str] = Counter()
    done["confirmed"] = confirm.confirm(machine)
    done["superseded"] = heal.find_foreign_use(machine)
    done["filled"] = heal.fill_holes(machine)
    done["cancelling"] = replace.cancel_asked(machine)
    done["replaced"] = replace.bump_stuck(machine)
    until, idle = time.monotonic() + ROUND_SECONDS, 0
    while time.monotonic() < until and idle < IDLE_LOOKS:
        signed, sent = prepare.prepare(machine), broadcast.broadcast(machine)
        changed = confirm.confirm_unmined(machine)
        done.update(signed=signed, sent=sent, confirmed=changed)
        if signed or sent or changed:
            idle = 0
        elif machine.db.read(lambda s: s.execute(repo.any_queued(moment(machine.ctx.now()))).scalar_one()):
            idle += 1
            time.sleep(LOOK_SECONDS)  # keys are full until the next block
        else:
            break
    done["confirmed"] += confirm.confirm(machine)
    return done
