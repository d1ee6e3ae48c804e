"""Events: each of one's audience once and in order, resumable, and nobody else's."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from tests.fixtures.apihost import Host, Wallet

pytestmark = pytest.mark.services


@contextmanager
def listening(host: Host, query: str = "", **options: Any) -> Iterator[ClientConnection]:
    """Open the event stream."""
    url = f"{host.url.replace('http', 'ws', 1)}/api/v1/ws{query}"
    with connect(url, open_timeout=10, close_timeout=2, **options) as socket:
        yield socket


def receive(socket: ClientConnection) -> dict[str, Any]:
    """Return the next message."""
    message: dict[str, Any] = json.loads(socket.recv(timeout=15))
    return message


def until(socket: ClientConnection, event_type: str, **fields: Any) -> list[dict[str, Any]]:
    """Return every event up to and including the first of this type with these fields."""
    seen: list[dict[str, Any]] = []
    while True:
        message = receive(socket)
        if message["type"] == "heartbeat":
            continue
        seen.append(message)
        if message["type"] == event_type and fields.items() <= message.items():
            return seen


def ticket(wallet: Wallet) -> str:
    answer = wallet.http.post("/auth/ws-ticket")
    assert answer.status_code == 200, answer.text
    return str(answer.json()["ticket"])


def test_everybody_sees_tasks_and_bids_but_only_parties_their_deal(host: Host) -> None:
    buyer, agent, stranger = host.wallet(), host.wallet(), host.wallet()
    with (
        listening(host) as anonymous,
        listening(host, f"?ticket={ticket(agent)}") as party,
        listening(host, f"?ticket={ticket(stranger)}") as other,
    ):
        for socket in (anonymous, party, other):
            assert receive(socket)["type"] == "hello"
        task = buyer.post_task()
        bid = agent.bid(task)
        assert buyer.award(task, bid).status_code == 200
        marker = buyer.post_task(title="The last one")
        seen = {
            name: until(socket, "task.changed", task_id=marker["id"])
            for name, socket in (("anonymous", anonymous), ("party", party), ("other", other))
        }
    for events in seen.values():
        numbers = [event["seq"] for event in events]
        assert numbers == sorted(set(numbers))
        assert [e["bid"]["bid_hash"] for e in events if e["type"] == "bid.received"] == [bid["bid_hash"]]
    assert any(event["type"] == "deal.changed" for event in seen["party"])
    for name in ("anonymous", "other"):
        assert not any(event["type"] == "deal.changed" for event in seen[name])


def test_a_client_that_comes_back_misses_nothing(host: Host) -> None:
    buyer = host.wallet()
    with listening(host) as socket:
        receive(socket)
        first = buyer.post_task()
        last = until(socket, "task.changed", task_id=first["id"])[-1]["seq"]
    missed = [buyer.post_task()["id"] for _ in range(3)]
    with listening(host, f"?since={last}") as socket:
        assert receive(socket)["gap"] is False
        seen = until(socket, "task.changed", task_id=missed[-1])
    assert [event["task_id"] for event in seen] == missed


def test_many_events_at_once_cost_no_client_that_reads_its_place(host: Host) -> None:
    """A round of the scheduler may make hundreds of offers in one commit."""
    task = host.wallet().post_task()
    with listening(host, max_queue=None) as socket:
        assert receive(socket)["type"] == "hello"
        host.sql(
            "INSERT INTO app.outbox (type, payload, audience) SELECT o.type, o.payload, o.audience"
            " FROM app.outbox o, generate_series(1, 400) WHERE o.payload->>'task_id' = :t",
            t=task["id"],
        )
        seen = [receive(socket) for _ in range(400)]
    assert [event["seq"] for event in seen] == sorted({event["seq"] for event in seen})


def test_a_gap_is_announced(host: Host) -> None:
    buyer = host.wallet()
    with listening(host) as socket:
        receive(socket)
        until_seen = buyer.post_task()
        newest = until(socket, "task.changed", task_id=until_seen["id"])[-1]["seq"]
    host.sql("DELETE FROM app.outbox WHERE seq < :newest", newest=newest)
    with listening(host, "?since=0") as socket:
        assert receive(socket)["gap"] is True
    with listening(host, f"?since={newest + 1000}") as socket:
        assert receive(socket)["gap"] is True


def test_a_ticket_works_once_and_only_ours_do(host: Host) -> None:
    one = ticket(host.wallet())
    with listening(host, f"?ticket={one}") as socket:
        assert receive(socket)["type"] == "hello"
    for query in (f"?ticket={one}", "?ticket=made-up"):
        with pytest.raises((InvalidStatus, ConnectionClosed)), listening(host, query) as socket:
            receive(socket)


def test_a_foreign_page_gets_no_stream(host: Host) -> None:
    with pytest.raises((InvalidStatus, ConnectionClosed)), listening(host, origin="https://evil.example") as socket:
        receive(socket)
    with listening(host, origin=host.ctx.settings.public_url) as socket:
        assert receive(socket)["type"] == "hello"


def test_a_refused_request_announces_nothing(host: Host) -> None:
    task, agent, other = host.wallet().post_task(), host.wallet(), host.wallet()
    before = host.count("app.outbox")
    agent.http.post(f"/tasks/{task['id']}/bids", json=agent.bid_body(task, signer=other))
    assert host.count("app.outbox") == before


def test_a_revoked_session_hears_nothing_more_however_busy_the_stream_is(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backend.outbox.api.SESSION_CHECK_SECONDS", 0.0)
    buyer, spy = host.wallet(), host.wallet()
    with listening(host, f"?ticket={ticket(spy)}") as socket:
        assert receive(socket)["type"] == "hello"
        buyer.post_task(title="Before the end")
        until(socket, "task.changed", title="Before the end")
        assert spy.http.post("/auth/logout").status_code == 204
        buyer.post_task(title="After the end")
        with pytest.raises(ConnectionClosed, match="session_over"):
            socket.recv(timeout=5)
