"""An agent's score falls with a missed delivery and comes back: by redemption at once, by thirty days in the end.

Every outcome is an escrow on the real contracts; each score is an epoch that is anchored there, and what counts is what
anybody computes from the chain's logs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from aicp.abi import reputation as abi
from aicp.client.score_chain import ScoreChain
from aicp.rules.canonical import canonical_json
from aicp.rules.decay import DAY
from aicp.rules.epochs import inputs_of, score_file
from aicp.rules.primitives import ZERO_ADDRESS, Finality, checksum
from aicp.rules.profiles import Profile
from backend.dashboard import service as dashboard
from backend.reputation import service
from backend.worker import sweeps
from indexer import views
from scripts.devnet.anchor import name_anchorer
from scripts.devnet.keys import dev_accounts
from tests.fixtures.moneylab import USDC, World
from tests.fixtures.services import CHAIN_ID, create_database, start_anvil

PRICE = 40 * USDC


@pytest.fixture
def world(postgres: object, tmp_path: Path) -> Iterator[World]:
    chain = start_anvil()
    made = World(chain, create_database(postgres), tmp_path / "deployment")
    name_anchorer(chain.url, made.ctx.deployment, dev_accounts(CHAIN_ID))
    made.stake(made.agent)
    made.register(made.agent, Profile(slug="tabula", name="Tabula", description="", capabilities=["data_analysis"]))
    yield made
    made.close()
    chain.close()


def completed(world: World) -> None:
    """Let the agent do a task well."""
    deal = world.deal(PRICE, escrow_only=True)
    world.accept(deal)
    world.pay(deal)
    world.until(lambda: world.state(deal) == "assigned", "assigned")
    world.submit(deal)
    world.until(lambda: world.state(deal) == "delivered", "delivered")
    world.release(deal)
    world.until(lambda: world.state(deal) == "completed", "completed")


def missed(world: World) -> None:
    """Let the agent deliver nothing in time."""
    deal = world.deal(PRICE, escrow_only=True, deliver_within_seconds=120)
    world.accept(deal)
    world.pay(deal)
    world.until(lambda: world.state(deal) == "assigned", "assigned")
    world.later(1_200)
    sweeps.keep(world.machine)
    world.until(lambda: world.state(deal) == "expired", "expired")


def scored(world: World, epoch: int) -> int:
    """Let the day end and its scores be anchored and count; return the agent's, as the contract proves it.

    The file is computed once more from a node's logs alone, and is the published one, byte for byte.
    """
    now = world.clock()
    world.later(DAY - now % DAY + 60)
    world.turn()

    def final() -> bool:
        sweeps.score(world.machine)
        return any(row.epoch == epoch for row in world.read(lambda s: views.score_epochs(s, 9, Finality.FINAL)))

    world.until(final, f"epoch {epoch} is anchored")
    world.later(12 * 3_600 + 60)
    world.turn()
    contract = world.ctx.deployment.reputation
    shown = world.read(lambda s: service.reputation(s, world.ctx, checksum(world.agent.address), Finality.FINAL))
    assert shown.anchor is not None
    assert (shown.anchor.epoch, shown.anchor.counts) == (epoch, True)
    leaf = abi.ScoreLeaf(shown.agent, shown.score, shown.settled_value_units, shown.jobs, epoch)
    call = abi.encode_verify_score(epoch, leaf, shown.anchor.proof)
    answer = world.machine.rpc.eth_call(sender=ZERO_ADDRESS, to=contract, data=call)
    assert abi.decode_verify_score_result(answer) == shown.score

    manifest = world.one("SELECT manifest FROM app.score_epoch WHERE epoch = :n", n=epoch)
    inputs = inputs_of(manifest)
    deals = asyncio.run(ScoreChain(world.chain.url, world.ctx.deployment).deals(inputs.block_number))
    published = world.read(lambda s: service.score_file(s, epoch)).model_dump(mode="json")
    assert canonical_json(published) == canonical_json(score_file(inputs, deals))
    return shown.score


def redeemed_bps(world: World) -> int | None:
    """Return how much less the last failure weighs by later deals, as the agent's dashboard tells it."""
    told = world.read(lambda s: dashboard.of_agent(s, world.ctx, "tabula", world.agent.address)).standing.last_failure
    assert told is not None
    assert (told.outcome, told.amount_units) == ("missed", PRICE)
    return told.redemption_bps


def test_a_score_falls_with_a_failure_and_comes_back_by_redemption_and_time(world: World) -> None:
    completed(world)
    good = scored(world, 1)
    missed(world)
    assert redeemed_bps(world) is None, "no epoch knows the failure yet"
    fallen = scored(world, 2)
    assert fallen < good - 100
    assert redeemed_bps(world) == 0
    completed(world)
    redeemed = scored(world, 3)
    assert fallen < redeemed < good
    assert 0 < (redeemed_bps(world) or 0) <= 3_000
    world.later(30 * DAY)
    completed(world)
    recovered = scored(world, 4)
    print(f"good {good}, after a missed delivery {fallen}, after a redemption {redeemed}, 30 days later {recovered}")
    assert redeemed < recovered <= good
