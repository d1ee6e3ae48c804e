"""What a pause stops, what the guardian cannot do, and the admin behind a timelock."""

from __future__ import annotations

import ape
import pytest

from tests.contracts.refusals import refusal
from tests.contracts.world import FOREVER, USDC, ZERO, nonce_of

STAKE = 1_000 * USDC
INFLOWS = {"stake", "stakeWithAuthorization", "fundBonusPool"}
ESCROW_ONLY = {"lock", "unlock", "slash"}


def changing(contract):
    """Names of the functions that change state."""
    return {method.name for method in contract.contract_type.mutable_methods}


def calls(world):
    """One good call of every function anybody but Escrow can send, in an order in which all of them succeed."""
    authorization = world.authorization(
        world.client, world.reputation, USDC, nonce_of(("address", world.client.address), ("uint256", 1))
    )
    unstake = world.sign_reputation(
        world.provider, "Unstake", agent=world.provider.address, amount=USDC, nonce=0, validUntil=FOREVER
    )
    withdrawal = world.sign_reputation(
        world.client, "Withdrawal", account=world.client.address, to=world.client.address,
        amount=1, nonce=0, validUntil=FOREVER,
    )  # fmt: skip
    other = world.owner.deploy(ape.project.MockUSDC, world.owner)
    other.mint(world.reputation, 5, sender=world.owner)
    return [
        ("stake", (USDC,), world.provider),
        ("stakeWithAuthorization", (world.client, USDC, 0, FOREVER, 1, authorization), world.stranger),
        ("fundBonusPool", (USDC,), world.client),
        ("requestUnstake", (STAKE // 2,), world.provider),
        ("requestUnstakeWithSignature", (world.provider, USDC, FOREVER, unstake), world.stranger),
        ("completeUnstake", (world.provider,), world.stranger),
        ("withdraw", (1,), world.client),
        ("withdrawTo", (world.stranger, 1), world.client),
        ("withdrawWithSignature", (world.client, world.client, 1, FOREVER, withdrawal), world.stranger),
        ("setAnchorer", (world.operator,), world.owner),
        ("anchorEpoch", (b"\x01" * 32, 1, b"\x02" * 32, ""), world.operator),
        ("vetoEpoch", (1,), world.guardian),
        ("rescueToken", (other, world.owner, 5), world.owner),
        ("pauseInflows", (), world.guardian),
        ("unpauseInflows", (), world.owner),
    ]


def slashed(world):
    """Give the client a balance in Reputation: the agent missed a deadline."""
    terms = world.accepted(amount=10 * USDC)
    world.pass_to(terms.deliver_by)
    world.escrow.reclaim(terms.tuple(), sender=world.stranger)


def test_pause_inflows__stops_new_money_and_nothing_else(world):
    open_escrow = world.accepted(amount=10 * USDC, salt=2, deliver_by=world.now() + 30 * 86400)
    slashed(world)
    table = calls(world)
    assert {name for name, _, _ in table} | ESCROW_ONLY == changing(world.reputation)
    world.reputation.pauseInflows(sender=world.guardian)
    for name, arguments, sender in table:
        if name == "completeUnstake":
            world.pass_to(world.reputation.stakeOf(world.provider).unbondAt)
        function = getattr(world.reputation, name)
        if name in INFLOWS:
            with ape.reverts(world.reputation.Guarded_InflowsPaused):
                function(*arguments, sender=sender)
        else:
            function(*arguments, sender=sender)
            if name == "completeUnstake":
                # Escrow's calls pass a paused Reputation, too.
                late = world.accepted(amount=10 * USDC, salt=3)
                world.escrow.refund(late.tuple(), late.amount, sender=world.provider)
                world.escrow.refund(open_escrow.tuple(), open_escrow.amount, sender=world.provider)
    assert world.reputation.stakeOf(world.provider).locked == 0


def test_pause_inflows__reverts_when_caller_is_not_the_guardian(world):
    for caller in (world.owner, world.operator, world.stranger):
        with ape.reverts(world.reputation.Guarded_CallerNotGuardian):
            world.reputation.pauseInflows(sender=caller)


def test_unpause_inflows__by_the_guardian_or_the_admin(world):
    for caller in (world.guardian, world.owner):
        world.reputation.pauseInflows(sender=world.guardian)
        world.reputation.unpauseInflows(sender=caller)
        assert not world.reputation.inflowsPaused()
    with ape.reverts(world.reputation.Guarded_CallerNotGuardian):
        world.reputation.unpauseInflows(sender=world.stranger)


def test_guardian_moves_nobodys_money_by_any_function(world):
    slashed(world)
    world.reputation.fundBonusPool(USDC, sender=world.client)
    before = money(world)
    allowed = {"pauseInflows", "unpauseInflows", "vetoEpoch"}
    # Permissionless: it pays the agent himself, who asked for it.
    table = [row for row in calls(world) if row[0] not in allowed | {"completeUnstake"}]
    relayed = {"stakeWithAuthorization", "requestUnstakeWithSignature", "withdrawWithSignature"}
    # A signature of its own key in the place of the victim's.
    own = world.sign_reputation(
        world.guardian, "Unstake", agent=world.guardian.address, amount=1, nonce=0, validUntil=FOREVER
    )
    for name, call, _ in table:
        arguments = (*call[:-1], own) if name in relayed else call
        with ape.reverts():
            getattr(world.reputation, name)(*arguments, sender=world.guardian)
    result = (world.provider, b"\x01" * 32, 0, 1, 0)
    for name, arguments in (
        ("lock", (world.provider, b"\x01" * 32, 1)),
        ("unlock", (*result, 1)),
        ("slash", (*result, 0, 0, world.guardian)),
    ):
        with ape.reverts(world.reputation.Stake_CallerNotEscrow):
            getattr(world.reputation, name)(*arguments, sender=world.guardian)
    assert money(world) == before


def money(world):
    """Everything Reputation owes."""
    stake = world.reputation.stakeOf(world.provider)
    balances = [world.reputation.balanceOf(account) for account in (world.client, world.provider, world.guardian)]
    held = world.usdc.balanceOf(world.reputation)
    return (stake.staked, stake.locked, stake.unbondAt, *balances, world.reputation.bonusPool(), held)


def test_rescue_token__sends_what_is_not_usdc(world):
    other = world.owner.deploy(ape.project.MockUSDC, world.owner)
    other.mint(world.reputation, 5, sender=world.owner)
    world.reputation.rescueToken(other, world.stranger, 5, sender=world.owner)
    assert other.balanceOf(world.stranger) == 5


def test_rescue_token__reverts_when_usdc(world):
    world.usdc.mint(world.reputation, 5, sender=world.owner)
    with ape.reverts(world.reputation.Rescue_TokenInUse):
        world.reputation.rescueToken(world.usdc, world.owner, 5, sender=world.owner)


def test_rescue_token__reverts_when_caller_is_not_the_admin(world):
    for caller in (world.guardian, world.operator, world.stranger):
        with ape.reverts(world.reputation.Rescue_CallerNotAdmin):
            world.reputation.rescueToken(ZERO, caller, 0, sender=caller)


def test_rescue_token__reverts_when_the_address_is_no_token(world):
    for target in (world.escrow, world.channel, world.reputation):
        rescue = world.reputation.rescueToken
        assert refusal(world, rescue, target, world.owner, 0, sender=world.owner) == "TransferFailed"


@pytest.fixture
def timelock(world):
    """Escrow's admin is a timelock of 48 hours; who was admin proposes and executes."""
    found = world.owner.deploy(ape.project.AdminTimelock, 172_800, [world.owner], [world.owner])
    world.escrow.transferOwnership(found, sender=world.owner)
    accept = world.escrow.acceptOwnership.encode_input()
    found.schedule(world.escrow, 0, accept, bytes(32), bytes(32), 172_800, sender=world.owner)
    world.pass_to(world.now() + 172_800)
    found.execute(world.escrow, 0, accept, bytes(32), bytes(32), sender=world.owner)
    return found


def test_admin_timelock__delays_every_act_of_the_admin(world, timelock):
    assert world.escrow.owner() == timelock.address
    for call in (
        lambda: world.escrow.setFee(100, sender=world.owner),
        lambda: world.reputation.setAnchorer(world.operator, sender=world.owner),
        lambda: world.reputation.rescueToken(ZERO, world.owner, 0, sender=world.owner),
    ):
        with ape.reverts():
            call()
    name = world.reputation.setAnchorer.encode_input(world.operator)
    with ape.reverts(timelock.TimelockInsufficientDelay):
        timelock.schedule(world.reputation, 0, name, bytes(32), bytes(32), 172_799, sender=world.owner)
    timelock.schedule(world.reputation, 0, name, bytes(32), bytes(32), 172_800, sender=world.owner)
    with ape.reverts(timelock.TimelockUnexpectedOperationState):
        timelock.execute(world.reputation, 0, name, bytes(32), bytes(32), sender=world.owner)
    world.pass_to(world.now() + 172_800)
    with ape.reverts(timelock.AccessControlUnauthorizedAccount):
        timelock.execute(world.reputation, 0, name, bytes(32), bytes(32), sender=world.stranger)
    timelock.execute(world.reputation, 0, name, bytes(32), bytes(32), sender=world.owner)
    assert world.reputation.anchorer() == world.operator.address


def test_admin_timelock__has_no_administrator_but_itself(world, timelock):
    role = timelock.DEFAULT_ADMIN_ROLE()
    assert timelock.hasRole(role, timelock)
    for account in (world.owner, world.guardian, world.stranger):
        assert not timelock.hasRole(role, account)
    with ape.reverts(timelock.TimelockUnauthorizedCaller):
        timelock.updateDelay(0, sender=world.owner)
