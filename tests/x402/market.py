"""A shop that sells answers by the official packages: middleware, server scheme, facilitator, channel manager."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from typing import Any

import httpx
import uvicorn
from fastapi import FastAPI
from x402 import x402Facilitator, x402FacilitatorSync, x402ResourceServer
from x402.http import FacilitatorConfig, HTTPFacilitatorClient, HTTPFacilitatorClientSync
from x402.http.middleware.fastapi import payment_middleware
from x402.http.types import PaymentOption, RouteConfig
from x402.mechanisms.evm.batch_settlement.authorizer_signer import LocalAuthorizerSigner
from x402.mechanisms.evm.batch_settlement.facilitator.scheme import BatchSettlementEvmFacilitator
from x402.mechanisms.evm.batch_settlement.server.channel_manager_common import ChannelManagerConfigSync
from x402.mechanisms.evm.batch_settlement.server.channel_manager_sync import BatchSettlementChannelManagerSync
from x402.mechanisms.evm.batch_settlement.server.scheme import (
    BatchSettlementEvmScheme,
    BatchSettlementEvmSchemeServerConfig,
)
from x402.mechanisms.evm.signers import FacilitatorWeb3Signer
from x402.schemas import AssetAmount

from scripts.devnet.ports import free_port
from tests.fixtures.services import CHAIN_ID, ROOT, wait_for
from tests.x402.ground import NETWORK, PAYMENTS, PRICE, Ground

WITHDRAW_DELAY = 900


@dataclass(frozen=True, slots=True)
class Market:
    """The running shop: `/erc3009` and `/permit2` cost the same and differ in how channels are opened."""

    url: str
    manager: BatchSettlementChannelManagerSync
    scheme: BatchSettlementEvmScheme


def _route(ground: Ground, method: str) -> RouteConfig:
    extra = {"name": "USD Coin", "version": "2", "assetTransferMethod": method, "minDeposit": str(2 * PAYMENTS * PRICE)}
    price = AssetAmount(amount=str(PRICE), asset=ground.usdc.address, extra=extra)
    option = PaymentOption(
        scheme="batch-settlement", pay_to=ground.receiver, price=price, network=NETWORK, max_timeout_seconds=3600
    )
    return RouteConfig(accepts=option)


def _application(ground: Ground, server: x402ResourceServer, lifespan: Any) -> FastAPI:
    app = FastAPI(lifespan=lifespan)
    routes = {f"GET /{method}": _route(ground, method.replace("erc", "eip")) for method in ("erc3009", "permit2")}
    pay = payment_middleware(routes, server)

    @app.middleware("http")
    async def paid(request: Any, call_next: Any) -> Any:
        return await pay(request, call_next)

    @app.get("/erc3009")
    @app.get("/permit2")
    async def answer() -> dict[str, int]:
        return {"answer": 42}

    return app


@dataclass(frozen=True, slots=True)
class Facilitators:
    """One facilitator as the server wants it and as the channel manager wants it."""

    of_server: Any
    of_manager: Any
    lifespan: Any = None


@contextmanager
def python_facilitator(ground: Ground) -> Iterator[Facilitators]:
    """PyPI's facilitator, a part of this process."""
    signer = FacilitatorWeb3Signer(private_key=ground.facilitator.key.hex(), rpc_url=ground.chain.url)
    scheme = BatchSettlementEvmFacilitator(signer)
    yield Facilitators(x402Facilitator().register([NETWORK], scheme), x402FacilitatorSync().register([NETWORK], scheme))


@contextmanager
def typescript_facilitator(ground: Ground) -> Iterator[Facilitators]:
    """npm's facilitator, a process of its own."""
    settings = {"rpc": ground.chain.url, "chainId": CHAIN_ID, "key": ground.facilitator.key.to_0x_hex()}
    command = ["node", "tests/x402/facilitator.mjs", json.dumps(settings)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        config = FacilitatorConfig(url=f"http://127.0.0.1:{int(process.stdout.readline())}")
        with httpx.Client(timeout=20) as client:
            of_server = HTTPFacilitatorClient(config)

            @asynccontextmanager
            async def lifespan(_: FastAPI) -> AsyncIterator[None]:
                async with of_server:
                    yield

            yield Facilitators(of_server, HTTPFacilitatorClientSync(replace(config, http_client=client)), lifespan)
        process.terminate()


@contextmanager
def open_market(ground: Ground, facilitators: Facilitators) -> Iterator[Market]:
    """Serve until the block ends, on a thread of its own."""
    scheme = BatchSettlementEvmScheme(
        ground.receiver,
        BatchSettlementEvmSchemeServerConfig(
            receiver_authorizer_signer=LocalAuthorizerSigner(ground.authorizer), withdraw_delay=WITHDRAW_DELAY
        ),
    )
    server = x402ResourceServer(facilitators.of_server)
    server.register(NETWORK, scheme)
    manager = BatchSettlementChannelManagerSync(
        ChannelManagerConfigSync(
            scheme=scheme,
            facilitator=facilitators.of_manager,
            receiver=ground.receiver,
            token=ground.usdc.address,
            network=NETWORK,
        )
    )
    port = free_port()
    running = uvicorn.Server(
        uvicorn.Config(
            _application(ground, server, facilitators.lifespan), host="127.0.0.1", port=port, log_level="warning"
        )
    )
    thread = threading.Thread(target=running.run, daemon=True)
    thread.start()
    wait_for(lambda: running.started, "the shop answers")
    yield Market(url=f"http://127.0.0.1:{port}", manager=manager, scheme=scheme)
    running.should_exit = True
    thread.join(10)
