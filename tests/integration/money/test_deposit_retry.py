"""A deposit repeated after a lost answer pays once, by the SDK against the real API, relayer and chain."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import httpx
import pytest

from aicp.client import PoolActions, Wallet
from aicp.client import transport as transport_module
from aicp.client.errors import Unreachable
from tests.fixtures.moneylab import USDC, World
from tests.fixtures.sdkhost import open_market

T = TypeVar("T")


class LosesAnswers(httpx.AsyncBaseTransport):
    """Carries requests to the application; while `losing`, the answers of deposits never arrive."""

    def __init__(self, inner: httpx.AsyncBaseTransport) -> None:
        self.inner = inner
        self.losing = False

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        answer = await self.inner.handle_async_request(request)
        if self.losing and request.url.path.endswith("/pools/deposit"):
            raise httpx.ReadError("the answer is lost", request=request)
        return answer


class Buyer:
    """An SDK buyer over the application of a world; every call is another process with the same store."""

    def __init__(self, world: World, store: Path) -> None:
        self.world, self.store = world, store
        self.losing = False

    def run(self, act: Callable[[PoolActions], Awaitable[T]]) -> T:
        return asyncio.run(self._run(act))

    async def _run(self, act: Callable[[PoolActions], Awaitable[T]]) -> T:
        def carrier(inner: httpx.AsyncBaseTransport) -> LosesAnswers:
            made = LosesAnswers(inner)
            made.losing = self.losing
            return made

        async with open_market(self.world, Wallet(self.world.buyer.key), self.store, carrier) as market:
            return await act(PoolActions(market))


def intents(world: World) -> int:
    return int(world.one("SELECT count(*) FROM txm.intent WHERE kind = 'pool_deposit'"))


@pytest.fixture
def buyer(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Buyer:
    monkeypatch.setattr(transport_module, "_DELAYS", (0.0,))
    return Buyer(world, tmp_path / "store.sqlite")


def test_a_deposit_whose_answer_was_lost_is_sent_again_as_it_was_signed(world: World, buyer: Buyer) -> None:
    held, before = world.usdc_of(world.buyer.address), intents(world)
    buyer.losing = True
    with pytest.raises(Unreachable):
        buyer.run(lambda pools: pools.deposit(5 * USDC))
    buyer.losing = False
    assert buyer.run(lambda pools: pools.deposit_underway()), "the service knows of it"
    world.clock.added += 1  # another second would be another expiry, if it were signed anew
    again = buyer.run(lambda pools: pools.deposit(5 * USDC))
    assert intents(world) - before == 1
    world.until(lambda: world.intent_state(again.id) == "final", "the deposit is final")
    world.turn()
    assert held - world.usdc_of(world.buyer.address) == 5 * USDC, "the chain took one deposit"
    assert buyer.run(lambda pools: pools.deposit_underway()) is False
    buyer.run(lambda pools: pools.deposit(2 * USDC))
    world.turn(rounds=3)
    assert held - world.usdc_of(world.buyer.address) == 7 * USDC, "a deposit we know the end of does not stop another"


def test_a_deposit_carried_out_before_its_answer_was_lost_is_not_signed_again(world: World, buyer: Buyer) -> None:
    held, before = world.usdc_of(world.buyer.address), intents(world)
    buyer.losing = True
    with pytest.raises(Unreachable):
        buyer.run(lambda pools: pools.deposit(3 * USDC))
    buyer.losing = False
    world.turn(rounds=3)
    world.later(901)  # past the authorization's life
    known = buyer.run(lambda pools: pools.deposit(3 * USDC))
    assert known.landed
    world.turn(rounds=3)
    assert intents(world) - before == 1
    assert held - world.usdc_of(world.buyer.address) == 3 * USDC


def test_a_deposit_that_expired_unsent_is_signed_again(world: World, buyer: Buyer) -> None:
    held, before = world.usdc_of(world.buyer.address), intents(world)
    buyer.losing = True
    with pytest.raises(Unreachable):
        buyer.run(lambda pools: pools.deposit(4 * USDC))
    buyer.losing = False
    world.later(901)
    world.turn()
    again = buyer.run(lambda pools: pools.deposit(1 * USDC))
    world.until(lambda: world.intent_state(again.id) == "final", "the deposit is final")
    assert intents(world) - before == 2
    assert held - world.usdc_of(world.buyer.address) == 1 * USDC


def test_a_deposit_the_relayer_dropped_is_signed_again_under_the_same_nonce(world: World, buyer: Buyer) -> None:
    held = world.usdc_of(world.buyer.address)
    dropped = buyer.run(lambda pools: pools.deposit(6 * USDC))
    world.sql("UPDATE txm.intent SET state = 'cancelled' WHERE id = :id", id=dropped.id)
    world.clock.added += 1
    again = buyer.run(lambda pools: pools.deposit(6 * USDC))
    query = "SELECT reference->>'nonce' FROM txm.intent WHERE id IN (:a, :b)"
    nonces = {row[0] for row in world.sql(query, a=dropped.id, b=again.id)}
    assert again.id != dropped.id
    assert len(nonces) == 1, "both signatures may still be used; the token takes one"
    world.until(lambda: world.intent_state(again.id) == "final", "the deposit is final")
    assert held - world.usdc_of(world.buyer.address) == 6 * USDC
