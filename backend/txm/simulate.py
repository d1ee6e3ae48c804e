"""Asks nodes what queued calls would do, many in one request, before a nonce is taken for any of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import structlog

from backend.domain.gas import ENGINE_GAS, most_gas
from backend.txm import access
from backend.txm.classify import SendOutcome, classify, is_out_of_gas, is_revert
from backend.txm.eip1559 import Call
from backend.txm.machine import Machine
from backend.txm.models import Intent
from backend.txm.reverts import explain
from backend.txm.rpc import NodeError, request_of

_log = structlog.get_logger("txm.simulate")


@dataclass(frozen=True, slots=True)
class Revert:
    """Why a call is not sent: the contract's error name and its arguments, or that it would need too much gas."""

    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class _Passes:
    """A call that passes; `needed` is the node's estimate, None where the intent brings its own limit."""

    needed: int | None
    tag: str


def simulate(machine: Machine, intents: Sequence[Intent]) -> list[Call | Revert | None]:
    """Return each call with its gas limit, or why it is not sent; None where the node has no verdict.

    A call whose clock has just run out reverts in the newest block and passes in the next, so a revert counts only
    when the pending block agrees. No call gets more gas than is relayed, or a contract wallet could keep a node busy;
    one that fails gets more the second time, which tells a wallet that is too dear from one that refuses.
    Raises NodeUnreachable.
    """
    found = _asked(machine, intents, "latest", most_gas)
    again = [at for at, verdict in enumerate(found) if isinstance(verdict, NodeError)]
    if again:
        pending = _asked(machine, [intents[at] for at in again], "pending", lambda _: ENGINE_GAS)
        for at, verdict in zip(again, pending, strict=True):
            found[at] = verdict
    limited = [_limited(intent, verdict) for intent, verdict in zip(intents, found, strict=True)]
    passing = [at for at, limit in enumerate(limited) if isinstance(limit, int)]
    lists = access.lists_for(machine, [_listable(machine, intents[at], found[at]) for at in passing])
    calls: list[Call | Revert | None] = [limit if isinstance(limit, Revert) else None for limit in limited]
    for at, listed in zip(passing, lists, strict=True):
        limit = limited[at]
        assert isinstance(limit, int)
        calls[at] = Call(to=intents[at].to, data=intents[at].data, gas_limit=limit, access_list=listed)
    return calls


def _sender(machine: Machine, intent: Intent) -> bytes:
    return intent.account or machine.keys.addresses[0]


def _asked(
    machine: Machine, intents: Sequence[Intent], tag: str, most: Callable[[str], int]
) -> list[_Passes | NodeError]:
    """Run what brings its gas limit with that limit; an estimate runs the others, with the most for their kind."""
    calls: list[tuple[str, tuple[Any, ...]]] = []
    for intent in intents:
        method = "eth_estimateGas" if intent.gas_limit is None else "eth_call"
        gas = intent.gas_limit or most(intent.kind)
        request = request_of(_sender(machine, intent), intent.to, intent.data, gas=gas)
        calls.append((method, (request, tag)))
    verdicts: list[_Passes | NodeError] = []
    for intent, answer in zip(intents, machine.rpc.batch(calls), strict=True):
        if isinstance(answer, NodeError):
            verdicts.append(answer)
        else:
            verdicts.append(_Passes(None if intent.gas_limit is not None else int(answer, 16), tag))
    return verdicts


def _listable(machine: Machine, intent: Intent, verdict: _Passes | NodeError) -> access.Listable:
    assert isinstance(verdict, _Passes)
    return access.Listable(
        sender=_sender(machine, intent), to=intent.to, data=intent.data, tag=verdict.tag, needed=verdict.needed,
        gas=intent.gas_limit or most_gas(intent.kind),
    )  # fmt: skip


def _limited(intent: Intent, verdict: _Passes | NodeError) -> int | Revert | None:
    """Return the gas limit of a call that passes; why one fails; None without a verdict."""
    if isinstance(verdict, NodeError):
        return _refused(intent, verdict)
    if verdict.needed is None:
        assert intent.gas_limit is not None
        return intent.gas_limit
    most = most_gas(intent.kind)
    if verdict.needed > most:
        return _too_dear(intent, f"{verdict.needed}")
    # a wallet can answer more cheaply to a simulation than on the chain, so the limit itself stays within the budget
    return min(verdict.needed * 5 // 4 + 10_000, most)


def _too_dear(intent: Intent, needed: str) -> Revert:
    most = most_gas(intent.kind)
    return Revert(
        "gas_above_budget", f"The call needs {needed} gas; at most {most} are relayed. Send it from your wallet."
    )


def _refused(intent: Intent, verdict: NodeError) -> Revert | None:
    if classify(verdict) is SendOutcome.INSUFFICIENT_FUNDS:
        _log.error("a simulation wants more funds than its key has", intent=str(intent.id))
        return None
    if is_out_of_gas(verdict):
        return _too_dear(intent, "more") if intent.gas_limit is None else Revert("out_of_gas", str(verdict))
    if not is_revert(verdict):
        _log.warning("a simulation has no verdict", intent=str(intent.id), error=str(verdict))
        return None
    return Revert(*explain(verdict))
