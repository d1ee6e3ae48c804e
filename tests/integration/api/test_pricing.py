"""Estimates name every factor; a quote rests on the final record of its agent and is computed again by the client."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from aicp.abi.signing import recover
from aicp.cli.main import cli
from aicp.client.verify_quote import SignedQuote
from aicp.rules.primitives import checksum, hex0x, parse_bytes
from tests.fixtures.apihost import Host, Wallet, code_of

FINAL, HEAD = 90, 100


def ask(host: Host, **body: Any) -> dict[str, Any]:
    answer = host.client().post("/pricing/estimate", json={"base_units": "1000000"} | body)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def mirror(host: Host) -> None:
    """Let the mirror stand at a head whose newest blocks are not final."""
    host.sql("DELETE FROM chain.cursor")
    host.sql(
        "INSERT INTO chain.cursor (id, number, hash, block_time, safe_number, finalized_number, finalized_hash,"
        " finalized_time, epoch) VALUES (1, :n, :h, :t, :f, :f, :h, :t, 1)",
        n=HEAD,
        f=FINAL,
        h=bytes(32),
        t=host.clock(),
    )


def record(host: Host, agent: Wallet, completed: int, failed: int, lost: int = 0) -> None:
    host.sql(
        "INSERT INTO chain.agent_record (agent, completed, failed, disputed, lost, settled_units, block_number,"
        " log_index, block_hash, tx_hash) VALUES (:a, :c, :f, 0, :l, 1, 1, 0, :h, :h)",
        a=agent.address,
        c=completed,
        f=failed,
        l=lost,
        h=bytes(32),
    )


def verify(host: Host, file: Path, *more: str) -> Result:
    return CliRunner().invoke(cli, ["quote", "verify", str(file), "--url", host.url, *more])


def test_without_an_agent_every_tier_is_told(host: Host) -> None:
    told = ask(host, complexity=1, urgency="1.0")
    assert (told["price_units"], told["tier"], told["agent"], told["quote"]) == ("1500000", "new", None, None)
    assert {one["tier"]: one["price_units"] for one in told["tiers"]} == {
        "excellent": "3000000", "very_good": "2700000", "good": "2250000", "fair": "1800000", "low": "750000",
    }  # fmt: skip
    assert "no agent is named" in told["factors"][0]["because"]


def test_what_has_no_price_is_refused(host: Host) -> None:
    for wrong in ({"complexity": 0}, {"complexity": 11}, {"urgency": "2.0"}, {"base_units": 1.5}, {"base_units": "0"}):
        answer = host.client().post("/pricing/estimate", json={"base_units": "1"} | wrong)
        assert code_of(answer) == (422, "invalid_input"), wrong
    dear = host.client().post("/pricing/estimate", json={"base_units": str(2**96 - 1)})
    assert code_of(dear) == (400, "price_out_of_range")
    unknown = host.client().post("/pricing/estimate", json={"base_units": "1", "agent": "nobody-here"})
    assert code_of(unknown) == (404, "not_found")


def test_there_is_no_quote_before_the_chain_was_read(host: Host) -> None:
    host.sql("DELETE FROM chain.cursor")
    host.wallet().register(slug="too-early")
    answer = host.client().post("/pricing/estimate", json={"base_units": "1", "agent": "too-early"})
    assert code_of(answer) == (503, "chain_behind")


def test_the_worked_example_is_quoted_and_computed_again(host: Host, tmp_path: Path) -> None:
    agent, file = host.wallet(), tmp_path / "quote.json"
    agent.register(slug="excellent", price_floor_units="2000000")
    mirror(host)
    record(host, agent, completed=19, failed=0, lost=1)
    told = ask(host, agent="excellent")
    assert (told["price_units"], told["tier"], told["price_floor_units"]) == ("3000000", "excellent", "2000000")
    assert [(one["name"], one["bps"]) for one in told["factors"]] == [
        ("multiplier", 20_000), ("complexity", 15_000), ("urgency", 10_000),
    ]  # fmt: skip
    assert "19 of 20" in told["factors"][0]["because"]
    assert f"block {FINAL}" in told["factors"][0]["because"]
    quote = told["quote"]
    assert (quote["as_of_block"], quote["successes"], quote["decided"]) == (FINAL, 19, 20)
    assert quote["valid_until"] == pytest.approx(host.clock() + 900, abs=2)
    digest = SignedQuote.found_in(told).message().digest(host.ctx.domains.marketplace)
    assert quote["digest"] == hex0x(digest)
    assert recover(digest, parse_bytes(quote["signature"])) == host.ctx.operator.address

    asked = CliRunner().invoke(
        cli, ["quote", "ask", checksum(agent.address), "--base", "1", "--out", str(file), "--url", host.url]
    )
    assert asked.exit_code == 0, asked.output
    assert "3.00 USDC" in asked.output
    same = verify(host, file)
    assert same.exit_code == 0, same.output
    assert "formula 1 gives 3.00 USDC" in same.output
    text = file.read_text(encoding="utf-8")
    for old, new, why in (
        ('"price_units": "3000000"', '"price_units": "2999999"', "not signed by the operator"),
        ('"successes": 19', '"successes": 20', "not signed by the operator"),
        (checksum(host.ctx.operator.address), checksum(agent.address), "unknown operator"),
        ('"chain_id": 31337', '"chain_id": 1', "another deployment"),
        ('"signature": "0x', '"signature": "0x00', "is no quote"),
    ):
        assert old in text
        file.write_text(text.replace(old, new), encoding="utf-8")
        lie = verify(host, file)
        assert (lie.exit_code, why in lie.output) == (4, True), lie.output
    file.write_text(text, encoding="utf-8")
    host.clock.added += 960  # the client knows the time to within what an answer takes
    try:
        over = verify(host, file)
    finally:
        host.clock.added -= 960
    assert (over.exit_code, "has ended" in over.output) == (4, True), over.output


def test_a_quote_waits_for_outcomes_to_be_final(host: Host) -> None:
    agent = host.wallet()
    agent.register(slug="fresh")
    mirror(host)
    record(host, agent, completed=10, failed=0)
    before = (
        "INSERT INTO chain.undo (block_number, table_name, key, before) SELECT :n, 'agent_record', agent,"
        " to_jsonb(r) || '{\"completed\": 9}' FROM chain.agent_record r WHERE agent = :a"
    )
    host.sql(before, n=FINAL + 1, a=agent.address)
    told = ask(host, agent="fresh")
    assert (told["quote"]["decided"], told["tier"], told["price_units"]) == (9, "new", "1500000")
    assert host.client().get("/agents/fresh").json()["multiplier_bps"] == 20_000
    host.sql("UPDATE chain.cursor SET finalized_number = :n, safe_number = :n", n=FINAL + 1)
    assert ask(host, agent="fresh")["price_units"] == "3000000"
