"""Tasks: what is public, what only their parties see, and who may do what."""

from __future__ import annotations

import pytest

from aicp.rules.documents import task_hash
from aicp.rules.primitives import checksum, parse_hash
from tests.fixtures.apihost import Host, code_of, new_uuid7, task_body


def test_the_document_is_what_the_hash_commits_to(host: Host) -> None:
    task = host.wallet().post_task()
    assert task_hash(task["document"]) == parse_hash(task["task_hash"])
    assert task["document"]["id"] == task["id"]
    assert (task["state"], task["path_at_budget"]) == ("open", "escrow")


def test_description_and_document_are_for_the_parties_only(host: Host) -> None:
    buyer, agent = host.wallet(), host.wallet()
    task = buyer.post_task()
    bid = agent.bid(task)
    readers = (host.client(), agent.http, host.wallet().http)
    for reader in readers:
        shown = reader.get(f"/tasks/{task['id']}").json()
        assert (shown["description"], shown["document"]) == (None, None)
        assert shown["title"] == task["title"]
    assert buyer.award(task, bid).status_code == 200
    assert agent.http.get(f"/tasks/{task['id']}").json()["description"] == task["description"]
    assert host.wallet().http.get(f"/tasks/{task['id']}").json()["description"] is None


def test_amounts_are_strings_of_base_units(host: Host) -> None:
    buyer = host.wallet()
    for wrong in (25.0, True, "25.0", "-1", "1e6", "0x10", str(2**96)):
        answer = buyer.http.post("/tasks/submit", json=task_body(budget_units=wrong))
        assert code_of(answer) == (422, "invalid_input"), wrong
    answer = buyer.http.post("/tasks/submit", json=task_body(budget_units="9999"))
    assert code_of(answer) == (400, "price_out_of_range")
    assert buyer.post_task(budget_units="10000")["budget_units"] == "10000"


def test_unknown_fields_and_broken_bodies_are_malformed_and_not_echoed(host: Host) -> None:
    buyer = host.wallet()
    answer = buyer.http.post("/tasks/submit", json=task_body(description="secret words", colour="red"))
    assert code_of(answer) == (422, "invalid_input")
    assert "secret words" not in answer.text
    answer = buyer.http.post("/tasks/submit", content=b"{", headers={"content-type": "application/json"})
    assert code_of(answer) == (422, "invalid_input")


@pytest.mark.parametrize("field", ["title", "description"])
def test_a_text_the_database_cannot_hold_is_malformed_and_stores_nothing(host: Host, field: str) -> None:
    buyer, before = host.wallet(), host.count("app.task")
    answer = buyer.http.post("/tasks/submit", json=task_body(**{field: "before\0after"}))
    assert code_of(answer) == (422, "invalid_input")
    assert host.count("app.task") == before
    assert code_of(host.client().get("/tasks", params={"q": "a\0b"})) == (422, "invalid_input")


def test_a_second_that_passes_while_a_task_is_posted_changes_nothing(host: Host) -> None:
    buyer, chosen = host.wallet(), {"id": new_uuid7()}
    host.clock.step = 1
    try:
        task = buyer.post_task(**chosen)
        again = buyer.post_task(**chosen)
    finally:
        host.clock.step = host.clock.added = 0
    assert again["task_hash"] == task["task_hash"]
    assert task["document"]["auction_ends_at"] == task["auction_ends_at"]


def test_posting_needs_a_session(host: Host) -> None:
    before = host.count("app.task")
    assert code_of(host.client().post("/tasks/submit", json=task_body())) == (401, "unauthenticated")
    assert code_of(host.client(Authorization="Bearer nonsense").post("/tasks/submit", json=task_body())) == (
        401,
        "unauthenticated",
    )
    assert host.count("app.task") == before


def test_a_client_made_id_makes_a_repeat_harmless(host: Host) -> None:
    buyer, made = host.wallet(), new_uuid7()
    first = buyer.post_task(id=made)
    assert buyer.post_task(id=made) == first
    assert code_of(buyer.http.post("/tasks/submit", json=task_body(id=made, title="Another"))) == (409, "conflict")
    assert code_of(host.wallet().http.post("/tasks/submit", json=task_body(id=made))) == (409, "conflict")
    version4 = "8c5f1c1e-7d5e-4a63-9f57-0d2c6c1b1a11"
    assert code_of(buyer.http.post("/tasks/submit", json=task_body(id=version4))) == (422, "invalid_input")


def test_only_the_buyer_cancels_and_only_while_nothing_is_paid(host: Host) -> None:
    buyer, agent = host.wallet(), host.wallet()
    task = buyer.post_task()
    assert code_of(agent.http.post(f"/tasks/{task['id']}/cancel")) == (404, "not_found")
    assert buyer.http.post(f"/tasks/{task['id']}/cancel").json()["state"] == "cancelled"
    assert code_of(buyer.http.post(f"/tasks/{task['id']}/cancel")) == (409, "wrong_state")
    awarded = buyer.post_task()
    buyer.award(awarded, agent.bid(awarded))
    assert code_of(agent.http.post(f"/tasks/{awarded['id']}/cancel")) == (404, "not_found")
    assert buyer.http.post(f"/tasks/{awarded['id']}/cancel").json()["state"] == "cancelled"
    paid = buyer.post_task()
    buyer.award(paid, agent.bid(paid))
    host.sql("UPDATE app.task SET state = 'assigned' WHERE id = :id", id=paid["id"])
    assert code_of(buyer.http.post(f"/tasks/{paid['id']}/cancel")) == (409, "wrong_state")


@pytest.mark.parametrize(
    ("price", "changes", "path"),
    [
        ("9999999", {}, "channel"),
        ("10000000", {}, "escrow"),
        ("10000001", {}, "escrow"),
        ("9999999", {"escrow_only": True}, "escrow"),
        ("9999999", {"deliver_within_seconds": 12 * 3600}, "escrow"),
    ],
)
def test_the_route_is_told_with_its_costs(host: Host, price: str, changes: dict[str, object], path: str) -> None:
    answer = host.client().post("/tasks/route", json={"price_units": price} | changes).json()
    assert answer["path"] == path
    assert (answer["fee_units"] == "0") == (path == "channel")
    assert answer["reason"].endswith(".")


def test_lists_are_filtered_sorted_and_paged(host: Host) -> None:
    buyer = host.wallet()
    budgets = [30_000_000, 10_000_000, 20_000_000, 50_000_000, 40_000_000]
    for budget in budgets:
        buyer.post_task(budget_units=str(budget), capability="paging", title=f"Paged {budget} 100%")
    seen: list[str] = []
    cursor: str | None = None
    while True:
        query = {"capability": "paging", "sort": "budget", "limit": 2, "state": "open"} | (
            {"cursor": cursor} if cursor else {}
        )
        page = host.client().get("/tasks", params=query).json()
        seen += [task["budget_units"] for task in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == [str(budget) for budget in sorted(budgets, reverse=True)]
    found = host.client().get("/tasks", params={"q": "30000000 100%"}).json()["items"]
    assert [task["budget_units"] for task in found] == ["30000000"]
    assert host.client().get("/tasks", params={"q": "30000000_100"}).json()["items"] == []
    mine = buyer.http.get("/tasks", params={"mine": True, "limit": 100}).json()["items"]
    assert {task["buyer"] for task in mine} == {checksum(buyer.address)}
    assert code_of(host.client().get("/tasks", params={"mine": True})) == (401, "unauthenticated")
    assert code_of(host.client().get("/tasks", params={"cursor": "AAAA"})) == (422, "invalid_input")


def test_unknown_tasks_and_addresses_are_problem_documents(host: Host) -> None:
    assert code_of(host.client().get(f"/tasks/{new_uuid7()}")) == (404, "not_found")
    assert code_of(host.client().get("/tasks/not-an-id")) == (422, "invalid_input")
    assert code_of(host.client().get("/nowhere")) == (404, "not_found")
    assert code_of(host.client().delete("/tasks")) == (405, "method_not_allowed")


def test_an_auction_that_is_over_is_called_ended_and_can_still_be_awarded(host: Host) -> None:
    buyer, agent = host.wallet(), host.wallet()
    task = buyer.post_task(auction_seconds=60)
    bid = agent.bid(task)
    assert buyer.http.get(f"/tasks/{task['id']}").json()["public_state"] == "open"
    host.clock.added = 61
    try:
        late = buyer.http.get(f"/tasks/{task['id']}").json()
        assert (late["state"], late["public_state"], late["bid_count"]) == ("open", "ended", 1)
        refused = host.wallet()
        body = refused.bid_body(task)
        assert code_of(refused.http.post(f"/tasks/{task['id']}/bids", json=body)) == (409, "auction_closed")
        assert buyer.award(task, bid).status_code == 200
    finally:
        host.clock.added = 0


def test_a_verifier_is_public_before_anybody_bids_and_reads_the_task(host: Host) -> None:
    buyer, agent, verifier = host.wallet(), host.wallet(), host.wallet()
    named = checksum(verifier.address)
    assert code_of(buyer.http.post("/tasks/submit", json=task_body(verifier=named))) == (422, "invalid_input")
    task = buyer.post_task(verifier=named, escrow_only=True)
    assert task["document"]["verifier"] == named
    assert host.client().get(f"/tasks/{task['id']}").json()["verifier"] == named
    assert verifier.http.get(f"/tasks/{task['id']}").json()["description"] == task["description"]
    deal_id = buyer.award(task, agent.bid(task)).json()["deal_id"]
    listed = verifier.http.get("/deals", params={"role": "verifier"}).json()["items"]
    assert [one["id"] for one in listed] == [deal_id]
    shown = verifier.http.get(f"/deals/{deal_id}").json()
    assert (shown["verifier"], shown["escrow"]["verifier"], shown["escrow"]["terms"]["verifier"]) == (named,) * 3
    assert host.wallet().http.get(f"/deals/{deal_id}").status_code == 404
