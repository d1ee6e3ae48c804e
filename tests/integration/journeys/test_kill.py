"""kill -9 of the API, the worker and the indexer while deals are under way: every deal completes once.

Three escrow deals and three pool deals run at once between SDK buyers and the demo agents. Meanwhile the services are
killed in a seeded order, each several times. At the end the chain itself is asked: every escrow released exactly its
price, every channel claimed exactly its receipts, every relayer nonce used once, and the audit finds nothing.
"""

from __future__ import annotations

import asyncio
import random
import secrets
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from signal import SIGKILL
from typing import TypeVar

import httpx
import psycopg
import pytest

from aicp.client import BuyerActions, ClientError, Market, PoolActions, ProblemError, Unreachable, Wallet, models
from aicp.rules.primitives import checksum
from scripts.devnet.session import Devnet
from scripts.devnet.stack import EVERYTHING, Part
from tests.e2e.chain import Chain

T = TypeVar("T")
VICTIMS = ("api", "worker", "indexer")
SALES = "region,units,price\neu,3,10.5\nus,5,11\neu,,9.75\nasia,4,10\nus,400,10.25\n"
DEADLINE_SECONDS = 240.0


@pytest.fixture(scope="module")
def devnet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Devnet]:
    parts = EVERYTHING - {Part.FRONTEND, Part.JURORS}
    with Devnet(tmp_path_factory.mktemp("aicp"), parts=parts) as running:
        yield running


class Killer(threading.Thread):
    """Kills services in a seeded order until told to stop; every victim at least twice."""

    def __init__(self, devnet: Devnet, seed: int) -> None:
        super().__init__(name="killer")
        self.random = random.Random(seed)
        self.devnet = devnet
        self.enough = threading.Event()
        self.kills: list[str] = []
        self.failure: BaseException | None = None

    def run(self) -> None:
        """Kill and wait for the restart, again and again."""
        try:
            while not self.enough.is_set():
                for victim in self.random.sample(VICTIMS, len(VICTIMS)):
                    self.enough.wait(self.random.uniform(0.2, 2.5))
                    self.devnet.restart(victim, signal=SIGKILL)
                    self.kills.append(victim)
                if len(self.kills) >= 4 * len(VICTIMS):
                    return
        except BaseException as failure:  # noqa: BLE001  # reported by the test, in its own thread
            self.failure = failure


async def patiently(step: Callable[[], Awaitable[T]]) -> T:
    """Repeat an idempotent step while the service is away; a refusal of the step itself is raised."""
    deadline = asyncio.get_running_loop().time() + DEADLINE_SECONDS
    while True:
        try:
            return await step()
        except (Unreachable, httpx.HTTPError) as error:
            if asyncio.get_running_loop().time() > deadline:
                raise AssertionError("the service did not come back") from error
        except ProblemError as problem:
            if not problem.retryable or asyncio.get_running_loop().time() > deadline:
                raise
        await asyncio.sleep(0.2)


class Buyer:
    """An SDK buyer that gets one deal done, whatever dies meanwhile."""

    def __init__(self, devnet: Devnet, key: str, store: Path) -> None:
        self.market = Market(
            devnet.url, Wallet.from_key(key), deployment=devnet.session.stack.deployment_path, store=store
        )
        self.actions, self.pool = BuyerActions(self.market), PoolActions(self.market)

    async def state(self, deal_id: object, wanted: set[str]) -> models.Deal:
        """Wait until the deal is in one of the states (or offers to be paid again)."""
        deadline = asyncio.get_running_loop().time() + DEADLINE_SECONDS
        while True:
            deal = await patiently(lambda: self.market.deal(deal_id))  # type: ignore[arg-type]
            if deal.state in wanted:
                return deal
            assert asyncio.get_running_loop().time() < deadline, f"the deal is still {deal.state}, waiting for {wanted}"
            await asyncio.sleep(0.3)

    async def post_and_award(self, file: Path, budget: int) -> models.Deal:
        """Post, wait for a bid, award the best."""
        task = await patiently(
            lambda: self.actions.post_task(
                title="Profile a table",
                description="Profile it.",
                capability="data_processing",
                budget_units=budget,
                files=[file],
                auction_seconds=300,
            )
        )
        deadline = asyncio.get_running_loop().time() + DEADLINE_SECONDS
        while not (live := [bid for bid in await patiently(lambda: self.market.bids(task.id)) if bid.live]):
            assert asyncio.get_running_loop().time() < deadline, "nobody bids"
            await asyncio.sleep(0.3)

        async def award() -> models.Deal:
            current = await self.market.task(task.id)
            if current.deal_id is None:
                made = await self.actions.award(current, live[0])
                return await self.market.deal(made.deal_id)
            return await self.market.deal(current.deal_id)  # an earlier try was taken though its answer was lost

        return await patiently(award)

    async def escrow(self, file: Path) -> models.Deal:
        """A $20 deal through the escrow."""
        deal = await self.post_and_award(file, 20_000_000)
        assert deal.path == "escrow"
        while True:
            deal = await self.state(deal.id, {"awaiting_payment", "delivered"})
            if deal.state == "delivered":
                break
            try:
                await patiently(lambda d=deal: self.actions.pay(d))  # type: ignore[misc]
            except (ProblemError, ClientError) as refused:
                # an earlier try was taken: its payment is on the way
                assert getattr(refused, "code", "") in {"wrong_state", "authorization_live", ""}, refused
            await self.state(deal.id, {"funding", "assigned", "running", "delivered", "awaiting_payment"})
        try:
            await patiently(lambda d=deal: self.actions.release(d))  # type: ignore[misc]
        except ProblemError as refused:
            assert refused.code == "wrong_state", refused
        return await self.state(deal.id, {"completed"})

    async def micro(self, file: Path) -> models.Deal:
        """A $0.40 deal through the pool."""
        deal = await self.post_and_award(file, 400_000)
        assert deal.path == "channel"
        try:
            await patiently(lambda: self.pool.order(deal))
        except ProblemError as refused:
            assert refused.code == "wrong_state", refused
        delivered = await self.state(deal.id, {"delivered"})
        try:
            await patiently(lambda: self.pool.verdict(delivered, accepted=True))
        except ProblemError as refused:
            assert refused.code == "wrong_state", refused
        return await self.state(deal.id, {"completed"})

    async def open_pool(self, units: int) -> None:
        """Deposit and wait until the pool counts."""
        intent = await patiently(lambda: self.pool.deposit(units))
        await self.market.wait_landed(intent.id)
        deadline = asyncio.get_running_loop().time() + DEADLINE_SECONDS
        while (pool := await patiently(self.pool.pool)) is None or pool.available_units < units:
            assert asyncio.get_running_loop().time() < deadline, "the pool does not become available"
            await asyncio.sleep(0.3)


@pytest.mark.timeout(600)
def test_killed_services_complete_every_deal_once(devnet: Devnet, tmp_path: Path) -> None:
    chain = Chain(devnet.rpc_url, devnet.deployment, devnet.accounts.deployer.key)
    file = tmp_path / "sales.csv"
    file.write_text(SALES, encoding="utf-8")
    keys = [secrets.token_hex(32) for _ in range(3)]
    addresses = [checksum(Wallet.from_key(key).address) for key in keys]
    for address in addresses:
        chain.faucet(address, 100_000_000)
    killer = Killer(devnet, seed=7)

    async def journey() -> tuple[list[models.Deal], list[models.Deal]]:
        buyers = [Buyer(devnet, key, tmp_path / f"{number}.db") for number, key in enumerate(keys)]
        await asyncio.gather(*(buyer.open_pool(5_000_000) for buyer in buyers))
        killer.start()
        escrows = asyncio.gather(*(buyer.escrow(file) for buyer in buyers))
        micros = asyncio.gather(*(buyer.micro(file) for buyer in buyers))
        done = await escrows, await micros
        for buyer in buyers:
            await buyer.market.transport.aclose()
        return done

    try:
        escrows, micros = asyncio.run(journey())
    finally:
        killer.enough.set()
        killer.join(timeout=120)
    assert killer.failure is None
    assert set(killer.kills) == set(VICTIMS), killer.kills

    # each buyer paid his escrow once and deposited once; nothing else left his wallet
    for address, deal in zip(addresses, escrows, strict=True):
        assert chain.usdc_of(address) == 100_000_000 - 5_000_000 - deal.price_units
    # each escrow released exactly its price
    for deal in escrows:
        assert deal.escrow is not None
        state = chain.call("escrow", "stateOf(bytes32)", deal.escrow.escrow_id)
        assert deal.price_units in state, state
    # each micro deal has one receipt, and the channels end at exactly the sum of them
    with psycopg.connect(devnet.database_url) as connection:
        receipts = connection.execute(
            "select r.channel_id, max(r.total_claimed_units), sum(o.price_units), count(*) from app.receipt r "
            "join app.micro_order o using (order_hash) group by 1"
        ).fetchall()
        assert sum(count for *_, count in receipts) == len(micros)
        assert all(total == paid for _, total, paid, _ in receipts)
        used = connection.execute(
            "select account, count(*), max(nonce) + 1 - min(nonce), max(nonce) + 1 from txm.tx group by 1"
        ).fetchall()
    for account, transactions, span, next_nonce in used:
        assert transactions == span, "a nonce was skipped or used twice"
        assert chain.nonce_of(checksum(bytes(account))) == next_nonce, "a hole before the newest transaction"

    command = [sys.executable, "-m", "aicp.cli.main", "audit", "--rpc", devnet.rpc_url]
    command += ["--deployment", str(devnet.session.stack.deployment_path), "--db", devnet.indexer_database_url]
    audited = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert audited.returncode == 0, audited.stdout + audited.stderr
