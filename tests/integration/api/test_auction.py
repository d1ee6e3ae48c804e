"""A bid counts only when its agent signed it for this task, in time, within the budget, and once."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from aicp.abi.signing import recover
from aicp.abi.typed_data import Award, BidReceipt
from aicp.rules.bids import bids_root
from aicp.rules.primitives import hex0x, parse_bytes, parse_hash
from backend.db.engine import SyncDatabase, make_sync_engine
from backend.tasks import service as tasks
from tests.fixtures.apihost import Host, Wallet, code_of


def refused(host: Host, agent: Wallet, task: dict[str, Any], body: dict[str, Any]) -> tuple[int, str]:
    """Send a bid that must leave nothing behind; return status and code."""
    before = (host.count("app.bid"), host.count("app.outbox"))
    answer = agent.http.post(f"/tasks/{task['id']}/bids", json=body)
    assert (host.count("app.bid"), host.count("app.outbox")) == before
    return code_of(answer)


def test_bids_are_receipted_in_order_and_listed_cheapest_first(host: Host) -> None:
    task = host.wallet().post_task()
    dear, cheap = host.wallet(), host.wallet()
    first, second = dear.bid(task, amount_units="21000000"), cheap.bid(task, amount_units="9000000")
    assert (first["seq"], second["seq"]) == (1, 2)
    for bid in (first, second):
        digest = BidReceipt(bid_hash=parse_hash(bid["bid_hash"]), seq=bid["seq"]).digest(host.ctx.domains.marketplace)
        assert recover(digest, parse_bytes(bid["receipt_signature"])) == host.ctx.operator.address
    book = host.client().get(f"/tasks/{task['id']}/bids").json()
    assert [bid["bid_hash"] for bid in book] == [second["bid_hash"], first["bid_hash"]]
    shown = host.client().get(f"/tasks/{task['id']}").json()
    assert (shown["bid_count"], shown["best_bid_units"]) == (2, "9000000")


def test_a_bid_signed_by_somebody_else_is_refused(host: Host) -> None:
    task = host.wallet().post_task()
    agent, other = host.wallet(), host.wallet()
    assert refused(host, agent, task, agent.bid_body(task, signer=other)) == (400, "invalid_signature")
    # a foreign session cannot hand in another agent's bid as its own either
    assert refused(host, other, task, agent.bid_body(task)) == (400, "invalid_signature")


@pytest.mark.parametrize(
    "change",
    [{"amount_units": "1000000"}, {"eta_seconds": 1}, {"escrow_only": True}, {"salt": hex0x(bytes(32))}],
)
def test_a_bid_tampered_with_after_signing_is_refused(host: Host, change: dict[str, Any]) -> None:
    task, agent = host.wallet().post_task(), host.wallet()
    assert refused(host, agent, task, agent.bid_body(task) | change) == (400, "invalid_signature")


@pytest.mark.parametrize("signature", ["0x", "0x" + "11" * 64, "0x" + "ff" * 65, "0x" + "00" * 65])
def test_a_malformed_signature_is_refused(host: Host, signature: str) -> None:
    task, agent = host.wallet().post_task(), host.wallet()
    body = agent.bid_body(task) | {"signature": signature}
    assert refused(host, agent, task, body) == (400, "invalid_signature")


def test_a_bid_counts_once(host: Host) -> None:
    task, agent = host.wallet().post_task(), host.wallet()
    body = agent.bid_body(task)
    assert agent.http.post(f"/tasks/{task['id']}/bids", json=body).status_code == 200
    assert refused(host, agent, task, body) == (409, "bid_replayed")


def test_a_bid_for_one_task_is_no_bid_for_another(host: Host) -> None:
    buyer, agent = host.wallet(), host.wallet()
    first, second = buyer.post_task(), buyer.post_task()
    assert refused(host, agent, second, agent.bid_body(first)) == (400, "invalid_signature")


def test_an_expired_bid_is_refused(host: Host) -> None:
    task, agent = host.wallet().post_task(), host.wallet()
    body = agent.bid_body(task, valid_until=host.clock())
    assert refused(host, agent, task, body) == (400, "signature_expired")
    body = agent.bid_body(task, valid_until=host.clock() + 31 * 86400)
    assert refused(host, agent, task, body) == (400, "bid_refused")


@pytest.mark.parametrize("amount", ["9999", "25000001"])
def test_a_price_below_the_minimum_or_above_the_budget_is_refused(host: Host, amount: str) -> None:
    task, agent = host.wallet().post_task(), host.wallet()
    assert refused(host, agent, task, agent.bid_body(task, amount_units=amount)) == (400, "bid_refused")


def test_prices_at_both_ends_are_taken(host: Host) -> None:
    task, agent = host.wallet().post_task(), host.wallet()
    assert agent.bid(task, amount_units="10000")["live"]
    assert agent.bid(task, amount_units="25000000")["live"]


def test_a_bid_that_needs_longer_than_the_task_allows_is_refused(host: Host) -> None:
    task, agent = host.wallet().post_task(deliver_within_seconds=60), host.wallet()
    assert refused(host, agent, task, agent.bid_body(task, eta_seconds=61)) == (400, "bid_refused")


def test_a_buyer_cannot_bid_on_his_own_task(host: Host) -> None:
    buyer = host.wallet()
    task = buyer.post_task()
    assert refused(host, buyer, task, buyer.bid_body(task)) == (403, "forbidden")


def test_a_closed_auction_takes_no_bids(host: Host) -> None:
    buyer, agent = host.wallet(), host.wallet()
    cancelled, ended = buyer.post_task(), buyer.post_task(auction_seconds=5)
    assert buyer.http.post(f"/tasks/{cancelled['id']}/cancel").status_code == 200
    assert refused(host, agent, cancelled, agent.bid_body(cancelled)) == (409, "auction_closed")
    host.clock.added = 6
    try:
        assert refused(host, agent, ended, agent.bid_body(ended)) == (409, "auction_closed")
    finally:
        host.clock.added = 0


def test_bidding_needs_a_session_with_the_scope(host: Host) -> None:
    task, agent = host.wallet().post_task(), host.wallet(scopes=["read", "deliver"])
    assert refused(host, agent, task, agent.bid_body(task)) == (403, "forbidden")
    stranger = Wallet(host)
    assert refused(host, stranger, task, stranger.bid_body(task)) == (401, "unauthenticated")


def test_a_later_bid_replaces_the_agents_earlier_one(host: Host) -> None:
    task, agent = host.wallet().post_task(), host.wallet()
    first, second = agent.bid(task, amount_units="11000000"), agent.bid(task, amount_units="12000000")
    book = {bid["bid_hash"]: bid["live"] for bid in host.client().get(f"/tasks/{task['id']}/bids").json()}
    assert book == {first["bid_hash"]: False, second["bid_hash"]: True}


def test_only_its_agent_withdraws_a_bid(host: Host) -> None:
    buyer, agent, other = host.wallet(), host.wallet(), host.wallet()
    task = buyer.post_task()
    bid = agent.bid(task)
    assert code_of(other.withdraw(task, bid)) == (404, "not_found")
    assert code_of(agent.withdraw(task, bid, signer=other)) == (400, "invalid_signature")
    assert agent.withdraw(task, bid).json()["withdrawn"] is True
    assert agent.withdraw(task, bid).json()["withdrawn"] is True
    assert code_of(buyer.award(task, bid)) == (409, "conflict")


def test_an_award_commits_to_every_receipted_bid(host: Host) -> None:
    buyer = host.wallet()
    task = buyer.post_task()
    bids = [host.wallet().bid(task, amount_units=f"{20 + n}000000") for n in range(3)]
    withdrawn = host.wallet()
    bids.append(withdrawn.bid(task, amount_units="19000000"))
    withdrawn.withdraw(task, bids[-1])
    award = buyer.award(task, bids[1]).json()
    assert award["bid_count"] == len(bids)
    assert parse_hash(award["bids_root"]) == bids_root([parse_hash(bid["bid_hash"]) for bid in bids])
    message = Award(
        task_hash=parse_hash(task["task_hash"]),
        bid_hash=parse_hash(bids[1]["bid_hash"]),
        bids_root=parse_hash(award["bids_root"]),
        bid_count=award["bid_count"],
    )
    signer = recover(message.digest(host.ctx.domains.marketplace), parse_bytes(award["signature"]))
    assert signer == host.ctx.operator.address
    assert host.client().get(f"/tasks/{task['id']}/award").json() == award
    moves = [move["target"] for move in host.client().get(f"/tasks/{task['id']}/history").json()]
    assert moves[:2] == ["open", "awarded"]


def test_only_the_buyer_awards_and_only_once(host: Host) -> None:
    buyer, agent = host.wallet(), host.wallet()
    task, other_task = buyer.post_task(), buyer.post_task()
    bid, other_bid = agent.bid(task), agent.bid(other_task)
    for stranger in (agent, host.wallet()):
        assert code_of(stranger.award(task, bid)) == (404, "not_found")
    assert code_of(buyer.award(task, other_bid)) == (404, "not_found")
    assert buyer.award(task, bid).status_code == 200
    assert code_of(buyer.award(task, bid)) == (409, "wrong_state")
    assert code_of(agent.withdraw(task, bid)) == (409, "wrong_state")
    assert host.sql("SELECT count(*) FROM app.deal WHERE task_id = :t", t=task["id"])[0][0] == 1


def test_an_award_after_the_auctions_end_still_works_while_the_bid_lives(host: Host) -> None:
    buyer, agent = host.wallet(), host.wallet()
    task = buyer.post_task(auction_seconds=5)
    bid = agent.bid(task, valid_until=host.clock() + 100)
    late = buyer.post_task(auction_seconds=5)
    lapsed = agent.bid(late, valid_until=host.clock() + 10)
    host.clock.added = 50
    try:
        assert buyer.award(task, bid).status_code == 200
        assert code_of(buyer.award(late, lapsed)) == (409, "conflict")
    finally:
        host.clock.added = 0


def test_auctions_without_a_live_bid_expire_and_others_wait(host: Host) -> None:
    buyer, agent = host.wallet(), host.wallet()
    empty, waiting = buyer.post_task(auction_seconds=5), buyer.post_task(auction_seconds=5)
    agent.bid(waiting, valid_until=host.clock() + 3000)
    later = replace(host.ctx, now=lambda: host.clock() + 60)
    db = SyncDatabase(make_sync_engine(host.database_url))
    assert db.write(lambda session: tasks.expire_due(session, later)) >= 1
    db.close()
    assert host.client().get(f"/tasks/{empty['id']}").json()["state"] == "expired"
    assert host.client().get(f"/tasks/{waiting['id']}").json()["state"] == "open"


def test_two_awards_at_once_make_one_deal(host: Host) -> None:
    from concurrent.futures import ThreadPoolExecutor

    buyer = host.wallet()
    task = buyer.post_task()
    bids = [host.wallet().bid(task) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        codes = sorted(pool.map(lambda bid: buyer.award(task, bid).status_code, bids))
    assert codes == [200, 409, 409, 409]
    assert host.sql("SELECT count(*) FROM app.award WHERE task_id = :t", t=task["id"])[0][0] == 1


def test_receipt_numbers_have_no_holes_under_concurrency(host: Host) -> None:
    from concurrent.futures import ThreadPoolExecutor

    task = host.wallet().post_task()
    agents = [host.wallet() for _ in range(6)]
    with ThreadPoolExecutor(6) as pool:
        seqs = sorted(pool.map(lambda agent: int(agent.bid(task)["seq"]), agents))
    assert seqs == [1, 2, 3, 4, 5, 6]
