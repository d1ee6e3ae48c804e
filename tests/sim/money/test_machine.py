"""P10: any order of opening, depositing, paying, claiming, withdrawing, reorgs and crashes, found by Hypothesis.

Every step leaves money conserved and promises covered; every run ends with everybody paid.
"""

from __future__ import annotations

from contextlib import ExitStack
from random import Random

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from tests.sim.money.check import claimed_on, conserved, covered, require
from tests.sim.money.contract import CHANNEL, calldata, text
from tests.sim.money.people import Person, Purse, cast
from tests.sim.money.service import MoneySandbox
from tests.sim.money.stage import POINTS, Stage

PURSES = st.sampled_from(cast().first)
AGENTS = st.sampled_from(cast().agents)
UNITS = st.sampled_from((10_000, 999_999, 1_000_000, 4_000_000, 9_999_999))
SHARES = st.sampled_from((0.0, 0.5, 1.0))


class MoneyMachine(RuleBasedStateMachine):
    """Everything anybody can do, one step at a time, on one stage."""

    bank: MoneySandbox

    @initialize()
    def begin(self) -> None:
        self.stage = Stage(self.bank, Random(1))
        self.entered = ExitStack()
        self.entered.enter_context(self.stage.entered())
        self.claimed: dict[bytes, int] = {}
        for purse in cast().first:
            self.stage.market.deposit(purse, 5_000_000)
        for _ in range(3):
            self.stage.round()

    def teardown(self) -> None:
        if hasattr(self, "entered"):
            with self.entered:
                self.stage.finish()

    @rule(purse=PURSES, units=UNITS)
    def deposit(self, purse: Purse, units: int) -> None:
        self.stage.market.deposit(purse, units)

    @rule(purse=PURSES, agent=AGENTS, price=UNITS)
    def order(self, purse: Purse, agent: Person, price: int) -> None:
        order = self.stage.market.order(purse, agent, price)
        if order is not None and order.state == "placed":
            covered(self.stage, purse)

    @rule()
    def deliver(self) -> None:
        self.stage.market.deliver()

    @rule(accepted=st.booleans())
    def judge(self, accepted: bool) -> None:
        self.stage.market.judge(accepted=accepted)

    @rule()
    def give_back(self) -> None:
        self.stage.market.give_back()

    @rule()
    def repeat(self) -> None:
        self.stage.market.repeat()

    @rule(when=st.sampled_from(("before", "after")), price=UNITS)
    def pay_and_hear_nothing(self, when: str, price: int) -> None:
        self.stage.api.scripted = when
        self.stage.market.order(price=price)
        self.stage.api.scripted = ""

    @rule()
    def ask_again(self) -> None:
        self.stage.market.resolve()

    @rule(purse=PURSES, units=UNITS)
    def withdraw(self, purse: Purse, units: int) -> None:
        pool = self.stage.market.on_chain(purse)
        parties = (text(purse.session.address), text(self.stage.ctx.operator.address))
        name = "initiatePoolWithdraw" if pool is None or not pool.finalize_at else "cancelPoolWithdraw"
        data = calldata(name, *parties, *([units] if name == "initiatePoolWithdraw" else []))
        self.stage.ground.send_of(purse.buyer.address, CHANNEL, data)

    @rule(purse=PURSES)
    def take(self, purse: Purse) -> None:
        parties = (purse.buyer, purse.session, Person("operator"))
        data = calldata("finalizePoolWithdraw", *(text(one.address) for one in parties))
        self.stage.ground.send_of(purse.buyer.address, CHANNEL, data)

    @rule()
    def claim(self) -> None:
        self.stage.settle()

    @rule()
    def carry(self) -> None:
        self.stage.sweep()

    @rule()
    def keep(self) -> None:
        self.stage.keep()

    @rule()
    def follow(self) -> None:
        self.stage.index(2)
        self.stage.post()

    @rule(share=SHARES, blocks=st.integers(1, 4))
    def mine(self, share: float, blocks: int) -> None:
        self.stage.mine(share=share, blocks=blocks)

    @rule()
    def finalise(self) -> None:
        self.stage.advance()

    @rule(depth=st.integers(1, 4), more=st.integers(0, 2), share=SHARES, forget=st.sampled_from((0.0, 1.0)))
    def reorg(self, depth: int, more: int, share: float, forget: float) -> None:
        window = self.stage.chain.head.number - self.stage.chain.final
        if window:
            depth = min(depth, window)
            self.stage.fork(depth, depth + more, share=share, forget=forget)

    @rule(point=st.sampled_from(POINTS))
    def crash(self, point: str) -> None:
        self.stage.armed = point
        self.stage.sweep()
        self.stage.armed = None

    @rule()
    def restart(self) -> None:
        if self.stage.workers:
            self.stage.bury(self.stage.workers[0][0])

    @rule(seconds=st.sampled_from((10, 700, 5_000, 90_000)))
    def wait(self, seconds: int) -> None:
        self.stage.wait(seconds)

    @invariant()
    def money_is_conserved(self) -> None:
        if hasattr(self, "stage"):
            conserved(self.stage.ground.money, self.stage.supply)

    @invariant()
    def claims_only_grow_and_never_exceed_what_was_earned(self) -> None:
        if not hasattr(self, "stage"):
            return
        final = self.stage.chain.path[self.stage.chain.final].state["money"]
        for purse in cast().purses:
            for agent in cast().agents:
                way = purse.lane(self.stage.ctx, agent)
                claimed = claimed_on(final, way)
                require(claimed >= self.claimed.get(way.channel_id, 0), "a final claim shrank")
                require(claimed <= self.stage.market.book.live(purse, agent), "more is claimed than was ever ordered")
                self.claimed[way.channel_id] = claimed


@pytest.mark.long
@pytest.mark.timeout(400)
def test_any_order_of_steps(bank: MoneySandbox) -> None:
    machine = type("Machine", (MoneyMachine,), {"bank": bank})
    checks = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=6, stateful_step_count=25, deadline=None, derandomize=True, database=None,
            suppress_health_check=checks,
        ),
    )  # fmt: skip
