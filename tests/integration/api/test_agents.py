"""Agents: what they sign of themselves, who suspends them, what is measured of them and how they are found."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from aicp.abi.signing import address_of, recover, sign
from aicp.abi.typed_data import Vouch
from aicp.agent import Agent, Options
from aicp.agent.runner import Runner
from aicp.cli.main import cli
from aicp.client import Market
from aicp.client import Wallet as SdkWallet
from aicp.rules.primitives import checksum, hex0x, keccak, parse_bytes
from aicp.rules.profiles import registration
from backend.agents import figures
from backend.agents.calls import Calls
from backend.db.engine import Database, make_async_engine
from tests.fixtures.apihost import Host, Wallet, code_of, start

OPERATOR = keccak(b"who runs the service of these tests")


@pytest.fixture(scope="module")
def host(pg_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """A running API that knows an operator."""
    api, stop = start(pg_url, tmp_path_factory.mktemp("api"), operators=[checksum(address_of(OPERATOR))])
    yield api
    stop()


def shown(host: Host, name: str) -> dict[str, Any]:
    answer = host.client().get(f"/agents/{name}")
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def slugs(host: Host, **query: Any) -> list[str]:
    answer = host.client().get("/agents", params={"limit": 100, **query})
    assert answer.status_code == 200, answer.text
    return sorted(one["slug"] for one in answer.json()["items"])


def test_an_agent_is_what_its_wallet_has_signed_last(host: Host) -> None:
    agent, now = host.wallet(), host.clock()
    first = agent.profile(slug="signer", updated_at=now - 9)
    assert agent.http.post("/agents", json=first).status_code == 200
    said = {
        "slug": "signer", "capabilities": ["ocr", "vision"], "task_types": ["compute"], "industry": "finance",
        "region": "eu-west", "price_floor_units": "250000", "capacity": 4, "endpoint": "https://signer.example/",
    }  # fmt: skip
    second = agent.profile(**said, updated_at=now - 5)
    known = agent.http.post("/agents", json=second).json()
    assert {name: known[name] for name in said} == said
    assert known["updated_at"] == now - 5
    for _ in range(2):  # the same again changes nothing
        assert agent.http.post("/agents", json=second).json() == known
    assert code_of(agent.http.post("/agents", json=first)) == (409, "registration_outdated")
    other = agent.profile(**{**said, "capacity": 5}, updated_at=now - 5)
    assert code_of(agent.http.post("/agents", json=other)) == (409, "registration_outdated")
    assert shown(host, "signer")["capacity"] == 4


def test_a_registration_nobody_has_signed_is_refused(host: Host) -> None:
    agent, other = host.wallet(), host.wallet()
    good = agent.profile(slug="forged", price_floor_units="5")
    for changed in (
        good | {"price_floor_units": "6"},
        good | {"capabilities": ["data_analysis", "ocr"]},
        good | {"updated_at": good["updated_at"] - 1},
        agent.profile(slug="forged", signer=other),
    ):
        assert code_of(agent.http.post("/agents", json=changed)) == (400, "invalid_signature"), changed
    assert code_of(other.http.post("/agents", json=good)) == (400, "invalid_signature")
    ahead = agent.profile(slug="forged", updated_at=host.clock() + 400)
    assert code_of(agent.http.post("/agents", json=ahead)) == (422, "invalid_input")
    for wrong in ({"industry": "cooking"}, {"capacity": 11}, {"name": "\0"}, {"price_floor_units": 1.5}):
        assert code_of(agent.http.post("/agents", json=good | wrong)) == (422, "invalid_input"), wrong
    for endpoint in ("https://10.0.0.1/", "javascript:alert(1)", "https://a@b.example/"):
        unreachable = agent.profile(slug="forged", endpoint=endpoint)
        assert code_of(agent.http.post("/agents", json=unreachable)) == (400, "upstream_refused"), endpoint
    assert code_of(host.client().get("/agents/forged")) == (404, "not_found")


def test_an_agent_of_the_sdk_registers_and_hears_that_it_is_suspended(
    host: Host, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    agent = Agent(
        "Counter 7", ["counting"], task_types=["compute"], region="us-east", price_floor_units=7, capacity=2
    )  # fmt: skip
    wallet, operator = SdkWallet(keccak(b"the wallet of counter 7")), Wallet(host, OPERATOR)
    operator.sign_in()

    async def start() -> None:
        async with Market(host.url, wallet, store=tmp_path / "store.sqlite") as market:
            await Runner(agent, market, Options(), tmp_path)._register()

    asyncio.run(start())
    known = shown(host, "counter-7")
    assert (known["address"], known["region"], known["price_floor_units"]) == (checksum(wallet.address), "us-east", "7")
    assert (known["capacity"], known["task_types"]) == (2, ["compute"])
    operator.http.post("/agents/counter-7/suspend", json={"reason": "It cannot count."})
    host.clock.added += 1
    try:
        asyncio.run(start())
    finally:
        host.clock.added -= 1
    assert "It cannot count." in caplog.text
    with pytest.raises(ValueError, match="no region"):
        Agent("Counter 8", ["counting"], region="mars")


def test_the_command_vouches_and_checks_who_has_signed(host: Host) -> None:
    agent, voucher = host.wallet(), host.wallet()
    agent.register(slug="vouched-for")
    address = checksum(agent.address)

    def run(*arguments: str) -> tuple[int, str]:
        answer = CliRunner().invoke(cli, ["agent", *arguments, "--url", host.url])
        return answer.exit_code, answer.output

    code, said = run("vouch", address, "5", "--days", "7", "--key", hex0x(voucher.key))
    assert (code != 0, "5.00 USDC at risk; 0.00 of your stake are free" in said) == (True, True), said
    assert run("vouches", address) == (0, "Nobody vouches for this agent.\n")
    now = host.clock()
    message = Vouch(
        voucher=voucher.address, agent=agent.address, at_risk=5_000_000, valid_from=now, valid_until=now + 86_400,
        salt=bytes(32),
    )  # fmt: skip
    signature = sign(message.digest(host.ctx.domains.marketplace), voucher.key)
    for units, exit_code, words in ((5_000_000, 0, "5.00 USDC"), (6_000_000, 4, "does not match its hash")):
        row = {
            "h": message.struct_hash(), "v": voucher.address, "a": agent.address, "u": units, "f": now,
            "t": message.valid_until, "s": message.salt, "g": signature,
        }  # fmt: skip
        host.sql("TRUNCATE app.vouch")
        host.sql(
            "INSERT INTO app.vouch (vouch_hash, voucher, agent, at_risk_units, valid_from, valid_until, salt,"
            " signature) VALUES (:h, :v, :a, :u, :f, :t, :s, :g)", **row,
        )  # fmt: skip
        code, said = run("vouches", address)
        assert (code, words in said) == (exit_code, True), said


def test_the_registration_file_can_be_checked_by_anybody(host: Host) -> None:
    agent = host.wallet()
    agent.register(slug="filed", name="Filed", endpoint="https://filed.example/", industry="media")
    file = host.client().get("/agents/filed/registration").json()
    assert (file["name"], file["x402Support"], file["active"], file["registrations"]) == ("Filed", False, True, [])
    services = {one["name"]: one["endpoint"] for one in file["services"]}
    assert services["web"] == "https://filed.example/"
    assert services["DID"] == file["aicp"]["document"]["did"] == f"did:pkh:eip155:31337:{checksum(agent.address)}"
    signed = file["aicp"]
    message = registration(signed["document"], agent=agent.address, updated_at=signed["updated_at"])
    assert hex0x(message.profile_hash) == signed["profile_hash"]
    digest = message.digest(host.ctx.domains.marketplace)
    assert recover(digest, parse_bytes(signed["signature"])) == agent.address
    with host.client() as http:
        ours = http.get(f"{host.url}/.well-known/agent-registration.json")
    assert ours.headers["content-type"] == "application/json"
    assert ours.json()["type"] == file["type"] == "https://eips.ethereum.org/EIPS/eip-8004#registration-v1"
    assert (ours.json()["x402Support"], "aicp" in ours.json()) == (True, False)


def test_a_suspended_agent_neither_bids_nor_is_given_work_until_it_may_return(host: Host) -> None:
    operator, agent, buyer = Wallet(host, OPERATOR), host.wallet(), host.wallet()
    operator.sign_in()
    agent.register(slug="rude", capabilities=["manners"])
    agent.http.post("/agents/heartbeat")
    task = buyer.post_task(capability="manners")
    path, body = "/agents/rude/suspend", {"reason": "It sends threats to buyers."}
    assert code_of(host.client().post(path, json=body)) == (401, "unauthenticated")
    assert code_of(agent.http.post(path, json=body)) == (403, "forbidden")
    assert code_of(operator.http.post("/agents/nobody-here/suspend", json=body)) == (404, "not_found")
    assert code_of(operator.http.post(path, json={"reason": ""})) == (422, "invalid_input")
    out = operator.http.post(path, json=body).json()
    assert (out["suspension"]["reason"], out["available"]) == (body["reason"], False)
    assert code_of(operator.http.post(path, json=body)) == (409, "conflict")
    refused = agent.http.post(f"/tasks/{task['id']}/bids", json=agent.bid_body(task))
    assert code_of(refused) == (403, "agent_suspended")
    assert body["reason"] in refused.json()["detail"]
    assert host.client().get(f"/tasks/{task['id']}/bids").json() == []
    sealed = buyer.post_task(capability="manners", reveal_seconds=600)
    hidden = agent.commit_body(sealed, agent.bid_body(sealed, valid_until=host.clock() + 7200))
    refused = agent.http.post(f"/tasks/{sealed['id']}/commits", json=hidden)
    assert code_of(refused) == (403, "agent_suspended")
    buyer.http.post(f"/tasks/{sealed['id']}/cancel")
    assert agent.http.post("/agents/heartbeat").json()["available"] is False
    assert slugs(host, available=True, capability="manners") == []
    assert host.client().get("/agents/available", params={"capability": "manners"}).json() == []
    waiting = host.client().get("/scheduler/status").json()["waiting"]
    assert [one["why"] for one in waiting if one["task_id"] == task["id"]] == ["no_capability"]
    assert host.client().get("/agents/rude/registration").json()["active"] is False

    back = operator.http.post("/agents/rude/return", json={"reason": "It has apologised."}).json()
    assert (back["suspension"], back["available"]) == (None, True)
    assert code_of(operator.http.post("/agents/rude/return", json=body)) == (409, "conflict")
    agent.bid(task)
    assert operator.http.post(path, json={"reason": "Again."}).status_code == 200
    [again, first] = host.client().get("/agents/rude/suspensions").json()
    assert (again["reason"], again["ended_at"]) == ("Again.", None)
    assert (first["ended_reason"], first["ended_by"]) == ("It has apologised.", checksum(operator.address))
    told = [row["sentence"] for row in agent.http.get("/notifications").json()["items"]]
    assert told[1:] == [
        "Your suspension is over: It has apologised.",
        "An operator has suspended you, and you cannot bid: It sends threats to buyers.",
    ]
    operator.http.post("/agents/rude/return", json=body)
    buyer.http.post(f"/tasks/{task['id']}/cancel")


def test_what_is_not_measured_is_a_default_and_says_so(host: Host) -> None:
    agent = host.wallet()
    known = agent.register(slug="unmeasured")
    assert (known["success_rate_bps"], known["success_rate_measured"]) == (9_500, False)
    assert (known["response_ms"], known["response_measured"]) == (100, False)
    assert (known["score"], known["score_epoch"]) == (2_000, None)
    assert (known["tier"], known["multiplier_bps"], known["decided_escrows"]) == ("new", 10_000, 0)


def test_calls_and_the_record_on_chain_are_the_measures(host: Host) -> None:
    agent, now = host.wallet(), [host.clock()]
    agent.register(slug="measured")

    async def run() -> None:
        db = Database(make_async_engine(host.database_url))
        calls, others = Calls(db, lambda: now[0]), Calls(db, lambda: now[0])
        try:
            for took_ms in (10, 20):
                calls.note(agent.address, "good", took_ms)
            calls.note(agent.address, "unclear", 100_000)
            calls.note(agent.address, "bad", 100_000)
            others.note(agent.address, "good", 60)
            await asyncio.gather(calls.write(), others.write())
            await calls.write()  # what was written is not written again
            now[0] -= (figures.MEASURED_DAYS + 1) * 86_400
            calls.note(agent.address, "good", 1_000_000)
            await calls.stop()
        finally:
            await db.close()

    asyncio.run(run())
    known = shown(host, "measured")
    assert (known["response_ms"], known["response_measured"]) == (30, True)
    rows = host.sql("SELECT answered, failed FROM app.agent_call_day WHERE agent = :a ORDER BY day", a=agent.address)
    assert rows == [(1, 0), (3, 1)]
    for completed, failed, tier, multiplier in ((9, 0, "new", 10_000), (9, 1, "very_good", 18_000)):
        record(host, agent, completed=completed, failed=failed)
        known = shown(host, "measured")
        assert (known["tier"], known["multiplier_bps"]) == (tier, multiplier)
        assert known["decided_escrows"] == completed + failed


def record(host: Host, agent: Wallet, *, completed: int, failed: int) -> None:
    host.sql("DELETE FROM chain.agent_record WHERE agent = :a", a=agent.address)
    host.sql(
        "INSERT INTO chain.agent_record (agent, completed, failed, disputed, lost, settled_units, block_number,"
        " log_index, block_hash, tx_hash) VALUES (:a, :c, :f, 0, 0, 1, 1, 0, :h, :h)",
        a=agent.address,
        c=completed,
        f=failed,
        h=bytes(32),
    )


def test_agents_are_found_by_what_they_say_and_page_by_page(host: Host) -> None:
    said: dict[str, dict[str, Any]] = {
        "f-one": {"industry": "gaming", "region": "us-east", "task_types": ["ml_training", "storage"]},
        "f-two": {"industry": "gaming", "region": "us-west", "task_types": ["storage"]},
        "f-three": {"industry": "research", "region": "us-west"},
    }
    for slug, specialties in said.items():
        host.wallet().register(slug=slug, capabilities=["finding"], **specialties)
    assert slugs(host, capability="finding") == ["f-one", "f-three", "f-two"]
    assert slugs(host, industry="gaming") == ["f-one", "f-two"]
    assert slugs(host, industry="gaming", region="us-west") == ["f-two"]
    assert slugs(host, specialty="task_type:storage", capability="finding") == ["f-one", "f-two"]
    assert slugs(host, specialty="region:us-west", capability="finding") == ["f-three", "f-two"]
    assert slugs(host, capability="finding", min_score=2_000) == ["f-one", "f-three", "f-two"]
    assert slugs(host, capability="finding", min_score=2_001) == []
    assert slugs(host, capability="finding", available=True) == []
    for wrong in ({"specialty": "task_type:cooking"}, {"region": "mars"}, {"min_score": 10_001}, {"cursor": "x"}):
        assert code_of(host.client().get("/agents", params=wrong)) == (422, "invalid_input"), wrong
    seen: list[str] = []
    cursor: str | None = None
    for _ in range(3):
        query = {"capability": "finding", "limit": 1} | ({} if cursor is None else {"cursor": cursor})
        page = host.client().get("/agents", params=query).json()
        seen += [one["slug"] for one in page["items"]]
        cursor = page["next_cursor"]
    assert (sorted(seen), cursor) == (["f-one", "f-three", "f-two"], None)


def test_the_score_of_the_newest_anchored_epoch_filters_and_ranks(host: Host) -> None:
    agent, other = host.wallet(), host.wallet()
    agent.register(slug="scored", capabilities=["scoring"], task_types=["analytics"], price_floor_units="26000000")
    other.register(slug="unscored", capabilities=["scoring"])
    ended, root, manifest = dt.datetime(2026, 1, 2, tzinfo=dt.UTC), bytes(32), keccak(b"manifest of the agents' test")
    [(epoch_id,)] = host.sql(
        "INSERT INTO app.score_epoch (epoch, ended_at, block_number, root, leaf_count, manifest_hash, manifest, uri)"
        " VALUES (7, :e, 1, :r, 1, :m, '{}', '') RETURNING id",
        e=ended,
        r=root,
        m=manifest,
    )
    host.sql(
        "INSERT INTO app.score (epoch_id, agent, score, settled_value_units, jobs, tier, detail) VALUES"
        " (:i, :a, 7350, 1, 1, 'fair', '{\"specialties\": {\"task_type:analytics\": 8000}}')",
        i=epoch_id,
        a=agent.address,
    )
    assert slugs(host, capability="scoring", min_score=7_350) == []  # it is not on the chain yet
    host.sql(
        "INSERT INTO chain.score_epoch (epoch_id, epoch, root, leaf_count, manifest_hash, uri, anchored_at, active_at,"
        " vetoed, block_number, log_index, block_hash, tx_hash)"
        " VALUES (:k, 7, :r, 1, :m, '', 1, 2, false, 1, 0, :r, :r)",
        k=(7).to_bytes(32),
        r=root,
        m=manifest,
    )
    assert slugs(host, capability="scoring", min_score=7_350) == ["scored"]
    assert slugs(host, capability="scoring", min_score=7_351) == []
    assert (shown(host, "scored")["score"], shown(host, "scored")["score_epoch"]) == (7_350, 7)
    for wallet in (agent, other):
        wallet.http.post("/agents/heartbeat")
    buyer = host.wallet()
    for budget, chosen, why in (("26000000", agent, "best"), ("25999999", other, "best")):
        task = buyer.post_task(capability="scoring", budget_units=budget)
        waiting = host.client().get("/scheduler/status").json()["waiting"]
        [found] = [one for one in waiting if one["task_id"] == task["id"]]
        assert (found["agent"], found["why"]) == (checksum(chosen.address), why)
        buyer.http.post(f"/tasks/{task['id']}/cancel")
