"""JSON-RPC for senders: every call has a deadline, a revert keeps its data, a broadcast goes to every node.

Reads are answered by the first node that answers; one that failed is asked last until it answers again. A node is
asked for its chain before it is used, again in every round and after every failure; one of another chain is sent
nothing and believed nothing: its counts would spoil our nonces and its refusals would end our intents.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import httpx
import structlog

from backend.txm.signer import AccessList, to_json

BATCH_CALLS: Final = 50
"""Calls in one request; nodes for hire refuse more than a hundred."""

_log = structlog.get_logger("txm.rpc")


class NodeUnreachable(Exception):  # noqa: N818  # a fact about the node, not about the call
    """No usable answer within the deadline: the outcome of the call is unknown."""


class WrongChain(NodeUnreachable):
    """The node serves another chain than ours and was not asked."""


@dataclass(frozen=True, slots=True)
class NodeError(Exception):
    """The node answered with an error object; `data` is the revert data, if it sent any."""

    code: int
    message: str
    data: bytes = b""

    def __str__(self) -> str:
        return f"{self.message} ({self.code})"


@dataclass(frozen=True, slots=True, kw_only=True)
class TxReceipt:
    """What a node says of a mined transaction."""

    tx_hash: bytes
    block_number: int
    block_hash: bytes
    succeeded: bool
    gas_used: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The newest block: its number, base fee in wei and time in unix seconds."""

    number: int
    base_fee_wei: int
    time: int


def _revert_data(error: dict[str, Any]) -> bytes:
    data: Any = error.get("data")
    if isinstance(data, dict):  # some nodes nest it
        data = data.get("data") or data.get("result")
    if isinstance(data, str) and data.startswith("0x"):
        try:
            return bytes.fromhex(data[2:])
        except ValueError:
            return b""
    return b""


def _hex(value: bytes) -> str:
    return "0x" + value.hex()


@dataclass(slots=True)
class Node:
    """One node by URL. `trusted` once it has told that it serves our chain, until it fails."""

    url: str
    timeout_seconds: float
    trusted: bool = field(default=False, init=False)
    _http: httpx.Client = field(init=False)

    def __post_init__(self) -> None:
        self._http = httpx.Client(timeout=httpx.Timeout(self.timeout_seconds, connect=min(5.0, self.timeout_seconds)))

    def post(self, body: Any, deadline_seconds: float | None = None) -> Any:
        """Return the decoded answer, within less than the usual time if asked to. Raises NodeUnreachable."""
        timeout = httpx.USE_CLIENT_DEFAULT if deadline_seconds is None else httpx.Timeout(deadline_seconds)
        try:
            response = self._http.post(self.url, json=body, timeout=timeout)
            if response.status_code != 200:
                raise NodeUnreachable(f"HTTP {response.status_code}")
            return response.json()
        except (httpx.HTTPError, ValueError) as error:
            raise NodeUnreachable(f"{type(error).__name__}: {error}") from error

    def close(self) -> None:
        """Close the connections."""
        self._http.close()


def _result(answer: Any) -> Any:
    if not isinstance(answer, dict):
        raise NodeUnreachable("not a JSON-RPC answer")
    error = answer.get("error")
    if error is not None:
        raise NodeError(int(error.get("code", 0)), str(error.get("message", "")), _revert_data(error))
    if "result" not in answer:
        raise NodeUnreachable("an answer without a result")
    return answer["result"]


@dataclass(slots=True)
class Rpc:
    """The nodes of one chain. Not shared between threads or over a fork."""

    urls: Sequence[str]
    chain_id: int
    timeout_seconds: float = 10.0
    _nodes: list[Node] = field(init=False)

    def __post_init__(self) -> None:
        self._nodes = [Node(url, self.timeout_seconds) for url in self.urls]

    def close(self) -> None:
        """Close every connection."""
        for node in self._nodes:
            node.close()

    def doubt(self) -> None:
        """Ask every node for its chain before its next use."""
        for node in self._nodes:
            node.trusted = False

    def _post(self, node: Node, body: Any, deadline_seconds: float | None = None) -> Any:
        """Return what a node of our chain answers; every request goes this way. Raises NodeUnreachable."""
        if not node.trusted:
            self._check_chain(node)
        try:
            return node.post(body) if deadline_seconds is None else node.post(body, deadline_seconds)
        except NodeUnreachable:
            node.trusted = False
            raise

    def _check_chain(self, node: Node) -> None:
        answer = node.post({"jsonrpc": "2.0", "id": 1, "method": "eth_chainId", "params": ()})
        try:
            served = int(_result(answer), 16)
        except (NodeError, TypeError, ValueError) as error:
            raise NodeUnreachable(f"a node does not tell its chain: {error}") from error
        if served != self.chain_id:
            _log.error("a node serves another chain and is not used", served=served, ours=self.chain_id)
            raise WrongChain(f"the node serves chain {served}, not {self.chain_id}")
        node.trusted = True

    def _last(self, node: Node) -> None:
        self._nodes.remove(node)
        self._nodes.append(node)

    def call(self, method: str, *params: Any) -> Any:
        """Return the result of the first node that answers. Raises NodeError, or NodeUnreachable when none does."""
        last = NodeUnreachable("no node is configured")
        for node in tuple(self._nodes):
            try:
                return _result(self._post(node, {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}))
            except NodeUnreachable as error:
                last = error
                self._last(node)
        raise last

    def batch(self, calls: Sequence[tuple[str, tuple[Any, ...]]]) -> list[Any]:
        """Return one result or NodeError for each of a few calls, in order, from one node. Raises NodeUnreachable."""
        last = NodeUnreachable("no node is configured")
        for node in tuple(self._nodes):
            try:
                return self._batch(node, calls)
            except NodeUnreachable as error:
                last = error
                self._last(node)
        raise last

    def _batch(self, node: Node, calls: Sequence[tuple[str, tuple[Any, ...]]]) -> list[Any]:
        results: list[Any] = []
        for start in range(0, len(calls), BATCH_CALLS):
            piece = calls[start : start + BATCH_CALLS]
            answers = self._post(
                node,
                [
                    {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
                    for number, (method, params) in enumerate(piece)
                ],
            )
            if not isinstance(answers, list) or len(answers) != len(piece):
                raise NodeUnreachable("a batch was not answered in full")
            by_id = {answer.get("id"): answer for answer in answers if isinstance(answer, dict)}
            results += [_result_or_error(by_id.get(number)) for number in range(len(piece))]
        return results

    def broadcast(self, raw: bytes) -> list[NodeError | NodeUnreachable | None]:
        """Send signed bytes to every node of our chain; None stands for acceptance, in no particular order of nodes.

        A refusal may mean that the node has changed chains behind its address: it is asked again before its next use.
        """
        outcomes: list[NodeError | NodeUnreachable | None] = []
        for node in tuple(self._nodes):
            body = {"jsonrpc": "2.0", "id": 1, "method": "eth_sendRawTransaction", "params": (_hex(raw),)}
            try:
                _result(self._post(node, body))
                outcomes.append(None)
            except (NodeError, NodeUnreachable) as error:
                node.trusted = False
                outcomes.append(error)
        return outcomes

    def nonce(self, account: bytes, tag: str = "latest") -> int:
        """Return how many transactions of the account are in the chain up to the tag."""
        return int(self.call("eth_getTransactionCount", _hex(account), tag), 16)

    def highest_nonce(self, account: bytes) -> int:
        """Return the highest count any node knows: one that lags knows less. Raises NodeUnreachable when none does."""
        counts: list[int] = []
        body = {"jsonrpc": "2.0", "id": 1, "method": "eth_getTransactionCount", "params": (_hex(account), "latest")}
        for node in tuple(self._nodes):
            try:
                counts.append(int(_result(self._post(node, body)), 16))
            except (NodeError, NodeUnreachable):
                continue
        if not counts:
            raise NodeUnreachable("no node counts transactions")
        return max(counts)

    def nonce_at(self, account: bytes, number: int) -> int | None:
        """Return how many transactions of the account are in the chain up to a block, None where nobody knows it."""
        try:
            answer = self.call("eth_getTransactionCount", _hex(account), hex(number))
        except NodeError:
            return None
        return None if answer is None else int(answer, 16)

    def sent_in_final(self, number: int, account: bytes) -> dict[int, bytes]:
        """Return nonces and hashes of the account's transactions in a block that the node which shows it calls final.

        Empty when the node does not have the block, or does not know it to be final.
        """
        finalized, block = self.batch(
            [("eth_getBlockByNumber", ("finalized", False)), ("eth_getBlockByNumber", (hex(number), True))]
        )
        known = isinstance(finalized, dict) and isinstance(block, dict)
        if not known or int(finalized["number"], 16) < number or int(block["number"], 16) != number:
            return {}
        return {
            int(tx["nonce"], 16): bytes.fromhex(tx["hash"][2:])
            for tx in block["transactions"]
            if tx["from"].lower() == _hex(account)
        }

    def balance(self, account: bytes) -> int:
        """Return the account's native balance in wei."""
        return int(self.call("eth_getBalance", _hex(account), "latest"), 16)

    def eth_call(self, *, sender: bytes, to: bytes, data: bytes, tag: str = "latest", gas: int | None = None) -> bytes:
        """Return what the call returns, with as much gas as given. Raises NodeError when it reverts."""
        request = {"from": _hex(sender), "to": _hex(to), "data": _hex(data)}
        if gas is not None:
            request["gas"] = hex(gas)
        return bytes.fromhex(self.call("eth_call", request, tag)[2:])

    def estimate_gas(
        self, *, sender: bytes, to: bytes, data: bytes, tag: str = "latest", access_list: AccessList = ()
    ) -> int:
        """Return the gas the call needs. Raises NodeError when it reverts."""
        request: dict[str, Any] = {"from": _hex(sender), "to": _hex(to), "data": _hex(data)}
        if access_list:
            request["accessList"] = to_json(access_list)
        return int(self.call("eth_estimateGas", request, tag), 16)

    def access_list(
        self, *, sender: bytes, to: bytes, data: bytes, tag: str = "latest", deadline_seconds: float
    ) -> AccessList:
        """Return what the call touches, as the first node sees it; other nodes are not asked.

        Raises NodeError when it reverts or the node does not tell, NodeUnreachable when there is no answer in time.
        """
        request = {"from": _hex(sender), "to": _hex(to), "data": _hex(data)}
        body = {"jsonrpc": "2.0", "id": 1, "method": "eth_createAccessList", "params": (request, tag)}
        answer = _result(self._post(self._nodes[0], body, deadline_seconds))
        try:
            return tuple(
                (bytes.fromhex(row["address"][2:]), tuple(bytes.fromhex(key[2:]) for key in row["storageKeys"]))
                for row in answer["accessList"]
            )
        except (KeyError, TypeError, ValueError) as error:
            raise NodeUnreachable("an access list that is none") from error

    def head(self) -> Head:
        """Return the newest block."""
        block = self.call("eth_getBlockByNumber", "latest", False)
        return Head(
            number=int(block["number"], 16),
            base_fee_wei=int(block.get("baseFeePerGas") or "0x0", 16),
            time=int(block["timestamp"], 16),
        )

    def finalized_number(self) -> int | None:
        """Return the newest finalised block's number, None while there is none."""
        block = self.call("eth_getBlockByNumber", "finalized", False)
        return None if block is None else int(block["number"], 16)

    def block_hash(self, number: int) -> bytes | None:
        """Return the canonical hash at a height, None above the head."""
        block = self.call("eth_getBlockByNumber", hex(number), False)
        return None if block is None else bytes.fromhex(block["hash"][2:])

    def priority_fee(self) -> int:
        """Return the tip the node suggests, in wei; 0 when it has no opinion."""
        try:
            return int(self.call("eth_maxPriorityFeePerGas"), 16)
        except NodeError:
            return 0

    def receipts(self, hashes: Sequence[bytes]) -> dict[bytes, TxReceipt]:
        """Return the receipts any node has among the given transaction hashes: one that lags has fewer.

        Raises NodeUnreachable when no node answers.
        """
        found: dict[bytes, TxReceipt] = {}
        last: NodeUnreachable | None = NodeUnreachable("no node is configured")
        for node in tuple(self._nodes):
            missing = [value for value in hashes if value not in found]
            try:
                answers = self._batch(node, [("eth_getTransactionReceipt", (_hex(value),)) for value in missing])
                receipts = [_receipt(value, answer) for value, answer in zip(missing, answers, strict=True)]
            except NodeUnreachable as error:
                last = last and error
                self._last(node)
                continue
            last = None
            found |= {receipt.tx_hash: receipt for receipt in receipts if receipt is not None}
        if last is not None:
            raise last
        return found

    def shows_another_block(self, number: int, block_hash: bytes) -> bool:
        """Return whether some node has come to a height and has another block there.

        A node below it knows nothing of the block, and one that fails says nothing.
        """
        body = {"jsonrpc": "2.0", "id": 1, "method": "eth_getBlockByNumber", "params": (hex(number), False)}
        for node in tuple(self._nodes):
            try:
                block = _result(self._post(node, body))
            except (NodeError, NodeUnreachable):
                continue
            if block is not None and bytes.fromhex(block["hash"][2:]) != block_hash:
                return True
        return False


def _receipt(tx_hash: bytes, answer: Any) -> TxReceipt | None:
    if isinstance(answer, NodeError):
        raise NodeUnreachable(str(answer))
    if answer is None or answer.get("blockNumber") is None:
        return None
    return TxReceipt(
        tx_hash=tx_hash,
        block_number=int(answer["blockNumber"], 16),
        block_hash=bytes.fromhex(answer["blockHash"][2:]),
        succeeded=int(answer["status"], 16) == 1,
        gas_used=int(answer["gasUsed"], 16),
    )


def _result_or_error(answer: Any) -> Any:
    try:
        return _result(answer)
    except NodeError as error:
        return error
