"""What operators watch: whether nodes answer, what keys own, and whether the contracts are still the deployed ones."""

from __future__ import annotations

import datetime as dt
from functools import partial
from typing import Final

import structlog
from sqlalchemy.orm import Session

from aicp.abi.runtime import keccak
from aicp.rules.primitives import ZERO_ADDRESS, hex0x
from backend.alarms import service as alarms
from backend.alarms.service import AlarmKind
from backend.db.times import moment
from backend.txm import repo_watch as repo
from backend.txm.machine import Machine
from backend.txm.nodes import NodeHealth
from backend.txm.rpc import NodeError, NodeUnreachable
from backend.txm.tell import tell
from indexer.chain.breaker import LONGEST_REST_SECONDS

EVERY: Final = dt.timedelta(seconds=10)
LOW_TRANSACTIONS: Final = 200
"""A key that cannot pay for so many middling transactions at today's fees should be topped up."""
MIDDLING_GAS: Final = 150_000

_log = structlog.get_logger("txm.monitor")


def contracts_are_ours(machine: Machine) -> bool:
    """Return whether the contracts have the code they had when the workers first saw them; asked once a process.

    Where one has not, somebody is told and nothing is sent: the calls were signed for other code.
    Raises NodeError or NodeUnreachable.
    """
    if machine.watch.contracts_checked:
        return True
    deployment = machine.ctx.deployment
    named = {deployment.escrow, deployment.payment_channel, deployment.reputation, deployment.usdc, deployment.arbiter}
    contracts = sorted(named - {ZERO_ADDRESS})
    hashes = {contract: keccak(machine.rpc.code_of(contract)) for contract in contracts}
    changed = machine.db.write(partial(_compare, chain_id=machine.keys.chain_id, hashes=hashes))
    machine.watch.contracts_checked = not changed
    return not changed


def _compare(session: Session, *, chain_id: int, hashes: dict[bytes, bytes]) -> list[bytes]:
    """Keep the hashes of contracts seen for the first time; return the contracts that have changed."""
    changed: list[bytes] = []
    for contract, code_hash in hashes.items():
        session.execute(repo.keep_code(chain_id, contract, code_hash))
        known = session.execute(repo.known_code(chain_id, contract)).scalar_one()
        if known == code_hash and code_hash != keccak(b""):
            alarms.clear(session, AlarmKind.CODE_CHANGED, hex0x(contract))
            continue
        changed.append(contract)
        detail = "The contract's code is not what it was, or it has none; no transaction is sent."
        alarms.raise_alarm(session, AlarmKind.CODE_CHANGED, hex0x(contract), detail)
    return changed


def forgive(machine: Machine) -> None:
    """Let nodes that rest be asked again where an operator has wished so since their rest can have begun."""
    resting = machine.rpc.resting()
    if not resting:
        return
    since = moment(machine.ctx.now()) - dt.timedelta(seconds=LONGEST_REST_SECONDS)
    wished = machine.db.read(lambda session: dict(session.execute(repo.resets(since)).tuples().all()))
    for node in resting:
        at = wished.get(node.host)
        if at is not None and machine.watch.forgiven.get(node.host) != at:
            machine.watch.forgiven[node.host] = at
            node.breaker.succeeded()


def report(machine: Machine) -> None:
    """Write down how nodes and keys are, now and then; raise and clear their alarms."""
    now = moment(machine.ctx.now())
    health = machine.rpc.health()
    last = machine.watch.reported_at
    if last is not None and last <= now < last + EVERY and health == machine.watch.reported:
        return
    machine.watch.reported_at, machine.watch.reported = now, health
    machine.db.write(partial(_nodes, now=now, health=health))
    try:
        _balances(machine, now)
    except (NodeError, NodeUnreachable) as error:
        _log.warning("balances of keys are not known", error=str(error))


def _nodes(session: Session, *, now: dt.datetime, health: list[NodeHealth]) -> None:
    for node in health:
        session.execute(repo.node_state(node, now))
    session.execute(repo.forget_nodes([node.name for node in health]))
    for kind, sentence in (
        (AlarmKind.WRONG_CHAIN, "The node serves another chain and is not used."),
        (AlarmKind.NODE_DOWN, "The node does not answer; others are asked."),
    ):
        bad = [n.name for n in health if not n.answers and n.wrong_chain == (kind is AlarmKind.WRONG_CHAIN)]
        for name in bad:
            alarms.raise_alarm(session, kind, name, sentence)
        alarms.clear_others(session, kind, bad)


def _balances(machine: Machine, now: dt.datetime) -> None:
    """Keep the balances of the keys, and tell of those that should be topped up. Raises NodeError, NodeUnreachable."""
    if not machine.keys.addresses:
        return
    balances = machine.rpc.balances(machine.keys.addresses)
    enough = LOW_TRANSACTIONS * MIDDLING_GAS * machine.market_fees().max_fee_wei

    def run(session: Session) -> None:
        for address, wei in balances.items():
            session.execute(repo.keep_balance(machine.keys.chain_id, address, wei, now))

    machine.db.write(run)
    low = {
        address: f"The relayer key has {wei} wei; {enough} are enough for a while."
        for address, wei in balances.items()
        if wei < enough
    }
    tell(machine, AlarmKind.KEY_LOW, machine.keys.addresses, low)
