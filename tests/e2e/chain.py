"""What the contracts themselves say, read over JSON-RPC with nothing of the service in between."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx
from eth_abi import encode
from eth_account import Account
from eth_utils import function_signature_to_4byte_selector


class Chain:
    """Calls and a few transactions from the deployer's account."""

    def __init__(self, rpc_url: str, deployment: Mapping[str, Any], deployer_key: str) -> None:
        self.rpc_url = rpc_url
        self.contracts = deployment.get("contracts", deployment)
        self._deployer_key = deployer_key

    def rpc(self, method: str, *params: Any) -> Any:
        """Return the result of one JSON-RPC call; an error fails the test."""
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)}
        answer = httpx.post(self.rpc_url, json=body, timeout=20).json()
        assert "error" not in answer, f"{method}: {answer}"
        return answer["result"]

    def call(self, contract: str, signature: str, *args: Any) -> list[int]:
        """Return the words of a view call."""
        data = "0x" + self._data(signature, args).hex()
        result = bytes.fromhex(self.rpc("eth_call", {"to": self.contracts[contract], "data": data}, "latest")[2:])
        return [int.from_bytes(result[at : at + 32], "big") for at in range(0, len(result), 32)]

    def usdc_of(self, address: str) -> int:
        """Base units in a wallet."""
        return self.call("usdc", "balanceOf(address)", address)[0]

    def nonce_of(self, address: str) -> int:
        """Transactions mined from an account."""
        return int(self.rpc("eth_getTransactionCount", address, "latest"), 16)

    def faucet(self, address: str, units: int) -> None:
        """Give test USDC to an address and wait until it is there."""
        self.send(self._deployer_key, self.contracts["usdc"], self._data("faucet(address,uint256)", (address, units)))

    def send(self, key: str, to: str, data: bytes) -> Mapping[str, Any]:
        """Send a transaction from a key that holds gas money and return its receipt."""
        sender = Account.from_key(key).address
        transaction = {
            "chainId": int(self.rpc("eth_chainId"), 16),
            "nonce": int(self.rpc("eth_getTransactionCount", sender, "pending"), 16),
            "gas": 3_000_000,
            "maxFeePerGas": 20_000_000_000,
            "maxPriorityFeePerGas": 1_000_000_000,
            "to": to,
            "data": data,
        }
        raw = Account.sign_transaction(transaction, key).raw_transaction
        tx_hash = self.rpc("eth_sendRawTransaction", "0x" + bytes(raw).hex())
        for _ in range(200):
            receipt = self.rpc("eth_getTransactionReceipt", tx_hash)
            if receipt is not None:
                assert receipt["status"] == "0x1", receipt
                return receipt  # type: ignore[no-any-return]
            self.rpc("evm_mine")
        raise AssertionError(f"{tx_hash} was not mined")

    def warp(self, seconds: int) -> None:
        """Move the chain's clock forward and mine."""
        self.rpc("evm_increaseTime", seconds)
        self.rpc("evm_mine")

    @staticmethod
    def _data(signature: str, args: Any) -> bytes:
        types = signature[signature.index("(") + 1 : -1]
        return function_signature_to_4byte_selector(signature) + encode(types.split(",") if types else [], list(args))
