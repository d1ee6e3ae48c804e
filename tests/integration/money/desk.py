"""A desk of the transaction manager: a worker with keys of its own, behind a node whose answers a test decides."""

from __future__ import annotations

import os
import secrets
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import SecretStr

from aicp.abi import usdc
from aicp.abi.signing import address_of
from aicp.rules.primitives import hex0x
from backend import failpoints
from backend.db.times import moment
from backend.txm import heal
from backend.txm import service as txm
from backend.txm.machine import Machine
from backend.txm.models import Intent
from backend.txm.rpc import Node, NodeUnreachable
from backend.txm.sweep import sweep
from backend.worker.runtime import close_machine
from tests.fixtures.mempool import Mempool
from tests.fixtures.moneylab import World

PATIENCE_SECONDS = 10_000


@dataclass(slots=True)
class Script:
    """What stands between the worker and the chain. `silent` answers no sending; `deaf` does not even pass it on."""

    pool: Mempool = field(default_factory=Mempool)
    silent: bool = False
    deaf: bool = False


class ScriptedNode(Node):
    """A node behind a script."""

    script: Script

    def post(self, body: Any, deadline_seconds: float | None = None) -> Any:
        calls = body if isinstance(body, list) else [body]
        sends = any(call["method"] == "eth_sendRawTransaction" for call in calls)
        if sends and self.script.deaf:
            raise NodeUnreachable("timeout")
        answers = [self.script.pool.answer(call, lambda one: Node.post(self, one)) for call in calls]
        if sends and self.script.silent:
            raise NodeUnreachable("timeout")
        return answers if isinstance(body, list) else answers[0]


@dataclass(slots=True)
class Desk:
    """A worker with keys nobody else uses. What it mints goes to `target`, so that what was mined can be counted."""

    world: World
    machine: Machine
    script: Script
    keys: list[bytes]
    target: bytes = field(default_factory=lambda: secrets.token_bytes(20))
    name: str = field(default_factory=lambda: secrets.token_hex(6))
    asked: list[Intent] = field(default_factory=list)

    def ask(self, *, to: bytes | None = None, anybody: bool = False, **more: Any) -> Intent:
        """Ask for one unit of test USDC, by this desk's first key, which sends in order, or by anybody's."""
        values: dict[str, Any] = {"expires_at": None, "gas_limit": 120_000, **more}
        intent = self.world.write(
            lambda s: txm.enqueue(
                s, self.world.ctx, idem_key=f"{self.name}:{len(self.asked)}", kind="faucet",
                on_behalf_of=self.target, to=to or self.world.ctx.deployment.usdc,
                data=usdc.encode_faucet(self.target, 1), reference={},
                account=None if anybody else self.keys[0], **values,
            )
        )  # fmt: skip
        self.asked.append(intent)
        return intent

    def sweep(self) -> None:
        """Make one round."""
        sweep(self.machine)

    def later(self, seconds: int) -> None:
        """Move the worker's clock."""
        self.world.clock.added += seconds

    def mined(self, number: int = 1) -> None:
        """Mine blocks."""
        self.world.chain.mine(number)

    def carried(self, rounds: int = 12) -> None:
        """Make rounds until everything is final, once and without a hole; fails where that does not come."""
        for _ in range(rounds):
            self.sweep()
            self.mined(3)
            if all(state == "final" for state in self.states()):
                break
            self.later(20)
        assert set(self.states()) == {"final"}, self.states()
        assert self.world.usdc_of(self.target) == len(self.asked), "each exactly once"
        self.whole()

    def states(self) -> list[str]:
        """Return where every intent stands."""
        return [self.world.intent_state(intent.id) for intent in self.asked]

    def whole(self) -> None:
        """Fail where a nonce is missing, there twice, or spent on nothing."""
        for key in self.keys:
            rows = self.world.sql("SELECT nonce, intent_id FROM txm.tx WHERE account = :a ORDER BY nonce", a=key)
            assert [row[0] for row in rows] == list(range(self.nonce(key)))
            assert all(row[1] is not None for row in rows), "no nonce is spent on nothing"

    def nonce(self, key: bytes | None = None) -> int:
        """Return the next nonce of a key, 0 where it is not registered."""
        rows = self.world.sql("SELECT next_nonce FROM txm.account WHERE address = :a", a=key or self.keys[0])
        return int(rows[0][0]) if rows else 0

    def attempts(self, intent: Intent) -> list[tuple[int, int, str | None]]:
        """Return fees, tips and outcomes of an intent's attempts."""
        rows = self.world.sql(
            "SELECT a.max_fee_wei, a.tip_wei, a.outcome FROM txm.attempt a JOIN txm.tx t ON t.id = a.tx_id "
            "WHERE t.intent_id = :i ORDER BY a.seq",
            i=intent.id,
        )
        return [(int(row[0]), int(row[1]), row[2]) for row in rows]

    def alarms(self) -> set[tuple[str, str]]:
        """Return kinds and subjects of the open alarms."""
        found = self.world.sql("SELECT kind, subject FROM app.alarm WHERE cleared_at IS NULL")
        return {(row[0], row[1]) for row in found}

    def killed_at(self, place: str) -> None:
        """Let another process make a round, and kill it with SIGKILL at a named place."""
        child = os.fork()
        if child == 0:
            try:
                failpoints.install_hook(lambda name: os.kill(os.getpid(), signal.SIGKILL) if name == place else None)
                machine = self.world.new_machine(relayer_keys=self.machine.ctx.settings.relayer_keys)
                sweep(opened(machine, self.script, self.machine))
            finally:
                os._exit(1)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        assert status == -signal.SIGKILL, f"it never came to {place}"


def opened(machine: Machine, script: Script, like: Machine) -> Machine:
    """Put a script in front of a machine's nodes, and give it the keys of another."""
    nodes: list[Node] = []
    for url in machine.rpc.urls:
        node = ScriptedNode(url, 10.0)
        node.script = script
        nodes.append(node)
    machine.rpc._nodes = nodes
    return Machine(ctx=like.ctx, db=machine.db, rpc=machine.rpc, keys=like.keys)


def patient(machine: Machine) -> Machine:
    """Return the machine on a network where fees are raised late, so that a story is not saved by a replacement."""
    network = machine.ctx.network
    slow = replace(network, constants=replace(network.constants, bump_after_seconds=PATIENCE_SECONDS))
    return replace(machine, ctx=replace(machine.ctx, network=slow))


@contextmanager
def desk(world: World, keys: int = 1, *, signers: Sequence[Any] = ()) -> Iterator[Desk]:
    """A desk with fresh, rich keys, on a chain that mines when it is told to."""
    secret = [secrets.token_bytes(32) for _ in range(keys)]
    for key in secret:
        world.chain.rpc("anvil_setBalance", hex0x(address_of(key)), hex(10**21))
    fresh = world.new_machine(relayer_keys=[SecretStr(hex0x(key)) for key in secret])
    machine = opened(fresh, Script(), patient(fresh))
    script = machine.rpc._nodes[0].script  # type: ignore[attr-defined]
    heal.register_keys(machine)
    world.chain.rpc("evm_setAutomine", False)
    before = world.clock.added
    try:
        yield Desk(world, machine, script, list(machine.keys.addresses))
    finally:
        world.clock.added = before
        world.chain.rpc("evm_setAutomine", True)
        world.chain.mine(1)
        close_machine(machine)


def expiring(world: World, seconds: int) -> Any:
    """Return a time so many seconds from now."""
    return moment(world.clock() + seconds)
