"""The agent's driver stakes what another accepted deal counts on, and cancelling a withdrawal names no amount."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from aicp.abi.enums import Status
from aicp.abi.signing import recover
from aicp.abi.typed_data import PoolWithdraw
from aicp.agent import driver as driver_module
from aicp.agent.agent import Agent, Options
from aicp.agent.driver import Driver, left_unpaid
from aicp.agent.work import CannotDo, Job, Result, Task
from aicp.client import AgentActions, Market, NotEnough, PoolActions, models
from aicp.client import chain as chain_module
from aicp.client import transport as transport_module
from aicp.client.verify import own_pool_id
from aicp.rules.primitives import checksum, hex0x
from tests.unit.sdk.builders import (
    AGENT,
    BUYER,
    DEAL_ID,
    NOW,
    OPERATOR,
    address,
    chain,
    deal,
    deal_json,
    delivered_json,
)
from tests.unit.sdk.onchain import OnChain
from tests.unit.sdk.test_actions import Recorder, balances, market, still_clock
from tests.unit.sdk.test_dispute_actions import Service
from tests.unit.sdk.test_dispute_actions import deal as disputed
from tests.unit.sdk.test_purchase import pool_json

__all__ = ["still_clock"]


class PromisedStake(Recorder):
    """Refuses acceptances until the agent has staked: its free stake is promised to another deal."""

    def __init__(self) -> None:
        super().__init__()
        self.staked = 10_000_000

    def __call__(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path.removeprefix("/api/v1")
        answer = super().__call__(request)
        if path.endswith("/balances"):
            held = balances(usdc_units="30000000", staked_units=str(self.staked), stake_free_units=str(self.staked))
            return httpx.Response(200, json=held | {"address": checksum(AGENT.address)})
        if path == "/stakes":
            self.staked += int(self.posts[-1][1]["amount_units"])
            return httpx.Response(200, json=self.intent())
        if path.startswith("/transactions/"):
            return httpx.Response(200, json=self.intent())
        if path.endswith("/acceptance"):
            if self.staked >= 13_000_000:
                return httpx.Response(200, json=deal_json("escrow"))
            refused = {"code": "stake_short", "detail": "Short.", "need_units": "5000000", "free_units": "2000000"}
            return httpx.Response(409, json=refused)
        return answer

    @staticmethod
    def intent() -> dict[str, Any]:
        return {
            "id": "0197f3a0-0000-7000-8000-000000000009",
            "kind": "stake",
            "state": "mined",
            "on_behalf_of": checksum(AGENT.address),
            "tx_hash": None,
            "block_number": 5,
            "error_code": None,
            "error_detail": None,
            "reference": {},
        }


@pytest.mark.asyncio
@pytest.mark.parametrize(("limit", "steps"), [(13_000_000, 3), (12_999_999, 1)])
async def test_stake_promised_to_another_deal_is_added_within_the_limit(tmp_path: Path, limit: int, steps: int) -> None:
    service = PromisedStake()
    driver = Driver(
        deal("escrow").id,
        agent=Agent("Tabula", ["data_processing"]),
        actions=AgentActions(market(AGENT, service, tmp_path)),
        options=Options(stake_limit_units=limit),
        folder=tmp_path,
        slots=asyncio.Semaphore(1),
    )
    await driver._accept(deal("escrow", escrow__acceptance_signature=None))  # one step of `run`
    made = [path.rsplit("/", 1)[1] for path, _ in service.posts]
    assert made == ["acceptance", "stakes", "acceptance"][:steps]
    if steps == 3:
        assert service.posts[1][1]["amount_units"] == "3000000", "what is needed minus what is free"


@pytest.mark.asyncio
async def test_cancelling_a_withdrawal_is_signed_with_no_amount(tmp_path: Path) -> None:
    service = Recorder()
    own = market(BUYER, service, tmp_path)
    session = (await own.store()).make_session_key(31337, BUYER.address, OPERATOR.address)
    pool = models.Pool.read(pool_json(session.address, 5_000_000, 5_000_000, block=7))
    service.answers[f"/pools/{hex0x(pool.pool_id)}/withdrawal"] = PromisedStake.intent()
    await PoolActions(own).withdraw(pool, 3_000_000, cancel=True)
    [(_, body)] = service.posts
    assert (body["amount_units"], body["cancel"]) == ("0", True)
    message = PoolWithdraw(
        pool_id=own_pool_id(BUYER.address, session.address, OPERATOR.address, chain()),
        amount=0,
        cancel=True,
        nonce=0,
        valid_until=NOW + 900,
    )
    assert recover(message.digest(chain().channel), bytes.fromhex(body["signature"][2:])) == BUYER.address
    with pytest.raises(NotEnough, match=r"holds 5\.00 USDC"):
        await PoolActions(own).withdraw(pool, 5_000_001)
    assert len(service.posts) == 1


@pytest.mark.parametrize(
    ("path", "state", "later", "changes", "unpaid"),
    [
        ("channel", "awaiting_payment", 899, {}, False),
        ("channel", "awaiting_payment", 900, {}, True),
        ("channel", "running", 5_000, {}, False),
        ("escrow", "awaiting_payment", 5_000, {"escrow__payable_until": NOW + 6_000}, False),
        ("escrow", "awaiting_payment", 1, {"escrow__payable_until": None}, True),
        ("escrow", "awaiting_acceptance", 1, {"escrow__payable_until": None}, False),
    ],
)
def test_an_award_left_unpaid_takes_no_slot(  # one parameter for each fact
    path: str, state: str, later: int, changes: dict[str, Any], unpaid: bool
) -> None:
    made = deal(path, state=state, **changes)
    now = int(made.created_at.timestamp()) + later
    assert left_unpaid(made, now, 900) is unpaid


class Vanishing(Service):
    """Shows the deal once and then answers nothing."""

    def __init__(self) -> None:
        super().__init__(**{f"/deals/{DEAL_ID}": disputed().model_dump(mode="json")})
        self.left = 1

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith(f"/deals/{DEAL_ID}"):
            self.left -= 1
        if self.left < 0:
            raise httpx.ConnectError("gone")
        return super().__call__(request)


async def until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110  # the state is the driver's, and tells nobody
        await asyncio.sleep(0.01)


@pytest.mark.asyncio
async def test_a_deal_the_service_calls_over_is_kept_while_the_chain_has_its_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor does it help the service to show the deal under other terms."""
    seen = OnChain(status=Status.SUBMITTED).install(monkeypatch)
    shown = disputed()
    assert shown.escrow is not None
    service = Service(**{f"/deals/{DEAL_ID}": shown.model_dump(mode="json")})
    own = market(AGENT, service, tmp_path, rpc_url="http://localhost:8545")
    (await own.store()).put_submission(shown.escrow.escrow_id)
    driver = Driver(
        DEAL_ID,
        agent=Agent("Tabula", ["data_processing"]),
        actions=AgentActions(own),
        options=Options(),
        folder=tmp_path,
        slots=asyncio.Semaphore(1),
    )
    assert not await driver.step()
    service.answers[f"/deals/{DEAL_ID}"] = deal_json("escrow", 25_000_000) | {"live": False, "state": "refunded"}
    assert not await driver.step()
    seen.status = Status.CHALLENGED
    monkeypatch.setattr(chain_module.Chain, "now", lambda _: seen.clock - 10)
    assert not await driver.step()
    assert (seen.sent[0][0], seen.asked[-1]) == (address("escrow"), shown.escrow.escrow_id)
    seen.status = Status.CLOSED
    assert await driver.step()


@pytest.mark.asyncio
async def test_an_agent_whose_service_is_gone_answers_a_dispute_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport_module, "_DELAYS", ())
    monkeypatch.setattr(driver_module, "POLL_SECONDS", 0.01)
    seen = OnChain(status=Status.SUBMITTED).install(monkeypatch)
    service = Vanishing()
    driver = Driver(
        DEAL_ID,
        agent=Agent("Tabula", ["data_processing"]),
        actions=AgentActions(market(AGENT, service, tmp_path, rpc_url="http://localhost:8545")),
        options=Options(),
        folder=tmp_path,
        slots=asyncio.Semaphore(1),
    )
    running = asyncio.create_task(driver.run())
    try:
        async with asyncio.timeout(20):
            await until(lambda: service.left < -1)
            assert seen.sent == [], "nobody has disputed it"
            seen.status = Status.CHALLENGED
            monkeypatch.setattr(chain_module.Chain, "now", lambda _: seen.clock - 10)
            await until(lambda: bool(seen.sent))
    finally:
        running.cancel()
    assert seen.sent[0][0] == address("escrow")


def driver(tmp_path: Path, own: Market, slots: asyncio.Semaphore, agent: Agent | None = None) -> Driver:
    return Driver(
        DEAL_ID,
        agent=agent or Agent("Tabula", ["data_processing"]),
        actions=AgentActions(own),
        options=Options(),
        folder=tmp_path,
        slots=slots,
    )


@pytest.mark.asyncio
@pytest.mark.parametrize("intent", ["queued", "failed"])
async def test_a_submission_nobody_mines_is_sent_directly_however_busy_the_agent_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, intent: str
) -> None:
    seen = OnChain(status=Status.ACCEPTED).install(monkeypatch)
    shown = delivered_json() | {"state": "running"}
    shown["escrow"] |= {"chain_status": "accepted", "deliverable_hash": None}
    shown["last_intent"] = PromisedStake.intent() | {"kind": "submit", "state": intent}
    service = Service(**{f"/deals/{DEAL_ID}": shown})
    slots = asyncio.Semaphore(1)
    one = driver(tmp_path, market(AGENT, service, tmp_path, rpc_url="http://localhost:8545"), slots)
    monkeypatch.setattr(chain_module.Chain, "now", lambda _: int(shown["escrow"]["terms"]["deliver_by"]) - 10)
    await slots.acquire()  # another deal's work, which takes hours
    async with asyncio.timeout(3):
        await one.step()
    assert [to for to, _ in seen.sent] == [address("escrow")]


@pytest.mark.asyncio
async def test_work_waits_for_a_slot_and_gives_it_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(driver_module, "POLL_SECONDS", 0.05)
    shown = delivered_json() | {"state": "running", "deliverable": None}
    shown["escrow"] |= {"chain_status": "accepted", "deliverable_hash": None}
    path = f"/deals/{DEAL_ID}"
    service = Service(**{path: shown, f"{path}/refund": shown})
    agent = Agent("Tabula", ["data_processing"])
    asked: list[Job] = []

    @agent.on("quote")
    def quote(task: Task) -> None:
        """Bids on nothing."""

    @agent.on("work")
    def work(job: Job) -> Result:
        asked.append(job)
        raise CannotDo("it has no columns")

    async def download(*_: object) -> None:
        """This work does not open its inputs."""

    monkeypatch.setattr(Market, "download", download)
    slots = asyncio.Semaphore(1)
    one = driver(tmp_path, market(AGENT, service, tmp_path), slots, agent)

    def given_back() -> int:
        return [place for place, _ in service.posts].count(f"{path}/refund")

    await slots.acquire()
    assert not await one.step()
    assert asked == []
    slots.release()
    assert not await one.step()
    assert ([job.deal_id for job in asked], given_back(), slots.locked()) == ([DEAL_ID], 1, False)
    await slots.acquire()
    monkeypatch.setattr(chain_module.Chain, "now", lambda _: int(shown["escrow"]["terms"]["deliver_by"]))
    assert not await one.step()
    assert (len(asked), given_back()) == (1, 2), "what can no longer be done in time is given back at once"


class Refusing(Service):
    """Shows the deal until a test says with what to refuse it."""

    def __init__(self) -> None:
        super().__init__(**{f"/deals/{DEAL_ID}": disputed().model_dump(mode="json")})
        self.status: int | None = None

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if self.status is not None and request.url.path.endswith(f"/deals/{DEAL_ID}"):
            return httpx.Response(self.status, json={"code": "refused", "detail": "No."})
        return super().__call__(request)


@pytest.mark.asyncio
@pytest.mark.parametrize("status", [404, 500])
async def test_a_service_that_only_refuses_is_as_good_as_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    monkeypatch.setattr(driver_module, "POLL_SECONDS", 0.01)
    seen = OnChain(status=Status.SUBMITTED).install(monkeypatch)
    service = Refusing()
    own = market(AGENT, service, tmp_path, rpc_url="http://localhost:8545")
    one = driver(tmp_path, own, asyncio.Semaphore(1))
    assert not await one.step()
    assert [kept.id for kept in (await own.store()).kept_deals()] == [DEAL_ID]
    service.status = status
    seen.status = Status.CHALLENGED
    monkeypatch.setattr(chain_module.Chain, "now", lambda _: seen.clock - 10)
    running = asyncio.create_task(one.run())
    try:
        async with asyncio.timeout(20):
            await until(lambda: bool(seen.sent))
            assert not running.done()
            seen.status = Status.CLOSED
            if status == 404:
                await running
                assert (await own.store()).kept_deals() == []
    finally:
        running.cancel()
