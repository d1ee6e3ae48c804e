"""What operators see and nobody else: alarms in full, and why nodes fail."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import pytest

from aicp.abi.signing import address_of
from aicp.rules.primitives import checksum
from tests.fixtures.apihost import Host, Wallet, start

pytestmark = pytest.mark.services
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
