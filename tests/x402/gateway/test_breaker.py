"""An agent's server that fails is left in peace: nobody is charged, and who has paid before gets what was paid for."""

from __future__ import annotations

import http.client
import socket
import uuid
from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx
import pytest

from backend.breakers import service
from backend.breakers.gate import wall_ms
from scripts.devnet.ports import free_port
from tests.x402.gateway.hand import Hand, read
from tests.x402.gateway.lab import PRICE, Lab, until
from tests.x402.gateway.test_money import charged, with_pool

HOUR_MS = 3_600_000


def stored(lab: Lab) -> tuple[str, int]:
    """Return state and failures of the agent's breaker."""
    rows = lab.world.sql("SELECT state, failures FROM app.breaker WHERE agent = :a", a=lab.agent.address)
    return (str(rows[0][0]), int(rows[0][1])) if rows else ("closed", 0)


@pytest.fixture
def well(lab: Lab) -> Iterator[Lab]:
    """The lab, whose agent is well before and after."""
    recover(lab)
    yield lab
    recover(lab)


def recover(lab: Lab) -> None:
    lab.world.write(lambda s: service.reset(s, lab.agent.address))
    url = lab.endpoint("recovered")
    until(lambda: httpx.get(url).status_code == 402, "the gateway knows that the agent is well")


def rest(lab: Lab, url: str) -> None:
    """Open the agent's breaker for an hour, in another process than the gateway's."""
    later = wall_ms() + HOUR_MS
    turn = lab.world.write(lambda s: service.reset(s, lab.agent.address).turn)
    for _ in range(5):
        lab.world.write(lambda s: service.report(s, agent=lab.agent.address, turn=turn, outcome="bad", now_ms=later))
    until(lambda: httpx.get(url).status_code == 503, "the gateway hears of it")


def test_a_server_that_is_gone_is_not_called_a_sixth_time(well: Lab) -> None:
    hand = with_pool(well)
    url = well.endpoint("gone", upstream_url=f"http://127.0.0.1:{free_port()}/")
    for failures in range(1, 6):
        answer = hand.pay(url, hand.voucher(PRICE))
        assert (answer.status_code, answer.json()["code"]) == (502, "upstream_failed")
        assert stored(well) == ("closed" if failures < 5 else "open", failures)
    assert charged(well, hand) == (0, 0)
    errors = well.world.sql("SELECT last_error FROM app.breaker WHERE agent = :a", a=well.agent.address)
    assert "127.0.0.1" not in str(errors)


@pytest.mark.parametrize(
    ("path", "status", "counts"),
    [
        ("/answer", 503, 1),
        ("/answer", 500, 0),
        ("/answer", 404, 0),
        ("/answer", 402, 0),
        ("/huge", 200, 0),
        ("/moved", 200, 0),
    ],
)
def test_only_a_server_that_does_not_serve_counts_as_failed(well: Lab, path: str, status: int, counts: int) -> None:
    hand, url = with_pool(well), well.endpoint("counted", path)
    well.upstream.status = status
    try:
        hand.pay(url, hand.voucher(PRICE))
    finally:
        well.upstream.status = 200
    assert stored(well) == ("closed", counts)
    assert charged(well, hand) == (0, 0)


def status_of(url: str, path: str, headers: dict[bytes, bytes]) -> int:
    """Send a request byte by byte, as no client would, and return its status."""
    at = urlsplit(url)
    lines = [f"GET {path} HTTP/1.1".encode(), f"Host: {at.netloc}".encode(), b"Connection: close"]
    lines += [name + b": " + value for name, value in headers.items()]
    with socket.create_connection((at.hostname, at.port), timeout=30) as connection:
        connection.sendall(b"\r\n".join(lines) + b"\r\n\r\n")
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        return answer.status


@pytest.mark.parametrize("case", ["accept", "accept-language", "content-type", "a long query"])
def test_what_a_caller_sends_cannot_make_an_agent_rest(well: Lab, case: str) -> None:
    hand, url = with_pool(well), well.endpoint("rested")
    header, asked = hand.header(url, hand.voucher(PRICE)).encode(), len(well.upstream.calls)
    for _ in range(6):
        headers, path = {b"PAYMENT-SIGNATURE": header}, urlsplit(url).path
        if case == "a long query":
            path += "?" + "a" * 70_000
        else:
            headers[case.encode()] = b"text/\xe9"
        assert status_of(url, path, headers) == 400
    assert len(well.upstream.calls) == asked
    assert charged(well, hand) == (0, 0)
    assert stored(well) == ("closed", 0)
    assert httpx.get(url).status_code == 402
    assert hand.pay(url, hand.voucher(PRICE)).status_code == 200


def test_a_success_begins_the_row_of_failures_anew(well: Lab) -> None:
    hand, url = with_pool(well), well.endpoint("counted")
    well.upstream.status = 503
    try:
        hand.pay(url, hand.voucher(PRICE))
    finally:
        well.upstream.status = 200
    assert stored(well) == ("closed", 1)
    assert hand.pay(url, hand.voucher(PRICE)).status_code == 200
    assert stored(well) == ("closed", 0)


def test_calls_that_tell_of_the_server_are_its_response_time(well: Lab) -> None:
    def counts() -> tuple[int, int]:
        """Return answered and failed calls that are written down."""
        rows = well.world.sql("SELECT coalesce(sum(answered), 0), coalesce(sum(failed), 0) FROM app.agent_call_day")
        return int(rows[0][0]), int(rows[0][1])

    hand, url = with_pool(well), well.endpoint("timed")
    before = counts()
    hand.pay(url, hand.voucher(PRICE))
    until(lambda: counts() != before, "what others have called before is written down")
    failed = counts()[1]
    well.upstream.status = 503
    hand.pay(url, hand.voucher(2 * PRICE))
    well.upstream.status = 200
    until(lambda: counts()[1] == failed + 1, "both calls are written down")
    answered, failed = counts()
    assert hand.pay(url, hand.voucher(2 * PRICE)).status_code == 200
    for status in (503, 500):  # the second says nothing of the server
        well.upstream.status = status
        hand.pay(url, hand.voucher(3 * PRICE))
    well.upstream.status = 200
    until(lambda: counts() == (answered + 1, failed + 1), "the calls are written down")
    known = httpx.get(f"{well.url}/api/v1/agents/oracle").json()
    assert known["response_measured"]
    assert known["response_ms"] < 10_000


def test_while_it_rests_nobody_pays_and_old_payments_keep_their_answers(well: Lab) -> None:
    hand, url = with_pool(well), well.endpoint("resting")
    paid = hand.pay(url, hand.voucher(PRICE))
    assert paid.status_code == 200
    again, fresh = hand.header(url, hand.voucher(PRICE)), hand.header(url, hand.voucher(2 * PRICE))
    stranger = Hand(well, well.buyer())
    with_deposit = stranger.header(url, stranger.deposit(PRICE, 100 * PRICE))
    rest(well, url)
    asked = len(well.upstream.calls)

    unpaid = httpx.get(url)
    assert (unpaid.status_code, unpaid.json()["code"]) == (503, "agent_resting")
    assert int(unpaid.headers["Retry-After"]) > 3_000
    for header in (fresh, with_deposit):
        refused = httpx.get(url, headers={"PAYMENT-SIGNATURE": header}, timeout=30)
        assert (refused.status_code, refused.json()["code"]) == (503, "agent_resting")
    assert charged(well, hand) == (PRICE, 0)
    intents = well.world.sql("SELECT id FROM txm.intent WHERE on_behalf_of = :a", a=stranger.address)
    assert intents == [], "no deposit is relayed for an agent that rests"

    repeated = httpx.get(url, headers={"PAYMENT-SIGNATURE": again}, timeout=30)
    assert (repeated.status_code, repeated.content) == (200, paid.content)
    assert len(well.upstream.calls) == asked
    recover(well)
    assert httpx.get(url, headers={"PAYMENT-SIGNATURE": fresh}, timeout=30).status_code == 200
    assert charged(well, hand) == (2 * PRICE, 0)
    well.balanced()


def test_who_rests_is_not_on_the_list_of_what_can_be_bought(well: Lab) -> None:
    url = well.endpoint("listed")

    def listed() -> bool:
        found = httpx.get(f"{well.url}/x402/discovery/resources", params={"limit": 100}).json()
        return url in {item["resource"] for item in found["items"]}

    assert listed()
    rest(well, url)
    assert not listed()
    recover(well)
    assert listed()
    assert read(httpx.get(url))["resource"]["url"] == url


def test_of_a_suspended_agent_nothing_is_bought_and_old_payments_keep_their_answers(well: Lab) -> None:
    hand, url = with_pool(well), well.endpoint("suspended")
    paid = hand.pay(url, hand.voucher(PRICE))
    assert paid.status_code == 200
    again, fresh = hand.header(url, hand.voucher(PRICE)), hand.header(url, hand.voucher(2 * PRICE))
    stranger = Hand(well, well.buyer())
    with_deposit = stranger.header(url, stranger.deposit(PRICE, 100 * PRICE))
    well.world.sql(
        "INSERT INTO app.agent_suspension (id, agent, reason, operator, since) VALUES (:i, :a, 'it copies', :a, now())",
        i=uuid.uuid4(),
        a=well.agent.address,
    )
    try:
        unpaid = httpx.get(url)
        assert (unpaid.status_code, unpaid.json()["code"]) == (503, "agent_unavailable")
        for header in (fresh, with_deposit):
            refused = httpx.get(url, headers={"PAYMENT-SIGNATURE": header}, timeout=30)
            assert (refused.status_code, refused.json()["code"]) == (503, "agent_unavailable")
        assert charged(well, hand) == (PRICE, 0)
        assert well.world.sql("SELECT id FROM txm.intent WHERE on_behalf_of = :a", a=stranger.address) == []
        repeated = httpx.get(url, headers={"PAYMENT-SIGNATURE": again}, timeout=30)
        assert (repeated.status_code, repeated.content) == (200, paid.content)
        found = httpx.get(f"{well.url}/x402/discovery/resources", params={"limit": 100}).json()
        assert url not in {item["resource"] for item in found["items"]}
    finally:
        well.world.sql("DELETE FROM app.agent_suspension WHERE agent = :a", a=well.agent.address)
    assert httpx.get(url, headers={"PAYMENT-SIGNATURE": fresh}, timeout=30).status_code == 200
    well.balanced()
