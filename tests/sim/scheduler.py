"""One seed, one story: mining, reorgs, finality, faults, crashes, restarts and two indexers, all in one thread.

The seed decides everything, so a story can be told again. Besides its own steps the scheduler acts in the middle of the
indexer's: before a request, and at fail points. It ends by healing every fault; then the mirror must reach the chain's
head and hold exactly what the oracle says.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Final

from indexer import failpoints
from indexer.store.errors import LostRaceError
from tests.sim.chain import Mined
from tests.sim.check import Wrong, check, settled
from tests.sim.clock import Clock, replaced_time
from tests.sim.db import Crash
from tests.sim.faults import KINDS, Faulty
from tests.sim.machine import Machine
from tests.sim.node import SimNode
from tests.sim.sandbox import Sandbox
from tests.sim.turn import CHAIN_ID, CONTRACTS
from tests.sim.world import World

_KEPT_STEPS: Final = 30
_SETTLE_ROUNDS: Final = 150


class Failed(AssertionError):
    """A story that ended badly, with its seed and last steps."""


@dataclass(slots=True)
class Report:
    """What a story was made of."""

    seed: int
    steps: int = 0
    blocks: int = 0
    logs: int = 0
    rows_checked: int = 0
    happened: Counter[str] = field(default_factory=Counter)
    """Faults by kind, reorgs, crashes and what else the scheduler did."""


class Story:
    """See the module's docstring. `enabled` are the kinds of faults it may use."""

    def __init__(self, seed: int, sandbox: Sandbox, *, enabled: tuple[str, ...] = KINDS, steps: int = 45) -> None:
        self.report = Report(seed)
        self.last: deque[str] = deque(maxlen=_KEPT_STEPS)
        self.random = Random(seed)
        self.world = World(Random(self.random.getrandbits(64)))
        self.chain = self.world.chain
        self.clock = Clock()
        self.machines: list[Machine] = []
        self._sandbox = sandbox
        self._steps = steps
        self._lag = self.random.choice((2, 4, 8, 14))
        self._stalled = False
        self._range = self.random.choice((1, 3, 7, 25))
        self._orphans: list[Mined] = []
        self._surprise = 0
        self._point = 0
        rate = self.random.choice((0.0, 0.02, 0.08, 0.2))
        database = self.random.choice((0.0, 0.01, 0.04))
        self._rates = (rate, database, self.random.choice((0.0, 0.01, 0.03)))
        self._kinds = tuple(kind for kind in enabled if self.random.random() < 0.7) or enabled
        self._providers = [self._provider() for _ in range(self.random.choice((1, 2, 2)))]

    def run(self) -> Report:
        """Tell the story. Raises Failed with the seed and the last steps."""
        self._sandbox.empty()
        failpoints.install_hook(self._at_point)
        try:
            with replaced_time(self.clock):
                for _ in range(self.random.choice((0, 5, 25))):
                    self._mine()
                self._advance()
                self._start()
                for _ in range(self._steps):
                    self._step()
                self._end()
        except Exception as error:
            raise Failed(self._told(error)) from error
        finally:
            failpoints.install_hook(None)
            for machine in self.machines:
                machine.database.close()
        self.report.blocks = len(self.chain.by_hash)
        self.report.logs = sum(len(block.logs) for block in self.chain.path)
        return self.report

    # what may happen

    def _step(self) -> None:
        self.report.steps += 1
        deeds: tuple[tuple[int, Callable[[], None]], ...] = (
            (14, self._turn), (8, self._mine), (3, self._reorg), (1, self._back), (4, self._advance),
            (1, self._toggle_stall), (1, self._restart), (1, self._second), (2, self._wander), (2, self._arm),
            (1, self._look_closely),
        )  # fmt: skip
        [deed] = self.random.choices([deed for _, deed in deeds], [weight for weight, _ in deeds])
        deed()

    def _mine(self) -> None:
        for _ in range(self.random.choice((1, 1, 2, 5))):
            self.world.follow(self.world.mine(most=self.random.choice((0, 2, 4))))
        self._say(f"mined up to {self.chain.head.number}")

    def _reorg(self) -> None:
        """Leave the chain somewhere above its finalised block; the new branch may be shorter, of one length, longer."""
        window = self.chain.head.number - self.chain.final
        if not window:
            return
        depth = self.random.choice((1, 1, 2, self.random.randint(1, window)))
        depth = min(depth, window)
        old = self.chain.head
        head = self.chain.path[old.number - depth]
        length = max(1, depth + self.random.choice((-1, 0, 1, 1, 2, 3)))
        for _ in range(length):
            head = self.world.mine(head, most=self.random.choice((0, 2, 6)))
        self._orphans.append(old)
        self.world.follow(head)
        self._count("reorg_shorter" if length < depth else "reorg", f"depth {depth}, new head {head.number}")

    def _back(self) -> None:
        """Go back to a branch that was left, grown by a block where it is shorter."""
        candidates = [old for old in self._orphans[-4:] if self._leaves_above_final(old)]
        if not candidates:
            return
        old, head = self.chain.head, self.random.choice(candidates)
        while head.number <= old.number:
            head = self.world.mine(head, most=2, again=False)
        self.world.follow(head)
        self._orphans.append(old)
        self._count("reorg_back", f"new head {head.number}")

    def _leaves_above_final(self, head: Mined) -> bool:
        block: Mined | None = head
        while block is not None and block.number > self.chain.final:
            block = block.parent
        return block is not None and block.hash == self.chain.path[self.chain.final].hash

    def _advance(self) -> None:
        """Let finality follow the head, unless it stands still."""
        if not self._stalled:
            head = self.chain.head.number
            self.chain.finalise(head - self._lag // 2, head - self._lag - self.random.randint(0, 2))
        for node, _ in self._providers:
            if node.look is not None and self._left(node.look.path):
                node.look = None  # no node stays on a branch the network has finalised away

    def _left(self, path: Sequence[Mined]) -> bool:
        final = self.chain.final
        return final < len(path) and path[final].hash != self.chain.path[final].hash

    def _toggle_stall(self) -> None:
        self._stalled = not self._stalled
        self._count("finality_stalled" if self._stalled else "finality_goes_on", f"final {self.chain.final}")

    def _restart(self) -> None:
        if self.machines:
            self._bury(self.machines[0])
            self._count("restart", "")
        if not self.machines:
            self._start()

    def _second(self) -> None:
        """Start another indexer beside the one that runs."""
        if len(self.machines) < 2:
            self._start()
            self._count("second_indexer", "")

    def _wander(self) -> None:
        """Let one node fall behind or stand on a branch that was left, or come back."""
        node = self.random.choice(self._providers)[0]
        if node.look is not None:
            node.look = None
            self._count("node_came_back", "")
        elif self._orphans and self.random.random() < 0.5 and self._leaves_above_final(self._orphans[-1]):
            node.on_branch(self._orphans[-1])
            self._count("node_on_other_branch", f"head {self._orphans[-1].number}")
        else:
            by = self.random.choice((1, 2, 5, 500))
            node.behind(by)
            self._count("node_behind", f"by {by}")

    def _arm(self) -> None:
        """Let something happen in the middle of what the indexer does next."""
        if self.random.random() < 0.6:
            self._surprise = self.random.randint(1, 12)
        else:
            self._point = self.random.randint(1, 12)

    def _look_closely(self) -> None:
        number = check(self._sandbox.engine, self.chain)
        self._say(f"looked closely at block {number}")

    # the indexers

    def _provider(self) -> tuple[SimNode, Faulty]:
        node = SimNode(self.chain, CONTRACTS.addresses, chain_id=CHAIN_ID, cap=self.random.choice((12, 40, 10_000)))
        node.with_times = self.random.random() < 0.5
        random = Random(self.random.getrandbits(64))
        faulty = Faulty(node, random, self._kinds, self._rates[0], counts=self.report.happened)
        faulty.before = self._in_between
        return node, faulty

    def _start(self) -> None:
        database = self._sandbox.free()
        database.take(Random(self.random.getrandbits(64)), self.report.happened, *self._rates[1:])
        self.machines.append(Machine(database, [faulty for _, faulty in self._providers], self.clock, self._range))
        self._say(f"started an indexer, {len(self.machines)} now")

    def _turn(self) -> None:
        if not self.machines:
            self._start()
        machine = self.random.choice(self.machines)
        self._drive(machine, self.random.choice((1, 1, 2, 4)))

    def _drive(self, machine: Machine, rounds: int) -> None:
        try:
            machine.run(rounds)
        except Crash:
            self._count("crash", "")
            self._bury(machine)
        except LostRaceError:
            if machine.epoch == self._epoch():
                raise
            self._count("lost_race", "")
            self._bury(machine)
        else:
            position = machine.runner.position
            self._say(f"indexer at {None if position is None else position.view.head.number}")

    def _epoch(self) -> int | None:
        with self._sandbox.engine.connect() as connection:
            found: int | None = connection.exec_driver_sql("SELECT epoch FROM chain.cursor").scalar_one_or_none()
            return found

    def _bury(self, machine: Machine) -> None:
        machine.database.close()
        self.machines.remove(machine)

    def _in_between(self) -> None:
        """Called before every request."""
        if self._surprise:
            self._surprise -= 1
            if self._surprise == 0:
                self._happen("between_requests")

    def _at_point(self, name: str) -> None:
        self.report.happened[f"passed_{name}"] += 1
        for machine in self.machines:
            if self.random.random() < machine.database.rate / 4:
                machine.database.lose()
        if self._point:
            self._point -= 1
            if self._point == 0:
                self._happen(f"at_{name}")

    def _happen(self, where: str) -> None:
        throw = self.random.random()
        if throw < 0.4:
            self._count(f"crash_{where}", "")
            raise Crash
        self._say(f"{where}:")
        if throw < 0.8:
            self._reorg()
        else:
            self._mine()
        self.report.happened[f"change_{where}"] += 1

    # the end

    def _end(self) -> None:
        """Heal everything and let the mirror arrive."""
        self._stalled = False
        self._surprise = self._point = 0
        for node, faulty in self._providers:
            node.look, faulty.healed = None, True
        for machine in self.machines:
            machine.database.rate = machine.database.crash_rate = 0.0
        self._rates = (0.0, 0.0, 0.0)
        self._mine()
        self._advance()
        self._say("healed")
        for _ in range(_SETTLE_ROUNDS):
            self._turn()
            if settled(self._sandbox.engine, self.chain) is None:
                break
        else:
            raise Wrong(f"does not arrive: {settled(self._sandbox.engine, self.chain)}")
        check(self._sandbox.engine, self.chain)

    def _count(self, what: str, detail: str) -> None:
        self.report.happened[what] += 1
        self._say(f"{what} {detail}".rstrip())

    def _say(self, text: str) -> None:
        self.last.append(text)

    def _told(self, error: Exception) -> str:
        steps = "\n  ".join(self.last)
        return f"seed {self.report.seed}: {type(error).__name__}: {error}\nlast steps:\n  {steps}"
