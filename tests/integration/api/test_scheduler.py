"""What the scheduler's status says is what the tables hold: demand, load, health, and why a task waits."""

from __future__ import annotations

from typing import Any

from aicp.rules.primitives import checksum
from tests.fixtures.apihost import Host, Wallet


def status(host: Host) -> dict[str, Any]:
    answer = host.client().get("/scheduler/status")
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def agent(host: Host, slug: str, *capabilities: str, capacity: int = 10, heard: bool = True) -> Wallet:
    wallet = host.wallet()
    wallet.register(slug=slug, name=slug, capabilities=list(capabilities), capacity=capacity)
    if heard:
        assert wallet.http.post("/agents/heartbeat").status_code == 200
    return wallet


def of(shown: dict[str, Any], capability: str) -> dict[str, Any]:
    [found] = [one for one in shown["capabilities"] if one["capability"] == capability]
    return dict(found)


def test_nothing_waits_where_there_is_nothing(host: Host) -> None:
    shown = status(host)
    assert (shown["waiting_tasks"], shown["capabilities"], shown["agents"], shown["waiting"]) == (0, [], [], [])
    assert (shown["newcomer_share_bps"], shown["decisions"]) == (1_000, [])
    assert sum(shown["weights"].values()) == 10_000


def test_a_task_waits_for_a_reason_until_somebody_can_take_it(host: Host) -> None:
    buyer = host.wallet()
    task = buyer.post_task(capability="astronomy")
    [waiting] = status(host)["waiting"]
    assert (waiting["task_id"], waiting["agent"], waiting["why"]) == (task["id"], None, "no_capability")
    wallet = agent(host, "star-gazer", "astronomy", heard=False)
    shown = status(host)
    assert shown["waiting"][0]["why"] == "silent"
    assert of(shown, "astronomy") == {
        "capability": "astronomy", "waiting_tasks": 1, "agents": 1, "ok": 0, "full": 0, "resting": 0, "silent": 1,
        "newcomers": 1, "in_flight": 0, "capacity": 10,
    }  # fmt: skip
    wallet.http.post("/agents/heartbeat")
    until = host.clock() + 30
    host.sql(
        "INSERT INTO app.breaker (agent, version, state, turn, failures, rest_ms, until_ms, given, succeeded, opened)"
        " VALUES (:a, 1, 'open', 1, 5, 1500, :u, 0, 0, 1)",
        a=wallet.address,
        u=until * 1_000 - 999,
    )
    shown = status(host)
    assert (shown["waiting"][0]["why"], of(shown, "astronomy")["resting"]) == ("resting", 1)
    [load] = shown["agents"]
    assert (load["health"], load["agent"]) == ("resting", checksum(wallet.address))
    host.clock.added += 30
    try:
        wallet.http.post("/agents/heartbeat")
        shown = status(host)
    finally:
        host.clock.added -= 30
    assert (shown["waiting"][0]["why"], shown["waiting"][0]["agent"]) == ("best", checksum(wallet.address))
    assert (shown["agents"][0]["health"], shown["agents"][0]["rests_until"]) == ("ok", None)
    assert buyer.http.post(f"/tasks/{task['id']}/cancel").status_code == 200
    assert status(host)["waiting"] == []


def test_deals_in_flight_are_load_and_awards_are_decisions(host: Host) -> None:
    buyer, wallet = host.wallet(), agent(host, "ear", "hearing", capacity=1)
    first, second = (buyer.post_task(capability="hearing") for _ in range(2))
    bid = wallet.bid(first)
    assert buyer.award(first, bid).status_code == 200
    shown = status(host)
    hearing = of(shown, "hearing")
    assert (hearing["waiting_tasks"], hearing["in_flight"], hearing["full"], hearing["ok"]) == (1, 1, 1, 0)
    [waiting] = [one for one in shown["waiting"] if one["task_id"] == second["id"]]
    assert (waiting["why"], waiting["agent"]) == ("full", None)
    assert [(one["agent"], one["why"]) for one in waiting["refused"]] == [(checksum(wallet.address), "full")]
    newest = shown["decisions"][0]
    assert newest["reason"] == "awarded by the buyer"
    assert (newest["task_id"], newest["agent"], newest["price_units"]) == (
        first["id"], checksum(wallet.address), bid["amount_units"],
    )  # fmt: skip
    assert buyer.http.post(f"/tasks/{first['id']}/cancel").status_code == 200
    assert of(status(host), "hearing")["in_flight"] == 0


def test_ten_decided_escrows_make_a_newcomer_known(host: Host) -> None:
    known, new = agent(host, "old-hand", "forging"), agent(host, "apprentice", "forging")
    host.sql(
        "INSERT INTO chain.agent_record (agent, completed, failed, disputed, lost, settled_units, block_number,"
        " log_index, block_hash, tx_hash) VALUES (:known, 7, 2, 1, 1, 1, 1, 0, :h, :h),"
        " (:new, 9, 0, 5, 0, 1, 1, 1, :h, :h)",
        h=bytes(32),
        known=known.address,
        new=new.address,
    )
    shown = status(host)
    assert of(shown, "forging")["newcomers"] == 1
    told = {one["agent"]: one["newcomer"] for one in shown["agents"]}
    assert (told[checksum(known.address)], told[checksum(new.address)]) == (False, True)
