"""What became of a signed transfer whose transaction of ours was lost, told by a node's answers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

import pytest

from aicp.abi import usdc
from aicp.rules.primitives import hex0x
from backend.txm.rpc import NodeError, NodeUnreachable
from backend.x402 import elsewhere
from backend.x402.elsewhere import LOST, UNKNOWN, Failure, Found, Move

TOKEN, PAYER, AGENT, RIVAL = (bytes([number]) * 20 for number in (1, 2, 3, 4))
NONCE, THEIRS = b"\x05" * 32, "0x" + "66" * 32
MOVE = Move(payer=PAYER, to=AGENT, units=1_000, nonce=NONCE)
BEGAN = 1_000_000
FAILED = Failure(since=BEGAN, ends_at=BEGAN + 600, used=True)
CTX: Any = SimpleNamespace(deployment=SimpleNamespace(usdc=TOKEN, chain_id=137), settings=None)


def topic(address: bytes) -> str:
    return hex0x(address.rjust(32, b"\0"))


def log(at: int, topics: list[str], data: str = "0x", address: bytes = TOKEN) -> dict[str, Any]:
    return {"logIndex": hex(at), "topics": topics, "data": data, "address": hex0x(address), "transactionHash": THEIRS}


def used(at: int, nonce: bytes = NONCE, event: bytes = usdc.AuthorizationUsed.TOPIC) -> dict[str, Any]:
    return log(at, [hex0x(event), topic(PAYER), hex0x(nonce)])


def moved(at: int, to: bytes = AGENT, units: int = 1_000, token: bytes = TOKEN) -> dict[str, Any]:
    topics = [hex0x(usdc.Transfer.TOPIC), topic(PAYER), topic(to)]
    return log(at, topics, hex0x(units.to_bytes(32, "big")), token)


@dataclass
class Chain:
    """A chain of one node: a block every two seconds, the one of the transfer among them."""

    logs: list[dict[str, Any]] = field(default_factory=list)
    block: int = 95
    head: int = 100
    final: int = 98
    served: int = 137
    receipts: bool = True
    fails: Exception | None = None
    asked: list[str] = field(default_factory=list)

    def together(
        self, calls: Sequence[tuple[str, tuple[Any, ...]]], read: Callable[[list[Any]], list[Any]]
    ) -> list[Any]:
        if isinstance(self.fails, NodeUnreachable):
            raise self.fails
        return read([self._answer(*call) for call in calls])

    def _answer(self, method: str, params: tuple[Any, ...]) -> Any:
        self.asked.append(method)
        match method:
            case "eth_chainId":
                return hex(self.served)
            case "eth_call":
                return hex0x(bool(self.logs).to_bytes(32, "big"))
            case "eth_getBlockByNumber":
                number = {"latest": self.head, "finalized": self.final}.get(params[0]) or int(params[0], 16)
                return {"number": hex(number), "timestamp": hex(BEGAN + 2 * (number - 90))}
            case "eth_getLogs":
                first, last = (int(params[0][name], 16) for name in ("fromBlock", "toBlock"))
                ends = [one for one in self.logs if one["topics"][-1] == hex0x(NONCE)]
                return self.fails or (ends if first <= self.block <= last else [])
            case "eth_getTransactionReceipt":
                return {"blockNumber": hex(self.block), "logs": self.logs} if self.receipts else None
            case _:
                raise AssertionError(method)


def told(chain: Chain, failure: Failure = FAILED) -> Found:
    rpc: Any = chain
    return elsewhere.look_up(CTX, rpc, MOVE, failure)


def test_a_transfer_of_somebody_else_counts_once_its_block_is_final() -> None:
    chain = Chain(logs=[used(3), moved(4)])
    assert told(chain) == Found(mined=True, transaction=THEIRS)
    assert told(replace(chain, final=94)) == Found(transaction=THEIRS)


@pytest.mark.parametrize(
    "logs",
    [
        [used(3, event=usdc.AuthorizationCanceled.TOPIC)],
        [used(3), moved(4, to=RIVAL)],
        [used(3), moved(4, units=999)],
        [used(3), moved(4, token=RIVAL)],
        [used(3)],
        # two authorizations in one transaction: the other one's transfer pays what it was signed for
        [used(3), moved(4, to=RIVAL, units=0), used(5, nonce=b"\x07" * 32), moved(6)],
        [used(1, nonce=b"\x07" * 32), moved(2), used(3), moved(4, to=RIVAL)],
    ],
    ids=["cancelled", "another payee", "less", "another token", "nothing", "another after", "another before"],
)
def test_an_authorization_that_has_moved_something_else_is_lost_once_its_block_is_final(logs: list[Any]) -> None:
    chain = Chain(logs=logs)
    assert told(chain) == LOST
    assert told(replace(chain, final=94)) == UNKNOWN


def test_what_a_node_does_not_tell_is_not_known_yet() -> None:
    chain = Chain(logs=[used(3), moved(4)])
    assert told(replace(chain, block=10_000)) == UNKNOWN, "it knows the use and not its log"
    assert told(replace(chain, receipts=False)) == UNKNOWN
    assert told(replace(chain, fails=NodeError(-32005, "limit exceeded"))) == UNKNOWN
    assert told(replace(chain, served=1)) == UNKNOWN, "another chain"
    with pytest.raises(NodeUnreachable):
        told(replace(chain, fails=NodeUnreachable("away")))
    nodes = SimpleNamespace(rpc_urls=["http://127.0.0.1:1"], rpc_timeout_seconds=1.0)
    ctx: Any = SimpleNamespace(deployment=CTX.deployment, settings=nodes)
    assert asyncio.run(elsewhere.look(ctx, MOVE, FAILED)) == UNKNOWN


@pytest.mark.parametrize(
    ("failure", "head", "final", "found"),
    [
        # the token has said that it is used: a node that does not know that lags
        (FAILED, 100, 98, UNKNOWN),
        (FAILED, 500, 390, UNKNOWN),
        (FAILED, 500, 391, LOST),
        (replace(FAILED, used=False), 100, 98, LOST),
        # it has failed in a block the node does not have
        (replace(FAILED, used=False, block_number=101), 100, 98, UNKNOWN),
        (replace(FAILED, used=False, block_number=100), 100, 98, LOST),
        # its time is over for us, and not for the node
        (replace(FAILED, used=False, late=True), 389, 98, UNKNOWN),
        (replace(FAILED, used=False, late=True), 390, 98, LOST),
    ],
)
def test_an_unused_authorization_is_lost_only_where_the_node_does_not_lag(
    failure: Failure, head: int, final: int, found: Found
) -> None:
    assert told(Chain(head=head, final=final), failure) == found


def test_logs_are_looked_for_as_far_back_as_the_call_was_asked_for() -> None:
    long_ago = Chain(logs=[used(3), moved(4)], block=95, head=2_000, final=1_998)
    assert told(long_ago) == Found(mined=True, transaction=THEIRS)
    assert long_ago.asked.count("eth_getLogs") == 4
    before_it = replace(long_ago, block=95, asked=[])
    assert told(before_it, replace(FAILED, since=BEGAN + 3_600)) == UNKNOWN
    assert before_it.asked.count("eth_getLogs") == 1
