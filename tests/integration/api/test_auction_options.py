"""Auctions as their tasks fix them: awards by the rule, sealed bids, buy-now, extension; each provable afterwards."""

from __future__ import annotations

import asyncio
import datetime as dt
import secrets
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from sqlalchemy.orm import Session

from aicp.abi.signing import recover
from aicp.abi.typed_data import AwardInputs, BidReceipt, BidWithdrawal
from aicp.cli.main import cli
from aicp.client import AgentActions, BuyerActions, Market
from aicp.client import Wallet as ClientWallet
from aicp.rules.auctions import AuctionOptions, options_of
from aicp.rules.awarding import DEFAULT_WEIGHTS, follows, inputs_hash
from aicp.rules.bids import bids_root
from aicp.rules.primitives import parse_bytes, parse_hash
from backend.auctions import orders, ruled, sealed
from backend.db.engine import SyncDatabase, make_sync_engine
from backend.deals import repo as deals
from backend.deals.service import back_to_bids
from backend.tasks import service as tasks
from tests.fixtures.apihost import Host, Wallet, code_of, new_uuid7, task_body

WEIGHTS = {"price": 7_000, "reputation": 1_000, "time": 2_000, "specialty": 0}
Task = dict[str, Any]
Run = Callable[[Callable[[Session], Any]], Any]


@pytest.fixture(autouse=True)
def on_time(host: Host) -> Iterator[None]:
    """Give the clock back as it was."""
    yield
    host.clock.added = 0


@pytest.fixture(scope="module")
def run(host: Host) -> Iterator[Run]:
    """Run one transaction as a worker does."""
    db = SyncDatabase(make_sync_engine(host.database_url))
    yield db.write
    db.close()


def sweep(host: Host, run: Run) -> None:
    """Let the clocks of auctions run, each in a transaction of its own."""
    run(lambda s: tasks.expire_due(s, host.ctx))
    for task_id in run(lambda s: sealed.due_reveals(s, host.ctx)):
        run(partial(sealed.begin_reveal, ctx=host.ctx, task_id=task_id))
    for task_id in run(lambda s: orders.due_by_order(s, host.ctx)):
        run(partial(orders.award_due, ctx=host.ctx, task_id=task_id))
    for task_id in run(lambda s: ruled.due_by_rule(s, host.ctx)):
        run(partial(ruled.award_due, ctx=host.ctx, task_id=task_id))


def shown(host: Host, task: Task, path: str = "") -> Any:
    answer = host.client().get(f"/tasks/{task['id']}{path}")
    assert answer.status_code == 200, answer.text
    return answer.json()


def verify(host: Host, task: Task) -> Result:
    return CliRunner().invoke(cli, ["award", "verify", task["id"], "--url", host.url])


def lapse(host: Host, run: Run, task: Task) -> None:
    """Let the live deal of a task end unpaid."""

    def act(session: Session) -> None:
        locked = tasks.get_for_update(session, task_id)
        assert locked.deal_id is not None
        deal = session.execute(deals.by_id(locked.deal_id)).scalar_one()
        back_to_bids(session, host.ctx, deal, locked, "the agent did not accept in time")

    task_id = uuid.UUID(task["id"])
    run(act)


# -- the rule ----------------------------------------------------------------------------------------------------------


def test_the_rule_awards_at_the_end_and_the_record_proves_it(host: Host, run: Run) -> None:
    buyer = host.wallet()
    task = buyer.post_task(award_weights=WEIGHTS, auction_seconds=60)
    fast, cheap, gone = host.wallet(), host.wallet(), host.wallet()
    fast.bid(task, amount_units="20000000", eta_seconds=60)
    won = cheap.bid(task, amount_units="12000000", eta_seconds=1800)
    gone.withdraw(task, gone.bid(task, amount_units="10000"))
    sweep(host, run)
    assert shown(host, task)["state"] == "open"
    host.clock.added = 61
    sweep(host, run)
    award, published = shown(host, task, "/award"), shown(host, task, "/award/record")
    assert (award["bid_hash"], award["decided_by"]) == (won["bid_hash"], "rule")
    record = published["record"]
    assert follows(record)
    assert [reason for _, reason in record["excluded"]] == ["withdrawn"]
    assert (record["weights"], record["epoch"], record["bids_root"]) == (WEIGHTS, "0", award["bids_root"])
    message = AwardInputs(
        task_hash=parse_hash(task["task_hash"]),
        bid_hash=parse_hash(won["bid_hash"]),
        inputs_hash=inputs_hash(record),
        rule=1,
    )
    signer = recover(message.digest(host.ctx.domains.marketplace), parse_bytes(published["signature"]))
    assert signer == host.ctx.operator.address
    told = verify(host, task)
    assert told.exit_code == 0, told.output
    assert "gives this winner" in told.output
    assert "no epoch of scores counted then" in told.output
    # whoever changes a signed record is found out
    host.sql(
        "UPDATE app.award SET record = jsonb_set(record, '{ranking}', '[]') WHERE task_id = :t", t=task["id"]
    )  # fmt: skip
    assert verify(host, task).exit_code == 4


def test_after_a_lapsed_award_the_next_bid_has_its_turn(host: Host, run: Run) -> None:
    buyer = host.wallet()
    task = buyer.post_task(award_weights=WEIGHTS)
    second, first = host.wallet(), host.wallet()
    later = second.bid(task, amount_units="20000000")
    best = first.bid(task, amount_units="12000000")
    # a buyer who leaves it to the rule does not choose beside it
    assert code_of(buyer.award(task, later)) == (409, "conflict")
    made = buyer.award(task)
    assert made.json()["bid_hash"] == best["bid_hash"], made.text
    lapse(host, run, task)
    assert buyer.award(task).json()["bid_hash"] == later["bid_hash"]
    assert [one["bid_hash"] for one in shown(host, task, "/awards")] == [best["bid_hash"], later["bid_hash"]]
    assert shown(host, task, "/award/record")["record"]["excluded"] == [[best["bid_hash"], "lapsed"]]
    told = verify(host, task)
    assert told.exit_code == 0, told.output
    lapse(host, run, task)
    assert code_of(buyer.award(task)) == (409, "conflict")
    assert buyer.award(task, best).json()["decided_by"] == "buyer"


def test_the_rule_takes_nothing_above_the_reserve_and_the_buyer_may(host: Host, run: Run) -> None:
    buyer, agent = host.wallet(), host.wallet()
    task = buyer.post_task(award_weights=WEIGHTS, reserve_units="10000000", auction_seconds=5)
    bid = agent.bid(task, amount_units="10000001")
    host.clock.added = 6
    sweep(host, run)
    assert (shown(host, task)["state"], shown(host, task)["reserve_units"]) == ("open", "10000000")
    assert code_of(buyer.award(task)) == (409, "conflict")
    assert buyer.award(task, bid).json()["decided_by"] == "buyer"
    told = verify(host, task)
    assert (told.exit_code, "as the buyer chose" in told.output) == (0, True), told.output
    assert code_of(host.client().get(f"/tasks/{task['id']}/award/record")) == (404, "not_found")


def test_the_document_fixes_the_auction_and_a_repeat_is_the_same(host: Host) -> None:
    buyer = host.wallet()
    chosen = {
        "award_weights": WEIGHTS, "reserve_units": "20000000", "buy_now_units": "5000000",
        "extension": {"window_seconds": 10, "most_seconds": 60}, "id": new_uuid7(),
    }  # fmt: skip
    task = buyer.post_task(**chosen)
    assert options_of(task["document"]).to_json() == {key: task["document"][key] for key in chosen if key != "id"}
    assert {key: task[key] for key in chosen} == chosen
    host.wallet().bid(task)
    assert buyer.post_task(**chosen)["task_hash"] == task["task_hash"]
    for wrong in (
        {"reserve_units": "5"},
        {"award_weights": WEIGHTS | {"price": 1}},
        {"award_weights": WEIGHTS, "reserve_units": "25000001"},
        {"buy_now_units": "25000001"},
        {"reveal_seconds": 60, "buy_now_units": "5"},
        {"extension": {"window_seconds": 60, "most_seconds": 10}},
    ):
        assert code_of(buyer.http.post("/tasks/submit", json=task_body(**wrong))) == (422, "invalid_input"), wrong


# -- sealed bids -------------------------------------------------------------------------------------------------------


def test_sealed_bids_are_hidden_then_shown_then_awarded(host: Host, run: Run) -> None:
    buyer, cheap, dear, silent = (host.wallet() for _ in range(4))
    task = buyer.post_task(reveal_seconds=600, award_weights=WEIGHTS, auction_seconds=60)
    first, hidden = cheap.commit(task, amount_units="11000000")
    second, other = dear.commit(task, amount_units="19000000")
    third, _ = silent.commit(task, amount_units="10000")
    everything = str(host.sql("SELECT c::text FROM app.bid_commit c")) + str(
        host.sql("SELECT payload::text FROM app.outbox WHERE type LIKE 'bid.%'")
    )
    assert not {"11000000", "19000000"} & {word.strip("\"' ,)") for word in everything.split()}
    assert hidden["salt"] not in everything
    assert (shown(host, task, "/bids"), shown(host, task)["bid_count"]) == ([], 3)
    assert shown(host, task)["best_bid_units"] is None
    assert code_of(cheap.reveal(task, first, hidden)) == (409, "auction_closed")
    assert code_of(buyer.award(task)) == (409, "wrong_state")
    host.clock.added = 61
    sweep(host, run)
    assert shown(host, task)["state"] == "revealing"
    late = dear.commit_body(task, dear.bid_body(task, valid_until=host.clock() + 7200))
    assert code_of(dear.http.post(f"/tasks/{task['id']}/commits", json=late)) == (409, "auction_closed")
    assert code_of(cheap.reveal(task, first, hidden | {"amount_units": "1000000"})) == (400, "invalid_signature")
    assert code_of(cheap.reveal(task, first, cheap.bid_body(task))) == (400, "bid_refused")
    assert code_of(dear.reveal(task, first, hidden)) == (404, "not_found")
    bid = cheap.reveal(task, first, hidden).json()
    assert cheap.reveal(task, first, hidden).json() == bid
    assert dear.reveal(task, second, other).status_code == 200
    receipt = BidReceipt(bid_hash=parse_hash(first["commitment"]), seq=first["seq"])
    given = parse_bytes(bid["sealed"]["reveal_receipt_signature"])
    assert recover(receipt.digest(host.ctx.domains.marketplace), given) == host.ctx.operator.address
    sweep(host, run)
    assert code_of(buyer.award(task)) == (409, "wrong_state"), "one may still be shown"
    host.clock.added = 661
    sweep(host, run)
    award = shown(host, task, "/award")
    assert (award["bid_hash"], award["bid_count"]) == (first["bid_hash"], 3)
    assert parse_hash(award["bids_root"]) == bids_root([parse_hash(one["bid_hash"]) for one in (first, second, third)])
    assert shown(host, task, "/award/record")["record"]["excluded"] == [[third["bid_hash"], "unrevealed"]]
    told = verify(host, task)
    assert told.exit_code == 0, told.output
    assert "2 of them were shown" in told.output


def test_a_sealed_bid_is_withdrawn_by_its_agent_alone_and_none_before_it_comes_back(host: Host, run: Run) -> None:
    buyer, agent, other = (host.wallet() for _ in range(3))
    task = buyer.post_task(reveal_seconds=600, auction_seconds=60)
    old, hidden = agent.commit(task, amount_units="11000000")
    new, replacing = agent.commit(task, amount_units="12000000")
    kept, shown_bid = other.commit(task, amount_units="20000000")
    assert code_of(other.withdraw_commit(task, new)) == (404, "not_found")
    gone = agent.withdraw_commit(task, new).json()
    digest = BidWithdrawal(bid_hash=parse_hash(new["bid_hash"])).digest(host.ctx.domains.marketplace)
    assert recover(digest, parse_bytes(gone["withdrawal_signature"])) == agent.address
    assert [one["live"] for one in shown(host, task, "/commits")] == [False, False, True]
    host.clock.added = 61
    assert code_of(agent.reveal(task, old, hidden)) == (409, "wrong_state")
    assert code_of(agent.reveal(task, new, replacing)) == (409, "wrong_state")
    assert other.reveal(task, kept, shown_bid).status_code == 200, "the reveal itself begins the time to show"
    assert shown(host, task)["state"] == "revealing"
    # everything that may still be shown is: nobody waits for the clock
    bid = shown(host, task, "/bids")[0]
    assert buyer.award(task, bid).json()["bid_count"] == 3
    told = verify(host, task)
    assert told.exit_code == 0, told.output
    # an operator that says withdrawn without the signature is found out
    host.sql("UPDATE app.bid_commit SET withdrawal_signature = NULL WHERE task_id = :t", t=task["id"])
    assert verify(host, task).exit_code == 4


def test_commits_are_refused_where_they_do_not_fit(host: Host) -> None:
    buyer, agent = host.wallet(), host.wallet()
    plain, task = buyer.post_task(), buyer.post_task(reveal_seconds=600, auction_seconds=60)
    path = f"/tasks/{task['id']}/commits"
    assert code_of(agent.http.post(f"/tasks/{task['id']}/bids", json=agent.bid_body(task))) == (400, "bid_refused")
    hidden = agent.bid_body(plain, valid_until=host.clock() + 7200)
    refused = agent.http.post(f"/tasks/{plain['id']}/commits", json=agent.commit_body(plain, hidden))
    assert code_of(refused) == (400, "bid_refused")
    soon = agent.commit_body(task, agent.bid_body(task, valid_until=host.clock() + 600))
    assert code_of(agent.http.post(path, json=soon)) == (400, "bid_refused")
    body = agent.commit_body(task, agent.bid_body(task, valid_until=host.clock() + 7200))
    assert agent.http.post(path, json=body).status_code == 200
    assert code_of(agent.http.post(path, json=body)) == (409, "bid_replayed")
    thief = host.wallet()
    copied = {"commitment": body["commitment"], "valid_until": body["valid_until"]}
    assert code_of(thief.http.post(path, json=body)) == (400, "invalid_signature")
    mine = thief.commit_body(task, thief.bid_body(task, valid_until=body["valid_until"]), **copied)
    assert code_of(thief.http.post(path, json=mine)) == (409, "bid_replayed")
    own = buyer.commit_body(task, buyer.bid_body(task, valid_until=host.clock() + 7200))
    assert code_of(buyer.http.post(path, json=own)) == (403, "forbidden")
    assert host.sql("SELECT count(*) FROM app.bid_commit WHERE task_id = :t", t=task["id"])[0][0] == 1


def test_the_client_commits_shows_and_checks_the_award(host: Host, tmp_path: Path) -> None:
    async def play() -> None:
        keys = [ClientWallet(secrets.token_bytes(32)) for _ in range(2)]
        places = [tmp_path / f"{n}.sqlite" for n in range(2)]
        async with (
            Market(host.url, keys[0], store=places[0]) as buying,
            Market(host.url, keys[1], store=places[1]) as bidding,
        ):
            buyer, agent = BuyerActions(buying), AgentActions(bidding)
            options = AuctionOptions(weights=DEFAULT_WEIGHTS, reserve_units=20_000_000, reveal_seconds=600)
            task = await buyer.post_task(
                title="Describe a table", description="Types.", capability="analytics", budget_units=25_000_000,
                auction_seconds=60, auction=options,
            )  # fmt: skip
            assert task.reveal_ends_at is not None
            until = int(task.reveal_ends_at.timestamp()) + 60
            commit = await agent.commit_bid(task, amount_units=12_000_000, eta_seconds=60, valid_until=until)
            host.clock.added = 61
            # another process of the agent, after a crash, still knows what it has committed to
            async with Market(host.url, keys[1], store=places[1]) as again:
                bid = await AgentActions(again).reveal_bid(task, commit.bid_hash)
            assert (bid.amount_units, bid.bid_hash) == (12_000_000, commit.bid_hash)
            award = await buyer.award_by_rule(task)
            assert (award.bid_hash, award.decided_by) == (commit.bid_hash, "rule")
            simple = await buyer.post_task(
                title="Describe a table", description="Types.", capability="analytics", budget_units=25_000_000,
                auction=AuctionOptions(buy_now_units=12_000_000),
            )  # fmt: skip
            await agent.bid(simple, amount_units=12_000_000, eta_seconds=60, valid_until=until)
            assert (await buying.awarded(simple.id)).decided_by == "order"

    asyncio.run(play())


def test_a_sealed_auction_nobody_shows_a_bid_in_expires(host: Host, run: Run) -> None:
    buyer, agent = host.wallet(), host.wallet()
    task, empty = (buyer.post_task(reveal_seconds=600, auction_seconds=5) for _ in range(2))
    commit, hidden = agent.commit(task)
    host.clock.added = 6
    sweep(host, run)
    assert (shown(host, task)["state"], shown(host, empty)["state"]) == ("revealing", "expired")
    host.clock.added = 606
    assert code_of(agent.reveal(task, commit, hidden)) == (409, "auction_closed")
    sweep(host, run)
    assert shown(host, task)["state"] == "expired"


# -- buy now, extension, search ----------------------------------------------------------------------------------------


def test_a_bid_within_the_signed_price_wins_at_once(host: Host) -> None:
    buyer, agent = host.wallet(), host.wallet()
    task = buyer.post_task(buy_now_units="11000000")
    agent.bid(task, amount_units="11000000")
    assert shown(host, task)["state"] == "open", "the buyer has not signed yet"
    assert code_of(buyer.order(task, 11_000_001)) == (422, "invalid_input")
    assert code_of(agent.order(task, 11_000_000)) == (404, "not_found")
    assert code_of(buyer.order(task, 11_000_000, salt="0x" + "11" * 32)) == (400, "invalid_signature")
    assert buyer.order(task, 11_000_000).status_code == 200
    assert shown(host, task, "/award")["decided_by"] == "order"
    waiting = buyer.post_task(buy_now_units="11000000")
    assert buyer.order(waiting, 11_000_000).status_code == 200
    assert shown(host, waiting)["buy_now_signed"] is True
    agent.bid(waiting, amount_units="11000001")
    assert shown(host, waiting)["state"] == "open"
    won = agent.bid(waiting, amount_units="10999999")
    assert shown(host, waiting, "/award")["bid_hash"] == won["bid_hash"]
    told = verify(host, waiting)
    assert (told.exit_code, "the buyer has signed a price" in told.output) == (0, True), told.output
    host.sql("UPDATE app.task_order SET max_units = 12000000 WHERE task_id = :t", t=waiting["id"])
    assert verify(host, waiting).exit_code == 4


@pytest.mark.parametrize("swept", [True, False], ids=["the clocks come first", "another bid comes first"])
def test_after_a_lapse_the_order_goes_to_who_bid_first(host: Host, run: Run, swept: bool) -> None:
    buyer, first, second, third = (host.wallet() for _ in range(4))
    task, until = buyer.post_task(buy_now_units="11000000"), host.clock() + 86_400
    first.bid(task, amount_units="11000000", valid_until=until)
    waiting = second.bid(task, amount_units="10000000", valid_until=until)
    assert buyer.order(task, 11_000_000).status_code == 200
    lapse(host, run, task)
    if swept:
        sweep(host, run)
    else:
        third.bid(task, amount_units="11000000", valid_until=until)
    assert shown(host, task, "/award")["bid_hash"] == waiting["bid_hash"]
    assert (told := verify(host, task)).exit_code == 0, told.output
    lapse(host, run, task)
    sweep(host, run)
    assert shown(host, task)["state"] == ("open" if swept else "awaiting_acceptance"), "a bid has its turn once"


def test_a_late_bid_moves_the_end_within_its_bound(host: Host) -> None:
    task = host.wallet().post_task(auction_seconds=60, extension={"window_seconds": 20, "most_seconds": 30})
    agent = host.wallet()

    def end_after(seconds: int) -> float:
        host.clock.added = seconds
        agent.bid(task)
        return _seconds(shown(host, task)["auction_ends_at"]) - _seconds(task["auction_ends_at"])

    assert end_after(10) == 0
    assert 10 <= end_after(52) <= 20
    assert end_after(70) == 30
    assert end_after(85) == 30
    host.clock.added = 91
    assert code_of(agent.http.post(f"/tasks/{task['id']}/bids", json=agent.bid_body(task))) == (409, "auction_closed")


def _seconds(text: str) -> float:
    return dt.datetime.fromisoformat(text).timestamp()


def test_tasks_are_found_by_specialty_budget_and_state(host: Host) -> None:
    buyer = host.wallet()
    cheap = buyer.post_task(capability="analytics", budget_units="3000000")
    dear = buyer.post_task(capability="analytics", budget_units="30000000")
    other = buyer.post_task(capability="data_analysis", budget_units="3000000")

    def found(**query: Any) -> set[str]:
        answer = buyer.http.get("/tasks", params={"mine": True, **query})
        assert answer.status_code == 200, answer.text
        return {task["id"] for task in answer.json()["items"]}

    assert found(specialty="task_type:analytics") == {cheap["id"], dear["id"]}
    assert found(specialty="task_type:analytics", most_units="3000000") == {cheap["id"]}
    assert found(least_units="3000001") == {dear["id"]}
    sealed_one = buyer.post_task(reveal_seconds=60, award_weights=WEIGHTS)
    now_one = buyer.post_task(buy_now_units="1000000")
    assert found(auction="sealed") == found(auction="rule") == {sealed_one["id"]}
    assert found(auction="buy_now") == {now_one["id"]}
    assert found(auction="open") == {cheap["id"], dear["id"], other["id"], now_one["id"]}
    assert code_of(host.client().get("/tasks", params={"auction": "dutch"})) == (422, "invalid_input")
    buyer.http.post(f"/tasks/{other['id']}/cancel")
    assert found(state="cancelled") == {other["id"]}
    assert code_of(host.client().get("/tasks", params={"specialty": "task_type:cooking"})) == (422, "invalid_input")
    assert code_of(host.client().get("/tasks", params={"most_units": "1.5"})) == (422, "invalid_input")
    assert shown(host, cheap)["buyer_record"] == {"decided": 0, "rejected": 0, "rejected_bps": 0}


def test_a_concurrent_award_of_rule_and_buyer_makes_one_deal(host: Host, run: Run) -> None:
    buyer = host.wallet()
    task = buyer.post_task(award_weights=WEIGHTS, auction_seconds=5)
    bidders: list[Wallet] = [host.wallet() for _ in range(2)]
    for bidder in bidders:
        bidder.bid(task)
    host.clock.added = 6
    with ThreadPoolExecutor(4) as pool:
        jobs: list[Callable[[], Any]] = [lambda: sweep(host, run)] * 2 + [lambda: buyer.award(task)] * 2
        for done in [pool.submit(job) for job in jobs]:
            done.result()
    assert host.sql("SELECT count(*) FROM app.award WHERE task_id = :t", t=task["id"])[0][0] == 1
