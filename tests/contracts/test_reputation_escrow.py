"""Reputation's side of every outcome: the calls of Escrow, sent from Escrow's address."""

from __future__ import annotations

from fractions import Fraction
from math import ceil

import ape
import pytest
from ape import accounts
from ape.exceptions import VirtualMachineError

from tests.contracts.test_escrow_disputes import arbitrator, challenged, clock
from tests.contracts.world import FOREVER, USDC

__all__ = ["arbitrator"]

STAKE = 1_000 * USDC
ID = b"\x07" * 32
LOCK = 20 * USDC
COMPLETED, SETTLED, RETURNED, MISSED, LOST, WON, TIE, STALLED = range(1, 9)
# outcome, part of the price refunded, bps of the lock, counted as (completed, failed, disputed, lost)
TABLE = [
    pytest.param((COMPLETED, 0, 0, (1, 0, 0, 0)), id="completed"),
    pytest.param((SETTLED, Fraction(1, 2), 0, (0, 0, 0, 0)), id="settled"),
    pytest.param((RETURNED, 1, 1_000, (0, 1, 0, 0)), id="returned"),
    pytest.param((MISSED, 1, 5_000, (0, 1, 0, 0)), id="missed"),
    pytest.param((MISSED, Fraction(1, 3), 5_000, (0, 1, 0, 0)), id="missed in part"),
    pytest.param((LOST, 1, 10_000, (0, 0, 1, 1)), id="lost"),
    pytest.param((LOST, Fraction(1, 3), 10_000, (0, 0, 1, 1)), id="lost in part"),
    pytest.param((WON, 0, 0, (1, 0, 1, 0)), id="won"),
    pytest.param((TIE, Fraction(1, 2), 0, (0, 0, 1, 0)), id="tie"),
    pytest.param((STALLED, Fraction(1, 2), 0, (0, 0, 1, 0)), id="stalled"),
]


@pytest.fixture
def escrow(world):
    """Escrow's address as a sender."""
    account = accounts[world.escrow.address]
    account.balance = 10**18
    return account


def locked(world, escrow, amount=LOCK):
    world.reputation.lock(world.provider, ID, amount, sender=escrow)


def result(world, outcome, lock=LOCK, settled=0):
    return (world.provider, ID, lock, outcome, settled)


@pytest.mark.parametrize("row", TABLE)
def test_every_row_of_the_outcome_table(world, escrow, row):
    outcome, refunded, severity, counted = row
    locked(world, escrow)
    slash = ceil(LOCK * severity * Fraction(refunded) / 10_000)
    to_client = min(slash, LOCK // 2) if outcome == LOST else slash
    settled = int(100 * USDC * (1 - Fraction(refunded)))
    report = result(world, outcome, settled=settled)
    if slash:
        world.reputation.slash(*report, to_client, slash - to_client, world.client, sender=escrow)
    else:
        world.reputation.unlock(*report, 0, sender=escrow)
    stake = world.reputation.stakeOf(world.provider)
    assert (stake.staked, stake.locked) == (STAKE - slash, 0)
    assert world.reputation.balanceOf(world.client) == to_client
    assert world.reputation.bonusPool() == slash - to_client
    record = world.reputation.recordOf(world.provider)
    assert (record.completed, record.failed, record.disputed, record.lost) == counted
    assert record.settledValue == settled
    assert record.lastOutcomeAt == world.chain.blocks.head.timestamp
    assert world.usdc.balanceOf(world.reputation) == STAKE


def test_lock__reverts_when_stake_is_short(world, escrow):
    locked(world, escrow, STAKE)
    with ape.reverts(world.reputation.Stake_Insufficient):
        world.reputation.lock(world.provider, ID, 1, sender=escrow)


def test_lock__takes_stake_that_unbonds(world, escrow):
    world.reputation.requestUnstake(STAKE, sender=world.provider)
    locked(world, escrow, STAKE)
    world.pass_to(world.reputation.stakeOf(world.provider).unbondAt)
    with ape.reverts(world.reputation.Stake_Insufficient):
        world.reputation.completeUnstake(world.provider, sender=world.provider)
    world.reputation.slash(*result(world, LOST, STAKE), STAKE // 2, STAKE // 2, world.client, sender=escrow)
    assert world.reputation.stakeOf(world.provider).staked == 0


def test_lock__reverts_when_caller_is_not_escrow(world):
    for caller in (world.owner, world.guardian, world.provider):
        with ape.reverts(world.reputation.Stake_CallerNotEscrow):
            world.reputation.lock(world.provider, ID, 1, sender=caller)


def test_unlock__reverts_when_caller_is_not_escrow(world):
    for caller in (world.owner, world.guardian, world.provider):
        with ape.reverts(world.reputation.Stake_CallerNotEscrow):
            world.reputation.unlock(*result(world, COMPLETED, 0), 0, sender=caller)


def test_slash__reverts_when_caller_is_not_escrow(world):
    for caller in (world.owner, world.guardian, world.client):
        with ape.reverts(world.reputation.Stake_CallerNotEscrow):
            world.reputation.slash(*result(world, LOST, 0), 0, 0, caller, sender=caller)


def test_unlock__pays_no_bonus_from_an_empty_pool(world, escrow):
    locked(world, escrow)
    world.reputation.unlock(*result(world, COMPLETED), USDC, sender=escrow)
    assert world.reputation.balanceOf(world.provider) == 0


def test_unlock__pays_the_bonus_up_to_its_cap(world, escrow):
    world.reputation.fundBonusPool(3 * USDC, sender=world.client)
    locked(world, escrow)
    world.reputation.unlock(*result(world, COMPLETED), USDC, sender=escrow)
    assert world.reputation.balanceOf(world.provider) == USDC
    assert world.reputation.bonusPool() == 2 * USDC


def test_unlock__reverts_when_more_than_is_locked(world, escrow):
    locked(world, escrow)
    with pytest.raises(VirtualMachineError, match="0x11"):
        world.reputation.unlock(*result(world, COMPLETED, LOCK + 1), 0, sender=escrow)


def test_unlock__stops_the_record_at_its_maximum(world, escrow):
    most = 2**60 - 1
    for value in (most - 1, 2**96 - 1, 2**96 - 1):
        locked(world, escrow)
        world.reputation.unlock(*result(world, COMPLETED, settled=value), 0, sender=escrow)
    record = world.reputation.recordOf(world.provider)
    assert (record.settledValue, record.completed) == (most, 3)
    assert record.lastOutcomeAt == world.chain.blocks.head.timestamp
    assert world.reputation.stakeOf(world.provider).locked == 0


def test_slash__reverts_when_above_the_lock(world, escrow):
    locked(world, escrow)
    for to_client, to_pool in ((LOCK + 1, 0), (LOCK, 1), (2**96 - 1, 2**96 - 1)):
        with ape.reverts(world.reputation.Stake_SlashExceedsLock):
            world.reputation.slash(*result(world, LOST), to_client, to_pool, world.client, sender=escrow)


def test_slash__feeds_the_pool_that_pays_later_bonuses(world, escrow):
    locked(world, escrow)
    world.reputation.slash(*result(world, LOST), LOCK // 2, LOCK // 2, world.client, sender=escrow)
    locked(world, escrow)
    world.reputation.unlock(*result(world, COMPLETED), USDC, sender=escrow)
    assert world.reputation.bonusPool() == LOCK // 2 - USDC
    assert world.reputation.balanceOf(world.provider) == USDC
    assert world.usdc.balanceOf(world.reputation) == STAKE


def test_slash__credits_a_blacklisted_client_who_waits_for_himself_only(world, escrow):
    world.usdc.blacklist(world.client, sender=world.owner)
    locked(world, escrow)
    world.reputation.slash(*result(world, MISSED), LOCK // 2, 0, world.client, sender=escrow)
    with ape.reverts():
        world.reputation.withdraw(LOCK // 2, sender=world.client)
    before = world.usdc.balanceOf(world.stranger)
    world.reputation.withdrawTo(world.stranger, LOCK // 2, sender=world.client)
    assert world.usdc.balanceOf(world.stranger) - before == LOCK // 2


def test_bonus__is_paid_as_soon_as_the_pool_holds_anything(world, arbitrator):
    def bonus(salt):
        terms = world.submitted(amount=100 * USDC, salt=salt)
        receipt = world.escrow.release(terms.tuple(), terms.amount, sender=world.client)
        return [paid.amount for paid in world.reputation.BonusPaid.from_receipt(receipt)]

    assert bonus(1) == []
    world.reputation.fundBonusPool(USDC + 1, sender=world.client)
    world.reputation.fundBonusPool(1, sender=world.client)
    assert bonus(2) == [USDC]
    assert bonus(3) == [2]
    assert bonus(4) == []
    # A lost dispute fills it, one way or the other.
    lost = challenged(world, arbitrator, amount=100 * USDC, salt=5)
    world.pass_to(clock(world, lost))
    world.escrow.claimDefault(lost.tuple(), sender=world.stranger)
    assert world.reputation.bonusPool() == LOCK // 2
    assert bonus(6) == [USDC]
    # Anybody may ask again; it changes nothing.
    world.escrow.noteBonusPool(sender=world.stranger)
    assert bonus(7) == [USDC]


def test_bonus__is_for_completed_work_only(world):
    world.reputation.fundBonusPool(USDC, sender=world.client)
    terms = world.submitted(amount=100 * USDC)
    shares = {"toProvider": 90 * USDC, "toClient": 10 * USDC}
    message = {"escrowId": world.id_of(terms), **shares, "validUntil": FOREVER}
    signatures = [world.sign_escrow(party, "Split", **message) for party in (world.client, world.provider)]
    receipt = world.escrow.split(terms.tuple(), *shares.values(), FOREVER, *signatures, sender=world.stranger)
    assert world.reputation.BonusPaid.from_receipt(receipt) == []
    assert world.reputation.bonusPool() == USDC


def test_bonus__survives_a_report_that_failed(world, chain, arbitrator):
    lost = challenged(world, arbitrator, amount=100 * USDC)
    world.pass_to(clock(world, lost))
    code = chain.provider.get_code(world.reputation.address)
    chain.provider.make_request("anvil_setCode", [world.reputation.address, "0x60006000fd"])
    world.escrow.claimDefault(lost.tuple(), sender=world.stranger)
    chain.provider.make_request("anvil_setCode", [world.reputation.address, "0x" + bytes(code).hex()])
    world.escrow.settleStake(lost.tuple(), sender=world.stranger)
    terms = world.submitted(amount=100 * USDC, salt=2)
    receipt = world.escrow.release(terms.tuple(), terms.amount, sender=world.client)
    assert [paid.amount for paid in world.reputation.BonusPaid.from_receipt(receipt)] == [USDC]


def test_settle_stake__settles_once_after_reputation_failed(world, chain):
    terms = world.submitted(amount=100 * USDC)
    code = chain.provider.get_code(world.reputation.address)
    before = world.escrow.balanceOf(world.provider)
    # everything it is asked reverts
    chain.provider.make_request("anvil_setCode", [world.reputation.address, "0x60006000fd"])
    world.escrow.release(terms.tuple(), terms.amount, sender=world.client)
    assert world.escrow.balanceOf(world.provider) == before + 97_500_000
    chain.provider.make_request("anvil_setCode", [world.reputation.address, "0x" + bytes(code).hex()])
    assert world.reputation.stakeOf(world.provider).locked == LOCK
    world.escrow.settleStake(terms.tuple(), sender=world.stranger)
    assert world.reputation.stakeOf(world.provider).locked == 0
    assert world.reputation.recordOf(world.provider).completed == 1
    with ape.reverts(world.escrow.Escrow_StakeNotPending):
        world.escrow.settleStake(terms.tuple(), sender=world.stranger)
