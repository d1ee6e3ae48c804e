"""DisputeArbiter: sessions, draws and the default source of randomness."""

from __future__ import annotations

from typing import Any

import ape
import pytest
from eth_abi import encode

from tests.contracts.court import (
    COMMIT,
    DAY,
    DRAWING,
    DRAWS,
    EVIDENCE,
    FEE,
    GENERATING,
    HOUR,
    REVEAL,
    SALT,
    SOLVED,
    STAKE,
    STAKING,
    config,
)
from tests.contracts.world import USDC, ZERO, nonce_of

# session and draw ----------------------------------------------------------------------------------------------------


def test_advance_session__needs_a_waiting_round_and_the_staking_time(court):
    with ape.reverts(court.arbiter.Arbiter_SessionNotReady):
        court.arbiter.advanceSession(sender=court.anyone)
    first = court.waiting()
    court.open_session()
    court.draw(first)
    assert court.phase() == STAKING
    court.waiting(2)
    court.arbiter.advanceSession(sender=court.anyone)
    assert court.phase() == GENERATING


def test_advance_session__waits_for_the_source_then_takes_a_future_block(court):
    court.source.behave(0, 0, sender=court.anyone)
    dispute = court.waiting()
    court.later(HOUR)
    court.arbiter.advanceSession(sender=court.anyone)
    with ape.reverts(court.arbiter.Arbiter_SessionNotReady):
        court.arbiter.advanceSession(sender=court.anyone)
    court.later(HOUR)
    court.arbiter.advanceSession(sender=court.anyone)
    chosen = court.arbiter.session().fallbackBlock
    assert chosen > court.world.chain.blocks.height
    court.source.behave(0, 5, sender=court.anyone)  # too late
    with ape.reverts(court.arbiter.Arbiter_SessionNotReady):
        court.arbiter.advanceSession(sender=court.anyone)
    court.world.chain.mine(300)  # the hash is forgotten: another block
    court.arbiter.advanceSession(sender=court.anyone)
    assert court.arbiter.session().fallbackBlock > chosen
    court.world.chain.mine(10)
    court.arbiter.advanceSession(sender=court.anyone)
    assert court.phase() == DRAWS
    court.draw(dispute)
    assert len(court.panel(dispute)) == 3


@pytest.mark.parametrize("manner", [1, 2])
def test_advance_session__replaces_a_source_that_fails_at_once(court, manner):
    court.source.behave(manner, 0, sender=court.anyone)
    court.waiting()
    court.later(HOUR)
    court.arbiter.advanceSession(sender=court.anyone)
    assert court.arbiter.session().fallbackBlock > 0
    court.world.chain.mine(10)
    court.arbiter.advanceSession(sender=court.anyone)
    assert court.phase() == DRAWS


def test_advance_session__reverts_when_the_source_would_starve(court):
    court.waiting()
    court.later(HOUR)
    with ape.reverts(court.arbiter.Arbiter_InsufficientGas):
        court.arbiter.advanceSession(gas_limit=300_000, sender=court.anyone)


def test_advance_session__ends_a_session_nobody_draws_in(court):
    dispute = court.waiting()
    court.open_session()
    with ape.reverts(court.arbiter.Arbiter_SessionNotReady):
        court.arbiter.advanceSession(sender=court.anyone)
    court.later(6 * HOUR)
    court.arbiter.advanceSession(sender=court.anyone)
    assert (court.phase(), court.arbiter.session().waiting) == (STAKING, 1)
    court.open_session()
    court.draw(dispute)
    assert court.state(dispute).period == COMMIT


def test_draw__fills_the_panel_in_steps_and_ends_the_session(court):
    dispute = court.waiting()
    court.open_session()
    court.draw(dispute, seats=1)
    assert (court.state(dispute).period, court.phase()) == (DRAWING, DRAWS)
    court.draw(dispute, seats=2)
    assert (court.state(dispute).period, court.phase()) == (COMMIT, STAKING)
    panel = court.panel(dispute)
    assert len(set(panel)) == 3
    for juror in panel:
        stake = court.arbiter.jurorOf(juror)
        assert (stake.free, stake.locked) == (7 * STAKE, STAKE)


def test_draw__reverts_outside_its_session_or_with_other_data(court):
    dispute = court.waiting()
    with ape.reverts(court.arbiter.Arbiter_SessionNotReady):
        court.draw(dispute)
    court.open_session()
    with ape.reverts(court.arbiter.Arbiter_InvalidExtraData):
        court.draw(dispute, topic=2)
    late = court.waiting(2)
    with ape.reverts(court.arbiter.Arbiter_SessionNotReady):
        court.draw(late, topic=2)
    court.draw(dispute)
    with ape.reverts(court.arbiter.Arbiter_WrongPeriod):
        court.draw(dispute)


PATIENCE = 2 * (HOUR + HOUR + 6 * HOUR) + DAY + DAY + 2 * DAY
"""Two sessions, a vote and an appeal."""


def test_draw__without_jurors_solves_the_dispute(court):
    for juror in court.jurors:
        court.arbiter.requestUnstake(8 * STAKE, sender=juror)
    assert not court.arbiter.canRule()
    dispute = court.panelled()
    assert court.state(dispute).period == DRAWING
    court.end(dispute, DRAWING)
    court.open_session()
    court.draw(dispute)
    assert (court.state(dispute).period, court.arbiter.currentRuling(dispute)) == (SOLVED, 0)


def kept_busy(court: Any, *idle: Any) -> tuple[int, list[tuple[int, bytes]]]:
    """A dispute whose session has come, and twelve others, drawn before it, in which `idle` cannot judge."""
    dispute, arbiter, others = court.waiting(), court.arbiter, []
    for number in range(12):
        words = [(100 + number).to_bytes(32, "big"), *(juror.address for juror in idle)]
        data = encode(["bytes32", *["address"] * len(idle)], words)
        court.asker.ask(data, sender=court.anyone)
        others.append((int(arbiter.disputeIdOf(court.asker, data)), data))
    court.end(others[-1][0], EVIDENCE)
    for other, _ in others:
        arbiter.advance(other, sender=court.anyone)
    court.open_session()
    for other, data in others:
        arbiter.draw(other, data, 3, sender=court.anyone)
    return int(dispute), others


def test_draw__puts_no_more_than_half_of_the_stake_at_risk(court):
    idle = court.jurors[4]
    dispute, others = kept_busy(court, idle)
    # 4 * 8 seats may judge; before the sixth panel 15 of them are at risk, before the seventh 18
    assert [court.state(other).period for other, _ in others] == [COMMIT] * 6 + [DRAWING] * 6
    assert court.arbiter.session().seated == 18
    assert court.arbiter.jurorOf(idle).free == 8 * STAKE
    court.draw(dispute)
    assert court.state(dispute).period == COMMIT, "18 seats are less than half of what may judge here"


def test_draw__waits_while_half_of_the_stake_is_at_risk_elsewhere(court):
    dispute, others = kept_busy(court)
    arbiter, session = court.arbiter, court.arbiter.session()
    assert (session.seated, session.phase) == (21, DRAWS)
    court.draw(dispute)
    assert (court.state(dispute).period, court.panel(dispute)) == (DRAWING, [])
    assert arbiter.roundOf(dispute, 0).session == session.number + 1
    assert court.phase() == STAKING, "the round does not hold the session up"
    for other, _ in others[:2]:
        court.end(other, COMMIT)
        court.end(other, REVEAL)
        for juror in {juror.address for juror in court.panel(other)}:
            arbiter.claim(other, 0, juror, sender=court.anyone)
    # silence took the stake of six seats, so less may be at risk than before
    assert arbiter.session().seated == 15
    court.open_session()
    court.draw(dispute)
    assert (court.state(dispute).period, len(court.panel(dispute))) == (COMMIT, 3)


def test_draw__does_not_count_the_seats_of_its_own_dispute(court):
    dispute = court.panelled()
    for choice in (1, 2):
        court.vote(dispute, *[choice] * 7)
        court.fund(dispute, 3 - choice, 90 * FEE)
        court.fund(dispute, choice, 90 * FEE)
        court.open_session()
        court.draw(dispute)
    assert court.arbiter.session().seated == 25
    # 25 of 40 seats: another dispute waits for this one
    other = court.waiting(2)
    court.open_session()
    court.draw(other, 2)
    assert (court.state(other).period, court.panel(other)) == (DRAWING, [])


def test_draw__waits_no_longer_than_others_can_be_kept_busy(court):
    dispute, _ = kept_busy(court)
    begun = court.state(dispute).endsAt - PATIENCE
    assert court.world.now() - 2 * DAY < begun <= court.world.now()
    court.draw(dispute)
    court.end(dispute, DRAWING)
    court.open_session()
    court.draw(dispute)
    assert (court.state(dispute).period, court.arbiter.currentRuling(dispute), court.panel(dispute)) == (SOLVED, 0, [])


def test_draw__parties_and_verifier_are_never_drawn(court):
    world = court.world
    for party in (world.client, world.provider):
        court.arbiter.stake(900 * USDC, sender=party)
    dispute = court.panelled()
    assert len(set(court.panel(dispute))) == 3


# the default source --------------------------------------------------------------------------------------------------


def test_seeded_randomness__commit_then_block_then_reveal(court, project):
    owner, seeder, chain = court.world.owner, court.world.operator, court.world.chain
    source = owner.deploy(project.SeededRandomness, owner, seeder, 1800)
    seed = b"\x07" * 32
    with ape.reverts(source.Randomness_CallerNotSeeder):
        source.commitSeed(seed, sender=owner)
    with ape.reverts(source.Randomness_CallerNotConsumer):
        source.request(sender=seeder)
    with ape.reverts(source.Randomness_BlockNotReady):
        source.poke(sender=owner)
    source.commitSeed(nonce_of(("bytes32", seed)), sender=seeder)
    source.request(sender=owner)
    with ape.reverts(source.Randomness_BlockNotReady):
        source.reveal(seed, sender=owner)
    chain.mine(10)
    with ape.reverts(source.Randomness_WrongSeed):
        source.reveal(bytes(32), sender=owner)
    with ape.reverts(source.Randomness_BlockNotReady):
        source.poke(sender=owner)
    source.reveal(seed, sender=owner)
    assert source.result(1) != 0
    with ape.reverts(source.Randomness_WrongSeed):
        source.reveal(seed, sender=owner)


def test_seeded_randomness__a_silent_seeder_is_replaced(court, project):
    owner, seeder, chain = court.world.owner, court.world.operator, court.world.chain
    source = owner.deploy(project.SeededRandomness, owner, seeder, 1800)
    source.commitSeed(nonce_of(("bytes32", bytes(32))), sender=seeder)
    source.request(sender=owner)
    chain.mine(300)
    first = source.target()
    source.poke(sender=owner)  # forgotten: another block, the seed still counts
    assert source.target() > first
    court.later(1801)
    source.poke(sender=owner)
    with ape.reverts(source.Randomness_WrongSeed):
        source.reveal(bytes(32), sender=owner)
    chain.mine(10)
    source.poke(sender=owner)
    assert source.result(1) != 0


def test_deployment__creates_its_own_source_and_refuses_bad_parameters(court, project):
    owner = court.world.owner
    arbiter = owner.deploy(project.DisputeArbiter, config(court.world))
    source = project.SeededRandomness.at(arbiter.randomness())
    assert (source.consumer(), source.seeder()) == (arbiter.address, court.world.operator.address)
    assert arbiter.maxDuration() < 180 * DAY
    for bad in ({"leakBps": 3000}, {"minStake": STAKE - 1}, {"sink": ZERO}, {"feePerSeat": 0}):
        with ape.reverts():
            owner.deploy(project.DisputeArbiter, config(court.world, **bad))


def test_gas__of_the_whole_functions(court):
    dispute = court.panelled()
    first, second, _ = court.panel(dispute)
    assert court.commit(dispute, first, 1).gas_used <= 56_000
    court.commit(dispute, second, 1)
    court.end(dispute, COMMIT)
    used = court.arbiter.reveal(dispute, first, 1, SALT, sender=court.anyone).gas_used
    assert used <= 39_000


def test_extra_data_of_escrow_is_what_it_says(court):
    # a zero verifier is no account and excludes nobody
    world = court.world
    data = encode(["bytes32", "address", "address", "address"], [bytes(32), world.client.address, ZERO, ZERO])
    court.asker.ask(data, sender=court.anyone)
    dispute = court.arbiter.disputeIdOf(court.asker, data)
    court.later(DAY)
    court.arbiter.advance(dispute, sender=court.anyone)
    court.open_session()
    court.arbiter.draw(dispute, data, 3, sender=court.anyone)
    assert len(set(court.panel(dispute))) == 3
