"""A stage for money: the chain, its two nodes, a mirror, the API's side and workers, driven by hand or by a story."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from random import Random
from typing import Final

from aicp.rules.deployment import OperatorEpoch
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
from tests.sim.money.check import Wrong, at_rest, conserved, require
from tests.sim.money.contract import Money, text
from tests.sim.money.ground import BASE_FEE, Ground
from tests.sim.money.log import Errors
from tests.sim.money.market import Market
from tests.sim.money.node import Gate, MoneyNode
from tests.sim.money.people import cast
from tests.sim.money.shop import Shop
from tests.sim.money.till import Till

KINDS: Final = (*(kind for kind in REFUSALS if kind != "range_too_large"), "reordered", "stale_head")
"""What a node may do to any request; `Gate` adds what happens around a broadcast."""
POINTS: Final = tuple(name for name in failpoints.NAMES if name.startswith("txm."))
"""Where a worker may die between two steps of the transaction manager."""
ETHER: Final = 10**18
WEALTH: Final = 200_000_000
ROUNDS: Final = 60
ROUND_SECONDS: Final = 6
KEEP_SECONDS: Final = 20
"""How often clocks are looked at in a round of everything."""
CURABLE: Final = (Unavailable, NodeUnreachable, NodeError)
CLAIM_BEFORE: Final = 7_200
"""Workers are at work again so long before a withdrawal ends: half the margin the service counts on."""
_KEPT_STEPS: Final = 40


class Stage:
    """See the module's docstring. Nothing happens unless somebody makes it; `enter` it while anything does."""

    def __init__(
        self, sandbox: service.MoneySandbox, random: Random, *, kinds: tuple[str, ...] = (), rate: float = 0.0,
        operators: tuple[OperatorEpoch, ...] | None = None, **rules: int,
    ) -> None:  # fmt: skip
        self.counts: Counter[str] = Counter()
        self.last: deque[str] = deque(maxlen=_KEPT_STEPS)
        self.sandbox = sandbox
        self.random = random
        self.ground = Ground(Random(random.getrandbits(64)), _rich())
        self.chain = self.ground.chain
        self.supply = self.ground.money.supply()
        self.clock = Clock()
        self.skew = 0
        self._kept = 0
        self.lag = 4
        self.stalled = False
        self.orphans: list[Mined] = []
        self.rounds = ROUNDS
        self.keys = cast().relayers
        self.armed: str | None = None
        """The fail point at which the next worker dies."""
        self.database = (0.0, 0.0)
        """How often a commit of a worker breaks, and how often a worker dies at one."""
        self.errors = Errors(self.counts)
        self.ctx = service.context(sandbox.url, lambda: self.ground.now + self.skew, operators, **rules)
        self.nodes = [MoneyNode(self.ground, number) for number in range(2)]
        self.doors = [self._door(node, kinds, rate) for node in self.nodes]
        self.workers: list[tuple[Machine, FaultyDatabase]] = []

    def _door(self, node: MoneyNode, kinds: tuple[str, ...], rate: float) -> tuple[Faulty, Gate]:
        faulty = Faulty(node, Random(self.random.getrandbits(64)), kinds, rate, counts=self.counts)
        faulty.before = self.before_request
        return faulty, Gate(faulty, node, Random(self.random.getrandbits(64)), self.counts, 3 * rate)

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Empty the database, stop the clocks, and connect."""
        self.sandbox.empty()
        failpoints.install_hook(self.at_point)
        with replaced_time(self.clock), self.errors:
            self.api = service.taken(self.sandbox, Random(self.random.getrandbits(64)), self.counts, (0.0, 0.0))
            self.market = Market(self, SyncDatabase(self.api.engine))
            mirror = self.sandbox.free()
            mirror.take(Random(1), self.counts)
            self.till, self.shop = Till(self), Shop(self)
            self.market.resync = self.till.resolve
            self.shop.open()
            self._mirror = Mirror(mirror, [MoneyNode(self.ground, 0)], self.clock, 100)
            try:
                yield
            finally:
                failpoints.install_hook(None)
                for database in (self.api, mirror, *(one[1] for one in self.workers)):
                    database.close()

    def before_request(self) -> None:
        """Called ahead of every request to a node; may raise."""

    def at_point(self, name: str) -> None:
        """Called at every fail point; may raise."""
        self.counts[f"passed_{name}"] += 1
        if name == self.armed:
            self.armed = None
            raise Crash

    def say(self, what: str) -> None:
        """Remember a step."""
        self.last.append(what)

    def count(self, what: str, detail: object = "") -> None:
        """Count what happened, and remember it."""
        self.counts[what] += 1
        self.say(f"{what} {detail}".rstrip())

    # the chain

    def mine(self, share: float = 1.0, blocks: int = 1) -> None:
        """Mine a share of what waits."""
        for _ in range(blocks):
            self.ground.now += 2
            self.follow(self.ground.mine(share=share))
        self.say(f"mined up to {self.chain.head.number}")

    def follow(self, head: Mined, *, forget: float = 0.0) -> int:
        """Let the chain follow a branch; return the depth of the reorg. Raises Wrong when money is made or lost."""
        old = self.chain.head
        depth = self.ground.follow(head, forget=forget)
        if depth:
            self.orphans.append(old)
        conserved(self.ground.money, self.supply)
        return depth

    def fork(self, depth: int, blocks: int, *, share: float = 0.0, forget: float = 0.0) -> None:
        """Leave the chain so many blocks below its head for a branch of so many blocks."""
        old = self.chain.head
        if share:
            self.ground.put_back(self.chain.path[old.number - depth + 1 :])
        head = self.chain.path[old.number - depth]
        for _ in range(blocks):
            head = self.ground.mine(head, share=share)
        self.follow(head, forget=forget)
        self.count("reorg", f"depth {depth}, new head {head.number}")

    def advance(self) -> None:
        """Let finality follow the head, unless it stands still; no node stays on a branch that is finalised away."""
        if not self.stalled:
            head = self.chain.head.number
            self.chain.finalise(head - self.lag // 2, head - self.lag)
        final = self.chain.final
        for node in self.nodes:
            look = node.look
            if look is not None and final < len(look.path) and look.path[final].hash != self.chain.path[final].hash:
                node.look = None

    def leaves_above_final(self, head: Mined) -> bool:
        """Return whether the chain may still go back to a branch."""
        block: Mined | None = head
        while block is not None and block.number > self.chain.final:
            block = block.parent
        return block is not None and block.hash == self.chain.path[self.chain.final].hash

    # the service

    def worker(self) -> Machine:
        """Return a worker's machine, started if there is none."""
        if not self.workers:
            self.hire()
        return self.random.choice(self.workers)[0]

    def hire(self) -> Machine:
        """Start a worker."""
        database = service.taken(self.sandbox, Random(self.random.getrandbits(64)), self.counts, self.database)
        machine = service.machine(self.ctx, database, self.gates, self.clock.monotonic, self.keys)
        self.workers.append((machine, database))
        return machine

    @property
    def gates(self) -> list[Gate]:
        """What workers reach the nodes through."""
        return [gate for _, gate in self.doors]

    def bury(self, machine: Machine) -> None:
        """A worker's process has ended."""
        for one in self.workers:
            if one[0] is machine:
                one[1].close()
                self.workers.remove(one)
                return

    def drive(self, name: str, sweep: Callable[[Machine], object], machine: Machine | None = None) -> object:
        """Let a worker make a round; it may die in it."""
        machine = machine or self.worker()
        try:
            done = sweep(machine)
        except Crash:
            self.count("crash", f"in {name}")
            self.bury(machine)
        except CURABLE as error:
            self.count(f"{name}_ended_{type(error).__name__}")
        else:
            self.counts[name] += 1
            self.say(f"{name}: {dict(done) if isinstance(done, Counter) else done}")
            return done
        return None

    def sweep(self) -> None:
        """A round of the transaction manager."""
        self.drive("sweep", sweeps.sweep_transactions)

    def settle(self) -> None:
        """A round of claims and payouts."""
        self.drive("settle", sweeps.settle)

    def keep(self) -> None:
        """A round of clocks."""
        self._kept = self.ground.now
        self.drive("keep", sweeps.keep)

    def post(self) -> None:
        """Let the ledger follow the final blocks."""
        self.drive("follow", sweeps.follow_ledger)

    def index(self, rounds: int = 1) -> None:
        """Let the mirror follow the chain."""
        self._mirror.run(rounds)

    def round(self) -> None:
        """Everything once, in the order things happen."""
        self.index()
        if self.ground.now - self._kept >= KEEP_SECONDS:
            self.keep()
        self.settle()
        self.sweep()
        self.pass_time(ROUND_SECONDS)
        self.mine(blocks=2)
        self.advance()
        self.index()
        self.post()

    def pass_time(self, seconds: int) -> None:
        """Let time pass, for the chain and for whoever looks at a clock."""
        self.ground.now += seconds
        self.clock.sleep(float(seconds))

    def wait(self, seconds: int) -> None:
        """Let much time pass; over the end of a withdrawal only after workers had the chance operators promise."""
        target = self.ground.now + seconds
        while self.ground.now < target:
            ends = [end for end in self._ends() if end > self.ground.now]
            first = min((end - CLAIM_BEFORE for end in ends), default=target)
            if first > self.ground.now:
                self.ground.now = min(target, first)
                if self.ground.now < target:
                    self.recover()
            else:
                self.ground.now = min(target, min(ends) + 1)
                self.recover()

    def _ends(self) -> list[int]:
        """Return when withdrawals end, here or on a branch the chain may go back to."""
        heads = [self.chain.head, *(old for old in self.orphans[-4:] if self.leaves_above_final(old))]
        pools = [pool for head in heads for pool in head.state["money"].book.pools.values()]
        return [pool.finalize_at for pool in pools if pool.finalize_at]

    def recover(self) -> None:
        """Heal what is broken, and let the workers do their duty."""
        self.heal()
        self.work()

    def work(self) -> None:
        """Let the workers do their duty until no pool that is being withdrawn owes anything. Raises Wrong."""
        for _ in range(self.rounds):
            self.round()
            if not self.threatened():
                return
        raise Wrong("receipts of a pool that is being withdrawn are not claimed")

    def threatened(self) -> bool:
        """Return whether a pool that is being withdrawn has receipts the final chain has not claimed."""
        money: Money = self.chain.path[self.chain.final].state["money"]
        for purse in cast().purses:
            pool = self.market.on_chain(purse)
            if pool is None or not pool.finalize_at:
                continue
            for way in (way for agent in cast().agents for way in purse.lanes(self.ctx, agent)):
                deal = money.book.channels.get(way.channel_id)
                if self._receipted(way.channel_id) > (0 if deal is None else deal.claimed):
                    return True
        return False

    def _receipted(self, channel_id: bytes) -> int:
        query = "SELECT coalesce(max(total_claimed_units), 0) FROM app.receipt WHERE channel_id = %s"
        with self.sandbox.engine.connect() as connection:
            return int(connection.exec_driver_sql(query, (channel_id,)).scalar_one())

    # the end

    def heal(self) -> None:
        """Take every fault away."""
        self.stalled, self.skew = False, 0
        self.ground.base_fee = BASE_FEE
        for node in self.nodes:
            node.look, node.foreign, node.gossips, node.full = None, False, True, False
        for faulty, gate in self.doors:
            faulty.rate = gate.rate = 0.0
        self.database = (0.0, 0.0)
        for database in (self.api, *(one[1] for one in self.workers)):
            database.rate = database.crash_rate = 0.0
        self.clock.sleep(600.0)  # nodes that rest are asked again
        self.say("healed")

    def finish(self) -> None:
        """Heal everything, answer every request, run every clock out, let it all arrive, and check. Raises Wrong."""
        self.heal()
        while self.market.in_doubt:
            self.market.resolve()
        while self.till.doubts:
            self.till.resolve()
        self.shop.conclude()
        ends = [order.evaluate_by + 60 for order in self.market.open_orders()]
        self.ground.now = max([self.ground.now, *ends])
        self.wait(max(0, self._put_off() - self.ground.now))
        for number in range(self.rounds):
            self.round()
            if number > 3 and self.still() is None:
                break
        else:
            raise Wrong(f"does not come to rest: {self.still()}")
        self.counts.update(at_rest(self))
        wrong = sweeps.check_ledger(self.worker())
        require(wrong == 0, f"the ledger differs from the chain in {wrong} figures")
        self.errors.none_of_ours()

    def _put_off(self) -> int:
        """Return until when claims wait: for a pause after failures, or since a clock that was ahead dated them."""
        query = """
            SELECT coalesce(ceil(extract(epoch FROM max(moment))), 0) FROM (
                SELECT not_before AS moment FROM app.claim_try UNION ALL SELECT not_before FROM app.payout
                UNION ALL SELECT created_at FROM app.receipt) AS waits
        """
        with self.sandbox.engine.connect() as connection:
            return int(connection.exec_driver_sql(query).scalar_one())

    def still(self) -> str | None:
        """Return None when nothing is left to do."""
        query = (
            "SELECT (SELECT count(*) FROM txm.intent WHERE state IN ('queued', 'sent', 'mined')) AS intents,"
            " (SELECT count(*) FROM txm.tx WHERE state IN ('signed', 'accepted', 'mined')) AS txs,"
            " (SELECT count(*) FROM app.channel WHERE claimed_units < earned_units) AS channels,"
            " (SELECT count(*) FROM app.micro_order WHERE state IN ('reserved', 'delivered')) AS orders,"
            " (SELECT count(*) FROM app.charge WHERE state = 'reserved') AS charges"
        )
        with self.sandbox.engine.connect() as connection:
            row = connection.exec_driver_sql(query).one()
        unpaid = [who for who, one in self.ground.money.book.receivers.items() if one.claimed > one.settled]
        return None if not any(row) and not unpaid else f"{dict(row._mapping)}, {len(unpaid)} unpaid"


def _rich() -> Money:
    money = Money.fresh()
    for purse in cast().purses:
        money.token.balances[text(purse.buyer.address)] = WEALTH
    for one in cast().relayers:
        money.wei[one.address] = 1_000 * ETHER
    return money
