"""Sign-in, renewal, repeats and problems, against a real ASGI application."""

from __future__ import annotations

import datetime as dt
import json
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from siwe import SiweMessage

from aicp.client import transport as transport_module
from aicp.client.errors import ClientError, Mismatch, ProblemError, Unreachable
from aicp.client.service import Nonce
from aicp.client.sessions import Sessions
from aicp.client.siwe import check_domain, sign_in_text
from aicp.client.transport import Transport
from aicp.client.wallet import Wallet
from aicp.rules.primitives import checksum
from tests.unit.sdk.builders import AGENT, BUYER

URL = "http://localhost:8000"


class Service:
    """A service with one account's sessions, whose failures a test chooses."""

    def __init__(self) -> None:
        self.app = FastAPI()
        self.calls: Counter[str] = Counter()
        self.keys: list[str | None] = []
        self.tokens: set[str] = set()
        self.fail_first = 0
        self.fail_with = 503
        self.life = dt.timedelta(hours=1)
        self.domain = "localhost:8000"
        self._routes()

    def _routes(self) -> None:
        @self.app.post("/api/v1/auth/nonce")
        def nonce() -> dict[str, Any]:
            self.calls["nonce"] += 1
            now = dt.datetime.now(dt.UTC).replace(microsecond=0)
            return {
                "nonce": "abcdefgh12345678",
                "domain": self.domain,
                "uri": URL,
                "statement": "Sign in to AICP.",
                "chain_id": 31337,
                "issued_at": now.isoformat(),
                "expires_at": (now + dt.timedelta(minutes=5)).isoformat(),
            }

        @self.app.post("/api/v1/auth/verify")
        async def verify(request: Request) -> dict[str, Any]:
            body = await request.json()
            message = SiweMessage.from_message(body["message"])
            message.verify(body["signature"], domain=self.domain, nonce="abcdefgh12345678", uri=URL)
            assert body["use"] == "bearer"
            self.calls["verify"] += 1
            token = f"token-{self.calls['verify']}"
            self.tokens.add(token)
            return {
                "address": message.address,
                "chain_id": 31337,
                "kind": "bearer",
                "scopes": body["scopes"],
                "expires_at": (dt.datetime.now(dt.UTC) + self.life).isoformat(),
                "token": token,
            }

        @self.app.api_route("/api/v1/thing", methods=["GET", "POST"])
        async def thing(request: Request) -> JSONResponse:
            self.calls[request.method] += 1
            self.keys.append(request.headers.get("idempotency-key"))
            if self.calls[request.method] <= self.fail_first:
                problem = {"code": "unavailable", "detail": "Not now.", "retryable": True, "what_to_do": "Wait."}
                return JSONResponse(problem, self.fail_with, headers={"retry-after": "0"})
            token = request.headers.get("authorization", "").removeprefix("Bearer ")
            if token not in self.tokens:
                return JSONResponse({"code": "unauthenticated", "detail": "Sign in first."}, 401)
            return JSONResponse({"token": token})

        @self.app.post("/api/v1/auth/logout", status_code=204)
        def logout(request: Request) -> None:
            self.tokens.discard(request.headers["authorization"].removeprefix("Bearer "))

        @self.app.post("/api/v1/files")
        async def files(request: Request) -> dict[str, Any]:
            form = await request.form()
            part = form["file"]
            return {"name": part.filename, "type": part.content_type, "content": (await part.read()).decode()}

    def transport(self, wallet: Wallet = BUYER, sessions: Sessions | None = None) -> Transport:
        http = httpx.AsyncClient(transport=httpx.ASGITransport(self.app))
        return Transport(URL, wallet, http=http, sessions=sessions)


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport_module, "_DELAYS", (0.0, 0.0, 0.0))


@pytest.mark.asyncio
async def test_it_signs_in_once_and_keeps_the_session() -> None:
    service = Service()
    client = service.transport()
    assert await client.get("/thing") == {"token": "token-1"}
    assert await client.post("/thing") == {"token": "token-1"}
    assert service.calls["verify"] == 1


@pytest.mark.asyncio
async def test_a_session_about_to_end_is_renewed() -> None:
    service = Service()
    service.life = dt.timedelta(seconds=30)
    client = service.transport()
    await client.get("/thing")
    await client.get("/thing")
    assert service.calls["verify"] == 2


@pytest.mark.asyncio
async def test_a_revoked_session_is_replaced_once() -> None:
    service = Service()
    client = service.transport()
    await client.get("/thing")
    service.tokens.clear()
    assert await client.get("/thing") == {"token": "token-2"}


@pytest.mark.asyncio
async def test_a_service_that_refuses_every_session_is_not_asked_for_ever() -> None:
    service = Service()
    client = service.transport()
    await client.get("/thing")
    service.tokens = frozenset()  # type: ignore[assignment]
    service.tokens = type("Forgetful", (set,), {"add": lambda *_: None})()
    with pytest.raises(ProblemError) as caught:
        await client.get("/thing")
    assert (caught.value.status, service.calls["verify"]) == (401, 2)


@pytest.mark.asyncio
async def test_a_kept_session_serves_the_next_process_until_the_service_forgets_it(tmp_path: Path) -> None:
    service, kept = Service(), Sessions(tmp_path / "sessions")

    async def command(wallet: Wallet = BUYER) -> None:
        await service.transport(wallet, kept).get("/thing")

    await command()
    await command()
    assert service.calls["verify"] == 1
    [file] = (tmp_path / "sessions").iterdir()
    assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    service.tokens.clear()
    await command()
    await command()
    assert service.calls["verify"] == 2, "one sign-in replaces what was forgotten, for those after it too"
    file.write_text("{")
    await command()
    assert service.calls["verify"] == 3
    await command(wallet=AGENT)
    assert service.calls["verify"] == 4, "another account never gets it"
    assert await service.transport(BUYER, kept).sign_out()
    assert not await service.transport(BUYER, kept).sign_out()
    await command()
    assert service.calls["verify"] == 5


@pytest.mark.asyncio
async def test_a_kept_session_that_ends_is_renewed_and_a_folder_that_is_none_costs_sign_ins(
    tmp_path: Path,
) -> None:
    service = Service()
    service.life = dt.timedelta(seconds=30)
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "sessions", tmp_path / "file" / "sessions"):
        for _ in range(2):
            await service.transport(sessions=Sessions(folder)).get("/thing")
    assert service.calls["verify"] == 4


@pytest.mark.asyncio
async def test_what_cannot_be_a_session_of_ours_costs_one_sign_in(tmp_path: Path) -> None:
    service, kept = Service(), Sessions(tmp_path / "home" / "sessions")
    await service.transport(sessions=kept).get("/thing")
    [file] = (tmp_path / "home" / "sessions").iterdir()
    assert (tmp_path / "home").stat().st_mode & 0o777 == 0o700
    good = json.loads(file.read_text())
    bad = (good | {"expires_at": "2099-01-01T00:00:00"}, good | {"token": "é"}, good | {"token": None}, [])
    for number, content in enumerate(bad, 2):
        file.write_text(json.dumps(content))
        await service.transport(sessions=kept).get("/thing")
        assert service.calls["verify"] == number
    file.parent.chmod(0o777)
    await service.transport(sessions=kept).get("/thing")
    assert service.calls["verify"] == 6, "a folder that others may write in is not trusted"


@pytest.mark.asyncio
async def test_signing_out_forgets_here_whatever_the_service_does(tmp_path: Path) -> None:
    service, kept = Service(), Sessions(tmp_path / "sessions")
    await service.transport(sessions=kept).get("/thing")
    dead = httpx.AsyncClient(transport=httpx.MockTransport(_refuses))
    with pytest.raises(Unreachable):
        await Transport(URL.replace("localhost", "LOCALHOST"), BUYER, http=dead, sessions=kept).sign_out()
    assert list((tmp_path / "sessions").iterdir()) == []


@pytest.mark.asyncio
async def test_a_download_may_be_the_first_to_find_a_session_forgotten(tmp_path: Path) -> None:
    service, kept = Service(), Sessions(tmp_path / "sessions")
    await service.transport(sessions=kept).get("/thing")
    service.tokens.clear()
    async with service.transport(sessions=kept).stream("/thing") as chunks:
        assert b"".join([chunk async for chunk in chunks]) == b'{"token":"token-2"}'


def _refuses(request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("refused")


@pytest.mark.asyncio
async def test_repeats_carry_the_same_idempotency_key() -> None:
    service = Service()
    service.fail_first = 2
    client = service.transport()
    assert await client.post("/thing", {"a": 1}) == {"token": "token-1"}
    assert service.calls["POST"] == 3
    assert len(set(service.keys)) == 1
    await client.post("/thing", {"a": 1})
    assert len(set(service.keys)) == 2, "another call is another key"


@pytest.mark.asyncio
async def test_a_lasting_failure_becomes_its_problem() -> None:
    service = Service()
    service.fail_first = 99
    with pytest.raises(ProblemError) as caught:
        await service.transport().post("/thing")
    assert caught.value.code == "unavailable"
    assert caught.value.retryable
    assert str(caught.value) == "Not now. Wait."
    assert service.calls["POST"] == 4


@pytest.mark.asyncio
async def test_a_refusal_is_not_repeated() -> None:
    service = Service()
    service.fail_first, service.fail_with = 99, 409
    with pytest.raises(ProblemError):
        await service.transport().post("/thing")
    assert service.calls["POST"] == 1


@pytest.mark.asyncio
async def test_a_dead_service_is_unreachable() -> None:
    def refuse(_: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    client = Transport(URL, None, http=httpx.AsyncClient(transport=httpx.MockTransport(refuse)))
    with pytest.raises(Unreachable, match="does not answer"):
        await client.get("/thing")


@pytest.mark.asyncio
async def test_without_a_wallet_nothing_is_signed() -> None:
    client = Transport(URL, None, http=httpx.AsyncClient(transport=httpx.ASGITransport(Service().app)))
    with pytest.raises(ClientError, match="wallet"):
        await client.post("/thing")


@pytest.mark.asyncio
async def test_a_sign_in_for_another_site_is_refused() -> None:
    service = Service()
    service.domain = "bank.example"
    with pytest.raises(Mismatch, match="another site"):
        await service.transport().get("/thing")
    assert service.calls["verify"] == 0


@pytest.mark.asyncio
async def test_a_sign_in_that_is_rate_limited_says_so() -> None:
    calls = 0

    def limited(_: httpx.Request) -> httpx.Response:
        nonlocal calls
        calls += 1
        problem = {"code": "rate_limited", "detail": "Too many requests.", "retryable": True}
        return httpx.Response(429, json=problem, headers={"retry-after": "0"})

    client = Transport(URL, BUYER, http=httpx.AsyncClient(transport=httpx.MockTransport(limited)))
    with pytest.raises(ProblemError, match="Too many requests") as caught:
        await client.get("/thing")
    assert (caught.value.status, caught.value.code, caught.value.retryable, calls) == (429, "rate_limited", True, 4)


@pytest.mark.asyncio
async def test_uploads_are_multipart(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("x,y\n", encoding="utf-8")
    answer = await Service().transport().upload("/files", path, "a.csv", "text/csv")
    assert answer == {"name": "a.csv", "type": "text/csv", "content": "x,y\n"}


@pytest.mark.parametrize(
    ("url", "domain", "fine"),
    [
        ("http://localhost:8000", "localhost:8000", True),
        ("http://127.0.0.1:8123", "localhost:8000", True),
        ("https://aicp.example", "aicp.example", True),
        ("https://aicp.example", "aicp.example.evil.com", False),
        ("https://aicp.example", "localhost:8000", False),
        ("https://aicp.example", "aicp.example:8443", False),
        ("http://localhost:8000", "aicp.example", False),
    ],
)
def test_domains(url: str, domain: str, fine: bool) -> None:
    if fine:
        check_domain(url, domain)
    else:
        with pytest.raises(Mismatch):
            check_domain(url, domain)


def test_a_nonce_cannot_add_lines_to_the_message() -> None:
    moment = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    fields = {"nonce": "a" * 12, "domain": "x", "uri": "https://x", "chain_id": 1, "issued_at": moment}
    honest = Nonce(**fields, statement="Sign in.", expires_at=moment)
    assert checksum(BUYER.address) in sign_in_text(honest, BUYER.address)
    with pytest.raises(Mismatch, match="control"):
        sign_in_text(honest.model_copy(update={"statement": "a\nURI: https://evil"}), BUYER.address)
