"""What an agent does when its result is disputed: the default rule, its own handler, and what it never does twice."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from aicp.agent import Agent, Answer, DisputeCase, Divide, GiveBack, KeepSilent, Options
from aicp.agent.defence import Defence, default_reaction
from aicp.client import AgentActions, Mismatch, models
from aicp.rules.primitives import ZERO_HASH, checksum
from tests.unit.sdk.builders import AGENT, DEAL_ID, NOW, delivered_json
from tests.unit.sdk.test_actions import balances, market, still_clock
from tests.unit.sdk.test_dispute_actions import ENDS, FEE, PRICE, STEP, Service, deal, signed_json

__all__ = ["still_clock"]

CASE = DisputeCase(
    deal_id=DEAL_ID, title="Sales", price_units=PRICE, left_units=PRICE, bond_units=FEE, raised_at=NOW - 10,
    respond_by=ENDS, claim="Half is missing.", evidence=(), deliverable_hash=ZERO_HASH,
)  # fmt: skip


def defence(service: Service, folder: Path, handler: Any = None, usdc: int = 30_000_000, **held: str) -> Defence:
    path = f"/accounts/{checksum(AGENT.address)}/balances"
    service.answers.setdefault(path, balances(usdc_units=str(usdc), **held))
    service.answers[f"{STEP}/refund"] = service.answers[f"{STEP}/dispute"]
    agent = Agent("Tabula", ["data_processing"])
    if handler is not None:
        agent.on("dispute")(handler)
    return Defence(agent, AgentActions(market(AGENT, service, folder)), Options(dispute_bond_limit_units=FEE))


def steps(service: Service) -> list[str]:
    return [path.rsplit("/", 1)[1] for path, _ in service.posts]


@pytest.mark.parametrize(
    ("changes", "limit", "answers"),
    [
        ({}, FEE, True),
        ({}, FEE - 1, False),
        ({"bond_units": None}, FEE, False),
        ({"left_units": FEE + 1}, FEE, True),
        ({"left_units": FEE}, FEE, False),
    ],
)
def test_the_default_answers_what_is_worth_its_fee(changes: dict[str, Any], limit: int, answers: bool) -> None:
    assert isinstance(default_reaction(replace(CASE, **changes), limit), Answer if answers else GiveBack)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("handler", "usdc", "step"),
    [
        (None, 30_000_000, ["response"]),
        (None, FEE - 1, ["refund"]),
        (lambda _: GiveBack(), 30_000_000, ["refund"]),
        (lambda _: Divide(20_000_000), 30_000_000, ["split-offers"]),
        (lambda _: KeepSilent(), 30_000_000, []),
        (lambda _: 1 // 0, 30_000_000, ["response"]),
    ],
)
async def test_a_dispute_is_answered_as_the_handler_says(
    tmp_path: Path, handler: Any, usdc: int, step: list[str]
) -> None:
    service = Service()
    await defence(service, tmp_path, handler, usdc).step(deal("challenged"))
    assert steps(service) == step


@pytest.mark.asyncio
async def test_the_handler_sees_the_checked_evidence(tmp_path: Path) -> None:
    seen: list[DisputeCase] = []

    def handler(case: DisputeCase) -> Answer:
        seen.append(case)
        return Answer("It is all there.")

    service = Service()
    await defence(service, tmp_path, handler).step(deal("challenged"))
    assert [(case.claim, case.bond_units, case.respond_by) for case in seen] == [("Half is missing.", FEE, ENDS)]
    assert service.posts[0][1]["evidence"]["claim"] == "It is all there."
    forged = deal("challenged", dispute__evidence_hash="0x" + "11" * 32)
    with pytest.raises(Mismatch):
        await defence(service, tmp_path, handler).step(forged)
    assert len(service.posts) == len(seen) == 1


@pytest.mark.asyncio
async def test_the_fee_is_taken_from_the_balance_where_the_wallet_is_short(tmp_path: Path) -> None:
    service = Service()
    await defence(service, tmp_path, usdc=0, escrow_ledger_units=str(FEE)).step(deal("challenged"))
    assert service.posts[0][1]["bond"] is None


def underway(kind: str, state: str) -> models.Deal:
    last = {"id": DEAL_ID, "kind": kind, "state": state, "tx_hash": None, "error_code": None}
    return deal("challenged").model_copy(update={"last_intent": models.IntentRef.read(last)})


@pytest.mark.asyncio
async def test_an_answer_under_way_is_not_given_again(tmp_path: Path) -> None:
    service = Service()
    own = defence(service, tmp_path)
    for kind, state in (("respond", "sent"), ("refund", "mined"), ("split", "queued")):
        await own.step(underway(kind, state))
    assert service.posts == []
    await own.step(underway("respond", "failed"))
    await own.step(underway("dispute", "final"))
    assert steps(service) == ["response", "response"]


@pytest.mark.asyncio
async def test_the_release_is_signed_for_the_verifier_once(tmp_path: Path) -> None:
    service = Service()
    own = defence(service, tmp_path)
    await own.step(deal())
    await own.step(deal(release_signatures=[signed_json(AGENT, "agent")]))
    assert steps(service) == ["release-signatures"]
    await own.step(deal(release_signatures=[signed_json(AGENT, "agent", until=NOW)]))
    await own.step(models.Deal.read(delivered_json()))
    assert steps(service) == ["release-signatures"] * 2
