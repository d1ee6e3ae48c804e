"""What an agent does about a buyer's offer to divide: nothing unless its handler says so, and never anything twice."""

from __future__ import annotations

import asyncio
import logging
import uuid
from pathlib import Path
from typing import Any

import pytest

from aicp.abi.typed_data import Split
from aicp.agent import AcceptSplit, Agent, Divide, Options, SplitProposal
from aicp.agent.division import Division
from aicp.agent.driver import Driver
from aicp.client import AgentActions, DisputeActions, models
from aicp.rules.primitives import checksum, hex0x
from tests.unit.sdk.builders import AGENT, BUYER, DEAL_ID, NOW, chain
from tests.unit.sdk.test_actions import balances, market, still_clock
from tests.unit.sdk.test_dispute_actions import OFFER_ID, PRICE, STEP, Service, deal, escrow_id

__all__ = ["still_clock"]

TO_AGENT = 20_000_000


def offered(status: str = "submitted", *, signer: Any = BUYER, **changes: Any) -> models.Deal:
    """A deal the buyer offers to divide."""
    parts = {"to_provider": TO_AGENT, "to_client": PRICE - TO_AGENT, "valid_until": NOW + 500}
    signature = signer.sign_digest(Split(escrow_id=escrow_id(), **parts).digest(chain().escrow))
    one = {
        "id": str(OFFER_ID), "offered_by": checksum(BUYER.address), "role": "buyer", "state": "open",
        "to_provider_units": str(parts["to_provider"]), "to_client_units": str(parts["to_client"]),
        "valid_until": parts["valid_until"], "created_at": "2026-11-21T04:30:00Z", "signature": hex0x(signature),
    }  # fmt: skip
    return deal(status, split_offers=[one | changes])


def division(service: Service, folder: Path, handler: Any = None) -> Division:
    agent = Agent("Tabula", ["data_processing"])
    if handler is not None:
        agent.on("split_offer")(handler)
    return Division(agent, DisputeActions(market(AGENT, service, folder)))


def steps(service: Service) -> list[str]:
    return [path.removeprefix(f"{STEP}/") for path, _ in service.posts]


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("handler", "taken", "made"),
    [
        (None, False, []),
        (lambda _: None, False, []),
        (lambda _: AcceptSplit(), True, [f"split-offers/{OFFER_ID}/acceptance"]),
        (lambda _: Divide(22_000_000), False, ["split-offers"]),
        (lambda _: 1 // 0, False, []),
    ],
)
async def test_an_offer_is_answered_once_as_the_handler_says(
    tmp_path: Path, handler: Any, taken: bool, made: list[str]
) -> None:
    service = Service()
    own = division(service, tmp_path, handler)
    assert await own.step(offered()) is taken
    assert not await own.step(offered())
    assert steps(service) == made
    if made == ["split-offers"]:
        [(_, body)] = service.posts
        assert (body["to_provider_units"], body["valid_until"]) == ("22000000", NOW + 500)


@pytest.mark.asyncio
async def test_without_a_handler_the_log_tells(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "aicp.agent")
    await division(Service(), tmp_path).step(offered())
    assert "the buyer offers to divide" in caplog.text
    assert "20.00 USDC to us" in caplog.text


@pytest.mark.asyncio
async def test_the_handler_sees_what_was_offered_and_only_what_the_buyer_has_signed(tmp_path: Path) -> None:
    seen: list[SplitProposal] = []
    own = division(Service(), tmp_path, seen.append)
    await own.step(offered("challenged"))
    [proposal] = seen
    assert (proposal.deal_id, proposal.left_units, proposal.chain_status) == (DEAL_ID, PRICE, "challenged")
    assert (proposal.to_agent_units, proposal.to_buyer_units) == (TO_AGENT, PRICE - TO_AGENT)
    refused = [offered(signer=AGENT, id=str(uuid.UUID(int=90))), offered(id=str(uuid.UUID(int=91)), valid_until=NOW)]
    for number, changes in enumerate(({"state": "lapsed"}, {"role": "agent"})):
        refused.append(offered(id=str(uuid.UUID(int=92 + number)), **changes))
    for found in refused:
        assert not await own.step(found)
    assert len(seen) == 1


@pytest.mark.asyncio
async def test_an_offer_is_not_answered_while_a_division_is_under_way(tmp_path: Path) -> None:
    service = Service()
    own = division(service, tmp_path, lambda _: AcceptSplit())
    for state, posts in (("sent", 0), ("mined", 0), ("failed", 1)):
        last = {"id": DEAL_ID, "kind": "split", "state": state, "tx_hash": None, "error_code": None}
        await own.step(offered().model_copy(update={"last_intent": models.IntentRef.read(last)}))
        assert len(service.posts) == posts


@pytest.mark.asyncio
@pytest.mark.parametrize(("state", "status"), [("running", "accepted"), ("disputed", "challenged")])
async def test_the_driver_asks_before_it_works_or_answers_a_dispute(tmp_path: Path, state: str, status: str) -> None:
    found = offered(status).model_copy(update={"state": state})
    service = Service(**{STEP: found.model_dump(mode="json")})
    service.answers[f"/accounts/{checksum(AGENT.address)}/balances"] = balances(usdc_units="30000000")
    agent = Agent("Tabula", ["data_processing"])
    agent.on("split_offer")(lambda _: AcceptSplit())
    driver = Driver(
        DEAL_ID, agent=agent, actions=AgentActions(market(AGENT, service, tmp_path)), options=Options(),
        folder=tmp_path, slots=asyncio.Semaphore(1),
    )  # fmt: skip
    assert not await driver.step()
    assert steps(service) == [f"split-offers/{OFFER_ID}/acceptance"], "nothing else is signed in the same step"
