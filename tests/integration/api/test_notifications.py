"""The inbox: told with the event, once, to its account alone, live and resumable; read where its owner says so."""

from __future__ import annotations

import json
import secrets
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from websockets.sync.client import connect
from websockets.sync.connection import Connection

from aicp.rules.primitives import checksum
from backend.alarms import service as alarms
from backend.alarms.service import AlarmKind
from backend.db.engine import SyncDatabase, make_sync_engine
from backend.deals.lapses import expire_waiting
from backend.domain.notices import NoticeKind, lead_seconds
from backend.notifications import reminders
from backend.notifications.service import Notice, tell
from tests.fixtures.apihost import Host, Wallet, code_of


@pytest.fixture(scope="module")
def db(host: Host) -> Iterator[SyncDatabase]:
    made = SyncDatabase(make_sync_engine(host.database_url, pool_size=2))
    yield made
    made.close()


def inbox(wallet: Wallet, **query: Any) -> list[dict[str, Any]]:
    answer = wallet.http.get("/notifications", params=query)
    assert answer.status_code == 200, answer.text
    return list(answer.json()["items"])


def kinds(wallet: Wallet) -> list[str]:
    """Return what a wallet was told, oldest first."""
    return [row["kind"] for row in reversed(inbox(wallet))]


def unread(wallet: Wallet) -> int:
    return int(wallet.http.get("/notifications/unread").json()["unread"])


@contextmanager
def stream(host: Host, wallet: Wallet, since: int | None = None) -> Iterator[Connection]:
    ticket = wallet.http.post("/auth/ws-ticket").json()["ticket"]
    url = f"{host.url.replace('http', 'ws', 1)}/api/v1/ws?ticket={ticket}"
    options: dict[str, Any] = {"open_timeout": 10, "close_timeout": 2}
    with connect(url if since is None else f"{url}&since={since}", **options) as socket:
        assert json.loads(socket.recv(timeout=10))["type"] == "hello"
        yield socket


def until_task(socket: Connection, task_id: str) -> list[dict[str, Any]]:
    """Return every event until a task is told of."""
    seen = []
    while True:
        event = json.loads(socket.recv(timeout=15))
        if event["type"] != "heartbeat":
            seen.append(event)
        if event["type"] == "task.changed" and event["task_id"] == task_id:
            return seen


def told(events: list[dict[str, Any]]) -> list[str]:
    return [event["notification"]["kind"] for event in events if event["type"] == "notification.created"]


def test_bids_are_told_to_the_buyer_and_to_who_is_outbid(host: Host) -> None:
    buyer, first, second = host.wallet(), host.wallet(), host.wallet()
    task = buyer.post_task(title="Count  the\nwords")
    first.bid(task, amount_units="20000000")
    second.bid(task, amount_units="21000000")
    assert kinds(first) == kinds(second) == []
    bid = second.bid(task, amount_units="19000000")
    second.bid(task, amount_units="18000000")
    [outbid] = inbox(first)
    assert outbid["kind"] == "outbid", "once: a leader who bids less outbids nobody anew"
    assert outbid["sentence"] == "Another agent bids 19.00 USDC for “Count the words”, less than you."
    assert (outbid["task_id"], outbid["deal_id"], outbid["read"]) == (task["id"], None, False)
    assert kinds(buyer) == ["bid_received"] * 4
    assert inbox(buyer)[0]["facts"]["agent"] == checksum(second.address)
    assert second.withdraw(task, bid).status_code == 200
    assert second.withdraw(task, bid).status_code == 200
    assert kinds(buyer)[4:] == ["bid_withdrawn"]


def test_sealed_bids_are_told_without_their_price_until_they_are_shown(host: Host) -> None:
    buyer, shows, hides, leaves = (host.wallet() for _ in range(4))
    task = buyer.post_task(reveal_seconds=600, auction_seconds=60)
    first, hidden = shows.commit(task, amount_units="11000000")
    hides.commit(task, amount_units="12000000")
    gone, _ = leaves.commit(task)
    assert leaves.withdraw_commit(task, gone).status_code == 200
    assert kinds(buyer) == ["bid_sealed"] * 3 + ["bid_withdrawn"]
    assert not any("amount_units" in row["facts"] for row in inbox(buyer))
    host.clock.added += 61
    assert shows.reveal(task, first, hidden).status_code == 200
    assert shows.reveal(task, first, hidden).status_code == 200
    assert kinds(shows) == kinds(hides) == ["showing_wanted"]
    assert kinds(leaves) == []
    [shown] = inbox(buyer, kind="bid_received")
    assert shown["facts"]["amount_units"] == "11000000"


def test_an_award_is_told_to_its_agent_and_a_refused_request_to_nobody(host: Host) -> None:
    buyer, agent, other = host.wallet(), host.wallet(), host.wallet()
    task = buyer.post_task()
    bid = agent.bid(task)
    before = host.count("app.notification")
    refused = agent.http.post(f"/tasks/{task['id']}/bids", json=agent.bid_body(task, signer=other))
    assert code_of(refused)[0] == 400
    assert host.count("app.notification") == before
    deal = buyer.award(task, bid).json()["deal_id"]
    assert kinds(agent) == ["awarded", "acceptance_wanted"]
    assert {row["deal_id"] for row in inbox(agent)} == {deal}
    assert inbox(agent)[1]["sentence"] == "You have won “Describe a table” at 20.00 USDC."
    assert buyer.http.post(f"/tasks/{task['id']}/cancel").status_code == 200
    assert kinds(agent)[2:] == ["cancelled"]
    assert kinds(buyer) == ["bid_received"]


def test_who_did_not_win_is_told_once_a_bid_and_a_withdrawn_bid_is_not(host: Host, db: SyncDatabase) -> None:
    buyer, winner, loser, gone, late = (host.wallet() for _ in range(5))
    task = buyer.post_task()
    best, other = winner.bid(task, amount_units="15000000"), late.bid(task, amount_units="19000000")
    loser.bid(task, amount_units="18000000")
    loser.bid(task, amount_units="17000000")
    assert gone.withdraw(task, gone.bid(task, amount_units="16000000")).status_code == 200
    assert buyer.award(task, best).status_code == 200
    [told] = inbox(loser, kind="not_awarded")
    assert told["sentence"] == "“Describe a table” went to another bid, at 15.00 USDC; yours was 17.00 USDC."
    assert (told["task_id"], told["deal_id"]) == (task["id"], None)
    assert (
        inbox(gone, kind="not_awarded") == inbox(winner, kind="not_awarded") == inbox(buyer, kind="not_awarded") == []
    )
    assert len(inbox(late, kind="not_awarded")) == 1
    host.clock.added += 120
    deal = uuid.UUID(host.sql("SELECT deal_id::text FROM app.task WHERE id = :id", id=task["id"])[0][0])
    assert db.write(lambda s: expire_waiting(s, host.ctx, deal))
    assert buyer.award(task, other).status_code == 200
    assert len(inbox(loser, kind="not_awarded")) == 1, "the second winner is no news to who had lost already"


def test_it_comes_live_to_its_account_alone_and_is_there_after_a_break(host: Host) -> None:
    buyer, agent = host.wallet(), host.wallet()
    with stream(host, buyer) as mine, stream(host, agent) as theirs:
        task = buyer.post_task()
        agent.bid(task)
        marker = buyer.post_task(title="The last one")["id"]
        seen, other = until_task(mine, marker), until_task(theirs, marker)
    assert told(seen) == ["bid_received"]
    assert told(other) == []
    event = next(event for event in seen if event["type"] == "notification.created")
    assert event["notification"] == inbox(buyer)[0]
    agent.bid(task, amount_units="19000000")
    marker = buyer.post_task(title="The very last one")["id"]
    with stream(host, buyer, since=event["seq"]) as mine:
        assert told(until_task(mine, marker)) == ["bid_received"]


def test_an_account_reads_pages_and_marks_its_own(host: Host, db: SyncDatabase) -> None:
    mine, other = host.wallet(), host.wallet()
    facts = {"before": "8000", "score": "7000", "epoch": "1"}
    notices = [
        Notice(account=wallet.address, event=f"score:{number}", kind=NoticeKind.SCORE_DROPPED, facts=facts)
        for wallet in (mine, other)
        for number in range(5)
    ]
    assert db.write(lambda s: tell(s, notices)) == 10
    assert db.write(lambda s: tell(s, notices)) == 0, "an event is told once"
    ids = [row["id"] for row in inbox(mine)]
    assert ids == sorted(ids, reverse=True)
    page = mine.http.get("/notifications", params={"limit": 2}).json()
    rest = mine.http.get("/notifications", params={"limit": 3, "cursor": page["next_cursor"]}).json()
    assert [row["id"] for row in page["items"] + rest["items"]] == ids
    assert rest["next_cursor"] is None

    def mark(**body: Any) -> int:
        return int(mine.http.post("/notifications/read", json=body).json()["unread"])

    theirs = inbox(other)[0]["id"]
    assert mark(ids=[ids[0], theirs]) == 4
    assert mark(up_to=ids[2]) == 1
    assert [row["id"] for row in inbox(mine, unread=True)] == [ids[1]]
    assert mark(up_to=2**53 - 1) == 0
    assert (unread(mine), unread(other)) == (0, 5), "what is another's stays as it is"
    assert inbox(mine, kind="outbid") == []


@pytest.mark.parametrize(
    "body", [{}, {"ids": []}, {"up_to": 1, "ids": [1]}, {"up_to": 0}, {"up_to": 2**53}, {"ids": ["x"]}]
)
def test_a_malformed_question_is_refused(host: Host, body: dict[str, Any]) -> None:
    wallet = host.wallet()
    assert code_of(wallet.http.post("/notifications/read", json=body))[0] == 422
    for cursor in ("x", "W3sidCI6IjIwMjYtMDEtMDEifSwiMDAiXQ", "W3sibiI6Ii0xIn0sIiJd"):
        assert code_of(wallet.http.get("/notifications", params={"cursor": cursor}))[0] == 422
    with host.client() as stranger:
        assert code_of(stranger.get("/notifications"))[0] == 401


def test_operators_are_told_of_alarms_once_while_they_last(host: Host, db: SyncDatabase) -> None:
    operator = host.wallet()
    settings = host.ctx.settings.model_copy(update={"operators": [checksum(operator.address)]})
    ctx = replace(host.ctx, settings=settings)
    db.write(lambda s: alarms.raise_alarm(s, AlarmKind.KEY_LOW, "0x01", "Top it up."))
    for _ in range(2):
        db.write(lambda s: reminders.remind(s, ctx))
    [alarm] = inbox(operator)
    assert (alarm["kind"], alarm["facts"]["alarm"], alarm["facts"]["subject"]) == ("alarm", "key_low", "0x01")
    db.write(lambda s: alarms.clear(s, AlarmKind.KEY_LOW, "0x01"))
    db.write(lambda s: alarms.raise_alarm(s, AlarmKind.KEY_LOW, "0x01", "Again."))
    assert db.write(lambda s: reminders.remind(s, ctx)) == 1, "a new alarm is a new event"


def deliver_by_hand(host: Host, deal: str, evaluate_by: int) -> None:
    """Put a delivered order under a channel deal, as the writer of orders does."""
    pool, channel, order = (secrets.token_bytes(32) for _ in range(3))
    someone = bytes(20)
    with host.transaction() as connection:
        execute = connection.exec_driver_sql
        execute(
            "INSERT INTO app.pool (pool_id, payer, payer_authorizer, operator, reserved_units, earned_units)"
            " VALUES (%s, %s, %s, %s, 0, 0)", (pool, someone, someone, someone),
        )  # fmt: skip
        execute(
            "INSERT INTO app.channel (channel_id, pool_id, receiver, ceiling_units, in_flight_units, earned_units)"
            " VALUES (%s, %s, %s, 0, 0, 0)", (channel, pool, someone),
        )  # fmt: skip
        execute(
            "INSERT INTO app.micro_order (order_hash, deal_id, channel_id, pool_id, bid_hash, price_units, deliver_by,"
            " evaluate_by, signature, state) VALUES (%s, %s, %s, %s, %s, 1, 1, %s, %s, 'delivered')",
            (order, deal, channel, pool, order, evaluate_by, b""),
        )  # fmt: skip


def test_the_end_of_an_evaluation_is_told_shortly_before(host: Host, db: SyncDatabase) -> None:
    buyer, agent = host.wallet(), host.wallet()
    task = buyer.post_task(budget_units="5000000")
    deal = buyer.award(task, agent.bid(task, amount_units="4000000")).json()["deal_id"]
    assert kinds(buyer) == ["bid_received", "payment_wanted"]
    ends = host.clock() + lead_seconds(host.ctx.constants.evaluation_seconds) + 60
    deliver_by_hand(host, deal, ends)
    db.write(lambda s: reminders.remind(s, host.ctx))
    assert inbox(buyer, kind="evaluation_ending") == [], "not yet"
    host.clock.added += 120
    for _ in range(2):
        db.write(lambda s: reminders.remind(s, host.ctx))
    [ending] = inbox(buyer, kind="evaluation_ending")
    assert (ending["deal_id"], ending["facts"]["until"]) == (deal, str(ends))
