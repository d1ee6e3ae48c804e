"""The relayer never pays for more gas than it counts against whom a call is for, whatever a contract wallet does."""

from __future__ import annotations

import asyncio
import secrets
import uuid
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import pytest

from aicp.abi import usdc as usdc_abi
from aicp.client import PoolActions, ProblemError
from backend.domain.gas import ENGINE_GAS, counted_gas, most_gas
from backend.domain.settlement import MAX_BATCH_GAS
from backend.txm import broadcast, prepare
from backend.txm import service as txm
from backend.txm.eip1559 import Call
from backend.txm.rpc import Node
from backend.txm.simulate import Revert, simulate
from backend.wallet import budget
from backend.worker.runtime import close_machine
from tests.fixtures.contract_wallet import ContractWallet
from tests.fixtures.moneylab import USDC, World
from tests.fixtures.sdkhost import open_market

LEAST = USDC // 10
"""The smallest deposit that is relayed."""
GAS_PER_LOOP = 26
HONEST, DEARER, BURNING = 4_000, 7_000, 300_000
"""Loops of a wallet with many owners, of one that needs more than is reserved, of one that wastes gas."""


class LoopingWallet(ContractWallet):
    """Goes round some thousand times before it answers."""

    def __init__(self, loops: int) -> None:
        super().__init__(secrets.token_bytes(32), secrets.token_bytes(20))
        self.loops = loops

    def code(self) -> bytes:
        # counter; JUMPDEST; counter -= 1; loop while it is not zero; drop it
        loop = b"\x62" + self.loops.to_bytes(3) + bytes.fromhex("5b600190038060045750")
        return loop + super().code()


def ask(world: World, wallet: LoopingWallet, store: Path) -> uuid.UUID:
    """Let the wallet ask for the least deposit; return the intent."""
    wallet.install(world.chain.rpc)
    world.send(world.buyer.address, world.ctx.deployment.usdc, usdc_abi.encode_transfer(wallet.address, 10 * USDC))

    async def run() -> uuid.UUID:
        async with open_market(world, wallet, store) as market:
            return uuid.UUID(str((await PoolActions(market).deposit(LEAST)).id))

    return asyncio.run(run())


def over(world: World, asked: uuid.UUID) -> uuid.UUID:
    """Wait until an intent is over."""
    world.until(lambda: world.intent_state(asked) in {"final", "failed"}, "the deposit is over")
    return asked


def deposit(world: World, wallet: LoopingWallet, store: Path) -> uuid.UUID:
    """Let the wallet make the least deposit through the relayer; return the intent once it is over."""
    return over(world, ask(world, wallet, store))


def counted(world: World, address: bytes) -> int:
    return int(world.one("SELECT sum(gas) FROM app.relayed_gas WHERE address = :a", a=address))


def intent(world: World, intent_id: uuid.UUID, columns: str) -> Any:
    return world.sql(f"SELECT {columns} FROM txm.intent WHERE id = :i", i=intent_id)[0]


def test_a_wallet_that_burns_gas_is_refused_before_anything_is_signed(world: World, tmp_path: Path) -> None:
    wallet = LoopingWallet(BURNING)
    refused = deposit(world, wallet, tmp_path / "store")
    state, code, sent, detail = intent(world, refused, "state, error_code, tx_hash, error_detail")
    assert (state, code, sent) == ("failed", "gas_above_budget", None)
    assert str(most_gas("pool_deposit")) in detail
    assert world.one("SELECT count(*) FROM txm.tx WHERE intent_id = :i", i=refused) == 0


class Listening(Node):
    """A node that remembers what it was asked to estimate."""

    asked: ClassVar[list[dict[str, Any]]] = []

    def post(self, body: Any, deadline_seconds: float | None = None) -> Any:
        calls = body if isinstance(body, list) else [body]
        self.asked.extend(one["params"][0] for one in calls if one["method"] == "eth_estimateGas")
        return Node.post(self, body, deadline_seconds)


def test_no_node_is_asked_to_run_a_call_with_more_gas_than_may_be_relayed(world: World, tmp_path: Path) -> None:
    machine = world.new_machine()
    machine.rpc._nodes[0] = Listening(world.chain.url, 10.0)
    good, burning = (ask(world, LoopingWallet(loops), tmp_path / "store") for loops in (HONEST, BURNING))
    intents = [world.read(partial(txm.get, intent_id=one)) for one in (good, burning)]
    passes, fails = simulate(machine, intents)
    close_machine(machine)
    assert isinstance(passes, Call)
    assert isinstance(fails, Revert)
    limits = [int(request["gas"], 16) for request in Listening.asked]
    assert limits == [most_gas("pool_deposit")] * 2 + [ENGINE_GAS], "only what failed is run with more"
    over(world, good), over(world, burning)


def test_a_wallet_of_many_owners_is_served(world: World, tmp_path: Path) -> None:
    wallet = LoopingWallet(HONEST)
    done = deposit(world, wallet, tmp_path / "store")
    state, used = intent(world, done, "state, gas_used")
    assert state == "final"
    assert used > GAS_PER_LOOP * HONEST
    assert used <= counted(world, wallet.address)


def test_what_a_call_has_used_above_its_reserve_is_counted_once(world: World, tmp_path: Path) -> None:
    wallet = LoopingWallet(DEARER)
    done = deposit(world, wallet, tmp_path / "store")
    state, used, limit = intent(world, done, "state, gas_used, gas_limit")
    assert state == "final"
    assert counted_gas("pool_deposit", None) < used <= limit <= most_gas("pool_deposit")
    assert counted(world, wallet.address) == used
    world.turn()
    assert counted(world, wallet.address) == used, "looking again at a receipt counts nothing"


def test_what_a_failed_call_has_used_is_counted(world: World, tmp_path: Path) -> None:
    """The wallet answers when it is asked by a simulation, and wastes its gas on the chain."""
    wallet = LoopingWallet(DEARER)
    before = counted_gas("pool_deposit", None)
    asked = ask(world, wallet, tmp_path / "store")
    assert prepare.prepare(world.machine) == 1
    wallet.loops = BURNING
    wallet.install(world.chain.rpc)
    broadcast.broadcast(world.machine)
    over(world, asked)
    state, used, limit = intent(world, asked, "state, gas_used, gas_limit")
    assert state == "failed"
    assert used > before
    assert used <= limit <= most_gas("pool_deposit")
    assert counted(world, wallet.address) == used


def test_a_receipt_that_leaves_the_chain_takes_its_count_along(world: World) -> None:
    address = secrets.token_bytes(20)

    def count(before: int | None, used: int | None) -> None:
        world.write(lambda s: budget.count(s, world.ctx, address, "release", before=before, used=used))

    world.write(lambda s: budget.charge(s, world.ctx, address, "release"))
    reserved = counted(world, address)
    count(None, reserved + 70_000)
    assert counted(world, address) == reserved + 70_000
    count(reserved + 70_000, None)
    assert counted(world, address) == reserved
    count(None, reserved - 1)
    assert counted(world, address) == reserved, "a cheaper call gives nothing back"


def test_calls_nobody_signed_are_not_counted_and_have_room(world: World) -> None:
    address = secrets.token_bytes(20)
    world.write(lambda s: budget.count(s, world.ctx, address, "execute", before=None, used=900_000))
    assert world.sql("SELECT gas FROM app.relayed_gas WHERE address = :a", a=address) == []
    assert most_gas("arbiter_draw") == ENGINE_GAS


def test_a_batch_brings_a_limit_of_its_own_size(world: World) -> None:
    limit = MAX_BATCH_GAS
    assert limit > ENGINE_GAS
    to, data = world.ctx.deployment.usdc, usdc_abi.encode_faucet(world.buyer.address, 1)
    asked = world.write(
        lambda s: txm.enqueue(
            s, world.ctx, idem_key=secrets.token_hex(8), kind="claim", on_behalf_of=world.ctx.operator.address, to=to,
            data=data, expires_at=None, reference={}, gas_limit=limit,
        )
    )  # fmt: skip
    [ready] = simulate(world.machine, [asked])
    assert isinstance(ready, Call)
    assert ready.gas_limit == limit
    world.sql("UPDATE txm.intent SET state = 'cancelled' WHERE id = :i", i=asked.id)


def test_past_the_budget_the_next_call_is_refused_for_the_day(world: World, tmp_path: Path, monkeypatch: Any) -> None:
    wallet = LoopingWallet(DEARER)
    monkeypatch.setattr(world.ctx.settings, "relayed_gas_per_day", counted_gas("pool_deposit", None) * 2)
    deposit(world, wallet, tmp_path / "first")

    async def again() -> None:
        async with open_market(world, wallet, tmp_path / "again") as market:
            with pytest.raises(ProblemError) as refused:
                await PoolActions(market).deposit(LEAST)
            assert refused.value.code == "limit_exceeded"

    asyncio.run(again())
