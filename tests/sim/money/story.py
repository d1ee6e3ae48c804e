"""One seed, one story of money: people, workers, two nodes, reorgs, crashes and clocks, all in one thread.

The seed decides everything, so a story can be told again. What another worker does meanwhile happens before a request
of the first one, or between two of its steps. It ends by healing every fault; then every round is run until nothing is
left to do, and everybody must have been paid exactly what they earned.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable
from random import Random
from typing import Final

from backend import failpoints
from backend.db.engine import SyncDatabase
from backend.errors import Unavailable
from backend.txm.machine import Machine
from backend.txm.rpc import NodeError, NodeUnreachable
from backend.worker import sweeps
from tests.sim.chain import Mined
from tests.sim.clock import Clock, replaced_time
from tests.sim.db import Crash, FaultyDatabase
from tests.sim.faults import REFUSALS, Faulty
from tests.sim.machine import Machine as Mirror
from tests.sim.money import service
from tests.sim.money.check import Wrong, at_rest, conserved, covered
from tests.sim.money.contract import Money, text
from tests.sim.money.ground import BASE_FEE, Ground
from tests.sim.money.log import Errors
from tests.sim.money.market import Market
from tests.sim.money.node import Gate, MoneyNode
from tests.sim.money.people import cast
from tests.sim.scheduler import Failed, Report

KINDS: Final = (*(kind for kind in REFUSALS if kind != "range_too_large"), "reordered", "stale_head")
ETHER: Final = 10**18
WEALTH: Final = 200_000_000
_KEPT_STEPS: Final = 40
_ROUNDS: Final = 60
_HOUR: Final = 3_600
_CLAIM_BEFORE: Final = 7_200
"""Workers are at work again so long before a withdrawal ends: half the margin the service counts on."""


class Story:
    """See the module's docstring."""

    def __init__(self, seed: int, sandbox: service.MoneySandbox, *, steps: int = 70, calm: bool = False) -> None:
        self.report = Report(seed)
        self.counts: Counter[str] = self.report.happened
        self.last: deque[str] = deque(maxlen=_KEPT_STEPS)
        self.random = Random(seed)
        self.ground = Ground(Random(self.random.getrandbits(64)), _rich())
        self.chain = self.ground.chain
        self.supply = self.ground.money.supply()
        self.clock = Clock()
        self.skew = 0
        self.errors = Errors(self.counts)
        self._sandbox = sandbox
        self._steps = steps
        self._lag = self.random.choice((2, 4, 8))
        self._stalled = False
        self._orphans: list[Mined] = []
        self._surprise = 0
        self._nested = False
        self._point = 0
        rates = self.random.choice((0.0, 0.01, 0.03, 0.08)), self.random.choice((0.0, 0.005, 0.02))
        self._rates = (0.0, 0.0) if calm else rates
        self._database = (0.0, 0.0) if calm else (self.random.choice((0.0, 0.01, 0.03)), self.random.choice((0, 0.01)))
        self._calm = calm
        rules = self.random.choice(({}, {"settle_gas_multiple": 3, "native_price_units": 500_000}))
        self.ctx = service.context(sandbox.url, lambda: self.ground.now + self.skew, **rules)
        self.nodes = [MoneyNode(self.ground, number) for number in range(2)]
        self._doors = [self._door(node) for node in self.nodes]
        self.workers: list[tuple[Machine, FaultyDatabase]] = []

    def _door(self, node: MoneyNode) -> tuple[Faulty, Gate]:
        kinds = tuple(kind for kind in KINDS if self.random.random() < 0.7)
        faulty = Faulty(node, Random(self.random.getrandbits(64)), kinds, self._rates[0], counts=self.counts)
        faulty.before = self._in_between
        gate = Gate(faulty, node, Random(self.random.getrandbits(64)), self.counts)
        gate.rate = 3 * self._rates[0]
        return faulty, gate

    def run(self) -> Report:
        """Tell the story. Raises Failed with the seed and the last steps."""
        self._sandbox.empty()
        failpoints.install_hook(self._at_point)
        try:
            with replaced_time(self.clock), self.errors:
                self._open()
                for _ in range(self._steps):
                    self._step()
                self._end()
        except Exception as error:
            raise Failed(self._told(error)) from error
        finally:
            failpoints.install_hook(None)
            for _, database in self.workers:
                database.close()
            self._api.close()
            self._mirror_database.close()
        self.report.blocks = len(self.chain.by_hash)
        self.report.logs = sum(len(block.logs) for block in self.chain.path)
        return self.report

    def _open(self) -> None:
        self._api = service.taken(self._sandbox, Random(self.random.getrandbits(64)), self.counts, (0.0, 0.0))
        self.market = Market(self.ctx, SyncDatabase(self._api.engine), self.ground, self.random, self.counts, self.say)
        self._mirror_database = self._sandbox.free()
        self._mirror_database.take(Random(1), self.counts)
        self._mirror = Mirror(self._mirror_database, [MoneyNode(self.ground, 0)], self.clock, 100)
        for purse in cast().purses:
            self.market.deposit(purse, self.random.choice((3_000_000, 9_000_000)))
        for _ in range(3):
            self._round()
        self._api.rate, self._api.crash_rate = self._database[0], self._database[1]

    # what may happen

    def _step(self) -> None:
        self.report.steps += 1
        market = self.market
        deeds: tuple[tuple[int, Callable[[], object]], ...] = (
            (9, self._order), (7, market.deliver), (5, market.judge), (1, market.give_back), (2, market.repeat),
            (3, market.resolve), (3, market.deposit), (2, market.withdraw),
            (9, self._sweep), (5, self._settle), (3, self._keep), (2, self._follow), (6, self._index), (8, self._mine),
            (2, self._reorg), (1, self._back), (3, self._advance), (2, self._wait), *(() if self._calm else self._ills()),
        )  # fmt: skip
        [deed] = self.random.choices([deed for _, deed in deeds], [weight for weight, _ in deeds])
        deed()
        self.ground.now += self.random.choice((0, 1, 2, 12))
        self.clock.sleep(1.0)

    def _ills(self) -> tuple[tuple[int, Callable[[], object]], ...]:
        return (
            (1, self._toggle_stall), (2, self._wander), (1, self._forget), (1, self._change_fees), (1, self._step_clock),
            (3, self._arm), (1, self._restart),
        )  # fmt: skip

    def _order(self) -> None:
        order = self.market.order()
        if order is not None and order.state == "placed":
            covered(self._sandbox.engine, self.chain, self.market.book, self.ctx, order.purse)

    # the chain

    def _mine(self) -> None:
        for _ in range(self.random.choice((1, 1, 2, 4))):
            self.ground.now += self.random.choice((1, 2, 2, 12))
            self._follow_branch(self.ground.mine(share=self.random.choice((0.0, 0.5, 0.9, 1.0, 1.0))))
        self.say(f"mined up to {self.chain.head.number}")

    def _follow_branch(self, head: Mined) -> int:
        depth = self.ground.follow(head, forget=0.2)
        conserved(self.ground.money, self.supply)
        return depth

    def _reorg(self) -> None:
        """Leave the chain above its finalised block; what was mined may come back, later, or not at all."""
        window = self.chain.head.number - self.chain.final
        if not window:
            return
        depth = min(window, self.random.choice((1, 1, 2, self.random.randint(1, window))))
        old = self.chain.head
        for block in self.chain.path[old.number - depth + 1 :]:
            for done in self.ground.executed[block.hash]:
                self.ground._back(done.sent)
        head = self.chain.path[old.number - depth]
        for _ in range(max(1, depth + self.random.choice((0, 1, 1, 2)))):
            head = self.ground.mine(head, share=self.random.choice((0.0, 0.4, 1.0)))
        self._orphans.append(old)
        self._follow_branch(head)
        self._count("reorg", f"depth {depth}, new head {head.number}")

    def _back(self) -> None:
        """Go back to a branch that was left, grown by a block where it is shorter."""
        candidates = [old for old in self._orphans[-4:] if self._leaves_above_final(old)]
        if not candidates:
            return
        old, head = self.chain.head, self.random.choice(candidates)
        while head.number <= old.number:
            head = self.ground.mine(head, again=False)
        self._follow_branch(head)
        self._orphans.append(old)
        self._count("reorg_back", f"new head {head.number}")

    def _leaves_above_final(self, head: Mined) -> bool:
        block: Mined | None = head
        while block is not None and block.number > self.chain.final:
            block = block.parent
        return block is not None and block.hash == self.chain.path[self.chain.final].hash

    def _advance(self) -> None:
        if not self._stalled:
            head = self.chain.head.number
            self.chain.finalise(head - self._lag // 2, head - self._lag)
        for node in self.nodes:
            look = node.look
            if look is not None and len(look.path) > self.chain.final:
                if look.path[self.chain.final].hash != self.chain.path[self.chain.final].hash:
                    node.look = None

    def _toggle_stall(self) -> None:
        self._stalled = not self._stalled
        self._count("finality_stalled" if self._stalled else "finality_goes_on", "")

    def _wander(self) -> None:
        """Let one node be behind, on a dropped branch, of another chain, or alone; or let it come back."""
        node = self.random.choice(self.nodes)
        if node.look is not None or node.foreign or not node.gossips:
            node.look, node.foreign, node.gossips = None, False, True
            self._count("node_came_back", "")
            return
        throw = self.random.random()
        if throw < 0.2:
            node.foreign = True
            self._count("node_of_another_chain", "")
        elif throw < 0.4:
            node.gossips = False
            self._count("node_alone", "")
        elif throw < 0.6 and self._orphans and self._leaves_above_final(self._orphans[-1]):
            node.on_branch(self._orphans[-1])
            self._count("node_on_other_branch", "")
        else:
            node.behind(self.random.choice((1, 2, 5, 500)))
            self._count("node_behind", "")

    def _forget(self) -> None:
        for pool in self.ground.pools:
            if self.random.random() < 0.7:
                pool.waiting.clear()
        self._count("mempool_dropped", "")

    def _change_fees(self) -> None:
        self.ground.base_fee = int(BASE_FEE * self.random.choice((0.5, 1, 2, 10)))
        self._count("base_fee_changed", f"{self.ground.base_fee}")

    # time

    def _wait(self) -> None:
        """Let time pass; over the end of a withdrawal only after workers had their chance, as operators promise."""
        seconds = self.random.choice((60, 600, 4_000, 20_000, 90_000))
        target = self.ground.now + seconds
        self._count("waited", f"{seconds} s")
        while True:
            ends = [pool.finalize_at for pool in self.ground.money.book.pools.values() if pool.finalize_at]
            ends += [block_end for block_end in self._ends_elsewhere()]
            before = [end - _CLAIM_BEFORE for end in ends if end - _CLAIM_BEFORE > self.ground.now]
            soon = [end for end in ends if end - _CLAIM_BEFORE <= self.ground.now < end]
            if soon:
                self._work()
            stop = min([target, *(end + 1 for end in soon), *before])
            self.ground.now = max(self.ground.now, stop)
            if stop >= target:
                break
            if not soon or stop in before:
                self._work()

    def _ends_elsewhere(self) -> list[int]:
        """Return when withdrawals end that are on branches somebody may go back to."""
        return [
            pool.finalize_at
            for old in self._orphans[-4:]
            if self._leaves_above_final(old)
            for pool in old.state["money"].book.pools.values()
            if pool.finalize_at
        ]

    def _step_clock(self) -> None:
        """The service's clock jumps, also back."""
        self.skew = 0 if self.skew else self.random.choice((-_HOUR, -60, 30, 600))
        self._count("clock_step", f"{self.skew}")

    # the service

    def worker(self) -> Machine:
        """Return a worker's machine; there are up to two."""
        if len(self.workers) < 2 and (not self.workers or self.random.random() < 0.2):
            database = service.taken(self._sandbox, Random(self.random.getrandbits(64)), self.counts, self._database)
            gates = [gate for _, gate in self._doors]
            self.workers.append((service.machine(self.ctx, database, gates, self.clock.monotonic), database))
        return self.random.choice(self.workers)[0]

    def _bury(self, machine: Machine) -> None:
        for one in self.workers:
            if one[0] is machine:
                one[1].close()
                self.workers.remove(one)
                return

    def drive(self, name: str, sweep: Callable[[Machine], object]) -> None:
        """Let a worker make a round; it may die in it."""
        machine = self.worker()
        try:
            done = sweep(machine)
        except Crash:
            self._count("crash", f"in {name}")
            self._bury(machine)
        except (Unavailable, NodeUnreachable, NodeError) as error:
            self._count(f"{name}_ended_{type(error).__name__}", "")
        else:
            self.counts[name] += 1
            self.say(f"{name}: {dict(done) if isinstance(done, Counter) else done}")

    def _sweep(self) -> None:
        self.drive("sweep", sweeps.sweep_transactions)

    def _settle(self) -> None:
        self.drive("settle", sweeps.settle)

    def _keep(self) -> None:
        self.drive("keep", sweeps.keep)

    def _follow(self) -> None:
        self.drive("follow", sweeps.follow_ledger)

    def _restart(self) -> None:
        if self.workers:
            self._bury(self.workers[0][0])
            self._count("restart", "")

    def _index(self) -> None:
        self._mirror.run(self.random.choice((1, 2)))

    def _round(self) -> None:
        """Everything once, in the order things happen."""
        self._index()
        self._keep()
        self._settle()
        self._sweep()
        self.ground.now += 6
        self.clock.sleep(6.0)
        self._mine()
        self._follow_branch(self.ground.mine())
        self._advance()
        self._sweep()
        self._index()
        self._follow()

    def _work(self) -> None:
        """Heal what is broken for a while, and let the workers do their duty."""
        kept = self._heal()
        for _ in range(_ROUNDS):
            self._round()
            if not self._threatened():
                break
        else:
            raise Wrong("receipts of a pool that is being withdrawn are not claimed")
        self._rates_back(kept)

    def _threatened(self) -> bool:
        """Return whether a pool that is being withdrawn has receipts the final chain has not claimed."""
        money = self.chain.path[self.chain.final].state["money"]
        for purse in cast().purses:
            pool = self.market._on_chain(purse)
            if pool is None or not pool.finalize_at:
                continue
            for agent in cast().agents:
                deal = money.book.channels.get(purse.lane(self.ctx, agent).channel_id)
                if self._receipted(purse.lane(self.ctx, agent).channel_id) > (0 if deal is None else deal.claimed):
                    return True
        return False

    def _receipted(self, channel_id: bytes) -> int:
        with self._sandbox.engine.connect() as connection:
            query = "SELECT coalesce(max(total_claimed_units), 0) FROM app.receipt WHERE channel_id = %s"
            return int(connection.exec_driver_sql(query, (channel_id,)).scalar_one())

    def _heal(self) -> list[tuple[float, float]]:
        kept = []
        self._stalled, self._surprise, self._point, self.skew = False, 0, 0, 0
        self.ground.base_fee = BASE_FEE
        for node in self.nodes:
            node.look, node.foreign, node.gossips = None, False, True
        for faulty, gate in self._doors:
            kept.append((faulty.rate, gate.rate))
            faulty.rate = gate.rate = 0.0
        for database in (self._api, *(one[1] for one in self.workers)):
            database.rate = database.crash_rate = 0.0
        self._quiet = self._database
        self._database = (0.0, 0.0)
        self.clock.sleep(600.0)  # nodes that rest are asked again
        self.say("healed")
        return kept

    def _rates_back(self, kept: list[tuple[float, float]]) -> None:
        self._database = self._quiet
        for (faulty, gate), rates in zip(self._doors, kept, strict=True):
            faulty.rate, gate.rate = rates
        for database in (self._api, *(one[1] for one in self.workers)):
            database.rate, database.crash_rate = self._database

    # in the middle of a round

    def _arm(self) -> None:
        """Let something happen in the middle of what a worker does next."""
        if self.random.random() < 0.6:
            self._surprise = self.random.randint(1, 8)
        else:
            self._point = self.random.randint(1, 3)

    def _in_between(self) -> None:
        if self._surprise and not self._nested:
            self._surprise -= 1
            if self._surprise == 0:
                self._happen("between_requests")

    def _at_point(self, name: str) -> None:
        self.counts[f"passed_{name}"] += 1
        if self._point and not self._nested:
            self._point -= 1
            if self._point == 0:
                self._count(f"crash_at_{name}", "")
                raise Crash

    def _happen(self, where: str) -> None:
        throw = self.random.random()
        self.counts[f"change_{where}"] += 1
        if throw < 0.35:
            self._count(f"crash_{where}", "")
            raise Crash
        self._nested = True
        try:
            if throw < 0.6:
                self._reorg()
            elif throw < 0.75:
                self._mine()
            else:
                self._other_worker()
        finally:
            self._nested = False

    def _other_worker(self) -> None:
        """Another worker makes a round of its own meanwhile."""
        database = self._sandbox.spare()
        if database is None:
            return
        database.take(Random(1), self.counts)
        other = service.machine(self.ctx, database, [gate for _, gate in self._doors], self.clock.monotonic)
        try:
            self.random.choice((sweeps.sweep_transactions, sweeps.settle, sweeps.keep))(other)
            self._count("second_worker_meanwhile", "")
        except (Unavailable, NodeUnreachable, NodeError, Crash):
            self._count("second_worker_failed", "")
        finally:
            database.close()

    # the end

    def _end(self) -> None:
        """Heal everything, let every clock run out, and let all of it arrive."""
        self._heal()
        for _ in range(1_000):
            if not self.market.doubts and all(order.doubt is None for order in self.market.book.orders):
                break
            self.market.resolve()
        open_orders = self.market.open_orders()
        self.ground.now = max([self.ground.now, *(order.evaluate_by + 60 for order in open_orders)])
        for round_number in range(_ROUNDS):
            self._round()
            if round_number > 3 and self._still() is None:
                break
        else:
            raise Wrong(f"does not come to rest: {self._still()}")
        self.counts += at_rest(self._sandbox.engine, self.ground, self.market.book, self.ctx)
        self.report.happened = self.counts
        wrong = sweeps.check_ledger(self.worker())
        if wrong:
            raise Wrong(f"the ledger differs from the chain in {wrong} figures")
        self.errors.none_of_ours()

    def _still(self) -> str | None:
        """Return None when nothing is left to do."""
        query = (
            "SELECT (SELECT count(*) FROM txm.intent WHERE state IN ('queued', 'sent', 'mined')) AS intents,"
            " (SELECT count(*) FROM txm.tx WHERE state IN ('signed', 'accepted', 'mined')) AS txs,"
            " (SELECT count(*) FROM app.channel WHERE claimed_units < earned_units) AS channels,"
            " (SELECT count(*) FROM app.micro_order WHERE state IN ('reserved', 'delivered')) AS orders"
        )
        with self._sandbox.engine.connect() as connection:
            row = connection.exec_driver_sql(query).one()
        unpaid = [who for who, one in self.ground.money.book.receivers.items() if one.claimed > one.settled]
        return None if not any(row) and not unpaid else f"{dict(row._mapping)}, {len(unpaid)} unpaid"

    def _count(self, what: str, detail: str) -> None:
        self.counts[what] += 1
        self.say(f"{what} {detail}".rstrip())

    def say(self, what: str) -> None:
        """Remember a step."""
        self.last.append(what)

    def _told(self, error: Exception) -> str:
        steps = "\n  ".join(self.last)
        return f"seed {self.report.seed}: {type(error).__name__}: {error}\nlast steps:\n  {steps}"


def _rich() -> Money:
    money = Money.fresh()
    for purse in cast().purses:
        money.token.balances[text(purse.buyer.address)] = WEALTH
    for one in cast().relayers:
        money.wei[one.address] = 1_000 * ETHER
    return money
