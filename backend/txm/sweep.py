"""One round of the transaction manager. Any number of workers may run it at once, and any of them may die anywhere.

A step that a node fails is passed over, and the next one runs in the same round: each reads what it needs from the
tables and leaves them right for all others. Without what was confirmed, keys seem fuller than they are and fees may be
raised once more for what is mined already, which no node takes; without what was healed, a key goes on until the next
round finds what is wrong with it. Only the order of nonces matters, and that is the tables'. Nodes that stay silent end
the round once it has lost as long as it may last. Nothing is sent before the contracts are known to be ours.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
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
    """Expire, confirm, heal, replace; then sign, send and confirm while there is work; return how much of each."""
    done = Counter({"expired": prepare.expire(machine)})
    monitor.forgive(machine)
    machine.rpc.doubt()
    try:
        ours = monitor.contracts_are_ours(machine)
    except (NodeUnreachable, NodeError) as error:
        _log.warning("the chain node does not answer", error=str(error))
    else:
        if ours:
            done.update(_round(machine))
    monitor.report(machine)
    return done


class _Steps:
    """The steps of one round: what they have done, and how many seconds were lost on those that failed."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._lost = 0.0
        self.done: Counter[str] = Counter()

    def take(self, name: str, step: Callable[[Machine], int]) -> int:
        """Take a step and count what it has done under a name; 0 where a node fails it, or too many have failed it."""
        if self._lost >= ROUND_SECONDS:
            return 0
        began = time.monotonic()
        try:
            count = step(self._machine)
        except (NodeUnreachable, NodeError) as error:
            self._lost += time.monotonic() - began
            _log.warning("a step of the round failed", step=name, error=str(error))
            return 0
        self.done[name] += count
        return count


def _round(machine: Machine) -> Counter[str]:
    steps = _Steps(machine)
    steps.take("registered", heal.register_keys)
    steps.take("confirmed", confirm.confirm)
    steps.take("superseded", heal.find_foreign_use)
    steps.take("filled", heal.fill_holes)
    steps.take("cancelling", replace.cancel_asked)
    steps.take("replaced", replace.bump_stuck)
    until, idle = time.monotonic() + ROUND_SECONDS, 0
    while time.monotonic() < until and idle < IDLE_LOOKS:
        signed = steps.take("signed", prepare.prepare)
        sent = steps.take("sent", broadcast.broadcast)
        changed = steps.take("confirmed", confirm.confirm_unmined)
        if signed or sent or changed:
            idle = 0
        elif machine.db.read(lambda s: s.execute(repo.any_queued(moment(machine.ctx.now()))).scalar_one()):
            idle += 1
            time.sleep(LOOK_SECONDS)  # keys are full until the next block
        else:
            break
    steps.take("confirmed", confirm.confirm)
    return steps.done
