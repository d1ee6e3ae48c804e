"""An agent that starts while its service is gone does by itself what waits for it on chain."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from aicp.abi.enums import Status
from aicp.agent import driver as driver_module
from aicp.agent import runner as runner_module
from aicp.agent.agent import Agent, Options
from aicp.agent.collector import Collector
from aicp.agent.runner import Runner
from aicp.agent.work import CannotDo, Job, Result, Task
from aicp.client import Market
from aicp.client import chain as chain_module
from aicp.client import transport as transport_module
from aicp.client.models import Deal
from aicp.rules.primitives import checksum
from tests.unit.sdk.builders import AGENT, DEAL_ID, OPERATOR, address
from tests.unit.sdk.onchain import ARBITER, OnChain
from tests.unit.sdk.test_actions import still_clock
from tests.unit.sdk.test_dispute_actions import deal as disputed
from tests.unit.sdk.test_driver import until

__all__ = ["still_clock"]


def published(folder: Path) -> Path:
    """Write the deployment file of the chain the tests' deals are on."""
    document = json.loads(Path(__file__).with_name("deployment.json").read_text())
    document["contracts"] |= {
        "escrow": checksum(address("escrow")),
        "paymentChannel": checksum(address("payment channel")),
        "reputation": checksum(address("reputation")),
        "usdc": checksum(address("usdc")),
        "arbiter": checksum(ARBITER),
    }
    document["operators"][0]["address"] = checksum(OPERATOR.address)
    file = folder / "31337.json"
    file.write_text(json.dumps(document))
    return file


def no_offer(_: Task) -> None:
    """Bid on nothing."""


def no_work(_: Job) -> Result:
    raise CannotDo("nothing is done here")


def gone(_: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("gone")


def broken(_: httpx.Request) -> httpx.Response:
    return httpx.Response(502, text="<h1>Bad Gateway</h1>")


Gone = Callable[[httpx.Request], httpx.Response]


@asynccontextmanager
async def started(folder: Path, service: Gone, *kept: Deal) -> AsyncIterator[Runner]:
    """Run an agent that keeps these deals, and no service."""
    agent = Agent("Tabula", ["data_processing"])
    agent.on("quote")(no_offer)
    agent.on("work")(no_work)
    deployment = published(folder)
    rpc_url, http = "http://localhost:8545", httpx.AsyncClient(transport=httpx.MockTransport(service))
    store = folder / "store.sqlite"
    market = Market("http://localhost", AGENT, deployment=deployment, store=store, rpc_url=rpc_url, http=http)
    for deal in kept:
        (await market.store()).keep_deal(deal)
    runner = Runner(agent, market, Options(rpc_url=rpc_url, deployment=deployment), folder)
    running = asyncio.create_task(runner.run())
    try:
        yield runner
    finally:
        running.cancel()


@pytest.fixture(autouse=True)
def _hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport_module, "_DELAYS", ())
    monkeypatch.setattr(runner_module, "COLLECT_SECONDS", 0.05)
    monkeypatch.setattr(driver_module, "POLL_SECONDS", 0.05)


async def soon(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        await until(condition)


@pytest.mark.asyncio
@pytest.mark.parametrize("service", [gone, broken])
async def test_receipts_are_claimed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, service: Gone) -> None:
    claims: list[str] = []

    async def claim(_: Collector, rpc_url: str) -> None:
        claims.append(rpc_url)

    monkeypatch.setattr(Collector, "_claim_overdue", claim)
    async with started(tmp_path, service):
        await soon(lambda: len(claims) > 1)


@pytest.mark.asyncio
@pytest.mark.parametrize("service", [gone, broken])
async def test_a_dispute_over_a_deal_it_keeps_is_answered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, service: Gone
) -> None:
    seen = OnChain(status=Status.CHALLENGED).install(monkeypatch)
    monkeypatch.setattr(chain_module.Chain, "now", lambda _: seen.clock - 10)
    async with started(tmp_path, service, disputed()) as runner:
        await soon(lambda: bool(seen.sent))
        assert runner.active_deals() == 0, "a deal the service does not show takes no slot"
    assert seen.sent[0][0] == address("escrow")
    assert [kept.id for kept in (await runner.market.store()).kept_deals()] == [DEAL_ID]
