"""Stories on a real chain: real contracts on anvil, `anvil_reorg`, and a real `python -m indexer` that is killed.

The dice decide what happens, but two processes run beside us, so a seed does not repeat to the instruction. What must
be true at the end does not depend on it: the mirror equals the oracle's replay of the chain's own logs.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Final

from sqlalchemy import create_engine, text
from sqlalchemy.exc import ProgrammingError

from aicp.abi import escrow as escrow_abi
from indexer import failpoints
from indexer.store.schema import PHYSICAL
from tests.fixtures.chainlab import USDC, Lab, address_of
from tests.fixtures.services import ROOT, start_anvil, wait_for
from tests.sim.chain import PlacedLog
from tests.sim.faults import KINDS
from tests.sim.oracle import differences, replay
from tests.sim.proxy import Proxy
from tests.sim.scheduler import Failed, Report

SLOTS: Final = 8
_STEPS: Final = 11
_PATIENCE: Final = 90.0


@dataclass(slots=True)
class Process:
    """`python -m indexer`, started again and again."""

    environment: dict[str, str]
    log: Path
    counts: Counter[str]
    running: subprocess.Popen[bytes] | None = None

    def start(self, failpoint: str = "") -> None:
        """Start it, armed to die at a fail point."""
        with self.log.open("ab") as output:
            command = [sys.executable, "-m", "indexer"]
            environment = {**self.environment, "AICP_FAILPOINT": failpoint}
            self.running = subprocess.Popen(command, env=environment, stdout=output, stderr=output, cwd=ROOT)

    def kill(self) -> None:
        """Kill it as `kill -9` does."""
        if self.running is not None:
            self.running.kill()
            self.running.wait()
            self.running = None

    def alive(self) -> bool:
        """Return whether it runs; start it again after it died at a fail point. Raises Failed for any other end."""
        assert self.running is not None
        code = self.running.poll()
        if code is None:
            return True
        if code != failpoints.EXIT_CODE:
            tail = self.log.read_text(errors="replace").splitlines()[-15:]
            raise Failed("\n".join([f"the indexer ended with {code}", *tail]))
        self.counts["died_at_fail_point"] += 1
        self.start()
        return True


@dataclass(slots=True)
class Ground:
    """A chain with the contracts that many stories use one after the other; `claimed` is the channel's total so far."""

    lab: Lab
    claimed: int = 0


def new_ground() -> Ground:
    """Start a chain with the contracts, deep enough that no reorg of a story reaches them."""
    lab = Lab(start_anvil(slots=SLOTS))
    lab.chain.mine(2 * SLOTS)
    return Ground(lab)


@dataclass(slots=True)
class AnvilStory:
    """One seed, on top of whatever earlier ones left on the chain, with a mirror of its own in `database`."""

    seed: int
    ground: Ground
    database: str
    folder: Path
    report: Report = field(init=False)
    said: list[str] = field(default_factory=list)
    _deals: list[Any] = field(default_factory=list)

    def run(self) -> Report:
        """Tell the story. Raises Failed with the seed and the last steps."""
        self.report = Report(self.seed)
        random = Random(self.seed)
        proxy = Proxy(self.lab.chain.url, Random(random.getrandbits(64)), KINDS, random.choice((0.0, 0.05, 0.15)))
        proxy.faulty.counts = self.report.happened
        process = self._process(proxy.url)
        try:
            self.lab.stake()
            process.start()
            for _ in range(_STEPS):
                self._step(random, process)
            proxy.faulty.healed = True
            self.lab.chain.mine(1)
            wait_for(lambda: process.alive() and self._arrived(), "the mirror arrives", _PATIENCE)
            self._compare()
        except Exception as error:
            steps = "\n  ".join(self.said[-30:])
            raise Failed(
                f"seed {self.seed} on anvil: {type(error).__name__}: {error}\nlast steps:\n  {steps}"
            ) from error
        finally:
            process.kill()
            proxy.close()
        return self.report

    @property
    def lab(self) -> Lab:
        """The contracts and who uses them."""
        return self.ground.lab

    def _process(self, url: str) -> Process:
        file = self.folder / f"deployment-{self.seed}.json"
        file.write_text(json.dumps(self.lab.deployment().to_json()))
        environment = {
            **os.environ,
            "AICP_INDEXER_DATABASE_URL": self.database,
            "AICP_RPC_URLS": url,
            "AICP_CHAIN_ID": "31337",
            "AICP_DEPLOYMENT": str(file),
            "AICP_POLL_SECONDS": "0.02",
            "AICP_RANGE_BLOCKS": "7",
            "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'sdk'}",
        }
        return Process(environment, self.folder / f"indexer-{self.seed}.log", self.report.happened)

    def _step(self, random: Random, process: Process) -> None:
        self.report.steps += 1
        throw = random.random()
        if throw < 0.5:
            self._act(random)
        elif throw < 0.7:
            self._reorg(random)
        elif throw < 0.85:
            process.kill()
            armed = f"{random.choice(failpoints.NAMES[:6])}:{random.randint(1, 6)}" if random.random() < 0.7 else ""
            self._say("kill_9", f"then armed with {armed or 'nothing'}")
            process.start(armed)
        else:
            wait_for(lambda: process.alive() and self._arrived(), "the mirror arrives", _PATIENCE)
            self._say("arrived", str(self._head()))

    def _act(self, random: Random) -> None:
        lab = self.lab
        deal = random.choice(self._deals) if self._deals else None
        deeds: list[Callable[[], object]] = [
            lambda: self._deals.append(self._funded(random)),
            lambda: lab.deposit_pool(random.randint(1, 5) * USDC),
            self._claim,
            lambda: lab.chain.mine(random.randint(1, 3)),
        ]
        if deal is not None:
            part = random.randint(1, deal.amount)
            deeds += [
                lambda: lab.accept(deal),
                lambda: lab.submit(deal),
                lambda: lab.release(deal, part),
                lambda: lab.release(deal, deal.amount),
                lambda: lab.send(lab.buyer, lab.contracts.escrow, escrow_abi.encode_cancel(deal)),
            ]
        try:
            random.choice(deeds)()
        except AssertionError:  # mined and reverted: nothing was emitted, which is part of a chain's life
            self._say("transaction_reverted", str(self._head()))
        else:
            self._say("acted", str(self._head()))

    def _funded(self, random: Random) -> Any:
        terms = self.lab.terms(random.randint(1, 20) * USDC)
        self.lab.fund(terms)
        return terms

    def _claim(self) -> None:
        self.ground.claimed += USDC // 2
        self.lab.claim(self.ground.claimed)

    def _reorg(self, random: Random) -> None:
        """Drop blocks; sometimes put a new transaction into one of the new ones."""
        depth = random.choice((1, 1, 2, 5, SLOTS))
        if self._head() - 2 * SLOTS < depth:
            return
        added: list[Any] = []
        if random.random() < 0.6:
            terms = self.lab.terms(USDC)
            request = {
                "from": hex0(self.lab.buyer), "to": hex0(self.lab.contracts.escrow), "gas": hex(3_000_000),
                "data": hex0(escrow_abi.encode_fund(terms)),
            }  # fmt: skip
            added.append([request, random.randrange(depth)])
        self.lab.chain.rpc("anvil_reorg", depth, added)
        self._say("reorg", f"depth {depth}, {len(added)} added")

    def _head(self) -> int:
        return int(self.lab.chain.rpc("eth_blockNumber"), 16)

    def _arrived(self) -> bool:
        head = self.lab.chain.rpc("eth_getBlockByNumber", "latest", False)
        engine = create_engine(self.database)
        try:
            with engine.connect() as connection:
                row = connection.execute(text(f"SELECT number, hash FROM {PHYSICAL}.cursor")).one_or_none()
        except ProgrammingError:  # no schema yet
            return False
        finally:
            engine.dispose()
        return row is not None and (row.number, bytes(row.hash)) == (int(head["number"], 16), address_of(head["hash"]))

    def _compare(self) -> None:
        logs = [_placed(log) for log in self.lab.chain.rpc("eth_getLogs", {"fromBlock": "0x0", "toBlock": "latest"})]
        model = replay(self.lab.contracts, logs)
        engine = create_engine(self.database)
        with engine.connect() as connection:
            found = differences(connection, model)
        engine.dispose()
        assert not found, "\n".join(line[:400] for line in found[:12])
        self.report.logs, self.report.blocks = len(logs), self._head()

    def _say(self, what: str, detail: str) -> None:
        self.report.happened[what] += 1
        self.said.append(f"{what} {detail}")


def hex0(value: bytes) -> str:
    """Return 0x-hex."""
    return "0x" + value.hex()


def _placed(log: dict[str, Any]) -> PlacedLog:
    return PlacedLog(
        block_number=int(log["blockNumber"], 16),
        block_hash=address_of(log["blockHash"]),
        block_time=int(log["blockTimestamp"], 16),
        tx_hash=address_of(log["transactionHash"]),
        tx_index=int(log["transactionIndex"], 16),
        log_index=int(log["logIndex"], 16),
        address=address_of(log["address"]),
        topics=tuple(address_of(topic) for topic in log["topics"]),
        data=address_of(log["data"]),
    )
