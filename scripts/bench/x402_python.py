"""The official x402 Python server on the same vouchers: middleware, server scheme, channels in its own memory.

Its storage is filled beforehand, as if every channel had been deposited into and read from the chain a moment ago, so
that a request costs it no call of a node. `coincurve` is installed, without which its signatures cost ten times more.
One process, as its storage allows no second one. `python -m scripts.bench.x402_python FILE` serves. The official server
of TypeScript (`x402_npm.mjs`) is started the same way, on the same channels.
"""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final, Literal

import httpx
from coincurve import PrivateKey

from aicp.abi.signing import address_of
from aicp.abi.typed_data import ChannelConfig, Voucher, channel_domain
from aicp.rules.ids import channel_id
from aicp.rules.primitives import checksum, hex0x, parse_address
from scripts.bench.servers import CHAIN_ID, BenchError, anvil, stop
from scripts.bench.voucherground import PRICE, address_named, key_of
from scripts.bench.voucherload import Job
from scripts.devnet.ports import free_port
from scripts.suites.model import ROOT

NETWORK: Final = f"eip155:{CHAIN_ID}"
CONTRACT: Final = "0x4020074e9dF2ce1deE5A9C1b5c3f541D02a10003"
WITHDRAW_DELAY: Final = 86_400
BALANCE: Final = 10**12
Kind = Literal["python", "npm"]
_COMMANDS: Final[dict[Kind, list[str]]] = {
    "python": [sys.executable, "-m", "scripts.bench.x402_python"],
    "npm": ["node", "scripts/bench/x402_npm.mjs"],
}


@dataclass(slots=True)
class _Lane:
    config: ChannelConfig
    channel_id: bytes
    key: PrivateKey
    ceiling: int = 0

    def wire(self) -> dict[str, Any]:
        config = self.config
        return {
            "payer": checksum(config.payer),
            "payerAuthorizer": checksum(config.payer_authorizer),
            "receiver": checksum(config.receiver),
            "receiverAuthorizer": checksum(config.receiver_authorizer),
            "token": checksum(config.token),
            "withdrawDelay": config.withdraw_delay,
            "salt": hex0x(config.salt),
        }


@dataclass(slots=True)
class Peer:
    """The running server and the channels it knows."""

    port: int
    lanes: list[_Lane]
    accepted: dict[str, Any]
    at: int = 0
    _domain: Any = field(default_factory=lambda: channel_domain(CHAIN_ID, parse_address(CONTRACT)))

    def job(self, count: int) -> Job:
        """Return paid requests, all channels in turn."""
        return Job([self.port], [[self._request() for _ in range(count)]])

    def _request(self) -> bytes:
        lane = self.lanes[self.at % len(self.lanes)]
        self.at += 1
        lane.ceiling += PRICE
        raw = lane.key.sign_recoverable(Voucher(lane.channel_id, lane.ceiling).digest(self._domain), hasher=None)
        voucher = {
            "channelId": hex0x(lane.channel_id),
            "maxClaimableAmount": str(lane.ceiling),
            "signature": hex0x(raw[:64] + bytes((raw[64] + 27,))),
        }
        payload = {"type": "voucher", "channelConfig": lane.wire(), "voucher": voucher}
        paid = {"x402Version": 2, "accepted": self.accepted, "payload": payload}
        header = base64.b64encode(json.dumps(paid, separators=(",", ":")).encode())
        return b"GET /paid HTTP/1.1\r\nhost: bench\r\npayment-signature: %b\r\n\r\n" % header


def _lanes(pools: int, agents: int) -> list[_Lane]:
    domain = channel_domain(CHAIN_ID, parse_address(CONTRACT))
    lanes = []
    for number in range(pools):
        key = key_of(f"session {number}")
        for agent in range(agents):
            config = ChannelConfig(
                payer=address_named(f"buyer {number}"), payer_authorizer=address_of(key),
                receiver=address_named("agent 0"),
                receiver_authorizer=address_named("operator"),
                token=address_named("usdc"), withdraw_delay=WITHDRAW_DELAY,
                salt=agent.to_bytes(32, "big"),
            )  # fmt: skip
            lanes.append(_Lane(config, channel_id(config, domain), PrivateKey(key)))
    return lanes


@contextmanager
def server(pools: int, agents: int, kind: Kind = "python") -> Iterator[Peer]:
    """Run an official server, its storage filled. Raises BenchError."""
    lanes, port = _lanes(pools, agents), free_port()
    with anvil() as chain, tempfile.TemporaryDirectory() as folder:
        file, log = Path(folder) / "channels.json", Path(folder) / "log"
        given = {
            "rpc": chain.url, "port": port, "chainId": CHAIN_ID, "receiver": checksum(address_named("agent 0")),
            "usdc": checksum(address_named("usdc")), "price": str(PRICE), "balance": str(BALANCE),
            "withdrawDelay": WITHDRAW_DELAY, "operatorKey": hex0x(key_of("operator")),
            "relayerKey": hex0x(key_of("relayer")),
            "channels": [{"channelId": hex0x(lane.channel_id), "channelConfig": lane.wire()} for lane in lanes],
        }  # fmt: skip
        file.write_text(json.dumps(given), encoding="utf-8")
        with log.open("wb") as output:
            process = subprocess.Popen([*_COMMANDS[kind], str(file)], stdout=output, stderr=output, cwd=ROOT)
        try:
            yield Peer(port, lanes, _offer(port, process, log))
        finally:
            stop(process)


def _offer(port: int, process: subprocess.Popen[bytes], log: Path) -> dict[str, Any]:
    """Return the terms of its first 402."""
    deadline = time.monotonic() + 60
    while True:
        try:
            answer = httpx.get(f"http://127.0.0.1:{port}/paid", timeout=10)
            header = answer.headers.get("payment-required")
            if answer.status_code == 402 and header is not None:
                offer: dict[str, Any] = json.loads(base64.b64decode(header))["accepts"][0]
                return offer
        except httpx.TransportError:
            pass
        if process.poll() is not None or time.monotonic() > deadline:
            raise BenchError(f"the x402 server does not answer: {log.read_text()[-1_000:]}")
        time.sleep(0.2)


def _put(channel: Any, _: Any) -> Any:
    """Return what its storage is to hold, whatever it held."""
    return channel


def _serve(file: Path) -> None:
    """Serve one paid address by the official packages."""
    import uvicorn
    from fastapi import FastAPI, Request
    from x402 import x402Facilitator, x402ResourceServer
    from x402.http.middleware.fastapi import payment_middleware
    from x402.http.types import PaymentOption, RouteConfig
    from x402.mechanisms.evm.batch_settlement.authorizer_signer import LocalAuthorizerSigner
    from x402.mechanisms.evm.batch_settlement.facilitator.scheme import BatchSettlementEvmFacilitator
    from x402.mechanisms.evm.batch_settlement.server.scheme import (
        BatchSettlementEvmScheme,
        BatchSettlementEvmSchemeServerConfig,
    )
    from x402.mechanisms.evm.batch_settlement.server.storage import Channel
    from x402.mechanisms.evm.batch_settlement.types import ChannelConfig as Config
    from x402.mechanisms.evm.signers import FacilitatorWeb3Signer
    from x402.schemas import AssetAmount

    given = json.loads(file.read_text(encoding="utf-8"))
    from eth_account import Account

    scheme: Any = BatchSettlementEvmScheme(
        checksum(address_named("agent 0")),
        BatchSettlementEvmSchemeServerConfig(
            receiver_authorizer_signer=LocalAuthorizerSigner(Account.from_key(key_of("operator"))),
            withdraw_delay=WITHDRAW_DELAY, onchain_state_ttl_ms=24 * 3_600_000,
        ),
    )  # fmt: skip
    now = int(time.time() * 1_000)
    for row in given["channels"]:
        channel = Channel(
            channel_id=row["channelId"], channel_config=Config.from_dict(row["channelConfig"]), balance=str(BALANCE),
            onchain_synced_at=now, last_request_timestamp=now,
        )  # fmt: skip
        scheme.get_storage().update_channel(row["channelId"], partial(_put, channel))
    signer = FacilitatorWeb3Signer(private_key=hex0x(key_of("relayer")), rpc_url=given["rpc"])
    facilitator: Any = x402Facilitator().register([NETWORK], BatchSettlementEvmFacilitator(signer))
    resources = x402ResourceServer(facilitator)
    resources.register(NETWORK, scheme)
    price = AssetAmount(
        amount=str(PRICE), asset=checksum(address_named("usdc")), extra={"name": "USD Coin", "version": "2"}
    )
    option = PaymentOption(
        scheme="batch-settlement", pay_to=checksum(address_named("agent 0")), price=price, network=NETWORK,
        max_timeout_seconds=3600,
    )  # fmt: skip
    app = FastAPI()
    pay = payment_middleware({"GET /paid": RouteConfig(accepts=option)}, resources)

    @app.middleware("http")
    async def paid(request: Request, call_next: Any) -> Any:
        return await pay(request, call_next)

    @app.get("/paid")
    async def answer() -> dict[str, int]:
        return {"answer": 42}

    uvicorn.run(app, host="127.0.0.1", port=given["port"], log_level="error", access_log=False)


if __name__ == "__main__":
    _serve(Path(sys.argv[1]))
