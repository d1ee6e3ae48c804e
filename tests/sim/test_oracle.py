"""The oracle itself: it agrees with what the world did, and finds every kind of difference."""

from __future__ import annotations

from random import Random

import pytest

from indexer.store.schema import PHYSICAL
from tests.sim.check import Wrong
from tests.sim.events import decode, encode, shapes
from tests.sim.oracle import replay
from tests.sim.scene import Scene
from tests.sim.turn import ADDRESSES, CONTRACTS
from tests.sim.world import World


def _model(world: World):
    return replay(CONTRACTS, (log for block in world.chain.path for log in block.logs))


def _world(seed: int, blocks: int = 60) -> World:
    world = World(Random(seed))
    for _ in range(blocks):
        world.follow(world.mine(most=5))
    return world


@pytest.mark.parametrize("seed", range(3))
def test_the_replay_agrees_with_the_state_of_the_world(seed: int) -> None:
    world = _world(seed)
    model, state = _model(world), world.chain.head.state
    for key, value in state.items():
        match key:
            case ("pool", pool):
                assert model.rows["pool"][pool]["balance_units"] == value["balance"]
            case ("channel", channel):
                row = model.rows["channel"][channel]
                assert (row["balance_units"], row["total_claimed_units"]) == (value["balance"], value["claimed"])
            case ("stake", agent):
                row = model.rows["stake"][agent]
                assert (row["staked_units"], row["locked_units"]) == (value["staked"], value["locked"])
            case ("juror", juror):
                row = model.rows["juror"][juror]
                assert (row["free_units"], row["locked_units"]) == (value["free"], value["locked"])
            case ("ledger", contract, account):
                row = model.rows["ledger"].get(ADDRESSES[contract] + account, {"balance_units": 0})
                assert row["balance_units"] == value
            case ("escrow", escrow):
                row = model.rows["escrow"][escrow]
                assert row["status"] == value["status"]
                assert row["amount_units"] - row["released_units"] - row["refunded_units"] == value["left"]


def test_the_worlds_make_nearly_every_event() -> None:
    seen = set()
    for seed in range(20):
        for block in _world(seed, 200).chain.path:
            names = {address: name for name, address in ADDRESSES.items()}
            seen |= {
                (names[log.address], decode(names[log.address], log.topics, log.data).name)
                for log in block.logs
                if log.address in names
            }
    silent = {
        "EIP712DomainChanged", "InflowsPaused", "InflowsUnpaused", "TokenRescued", "MetaEvidence", "Dispute",
        "OwnershipTransferStarted", "OwnershipTransferred", "AnchorerChanged", "RowSkipped", "SettleSkipped",
        "RelatedDisclosed", "Evidence",
    }  # fmt: skip
    missing = {(contract, name) for contract in ADDRESSES for name in shapes(contract) if name not in silent} - seen
    assert not missing


def test_what_is_encoded_is_decoded() -> None:
    for block in _world(5, 20).chain.path:
        for log in block.logs:
            for name, address in ADDRESSES.items():
                if log.address == address:
                    event = decode(name, log.topics, log.data)
                    if event.name not in {"Evidence", "EpochAnchored"}:  # their texts may be no text at all
                        assert encode(event) == (log.topics, log.data)


@pytest.mark.parametrize(
    "damage",
    [
        "DELETE FROM {s}.log WHERE ctid = (SELECT ctid FROM {s}.log LIMIT 1)",
        "UPDATE {s}.log SET data = data || '\\x00' WHERE ctid = (SELECT ctid FROM {s}.log LIMIT 1)",
        "DELETE FROM {s}.activity WHERE ctid = (SELECT ctid FROM {s}.activity LIMIT 1)",
        "UPDATE {s}.ledger SET balance_units = balance_units + 1",
        "UPDATE {s}.pool SET block_number = block_number - 1",
        "UPDATE {s}.escrow SET tx_hash = '\\x00'",
        "INSERT INTO {s}.receiver VALUES ('\\x01', 0, 0, 1, 0, '\\x02', '\\x03')",
        "UPDATE {s}.cursor SET hash = '\\x00'",
        "DELETE FROM {s}.block WHERE number = (SELECT max(number) FROM {s}.block)",
        "UPDATE {s}.undo SET block_number = -block_number",
    ],
)  # fmt: skip
def test_any_damage_is_found(scene: Scene, damage: str) -> None:
    scene.mine(25)
    scene.chain.finalise(10, 8)
    scene.arrive(scene.machine())
    with scene.sandbox.engine.begin() as connection:
        assert connection.exec_driver_sql(damage.format(s=PHYSICAL)).rowcount
    with pytest.raises(Wrong):
        scene.check()
