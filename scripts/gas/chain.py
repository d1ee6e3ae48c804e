"""An anvil on which two runs are equal to the last byte: fixed clock, free gas, and a block only when asked for."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from aicp.abi.bytecode import artifact
from aicp.rules.primitives import hex0x
from scripts.devnet.embedded import anvil_binary
from scripts.devnet.ports import free_port
from scripts.gas import pricing, trace

CHAIN_ID = 31337
GENESIS = 1_800_000_000
_GAS = hex(30_000_000)
_PROPOSER = bytes(20)
_PRECOMPILED = frozenset(number.to_bytes(20, "big") for number in range(1, 0x12))


class MeasureError(Exception):
    """The chain did not do what a measurement needs."""


@dataclass(slots=True)
class Chain:
    """A running node. Every sender is accepted without a key."""

    url: str
    http: httpx.Client

    def rpc(self, method: str, *params: Any) -> Any:
        """Return the result of one call. Raises MeasureError."""
        return self._batch([(method, list(params))])[0]

    def _batch(self, calls: list[tuple[str, list[Any]]]) -> list[Any]:
        body = [
            {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
            for number, (method, params) in enumerate(calls)
        ]
        answers = sorted(self.http.post(self.url, json=body).json(), key=lambda answer: int(answer["id"]))
        for (method, _), answer in zip(calls, answers, strict=True):
            if "error" in answer:
                raise MeasureError(f"{method}: {answer['error']}")
        return [answer["result"] for answer in answers]

    def now(self) -> int:
        """Return the time of the newest block."""
        return int(self.rpc("eth_getBlockByNumber", "latest", False)["timestamp"], 16)

    def pass_to(self, moment: int) -> None:
        """Mine an empty block at a time."""
        self.rpc("evm_setNextBlockTimestamp", moment)
        self.rpc("evm_mine")

    def mine(self, blocks: int) -> None:
        """Mine empty blocks, a second each."""
        for _ in range(blocks):
            self.rpc("evm_mine")

    def call(self, to: bytes, data: bytes) -> bytes:
        """Return what a view answers. Raises MeasureError."""
        return bytes.fromhex(self.rpc("eth_call", {"to": hex0x(to), "data": hex0x(data)}, "latest")[2:])

    def deploy(self, sender: bytes, name: str, arguments: bytes = b"") -> bytes:
        """Create a contract of the committed artifacts and return its address. Raises MeasureError."""
        receipt = self._mined(sender, None, artifact(name).bytecode + arguments)
        return bytes.fromhex(receipt["contractAddress"][2:])

    def send(self, sender: bytes, to: bytes, data: bytes) -> dict[str, Any]:
        """Send a transaction, mine it alone, and return its receipt. Raises MeasureError when it reverts."""
        return self._mined(sender, to, data)

    def _mined(self, sender: bytes, to: bytes | None, data: bytes) -> dict[str, Any]:
        request = {"from": hex0x(sender), "data": hex0x(data), "gas": _GAS, "gasPrice": "0x0"}
        if to is not None:
            request["to"] = hex0x(to)
        sent = self.rpc("eth_sendTransaction", request)
        self.rpc("evm_mine")
        receipt: dict[str, Any] | None = self.rpc("eth_getTransactionReceipt", sent)
        if receipt is None or receipt["status"] != "0x1":
            raise MeasureError(f"a transaction to {hex0x(to or b'')} with 0x{data[:4].hex()} failed")
        return receipt

    def measure(self, sender: bytes, to: bytes, data: bytes) -> pricing.Figures:
        """Send a transaction in a block of its own and return its figures. Raises MeasureError, UnpriceableError."""
        receipt = self.send(sender, to, data)
        options = {"tracer": trace.TRACER}
        accesses = trace.accesses_of(self.rpc("debug_traceTransaction", receipt["transactionHash"], options))
        slots = pricing.slots_of(accesses)
        parent = hex(int(receipt["blockNumber"], 16) - 1)
        values = self._batch([("eth_getStorageAt", [hex0x(a), hex(key), parent]) for a, key in slots]) if slots else []
        return pricing.figures(
            pricing.Transaction(
                gas_used=int(receipt["gasUsed"], 16),
                data=data,
                accesses=accesses,
                before={slot: int(value, 16) for slot, value in zip(slots, values, strict=True)},
                warm=_PRECOMPILED | {sender, to, _PROPOSER},
            )
        )

    @contextmanager
    def undone(self) -> Iterator[None]:
        """Forget at the end whatever happens inside."""
        state = self.rpc("evm_snapshot")
        yield
        self.rpc("evm_revert", state)


@contextmanager
def chain() -> Iterator[Chain]:
    """A fresh chain on a free port. Raises MeasureError when it does not answer within 20 seconds."""
    port = free_port()
    command = [
        *(str(anvil_binary()), "--silent", "--host", "127.0.0.1", "--port", str(port)),
        *("--chain-id", str(CHAIN_ID), "--timestamp", str(GENESIS), "--no-mining", "--auto-impersonate"),
        *("--gas-price", "0", "--block-base-fee-per-gas", "0", "--accounts", "1", "--hardfork", "prague"),
    ]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        with httpx.Client(timeout=60) as http:
            found = Chain(f"http://127.0.0.1:{port}", http)
            _wait(found, process)
            found.rpc("anvil_setBlockTimestampInterval", 1)
            yield found
    finally:
        process.kill()  # it keeps nothing
        process.wait()


def _wait(found: Chain, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 20
    while True:
        try:
            found.rpc("eth_chainId")
        except httpx.TransportError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise MeasureError("the local chain did not start") from None
            time.sleep(0.05)
        else:
            return
