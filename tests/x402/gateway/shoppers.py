"""The two official clients at our gateway behind one interface, and what they say written down."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import httpx
from eth_account.signers.local import LocalAccount
from x402 import x402Client
from x402.http.clients.httpx import x402_httpx_transport
from x402.http.utils import decode_payment_required_header, decode_payment_response_header
from x402.mechanisms.evm.batch_settlement.client.config import BatchSettlementEvmSchemeOptions
from x402.mechanisms.evm.batch_settlement.client.scheme import BatchSettlementEvmScheme
from x402.mechanisms.evm.exact.client import ExactEvmScheme
from x402.mechanisms.evm.signers import EthAccountSigner, EthAccountSignerWithRPC

from tests.fixtures.services import CHAIN_ID, ROOT
from tests.x402.gateway.lab import Lab
from tests.x402.ground import NETWORK

CAP = 100_000


@dataclass(frozen=True, slots=True)
class Bought:
    """What a client got: status, body, and the decoded PAYMENT-RESPONSE or the error of PAYMENT-REQUIRED."""

    status: int
    body: str
    settled: dict[str, Any] | None
    exchanges: list[str]
    """Every HTTP answer on the way: status, and the error of a refusal."""


@dataclass(slots=True)
class Transcript:
    """What happened, for people; written to the folder in AICP_TRANSCRIPTS where that is set."""

    name: str
    lines: list[str] = field(default_factory=list)

    def say(self, line: str) -> None:
        """Add a line."""
        self.lines.append(line)
        print(line)

    def bought(self, number: int, got: Bought) -> None:
        """Add what a client got."""
        settled = got.settled or {}
        extra = settled.get("extra") or {}
        state = extra.get("channelState") or {}
        told = settled.get("error") or ", ".join(
            f"{name} {value}"
            for name, value in (
                ("charged", extra.get("chargedAmount")),
                ("cumulative", state.get("chargedCumulativeAmount")),
                ("balance", state.get("balance")),
                ("transaction", settled.get("transaction")),
            )
            if value
        )
        way = " -> ".join(got.exchanges)
        self.say(f"request {number}: {way}; {got.body.strip()[:60]} ({told})")

    def keep(self) -> None:
        """Write the text where it is wanted."""
        folder = os.environ.get("AICP_TRANSCRIPTS")
        if folder:
            Path(folder, f"{self.name}.txt").write_text("\n".join(self.lines) + "\n", encoding="utf-8")


class Shopper(Protocol):
    """What a client can do."""

    name: str

    def pay(self, urls: list[str]) -> list[Bought]:
        """Buy at each URL in turn."""

    def forget(self) -> None:
        """Lose everything known of the channel."""

    def refund(self, url: str) -> bool:
        """Ask for unclaimed money back."""


class Lossy(httpx.AsyncBaseTransport):
    """A network that loses one answer to a paid request, after the server has given it."""

    def __init__(self) -> None:
        self.lose = False
        self.exchanges: list[str] = []
        self._inner = httpx.AsyncHTTPTransport()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        answer = await self._inner.handle_async_request(request)
        self.exchanges.append(_exchange(answer, paid="PAYMENT-SIGNATURE" in request.headers))
        if self.lose and "PAYMENT-SIGNATURE" in request.headers and answer.status_code == 200:
            self.lose = False
            await answer.aread()
            await answer.aclose()
            raise httpx.ReadError("the connection broke")
        return answer

    async def aclose(self) -> None:
        await self._inner.aclose()


@dataclass(slots=True)
class PythonShopper:
    """PyPI's client over httpx."""

    lab: Lab
    account: LocalAccount
    deposits: bool
    exact: bool
    name: str = "python"
    scheme: Any = None
    client: Any = None
    lose_next: bool = False

    def __post_init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        if self.exact:
            self.scheme = ExactEvmScheme(EthAccountSigner(self.account))
        else:
            options = {} if self.deposits else {"deposit_strategy": lambda _: False}
            signer = EthAccountSignerWithRPC(self.account, self.lab.world.chain.url)
            self.scheme = BatchSettlementEvmScheme(signer, BatchSettlementEvmSchemeOptions(**options))
        self.client = x402Client().register(NETWORK, self.scheme)
        token = self.lab.web3.to_checksum_address(self.lab.ctx.deployment.usdc)
        asset = {"network": NETWORK, "asset": token, "max_amount_per_payment": str(CAP)}
        self.client.set_spend_controls({"allowed_assets": [asset]})

    def pay(self, urls: list[str]) -> list[Bought]:
        return asyncio.run(self._pay(urls))

    async def _pay(self, urls: list[str]) -> list[Bought]:
        network = Lossy()
        network.lose = self.lose_next
        self.lose_next = False
        found = []
        async with httpx.AsyncClient(transport=x402_httpx_transport(self.client, network), timeout=30) as http:
            for url in urls:
                network.exchanges = []
                answer = await http.get(url)
                found.append(Bought(answer.status_code, answer.text, _told(answer), network.exchanges))
        return found

    def refund(self, url: str) -> bool:
        return bool(self.scheme.refund(url).success)


def _exchange(answer: httpx.Response, *, paid: bool) -> str:
    """Return status and reason of one answer; a first 402 is only the offer."""
    if answer.status_code != 402 or not paid:
        return str(answer.status_code)
    error = decode_payment_required_header(answer.headers["PAYMENT-REQUIRED"]).error or ""
    return f"402 {error.removeprefix('invalid_batch_settlement_evm_')}"


def _told(answer: httpx.Response) -> dict[str, Any] | None:
    if "PAYMENT-RESPONSE" in answer.headers:
        return decode_payment_response_header(answer.headers["PAYMENT-RESPONSE"]).model_dump(by_alias=True)
    if "PAYMENT-REQUIRED" in answer.headers:
        return {"error": decode_payment_required_header(answer.headers["PAYMENT-REQUIRED"]).error}
    return None


@dataclass(slots=True)
class TypeScriptShopper:
    """npm's client in a process of its own; see `shopper.mjs`."""

    process: subprocess.Popen[str]
    name: str = "typescript"

    def pay(self, urls: list[str]) -> list[Bought]:
        return [Bought(**got) for got in self._ask({"pay": urls})]

    def forget(self) -> None:
        self._ask({"forget": True})

    def refund(self, url: str) -> bool:
        return bool(self._ask({"refund": url}))

    def _ask(self, command: dict[str, Any]) -> Any:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(command) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        assert "error" not in answer, answer
        return answer["result"]


@contextmanager
def shopper(
    lab: Lab, language: str, account: LocalAccount, *, deposits: bool, exact: bool = False
) -> Iterator[Shopper]:
    """Return an official client with a wallet; without deposits it pays from its pool."""
    if language == "python":
        yield PythonShopper(lab, account, deposits, exact)
        return
    settings = {
        "rpc": lab.world.chain.url,
        "chainId": CHAIN_ID,
        "token": lab.web3.to_checksum_address(lab.ctx.deployment.usdc),
        "cap": str(CAP),
        "key": account.key.to_0x_hex(),
        "deposits": deposits,
        "scheme": "exact" if exact else "batch-settlement",
    }
    command = ["node", "tests/x402/gateway/shopper.mjs", json.dumps(settings)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield TypeScriptShopper(process)
        process.terminate()
