"""The local faucet: relayed for a key without gas, capped, once a minute, and nowhere but on the local chain."""

from __future__ import annotations

import secrets
from dataclasses import replace

import pytest

from aicp.rules.constants import network
from backend.errors import InvalidInput, LimitExceeded, NotFound
from backend.wallet import faucet
from backend.wallet.schemas import FaucetIn, IntentOut
from tests.fixtures.moneylab import USDC, Person, World


def ask(world: World, who: Person, units: int) -> IntentOut:
    return world.write(lambda s: faucet.give(s, world.ctx, who.address, FaucetIn(amount_units=units)))


def test_a_new_key_without_gas_gets_the_cap_once_a_minute(world: World) -> None:
    fresh = Person(secrets.token_bytes(32))
    while world.clock() % 60 > 45:  # the repeat below must fall into the same minute
        world.later(20)
    first = ask(world, fresh, faucet.CAP_UNITS)
    assert (first.kind, first.state) == ("faucet", "queued")
    assert ask(world, fresh, faucet.CAP_UNITS).id == first.id, "a repeat is the same transaction"
    with pytest.raises(LimitExceeded):
        ask(world, fresh, USDC)
    world.until(lambda: world.intent_state(first.id) == "final", "the gift is final")
    assert world.usdc_of(fresh.address) == faucet.CAP_UNITS, "the token's own cap is this one"
    world.later(60)
    second = ask(world, fresh, USDC)
    world.until(lambda: world.intent_state(second.id) == "final", "the second gift is final")
    assert world.usdc_of(fresh.address) == faucet.CAP_UNITS + USDC


@pytest.mark.parametrize("units", [0, faucet.CAP_UNITS + 1])
def test_nothing_and_too_much_are_refused(world: World, units: int) -> None:
    with pytest.raises(InvalidInput):
        ask(world, Person(secrets.token_bytes(32)), units)


@pytest.mark.parametrize("chain_id", [1, 137, 80002, 11155111])
def test_there_is_no_faucet_where_usdc_is_real(world: World, chain_id: int) -> None:
    elsewhere = replace(world.ctx, network=network(chain_id))
    with pytest.raises(NotFound):
        world.write(lambda s: faucet.give(s, elsewhere, world.agent.address, FaucetIn(amount_units=USDC)))
    assert world.one("SELECT count(*) FROM txm.intent WHERE on_behalf_of = :a", a=world.agent.address) == 0
