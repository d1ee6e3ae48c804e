"""Stories of money on a real chain: real contracts on anvil behind the rules of public pools, and a worker in a process
of its own that is really killed.

The dice decide what happens, but the worker runs beside us, so a seed does not repeat to the instruction. What must be
true at the end does not depend on it: every agent has on chain exactly what it earned, every nonce was used once, the
call of every intent happened at most once, and the ledger equals the chain.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter, deque
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Final

from aicp.abi.typed_data import ReceiveWithAuthorization
from aicp.rules.ids import pool_deposit_nonce
from aicp.rules.primitives import keccak
from backend import failpoints
from backend.errors import Problem
from backend.payments import pools
from backend.payments.schemas import PoolDepositIn
from backend.worker import sweeps
from scripts.devnet.keys import dev_accounts
from tests.fixtures.moneylab import Person, World
from tests.fixtures.services import CHAIN_ID, ROOT, Anvil, start_anvil, wait_for
from tests.sim.faults import REFUSALS
from tests.sim.money.check import require
from tests.sim.money.sendrules import SendRules
from tests.sim.money.stage import POINTS
from tests.sim.proxy import Proxy
from tests.sim.scheduler import Failed, Report

SLOTS: Final = 4
STEPS: Final = 14
_PATIENCE: Final = 90.0
_KINDS: Final = tuple(kind for kind in REFUSALS if kind not in {"range_too_large", "slow", "limited"})


def new_chain() -> Anvil:
    """Start a chain on which many stories can follow each other."""
    return start_anvil(slots=SLOTS)


@dataclass(slots=True)
class AnvilStory:
    """One seed on a chain that others have used, with a database of its own."""

    seed: int
    chain: Anvil
    database: str
    folder: Path
    report: Report = field(init=False)
    said: deque[str] = field(default_factory=lambda: deque(maxlen=30))
    earned: Counter[bytes] = field(default_factory=Counter)
    _world: World = field(init=False)
    _random: Random = field(init=False)
    _proxies: list[Proxy] = field(default_factory=list)
    _rules: list[SendRules] = field(default_factory=list)
    _worker: subprocess.Popen[bytes] | None = None
    _ceilings: Counter[bytes] = field(default_factory=Counter)

    def run(self) -> Report:
        """Tell the story. Raises Failed with the seed and the last steps."""
        self.report = Report(self.seed)
        self._random = Random(self.seed)
        self.chain.rpc("evm_setAutomine", True)
        self._world = World(self.chain, self.database, self.folder)
        before = {one.address: self._world.usdc_of(one.address) for one in self._agents}
        self.chain.rpc("evm_setAutomine", False)
        try:
            self._open()
            for _ in range(STEPS):
                self._step()
            self._rest()
            self._check(before)
        except Exception as error:
            steps = "\n  ".join(self.said)
            raise Failed(
                f"seed {self.seed} on anvil: {type(error).__name__}: {error}\nlast steps:\n  {steps}"
            ) from error
        finally:
            self._kill()
            self._world.close()
            for proxy in self._proxies:
                proxy.close()
        return self.report

    @property
    def _agents(self) -> tuple[Person, Person]:
        return self._world.agent, self._world.rival

    def _open(self) -> None:
        rate = self._random.choice((0.0, 0.03, 0.1))
        for _ in range(2):
            proxy = Proxy(self.chain.url, Random(self._random.getrandbits(64)), _KINDS, rate)
            proxy.faulty.counts = self.report.happened
            rules = SendRules(proxy.faulty.node, Random(self._random.getrandbits(64)), self.report.happened, 3 * rate)
            proxy.faulty.node = rules
            self._proxies.append(proxy)
            self._rules.append(rules)
        self._start("")
        self._deposit(20_000_000)
        wait_for(lambda: self._mine() and self._settled_deposits(), "the first deposit is final", _PATIENCE)

    def _start(self, failpoint: str) -> None:
        accounts = dev_accounts(CHAIN_ID)
        environment = {
            **os.environ,
            "AICP_DATABASE_URL": self.database,
            "AICP_REDIS_URL": "redis://nowhere",
            "AICP_RPC_URLS": ",".join(proxy.url for proxy in self._proxies),
            "AICP_CHAIN_ID": str(CHAIN_ID),
            "AICP_DEPLOYMENT": str(self._world.ctx.settings.deployment),
            "AICP_OPERATOR_KEY": accounts.operator.key,
            "AICP_RELAYER_KEYS": ",".join(account.key for account in accounts.relayers),
            "AICP_RPC_TIMEOUT_SECONDS": "3",
            "AICP_BACKEND_FAILPOINT": failpoint,
        }
        with (self.folder / f"worker-{self.seed}.log").open("ab") as output:
            command = [sys.executable, str(ROOT / "tests" / "sim" / "money" / "child.py")]
            self._worker = subprocess.Popen(command, env=environment, stdout=output, stderr=output, cwd=ROOT)

    def _kill(self) -> None:
        if self._worker is not None:
            self._worker.kill()
            self._worker.wait()
            self._worker = None

    def _alive(self) -> None:
        """Start the worker again after it died where it was armed to. Raises Failed for any other end."""
        assert self._worker is not None
        code = self._worker.poll()
        if code is None:
            return
        if code != failpoints.EXIT_CODE:
            tail = (self.folder / f"worker-{self.seed}.log").read_text(errors="replace").splitlines()[-15:]
            raise Failed("\n".join([f"the worker ended with {code}", *tail]))
        self.report.happened["died_at_fail_point"] += 1
        self._start("")

    # what happens

    def _step(self) -> None:
        self.report.steps += 1
        self._alive()
        throw = self._random.random()
        if throw < 0.12:
            self._deposit(self._random.randint(1, 4_000_000))
        elif throw < 0.55:
            self._errand()
        elif throw < 0.75:
            for _ in range(self._random.randint(1, 4)):
                self._mine()
        elif throw < 0.83:
            self._reorg()
        elif throw < 0.9:
            self.chain.rpc("anvil_dropAllTransactions")
            for rules in self._rules:
                rules.pool.waiting.clear()
            self._say("mempool_dropped")
        else:
            self._kill()
            armed = self._random.random() < 0.7
            name = f"{self._random.choice(POINTS)}:{self._random.randint(1, 3)}" if armed else ""
            self._start(name)
            self._say("kill_9", f"then armed with {name or 'nothing'}")
        self._world.mirror()

    def _deposit(self, units: int) -> None:
        world, salt = self._world, keccak(self._random.randbytes(8))
        before = world.clock() + 3_000
        message = ReceiveWithAuthorization(
            from_=world.buyer.address, to=world.ctx.deployment.payment_channel, value=units, valid_after=0,
            valid_before=before, nonce=pool_deposit_nonce(world.pool_id, salt),
        )  # fmt: skip
        given = PoolDepositIn(
            payer_authorizer=world.session_key.address, operator=world.ctx.operator.address, amount_units=units,
            valid_before=before, salt=salt, signature=world.buyer.sign(message, world.ctx.domains.token),
        )  # fmt: skip
        world.write(lambda s: pools.deposit(s, world.ctx, world.buyer.address, given))
        self._say("deposit", str(units))

    def _errand(self) -> None:
        """An order, its delivery and its verdict, or as far as the pool allows."""
        world, agent = self._world, self._random.choice(self._agents)
        price = self._random.choice((10_000, 600_000, 2_000_000))
        deal = world.deal(price, agent)
        self._ceilings[agent.address] += price
        try:
            world.place(deal, world.order(deal, self._ceilings[agent.address]))
        except Problem as problem:
            self._say(f"order_{problem.code}")
            return
        world.deliver(deal)
        accepted = self._random.random() < 0.8
        world.judge(deal, accepted)
        self.earned[agent.address] += price if accepted else 0
        self._say("accepted" if accepted else "rejected", str(price))

    def _mine(self) -> bool:
        self.chain.mine(1)
        self._world.mirror()
        return True

    def _reorg(self) -> None:
        depth = self._random.choice((1, 1, 2, SLOTS))
        self.chain.rpc("anvil_reorg", depth, [])
        for rules in self._rules:
            rules.pool.waiting.clear()
        self._say("reorg", f"depth {depth}")

    def _say(self, what: str, detail: str = "") -> None:
        self.report.happened[what] += 1
        self.said.append(f"{what} {detail}".rstrip())

    # the end

    def _settled_deposits(self) -> bool:
        self._alive()
        return not self._world.sql("SELECT 1 FROM txm.intent WHERE state <> 'final'")

    def _rest(self) -> None:
        for proxy in self._proxies:
            proxy.faulty.healed = True
        for rules in self._rules:
            rules.rate = 0.0
        wait_for(self._rested, "everything is done", _PATIENCE)

    def _rested(self) -> bool:
        self._alive()
        self._mine()
        open_ = "SELECT 1 FROM txm.intent WHERE state IN ('queued', 'sent', 'mined')"
        owed = "SELECT 1 FROM app.channel WHERE claimed_units < earned_units"
        return not self._world.sql(open_) and not self._world.sql(owed)

    def _check(self, before: dict[bytes, int]) -> None:
        self._kill()
        world = self._world
        for agent in self._agents:
            got = world.usdc_of(agent.address) - before[agent.address]
            require(got == self.earned[agent.address], f"an agent got {got} and earned {self.earned[agent.address]}")
        mined = self._mined()
        for account, nonces in self._nonces().items():
            latest = int(self.chain.rpc("eth_getTransactionCount", "0x" + account.hex(), "latest"), 16)
            require(nonces == list(range(latest - len(nonces), latest)), f"nonces {nonces}, the chain counts {latest}")
        effects: Counter[Any] = Counter()
        for row in world.sql("SELECT a.hash, t.intent_id FROM txm.attempt a JOIN txm.tx t ON t.id = a.tx_id"
                             " WHERE NOT a.spends_nothing"):  # fmt: skip
            effects[row.intent_id] += mined.get(bytes(row.hash)) == "0x1"
        for row in world.sql("SELECT id, kind, state FROM txm.intent"):
            times = effects[row.id]
            require(times == (row.state == "final"), f"a {row.kind} is {row.state} and happened {times} times")
            self.report.happened[f"intent_{row.state}"] += 1
        require(sweeps.check_ledger(world.machine) == 0, "the ledger differs from the chain")
        self.report.blocks = int(self.chain.rpc("eth_blockNumber"), 16)

    def _mined(self) -> dict[bytes, str]:
        hashes = [bytes(row.hash) for row in self._world.sql("SELECT hash FROM txm.attempt")]
        receipts = {one: self.chain.rpc("eth_getTransactionReceipt", "0x" + one.hex()) for one in hashes}
        return {one: receipt["status"] for one, receipt in receipts.items() if receipt is not None}

    def _nonces(self) -> dict[bytes, list[int]]:
        found: dict[bytes, list[int]] = {}
        for row in self._world.sql("SELECT account, nonce FROM txm.tx ORDER BY account, nonce"):
            found.setdefault(bytes(row.account), []).append(row.nonce)
        return found


def told(seed: int, chain: Anvil, database: str, folder: Path) -> Report:
    """Tell one story in a folder of its own."""
    place = folder / f"seed-{seed}"
    place.mkdir()
    deployed = folder / f"{CHAIN_ID}.json"
    if deployed.exists():
        (place / deployed.name).write_text(json.dumps(json.loads(deployed.read_text())))
    report = AnvilStory(seed, chain, database, place).run()
    deployed.write_text((place / deployed.name).read_text())
    return report
