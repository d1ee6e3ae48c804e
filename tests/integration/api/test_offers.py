"""Tasks that the scheduler offers: one agent at a time, who bids, declines or is silent; two workers, one outcome."""

from __future__ import annotations

import asyncio
import re
import threading
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner
from sqlalchemy.orm import Session

from aicp.agent import Agent, Offer, Options
from aicp.agent.bidder import Bidder
from aicp.cli.main import cli
from aicp.client import AgentActions, Market
from aicp.client import Wallet as ClientWallet
from aicp.rules.primitives import checksum
from backend.auctions import ruled
from backend.db.engine import SyncDatabase, make_sync_engine
from backend.deals import lapses
from backend.deals.failover import PAYMENT_SECONDS, SILENT_SECONDS
from backend.scheduler import rounds, view
from backend.scheduler.rounds import ANSWER_SECONDS
from backend.tasks import service as tasks
from tests.fixtures.apihost import Host, Wallet, code_of, task_body

Task = dict[str, Any]
Run = Callable[[Callable[[Session], Any]], Any]
MAX = 2_500_000


@pytest.fixture(autouse=True)
def on_time(host: Host) -> Iterator[None]:
    """Give the clock back as it was, and leave no task behind that waits."""
    yield
    host.clock.added = 0
    host.sql("UPDATE app.task_offer SET answer = 'void', answered_at = now() WHERE answer IS NULL")
    host.sql("UPDATE app.task SET state = 'cancelled' WHERE state = 'open'")


@pytest.fixture(scope="module")
def run(host: Host) -> Iterator[Run]:
    """Run one transaction as a worker does."""
    db = SyncDatabase(make_sync_engine(host.database_url))
    yield db.write
    db.close()


def assign(host: Host, run: Run) -> int:
    return int(run(partial(rounds.make_round, ctx=host.ctx)))


def agent(host: Host, capability: str, name: str, **changes: Any) -> Wallet:
    wallet = host.wallet()
    wallet.register(slug=f"{capability.replace('_', '-')}-{name}", name=name, capabilities=[capability], **changes)
    beat(wallet)
    return wallet


def beat(*wallets: Wallet) -> None:
    for wallet in wallets:
        assert wallet.http.post("/agents/heartbeat", json={"takes_offers": True}).status_code == 200


def known(host: Host, wallet: Wallet, completed: int) -> None:
    """Give an agent a record on chain, so that it is no newcomer."""
    host.sql(
        "INSERT INTO chain.agent_record (agent, completed, failed, disputed, lost, settled_units, block_number,"
        " log_index, block_hash, tx_hash) VALUES (:a, :n, 0, 0, 0, 1, 1, 0, :h, :h)",
        a=wallet.address,
        n=completed,
        h=bytes(32),
    )


def instant(host: Host, buyer: Wallet, capability: str, units: int = MAX, **changes: Any) -> Task:
    """Post a task for the scheduler with the money for it in a pool, and sign the order."""
    host.fund(buyer.address, units)
    return unfunded(buyer, capability, units, **changes)


def unfunded(buyer: Wallet, capability: str, units: int = MAX, **changes: Any) -> Task:
    """Post a task for the scheduler and sign the order."""
    task = buyer.post_task(capability=capability, instant=True, buy_now_units=str(units), **changes)
    assert task["instant"]
    assert buyer.order(task, units).status_code == 200
    return task


def log(host: Host, task: Task) -> list[dict[str, Any]]:
    answer = host.client().get(f"/tasks/{task['id']}/offers")
    assert answer.status_code == 200, answer.text
    return list(answer.json())


def answers(host: Host, task: Task) -> list[tuple[str, str | None]]:
    return [(one["agent"], one["answer"]) for one in log(host, task)]


def state(host: Host, task: Task) -> str:
    return str(host.client().get(f"/tasks/{task['id']}").json()["state"])


def bid(wallet: Wallet, task: Task, units: int = MAX, **changes: Any) -> httpx.Response:
    return wallet.http.post(f"/tasks/{task['id']}/bids", json=wallet.bid_body(task, amount_units=str(units), **changes))


def decline(wallet: Wallet, task: Task) -> httpx.Response:
    return wallet.http.post(f"/tasks/{task['id']}/offer/decline")


def failures(host: Host, wallet: Wallet) -> int:
    rows = host.sql("SELECT failures FROM app.breaker WHERE agent = :a", a=wallet.address)
    return int(rows[0][0]) if rows else 0


def lapse(host: Host, run: Run, task: Task) -> bool:
    deal = uuid.UUID(host.client().get(f"/tasks/{task['id']}").json()["deal_id"])
    return bool(run(partial(lapses.expire_waiting, ctx=host.ctx, deal_id=deal)))


def assert_verified(host: Host, task: Task) -> str:
    told = CliRunner().invoke(cli, ["award", "verify", task["id"], "--url", host.url])
    assert told.exit_code == 0, told.output
    return told.output


def two(host: Host, capability: str) -> tuple[Wallet, Wallet]:
    """Return two agents in the order in which the rule asks them: equal points, the lower address first."""
    made = [agent(host, capability, name) for name in ("one", "two")]
    first, second = sorted(made, key=lambda wallet: wallet.address)
    return first, second


# -- one agent at a time -----------------------------------------------------------------------------------------------


def test_only_the_agent_that_is_asked_may_take_it_and_its_bid_wins_at_once(host: Host, run: Run) -> None:
    buyer, (first, second) = host.wallet(), two(host, "poetry")
    task = instant(host, buyer, "poetry")
    assert code_of(bid(first, task)) == (409, "not_offered")
    assert assign(host, run) == 1
    assert assign(host, run) == 0, "nobody else is asked meanwhile"
    [offer] = log(host, task)
    assert (offer["agent"], offer["answer"], offer["why"]) == (checksum(first.address), None, "best")
    [refused] = offer["refused"]
    assert {offer["agent_name"], refused.pop("agent_name")} == {"one", "two"}
    assert refused == {"agent": checksum(second.address), "why": "fewer_points", "points_bps": offer["points_bps"]}
    assert [one["task_id"] for one in first.http.get("/scheduler/offers").json()] == [task["id"]]
    assert second.http.get("/scheduler/offers").json() == []
    [told] = [one for one in first.http.get("/notifications").json()["items"] if one["kind"] == "offered"]
    assert (told["task_id"], told["facts"]["seconds"]) == (task["id"], str(ANSWER_SECONDS))
    waits = host.client().get("/scheduler/status").json()["waiting"]
    assert [(one["instant"], one["offered"]) for one in waits if one["task_id"] == task["id"]] == [(True, True)]
    assert code_of(bid(second, task)) == (409, "not_offered")
    assert code_of(decline(second, task)) == (409, "not_offered")
    assert code_of(bid(first, task, MAX + 1)) == (400, "bid_refused")
    assert code_of(buyer.award(task)) == (409, "given_by_scheduler")
    taken = bid(first, task, MAX - 1)
    assert taken.status_code == 200, taken.text
    award = host.client().get(f"/tasks/{task['id']}/award").json()
    assert (award["bid_hash"], award["decided_by"]) == (taken.json()["bid_hash"], "order")
    assert state(host, task) == "awaiting_payment"
    [offer] = log(host, task)
    assert (offer["answer"], offer["bid_hash"]) == ("bid", taken.json()["bid_hash"])
    assert code_of(bid(second, task)) == (409, "auction_closed")


def test_who_declines_or_is_silent_makes_room_for_the_next(host: Host, run: Run) -> None:
    buyer, (first, second) = host.wallet(), two(host, "painting")
    task = instant(host, buyer, "painting")
    assign(host, run)
    said = decline(first, task)
    assert (said.status_code, said.json()["answer"]) == (200, "declined")
    assert decline(first, task).json() == said.json()
    assert assign(host, run) == 1, host.client().get("/scheduler/status").json()["waiting"]
    assert answers(host, task) == [(checksum(first.address), "declined"), (checksum(second.address), None)]
    assert code_of(bid(first, task)) == (409, "not_offered")
    host.clock.added = 5
    beat(second)
    host.clock.added = ANSWER_SECONDS
    assert code_of(bid(second, task)) == (409, "not_offered"), "too late"
    assert assign(host, run) == 1
    assert [answer for _, answer in answers(host, task)] == ["declined", "silent"]
    assert (failures(host, first), failures(host, second)) == (0, 1)
    [waits] = [one for one in host.client().get("/scheduler/status").json()["waiting"] if one["task_id"] == task["id"]]
    assert (waits["why"], waits["agent"], waits["offered"]) == ("tried", None, False)
    # a third one that comes later is asked
    third = agent(host, "painting", "three")
    assign(host, run)
    assert answers(host, task)[-1] == (checksum(third.address), None)
    # nobody is found while the order is valid: then the task is over, not before
    host.clock.added = 3_000
    assign(host, run)
    run(lambda s: tasks.expire_due(s, host.ctx))
    assert state(host, task) == "open"
    host.clock.added = 3_601
    run(lambda s: tasks.expire_due(s, host.ctx))
    assert state(host, task) == "expired"
    moves = host.client().get(f"/tasks/{task['id']}/history").json()
    assert moves[-1]["reason"] == "nobody has taken it in time"


def test_the_silence_of_who_was_not_heard_of_at_all_is_not_held_against_it(host: Host, run: Run) -> None:
    only = agent(host, "listening", "one")
    task = instant(host, host.wallet(), "listening")
    assign(host, run)
    host.clock.added = ANSWER_SECONDS
    assign(host, run)
    assert answers(host, task) == [(checksum(only.address), "silent")]
    assert failures(host, only) == 0


def test_what_cannot_be_offered_is_refused_when_it_is_posted(host: Host) -> None:
    buyer = host.wallet()
    weights = {"price": 10_000, "reputation": 0, "time": 0, "specialty": 0}
    for wrong in (
        {},
        {"buy_now_units": str(MAX), "award_weights": weights},
        {"buy_now_units": str(MAX), "reveal_seconds": 60},
        {"buy_now_units": str(MAX), "extension": {"window_seconds": 10, "most_seconds": 60}},
    ):
        body = task_body(instant=True, **wrong)
        assert code_of(buyer.http.post("/tasks/submit", json=body)) == (422, "invalid_input")


def test_an_order_does_not_last_for_ever(host: Host) -> None:
    """Else tasks that nobody takes would be looked at in every round, before all that were posted later."""
    buyer = host.wallet()
    task = buyer.post_task(capability="gilding", instant=True, buy_now_units=str(MAX))
    assert code_of(buyer.order(task, MAX, lifetime=31 * 86_400)) == (422, "invalid_input")
    assert buyer.order(task, MAX, lifetime=7 * 86_400).status_code == 200


def test_a_task_taken_back_frees_the_agent_that_was_asked(host: Host, run: Run) -> None:
    buyer, only = host.wallet(), agent(host, "dancing", "only", capacity=1)
    task, other = instant(host, buyer, "dancing"), instant(host, buyer, "dancing")
    assert assign(host, run) == 1, "it has room for one"
    assert buyer.http.post(f"/tasks/{task['id']}/cancel").status_code == 200
    assert code_of(bid(only, task)) == (409, "auction_closed")
    assert assign(host, run) == 2
    assert answers(host, task) == [(checksum(only.address), "void")]
    assert answers(host, other) == [(checksum(only.address), None)]


# -- deals nobody has paid ---------------------------------------------------------------------------------------------


def test_an_agent_that_does_not_accept_is_followed_by_the_next(host: Host, run: Run) -> None:
    buyer, (first, second) = host.wallet(), two(host, "carving")
    task = instant(host, buyer, "carving", 20_000_000)
    assign(host, run)
    assert bid(first, task, 20_000_000, valid_until=host.clock() + 3_000).status_code == 200
    assert state(host, task) == "awaiting_acceptance"
    before = host.client().get(f"/tasks/{task['id']}").json()["deal_id"]
    assert not lapse(host, run, task)
    host.clock.added = 62
    assert lapse(host, run, task)
    assert (state(host, task), failures(host, first)) == ("open", 1)
    beat(first, second)
    assign(host, run)
    assert answers(host, task) == [(checksum(first.address), "bid"), (checksum(second.address), None)]
    assert bid(second, task, 19_000_000).status_code == 200
    assert "believed      whom the scheduler asked: it passes over suspended agents" in assert_verified(host, task)
    after = host.client().get(f"/tasks/{task['id']}").json()["deal_id"]
    assert after != before
    mine = first.http.get(f"/deals/{before}").json()
    assert (mine["live"], mine["ended_reason"], mine["actions"]) == (False, "the agent did not accept in time", [])
    [listed] = [row for row in first.http.get("/deals").json()["items"] if row["id"] == before]
    assert (listed["live"], listed["current"], mine["current"]) == (False, False, False), (
        "the task's state is another's"
    )
    shown = CliRunner().invoke(cli, ["deal", "show", before, "--url", host.url, "--key", "0x" + first.key.hex()])
    assert "ended" in shown.output, shown.output


def test_a_buyer_who_does_not_pay_is_not_asked_by_agent_after_agent(host: Host, run: Run) -> None:
    buyer, (first, _) = host.wallet(), two(host, "weaving")
    task = instant(host, buyer, "weaving")
    assign(host, run)
    bid(first, task, valid_until=host.clock() + 310)
    host.clock.added = 312
    beat(first)
    assert lapse(host, run, task)
    assert (state(host, task), failures(host, first)) == ("expired", 0)


def test_a_buyer_keeps_no_agent_waiting_for_longer_than_a_quarter_of_an_hour(host: Host, run: Run) -> None:
    """Else tasks nobody pays take all agents' room, for nothing."""
    buyer, (first, second) = host.wallet(), two(host, "crocheting")
    task = instant(host, buyer, "crocheting")
    assign(host, run)
    bid(first, task, valid_until=host.clock() + 3_600)
    for seconds, ends in ((PAYMENT_SECONDS - 5, False), (PAYMENT_SECONDS + 5, True)):
        host.clock.added = seconds
        beat(first, second)
        assert lapse(host, run, task) is ends
    assert (state(host, task), failures(host, first)) == ("expired", 0)


def test_an_agent_that_falls_silent_before_it_is_paid_is_not_waited_for(host: Host, run: Run) -> None:
    buyer, (first, second) = host.wallet(), two(host, "milling")
    task = instant(host, buyer, "milling")
    assign(host, run)
    bid(first, task)
    host.clock.added = SILENT_SECONDS - 5
    beat(second)
    assert not lapse(host, run, task)
    host.clock.added = SILENT_SECONDS + 5
    beat(second)
    assert lapse(host, run, task)
    assert failures(host, first) == 1
    assign(host, run)
    assert answers(host, task)[-1] == (checksum(second.address), None)


def test_a_bid_that_runs_out_before_the_buyer_can_order_is_not_taken(host: Host, run: Run) -> None:
    """Else whoever is asked ends a stranger's task: two seconds later "the buyer did not order in time"."""
    buyer, (first, second) = host.wallet(), two(host, "plumbing")
    task = instant(host, buyer, "plumbing")
    assign(host, run)
    assert code_of(bid(first, task, valid_until=host.clock() + 5)) == (400, "bid_refused")
    host.clock.added = ANSWER_SECONDS
    assign(host, run)
    assert answers(host, task) == [(checksum(first.address), "silent"), (checksum(second.address), None)]


def test_an_agent_that_bids_and_never_accepts_comes_to_rest(host: Host, run: Run) -> None:
    buyer, only = host.wallet(), agent(host, "roofing", "only")
    for number in range(5):
        task = instant(host, buyer, "roofing", 20_000_000)
        assign(host, run)
        assert bid(only, task, 20_000_000, valid_until=host.clock() + 3_000).status_code == 200
        host.clock.added += 62
        assert lapse(host, run, task)
        assert buyer.http.post(f"/tasks/{task['id']}/cancel").status_code == 200
        beat(only)
        assert failures(host, only) == number + 1
    assert host.sql("SELECT state FROM app.breaker WHERE agent = :a", a=only.address)[0][0] == "open"


def test_neither_the_buyer_nor_the_verifier_is_asked(host: Host, run: Run) -> None:
    mine, other, third = (agent(host, "masonry", name) for name in ("mine", "other", "third"))
    task = instant(host, mine, "masonry", escrow_only=True, verifier=checksum(other.address))
    assign(host, run)
    assert answers(host, task) == [(checksum(third.address), None)]
    assert [one["agent"] for one in log(host, task)[0]["refused"]] == []


def test_agents_that_only_beat_faster_do_not_crowd_others_out(
    host: Host, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    buyer, there = host.wallet(), agent(host, "tiling", "there")
    host.clock.added = 5
    agent(host, "tiling", "crowd")
    agent(host, "tiling", "crowd-too")
    host.sql("UPDATE app.agent SET registered_at = '2020-01-01' WHERE address = :a", a=there.address)
    task = instant(host, buyer, "tiling")
    monkeypatch.setattr(view, "MOST_AGENTS", 1)
    assign(host, run)
    assert answers(host, task) == [(checksum(there.address), None)]


@pytest.mark.parametrize("limit", ["MOST_AGENTS", "MOST_ASKABLE"])
def test_a_crowd_that_does_other_work_hides_nobody(
    host: Host, run: Run, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    buyer = host.wallet()
    for name in ("one", "two", "three"):
        host.sql("UPDATE app.agent SET registered_at = '2020-01-01' WHERE address = :a",
                 a=agent(host, f"{limit.lower()}_idling", name).address)  # fmt: skip
    there = agent(host, f"{limit.lower()}_thatching", "there")
    crowds, rare = instant(host, buyer, f"{limit.lower()}_idling"), instant(host, buyer, f"{limit.lower()}_thatching")
    monkeypatch.setattr(view, limit, 2)
    assert assign(host, run) == 2
    assert answers(host, rare) == [(checksum(there.address), None)]
    assert len(answers(host, crowds)) == 1


def test_a_silent_agent_is_waited_for_while_there_is_no_other(host: Host, run: Run) -> None:
    buyer, (first, second) = host.wallet(), two(host, "paving")
    task = instant(host, buyer, "paving")
    assign(host, run)
    bid(first, task)
    host.clock.added = SILENT_SECONDS + 5
    assert not lapse(host, run, task), "nobody was heard: it may be us who do not hear"
    assert failures(host, first) == 0
    beat(second)
    assert lapse(host, run, task)


# -- two workers -------------------------------------------------------------------------------------------------------


def test_two_rounds_at_once_make_one_offer_a_task_and_fill_nobody_beyond_its_room(host: Host, run: Run) -> None:
    buyer = host.wallet()
    small, large = agent(host, "baking", "small", capacity=1), agent(host, "baking", "large", capacity=2)
    waiting = [instant(host, buyer, "baking") for _ in range(5)]
    begun, go = threading.Event(), threading.Event()

    def slow(session: Session) -> int:
        made = rounds.make_round(session, host.ctx)
        begun.set()
        assert go.wait(20)
        return made

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(run, slow)
        assert begun.wait(20)
        second = pool.submit(assign, host, run)
        assert not second.done()
        go.set()
        assert (first.result(20), second.result(20)) == (3, 0)
    asked = [one for task in waiting for one in log(host, task)]
    assert len({one["task_id"] for one in asked}) == len(asked) == 3
    told = [one["agent"] for one in asked]
    assert (told.count(checksum(small.address)), told.count(checksum(large.address))) == (1, 2)


def test_a_bid_that_comes_while_a_round_is_made_counts_once(host: Host, run: Run) -> None:
    buyer, only = host.wallet(), agent(host, "brewing", "only", capacity=1)
    first, _ = instant(host, buyer, "brewing"), instant(host, buyer, "brewing")
    assign(host, run)
    with ThreadPoolExecutor(2) as pool:
        taken = pool.submit(bid, only, first)
        for _ in range(5):
            assert assign(host, run) == 0
        assert taken.result(20).status_code == 200
    assert assign(host, run) == 0


def test_a_bid_within_the_buy_now_price_does_not_run_out_at_once(host: Host) -> None:
    """Else it wins for a moment, again and again, and keeps out who would do the work."""
    buyer, one = host.wallet(), agent(host, "knitting", "one")
    task = buyer.post_task(capability="knitting", buy_now_units=str(MAX))
    assert buyer.order(task, MAX).status_code == 200
    assert code_of(bid(one, task, valid_until=host.clock() + 1)) == (400, "bid_refused")
    assert bid(one, task, MAX + 1, valid_until=host.clock() + 60).status_code == 200
    assert bid(one, task, MAX).status_code == 200
    assert state(host, task) == "awaiting_payment"


# -- newcomers and suspensions -----------------------------------------------------------------------------------------


def test_what_newcomers_are_owed_is_kept_from_round_to_round(host: Host, run: Run) -> None:
    host.sql("UPDATE app.newcomer_credit SET credit = 0")
    buyer, (old, new) = host.wallet(), two(host, "smithing")
    known(host, old, 10)
    chosen = []
    for _ in range(10):
        task = instant(host, buyer, "smithing")
        assign(host, run)
        [offer] = log(host, task)
        chosen.append((offer["agent"], offer["why"]))
        assert buyer.http.post(f"/tasks/{task['id']}/cancel").status_code == 200
    newcomer = (checksum(new.address), "newcomer")
    assert chosen.count(newcomer) == 1, "a tenth, a round each"
    assert host.sql("SELECT credit FROM app.newcomer_credit")[0][0] == 0


def suspend(host: Host, wallet: Wallet) -> None:
    host.sql(
        "INSERT INTO app.agent_suspension (id, agent, reason, operator, since) VALUES (:i, :a, 'it copies', :a, now())",
        i=uuid.uuid4(),
        a=wallet.address,
    )


def test_a_suspended_agent_is_never_asked_and_its_offer_ends(host: Host, run: Run) -> None:
    buyer, (first, second) = host.wallet(), two(host, "tanning")
    task = instant(host, buyer, "tanning")
    assign(host, run)
    suspend(host, first)
    assert code_of(bid(first, task)) == (403, "agent_suspended")
    assert assign(host, run) == 2
    assert answers(host, task) == [(checksum(first.address), "void"), (checksum(second.address), None)]
    assert failures(host, first) == 0


def noticed(wallet: Wallet) -> list[str]:
    """Return what an agent was told of its bids, oldest first."""
    rows = wallet.host.sql("SELECT kind FROM app.notification WHERE account = :a ORDER BY id", a=wallet.address)
    return [row[0] for row in rows]


def test_the_open_bid_of_a_suspended_agent_is_not_awarded(host: Host) -> None:
    buyer, gone, other = host.wallet(), agent(host, "sewing", "gone"), agent(host, "sewing", "other")
    task = buyer.post_task(capability="sewing", buy_now_units=str(MAX))
    cheap, dear = gone.bid(task, amount_units=str(MAX)), other.bid(task, amount_units=str(MAX + 1))
    suspend(host, gone)
    assert code_of(buyer.award(task, cheap)) == (409, "bidder_suspended")
    assert buyer.order(task, MAX).status_code == 200
    assert state(host, task) == "open", "nor does an order take it"
    assert [one["bid_hash"] for one in host.client().get(f"/tasks/{task['id']}/awards").json()] == [cheap["bid_hash"]]
    assert noticed(other) == []
    assert buyer.award(task, dear).status_code == 200
    assert noticed(other) == ["awarded"]


def test_the_rule_passes_over_a_suspended_agent_and_anybody_can_check_it(host: Host, run: Run) -> None:
    buyer, gone, other = host.wallet(), agent(host, "glazing", "gone"), agent(host, "glazing", "other")
    last = agent(host, "glazing", "last")
    weights = {"price": 10_000, "reputation": 0, "time": 0, "specialty": 0}
    task = buyer.post_task(capability="glazing", award_weights=weights, auction_seconds=60)
    best, next_best = gone.bid(task, amount_units="1000000"), other.bid(task, amount_units="2000000")
    last.bid(task, amount_units="3000000")
    suspend(host, gone)
    host.clock.added = 61
    assert uuid.UUID(task["id"]) in run(lambda s: ruled.due_by_rule(s, host.ctx))
    assert run(partial(ruled.award_due, ctx=host.ctx, task_id=uuid.UUID(task["id"])))
    awards = host.client().get(f"/tasks/{task['id']}/awards").json()
    assert [one["bid_hash"] for one in awards] == [best["bid_hash"], next_best["bid_hash"]]
    record = host.client().get(f"/tasks/{task['id']}/award/record").json()["record"]
    assert [reason for _, reason in record["excluded"]] == ["lapsed"]
    assert_verified(host, task)
    assert noticed(other)[0] == "awarded", "and not that it has lost"
    assert noticed(last) == ["not_awarded"]
    [row] = host.sql("SELECT facts FROM app.notification WHERE account = :a", a=last.address)
    assert row[0]["price_units"] == "2000000"


# -- the client --------------------------------------------------------------------------------------------------------


def command(host: Host, wallet: Wallet, *words: str) -> str:
    signed = () if "show" in words else ("--key", "0x" + wallet.key.hex())
    said = CliRunner().invoke(cli, [*words, "--url", host.url, *signed])
    assert said.exit_code == 0, said.output
    return said.output


def test_a_buyer_signs_for_it_and_agents_answer_by_themselves(host: Host, run: Run, tmp_path: Path) -> None:
    buyer, (first, second) = host.wallet(), two(host, "etching")
    host.fund(buyer.address, MAX)
    words = ("task", "post", "Etch a plate", "--instant", "--max", "2.50", "--capability", "etching", "--award", "none")
    said = command(host, buyer, *words)
    task = {"id": re.findall(r"[0-9a-f-]{36}", said)[0]}
    assign(host, run)
    assert "Etch a plate" in command(host, first, "agent", "offers")

    def answer(wallet: Wallet, offer: Offer | None, **changes: Any) -> None:
        async def play() -> None:
            place = tmp_path / wallet.address.hex()
            async with Market(host.url, ClientWallet(wallet.key), store=place) as market:
                made = Agent("Etcher", ["etching"])
                made.on("quote")(lambda _: offer)
                made.on("work")(lambda _: pytest.fail("nothing is paid"))
                bidder = Bidder(made, AgentActions(market), Options(**changes), lambda: 0)
                await bidder.decide(uuid.UUID(task["id"]))

        asyncio.run(play())

    price = Offer(price_units=2_000_000, eta_seconds=60)
    answer(second, price)
    assert answers(host, task) == [(checksum(first.address), None)], "who is not asked does not bid"
    answer(first, Offer(price_units=2_500_001, eta_seconds=60))
    assign(host, run)
    answer(second, price, take_offers=False)
    third, fourth = agent(host, "etching", "three"), agent(host, "etching", "four")
    assign(host, run)
    asked, other = (third, fourth) if third.address < fourth.address else (fourth, third)
    assert "the next agent is asked" in command(host, asked, "agent", "decline", task["id"])
    assign(host, run)
    answer(other, price)
    told = [answer for _, answer in answers(host, task)]
    assert (told, state(host, task)) == (["declined", "declined", "declined", "bid"], "awaiting_payment")
    shown = command(host, buyer, "task", "show", task["id"])
    assert "by the scheduler, for at most 2.50 USDC" in shown
    assert shown.count("declined") == 3
