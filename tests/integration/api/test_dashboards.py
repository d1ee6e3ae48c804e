"""Who may see a dashboard: its owner, under any name of the account, and nobody else."""

from __future__ import annotations

from aicp.rules.primitives import checksum, hex0x
from tests.fixtures.apihost import Host, code_of


def test_a_dashboard_is_its_owners_alone(host: Host) -> None:
    owner, other = host.wallet(), host.wallet()
    owner.register(slug="owner-of-it")
    address = checksum(owner.address)
    buyers, agents = f"/buyer/{address}/dashboard", f"/agent/{address}/dashboard"
    for path in (buyers, agents, "/agent/owner-of-it/dashboard"):
        assert owner.http.get(path).status_code == 200, path
        assert code_of(other.http.get(path)) == (404, "not_found"), path
        with host.client() as stranger:
            assert code_of(stranger.get(path)) == (401, "unauthenticated"), path
    assert owner.http.get(f"/buyer/{hex0x(owner.address)}/dashboard").json()["account"] == address
    for path in ("/buyer/me/dashboard", "/buyer/owner-of-it/dashboard", "/agent/nobody-here/dashboard"):
        assert code_of(owner.http.get(path)) == (404, "not_found"), path
    assert code_of(other.http.get(f"/agent/{checksum(other.address)}/dashboard")) == (404, "not_found")


def test_pools_of_others_are_not_counted(host: Host) -> None:
    owner, other = host.wallet(), host.wallet()
    path = f"/buyer/{checksum(owner.address)}/dashboard"
    for units in (3_000_000, 4_000_000):
        host.fund(owner.address, units)
    host.fund(other.address, 50_000_000)
    answer = owner.http.get(path)
    assert answer.status_code == 200, answer.text
    money = answer.json()
    assert (money["pool_units"], money["pool_free_units"]) == ("7000000", "7000000")


def test_sealed_bids_wait_to_be_shown_and_then_for_the_buyers_choice(host: Host) -> None:
    buyer, first, second = host.wallet(), host.wallet(), host.wallet()
    second.register(slug="shows-late")
    buyers, agents = f"/buyer/{checksum(buyer.address)}/dashboard", "/agent/shows-late/dashboard"
    task = buyer.post_task(title="Sealed", reveal_seconds=600, auction_seconds=60)
    buyer.post_task(title="Nobody bids", auction_seconds=60)
    bids = [one.commit(task, amount_units="11000000") for one in (first, second)]
    assert buyer.http.get(buyers).json()["waiting"] == second.http.get(agents).json()["waiting"] == []
    host.clock.added += 61
    assert first.reveal(task, *bids[0]).status_code == 200
    assert buyer.http.get(buyers).json()["waiting"] == [], "a bid may still be shown"
    [todo] = second.http.get(agents).json()["waiting"]
    assert (todo["step"], todo["task_id"], todo["units"]) == ("show_bid", task["id"], None)
    assert todo["due"] is not None
    assert second.reveal(task, *bids[1]).status_code == 200
    assert second.http.get(agents).json()["waiting"] == []
    [choice] = buyer.http.get(buyers).json()["waiting"]
    assert (choice["step"], choice["task_id"], choice["deal_id"], choice["due"]) == ("award", task["id"], None, None)
    assert {one["state"]: one["count"] for one in buyer.http.get(buyers).json()["tasks"]} == {"open": 1, "revealing": 1}
