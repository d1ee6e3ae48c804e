"""What operators see and nobody else: alarms in full, and why nodes fail."""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Iterator

import httpx
import pytest

from aicp.abi.signing import address_of
from aicp.rules.primitives import checksum
from tests.fixtures.apihost import Host, Wallet, code_of, start

KEY = secrets.token_bytes(32)


@pytest.fixture(scope="module")
def host(pg_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    api, stop = start(pg_url, tmp_path_factory.mktemp("api"), operators=[checksum(address_of(KEY))])
    api.sql(
        "INSERT INTO app.alarm (id, kind, subject, detail) VALUES"
        " (gen_random_uuid(), 'withdrawal_unclaimed', '0x01', '5.00 USDC are unclaimed.')"
    )
    api.sql(
        "INSERT INTO txm.node (name, answers, failures, last_error) VALUES"
        " ('one.example', true, 0, NULL), ('two.example', false, 4, 'timed out')"
    )
    yield api
    stop()


def test_everybody_sees_a_sentence_and_operators_the_figures(host: Host) -> None:
    operator = Wallet(host, KEY)
    operator.sign_in()
    [public] = host.client().get("/network/status").json()["alarms"]
    assert public["sentence"].startswith("A buyer takes money back")
    assert "detail" not in public
    [whole] = operator.http.get("/network/alarms").json()
    assert whole["detail"] == "5.00 USDC are unclaimed."
    assert host.wallet().http.get("/network/alarms").status_code == 403
    assert host.client().get("/network/alarms").status_code == 401


def test_breakers_are_public_and_their_errors_are_not(host: Host) -> None:
    operator = Wallet(host, KEY)
    operator.sign_in()
    states = {one["id"]: one["state"] for one in host.client().get("/circuit-breaker/health").json()}
    assert states == {"one.example": "closed", "two.example": "open"}
    [failing] = operator.http.get("/circuit-breaker/failures").json()
    assert (failing["id"], failing["failures"], failing["last_error"]) == ("two.example", 4, "timed out")
    assert host.wallet().http.get("/circuit-breaker/failures").status_code == 403


def test_an_operator_ends_an_alarm_and_nobody_else_does(host: Host) -> None:
    operator = Wallet(host, KEY)
    operator.sign_in()
    host.sql(
        "INSERT INTO app.alarm (id, kind, subject, detail) VALUES"
        " (gen_random_uuid(), 'key_quarantined', '0x02', 'Nonce 4 was used by somebody else.')"
    )
    [alarm] = [one for one in operator.http.get("/network/alarms").json() if one["subject"] == "0x02"]
    road = f"/ops/alarms/{alarm['id']}/clear"
    assert code_of(host.client().post(road)) == (401, "unauthenticated")
    assert code_of(host.wallet().http.post(road)) == (403, "forbidden")
    reader = Wallet(host, KEY)
    reader.sign_in(scopes=["read"])
    assert code_of(reader.http.post(road)) == (403, "forbidden")
    assert "0x02" in {one["subject"] for one in host.client().get("/network/status").json()["alarms"]}
    ended = operator.http.post(road).json()
    assert (ended["cleared_by"], ended["subject"]) == (checksum(operator.address), "0x02")
    assert ended["cleared_at"] is not None
    assert operator.http.post(road).json() == ended, "once is enough"
    assert "0x02" not in {one["subject"] for one in host.client().get("/network/status").json()["alarms"]}
    assert code_of(operator.http.post(f"/ops/alarms/{uuid.uuid4()}/clear")) == (404, "not_found")


def test_only_an_operator_takes_a_key_back_and_not_while_no_node_tells(host: Host) -> None:
    operator = Wallet(host, KEY)
    operator.sign_in()
    road, body = f"/ops/keys/{checksum(operator.address)}/lift", {"reason": "nonce 4 was used"}
    assert code_of(host.client().post(road, json=body)) == (401, "unauthenticated")
    assert code_of(host.wallet().http.post(road, json=body)) == (403, "forbidden")
    assert code_of(operator.http.post("/ops/keys/0x12/lift", json=body))[0] == 422
    assert code_of(operator.http.post(road, json=body)) == (503, "unavailable")


def test_a_node_is_reset_by_operators(host: Host) -> None:
    operator = Wallet(host, KEY)
    operator.sign_in()
    assert code_of(host.client().post("/circuit-breaker/reset/two.example")) == (401, "unauthenticated")
    assert code_of(host.wallet().http.post("/circuit-breaker/reset/two.example")) == (403, "forbidden")
    assert host.sql("SELECT reset_at FROM txm.node WHERE name = 'two.example'") == [(None,)]
    assert operator.http.post("/circuit-breaker/reset/two.example").json()["id"] == "two.example"
    [(wished,)] = host.sql("SELECT reset_at FROM txm.node WHERE name = 'two.example'")
    assert wished is not None
    assert code_of(operator.http.post("/circuit-breaker/reset/nine.example")) == (404, "not_found")


def test_the_breaker_of_an_agent_is_seen_by_all_and_reset_by_operators(host: Host) -> None:
    operator, agent = Wallet(host, KEY), host.wallet()
    operator.sign_in()
    agent.register(slug="weary", name="Weary", capabilities=["ocr"])
    name = checksum(agent.address)
    for spelled in (name, "weary"):
        host.sql("DELETE FROM app.breaker")
        host.sql(
            "INSERT INTO app.breaker (agent, version, state, turn, failures, rest_ms, until_ms, given, succeeded,"
            " opened, last_error) VALUES (:a, 5, 'open', 1, 5, 1500, 4102444800000, 0, 0, 1, 'It is silent.')",
            a=agent.address,
        )
        seen = {one["id"]: one for one in host.client().get("/circuit-breaker/health").json()}[name]
        assert (seen["kind"], seen["state"], seen["retry_at"]) == ("agent", "open", "2100-01-01T00:00:00Z")
        assert "last_error" not in seen
        failing = {one["id"]: one for one in operator.http.get("/circuit-breaker/failures").json()}[name]
        assert (failing["last_error"], failing["opened"]) == ("It is silent.", 1)
        assert code_of(agent.http.post(f"/circuit-breaker/reset/{spelled}")) == (403, "forbidden")
        closed = operator.http.post(f"/circuit-breaker/reset/{spelled}").json()
        assert (closed["id"], closed["state"], closed["failures"], closed["retry_at"]) == (name, "closed", 0, None)
        assert name not in {one["id"] for one in operator.http.get("/circuit-breaker/failures").json()}
    assert "aicp_breakers{" in httpx.get(f"{host.url}/metrics").text
