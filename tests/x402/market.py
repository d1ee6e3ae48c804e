"""A shop that sells answers by the official packages: FastAPI middleware, server scheme, facilitator, channel manager."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import uvicorn
from fastapi import FastAPI
from x402 import x402Facilitator, x402FacilitatorSync, x402ResourceServer
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

from tests.fixtures.services import free_port, wait_for
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


def _application(ground: Ground, server: x402ResourceServer) -> FastAPI:
    app = FastAPI()
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


@contextmanager
def open_market(ground: Ground) -> Iterator[Market]:
    """Serve until the block ends. Server and facilitator are parts of this process, on a thread of their own."""
    signer = FacilitatorWeb3Signer(private_key=ground.facilitator.key.hex(), rpc_url=ground.chain.url)
    facilitator = BatchSettlementEvmFacilitator(signer)
    scheme = BatchSettlementEvmScheme(
        ground.receiver,
        BatchSettlementEvmSchemeServerConfig(
            receiver_authorizer_signer=LocalAuthorizerSigner(ground.authorizer), withdraw_delay=WITHDRAW_DELAY
        ),
    )
    server = x402ResourceServer(x402Facilitator().register([NETWORK], facilitator))
    server.register(NETWORK, scheme)
    manager = BatchSettlementChannelManagerSync(
        ChannelManagerConfigSync(
            scheme=scheme,
            facilitator=x402FacilitatorSync().register([NETWORK], facilitator),
            receiver=ground.receiver,
            token=ground.usdc.address,
            network=NETWORK,
        )
    )
    port = free_port()
    running = uvicorn.Server(
        uvicorn.Config(_application(ground, server), host="127.0.0.1", port=port, log_level="warning")
    )
    thread = threading.Thread(target=running.run, daemon=True)
    thread.start()
    wait_for(lambda: running.started, "the shop answers")
    yield Market(url=f"http://127.0.0.1:{port}", manager=manager, scheme=scheme)
    running.should_exit = True
    thread.join(10)
