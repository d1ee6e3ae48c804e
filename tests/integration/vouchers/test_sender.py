"""The client that pays by vouchers: a lost answer or a lost state never pays twice."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest

from aicp.client.errors import ProblemError
from aicp.client.vouchers import NotKnown, Paid, VoucherBook, VoucherSender
from aicp.client.wallet import Wallet
from tests.fixtures.moneylab import World
from tests.fixtures.voucherlab import Shards, paid, receiver, way
from tests.integration.vouchers.conftest import POOL


class Known:
    """What the client knows of the deployment, as it would have read it from the service."""

    def __init__(self, world: World) -> None:
        self.contracts = world.ctx.deployment
        self.constants = world.ctx.constants
        self.channel = world.ctx.domains.channel
        self.current_operator = world.ctx.operator.address


def pay(
    world: World,
    shards: Shards,
    book: Path,
    *payments: tuple[bytes, int],
    payment_id: str | None = None,
    **options: Any,
) -> list[Any]:
    async def run() -> list[Any]:
        async with httpx.AsyncClient(timeout=10, **options) as http:
            urls = [shards.url(number) for number in range(shards.count)]
            key = Wallet(world.session_key.key)
            sender = VoucherSender(Known(world), world.buyer.address, key, VoucherBook(book), urls, http)
            if len(payments) > 1:
                return await sender.pay_many(payments, payment_id)
            return [await sender.pay(*payments[0], payment_id)]

    return asyncio.run(run())


class Forgetful(httpx.AsyncHTTPTransport):
    """Carries requests out and loses the answers."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await (await super().handle_async_request(request)).aread()
        raise httpx.ReadError("the answer is lost")


class Broken(httpx.AsyncHTTPTransport):
    """Carries requests out and answers that something went wrong."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await (await super().handle_async_request(request)).aread()
        return httpx.Response(500, json={"status": 500, "code": "internal", "title": "Something went wrong."})


def test_an_error_of_the_service_is_no_refusal(world: World, shards: Shards, tmp_path: Path) -> None:
    before, agent = paid(world), receiver(805)
    with pytest.raises(NotKnown):
        pay(world, shards, tmp_path / "a", (agent, 30), transport=Broken())
    assert VoucherBook(tmp_path / "a").pending(way(world, agent).channel_id) is not None
    assert pay(world, shards, tmp_path / "a", (agent, 5)) == [Paid(agent, 5, 35)]
    assert paid(world) == before + 35


def test_a_lost_answer_is_taken_up_and_pays_once(world: World, shards: Shards, tmp_path: Path) -> None:
    before, agent = paid(world), receiver(800)
    assert pay(world, shards, tmp_path / "a", (agent, 70)) == [Paid(agent, 70, 70)]
    with pytest.raises(NotKnown) as lost:
        pay(world, shards, tmp_path / "a", (agent, 30), transport=Forgetful())
    assert paid(world) == before + 100
    assert VoucherBook(tmp_path / "a").pending(way(world, agent).channel_id) is not None
    assert pay(world, shards, tmp_path / "a", (agent, 5)) == [Paid(agent, 5, 105)]
    again = pay(world, shards, tmp_path / "a", (agent, 30), payment_id=lost.value.payment_id)
    assert again == [Paid(agent, 30, 100)]
    assert paid(world) == before + 105


def test_lost_state_goes_on_from_the_corrective_answer(world: World, shards: Shards, tmp_path: Path) -> None:
    before, agent = paid(world), receiver(801)
    assert pay(world, shards, tmp_path / "b", (agent, 500)) == [Paid(agent, 500, 500)]
    assert pay(world, shards, tmp_path / "other", (agent, 40)) == [Paid(agent, 40, 540)]
    assert pay(world, shards, tmp_path / "third", (agent, 500)) == [Paid(agent, 500, 1_040)]  # stored once already
    assert paid(world) == before + 1_040


def test_a_batch_and_its_refusals(world: World, shards: Shards, tmp_path: Path) -> None:
    before = paid(world)
    agents = [receiver(810 + number) for number in range(3)]
    payments = [(agents[0], 10), (agents[1], POOL * 3), (agents[2], 20)]
    first, refused, last = pay(world, shards, tmp_path / "c", *payments)
    assert (first, last) == (Paid(agents[0], 10, 10), Paid(agents[2], 20, 20))
    assert isinstance(refused, ProblemError)
    assert refused.code == "voucher_above_pool"
    assert paid(world) == before + 30
    assert pay(world, shards, tmp_path / "c", (agents[1], 7)) == [Paid(agents[1], 7, 7)]
