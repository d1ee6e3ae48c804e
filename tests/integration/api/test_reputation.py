"""Scores over HTTP where nobody has one yet: newcomers, empty lists, and what is refused."""

from __future__ import annotations

from aicp.rules.primitives import checksum
from tests.fixtures.apihost import Host, code_of

LEADERS = "/reputation/leaderboard"


def test_a_registered_agent_without_a_score_is_a_newcomer(host: Host) -> None:
    agent = host.wallet()
    unknown = agent.http.get(f"/agents/{checksum(agent.address)}/reputation")
    assert unknown.status_code == 404
    agent.register(slug="newcomer", name="Newcomer")
    for name in (checksum(agent.address), "newcomer"):
        shown = agent.http.get(f"/agents/{name}/reputation", params={"min_finality": "final"}).json()
        assert (shown["agent"], shown["score"], shown["tier"]) == (checksum(agent.address), 2_000, "new")
        assert (shown["anchor"], shown["forecast"]) == (None, [])
        assert {one["score"] for one in shown["specialties"]} == {2_000}


def test_lists_are_empty_and_wrong_questions_refused(host: Host) -> None:
    with host.client() as http:
        for path in (LEADERS, "/reputation/epochs"):
            assert http.get(path).json() == {"items": [], "next_cursor": None}
            for cursor in ("x", "W3sidCI6IjIwMjYtMDEtMDEifSwiMDAiXQ"):
                assert http.get(path, params={"cursor": cursor}).status_code == 422, (path, cursor)
        assert http.get(LEADERS, params={"specialty": "task_type:compute", "tier": "good"}).status_code == 200
        assert code_of(http.get(LEADERS, params={"specialty": "task_type:cooking"}))[0] == 422
        assert http.get("/reputation/epochs/1").status_code == 404
        for wrong in ("0", "9223372036854775808", "x"):
            assert http.get(f"/reputation/epochs/{wrong}").status_code == 422
