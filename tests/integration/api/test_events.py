"""Events: each of one's audience once and in order, resumable, and nobody else's."""

from __future__ import annotations

import json
import socket as tcp
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from tests.fixtures.apihost import Host, Wallet


@contextmanager
def listening(host: Host, query: str = "", **options: Any) -> Iterator[ClientConnection]:
    """Open the event stream."""
    url = f"{host.url.replace('http', 'ws', 1)}/api/v1/ws{query}"
    with connect(url, open_timeout=10, close_timeout=2, **options) as socket:
        yield socket


def socket_with_little_room() -> tcp.socket:
    """Return a TCP socket that takes in little before it is read."""
    made = tcp.socket()
    made.setsockopt(tcp.SOL_SOCKET, tcp.SO_RCVBUF, 4096)
    return made


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


def all_of(socket: ClientConnection, heard: list[dict[str, Any]] | None = None, busy: Callable[[], Any] = int) -> None:
    """Hear everything until the stream is closed, which raises ConnectionClosed; `busy` makes more of it."""
    while True:
        busy()
        message = receive(socket)
        if heard is not None:
            heard.append(message)


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


def test_a_revoked_session_is_closed_at_its_next_check_however_busy_the_stream_is(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backend.outbox.api.SESSION_CHECK_SECONDS", 0.2)
    buyer, spy = host.wallet(), host.wallet()
    with listening(host, f"?ticket={ticket(spy)}") as socket:
        assert receive(socket)["type"] == "hello"
        buyer.post_task(title="Before the end")
        until(socket, "task.changed", title="Before the end")
        assert spy.http.post("/auth/logout").status_code == 204
        with pytest.raises(ConnectionClosed, match="session_over"):
            all_of(socket, busy=lambda: buyer.post_task(title="After the end"))


def test_a_session_that_runs_out_is_closed(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backend.outbox.api.SESSION_CHECK_SECONDS", 0.2)
    spy = host.wallet()
    with listening(host, f"?ticket={ticket(spy)}") as socket:
        assert receive(socket)["type"] == "hello"
        host.sql("UPDATE app.session SET expires_at = now() WHERE address = :a", a=spy.address)
        with pytest.raises(ConnectionClosed, match="session_over"):
            all_of(socket)


def test_a_quiet_stream_has_a_heartbeat(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backend.outbox.api.HEARTBEAT_SECONDS", 0.3)
    with listening(host) as socket:
        seq = receive(socket)["seq"]
        assert receive(socket) == {"type": "heartbeat", "seq": seq}


def test_who_does_not_read_is_dropped_and_others_go_on(host: Host) -> None:
    """Messages wait in the system's buffers first, then in ours, and then nobody waits any more."""
    task = host.wallet().post_task()
    raw = socket_with_little_room()
    raw.connect((host.url.rpartition("/")[2].partition(":")[0], int(host.url.rpartition(":")[2])))
    with listening(host, sock=raw, max_queue=1) as stuck, listening(host, max_queue=None) as reader:
        assert receive(stuck)["type"] == receive(reader)["type"] == "hello"
        seen: list[dict[str, Any]] = []
        for _ in range(14):  # a megabyte at a time: who reads is never far behind
            host.sql(
                "INSERT INTO app.outbox (type, payload, audience)"
                " SELECT o.type, o.payload || jsonb_build_object('words', repeat('x', 20000)), o.audience"
                " FROM (SELECT * FROM app.outbox WHERE payload->>'task_id' = :t ORDER BY id LIMIT 1) o,"
                " generate_series(1, 50)",
                t=task["id"],
            )
            seen += [receive(reader) for _ in range(50)]
        assert [event["seq"] for event in seen] == sorted({event["seq"] for event in seen})
        heard: list[dict[str, Any]] = []
        with pytest.raises(ConnectionClosed, match="too_slow"):
            all_of(stuck, heard)
    heard = [event for event in heard if event["seq"] >= seen[0]["seq"]]
    assert 0 < len(heard) < len(seen)
    assert heard == seen[: len(heard)], "what came did so whole and in order"
