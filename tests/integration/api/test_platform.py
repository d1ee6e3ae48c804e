"""What holds for every route: commits before answers, idempotency, limits, origins, headers, readiness."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from backend.payments import outcomes
from tests.fixtures.apihost import Host, Wallet, code_of, new_uuid7, start, task_body
from tests.fixtures.services import ROOT


@pytest.fixture
def doomed_commits(host: Host) -> Iterator[None]:
    """Make the COMMIT itself fail for agents of a certain name: a deferred constraint trigger."""
    host.sql(
        "CREATE FUNCTION app.doom() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN IF NEW.name = 'Doomed' THEN RAISE EXCEPTION 'not today'; END IF; RETURN NULL; END $$"
    )
    host.sql(
        "CREATE CONSTRAINT TRIGGER doom AFTER INSERT OR UPDATE ON app.agent DEFERRABLE INITIALLY DEFERRED "
        "FOR EACH ROW EXECUTE FUNCTION app.doom()"
    )
    yield
    host.sql("DROP TRIGGER doom ON app.agent")
    host.sql("DROP FUNCTION app.doom()")


@pytest.mark.usefixtures("doomed_commits")
def test_a_failing_commit_is_a_5xx_and_stores_nothing(host: Host) -> None:
    agent = host.wallet()
    doomed = agent.profile(name="Doomed", slug="doomed")
    answer = agent.http.post("/agents", json=doomed)
    assert code_of(answer) == (500, "internal")
    assert "not today" not in answer.text
    assert host.count("app.agent") == 0
    keyed = agent.http.post("/agents", json=doomed, headers={"Idempotency-Key": "doomed-1"})
    assert code_of(keyed) == (500, "internal")
    assert host.count("app.idempotency") == 0
    agent.register(name="Fine", slug="fine")


def test_the_same_key_and_body_get_the_same_answer(host: Host) -> None:
    buyer = host.wallet()
    headers = {"Idempotency-Key": "first-task"}
    before = host.count("app.task")
    answers = [buyer.http.post("/tasks/submit", json=task_body(), headers=headers) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 200]
    assert answers[0].json() == answers[1].json() == answers[2].json()
    assert host.count("app.task") == before + 1


def test_the_same_key_with_another_request_is_refused(host: Host) -> None:
    buyer = host.wallet()
    headers = {"Idempotency-Key": "one-key"}
    assert buyer.http.post("/tasks/submit", json=task_body(), headers=headers).status_code == 200
    before = host.count("app.task")
    answer = buyer.http.post("/tasks/submit", json=task_body(title="Another"), headers=headers)
    assert code_of(answer) == (409, "idempotency_mismatch")
    assert host.count("app.task") == before
    # a key belongs to its account
    other = host.wallet().http.post("/tasks/submit", json=task_body(title="Another"), headers=headers)
    assert other.status_code == 200
    too_long = buyer.http.post("/tasks/submit", json=task_body(), headers={"Idempotency-Key": "k" * 201})
    assert code_of(too_long) == (422, "invalid_input")


def test_a_refused_request_leaves_its_key_free(host: Host) -> None:
    buyer = host.wallet()
    headers = {"Idempotency-Key": "second-chance"}
    refused = buyer.http.post("/tasks/submit", json=task_body(budget_units="1"), headers=headers)
    assert code_of(refused) == (400, "price_out_of_range")
    assert buyer.http.post("/tasks/submit", json=task_body(), headers=headers).status_code == 200


def test_requests_at_once_under_one_key_have_one_effect(host: Host) -> None:
    buyer = host.wallet()
    before = host.count("app.task")

    def post(_: int) -> Any:
        answer = buyer.http.post("/tasks/submit", json=task_body(), headers={"Idempotency-Key": "at-once"})
        assert answer.status_code == 200, answer.text
        return answer.json()

    with ThreadPoolExecutor(5) as pool:
        answers = list(pool.map(post, range(5)))
    assert all(answer == answers[0] for answer in answers)
    assert host.count("app.task") == before + 1


def test_a_replayed_bid_under_its_key_gets_its_receipt_again(host: Host) -> None:
    task, agent = host.wallet().post_task(), host.wallet()
    body = agent.bid_body(task)
    path, headers = f"/tasks/{task['id']}/bids", {"Idempotency-Key": "my-bid"}
    first = agent.http.post(path, json=body, headers=headers)
    assert agent.http.post(path, json=body, headers=headers).json() == first.json()
    assert code_of(agent.http.post(path, json=body)) == (409, "bid_replayed")


def test_unsafe_requests_from_foreign_pages_are_refused(host: Host) -> None:
    buyer = host.wallet()
    before = host.count("app.task")
    for origin in ("https://evil.example", "null", host.url.replace("http:", "https:")):
        answer = buyer.http.post("/tasks/submit", json=task_body(), headers={"Origin": origin})
        assert code_of(answer) == (403, "origin_refused"), origin
    assert host.count("app.task") == before
    own = {"Origin": host.ctx.settings.public_url}
    assert buyer.http.post("/tasks/submit", json=task_body(), headers=own).status_code == 200


def test_cors_names_our_origins_and_never_allows_cookies(host: Host) -> None:
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
    foreign = host.client(Origin="https://evil.example").options("/tasks/submit", headers=asked)
    assert "access-control-allow-origin" not in foreign.headers
    own = host.client(Origin=host.ctx.settings.public_url).options("/tasks/submit", headers=asked)
    assert own.headers["access-control-allow-origin"] == host.ctx.settings.public_url
    assert "access-control-allow-credentials" not in own.headers


def test_a_body_above_the_limit_is_refused_announced_or_not(host: Host) -> None:
    buyer = host.wallet()
    big = json.dumps(task_body(description="x" * (1 << 20))).encode()
    headers = {"content-type": "application/json"}
    assert code_of(buyer.http.post("/tasks/submit", content=big, headers=headers)) == (413, "too_large")
    answer = buyer.http.post("/tasks/submit", content=iter([big]), headers=headers)
    assert code_of(answer) == (413, "too_large")


def test_every_answer_carries_the_security_headers(host: Host) -> None:
    for answer in (host.client().get("/network"), host.client().get("/nowhere"), httpx.get(f"{host.url}/docs")):
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-frame-options"] == "DENY"
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        scripts = policy.partition("script-src ")[2].partition(";")[0]  # without one, the default: none
        assert "unsafe" not in scripts
        assert "http" not in scripts
        assert answer.headers["x-request-id"]
    echoed = host.client(**{"X-Request-Id": "trace-12345678"}).get("/network")
    assert echoed.headers["x-request-id"] == "trace-12345678"
    odd = host.client(**{"X-Request-Id": "a b"}).get("/network")
    assert odd.headers["x-request-id"] != "a b"


def test_reads_are_tagged_and_not_sent_twice(host: Host) -> None:
    first = host.client().get("/network/totals")
    tag = first.headers["etag"]
    again = host.client(**{"If-None-Match": tag}).get("/network/totals")
    assert (again.status_code, again.content) == (304, b"")
    assert host.client(**{"If-None-Match": 'W/"other"'}).get("/network/totals").json() == first.json()


def test_the_roots_routes_answer(host: Host) -> None:
    assert httpx.get(f"{host.url}/health").json() == {"status": "ok"}
    ready = httpx.get(f"{host.url}/ready")
    assert (ready.status_code, ready.json()["database"]) == (200, "ok")
    assert ready.json()["mirror"].startswith("empty")
    assert 'aicp_http_requests_total{method="GET",route="health",status="200"}' in httpx.get(f"{host.url}/metrics").text
    assert httpx.get(f"{host.url}/openapi.json", timeout=60).json()["info"]["title"] == "AICP"
    page = httpx.get(f"{host.url}/docs").text
    assert "submit_task" in page
    assert "<script" not in page


def test_what_a_problem_names_as_its_type_is_a_place_on_a_page(host: Host) -> None:
    refused = host.client().get("/deals").json()
    address, _, code = refused["type"].partition("#")
    answer = httpx.get(f"{host.url}{address}")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    page = answer.text
    assert "<script" not in page
    style = page.partition("<style>")[2].partition("</style>")[0].encode()
    assert base64.b64encode(hashlib.sha256(style).digest()).decode() in answer.headers["content-security-policy"]
    places = re.findall(r"<tr id='([a-z_0-9]+)'>", page)
    assert places == sorted(set(places)), "each once"
    assert {code, "unauthenticated", "upstream_failed", "method_not_allowed", *outcomes.TITLE} <= set(places)
    row = page.partition("<tr id='chain_behind'>")[2].partition("</tr>")[0]
    assert "<td>503</td><td>The newest final block is too old for this.</td><td>yes</td>" in row


def test_the_same_routes_answer_without_a_version(host: Host) -> None:
    assert httpx.get(f"{host.url}/api/network").json()["chain_id"] == host.ctx.deployment.chain_id
    assert code_of(httpx.get(f"{host.url}/api/v2/network")) == (404, "not_found")


def test_the_network_names_contracts_constants_and_a_sentence(host: Host) -> None:
    network = host.client().get("/network").json()
    assert network["constants"]["threshold_units"] == "10000000"
    assert [operator["until"] for operator in network["operators"]] == [None]
    status = host.client().get("/network/status").json()
    assert (status["state"], status["off_chain_accepting"]) == ("catching_up", False)
    assert status["sentence"].endswith(".")
    assert host.client().get("/network/totals").json()["escrow_locked_units"] == "0"


def test_agents_register_are_heard_and_go_away(host: Host) -> None:
    agent, other = host.wallet(), host.wallet()
    assert code_of(agent.http.post("/agents/heartbeat")) == (404, "not_found")
    said = {"slug": "heard-agent", "capabilities": ["hearing"]}
    assert agent.register(**said)["available"] is False
    assert code_of(other.http.post("/agents", json=other.profile(**said))) == (409, "conflict")
    assert agent.http.post("/agents/heartbeat").json()["available"] is True
    found = host.client().get("/agents/available", params={"capability": "hearing"}).json()
    assert [one["slug"] for one in found] == ["heard-agent"]
    assert (found[0]["success_rate_bps"], found[0]["success_rate_measured"]) == (9500, False)
    assert host.client().get("/agents/heard-agent").json()["address"] == found[0]["address"]
    assert host.client().get(f"/agents/{found[0]['address']}").json()["slug"] == "heard-agent"
    host.clock.added = 61
    try:
        assert host.client().get("/agents/available", params={"capability": "hearing"}).json() == []
    finally:
        host.clock.added = 0
    assert code_of(host.client().get("/agents/nobody-here")) == (404, "not_found")


def test_the_running_service_does_not_import_ape() -> None:
    code = "import sys; import backend.api.__main__; print([m for m in sys.modules if m.split('.')[0] == 'ape'])"
    found = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    assert found.stdout.strip() == "[]"


def test_limits_count_by_account_and_by_ip_and_say_when_to_come_back(fresh_pg_url: str, tmp_path: Path) -> None:
    api, stop = start(fresh_pg_url, tmp_path, writes_per_minute=3, anonymous_per_minute=4, siwe_nonces_per_minute=2)
    try:
        wallet = api.wallet()
        codes = [wallet.http.post("/agents/heartbeat").status_code for _ in range(4)]
        assert codes == [404, 404, 404, 429]
        answer = wallet.http.post("/agents/heartbeat")
        assert code_of(answer) == (429, "limit_exceeded")
        assert int(answer.headers["retry-after"]) > 0
        assert wallet.http.get("/agents").status_code == 200
        assert api.client().post("/auth/nonce").status_code == 200
        assert code_of(api.client().post("/auth/nonce")) == (429, "limit_exceeded")
    finally:
        stop()


def test_no_task_text_or_token_reaches_the_log(host: Host) -> None:
    buyer = host.wallet()
    marker = "the-secret-sentence-of-this-task"
    buyer.post_task(description=marker, title=marker)
    host.sql("ALTER TABLE app.task ADD CONSTRAINT broken CHECK (title <> 'break now') NOT VALID")
    answer = buyer.http.post("/tasks/submit", json=task_body(title="break now", description=marker))
    host.sql("ALTER TABLE app.task DROP CONSTRAINT broken")
    assert code_of(answer) == (500, "internal")
    written = host.log.read_text(encoding="utf-8")
    assert "request_failed" in written
    assert marker not in written
    assert buyer.http.headers["Authorization"].removeprefix("Bearer ") not in written


def test_a_key_is_kept_for_the_answer_alone_whatever_else_a_request_writes(host: Host) -> None:
    buyer, agent = host.wallet(), host.wallet()
    task = buyer.post_task()
    deal = buyer.award(task, agent.bid(task)).json()["deal_id"]
    requests: list[tuple[Wallet, str, str, dict[str, Any] | None]] = [
        (agent, "POST", "/receipts/acknowledge", {"receipt_ids": [new_uuid7()]}),
        (agent, "GET", "/receipts", None),
        (buyer, "GET", f"/deals/{deal}", None),
        (buyer, "POST", "/auth/nonce", None),
    ]
    for who, method, path, body in requests:
        for _ in range(2):
            answer = who.http.request(method, path, json=body, headers={"Idempotency-Key": "the same key"})
            assert answer.status_code == 200, (path, answer.text)
