"""The pause of new money, the same in all contracts that hold any."""

from __future__ import annotations

from typing import Any

import pytest

from tests.contracts.refusals import refusal
from tests.contracts.stages import NO_BOND
from tests.contracts.world import FOREVER, ZERO, World

NOT_GUARDIAN = "Guarded_CallerNotGuardian"
every_contract = pytest.mark.parametrize("name", ["escrow", "channel", "reputation", "arbiter"])


@pytest.fixture(scope="module")
def contracts(world, court) -> dict[str, Any]:
    """All contracts with a guardian."""
    return {
        "escrow": world.escrow,
        "channel": world.channel,
        "reputation": world.reputation,
        "arbiter": court.arbiter,
    }


def inflows(world: World, name: str) -> dict[str, tuple[Any, ...]]:
    """Every function that takes new money in, with arguments it understands."""
    terms = world.terms().tuple()
    authorization = (1, 0, FOREVER, 1, b"")
    pool = (world.session, world.operator)
    stakes = {"stake": (1,), "stakeWithAuthorization": (world.client, *authorization)}
    return {
        "escrow": {
            "fund": (terms,),
            "fundFromBalance": (terms,),
            "fundWithAuthorization": (terms, FOREVER, b"", NO_BOND),
            "fundFromBalanceWithSignature": (terms, FOREVER, b""),
            "fundWithPermit": (terms, 1, FOREVER, b"", FOREVER, b""),
            "fundWithPermit2": (terms, 0, FOREVER, b""),
        },
        "channel": {
            "deposit": (tuple(world.config(world.provider).values()), 1, ZERO, b""),
            "depositPool": (*pool, 1),
            "depositPoolWithAuthorization": (world.client, *pool, *authorization),
            "depositPoolWithPermit": (*pool, 1, FOREVER, b""),
            "depositPoolWithPermit2": (world.client, *pool, 1, 0, FOREVER, b""),
        },
        "reputation": {**stakes, "fundBonusPool": (1,)},
        "arbiter": stakes,
    }[name]


@every_contract
def test_pause__by_the_guardian_alone_and_tells(world, contracts, name):
    contract = contracts[name]
    for account in (world.owner, world.treasury, world.operator, world.stranger):
        assert refusal(world, contract.pauseInflows, sender=account) == NOT_GUARDIAN
    for _ in range(2):  # a second time changes nothing
        receipt = contract.pauseInflows(sender=world.guardian)
        assert [log.by for log in contract.InflowsPaused.from_receipt(receipt)] == [world.guardian.address]
        assert contract.inflowsPaused()


@every_contract
def test_pause__stops_every_way_in_until_it_ends(world, contracts, name):
    contract, ways = contracts[name], inflows(world, name)

    def answers() -> dict[str, str]:
        return {way: refusal(world, getattr(contract, way), *given, sender=world.client) for way, given in ways.items()}

    contract.pauseInflows(sender=world.guardian)
    assert answers() == dict.fromkeys(ways, "Guarded_InflowsPaused")
    contract.unpauseInflows(sender=world.guardian)
    assert "Guarded_InflowsPaused" not in answers().values()


@every_contract
def test_unpause__by_the_guardian_or_the_admin_and_tells(world, contracts, name):
    contract = contracts[name]
    contract.pauseInflows(sender=world.guardian)
    for account in (world.treasury, world.operator, world.client, world.stranger):
        assert refusal(world, contract.unpauseInflows, sender=account) == NOT_GUARDIAN
    # the channel has no admin
    admin = NOT_GUARDIAN if name == "channel" else ""
    assert refusal(world, contract.unpauseInflows, sender=world.owner) == admin
    receipt = contract.unpauseInflows(sender=world.guardian if name == "channel" else world.owner)
    assert len(list(contract.InflowsUnpaused.from_receipt(receipt))) == 1
    assert not contract.inflowsPaused()
