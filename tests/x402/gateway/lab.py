"""The whole service with PaymentChannel at x402's own address: API, mirror, workers, an agent's server, a chain."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
import uvicorn
from eth_abi import encode
from eth_account import Account
from eth_account.signers.local import LocalAccount
from limits.aio.storage import MemoryStorage
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from web3 import Web3
from x402.mechanisms.evm.batch_settlement.constants import (
    BATCH_SETTLEMENT_ADDRESS,
    ERC3009_DEPOSIT_COLLECTOR_ADDRESS,
)
from x402.mechanisms.evm.constants import MULTICALL3_ADDRESS

from aicp.abi import payment_channel as channel_abi
from aicp.abi import usdc as usdc_abi
from aicp.abi.bytecode import artifact
from aicp.rules.deployment import Deployment
from aicp.rules.primitives import ZERO_ADDRESS, checksum
from aicp.rules.profiles import Profile
from backend.agents import endpoints
from backend.agents.schemas import EndpointIn
from backend.api.app import create_app
from backend.api.limits import RateLimits
from backend.context import Context
from backend.db.engine import Database, make_async_engine
from backend.outbox.frames import SERVED
from backend.worker import sweeps
from scripts.devnet.ports import free_port
from tests.fixtures import moneylab
from tests.fixtures.moneylab import Person, World
from tests.fixtures.services import Anvil, wait_for
from tests.x402.ground import inject, multicall3

PRICE = 1_000
CANONICAL = bytes.fromhex(BATCH_SETTLEMENT_ADDRESS[2:])
COLLECTOR = bytes.fromhex(ERC3009_DEPOSIT_COLLECTOR_ADDRESS[2:])
ENOUGH = 100_000


def move_channel(chain: Anvil, deployment: Deployment) -> Deployment:
    """Put PaymentChannel and its collector where the official packages look for them."""
    parties = [checksum(deployment.usdc), checksum(deployment.guardian), ERC3009_DEPOSIT_COLLECTOR_ADDRESS]
    arguments = encode(["address"] * 4, [*parties, checksum(ZERO_ADDRESS)])
    inject(chain, BATCH_SETTLEMENT_ADDRESS, artifact("PaymentChannel").bytecode + arguments)
    collector = artifact("ERC3009DepositCollector").bytecode + encode(["address"], [BATCH_SETTLEMENT_ADDRESS])
    inject(chain, ERC3009_DEPOSIT_COLLECTOR_ADDRESS, collector)
    inject(chain, MULTICALL3_ADDRESS, multicall3())
    return replace(deployment, payment_channel=CANONICAL, erc3009_collector=COLLECTOR, permit2_collector=ZERO_ADDRESS)


def build_world(chain: Anvil, database_url: str, folder: Any) -> World:
    """Return a money world over the moved channel."""
    ensure = moneylab.ensure_deployment
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            moneylab, "ensure_deployment", lambda url, *rest, **more: move_channel(chain, ensure(url, *rest, **more))
        )
        return World(chain, database_url, folder)


@dataclass(slots=True)
class Upstream:
    """An agent's own server; `calls` is what it was asked, `/broken` fails, `/slow` waits for `gate`."""

    url: str = ""
    calls: list[dict[str, Any]] = field(default_factory=list)
    gate: threading.Event = field(default_factory=threading.Event)
    status: int = 200

    async def answer(self, request: Request) -> Response:
        """Answer with a number that no two calls share."""
        body = (await request.body()).decode()
        self.calls.append({"path": request.url.path, "query": request.url.query, "body": body, **request.headers})
        number = len(self.calls)
        if request.url.path == "/slow":
            while not self.gate.is_set():  # noqa: ASYNC110  # set from another thread
                await asyncio.sleep(0.02)
        if request.url.path == "/moved":
            return Response(status_code=302, headers={"Location": "http://169.254.169.254/latest"})
        if request.url.path == "/huge":
            return Response(b"x" * (2 << 20))
        headers = {"Set-Cookie": "a=b"}
        return JSONResponse({"answer": number, "said": body}, self.status, headers)


@contextmanager
def serving(app: Any, port: int) -> Iterator[None]:
    """Serve an application on a thread of its own."""
    server = uvicorn.Server(
        uvicorn.Config(app, host="127.0.0.1", port=port, log_config=None, access_log=False, **SERVED)
    )
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    wait_for(lambda: server.started or not thread.is_alive(), "a server answers")
    assert server.started
    try:
        yield
    finally:
        server.should_exit = True
        thread.join(15)
        assert not thread.is_alive()


@dataclass(slots=True)
class Lab:
    """A running gateway. `keep_up` lets mirror and workers run on a thread while the block lasts."""

    world: World
    url: str
    ctx: Context
    upstream: Upstream
    agent: Person
    web3: Web3

    def endpoint(self, slug: str, path: str = "/answer", price: int = PRICE, **changes: Any) -> str:
        """Offer an endpoint and return its URL at the gateway."""
        given = EndpointIn.model_validate(
            {
                "slug": slug,
                "upstream_url": self.upstream.url + path,
                "price_units": str(price),
                "description": "Answers.",
            }
            | changes
        )
        return self.world.write(lambda s: endpoints.put(s, self.ctx, self.agent.address, given)).url

    def buyer(self, units: int = 10_000_000) -> LocalAccount:
        """Return a fresh wallet with USDC."""
        account = Account.create()
        data = usdc_abi.encode_faucet(bytes.fromhex(account.address[2:]), units)
        self.world.send(self.world.buyer.address, self.ctx.deployment.usdc, data)
        return account

    @contextmanager
    def keep_up(self) -> Iterator[None]:
        """Let mirror and workers run; a block is mined while the newest ones are not final."""
        stop = threading.Event()
        errors: list[BaseException] = []

        def run() -> None:
            left = 3
            try:
                while not stop.is_set():
                    sweeps.sweep_transactions(self.world.machine)
                    block = self.world.chain.rpc("eth_getBlockByNumber", "latest", False)
                    left = 3 if block["transactions"] else left - 1
                    if left > 0:
                        self.world.chain.mine()
                    self.world.mirror()
                    stop.wait(0.05 if left > -10 else 0.5)
            except BaseException as error:
                errors.append(error)
                raise

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join(20)
        assert not errors

    def on_chain(self, channel_id: bytes) -> tuple[int, int]:
        """Return balance and claimed total of a channel."""
        call = {"to": BATCH_SETTLEMENT_ADDRESS, "data": "0x" + channel_abi.encode_channels(channel_id).hex()}
        answer = bytes.fromhex(self.world.chain.rpc("eth_call", call, "latest")[2:])
        return int.from_bytes(answer[:32], "big"), int.from_bytes(answer[32:], "big")

    def channels(self, payer: str) -> list[Any]:
        """Return our rows of a payer's channels."""
        return self.world.sql(
            "SELECT c.channel_id, c.ceiling_units, c.earned_units, c.in_flight_units, c.pool_id FROM app.channel c "
            "JOIN app.pool p USING (pool_id) WHERE p.payer = :payer ORDER BY c.created_at",
            payer=bytes.fromhex(payer[2:]),
        )

    def balanced(self) -> None:
        """Check that ledger, pools and channels agree."""
        assert not self.world.sql("SELECT entry_id FROM app.posting GROUP BY 1 HAVING sum(delta_units) <> 0")
        kept = (
            "SELECT count(*) FROM app.pool p WHERE p.reserved_units <> (SELECT coalesce(sum(delta_units), 0) "
            "FROM app.posting WHERE account = 'reserved' AND owner = p.pool_id)"
        )
        assert self.world.one(kept) == 0
        earned = (
            "SELECT count(*) FROM app.channel c WHERE c.earned_units <> (SELECT coalesce(sum(delta_units), 0) "
            "FROM app.posting WHERE account IN ('owed', 'claimed') AND owner = c.channel_id)"
        )
        assert self.world.one(earned) == 0


@contextmanager
def open_lab(world: World, **changes: Any) -> Iterator[Lab]:
    """Serve gateway and upstream until the block ends."""
    port, own = free_port(), free_port()
    upstream = Upstream(url=f"http://127.0.0.1:{own}")
    settings = world.ctx.settings.model_copy(
        update={
            "public_url": f"http://127.0.0.1:{port}", "gateway_local_upstreams": True,
            "anonymous_reads_per_minute": ENOUGH, "frontend_dist": world.folder / "dist",
            "files_dir": world.folder / "files", "gateway_wait_seconds": 15.0, "gateway_timeout_seconds": 60.0,
            "relayed_gas_per_day": 10**9, "facilitated_gas_per_day": 10**9,
        }
        | changes
    )  # fmt: skip
    ctx = replace(world.ctx, settings=settings)
    said = Profile(slug="oracle", name="Oracle", description="Answers.", capabilities=["data_analysis"])
    world.register(world.agent, said)
    routes = [Route("/{rest:path}", upstream.answer, methods=["GET", "POST"])]
    database = Database(make_async_engine(world.database_url))
    app = create_app(ctx, database, limits=RateLimits(settings, MemoryStorage()))
    with serving(Starlette(routes=routes), own), serving(app, port):
        web3 = Web3(Web3.HTTPProvider(world.chain.url))
        yield Lab(world=world, url=settings.public_url, ctx=ctx, upstream=upstream, agent=world.agent, web3=web3)


def until(condition: Any, what: str, seconds: float = 20.0) -> Any:
    """Return the first truthy answer of a condition."""
    began = time.monotonic()
    while not (found := condition()):
        assert time.monotonic() - began < seconds, what
        time.sleep(0.02)
    return found
