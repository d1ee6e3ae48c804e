"""The few things a deployment asks of a node, over web3."""

from __future__ import annotations

import datetime as dt
from typing import Any, Protocol, cast

from eth_account import Account
from eth_account.signers.local import LocalAccount
from web3 import HTTPProvider, Web3
from web3.exceptions import Web3Exception
from web3.types import TxParams, Wei

from aicp.rules.primitives import checksum
from scripts.deployment.errors import NodeError

_RECEIPT_SECONDS = 180


class Chain(Protocol):
    """A node with an account that pays. Every method raises NodeError."""

    def chain_id(self) -> int: ...

    def code(self, address: bytes, block: int | None = None) -> bytes: ...

    def call(self, to: bytes, data: bytes) -> bytes: ...

    def send(self, to: bytes, data: bytes, value: int = 0) -> int:
        """Send a transaction, wait for it, return its block number."""
        ...

    def send_raw(self, transaction: bytes) -> int: ...

    def balance(self, address: bytes) -> int: ...

    def block_number(self) -> int: ...

    def block_time(self, block: int) -> dt.datetime: ...


class Web3Reads:
    """The reading half of Chain over a web3 instance."""

    def __init__(self, web3: Web3) -> None:
        self._web3 = web3

    def chain_id(self) -> int:
        return int(self._guard("chain id", lambda: self._web3.eth.chain_id))

    def code(self, address: bytes, block: int | None = None) -> bytes:
        at: Any = "latest" if block is None else block
        return bytes(self._guard("code", lambda: self._web3.eth.get_code(cast("Any", checksum(address)), at)))

    def call(self, to: bytes, data: bytes) -> bytes:
        request: TxParams = {"to": cast("Any", checksum(to)), "data": cast("Any", data)}
        return bytes(self._guard("call", lambda: self._web3.eth.call(request)))

    def balance(self, address: bytes) -> int:
        return int(self._guard("balance", lambda: self._web3.eth.get_balance(cast("Any", checksum(address)))))

    def block_number(self) -> int:
        return int(self._guard("block number", lambda: self._web3.eth.block_number))

    def block_time(self, block: int) -> dt.datetime:
        header = self._guard("block", lambda: self._web3.eth.get_block(block))
        return dt.datetime.fromtimestamp(header["timestamp"], tz=dt.UTC)

    def send_raw(self, transaction: bytes) -> int:
        return int(self._guard("transaction", lambda: self._mined(self._web3.eth.send_raw_transaction(transaction))))

    def _mined(self, transaction_hash: Any) -> int:
        receipt = self._web3.eth.wait_for_transaction_receipt(transaction_hash, timeout=_RECEIPT_SECONDS)
        if receipt["status"] != 1:
            raise NodeError(f"The transaction 0x{bytes(transaction_hash).hex()} was mined and reverted.")
        return int(receipt["blockNumber"])

    @staticmethod
    def _guard(what: str, ask: Any) -> Any:
        try:
            return ask()
        except (Web3Exception, OSError, ValueError) as error:
            raise NodeError(f"The node did not answer as expected to a request for {what}: {error}") from error


class Web3Chain(Web3Reads):
    """Chain over a URL and a private key."""

    def __init__(self, rpc_url: str, private_key: str) -> None:
        super().__init__(Web3(HTTPProvider(rpc_url, request_kwargs={"timeout": 30})))
        self._account: LocalAccount = Account.from_key(private_key)

    def send(self, to: bytes, data: bytes, value: int = 0) -> int:
        return int(self._guard("transaction", lambda: self._send(to, data, value)))

    def _send(self, to: bytes, data: bytes, value: int) -> int:
        eth = self._web3.eth
        request: TxParams = {
            "from": self._account.address,
            "to": cast("Any", checksum(to)),
            "data": cast("Any", data),
            "value": Wei(value),
            "chainId": eth.chain_id,
            "nonce": eth.get_transaction_count(self._account.address, "pending"),
        }
        request["gas"] = eth.estimate_gas(request) * 12 // 10
        tip = eth.max_priority_fee
        base = eth.get_block("latest").get("baseFeePerGas", 0)
        request["maxPriorityFeePerGas"] = tip
        request["maxFeePerGas"] = Wei(base * 2 + tip)
        signed = self._account.sign_transaction(cast("dict[str, Any]", request))
        return self._mined(eth.send_raw_transaction(signed.raw_transaction))
