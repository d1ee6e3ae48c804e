"""Buyers who leave the choice to the scheduler: who has no money or does not pay holds no agent's room for others."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest
from sqlalchemy import event, select
from sqlalchemy.orm import Session

from aicp.rules.route import choose_path, micro_duration
from backend.db.engine import SyncDatabase, make_sync_engine
from backend.deals import lapses
from backend.deals.failover import PAYMENT_SECONDS
from backend.scheduler import rounds, view
from backend.scheduler.buyer_repo import pooled
from backend.tasks.models import Task as TaskRow
from tests.fixtures.apihost import Host, Wallet

Task = dict[str, Any]
MAX = 2_000_000


@pytest.fixture(autouse=True)
def on_time(host: Host) -> Iterator[None]:
    """Give the clock back as it was, and leave nothing behind that waits or keeps an agent busy."""
    yield
    host.clock.added = 0
    host.sql("UPDATE app.task_offer SET answer = 'void', answered_at = now() WHERE answer IS NULL")
    host.sql("UPDATE app.deal SET live = false")
    host.sql("UPDATE app.task SET state = 'cancelled' WHERE state IN ('open', 'awaiting_payment')")


@pytest.fixture(scope="module")
def db(host: Host) -> Iterator[SyncDatabase]:
    """The database as a worker has it."""
    made = SyncDatabase(make_sync_engine(host.database_url))
    yield made
    made.close()


@pytest.fixture(scope="module")
def make_round(host: Host, db: SyncDatabase) -> Callable[[], int]:
    return lambda: int(db.write(partial(rounds.make_round, ctx=host.ctx)))


_NUMBERS = itertools.count()


def agent(host: Host, capability: str, **changes: Any) -> Wallet:
    wallet = host.wallet()
    slug = f"{capability.replace('_', '-')}-{next(_NUMBERS)}"
    wallet.register(slug=slug, name=slug, capabilities=[capability], **changes)
    beat(wallet)
    return wallet


def beat(wallet: Wallet) -> None:
    assert wallet.http.post("/agents/heartbeat", json={"takes_offers": True}).status_code == 200


def instant(buyer: Wallet, capability: str, units: int = MAX, **changes: Any) -> Task:
    task = buyer.post_task(capability=capability, instant=True, buy_now_units=str(units), **changes)
    assert buyer.order(task, units, lifetime=86_400).status_code == 200
    return task


def asked(host: Host, *tasks: Task) -> list[bool]:
    offers = [host.client().get(f"/tasks/{task['id']}/offers").json() for task in tasks]
    return [any(one["answer"] is None for one in log) for log in offers]


def waits(host: Host, task: Task) -> str | None:
    """Return why a task waits for its buyer, as its page says; the status says the same."""
    said = host.client().get(f"/tasks/{task['id']}").json()["waits_for"]
    listed = host.client().get("/scheduler/status").json()["waiting"]
    [why] = [one["why"] for one in listed if one["task_id"] == task["id"]] or [None]
    if said is not None:
        assert why == said
    return None if said is None else str(said)


def bid(wallet: Wallet, task: Task, units: int = MAX) -> None:
    answer = wallet.http.post(f"/tasks/{task['id']}/bids", json=wallet.bid_body(task, amount_units=str(units)))
    assert answer.status_code == 200, answer.text


def paid(host: Host, task: Task) -> None:
    """Let a deal be paid; how that comes about is shown where there is a chain."""
    host.sql("UPDATE app.task SET state = 'assigned' WHERE id = :t", t=uuid.UUID(task["id"]))


def test_nobody_is_asked_for_a_buyer_whose_pool_does_not_cover_it(host: Host, make_round: Callable[[], int]) -> None:
    agent(host, "haymaking")
    buyer = host.wallet()
    task = instant(buyer, "haymaking")
    assert (make_round(), waits(host, task)) == (0, "pool_short")
    host.fund(host.wallet().address, MAX)
    host.fund(buyer.address, MAX - 1)
    assert (make_round(), waits(host, task)) == (0, "pool_short"), "another's, and too little"
    host.fund(buyer.address, MAX)
    assert waits(host, task) is None
    assert (make_round(), asked(host, task)) == (1, [True])
    assert waits(host, task) is None


def test_what_waits_for_payment_is_not_promised_twice(host: Host, make_round: Callable[[], int]) -> None:
    only, buyer = agent(host, "mowing"), host.wallet()
    host.fund(buyer.address, 2 * MAX)
    tasks = [instant(buyer, "mowing") for _ in range(3)]
    assert (make_round(), asked(host, *tasks)) == (2, [True, True, False])
    assert waits(host, tasks[2]) == "pool_short"
    bid(only, tasks[0], 500_000)
    bid(only, tasks[1], 1_500_000)
    assert waits(host, tasks[2]) is None, "what the agents ask counts, not the maximum"
    assert (make_round(), asked(host, tasks[2])) == (1, [True])


def test_escrow_is_paid_from_the_wallet_and_needs_no_pool(host: Host, make_round: Callable[[], int]) -> None:
    agent(host, "thatching")
    buyer = host.wallet()
    tasks = [instant(buyer, "thatching", 20_000_000), instant(buyer, "thatching", escrow_only=True)]
    assert (make_round(), asked(host, *tasks)) == (2, [True, True])


def test_money_on_its_way_out_pays_nothing(host: Host, make_round: Callable[[], int]) -> None:
    agent(host, "raking")
    buyer = host.wallet()
    pool = host.fund(buyer.address, MAX)
    host.sql("UPDATE chain.pool SET withdraw_units = 1 WHERE pool_id = :p", p=pool)
    task = instant(buyer, "raking")
    assert (make_round(), waits(host, task)) == (0, "pool_short")


def test_a_buyer_has_so_many_places_and_a_paid_deal_frees_one(host: Host, make_round: Callable[[], int]) -> None:
    only, buyer, other = agent(host, "hedging", capacity=10), host.wallet(), host.wallet()
    host.fund(buyer.address, 10 * MAX)
    host.fund(other.address, MAX)
    tasks = [instant(buyer, "hedging") for _ in range(6)]
    assert host.client().get("/scheduler/status").json()["buyer_places"] == 5
    assert (make_round(), asked(host, *tasks)) == (5, [True] * 5 + [False])
    assert waits(host, tasks[5]) == "buyer_full"
    for task in tasks[:5]:
        bid(only, task)
    assert (make_round(), waits(host, tasks[5])) == (0, "buyer_full")
    theirs = instant(other, "hedging")
    assert (make_round(), asked(host, theirs)) == (1, [True]), "nobody else waits for it"
    paid(host, tasks[0])
    assert waits(host, tasks[5]) is None
    assert (make_round(), asked(host, tasks[5])) == (1, [True])


def test_deals_left_unpaid_cost_places_for_a_day(host: Host, db: SyncDatabase, make_round: Callable[[], int]) -> None:
    only, buyer = agent(host, "ditching", capacity=10), host.wallet()
    host.fund(buyer.address, 10 * MAX)
    tasks = [instant(buyer, "ditching") for _ in range(5)]
    make_round()
    for task in tasks:
        bid(only, task)
    assert buyer.http.post(f"/tasks/{tasks[0]['id']}/cancel").status_code == 200, "taken back from its agent"
    never_taken = instant(buyer, "unheard_of")
    assert buyer.http.post(f"/tasks/{never_taken['id']}/cancel").status_code == 200
    host.clock.added = PAYMENT_SECONDS + 1
    for task in tasks[1:3]:
        deal = uuid.UUID(host.client().get(f"/tasks/{task['id']}").json()["deal_id"])
        assert db.write(partial(lapses.expire_waiting, ctx=host.ctx, deal_id=deal))
    beat(only)
    again = instant(buyer, "ditching")
    assert (make_round(), waits(host, again)) == (0, "left_unpaid"), "two deals, of two places"
    paid(host, tasks[3])
    assert (make_round(), asked(host, again)) == (1, [True])
    bid(only, again)
    last = instant(buyer, "ditching")
    assert (make_round(), waits(host, last)) == (0, "left_unpaid")
    host.clock.added = 86_401
    only.sign_in()
    beat(only)
    assert (make_round(), asked(host, last)) == (1, [True]), "the first is a day ago"


# -- what a round looks at ---------------------------------------------------------------------------------------------


def test_who_posts_many_hides_nobodys(
    host: Host, make_round: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rounds, "MOST_TASKS", 4)
    monkeypatch.setattr(rounds, "MOST_OF_ONE", 2)
    agent(host, "coopering", capacity=1, price_floor_units="1000000")
    crowd, poor, buyer = host.wallet(), host.wallet(), host.wallet()
    host.fund(crowd.address, 10 * MAX)
    host.fund(buyer.address, 10 * MAX)
    for number in range(4):
        agent(host, f"coopering_{number}", capacity=1)
        instant(crowd, f"coopering_{number}")
        instant(poor, "coopering", urgency="1.5")
        instant(crowd, "unheard_of", urgency="1.5")
        instant(crowd, "coopering", 999_999, urgency="1.5")
    mine = instant(buyer, "coopering", urgency="1.5")
    assert (make_round(), asked(host, mine)) == (4, [True]), "three of the crowd's, and what could be given to nobody"


def test_tasks_nobody_is_left_for_do_not_hide_their_buyers_others(
    host: Host, make_round: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rounds, "MOST_OF_ONE", 1)
    only, buyer = agent(host, "turnery"), host.wallet()
    host.fund(buyer.address, 10 * MAX)
    first = instant(buyer, "turnery", urgency="1.5")
    make_round()
    assert only.http.post(f"/tasks/{first['id']}/offer/decline").status_code == 200
    second = instant(buyer, "turnery")
    assert (make_round(), asked(host, first, second)) == (1, [False, True])


def test_what_is_held_by_another_is_not_offered_and_its_room_goes_to_the_next(
    host: Host, make_round: Callable[[], int]
) -> None:
    agent(host, "joinery", capacity=1)
    buyer = host.wallet()
    host.fund(buyer.address, 10 * MAX)
    first, second = instant(buyer, "joinery", urgency="1.5"), instant(buyer, "joinery")
    with ThreadPoolExecutor(1) as pool, host.transaction() as connection:
        connection.exec_driver_sql(f"SELECT 1 FROM app.task WHERE id = '{first['id']}' FOR UPDATE")
        assert pool.submit(make_round).result(20) == 1
    assert asked(host, first, second) == [False, True]


@contextmanager
def read_by(db: SyncDatabase) -> Iterator[dict[str, int]]:
    """Note every statement and how many rows it gave."""
    found: dict[str, int] = {}

    def note(_: Any, cursor: Any, statement: str, *__: Any) -> None:
        found[statement] = cursor.rowcount

    event.listen(db.engine, "after_cursor_execute", note)
    yield found
    event.remove(db.engine, "after_cursor_execute", note)


def test_no_document_is_read_and_only_what_could_be_given(
    host: Host, db: SyncDatabase, make_round: Callable[[], int]
) -> None:
    agent(host, "printing")
    buyer = host.wallet()
    host.fund(buyer.address, 100 * MAX)
    task = uuid.UUID(instant(buyer, "printing", description="x" * 20_000)["id"])
    columns = "buyer, document, title, capability, budget_units, escrow_only, deliver_within_seconds, auction_ends_at"
    rest = "state, state_since, created_at, instant, urgency"
    host.sql(
        f"INSERT INTO app.task (id, task_hash, {columns}, {rest})"
        f" SELECT gen_random_uuid(), sha256(n::text::bytea), {columns}, {rest}"
        " FROM app.task, generate_series(1, 300) n WHERE id = :t",
        t=task,
    )
    host.sql(
        "INSERT INTO app.task_order (order_hash, task_id, max_units, valid_until, salt, signature, created_at)"
        " SELECT t.task_hash, t.id, o.max_units, o.valid_until, o.salt, o.signature, o.created_at"
        " FROM app.task t, app.task_order o WHERE o.task_id = :t AND t.id <> :t AND t.capability = 'printing'",
        t=task,
    )
    with read_by(db) as found:
        assert make_round() == 5
        db.read(lambda session: view.status(session, host.ctx))
    assert not [one for one in found if "document" in one]
    assert max(rows for statement, rows in found.items() if "app.task_order" in statement) <= view.MOST_WAITING
    [queue] = [rows for statement, rows in found.items() if "row_number" in statement and "task_order" in statement]
    assert queue == rounds.MOST_OF_ONE


def test_what_a_pool_pays_is_the_same_to_the_database_as_to_the_rule(host: Host, db: SyncDatabase) -> None:
    buyer, constants = host.wallet(), host.ctx.constants
    most = constants.max_micro_seconds - constants.evaluation_seconds
    cases = [
        (units, alone, within)
        for units in (1, constants.threshold_units - 1, constants.threshold_units)
        for alone in (False, True)
        for within in (most, most + 1)
    ]
    made = {
        uuid.UUID(buyer.post_task(deliver_within_seconds=within, escrow_only=alone)["id"]): (units, alone, within)
        for units, alone, within in cases
    }

    def by_database(session: Session, task_id: uuid.UUID, units: int) -> bool:
        return bool(session.execute(select(pooled(units, constants)).where(TaskRow.id == task_id)).scalar_one())

    for task_id, (units, alone, within) in made.items():
        path = choose_path(
            units, task_escrow_only=alone, bid_escrow_only=False, duration_seconds=micro_duration(within, constants),
            constants=constants,
        )  # fmt: skip
        assert db.read(partial(by_database, task_id=task_id, units=units)) is (path == "channel")
