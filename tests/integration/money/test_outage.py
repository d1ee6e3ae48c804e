"""The node is away: small payments go on as long as they are safe, all else waits, and all catches up."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace

import httpx
import pytest

from backend.errors import ChainBehind
from backend.network import service as network
from backend.network.schemas import StatusOut
from backend.settlement import wishes
from backend.wallet.chain import gas_price_wei
from backend.worker import sweeps
from tests.fixtures.gate import Gate
from tests.fixtures.moneylab import USDC, World
from tests.fixtures.services import create_database, start_anvil

PRICE = 400_000
HOUR = 3600


@pytest.fixture(scope="module")
def gate() -> Iterator[Gate]:
    """A gate with nothing behind it yet."""
    made = Gate(target=0)
    yield made
    made.shut()


@pytest.fixture(scope="module")
def world(postgres, tmp_path_factory, gate: Gate) -> Iterator[World]:
    chain = start_anvil()
    gate.target = httpx.URL(chain.url).port or 0
    gate.open()
    made = World(replace(chain, url=gate.url), create_database(postgres), tmp_path_factory.mktemp("deployment"))
    yield made
    made.close()
    chain.close()


def status(world: World) -> StatusOut:
    return world.read(lambda s: network.status(s, world.ctx))


def rounds(world: World) -> None:
    """One round of every worker, none of which may fail for want of a node."""
    sweeps.sweep_transactions(world.machine)
    sweeps.reconcile(world.machine)
    sweeps.keep(world.machine)
    sweeps.settle(world.machine)
    sweeps.follow_ledger(world.machine)


def paid(world: World, total: int) -> bytes:
    """Order, deliver and accept; return the channel."""
    deal = world.deal(PRICE)
    world.place(deal, world.order(deal, total))
    world.deliver(deal)
    world.judge(deal, accepted=True)
    return world.lane().channel_id


def test_half_a_day_without_a_node(world: World, gate: Gate) -> None:
    world.stake(world.agent)
    world.deposit(20 * USDC)
    assert status(world).off_chain_accepting
    gate.shut()
    with pytest.raises(httpx.TransportError):
        world.chain.rpc("eth_chainId")

    # inside the window
    world.clock.added += 7 * HOUR
    rounds(world)
    told = status(world)
    assert (told.state, told.off_chain_accepting) == ("chain_unreachable", True)
    assert "payments below $10 go on" in told.sentence
    channel = paid(world, PRICE)
    price = asyncio.run(gas_price_wei(world.ctx))
    assert price is None
    wish = world.write(lambda s: wishes.ask(s, world.ctx, channel, world.agent.address, gas_price_wei=price))
    assert wish.unclaimed_units == PRICE, "kept until a node can say what gas costs"
    rounds(world)

    # past the window
    world.clock.added += HOUR + 60
    rounds(world)
    told = status(world)
    assert (told.state, told.off_chain_accepting) == ("chain_unreachable", False)
    assert "payments below $10 are paused" in told.sentence
    assert "finality_stalled" in {alarm.kind for alarm in told.alarms}
    late = world.deal(PRICE)
    with pytest.raises(ChainBehind) as refused:
        world.place(late, world.order(late, 2 * PRICE))
    assert refused.value.code == "chain_behind"
    escrow = world.deal(30 * USDC)
    world.accept(escrow)
    world.pay(escrow)
    rounds(world)
    waiting = world.sql("SELECT kind, state FROM txm.intent WHERE state <> 'final'")
    assert ("fund", "queued") in [tuple(row) for row in waiting], "what needs the chain waits"
    assert status(world).open_intents == len(waiting)

    # the node is back
    gate.open()
    world.later(0)
    world.until(lambda: world.state(escrow) in {"assigned", "running"}, "the escrow is paid")
    rounds(world)
    told = status(world)
    assert (told.state, told.off_chain_accepting) == ("ok", True)
    assert "finality_stalled" not in {alarm.kind for alarm in told.alarms}
    fresh = world.deal(PRICE)
    world.place(fresh, world.order(fresh, 2 * PRICE))
    world.until(
        lambda: (
            sweeps.settle(world.machine) >= 0
            and world.sql("SELECT 1 FROM chain.channel WHERE channel_id = :id", id=channel) != []
        ),
        "the claim asked for is on chain",
    )
    total = "SELECT total_claimed_units FROM chain.channel WHERE channel_id = :id"
    assert int(world.one(total, id=channel)) == PRICE
    world.until(lambda: world.sql("SELECT 1 FROM txm.intent WHERE state <> 'final'") == [], "nothing waits any more")
    world.turn()
    sweeps.follow_ledger(world.machine)
    assert sweeps.check_ledger(world.machine) == 0
