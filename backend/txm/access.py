"""Access lists (EIP-2930) for relayed calls, on networks where naming slots beforehand is cheaper than meeting them.

A list is only ever an economy: whoever cannot get one sends the call without. The node decides whether it pays, by its
own estimates with and without; the gas limit stays the one without, so a list that is out of date by the time the call
is mined costs a little and breaks nothing. A node that refuses or is slow is left alone for a while.
"""

from __future__ import annotations

from typing import Final

import structlog

from backend.txm.machine import Machine
from backend.txm.rpc import NodeError, NodeUnreachable
from backend.txm.signer import AccessList

DEADLINE_SECONDS: Final = 2.0
PAUSE_SECONDS: Final = 60

_log = structlog.get_logger("txm.access")


def list_for(machine: Machine, *, sender: bytes, to: bytes, data: bytes, tag: str, needed: int | None) -> AccessList:
    """Return the list that makes the call cheaper, empty when none does or nobody tells.

    `needed` is the node's estimate without a list, if it was asked already.
    """
    # a pause longer than any is a clock that went back
    if not machine.ctx.network.access_lists or 0 < machine.lists.paused_until - machine.ctx.now() <= PAUSE_SECONDS:
        return ()
    try:
        found = machine.rpc.access_list(sender=sender, to=to, data=data, tag=tag, deadline_seconds=DEADLINE_SECONDS)
        if not found:
            return ()
        if needed is None:
            needed = machine.rpc.estimate_gas(sender=sender, to=to, data=data, tag=tag)
        listed = machine.rpc.estimate_gas(sender=sender, to=to, data=data, tag=tag, access_list=found)
    except (NodeError, NodeUnreachable) as error:
        machine.lists.paused_until = machine.ctx.now() + PAUSE_SECONDS
        _log.warning("no access list; calls go without", to="0x" + to.hex(), error=str(error))
        return ()
    return found if listed < needed else ()
