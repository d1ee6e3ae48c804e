"""JSON-RPC for senders: every call has a deadline, a revert keeps its data, a broadcast goes to every node.

Reads are answered by the first node that answers; one that failed rests, and is asked only where no other node is left,
until it answers again. An answer that cannot be read is none. An error is an answer to a call of a contract; to what
every good node knows it is none either, and the next node is asked, but who gave it does not rest. A node is asked for
its chain before it is used, again in every round and after every failure; one of another chain is sent nothing and
believed nothing: its counts would spoil our nonces and its refusals would end our intents.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, TypeAlias, TypeVar

import structlog

from backend.txm import reading
from backend.txm.eip1559 import AccessList
from backend.txm.nodes import Node, NodeError, NodeHealth, NodeUnreachable, WrongChain, result_of, result_or_error
from backend.txm.reading import Head, TxReceipt, readable
from backend.txm.signer import to_json

__all__ = ["Head", "Node", "NodeError", "NodeUnreachable", "Rpc", "TxReceipt", "WrongChain"]

BATCH_CALLS: Final = 50
"""Calls in one request; nodes for hire refuse more than a hundred."""

Answer: TypeAlias = NodeError | NodeUnreachable | None
"""What a node said to signed bytes; None stands for acceptance."""

Calls: TypeAlias = Sequence[tuple[str, tuple[Any, ...]]]
T = TypeVar("T")
_log = structlog.get_logger("txm.rpc")


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

    def _use(self, node: Node, ask: Callable[[Node], T]) -> T:
        """Return what `ask` gets from a node of our chain; every request goes this way.

        Raises what `ask` raises: NodeError, or NodeUnreachable, which counts as a failure of the node.
        """
        try:
            if not node.trusted:
                self._check_chain(node)
            got = ask(node)
        except NodeError:
            node.succeeded()
            raise
        except NodeUnreachable as error:
            node.failed(error)
            raise
        node.succeeded()
        return got

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

    def _first(self, ask: Callable[[Node], T], *, past_errors: bool = False) -> T:
        """Return what `ask` gets from the first node that answers, and that without an error where `past_errors`.

        Raises NodeError when a node has told of one, or NodeUnreachable when none answers.
        """
        last: NodeError | NodeUnreachable = NodeUnreachable("no node is configured")
        for node in self._in_turn():
            try:
                return self._use(node, ask)
            except NodeUnreachable as error:
                last = last if isinstance(last, NodeError) else error
                self._last(node)
            except NodeError as error:
                if not past_errors:
                    raise
                last = error
        raise last

    def _fact(self, read: Callable[[Any], T], method: str, *params: Any) -> T:
        """Return what `read` makes of an answer every good node has; who answers with an error is passed over."""
        return self._first(lambda node: _told(node, read, method, *params), past_errors=True)

    def call(self, method: str, *params: Any) -> Any:
        """Return the result of the first node that answers. Raises NodeError, or NodeUnreachable when none does."""
        return self._first(lambda node: _told(node, lambda result: result, method, *params))

    def batch(self, calls: Calls) -> list[Any]:
        """Return one hex text or NodeError for each of a few calls, in order, from one node. Raises NodeUnreachable."""
        return self.together(calls, reading.hex_texts)

    def together(self, calls: Calls, read: Callable[[list[Any]], T]) -> T:
        """Return what `read` makes of one node's results, or NodeErrors, of a few calls, in order.

        Raises the NodeError that `read` raises, and NodeUnreachable.
        """
        return self._first(lambda node: readable(read, _batch(node, calls)))

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
                said += [_said(answer) for answer in self._use(node, partial(_piece, calls=piece))]
            except NodeUnreachable as error:
                said += [error] * len(piece)
        if any(answer is not None for answer in said):
            node.trusted = False
        return said

    def nonce(self, account: bytes, tag: str = "latest") -> int:
        """Return how many transactions of the account are in the chain up to the tag."""
        return self._fact(reading.number, "eth_getTransactionCount", _hex(account), tag)

    def highest_nonce(self, account: bytes) -> int:
        """Return the highest count any node knows: one that lags knows less. Raises NodeUnreachable when none does."""
        counts: list[int] = []
        for node in self._in_turn():
            try:
                counts.append(
                    self._use(
                        node, lambda one: _told(one, reading.number, "eth_getTransactionCount", _hex(account), "latest")
                    )
                )
            except (NodeError, NodeUnreachable):
                continue
        if not counts:
            raise NodeUnreachable("no node counts transactions")
        return max(counts)

    def nonce_at(self, account: bytes, number: int) -> int | None:
        """Return how many transactions of the account are in the chain up to a block, None where nobody knows it."""
        try:
            return self._fact(
                lambda count: None if count is None else reading.number(count),
                "eth_getTransactionCount", _hex(account), hex(number),
            )  # fmt: skip
        except NodeError:
            return None

    def sent_in_final(self, number: int, account: bytes) -> dict[int, bytes]:
        """Return nonces and hashes of the account's transactions in a block that the node which shows it calls final.

        Empty when no node tells of final blocks, or it does not have the block, or does not know it to be final.
        """
        calls = [("eth_getBlockByNumber", ("finalized", False)), ("eth_getBlockByNumber", (hex(number), True))]

        def read(answers: list[Any]) -> dict[int, bytes]:
            finalized, block = (reading.no_error(answer) for answer in answers)
            if finalized is None or block is None:
                return {}
            if reading.number(finalized["number"]) < number or reading.number(block["number"]) != number:
                return {}
            return {
                reading.number(tx["nonce"]): reading.data(tx["hash"])
                for tx in block["transactions"]
                if tx["from"].lower() == _hex(account)
            }

        try:
            return self._first(lambda node: readable(read, _batch(node, calls)), past_errors=True)
        except NodeError:
            return {}

    def balance(self, account: bytes) -> int:
        """Return the account's native balance in wei."""
        return self.balances([account])[account]

    def balances(self, accounts: Sequence[bytes]) -> dict[bytes, int]:
        """Return native balances in wei. Raises NodeError or NodeUnreachable."""
        calls = [("eth_getBalance", (_hex(account), "latest")) for account in accounts]

        def read(answers: list[Any]) -> dict[bytes, int]:
            return {
                account: reading.number(reading.no_error(one)) for account, one in zip(accounts, answers, strict=True)
            }

        return self._first(lambda node: readable(read, _batch(node, calls)), past_errors=True)

    def eth_call(self, *, sender: bytes, to: bytes, data: bytes, tag: str = "latest", gas: int | None = None) -> bytes:
        """Return what the call returns, with as much gas as given. Raises NodeError when it reverts."""
        return self._first(
            lambda node: _told(node, reading.data, "eth_call", request_of(sender, to, data, gas=gas), tag)
        )

    def access_lists(
        self, requests: Sequence[tuple[dict[str, Any], str]], *, deadline_seconds: float
    ) -> list[AccessList]:
        """Return what each call touches, as the first node sees it; other nodes are not asked.

        Raises NodeError when one reverts or the node does not tell, NodeUnreachable when there is no answer in time.
        """
        calls = [("eth_createAccessList", request) for request in requests]
        answers = self._use(self._in_turn()[0], lambda node: _batch(node, calls, deadline_seconds))
        return [readable(reading.listed, reading.no_error(answer)) for answer in answers]

    def head(self) -> Head:
        """Return the newest block."""
        return self._fact(reading.head, "eth_getBlockByNumber", "latest", False)

    def finalized_number(self) -> int | None:
        """Return the newest finalised block's number, None while no node knows of one.

        Some nodes answer with an error until they have seen one, which may take as long as finality stands still.
        """
        try:
            return self._fact(reading.final_number, "eth_getBlockByNumber", "finalized", False)
        except NodeError:
            return None

    def block_hashes(self, numbers: Sequence[int]) -> dict[int, bytes]:
        """Return the canonical hashes at heights; those above the head of the node that answers are missing."""
        calls = [("eth_getBlockByNumber", (hex(number), False)) for number in numbers]

        def read(answers: list[Any]) -> dict[int, bytes]:
            return {
                number: reading.data(block["hash"])
                for number, block in zip(numbers, answers, strict=True)
                if block is not None and not isinstance(block, NodeError)
            }

        return self._first(lambda node: readable(read, _batch(node, calls)))

    def code_of(self, contract: bytes) -> bytes:
        """Return the code at an address."""
        return self._fact(reading.data, "eth_getCode", _hex(contract), "latest")

    def head_and_tip(self) -> tuple[Head, int]:
        """Return the newest block and the tip the node suggests, in wei; 0 when it has no opinion."""
        calls: list[tuple[str, tuple[Any, ...]]] = [
            ("eth_getBlockByNumber", ("latest", False)), ("eth_maxPriorityFeePerGas", ())
        ]  # fmt: skip

        def read(answers: list[Any]) -> tuple[Head, int]:
            block, tip = answers
            return reading.head(reading.no_error(block)), 0 if isinstance(tip, NodeError) else reading.number(tip)

        return self._first(lambda node: readable(read, _batch(node, calls)), past_errors=True)

    def priority_fee(self) -> int:
        """Return the tip the node suggests, in wei; 0 when it has no opinion."""
        return self.head_and_tip()[1]

    def receipts(self, hashes: Sequence[bytes]) -> dict[bytes, TxReceipt]:
        """Return the receipts any node has among the given transaction hashes: one that lags has fewer.

        Raises NodeError or NodeUnreachable when no node tells.
        """
        found: dict[bytes, TxReceipt] = {}
        last: NodeError | NodeUnreachable | None = NodeUnreachable("no node is configured")
        for node in self._in_turn():
            missing = [value for value in hashes if value not in found]
            try:
                receipts = self._use(node, partial(_receipts, hashes=missing))
            except (NodeError, NodeUnreachable) as error:
                last = last and error
                self._last(node)
                continue
            last = None
            found |= {receipt.tx_hash: receipt for receipt in receipts}
        if last is not None:
            raise last
        return found

    def shows_another_block(self, number: int, block_hash: bytes) -> bool:
        """Return whether some node has come to a height and has another block there.

        A node below it knows nothing of the block, and one that fails says nothing.
        """

        def differs(block: Any) -> bool:
            return block is not None and reading.data(block["hash"]) != block_hash

        for node in self._in_turn():
            try:
                if self._use(node, lambda one: _told(one, differs, "eth_getBlockByNumber", hex(number), False)):
                    return True
            except (NodeError, NodeUnreachable):
                continue
        return False


def _told(node: Node, read: Callable[[Any], T], method: str, *params: Any) -> T:
    """Return what `read` makes of a node's answer to one call. Raises NodeError or NodeUnreachable."""
    answer = node.post({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
    return readable(read, result_of(answer))


def _batch(node: Node, calls: Calls, deadline_seconds: float | None = None) -> list[Any]:
    """Return one result or NodeError for each call, in order. Raises NodeUnreachable."""
    results: list[Any] = []
    for start in range(0, len(calls), BATCH_CALLS):
        answers = _piece(node, calls[start : start + BATCH_CALLS], deadline_seconds)
        results += [result_or_error(answer) for answer in answers]
    return results


def _piece(node: Node, calls: Calls, deadline_seconds: float | None = None) -> list[Any]:
    """Return the answers to a few calls in one request, in order. Raises NodeUnreachable."""
    bodies = [
        {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
        for number, (method, params) in enumerate(calls)
    ]
    body = bodies[0] if len(bodies) == 1 else bodies  # every node knows single calls
    answers = node.post(body) if deadline_seconds is None else node.post(body, deadline_seconds)
    if len(bodies) == 1:
        return [answers]
    if not isinstance(answers, list) or len(answers) != len(bodies):
        raise NodeUnreachable("a batch was not answered in full")
    return readable(reading.in_order, answers)


def _receipts(node: Node, hashes: Sequence[bytes]) -> list[TxReceipt]:
    answers = _batch(node, [("eth_getTransactionReceipt", (_hex(value),)) for value in hashes])
    found = [
        readable(partial(reading.receipt, value), reading.no_error(one))
        for value, one in zip(hashes, answers, strict=True)
    ]
    return [receipt for receipt in found if receipt is not None]


def _said(answer: Any) -> Answer:
    try:
        result_of(answer)
    except (NodeError, NodeUnreachable) as error:
        return error
    return None
