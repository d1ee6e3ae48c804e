"""What an agent does when its result is disputed: the default rule, its own handler, and what it never does twice."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import NoneType
from typing import Any

import pytest

from aicp.abi import escrow as escrow_abi
from aicp.abi.enums import Status
from aicp.agent import Agent, Answer, DisputeCase, Divide, GiveBack, KeepSilent, Options
from aicp.agent.defence import Defence, default_reaction
from aicp.client import AgentActions, Mismatch, NotDue, models
from aicp.client import chain as chain_module
from aicp.client.verify import terms_message
from aicp.rules.primitives import ZERO_HASH, checksum
from tests.unit.sdk.builders import AGENT, DEAL_ID, NOW, address, delivered_json
from tests.unit.sdk.onchain import OnChain
from tests.unit.sdk.test_actions import balances, market, still_clock
from tests.unit.sdk.test_dispute_actions import ENDS, FEE, PRICE, STEP, Service, deal, signed_json

__all__ = ["still_clock"]

RPC = "http://localhost:8545"
CASE = DisputeCase(
    deal_id=DEAL_ID, title="Sales", price_units=PRICE, left_units=PRICE, bond_units=FEE, raised_at=NOW - 10,
    respond_by=ENDS, claim="Half is missing.", evidence=(), deliverable_hash=ZERO_HASH,
)  # fmt: skip


def defence(
    service: Service, folder: Path, handler: Any = None, usdc: int = 30_000_000, *, rpc: bool = False, **held: str
) -> Defence:
    path = f"/accounts/{checksum(AGENT.address)}/balances"
    service.answers.setdefault(path, balances(usdc_units=str(usdc), **held))
    service.answers[f"{STEP}/refund"] = service.answers[f"{STEP}/dispute"]
    agent = Agent("Tabula", ["data_processing"])
    if handler is not None:
        agent.on("dispute")(handler)
    own = market(AGENT, service, folder, rpc_url=RPC if rpc else None)
    return Defence(agent, AgentActions(own), Options(dispute_bond_limit_units=FEE))


def steps(service: Service) -> list[str]:
    return [path.rsplit("/", 1)[1] for path, _ in service.posts]


@pytest.mark.parametrize(
    ("changes", "limit", "answers"),
    [
        ({}, FEE, Answer),
        ({}, FEE - 1, GiveBack),
        ({"bond_units": None}, FEE, NoneType),
        ({"left_units": FEE + 1}, FEE, Answer),
        ({"left_units": FEE}, FEE, GiveBack),
    ],
)
def test_the_default_answers_what_is_worth_its_fee(changes: dict[str, Any], limit: int, answers: type) -> None:
    assert isinstance(default_reaction(replace(CASE, **changes), limit), answers)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("handler", "usdc", "step"),
    [
        (None, 30_000_000, ["response"]),
        (None, FEE - 1, []),
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
    await defence(service, tmp_path, usdc=0, waiting={"escrow": FEE}).step(deal("challenged"))
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


@pytest.mark.asyncio
@pytest.mark.parametrize("fee", [None, "999000000"])
@pytest.mark.parametrize("status", [None, Status.SUBMITTED, Status.CLOSED])
async def test_no_refund_is_signed_on_the_word_of_the_service_alone(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    fee: str | None,
    status: Status | None,
) -> None:
    """The service says that the result is disputed, and that an answer costs more than it may, or names no cost."""
    service = Service()
    own = defence(service, tmp_path, rpc=status is not None)
    if status is not None:
        OnChain(status=status).install(monkeypatch)
    told = deal("challenged", dispute_fee_units=fee)
    for now in (NOW, ENDS - 1):
        monkeypatch.setattr(chain_module.Chain, "now", lambda _, now=now: now)
        if status is None:
            await own.step(told)
        else:
            with pytest.raises(NotDue, match="the chain does not have"):
                await own.step(told)
    assert service.posts == []
    assert status is not None or "IS NOT ANSWERED" in caplog.text


@pytest.mark.asyncio
async def test_what_the_chain_confirms_is_given_back_and_what_it_denies_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = deal("challenged", dispute_fee_units="999000000")
    for seen, said in (
        (OnChain(fee=FEE + 1), ["refund"]),
        (OnChain(wallet=FEE - 1, ledger=FEE - 1), ["refund"]),
        (OnChain(down=True), []),
        (OnChain(fee=None), []),
    ):
        service = Service()
        seen.install(monkeypatch)
        await defence(service, tmp_path, rpc=True).step(told)
        assert steps(service) == said


@pytest.mark.asyncio
async def test_a_handler_gives_back_only_what_the_chain_does_not_deny(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = Service()
    OnChain(status=Status.SUBMITTED).install(monkeypatch)
    with pytest.raises(NotDue):
        await defence(service, tmp_path, lambda _: GiveBack(), rpc=True).step(deal("challenged"))
    assert service.posts == []
    await defence(service, tmp_path, lambda _: GiveBack()).step(deal("challenged", dispute_fee_units="999000000"))
    assert steps(service) == ["refund"], "without an RPC its own handler may say so"


@pytest.mark.asyncio
async def test_what_was_handed_in_is_not_given_back_as_if_it_were_not(tmp_path: Path) -> None:
    """The service shows a delivered deal as one at work, past its deadline."""
    service = Service()
    own = AgentActions(market(AGENT, service, tmp_path))
    step = f"{STEP}/submission"
    service.answers[step] = service.answers[f"{STEP}/refund"] = service.answers[f"{STEP}/dispute"]
    running = deal("accepted", deliverable_hash=None).model_copy(update={"deliverable": None, "state": "running"})
    delivered = deal().deliverable
    assert delivered is not None
    await own.deliver(running, delivered.files, ZERO_HASH)
    with pytest.raises(NotDue, match="handed in"):
        await own.give_back(running)
    assert steps(service) == ["submission"]


@pytest.mark.asyncio
@pytest.mark.parametrize("shown", ["challenged", "submitted"])
async def test_late_in_the_time_to_answer_the_agent_answers_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shown: str
) -> None:
    """The service hides the dispute, or keeps the answer it was given to itself."""
    service = Service()
    seen = OnChain().install(monkeypatch)
    own = defence(service, tmp_path, rpc=True)
    hidden = deal(release_signatures=[signed_json(AGENT, "agent")])
    told = underway("respond", "queued") if shown == "challenged" else hidden
    assert told.escrow is not None
    await own.step(told)
    assert seen.sent == []
    monkeypatch.setattr(chain_module.Chain, "now", lambda _: ENDS - 10)
    seen.fee = FEE + 1
    assert not await own.answer_directly_if_late(told), "above the limit"
    seen.fee = FEE
    assert await own.answer_directly_if_late(told)
    [(to, data)] = seen.sent
    assert (to, data[:4]) == (
        address("escrow"),
        escrow_abi.encode_respond_with_signature(
            terms_message(told.escrow.terms), 0, b"", escrow_abi.BondAuthorization(valid_before=0, signature=b"")
        )[:4],
    )
    seen.wallet, seen.ledger = 0, FEE
    assert await own.answer_directly_if_late(told)
    assert seen.sent[1][1] == escrow_abi.encode_respond(terms_message(told.escrow.terms))
    monkeypatch.setattr(chain_module.Chain, "now", lambda _: ENDS)
    assert not await own.answer_directly_if_late(told), "too late"


@pytest.mark.asyncio
async def test_a_handler_that_keeps_silent_is_not_answered_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = OnChain().install(monkeypatch)
    own = defence(Service(), tmp_path, lambda _: KeepSilent(), rpc=True)
    await own.step(deal("challenged"))
    monkeypatch.setattr(chain_module.Chain, "now", lambda _: ENDS - 10)
    assert not await own.answer_directly_if_late(deal("challenged"))
    assert seen.sent == []
