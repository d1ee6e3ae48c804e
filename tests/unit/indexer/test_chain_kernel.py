"""The RPC kernel against a node that answers wrongly: each lie is an error, never a row."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import httpx
import pytest

from aicp.rules.primitives import keccak
from indexer.chain.bloom import mask, may_contain
from indexer.chain.errors import (
    InconsistentNodeError,
    RangeTooLargeError,
    RateLimitedError,
    RpcError,
    TransportError,
    classify,
)
from indexer.chain.node import check_block_logs, check_range_logs
from indexer.chain.rpc import Call, Provider, Providers
from indexer.chain.wire import Header, NodeLog, decode_header, decode_logs
from indexer.core.chain_view import Block

OURS = keccak(b"ours")[:20]
TOPIC = keccak(b"Event()")
BLOOM = mask(OURS) | mask(TOPIC)
HEADER = Header(Block(number=7, hash=keccak(b"7"), parent_hash=keccak(b"6"), time=70), BLOOM)


def log(**changes: Any) -> NodeLog:
    base = NodeLog(
        block_number=7, block_hash=HEADER.block.hash, tx_hash=keccak(b"tx"), log_index=0, address=OURS,
        topics=(TOPIC,), data=b"", block_time=70,
    )  # fmt: skip
    return replace(base, **changes)


def test_bloom_of_a_known_address() -> None:
    assert BLOOM.bit_count() <= 6
    assert may_contain(BLOOM, OURS)
    assert not may_contain(mask(TOPIC), OURS)


def test_good_logs_of_a_block_pass() -> None:
    check_block_logs(HEADER, [log(), log(log_index=3)], (OURS,))
    check_block_logs(HEADER, [], (OURS,))


@pytest.mark.parametrize(
    "logs",
    [
        [log(block_hash=keccak(b"fork"))],
        [log(block_number=8)],
        [log(log_index=1), log(log_index=1)],
        [log(log_index=2), log(log_index=1)],
        [log(address=keccak(b"foreign")[:20])],
        [log(topics=(keccak(b"Other()"),))],
    ],
    ids=["foreign hash", "foreign number", "index twice", "index falls", "foreign address", "not in the bloom"],
)
def test_logs_that_do_not_fit_their_block_are_refused(logs: list[NodeLog]) -> None:
    with pytest.raises(InconsistentNodeError):
        check_block_logs(HEADER, logs, (OURS,))


@pytest.mark.parametrize(
    "logs",
    [
        [log(block_number=8)],
        [log(block_number=4)],
        [log(block_number=6, block_hash=keccak(b"6")), log(block_number=5, block_hash=keccak(b"5"))],
        [log(block_number=6, block_hash=keccak(b"6")), log(block_number=6, block_hash=keccak(b"x"), log_index=1)],
        [log(block_hash=keccak(b"fork"))],
    ],
    ids=["above", "below", "order", "two hashes", "not the end's hash"],
)
def test_logs_that_do_not_fit_their_range_are_refused(logs: list[NodeLog]) -> None:
    start = Header(Block(number=5, hash=keccak(b"5"), parent_hash=keccak(b"4"), time=50), 0)
    with pytest.raises(InconsistentNodeError):
        check_range_logs(start, HEADER, logs, (OURS,))


def test_removed_and_pending_logs_and_headers_are_refused() -> None:
    wire = {
        "address": "0x" + OURS.hex(), "topics": [], "data": "0x", "blockNumber": "0x7", "blockHash": "0x" + "11" * 32,
        "transactionHash": "0x" + "22" * 32, "logIndex": "0x0",
    }  # fmt: skip
    assert decode_logs(json.dumps([wire]).encode())[0].block_time is None
    for lie in ({"removed": True}, {"blockNumber": None}, {"logIndex": "seven"}, {"topics": 5}):
        with pytest.raises(InconsistentNodeError):
            decode_logs(json.dumps([{**wire, **lie}]).encode())
    assert decode_header(b"null") is None


@pytest.mark.parametrize(
    ("code", "message", "kind"),
    [
        (-32005, "query returned more than 10000 results", RangeTooLargeError),
        (-32600, "Block range is too large, limited to 2000", RangeTooLargeError),
        (-32602, "exceed maximum block range: 5000", RangeTooLargeError),
        (429, "anything", RateLimitedError),
        (-32000, "Too Many Requests, please slow down", RateLimitedError),
        (-32601, "method not found", RpcError),
    ],
)
def test_errors_are_classified_by_wording(code: int, message: str, kind: type[Exception]) -> None:
    assert type(classify("eth_getLogs", code, message)) is kind


def provider(answer: Callable[[httpx.Request], httpx.Response]) -> Provider:
    made = Provider("http://node.test")
    made._http = httpx.Client(transport=httpx.MockTransport(answer))
    return made


def result(request: httpx.Request, order: int = 1) -> httpx.Response:
    calls = json.loads(request.content)
    return httpx.Response(200, json=[{"id": c["id"], "result": c["method"]} for c in calls][::order])


CALLS = [Call("a", ()), Call("b", ())]


def test_a_batch_is_put_back_in_order() -> None:
    assert provider(lambda r: result(r, -1)).batch(CALLS) == [b'"a"', b'"b"']


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (httpx.Response(503), TransportError),
        (httpx.Response(429), RateLimitedError),
        (httpx.Response(200, text="<html>"), TransportError),
        (httpx.Response(200, json=[{"id": 0, "result": 1}]), InconsistentNodeError),
        (httpx.Response(200, json={"id": None, "error": {"code": 1, "message": "no batches"}}), RpcError),
    ],
    ids=["503", "429", "html", "half a batch", "one error for all"],
)
def test_unusable_answers_are_typed(answer: httpx.Response, kind: type[Exception]) -> None:
    with pytest.raises(kind):
        provider(lambda _: answer).batch(CALLS)


def test_failover_goes_to_the_next_provider_and_stays_there() -> None:
    asked: list[str] = []

    def failing(request: httpx.Request) -> httpx.Response:
        asked.append("first")
        raise httpx.ConnectError("refused", request=request)

    def working(request: httpx.Request) -> httpx.Response:
        asked.append("second")
        return result(request)

    providers = Providers([provider(failing), provider(working)])
    assert providers.batch(CALLS) == [b'"a"', b'"b"']
    assert providers.batch(CALLS) == [b'"a"', b'"b"']
    assert asked == ["first", "second", "second"]


def test_when_all_fail_the_last_reason_is_raised() -> None:
    providers = Providers([provider(lambda _: httpx.Response(503)), provider(lambda _: httpx.Response(429))])
    with pytest.raises(RateLimitedError):
        providers.call("a")
