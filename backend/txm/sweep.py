"""One round of the transaction manager. Any number of workers may run it at once, and any of them may die anywhere."""

from __future__ import annotations

import structlog

from backend.txm import broadcast, confirm, heal, prepare, replace
from backend.txm.machine import Machine
from backend.txm.rpc import NodeError, NodeUnreachable

_log = structlog.get_logger("txm.sweep")


def sweep(machine: Machine) -> dict[str, int]:
    """Expire, sign, send, confirm, replace and heal, as far as the node answers; return how much of each.

    A node that does not answer ends the round: everything stays where it is until the next one.
    """
    done = {"expired": prepare.expire(machine)}
    machine.rpc.doubt()
    try:
        heal.register_keys(machine)
        done["confirmed"] = confirm.confirm(machine)
        done["superseded"] = heal.find_foreign_use(machine)
        done["filled"] = heal.fill_holes(machine)
        done["replaced"] = replace.bump_stuck(machine)
        done["signed"] = prepare.prepare(machine)
        done["sent"] = broadcast.broadcast(machine)
        done["confirmed"] += confirm.confirm(machine)
    except (NodeUnreachable, NodeError) as error:
        _log.warning("the chain node does not answer", error=str(error))
    return done
