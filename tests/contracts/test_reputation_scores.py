"""Score epochs: who anchors, what waits, what can be vetoed, and what proves a score."""

from __future__ import annotations

import ape
import pytest
from msgspec.structs import replace

from aicp.abi.reputation import ScoreLeaf
from aicp.rules.scores import epoch_root, score_hash, score_proof

ROOT = b"\x0a" * 32
MANIFEST = b"\x0b" * 32
URI = "https://example.org/epochs/1.json"


def leaves(world, epoch, count=5):
    people = (world.provider, world.client, world.stranger, world.session, world.operator)
    return [
        ScoreLeaf(
            agent=bytes.fromhex(account.address[2:]), score=2_000 + 1_500 * i, settled_value=10**i, jobs=i, epoch=epoch
        )
        for i, account in enumerate(people[:count])
    ]


def as_call(leaf):
    return ("0x" + leaf.agent.hex(), leaf.score, leaf.settled_value, leaf.jobs, leaf.epoch)


def anchor(world, root=ROOT, count=5, sender=None):
    return world.reputation.anchorEpoch(root, count, MANIFEST, URI, sender=sender or world.operator)


@pytest.fixture
def anchoring(world):
    """The operator anchors."""
    world.reputation.setAnchorer(world.operator, sender=world.owner)
    return world


def activate(world):
    world.pass_to(world.reputation.latestActiveAt())


def test_set_anchorer__by_the_admin_at_any_time(world):
    world.reputation.setAnchorer(world.operator, sender=world.owner)
    assert world.reputation.anchorer() == world.operator.address
    anchor(world)
    world.reputation.setAnchorer("0x" + "0" * 40, sender=world.owner)
    activate(world)
    with ape.reverts(world.reputation.Anchor_CallerNotAnchorer):
        anchor(world)
    assert world.reputation.isActive(1)


def test_set_anchorer__reverts_when_caller_is_not_the_admin(world):
    for caller in (world.guardian, world.operator, world.stranger):
        with ape.reverts(world.reputation.Anchor_CallerNotAdmin):
            world.reputation.setAnchorer(caller, sender=caller)


def test_anchor_epoch__reverts_when_caller_does_not_anchor(world):
    for caller in (world.owner, world.guardian, world.operator):
        with ape.reverts(world.reputation.Anchor_CallerNotAnchorer):
            anchor(world, sender=caller)


def test_anchor_epoch__reverts_when_empty(anchoring):
    with ape.reverts(anchoring.reputation.Anchor_Empty):
        anchor(anchoring, root=bytes(32))
    with ape.reverts(anchoring.reputation.Anchor_Empty):
        anchor(anchoring, count=0)


def test_anchor_epoch__counts_up_and_emits(anchoring):
    receipt = anchor(anchoring)
    event = next(event for event in receipt.events if event.event_name == "EpochAnchored")
    assert (event.epoch, bytes(event.root), event.leafCount, event.uri) == (1, ROOT, 5, URI)
    assert bytes(event.manifestHash) == MANIFEST
    assert event.activeAt == receipt.timestamp + anchoring.reputation.anchorDelay()
    activate(anchoring)
    anchor(anchoring, root=MANIFEST)
    assert anchoring.reputation.latestEpoch() == 2
    assert [bytes(anchoring.reputation.rootOf(epoch)) for epoch in (0, 1, 2, 3)] == [
        bytes(32), ROOT, MANIFEST, bytes(32)
    ]  # fmt: skip
    assert [anchoring.reputation.isActive(epoch) for epoch in (0, 1, 2, 3)] == [False, True, False, False]


def test_anchor_epoch__reverts_when_one_is_pending(anchoring):
    anchor(anchoring)
    with ape.reverts(anchoring.reputation.Anchor_EpochNotNext):
        anchor(anchoring)


def test_veto_epoch__burns_the_number_and_lets_the_next_one_come(anchoring):
    anchor(anchoring)
    anchoring.reputation.vetoEpoch(1, sender=anchoring.guardian)
    assert bytes(anchoring.reputation.rootOf(1)) == bytes(32)
    assert anchoring.reputation.latestActiveAt() == 0
    anchor(anchoring)
    assert anchoring.reputation.latestEpoch() == 2
    activate(anchoring)
    assert [anchoring.reputation.isActive(epoch) for epoch in (1, 2)] == [False, True]


def test_veto_epoch__reverts_when_caller_is_not_the_guardian(anchoring):
    anchor(anchoring)
    for caller in (anchoring.owner, anchoring.operator, anchoring.stranger):
        with ape.reverts(anchoring.reputation.Guarded_CallerNotGuardian):
            anchoring.reputation.vetoEpoch(1, sender=caller)


def test_veto_epoch__reverts_when_active(anchoring):
    anchor(anchoring)
    activate(anchoring)
    with ape.reverts(anchoring.reputation.Anchor_NotPending):
        anchoring.reputation.vetoEpoch(1, sender=anchoring.guardian)
    assert bytes(anchoring.reputation.rootOf(1)) == ROOT


def test_veto_epoch__reverts_when_vetoed_or_unknown(anchoring):
    anchor(anchoring)
    for epoch in (0, 2):
        with ape.reverts(anchoring.reputation.Anchor_NotPending):
            anchoring.reputation.vetoEpoch(epoch, sender=anchoring.guardian)
    anchoring.reputation.vetoEpoch(1, sender=anchoring.guardian)
    with ape.reverts(anchoring.reputation.Anchor_NotPending):
        anchoring.reputation.vetoEpoch(1, sender=anchoring.guardian)


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_verify_score__proves_every_leaf_of_the_python_tree(anchoring, count):
    scores = leaves(anchoring, 1, count)
    anchor(anchoring, epoch_root(scores), count)
    activate(anchoring)
    for leaf in scores:
        assert anchoring.reputation.verifyScore(1, as_call(leaf), score_proof(scores, leaf)) == leaf.score


def test_verify_score__reverts_when_any_field_is_changed(anchoring):
    scores = leaves(anchoring, 1)
    anchor(anchoring, epoch_root(scores))
    activate(anchoring)
    leaf, proof = scores[0], score_proof(scores, scores[0])
    for changed in (
        replace(leaf, agent=scores[1].agent),
        replace(leaf, score=leaf.score + 1),
        replace(leaf, settled_value=leaf.settled_value + 1),
        replace(leaf, jobs=leaf.jobs + 1),
        replace(leaf, epoch=2),
    ):
        with ape.reverts(anchoring.reputation.Anchor_InvalidProof):
            anchoring.reputation.verifyScore(1, as_call(changed), proof)
    for bad in (proof[1:], proof[::-1], [*proof, bytes(32)], [], [score_hash(leaf)]):
        with ape.reverts(anchoring.reputation.Anchor_InvalidProof):
            anchoring.reputation.verifyScore(1, as_call(leaf), bad)


def test_verify_score__reverts_when_pending_vetoed_or_unknown(anchoring):
    scores = leaves(anchoring, 1)
    anchor(anchoring, epoch_root(scores))
    call = (as_call(scores[0]), score_proof(scores, scores[0]))
    with ape.reverts(anchoring.reputation.Anchor_NotActive):
        anchoring.reputation.verifyScore(1, *call)
    for epoch in (0, 2):
        with ape.reverts(anchoring.reputation.Anchor_NotActive):
            anchoring.reputation.verifyScore(epoch, *call)
    anchoring.reputation.vetoEpoch(1, sender=anchoring.guardian)
    anchoring.pass_to(anchoring.now() + anchoring.reputation.anchorDelay())
    with ape.reverts(anchoring.reputation.Anchor_NotActive):
        anchoring.reputation.verifyScore(1, *call)


def test_verify_score__keeps_older_epochs_for_ever(anchoring):
    scores = leaves(anchoring, 1)
    anchor(anchoring, epoch_root(scores))
    activate(anchoring)
    anchor(anchoring)
    anchoring.reputation.vetoEpoch(2, sender=anchoring.guardian)
    proof = score_proof(scores, scores[2])
    assert anchoring.reputation.verifyScore(1, as_call(scores[2]), proof) == scores[2].score
