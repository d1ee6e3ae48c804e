"""Sign-in refuses every message that is not for this site, this chain and this moment, and every second use."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from eth_abi import encode
from eth_account.messages import defunct_hash_message

from aicp.rules.primitives import checksum
from tests.fixtures.apihost import Host, Wallet, code_of
from tests.fixtures.services import CHAIN_ID


def test_a_signed_message_opens_a_session_whose_token_is_stored_only_as_a_hash(host: Host) -> None:
    wallet = Wallet(host)
    answer = wallet.verify(wallet.message(wallet.nonce()))
    assert answer.status_code == 200
    token = answer.json()["token"]
    rows = host.sql("SELECT token_hash, address FROM app.session WHERE address = :a", a=wallet.address)
    assert [(bytes(r[0]), bytes(r[1])) for r in rows] == [(hashlib.sha256(token.encode()).digest(), wallet.address)]
    wallet.http.headers["Authorization"] = f"Bearer {token}"
    assert wallet.http.get("/auth/session").json()["address"] == checksum(wallet.address)


def test_a_nonce_opens_one_session(host: Host) -> None:
    wallet = Wallet(host)
    message = wallet.message(wallet.nonce())
    assert wallet.verify(message).status_code == 200
    before = host.count("app.session")
    assert code_of(wallet.verify(message)) == (401, "sign_in_refused")
    assert host.count("app.session") == before


@pytest.mark.parametrize(
    ("changes", "claim"),
    [
        ({"domain": "evil.example"}, "domain"),
        ({"uri": "https://evil.example"}, "uri"),
        ({"domain": "evil.example", "uri": "https://evil.example"}, "uri"),
        ({"chain_id": 137}, "chain_id"),
        ({"expires_at": "2026-01-01T00:00:00Z"}, "expiration_time"),
        ({"issued_at": "2126-01-01T00:00:00Z"}, "issued_at"),
        ({"nonce": "AAAAAAAAAAAAAAAAA"}, "nonce"),
    ],
)
def test_a_message_for_another_place_or_time_opens_nothing(host: Host, changes: dict[str, object], claim: str) -> None:
    wallet = Wallet(host)
    before = host.count("app.session")
    answer = wallet.verify(wallet.message(wallet.nonce(), **changes))
    assert code_of(answer) == (401, "sign_in_refused")
    assert answer.json()["claim"] == claim
    assert host.count("app.session") == before


Said = Callable[[dict[str, Any]], Any]
MAGIC = "0x1626ba7e" + "00" * 28
ODD = ["0x", "0x00", "0x" + "00" * 65, "0x" + "ff" * 65, "0x" + "11" * 64, "0x" + "00" * 31 + "6492" * 16]
"""Signatures no key makes; the last one ends as those of wallets do that are not there yet (ERC-6492)."""


@contextmanager
def node(said: Said) -> Iterator[str]:
    """Serve a node that answers each request of a batch with what is said of it."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
            body = json.dumps([{"jsonrpc": "2.0", "id": one["id"], **said(one)} for one in asked]).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def chain(*, code: str, call: dict[str, Any], chain_id: int = CHAIN_ID) -> Said:
    """Return what a node says where an account has this code and calls come to this."""
    results = {"eth_chainId": {"result": hex(chain_id)}, "eth_getCode": {"result": code}, "eth_call": call}
    return lambda one: results[one["method"]]


def asking(host: Host, monkeypatch: pytest.MonkeyPatch, *urls: str) -> None:
    """Let the API ask a node that is away, then these."""
    monkeypatch.setattr(host.ctx.settings, "rpc_urls", ["http://127.0.0.1:9", *urls])


@pytest.mark.parametrize("call", [{"result": "0x"}, {"result": "0x" + "00" * 32}, {"error": {"code": 3}}])
def test_a_message_signed_by_another_account_opens_nothing(
    host: Host, monkeypatch: pytest.MonkeyPatch, call: dict[str, Any]
) -> None:
    wallet, other = Wallet(host), Wallet(host)
    message = wallet.message(wallet.nonce())
    for code in ("0x", "0x60"):
        with node(chain(code=code, call=call)) as url:
            asking(host, monkeypatch, url)
            for signature in (other.personal_sign(message), *ODD):
                assert code_of(wallet.verify(message, signature=signature)) == (400, "invalid_signature")
    assert host.sql("SELECT 1 FROM app.session WHERE address = :a", a=wallet.address) == []


def test_without_a_node_no_signature_is_refused_for_good(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    wallet, other = Wallet(host), Wallet(host)
    message = wallet.message(wallet.nonce())
    limited = {"error": {"code": -32005, "message": "limit exceeded"}}
    with (
        node(chain(code="0x60", call={"result": MAGIC}, chain_id=1)) as elsewhere,
        node(lambda _: limited) as busy,
    ):
        asking(host, monkeypatch, elsewhere, busy)
        for signature in (other.personal_sign(message), *ODD):
            answer = wallet.verify(message, signature=signature)
            assert code_of(answer) == (503, "unavailable")
            assert answer.json()["retryable"]
    assert wallet.verify(message).status_code == 200, "a plain key needs no node"


def test_a_contract_wallet_signs_in_by_the_first_node_that_answers(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    wallet, owner = Wallet(host), Wallet(host)
    message = wallet.message(wallet.nonce())
    with node(chain(code="0x60", call={"result": MAGIC})) as url:
        asking(host, monkeypatch, url)
        answer = wallet.verify(message, signature=owner.personal_sign(message))
    assert (answer.status_code, answer.json()["address"]) == (200, checksum(wallet.address))


def test_a_wallet_that_is_not_there_yet_signs_in(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    wallet = Wallet(host)
    asked: list[dict[str, Any]] = []

    def said(one: dict[str, Any]) -> Any:
        asked.append(one)
        return chain(code="0x", call={"result": "0x01"})(one)

    message = wallet.message(wallet.nonce())
    with node(said) as url:
        asking(host, monkeypatch, url)
        answer = wallet.verify(message, signature="0x" + "12" * 40 + "6492" * 16)
    assert answer.status_code == 200
    call = asked[-1]["params"][0]
    digest = defunct_hash_message(text=message)
    words = encode(["address", "bytes32", "bytes"], [wallet.address, digest, b"\x12" * 40 + b"\x64\x92" * 16])
    assert "to" not in call
    assert call["data"].endswith(words.hex())


def test_the_nonce_survives_a_refused_message_but_not_its_time(host: Host) -> None:
    wallet = Wallet(host)
    nonce = wallet.nonce()
    assert code_of(wallet.verify(wallet.message(nonce, chain_id=1))) == (401, "sign_in_refused")
    late = dt.datetime.now(dt.UTC) + dt.timedelta(days=1)
    host.clock.added = host.ctx.settings.siwe_nonce_seconds + 1
    try:
        answer = wallet.verify(
            wallet.message(nonce, expires_at=late.isoformat(timespec="seconds").replace("+00:00", "Z"))
        )
    finally:
        host.clock.added = 0
    assert (code_of(answer), answer.json()["claim"]) == ((401, "sign_in_refused"), "nonce")


def test_a_text_that_is_no_sign_in_message_is_refused(host: Host) -> None:
    wallet = Wallet(host)
    assert code_of(wallet.verify("Pay 1,000,000 USDC to the bearer")) == (401, "sign_in_refused")


def test_a_page_elsewhere_cannot_sign_its_visitors_in(host: Host) -> None:
    wallet = Wallet(host)
    message = wallet.message(wallet.nonce())
    wallet.http.headers["Origin"] = "https://evil.example"
    assert code_of(wallet.verify(message)) == (403, "origin_refused")


def test_a_session_ends_with_its_time_and_with_logout(host: Host) -> None:
    wallet = host.wallet()
    host.clock.added = host.ctx.settings.bearer_seconds + 1
    try:
        assert code_of(wallet.http.get("/auth/session")) == (401, "unauthenticated")
    finally:
        host.clock.added = 0
    assert wallet.http.get("/auth/session").status_code == 200
    task = wallet.post_task()
    assert "document" in wallet.http.get(f"/tasks/{task['id']}").json()
    assert wallet.http.post("/auth/logout").status_code == 204
    assert code_of(wallet.http.get("/auth/session")) == (401, "unauthenticated")
    assert code_of(wallet.http.get(f"/tasks/{task['id']}")) == (401, "unauthenticated"), "not as a stranger"
    assert host.client().get(f"/tasks/{task['id']}").status_code == 200
    wallet.sign_in()
    assert "document" in wallet.http.get(f"/tasks/{task['id']}").json(), "the old token did not keep it from signing in"


def test_a_cookie_is_locked_to_the_host_and_needs_our_origin(host: Host) -> None:
    wallet = Wallet(host)
    answer = wallet.verify(wallet.message(wallet.nonce()), use="cookie")
    assert answer.json()["token"] is None
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("__Host-aicp=")
    assert {"HttpOnly", "Secure", "Path=/", "SameSite=lax"} <= set(cookie.split("; "))
    assert "Domain" not in cookie
    pair = {"Cookie": cookie.split(";")[0]}
    assert host.client(**pair).get("/auth/session").status_code == 200
    own = host.ctx.settings.public_url
    assert code_of(host.client(**pair).post("/auth/ws-ticket")) == (403, "origin_refused")
    assert code_of(host.client(**pair, Origin="https://evil.example").post("/auth/ws-ticket")) == (
        403,
        "origin_refused",
    )
    assert host.client(**pair, Origin=own).post("/auth/ws-ticket").status_code == 200


def test_a_token_does_only_what_its_scopes_say(host: Host) -> None:
    reader = host.wallet(scopes=["read"])
    assert reader.http.get("/deals").status_code == 200
    assert code_of(reader.http.post("/agents", json={})) in {(403, "forbidden"), (422, "invalid_input")}
    deliverer = host.wallet(scopes=["deliver"])
    assert code_of(deliverer.http.post("/agents/heartbeat")) == (403, "forbidden")
