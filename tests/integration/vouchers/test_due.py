"""What was paid without an order gets one receipt for all of it, which the contract takes."""

from __future__ import annotations

import secrets
from dataclasses import replace

from aicp.abi.signing import recover
from aicp.abi.typed_data import ClaimBatch, ClaimEntry
from aicp.rules.primitives import hex0x
from backend.context import OperatorSigner
from backend.payments import due
from backend.payments.receipts import Filter, acknowledge_many, page
from backend.worker import sweeps
from tests.fixtures.moneylab import World
from tests.fixtures.voucherlab import Shards, receiver, voucher, way


def receipts_of(world: World, agent: bytes) -> list[tuple[int, int]]:
    rows = world.sql(
        "SELECT r.total_claimed_units, r.ceiling_units FROM app.receipt r JOIN app.channel c USING (channel_id) "
        "WHERE c.receiver = :a ORDER BY 1",
        a=agent,
    )
    return [(int(total), int(ceiling)) for total, ceiling in rows]


def test_reading_signs_once_for_everything_since_the_last_receipt(world: World, shards: Shards) -> None:
    agent = receiver(900)
    for ceiling in (100, 250, 400):
        assert shards.send(voucher(world, agent, ceiling)).status_code == 200
    assert receipts_of(world, agent) == []
    assert world.write(lambda s: due.issue_for(s, world.ctx, agent)) == 1
    assert world.write(lambda s: due.issue_for(s, world.ctx, agent)) == 0
    assert receipts_of(world, agent) == [(400, 400)]
    assert shards.send(voucher(world, agent, 1_000)).status_code == 200
    assert world.write(lambda s: due.issue_for(s, world.ctx, agent)) == 1
    told = world.read(lambda s: page(s, world.ctx, agent, Filter(), cursor=None, limit=10)).items
    assert [(item.total_claimed_units, item.price_units, item.deal_id) for item in told] == [
        (400, 400, None),
        (1_000, 600, None),
    ]
    entry = ClaimEntry(way(world, agent).channel_id, 1_000, 1_000)
    digest = ClaimBatch(claims=(entry,)).digest(world.ctx.domains.channel)
    assert recover(digest, told[1].operator_signature) == world.ctx.operator.address
    ids = [item.id for item in told]
    assert world.write(lambda s: acknowledge_many(s, world.ctx, ids, receiver(901))) == 0
    assert world.write(lambda s: acknowledge_many(s, world.ctx, ids, agent)) == 2
    assert (
        world.read(lambda s: page(s, world.ctx, agent, Filter(unacknowledged=True), cursor=None, limit=9)).items == []
    )


def test_the_round_finds_what_nobody_asks_for_and_settlement_claims_it(world: World, shards: Shards) -> None:
    agents = [receiver(910 + number) for number in range(5)]
    for agent in agents:
        assert shards.send(voucher(world, agent, 300)).status_code == 200
        assert shards.send(voucher(world, agent, 700)).status_code == 200
    world.sql("SELECT 1")
    assert sweeps.sign_receipts(world.machine) >= 5
    for agent in agents:
        assert receipts_of(world, agent) == [(700, 700)]
    assert sweeps.sign_receipts(world.machine) == 0
    assert shards.send(voucher(world, agents[0], 900)).status_code == 200
    assert sweeps.sign_receipts(world.machine) == 1
    assert receipts_of(world, agents[0]) == [(700, 700), (900, 900)]


def test_the_ledger_read_for_receipts_stops_before_a_transaction_that_still_runs(world: World, shards: Shards) -> None:
    """An entry written early and committed late is not passed over."""
    agent = receiver(950)
    sweeps.sign_receipts(world.machine)
    with world.machine.db.engine.connect() as slow:
        slow.exec_driver_sql("SELECT pg_current_xact_id()")  # an older transaction, not finished
        assert shards.send(voucher(world, agent, 50)).status_code == 200
        assert sweeps.sign_receipts(world.machine) == 0
        slow.rollback()
    assert sweeps.sign_receipts(world.machine) == 1
    assert receipts_of(world, agent) == [(50, 50)]


def test_what_was_read_without_the_operators_key_is_signed_for_once_it_is_here(world: World, shards: Shards) -> None:
    agents = [receiver(960 + number) for number in range(3)]
    sweeps.sign_receipts(world.machine)
    for agent in agents:
        assert shards.send(voucher(world, agent, 70)).status_code == 200
    another = OperatorSigner.from_hex(hex0x(secrets.token_bytes(32)))
    elsewhere = replace(world.machine, ctx=replace(world.ctx, signers=(another,)))
    assert sweeps.sign_receipts(elsewhere) == 0
    assert sweeps.sign_receipts(elsewhere) == 0
    assert world.write(lambda s: due.issue_for(s, world.ctx, agents[0])) == 1, "an agent that reads is not kept waiting"
    assert sweeps.sign_receipts(world.machine) == 2
    assert [receipts_of(world, agent) for agent in agents] == [[(70, 70)]] * 3
    assert world.one("SELECT count(*) FROM app.unsigned_channel") == 0
    assert shards.send(voucher(world, agents[1], 80)).status_code == 200
    assert sweeps.sign_receipts(world.machine) == 1
    assert world.one("SELECT count(*) FROM app.unsigned_channel") == 0, "what can be signed for is not put aside"


def test_a_channel_put_aside_and_locked_is_signed_for_in_a_later_round(world: World, shards: Shards) -> None:
    agent = receiver(970)
    sweeps.sign_receipts(world.machine)
    assert shards.send(voucher(world, agent, 40)).status_code == 200
    another = OperatorSigner.from_hex(hex0x(secrets.token_bytes(32)))
    sweeps.sign_receipts(replace(world.machine, ctx=replace(world.ctx, signers=(another,))))
    with world.machine.db.engine.connect() as busy:
        busy.exec_driver_sql("SELECT 1 FROM app.channel FOR UPDATE")
        assert sweeps.sign_receipts(world.machine) == 0
        busy.rollback()
    assert sweeps.sign_receipts(world.machine) == 1
    assert receipts_of(world, agent) == [(40, 40)]
