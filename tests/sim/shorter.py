"""Scenarios of a node on a branch that is shorter than ours: evidence decides, never the height."""

from __future__ import annotations

from indexer.forks import EVIDENCE
from tests.sim.node import SimNode
from tests.sim.scene import Scene
from tests.sim.turn import CHAIN_ID, CONTRACTS


def branch_of_one(scene: Scene) -> None:
    """I7: one of two nodes stands on a shorter branch that was left; the other one has ours. No going back."""
    other = SimNode(scene.chain, CONTRACTS.addresses, chain_id=CHAIN_ID)
    scene.mine(6)
    scene.chain.finalise(2, 2)
    orphan = scene.mine(3)
    scene.branch(3, 6)
    machine = scene.machine(other)
    scene.arrive(machine)
    scene.node.on_branch(orphan)
    for _ in range(20):
        machine.run(1)
        assert scene.value("number", "cursor") == scene.chain.head.number
    scene.node.look = None
    scene.arrive(machine)


def branch_for_a_moment(scene: Scene) -> None:
    """I7: the only node there is shows a shorter branch, but not often enough; it does in the end, and is followed."""
    scene.mine(6)
    scene.chain.finalise(2, 2)
    orphan = scene.mine(3)
    scene.branch(3, 6)
    machine = scene.machine()
    scene.arrive(machine)
    for _ in range(3):
        scene.node.on_branch(orphan)
        for _ in range(EVIDENCE - 1):
            machine.run(1)
            assert scene.value("number", "cursor") == scene.chain.head.number
        scene.node.look = None
        scene.arrive(machine)
    scene.node.on_branch(orphan)
    machine.run(4 * EVIDENCE)
    assert scene.value("number", "cursor") == orphan.number
