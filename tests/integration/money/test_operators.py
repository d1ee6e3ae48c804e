"""Rotation of the operator's key: what was promised under the old one is earned and claimed beside the new one."""

from __future__ import annotations

import secrets
from dataclasses import replace

import pytest

from aicp.rules.primitives import hex0x
from backend.context import OperatorSigner, load_context
from backend.network import service as network
from backend.payments.errors import RetiredOperator
from backend.payments.models import MicroOrder
from backend.payments.receipts import earn
from backend.settings import Settings
from backend.worker import sweeps
from tests.fixtures.moneylab import USDC, World

pytestmark = pytest.mark.services
PRICE = 400_000


def serve_as(world: World, operator: OperatorSigner, *retired: OperatorSigner) -> None:
    """Go on with other operator keys, as after a restart."""
    world.ctx = replace(world.ctx, operator=operator, retired=retired)
    world.machine = replace(world.machine, ctx=world.ctx)


def claimed(world: World, channel_id: bytes) -> int:
    row = world.sql("SELECT total_claimed_units FROM chain.channel WHERE channel_id = :id", id=channel_id)
    return int(row[0][0]) if row else 0


def test_work_under_a_retired_operator_is_earned_and_claimed_beside_the_new_one(world: World) -> None:
    old, new = world.ctx.operator, OperatorSigner.from_hex(hex0x(secrets.token_bytes(32)))
    world.deposit(5 * USDC)
    delivered, awarded = world.deal(PRICE), world.deal(PRICE)
    world.place(delivered, world.order(delivered, 2 * PRICE))
    world.deliver(delivered)
    old_order, old_channel = world.order(awarded, 2 * PRICE), world.lane().channel_id
    order_hash = world.order_hash(delivered)

    serve_as(world, new)
    with pytest.raises(RetiredOperator):
        world.write(lambda s: earn(s, world.ctx, s.get_one(MicroOrder, order_hash)))
    with pytest.raises(RetiredOperator):
        world.place(awarded, old_order)

    serve_as(world, new, old)
    world.place(awarded, old_order)
    world.deposit(5 * USDC)
    fresh = world.deal(PRICE)
    world.place(fresh, world.order(fresh, PRICE))
    world.deliver(fresh)
    world.judge(fresh, accepted=True)
    world.clock.added += 700
    assert sweeps.keep(world.machine) >= 2, "silence accepts what was delivered, and frees what was not"
    receipts = world.sql("SELECT operator, total_claimed_units FROM app.receipt ORDER BY created_at")
    assert {(bytes(operator), int(total)) for operator, total in receipts} == {
        (new.address, PRICE), (old.address, PRICE),
    }  # fmt: skip
    world.clock.added += world.ctx.constants.settle_age_seconds
    assert sweeps.settle(world.machine) == 2
    assert world.one("SELECT count(*) FROM txm.intent WHERE kind = 'claim'") == 2, "each operator signs its own"
    world.until(
        lambda: claimed(world, old_channel) == PRICE and claimed(world, world.lane().channel_id) == PRICE,
        "both claims are on chain",
    )


def test_keys_of_earlier_epochs_come_from_the_environment(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    old = [OperatorSigner.from_hex(hex0x(bytes(31) + bytes([n]))) for n in (1, 2)]
    monkeypatch.setenv("AICP_RETIRED_OPERATOR_KEYS", ",".join(hex0x(bytes(31) + bytes([n])) for n in (1, 2)))
    given = world.ctx.settings
    known = given.model_dump(exclude={"retired_operator_keys"})
    ctx = load_context(Settings(_env_file=None, **known))
    assert ctx.operators == (ctx.operator.address, *(signer.address for signer in old))
    assert ctx.operator_of(old[1].address) == old[1]
    assert ctx.operator_of(bytes(20)) is None
    assert hex0x(bytes(31) + b"\x01")[2:] not in repr(ctx.settings) + repr(ctx)


def test_clients_learn_who_serves_and_who_has_served(world: World) -> None:
    listed = network.network(world.ctx).operators
    assert [one.address for one in listed if one.until is None] == [world.ctx.operator.address]
    assert {one.address for one in listed} == set(world.ctx.operators)
    assert len(listed) == 2
