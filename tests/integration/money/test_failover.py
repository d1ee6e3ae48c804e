"""An agent dies in the middle of a task that the scheduler has given it: the next one does it, and one is paid once."""

from __future__ import annotations

import secrets
import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.orm import Session

from aicp.abi import escrow as escrow_abi
from aicp.abi import usdc as usdc_abi
from aicp.abi.typed_data import MicroReturn, Refund, TaskOrder
from aicp.rules.primitives import Finality, checksum
from aicp.rules.profiles import Profile
from backend.agents import service as agents
from backend.auctions import orders as task_orders
from backend.auctions.schemas import TaskOrderIn
from backend.deals import escrow_steps, failover, terms
from backend.deals import repo as deals_repo
from backend.deals.failover import SILENT_SECONDS
from backend.deals.models import Deal
from backend.deals.schemas import RefundIn, ReturnIn
from backend.deals.service import call_off
from backend.errors import Problem, TermsMismatch, WrongState
from backend.payments import orders
from backend.scheduler import offers
from backend.scheduler.rounds import ANSWER_SECONDS
from backend.tasks.models import Task
from backend.worker import sweeps
from indexer import views
from tests.fixtures.moneylab import USDC, Person, World


@pytest.fixture(scope="module", autouse=True)
def agents_there(world: World) -> None:
    world.stake(world.agent)
    world.stake(world.rival)
    world.deposit(20 * USDC)


@pytest.fixture(autouse=True)
def nothing_left(world: World) -> Iterator[None]:
    """End what a test leaves open, so that it takes nobody's room in the next."""
    yield
    world.sql("UPDATE app.task_offer SET answer = 'void', answered_at = now() WHERE answer IS NULL")
    world.sql("UPDATE app.deal SET live = false WHERE live")
    world.sql("UPDATE app.task SET state = 'cancelled' WHERE state = 'open'")
    world.sql("DELETE FROM app.breaker")


def register(world: World, person: Person, capability: str, capacity: int = 3) -> None:
    name = f"a{person.address.hex()[:8]}"
    world.later(1)  # a registration is taken if it was signed later than the one before
    world.register(person, Profile(slug=name, name=name, description="", capabilities=[capability], capacity=capacity))
    beat(world, person)


def beat(world: World, *people: Person) -> None:
    for person in people:
        world.write(partial(agents.heartbeat, ctx=world.ctx, address=person.address, takes_offers=True))


def instant(world: World, capability: str, units: int, **changes: Any) -> Task:
    """Post a task for the scheduler and sign the order."""
    task = world.post(units, capability=capability, instant=True, buy_now_units=str(units), **changes)
    until, salt = world.clock() + 7 * 86_400, secrets.token_bytes(32)
    message = TaskOrder(
        task_hash=task.task_hash, buyer=world.buyer.address, max_amount=units, valid_until=until, salt=salt
    )
    signature = world.buyer.sign(message, world.ctx.domains.marketplace)
    given = TaskOrderIn(max_units=units, valid_until=until, salt=salt, signature=signature)
    world.write(lambda s: task_orders.give(s, world.ctx, world.buyer.address, task.id, given))
    return task


def asked(world: World, task: Task) -> Person:
    """Make a round and return whom the task is offered to."""
    sweeps.assign(world.machine)
    address = world.one("SELECT agent FROM app.task_offer WHERE task_id = :t AND answer IS NULL", t=task.id)
    return next(one for one in (world.agent, world.rival) if one.address == bytes(address))


def taken(world: World, task: Task, person: Person, units: int) -> Deal:
    world.bid(task, person, units)
    deal_id = world.one("SELECT deal_id FROM app.task WHERE id = :t", t=task.id)
    return world.read(lambda s: s.execute(deals_repo.by_id(deal_id)).scalar_one())


def state(world: World, task: Task) -> str:
    return str(world.one("SELECT state FROM app.task WHERE id = :t", t=task.id))


def reserved(world: World) -> int:
    return int(world.one("SELECT reserved_units FROM app.pool WHERE pool_id = :p", p=world.pool_id))


def ceiling(world: World, person: Person, units: int) -> int:
    """Return a ceiling that covers one more order in a channel."""
    channel = world.lane(person).channel_id
    rows = world.sql("SELECT earned_units + in_flight_units FROM app.channel WHERE channel_id = :c", c=channel)
    return (int(rows[0][0]) if rows else 0) + units


def other(world: World, person: Person) -> Person:
    return world.rival if person.address == world.agent.address else world.agent


def test_an_agent_dies_in_work_paid_from_a_pool_and_the_next_one_is_paid(world: World) -> None:
    for person in (world.agent, world.rival):
        register(world, person, "mapping")
    task = instant(world, "mapping", 400_000)
    first = asked(world, task)
    second, deal = other(world, first), taken(world, task, first, 400_000)
    before = reserved(world)
    signed = world.order(deal, ceiling(world, first, 400_000))
    world.place(deal, signed)
    assert (state(world, task), reserved(world)) == ("assigned", before + 400_000)
    sweeps.keep(world.machine)
    assert state(world, task) == "assigned", "nobody takes a running order from its agent"
    world.later(302 + world.ctx.constants.keeper_margin_seconds)
    sweeps.keep(world.machine)
    assert (state(world, task), reserved(world)) == ("open", before), "the buyer has his money, and the task is open"
    assert "lapsed" in world.told(world.buyer.address, deal)
    failures = world.one("SELECT failures FROM app.breaker WHERE agent = :a", a=first.address)
    assert failures == 1
    figures = world.read(lambda s: agents.find(s, world.ctx, checksum(first.address)))
    assert (figures.running_tasks, figures.failed_tasks) == (0, 1)
    with pytest.raises(WrongState):
        world.deliver(deal)
    beat(world, first, second)
    assert asked(world, task) is second, "never the one that has failed"
    again = taken(world, task, second, 350_000)
    assert world.told(world.buyer.address, again) == ["payment_wanted"], "he is asked to pay anew"
    with pytest.raises((TermsMismatch, Problem)):
        world.place(again, signed)
    assert reserved(world) == before
    world.place(again, world.order(again, ceiling(world, second, 350_000)))
    world.deliver(again)
    world.judge(again, accepted=True)
    assert (state(world, task), reserved(world)) == ("completed", before)
    paid = world.sql(
        "SELECT d.agent, o.price_units FROM app.micro_order o JOIN app.deal d ON d.id = o.deal_id"
        " WHERE d.task_id = :t AND o.state = 'earned'",
        t=task.id,
    )
    assert [(bytes(row[0]), int(row[1])) for row in paid] == [(second.address, 350_000)]


def test_an_agent_gives_back_and_the_next_one_is_asked_without_blame(world: World) -> None:
    for person in (world.agent, world.rival):
        register(world, person, "sorting")
    task = instant(world, "sorting", 300_000)
    first = asked(world, task)
    deal = taken(world, task, first, 300_000)
    world.place(deal, world.order(deal, ceiling(world, first, 300_000)))
    message = MicroReturn(order_hash=world.order_hash(deal))
    given = ReturnIn(signature=first.sign(message, world.ctx.domains.marketplace))
    world.write(lambda s: orders.give_back(s, world.ctx, deal.id, first.address, given))
    world.write(lambda s: orders.give_back(s, world.ctx, deal.id, first.address, given))
    assert state(world, task) == "open"
    assert world.sql("SELECT 1 FROM app.breaker WHERE agent = :a", a=first.address) == []
    assert asked(world, task) is other(world, first)


def is_offered(world: World, task: Task) -> bool:
    sweeps.assign(world.machine)
    return bool(world.sql("SELECT 1 FROM app.task_offer WHERE task_id = :t AND answer IS NULL", t=task.id))


def test_an_order_frees_its_buyers_place_at_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(world.ctx.settings, "buyer_places", 1)
    for person in (world.agent, world.rival):
        register(world, person, "tallying")
    task, following = (instant(world, "tallying", 300_000) for _ in range(2))
    first = asked(world, task)
    assert not is_offered(world, following)
    deal = taken(world, task, first, 300_000)
    assert not is_offered(world, following)
    world.place(deal, world.order(deal, ceiling(world, first, 300_000)))
    assert is_offered(world, following)
    world.deliver(deal)
    world.judge(deal, accepted=True)


def test_an_escrow_frees_its_buyers_place_when_the_chain_has_the_money(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not when a payment is sent: who has no money can send one."""
    monkeypatch.setattr(world.ctx.settings, "buyer_places", 1)
    for person in (world.agent, world.rival):
        register(world, person, "gauging")
    task, following = (instant(world, "gauging", 12 * USDC) for _ in range(2))
    first = asked(world, task)
    deal = taken(world, task, first, 12 * USDC)
    world.accept(deal, first)
    world.pay(deal)
    assert state(world, task) == "funding"
    assert not is_offered(world, following)
    world.until(lambda: state(world, task) == "assigned", "assigned")
    beat(world, world.agent, world.rival)
    assert is_offered(world, following)
    world.submit(deal, first)
    world.until(lambda: state(world, task) == "delivered", "delivered")
    world.release(deal)
    world.until(lambda: state(world, task) == "completed", "completed")


def test_a_delivered_result_is_judged_and_never_fails_over(world: World) -> None:
    for person in (world.agent, world.rival):
        register(world, person, "counting")
    task = instant(world, "counting", 300_000)
    first = asked(world, task)
    deal = taken(world, task, first, 300_000)
    world.place(deal, world.order(deal, ceiling(world, first, 300_000)))
    world.deliver(deal)
    message = MicroReturn(order_hash=world.order_hash(deal))
    given = ReturnIn(signature=first.sign(message, world.ctx.domains.marketplace))
    world.write(lambda s: orders.give_back(s, world.ctx, deal.id, first.address, given))
    assert state(world, task) == "failed"


def escrow_is_final(world: World, deal: Deal) -> bool:
    rows = world.read(lambda s: s.execute(deals_repo.all_terms(deal.id)).scalars().all())
    found = [world.read(lambda s, e=row.escrow_id: views.escrow(s, e, Finality.FINAL)) for row in rows]
    return all(one is not None and one.status is views.EscrowStatus.CLOSED for one in found)


def test_an_agent_dies_in_work_paid_by_escrow_and_the_next_one_is_paid(world: World) -> None:
    for person in (world.agent, world.rival):
        register(world, person, "surveying")
    start = world.usdc_of(world.buyer.address)
    task = instant(world, "surveying", 12 * USDC, deliver_within_seconds=600)
    first = asked(world, task)
    second, deal = other(world, first), taken(world, task, first, 12 * USDC)
    world.accept(deal, first)
    world.pay(deal)
    world.until(lambda: state(world, task) == "assigned", "assigned")
    assert world.usdc_of(world.buyer.address) == start - 12 * USDC
    world.later(world.terms_row(deal).deliver_by - world.clock() + 2 * world.ctx.constants.keeper_margin_seconds)
    for _ in range(12):
        sweeps.keep(world.machine)
        world.turn(rounds=1)
        if state(world, task) == "open":
            break
        assert state(world, task) == "assigned"
    assert (state(world, task), escrow_is_final(world, deal)) == ("open", True)
    moves = world.sql("SELECT source, target FROM app.task_transition WHERE task_id = :t ORDER BY id", t=task.id)
    assert tuple(moves[-1]) == ("assigned", "open")
    assert "slashed" in world.told(first.address, deal)
    assert world.one("SELECT failures FROM app.breaker WHERE agent = :a", a=first.address) == 1
    beat(world, first, second)
    assert asked(world, task) is second
    again = taken(world, task, second, 11 * USDC)
    with pytest.raises(Problem):  # the payment signed for the first agent pays nobody else
        world.pay(again, world.authorization(deal))
    world.accept(again, second)
    world.pay(again)
    world.until(lambda: state(world, task) == "assigned", "assigned again")
    world.submit(again, second)
    world.until(lambda: state(world, task) == "delivered", "delivered")
    world.release(again)
    world.until(lambda: state(world, task) == "completed", "completed")
    back = world.ledger_of(world.buyer.address)
    assert start - world.usdc_of(world.buyer.address) - back == 11 * USDC, "one agent was paid, once"


def accepted_and_silent(world: World, capability: str) -> tuple[Task, Deal]:
    """Bring a task to where its agent has accepted, its buyer has not paid, and it alone is not heard of any more."""
    for person in (world.agent, world.rival):
        register(world, person, capability)
    task = instant(world, capability, 12 * USDC)
    first = asked(world, task)
    deal = taken(world, task, first, 12 * USDC)
    world.accept(deal, first)
    world.clock.added += SILENT_SECONDS + 5
    beat(world, other(world, first))
    return task, deal


def test_a_payment_the_mirror_has_not_read_is_never_overtaken(world: World) -> None:
    task, deal = accepted_and_silent(world, "sounding")
    agreed = terms.from_json(world.terms_row(deal).terms)
    escrow = world.ctx.deployment.escrow
    world.send(world.buyer.address, world.ctx.deployment.usdc, usdc_abi.encode_approve(escrow, 12 * USDC))
    world.send(world.buyer.address, escrow, escrow_abi.encode_fund(agreed))
    assert sweeps.keep(world.machine) == 0
    assert state(world, task) == "awaiting_payment", "his own wallet may have paid this agent a moment ago"
    world.until(lambda: state(world, task) == "assigned", "the mirror reads it")


def test_a_mirror_that_catches_up_while_a_deal_is_looked_at_hides_no_payment(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    _task, deal = accepted_and_silent(world, "fathoming")
    row = world.terms_row(deal)
    escrow = world.ctx.deployment.escrow
    world.send(world.buyer.address, world.ctx.deployment.usdc, usdc_abi.encode_approve(escrow, 12 * USDC))
    world.send(world.buyer.address, escrow, escrow_abi.encode_fund(terms.from_json(row.terms)))
    world.chain.rpc("evm_setNextBlockTimestamp", row.accept_by + 1)
    world.chain.mine(4)
    look, looked = views.escrow, []

    def looks_then_it_catches_up(session: Session, escrow_id: bytes, finality: Finality) -> views.EscrowRow | None:
        found = look(session, escrow_id, finality)
        if escrow_id == row.escrow_id and finality is Finality.SEEN and not looked:
            looked.append(found)
            world.mirror()
        return found

    with monkeypatch.context() as patch:
        patch.setattr(views, "escrow", looks_then_it_catches_up)
        ended = world.write(lambda s: failover.money_is_back(s, s.execute(deals_repo.by_id(deal.id)).scalar_one()))
    assert looked == [None], "the payment was read between two looks"
    assert not ended
    world.clock.added = max(world.clock.added, row.accept_by + 1 - (world.clock() - world.clock.added))


def test_an_accepted_deal_fails_over_once_no_block_can_pay_it(world: World) -> None:
    task, deal = accepted_and_silent(world, "dredging")
    payable_until = world.terms_row(deal).accept_by
    world.clock.added += payable_until - world.clock() + 300
    beat(world, other(world, world.agent if deal.agent == world.agent.address else world.rival))
    sweeps.keep(world.machine)
    assert state(world, task) == "awaiting_payment", "our clock says so, no block does"
    world.later(1)
    sweeps.keep(world.machine)
    assert state(world, task) in {"open", "expired"}


def test_a_part_released_ends_the_task_with_its_agent(world: World) -> None:
    for person in (world.agent, world.rival):
        register(world, person, "digging")
    task = instant(world, "digging", 12 * USDC)
    first = asked(world, task)
    deal = taken(world, task, first, 12 * USDC)
    world.accept(deal, first)
    world.pay(deal)
    world.until(lambda: state(world, task) == "assigned", "assigned")
    world.release(deal, 1 * USDC)
    world.turn()
    row = world.terms_row(deal)
    message = Refund(escrow_id=row.escrow_id, cumulative_refunded=11 * USDC, valid_until=world.clock() + 900)
    given = RefundIn(
        escrow_id=row.escrow_id, cumulative_refunded_units=11 * USDC, valid_until=message.valid_until,
        signature=first.sign(message, world.ctx.domains.escrow),
    )  # fmt: skip
    world.write(lambda s: escrow_steps.refund(s, world.ctx, deal.id, first.address, given))
    world.until(lambda: state(world, task) not in {"assigned", "running"}, "it ends")
    assert state(world, task) != "open"


# -- everything at random ----------------------------------------------------------------------------------------------

STEPS = ("post", "round", "two_rounds", "bid", "decline", "silent", "pay", "deliver", "die", "vanish", "cancel")


class Market:
    """Two agents with little room, and tasks whose fate chance decides."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.capability = f"c{uuid.uuid4().hex[:10]}"
        self.tasks: list[Task] = []
        self.room = {world.agent.address: 1, world.rival.address: 2}
        for person in (world.agent, world.rival):
            register(world, person, self.capability, self.room[person.address])

    def live_offer(self, task: Task) -> Person | None:
        rows = self.world.sql("SELECT agent FROM app.task_offer WHERE task_id = :t AND answer IS NULL", t=task.id)
        people = (self.world.agent, self.world.rival)
        return next((one for one in people if rows and one.address == bytes(rows[0][0])), None)

    def deal(self, task: Task) -> Deal | None:
        deal_id = self.world.one("SELECT deal_id FROM app.task WHERE id = :t", t=task.id)
        return None if deal_id is None else self.world.read(lambda s: s.execute(deals_repo.by_id(deal_id)).scalar_one())

    def step(self, name: str, number: int) -> None:
        world = self.world
        if name == "post":
            self.tasks.append(instant(world, self.capability, 100_000))
        elif name == "round":
            sweeps.assign(world.machine)
        elif name == "two_rounds":
            with ThreadPoolExecutor(2) as pool:
                together = threading.Barrier(2)
                runs = [pool.submit(lambda: (together.wait(10), sweeps.assign(world.machine))) for _ in range(2)]
                for run in runs:
                    run.result(30)
        elif name == "silent":
            world.clock.added += ANSWER_SECONDS
            sweeps.assign(world.machine)
        elif self.tasks:
            self.act(name, self.tasks[number % len(self.tasks)])

    def act(self, name: str, task: Task) -> None:
        world, person, deal = self.world, self.live_offer(task), self.deal(task)
        now = state(world, task)
        if name == "bid" and person is not None and now == "open":
            world.bid(task, person, 100_000)
        elif name == "decline" and person is not None and now == "open":
            world.write(lambda s: offers.decline(s, world.ctx, person.address, task.id))
        elif name == "cancel" and now in {"open", "awaiting_payment"}:
            world.write(lambda s: call_off(s, world.ctx, world.buyer.address, task.id))
        elif deal is not None and deal.live:
            agent = next(one for one in (world.agent, world.rival) if one.address == deal.agent)
            if name == "pay" and now == "awaiting_payment":
                world.place(deal, world.order(deal, ceiling(world, agent, 100_000)))
            elif name == "deliver" and now == "assigned":
                world.deliver(deal)
                world.judge(deal, accepted=True)
            elif name == "die" and now == "assigned":
                world.later(310 + world.ctx.constants.keeper_margin_seconds)
                beat(world, world.agent, world.rival)
                sweeps.keep(world.machine)
            elif name == "vanish" and now == "awaiting_payment":
                world.sql("UPDATE app.agent SET last_heartbeat = NULL WHERE address = :a", a=agent.address)
                sweeps.keep(world.machine)
                beat(world, agent)

    def check(self) -> None:
        world, ids = self.world, [task.id for task in self.tasks]
        if not ids:
            return
        twice = world.sql(
            "SELECT task_id FROM app.task_offer WHERE answer IS NULL GROUP BY task_id HAVING count(*) > 1"
        )
        assert not twice
        for agent, room in self.room.items():
            busy = world.one(
                "SELECT (SELECT count(*) FROM app.task_offer WHERE answer IS NULL AND agent = :a)"
                " + (SELECT count(*) FROM app.deal WHERE live AND agent = :a)",
                a=agent,
            )
            assert busy <= room, "an agent has more than it has room for"
        paid = world.sql(
            "SELECT d.task_id FROM app.micro_order o JOIN app.deal d ON d.id = o.deal_id"
            " WHERE o.state <> 'void' AND d.task_id = ANY(:t) GROUP BY d.task_id HAVING count(*) > 1",
            t=ids,
        )
        assert not paid, "two agents are paid for one task"
        gone = world.sql(
            "SELECT 1 FROM app.micro_order o JOIN app.deal d ON d.id = o.deal_id JOIN app.task t ON t.id = d.task_id"
            " WHERE t.state = 'open' AND o.state <> 'void' AND t.id = ANY(:t)",
            t=ids,
        )
        assert not gone, "a task is open while money is still promised for it"
        promised = world.one(
            "SELECT coalesce(sum(price_units), 0) FROM app.micro_order WHERE state IN ('reserved', 'delivered')"
        )
        assert reserved(world) == promised


@settings(
    max_examples=6, deadline=None, database=None, derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)  # fmt: skip
@given(steps=st.lists(st.tuples(st.sampled_from(STEPS), st.integers(0, 5)), min_size=12, max_size=24))
def test_whatever_agents_buyers_and_workers_do(world: World, steps: list[tuple[str, int]]) -> None:
    world.sql("UPDATE app.task_offer SET answer = 'void', answered_at = now() WHERE answer IS NULL")
    world.sql("DELETE FROM app.breaker")
    world.sql("UPDATE app.task SET state = 'cancelled' WHERE state = 'open'")
    market = Market(world)
    for name, number in [("post", 0), ("post", 0), ("post", 0), ("round", 0), *steps]:
        market.step(name, number)
        market.check()
    for task in market.tasks:
        deal = market.deal(task)
        if deal is not None and state(world, task) == "assigned":
            world.deliver(deal)
            world.judge(deal, accepted=True)
        elif state(world, task) in {"open", "awaiting_payment"}:
            world.write(lambda s, t=task: call_off(s, world.ctx, world.buyer.address, t.id))
    market.check()
