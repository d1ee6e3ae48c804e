"""One seed, one story of money: people, workers, two nodes, reorgs, crashes and clocks, all in one thread.

The seed decides everything, so a story can be told again. What another worker does meanwhile happens before a request
of the first one, or between two of its steps. It ends by healing every fault; then every round is run until nothing is
left to do, and everybody must have been paid exactly what they earned.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Final

from backend.worker import sweeps
from tests.sim.chain import GENESIS_TIME
from tests.sim.db import Crash
from tests.sim.money import service
from tests.sim.money.book import Order
from tests.sim.money.check import covered
from tests.sim.money.ground import BASE_FEE
from tests.sim.money.people import cast, epochs
from tests.sim.money.stage import CURABLE, KINDS, POINTS, Stage
from tests.sim.scheduler import Failed, Report

_HOUR: Final = 3_600
_RULES: Final[tuple[dict[str, int], ...]] = ({}, {"settle_gas_multiple": 3, "native_price_units": 500_000})
_EPOCHS: Final[tuple[tuple[int | None, int], ...]] = (
    *((None, 0), (None, 0), (GENESIS_TIME, 10**9)),
    *((GENESIS_TIME + 300, 3_000), (GENESIS_TIME + 60, 40_000), (GENESIS_TIME + 20_000, 0)),
)
"""When the next operator begins to serve, and how long the first goes on beside it."""
STEPS: Final = 70


class Story(Stage):
    """See the module's docstring. `calm`: nothing goes wrong but the chain."""

    def __init__(
        self, seed: int, sandbox: service.MoneySandbox, *, enabled: tuple[str, ...] = KINDS, steps: int = STEPS,
        calm: bool = False,
    ) -> None:  # fmt: skip
        random = Random(seed)
        rate = 0.0 if calm else random.choice((0.0, 0.01, 0.03, 0.08))
        kinds = tuple(kind for kind in enabled if random.random() < 0.7)
        operators = epochs(*random.choice(_EPOCHS))
        super().__init__(sandbox, random, kinds=kinds, rate=rate, operators=operators, **random.choice(_RULES))
        self.report = Report(seed, happened=self.counts)
        self.lag = random.choice((2, 4, 8))
        self._steps = steps
        self._calm = calm
        self._rates = (0.0, 0.0) if calm else (random.choice((0.0, 0.01, 0.03)), random.choice((0.0, 0.01)))
        self._surprise = self._point = 0
        self._nested = False

    def run(self) -> Report:
        """Tell the story. Raises Failed with the seed and the last steps."""
        try:
            with self.entered():
                self.market.careless = True
                for purse in cast().first:
                    self.market.deposit(purse, self.random.choice((3_000_000, 9_000_000)))
                for _ in range(3):
                    self.round()
                self.database = self._rates
                self.api.rate, self.api.crash_rate = self._rates
                for _ in range(self._steps):
                    self._step()
                self._surprise = self._point = 0
                self.finish()
        except Exception as error:
            raise Failed(self._told(error)) from error
        self.report.blocks = len(self.chain.by_hash)
        self.report.logs = sum(len(block.logs) for block in self.chain.path)
        return self.report

    def _told(self, error: Exception) -> str:
        steps = "\n  ".join(self.last)
        return f"seed {self.report.seed}: {type(error).__name__}: {error}\nlast steps:\n  {steps}"

    # what may happen

    def _step(self) -> None:
        self.report.steps += 1
        market = self.market
        deeds: tuple[tuple[int, Callable[[], object]], ...] = (
            (6, self._order), (6, self._errand), (5, market.deliver), (5, market.judge), (1, market.give_back),
            (2, market.repeat), (3, market.resolve), (3, market.deposit), (2, market.withdraw), (2, self._wait),
            (6, self.till.pay), (2, self.till.resolve), (1, market.move),
            (8, self.shop.buy), (3, self.shop.deposit), (2, self.shop.refund),
            (9, self._hiring(self.sweep)), (5, self._hiring(self.settle)), (3, self._hiring(self.keep)), (2, self.post),
            (6, self.index), (8, self._mine), (2, self._reorg), (1, self._back), (3, self.advance),
            *(() if self._calm else self._ills()),
        )  # fmt: skip
        [deed] = self.random.choices([deed for _, deed in deeds], [weight for weight, _ in deeds])
        deed()
        self.pass_time(self.random.choice((0, 1, 2, 12)))

    def _ills(self) -> tuple[tuple[int, Callable[[], object]], ...]:
        return (
            (1, self._toggle_stall), (2, self._wander), (1, self._forget), (1, self._change_fees),
            (1, self._step_clock), (3, self._arm), (1, self._restart),
        )  # fmt: skip

    def _hiring(self, deed: Callable[[], None]) -> Callable[[], None]:
        def act() -> None:
            if len(self.workers) == 1 and self.random.random() < 0.1:
                self.hire()
                self.count("second_worker")
            deed()

        return act

    def _order(self) -> Order | None:
        order = self.market.order()
        if order is not None and order.state == "placed":
            covered(self, order.purse)
        return order

    def _errand(self) -> None:
        """An order that is delivered and judged at once, as most are."""
        order = self._order()
        if order is None or order.state != "placed":
            return
        self.market.deliver(order)
        if order.state == "delivered" and self.random.random() < 0.8:
            self.market.judge(order)

    def _mine(self) -> None:
        for _ in range(self.random.choice((1, 1, 2, 4))):
            self.ground.now += self.random.choice((0, 0, 10))
            self.mine(share=self.random.choice((0.0, 0.5, 0.9, 1.0, 1.0)))

    def _reorg(self) -> None:
        """Leave the chain above its finalised block; what was mined may come back, later, or not at all."""
        window = self.chain.head.number - self.chain.final
        if window:
            depth = min(window, self.random.choice((1, 1, 2, self.random.randint(1, window))))
            blocks = max(1, depth + self.random.choice((0, 1, 1, 2)))
            self.fork(depth, blocks, share=self.random.choice((0.0, 0.4, 1.0)), forget=0.2)

    def _back(self) -> None:
        """Go back to a branch that was left, grown by a block where it is shorter."""
        candidates = [old for old in self.orphans[-4:] if self.leaves_above_final(old)]
        if not candidates:
            return
        old, head = self.chain.head, self.random.choice(candidates)
        while head.number <= old.number:
            head = self.ground.mine(head, again=False)
        self.follow(head, forget=0.2)
        self.count("reorg_back", f"new head {head.number}")

    def _toggle_stall(self) -> None:
        self.stalled = not self.stalled
        self.count("finality_stalled" if self.stalled else "finality_goes_on")

    def _wander(self) -> None:
        """Let one node be behind, on a dropped branch, of another chain, or alone; or let it come back."""
        node = self.random.choice(self.nodes)
        throw = self.random.random()
        if node.look is not None or node.foreign or not node.gossips:
            node.look, node.foreign, node.gossips = None, False, True
            self.count("node_came_back")
        elif throw < 0.2:
            node.foreign = True
            self.count("node_of_another_chain")
        elif throw < 0.4:
            node.gossips = False
            self.count("node_alone")
        elif throw < 0.6 and self.orphans and self.leaves_above_final(self.orphans[-1]):
            node.on_branch(self.orphans[-1])
            self.count("node_on_other_branch")
        else:
            node.behind(self.random.choice((1, 2, 5, 500)))
            self.count("node_behind")

    def _forget(self) -> None:
        for pool in self.ground.pools:
            if self.random.random() < 0.7:
                pool.waiting.clear()
        self.count("mempool_dropped")

    def _change_fees(self) -> None:
        self.ground.base_fee = int(BASE_FEE * self.random.choice((0.5, 1, 2, 10)))
        self.count("base_fee_changed", self.ground.base_fee)

    def _step_clock(self) -> None:
        """The service's clock jumps, also back."""
        self.skew = 0 if self.skew else self.random.choice((-_HOUR, -60, 30, 600))
        self.count("clock_step", self.skew)

    def _restart(self) -> None:
        if self.workers:
            self.bury(self.workers[0][0])
            self.count("restart")

    # time

    def _wait(self) -> None:
        seconds = self.random.choice((60, 60, 600, 600, 4_000, 20_000, 90_000))
        self.count("waited", f"{seconds} s")
        self.wait(seconds)

    def recover(self) -> None:
        """Heal what is broken for a while, and let the workers do their duty."""
        rates = [(faulty.rate, gate.rate) for faulty, gate in self.doors]
        self._surprise = self._point = 0
        super().recover()
        for (faulty, gate), (rate, sending) in zip(self.doors, rates, strict=True):
            faulty.rate, gate.rate = rate, sending
        self.database = self._rates
        for database in (self.api, *(one[1] for one in self.workers)):
            database.rate, database.crash_rate = self._rates

    # in the middle of a round

    def _arm(self) -> None:
        """Let something happen in the middle of what a worker does next."""
        if self.random.random() < 0.6:
            self._surprise = self.random.randint(1, 8)
        else:
            self._point = self.random.randint(1, 3)

    def before_request(self) -> None:
        """Let what was armed happen before a request."""
        if self._surprise and not self._nested:
            self._surprise -= 1
            if self._surprise == 0:
                self._happen()

    def at_point(self, name: str) -> None:
        """Let a worker die where it was armed to."""
        super().at_point(name)
        if name in POINTS and self._point and not self._nested:
            self._point -= 1
            if self._point == 0:
                self.count(f"crash_at_{name}")
                raise Crash

    def _happen(self) -> None:
        throw = self.random.random()
        if throw < 0.35:
            self.count("crash_between_requests")
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
        database = self.sandbox.spare()
        if database is None:
            return
        database.take(Random(1), self.counts)
        other = service.machine(self.ctx, database, self.gates, self.clock.monotonic, self.keys)
        try:
            self.random.choice((sweeps.sweep_transactions, sweeps.settle, sweeps.keep))(other)
            self.count("second_worker_meanwhile")
        except (*CURABLE, Crash):
            self.count("second_worker_failed")
        finally:
            database.close()
