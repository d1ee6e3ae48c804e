"""JSON-RPC for senders: every call has a deadline, a revert keeps its data, a broadcast goes to every node.

Reads are answered by the first node that answers; one that failed rests, and is asked only where no other node is left,
until it answers again. A node is asked for its chain before it is used, again in every round and after every failure;
one of another chain is sent nothing and believed nothing: its counts would spoil our nonces and its refusals would end
our intents.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

import structlog

from backend.txm.eip1559 import AccessList
from backend.txm.nodes import Node, NodeError, NodeHealth, NodeUnreachable, WrongChain, result_of, result_or_error
from backend.txm.signer import to_json

__all__ = ["Head", "Node", "NodeError", "NodeUnreachable", "Rpc", "TxReceipt", "WrongChain"]

BATCH_CALLS: Final = 50
"""Calls in one request; nodes for hire refuse more than a hundred."""

Answer: TypeAlias = NodeError | NodeUnreachable | None
"""What a node said to signed bytes; None stands for acceptance."""

_log = structlog.get_logger("txm.rpc")


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


def request_of(
    sender: bytes, to: bytes, data: bytes, *, gas: int | None = None, access_list: AccessList = ()
) -> dict[str, Any]:
    """Return a call as nodes read it."""
    request: dict[str, Any] = {"from": _hex(sender), "to": _hex(to), "data": _hex(data)}
    if gas is not None:
        request["gas"] = hex(gas)
    if access_list:
        request["accessList"] = to_json(access_list)
    return request


def _hex(value: bytes) -> str:
    return "0x" + value.hex()


@dataclass(slots=True)
class Rpc:
    """The nodes of one chain. Not shared between threads or over a fork."""

    urls: Sequence[str]
    chain_id: int
    timeout_seconds: float = 10.0
    _nodes: list[Node] = field(init=False)
    _threads: ThreadPoolExecutor | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self._nodes = [Node(url, self.timeout_seconds) for url in self.urls]

    def close(self) -> None:
        """Close every connection."""
        if self._threads is not None:
            self._threads.shutdown()
        for node in self._nodes:
            node.close()

    def health(self) -> list[NodeHealth]:
        """Return what became of the newest request to each node, in no particular order."""
        return [
            NodeHealth(
                name=node.host,
                answers=node.last_error is None,
                failures=node.breaker.failures,
                last_error=None if node.last_error is None else str(node.last_error).split(":")[0],
                wrong_chain=isinstance(node.last_error, WrongChain),
            )
            for node in self._nodes
        ]

    def resting(self) -> list[Node]:
        """Return the nodes that rest."""
        return [node for node in self._nodes if node.rests()]

    def _in_turn(self) -> list[Node]:
        """Return the nodes to ask, in order; those that rest only where all do."""
        return [node for node in self._nodes if not node.rests()] or list(self._nodes)

    def doubt(self) -> None:
        """Ask every node for its chain before its next use."""
        for node in self._nodes:
            node.trusted = False

    def _post(self, node: Node, body: Any, deadline_seconds: float | None = None) -> Any:
        """Return what a node of our chain answers; every request goes this way. Raises NodeUnreachable."""
        try:
            if not node.trusted:
                self._check_chain(node)
            answer = node.post(body) if deadline_seconds is None else node.post(body, deadline_seconds)
        except NodeUnreachable as error:
            node.failed(error)
            raise
        node.succeeded()
        return answer

    def _check_chain(self, node: Node) -> None:
        answer = node.post({"jsonrpc": "2.0", "id": 1, "method": "eth_chainId", "params": ()})
        try:
            served = int(result_of(answer), 16)
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
        for node in self._in_turn():
            try:
                return result_of(self._post(node, {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}))
            except NodeUnreachable as error:
                last = error
                self._last(node)
        raise last

    def batch(self, calls: Sequence[tuple[str, tuple[Any, ...]]]) -> list[Any]:
        """Return one result or NodeError for each of a few calls, in order, from one node. Raises NodeUnreachable."""
        last = NodeUnreachable("no node is configured")
        for node in self._in_turn():
            try:
                return self._batch(node, calls)
            except NodeUnreachable as error:
                last = error
                self._last(node)
        raise last

    def _batch(
        self, node: Node, calls: Sequence[tuple[str, tuple[Any, ...]]], deadline_seconds: float | None = None
    ) -> list[Any]:
        results: list[Any] = []
        for start in range(0, len(calls), BATCH_CALLS):
            answers = self._piece(node, calls[start : start + BATCH_CALLS], deadline_seconds)
            results += [result_or_error(answer) for answer in answers]
        return results

    def _piece(
        self, node: Node, calls: Sequence[tuple[str, tuple[Any, ...]]], deadline_seconds: float | None = None
    ) -> list[Any]:
        """Return the answers to a few calls in one request, in order. Raises NodeUnreachable."""
        bodies = [
            {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
            for number, (method, params) in enumerate(calls)
        ]
        if len(bodies) == 1:  # every node knows single calls
            return [self._post(node, bodies[0], deadline_seconds)]
        answers = self._post(node, bodies, deadline_seconds)
        if not isinstance(answers, list) or len(answers) != len(bodies):
            raise NodeUnreachable("a batch was not answered in full")
        by_id = {answer.get("id"): answer for answer in answers if isinstance(answer, dict)}
        return [by_id.get(number) for number in range(len(bodies))]

    def broadcast(self, raws: Sequence[bytes]) -> list[list[Answer]]:
        """Send signed bytes to every node of our chain that does not rest, to all at once.

        Return what the nodes said to each, in no particular order of nodes. A refusal may mean that a node has changed
        chains behind its address: it is asked again before its next use.
        """
        nodes = self._in_turn()
        if len(nodes) == 1:
            return [[answer] for answer in self._send(nodes[0], raws)]
        if self._threads is None:
            self._threads = ThreadPoolExecutor(len(self._nodes), thread_name_prefix="broadcast")
        by_node = list(self._threads.map(lambda node: self._send(node, raws), nodes))
        return [list(answers) for answers in zip(*by_node, strict=True)]

    def _send(self, node: Node, raws: Sequence[bytes]) -> list[Answer]:
        said: list[Answer] = []
        for start in range(0, len(raws), BATCH_CALLS):
            piece = [("eth_sendRawTransaction", (_hex(raw),)) for raw in raws[start : start + BATCH_CALLS]]
            try:
                said += [_said(answer) for answer in self._piece(node, piece)]
            except NodeUnreachable as error:
                said += [error] * len(piece)
        if any(answer is not None for answer in said):
            node.trusted = False
        return said

    def nonce(self, account: bytes, tag: str = "latest") -> int:
        """Return how many transactions of the account are in the chain up to the tag."""
        return int(self.call("eth_getTransactionCount", _hex(account), tag), 16)

    def highest_nonce(self, account: bytes) -> int:
        """Return the highest count any node knows: one that lags knows less. Raises NodeUnreachable when none does."""
        counts: list[int] = []
        body = {"jsonrpc": "2.0", "id": 1, "method": "eth_getTransactionCount", "params": (_hex(account), "latest")}
        for node in self._in_turn():
            try:
                counts.append(int(result_of(self._post(node, body)), 16))
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
        return self.balances([account])[account]

    def balances(self, accounts: Sequence[bytes]) -> dict[bytes, int]:
        """Return native balances in wei. Raises NodeError or NodeUnreachable."""
        answers = self.batch([("eth_getBalance", (_hex(account), "latest")) for account in accounts])
        return {account: _number(answer) for account, answer in zip(accounts, answers, strict=True)}

    def eth_call(self, *, sender: bytes, to: bytes, data: bytes, tag: str = "latest", gas: int | None = None) -> bytes:
        """Return what the call returns, with as much gas as given. Raises NodeError when it reverts."""
        return bytes.fromhex(self.call("eth_call", request_of(sender, to, data, gas=gas), tag)[2:])

    def access_lists(
        self, requests: Sequence[tuple[dict[str, Any], str]], *, deadline_seconds: float
    ) -> list[AccessList]:
        """Return what each call touches, as the first node sees it; other nodes are not asked.

        Raises NodeError when one reverts or the node does not tell, NodeUnreachable when there is no answer in time.
        """
        calls = [("eth_createAccessList", request) for request in requests]
        answers = self._batch(self._in_turn()[0], calls, deadline_seconds)
        return [_listed(answer) for answer in answers]

    def head(self) -> Head:
        """Return the newest block."""
        return _head(self.call("eth_getBlockByNumber", "latest", False))

    def finalized_number(self) -> int | None:
        """Return the newest finalised block's number, None while there is none."""
        block = self.call("eth_getBlockByNumber", "finalized", False)
        return None if block is None else int(block["number"], 16)

    def block_hashes(self, numbers: Sequence[int]) -> dict[int, bytes]:
        """Return the canonical hashes at heights; those above the head of the node that answers are missing."""
        answers = self.batch([("eth_getBlockByNumber", (hex(number), False)) for number in numbers])
        return {
            number: bytes.fromhex(block["hash"][2:])
            for number, block in zip(numbers, answers, strict=True)
            if isinstance(block, dict)
        }

    def code_of(self, contract: bytes) -> bytes:
        """Return the code at an address."""
        return bytes.fromhex(self.call("eth_getCode", _hex(contract), "latest")[2:])

    def head_and_tip(self) -> tuple[Head, int]:
        """Return the newest block and the tip the node suggests, in wei; 0 when it has no opinion."""
        block, tip = self.batch([("eth_getBlockByNumber", ("latest", False)), ("eth_maxPriorityFeePerGas", ())])
        if isinstance(block, NodeError):
            raise block
        return _head(block), 0 if isinstance(tip, NodeError) else int(tip, 16)

    def priority_fee(self) -> int:
        """Return the tip the node suggests, in wei; 0 when it has no opinion."""
        return self.head_and_tip()[1]

    def receipts(self, hashes: Sequence[bytes]) -> dict[bytes, TxReceipt]:
        """Return the receipts any node has among the given transaction hashes: one that lags has fewer.

        Raises NodeUnreachable when no node answers.
        """
        found: dict[bytes, TxReceipt] = {}
        last: NodeUnreachable | None = NodeUnreachable("no node is configured")
        for node in self._in_turn():
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
        for node in self._in_turn():
            try:
                block = result_of(self._post(node, body))
            except (NodeError, NodeUnreachable):
                continue
            if block is not None and bytes.fromhex(block["hash"][2:]) != block_hash:
                return True
        return False


def _number(answer: Any) -> int:
    if isinstance(answer, NodeError):
        raise answer
    return int(answer, 16)


def _head(block: dict[str, Any]) -> Head:
    return Head(
        number=int(block["number"], 16),
        base_fee_wei=int(block.get("baseFeePerGas") or "0x0", 16),
        time=int(block["timestamp"], 16),
    )


def _listed(answer: Any) -> AccessList:
    if isinstance(answer, NodeError):
        raise answer
    try:
        return tuple(
            (bytes.fromhex(row["address"][2:]), tuple(bytes.fromhex(key[2:]) for key in row["storageKeys"]))
            for row in answer["accessList"]
        )
    except (KeyError, TypeError, ValueError) as error:
        raise NodeUnreachable("an access list that is none") from error


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


def _said(answer: Any) -> Answer:
    try:
        result_of(answer)
    except (NodeError, NodeUnreachable) as error:
        return error
    return None
