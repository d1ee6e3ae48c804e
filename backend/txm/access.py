"""Access lists (EIP-2930) for relayed calls, on networks where naming slots beforehand is cheaper than meeting them.

A list is only ever an economy: whoever cannot get one sends the call without. The node decides whether it pays, by its
own estimates with and without; the gas limit stays the one without, so a list that is out of date by the time the call
is mined costs a little and breaks nothing. A node that refuses or is slow is left alone for a while.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import structlog

from backend.txm.classify import is_out_of_gas
from backend.txm.eip1559 import AccessList
from backend.txm.machine import Machine
from backend.txm.rpc import NodeError, NodeUnreachable, request_of

DEADLINE_SECONDS: Final = 2.0
PAUSE_SECONDS: Final = 60

_log = structlog.get_logger("txm.access")


@dataclass(frozen=True, slots=True, kw_only=True)
class Listable:
    """A call that passes, with the most gas it may be run with.

    `needed` is the node's estimate without a list, None where it was not asked for one.
    """

    sender: bytes
    to: bytes
    data: bytes
    tag: str
    needed: int | None
    gas: int


def lists_for(machine: Machine, calls: Sequence[Listable]) -> list[AccessList]:
    """Return for each call the list that makes it cheaper, empty where none does or nobody tells."""
    # a pause longer than any is a clock that went back
    resting = 0 < machine.lists.paused_until - machine.ctx.now() <= PAUSE_SECONDS
    if not calls or not machine.ctx.network.access_lists or resting:
        return [()] * len(calls)
    try:
        return _asked(machine, calls)
    except (NodeError, NodeUnreachable) as error:
        machine.lists.paused_until = machine.ctx.now() + PAUSE_SECONDS
        _log.warning("no access lists; calls go without", calls=len(calls), error=str(error))
        return [()] * len(calls)


def _asked(machine: Machine, calls: Sequence[Listable]) -> list[AccessList]:
    requests = [(request_of(one.sender, one.to, one.data, gas=one.gas), one.tag) for one in calls]
    found = machine.rpc.access_lists(requests, deadline_seconds=DEADLINE_SECONDS)
    named = [at for at, listed in enumerate(found) if listed]
    without = [at for at in named if calls[at].needed is None]
    estimates = [("eth_estimateGas", requests[at]) for at in without]
    for at in named:
        one = calls[at]
        request = request_of(one.sender, one.to, one.data, gas=one.gas, access_list=found[at])
        estimates.append(("eth_estimateGas", (request, one.tag)))
    answers = [_gas(answer) for answer in machine.rpc.batch(estimates)] if estimates else []
    plain = {at: one.needed for at, one in enumerate(calls)} | dict(zip(without, answers, strict=False))
    chosen: list[AccessList] = [()] * len(calls)
    for at, listed in zip(named, answers[len(without) :], strict=True):
        if listed is not None and listed < (plain[at] or 0):
            chosen[at] = found[at]
    return chosen


def _gas(answer: str | NodeError) -> int | None:
    """Return an estimate; None where the call needs more than it may, with what it names."""
    if isinstance(answer, NodeError):
        if is_out_of_gas(answer):
            return None
        raise answer
    return int(answer, 16)
