"""The RPC kernel against a node that answers wrongly: each lie is an error, never a row."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from msgspec.structs import replace

from aicp.rules.primitives import keccak
from indexer.chain.bloom import mask, may_contain
from indexer.chain.checks import check_block_logs, check_range_logs
from indexer.chain.errors import (
    BatchRefusedError,
    InconsistentNodeError,
    RangeTooLargeError,
    RateLimitedError,
    RpcError,
    TimedOutError,
    TransportError,
    UnknownMethodError,
)
from indexer.chain.provider import Call, Provider
from indexer.chain.wire import Header, block_numbers, decode_logs, raw_logs
from indexer.core.chain_view import Block
from indexer.core.logs import RawLog

OURS = keccak(b"ours")[:20]
TOPIC = keccak(b"Event()")
BLOOM = mask(OURS) | mask(TOPIC)
HEADER = Header(Block(number=7, hash=keccak(b"7"), parent_hash=keccak(b"6"), time=70), BLOOM)


def log(**changes: Any) -> RawLog:
    base = RawLog(
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
def test_logs_that_do_not_fit_their_block_are_refused(logs: list[RawLog]) -> None:
    with pytest.raises(InconsistentNodeError):
        check_block_logs(HEADER, logs, (OURS,))


@pytest.mark.parametrize(
    "logs",
    [
        [log(block_number=8)],
        [log(block_number=4)],
        [log(block_number=6), log(block_number=5)],
        [log(block_number=6), log(block_number=6)],
        [log(address=keccak(b"foreign")[:20])],
    ],
    ids=["above", "below", "order", "twice", "foreign address"],
)
def test_logs_that_do_not_fit_their_range_are_refused(logs: list[RawLog]) -> None:
    check_range_logs(5, 7, [log(block_number=5), log(), log(log_index=1)], (OURS,))
    with pytest.raises(InconsistentNodeError):
        check_range_logs(5, 7, logs, (OURS,))


WIRE = {
    "address": "0x" + OURS.hex(), "topics": ["0x" + TOPIC.hex()], "data": "0x01", "blockNumber": "0x7",
    "blockHash": "0x" + HEADER.block.hash.hex(), "transactionHash": "0x" + keccak(b"tx").hex(), "logIndex": "0x0",
}  # fmt: skip


def test_logs_become_bytes_with_the_time_of_their_block() -> None:
    wire = decode_logs(json.dumps([WIRE, {**WIRE, "logIndex": "0xa", "topics": []}]).encode())
    assert block_numbers(wire) == [7]
    assert raw_logs(wire, {7: HEADER.block}) == [log(data=b"\1"), log(data=b"\1", log_index=10, topics=())]


@pytest.mark.parametrize("count", range(6))
def test_every_number_of_topics_is_read(count: int) -> None:
    topics = tuple(keccak(bytes([number])) for number in range(count))
    raw = json.dumps([{**WIRE, "topics": ["0x" + topic.hex() for topic in topics]}]).encode()
    assert read(raw) == [log(data=b"\1", topics=topics)]


@pytest.mark.parametrize(
    "lie",
    [
        {"blockNumber": None}, {"blockNumber": "seven"}, {"blockHash": None}, {"blockHash": "0x" + "11" * 32},
        {"logIndex": None}, {"logIndex": "seven"}, {"transactionHash": None}, {"topics": 5}, {"data": "0xzz"},
        {"topics": ["0x1"]}, {"topics": ["0x11", "0x2"]}, {"topics": ["0x11", "0x22", "0xé"]}, {"data": "0x1 1"},
        {"blockNumber": "0x8"}, {"transactionHash": "0x" + "11" * 31}, {"topics": ["0x" + "11" * 33]},
        {"address": "0x" + "11" * 32},
    ],
)  # fmt: skip
def test_pending_malformed_and_foreign_logs_are_refused(lie: dict[str, Any]) -> None:
    with pytest.raises(InconsistentNodeError):
        read(json.dumps([{**WIRE, **lie}]).encode())


def read(raw: bytes) -> list[RawLog]:
    wire = decode_logs(raw)
    block_numbers(wire)
    return raw_logs(wire, {7: HEADER.block})


def test_removed_logs_are_no_logs() -> None:
    assert decode_logs(json.dumps([{**WIRE, "removed": True}]).encode()) == []


def provider(answer: Callable[[httpx.Request], httpx.Response]) -> Provider:
    return Provider("http://node.test", transport=httpx.MockTransport(answer))


def result(request: httpx.Request, order: int = 1) -> httpx.Response:
    calls = json.loads(request.content)
    return httpx.Response(200, json=[{"id": c["id"], "result": c["method"]} for c in calls][::order])


CALLS = [Call("a", ()), Call("b", ())]
LOGS = [Call("eth_getBlockByNumber", ("latest", False)), Call("eth_getLogs", ({},))]
RANGE = {"code": -32005, "message": "query returned more than 10000 results"}


def test_a_batch_is_put_back_in_order() -> None:
    assert provider(lambda r: result(r, -1)).batch(CALLS) == [b'"a"', b'"b"']


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (httpx.Response(503), TransportError),
        (httpx.Response(429), RateLimitedError),
        (httpx.Response(200, text="<html>"), TransportError),
        (httpx.Response(200, json=[{"id": 0, "result": 1}]), InconsistentNodeError),
        (httpx.Response(200, json=[{"id": 0, "error": "out of memory"}, {"id": 1, "result": 1}]), RpcError),
        (httpx.Response(200, json={"id": None, "error": {"code": 1, "message": "go away"}}), RpcError),
        (httpx.Response(400, json={"id": None, "error": {"code": -32601, "message": "no"}}), UnknownMethodError),
        (httpx.Response(500, json=[{"id": 0, "result": 1}, {"id": 1, "result": 1}]), TransportError),
    ],
    ids=["503", "429", "html", "half a batch", "words", "one for all", "one for all with 400", "results with 500"],
)
def test_unusable_answers_are_typed(answer: httpx.Response, kind: type[Exception]) -> None:
    with pytest.raises(kind):
        provider(lambda _: answer).batch(CALLS)


@pytest.mark.parametrize("status", [200, 400, 413, 500, 503])
@pytest.mark.parametrize("body", [{"id": None, "error": RANGE}, [{"id": 0, "result": None}, {"id": 1, "error": RANGE}]])
def test_a_refused_range_is_one_under_any_status_and_for_the_whole_batch(status: int, body: object) -> None:
    with pytest.raises(RangeTooLargeError) as caught:
        provider(lambda _: httpx.Response(status, json=body)).batch(LOGS)
    assert caught.value.hint.logs == 10_000


def test_limits_named_in_the_data_of_an_error_are_read() -> None:
    error = {"code": -32005, "message": "too many results", "data": "Try with this block range [0x1, 0x40]"}
    with pytest.raises(RangeTooLargeError) as caught:
        provider(lambda _: httpx.Response(200, json=[{"id": 0, "result": 1}, {"id": 1, "error": error}])).batch(LOGS)
    assert caught.value.hint.blocks == 64


def test_an_answer_without_json_that_is_too_large_asks_for_less() -> None:
    with pytest.raises(RangeTooLargeError):
        provider(lambda _: httpx.Response(413, text="too large")).batch(LOGS)


def test_an_endless_answer_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("indexer.chain.provider.LONGEST_ANSWER", 1_000)
    with pytest.raises(RangeTooLargeError):
        provider(lambda _: httpx.Response(200, text="x" * 2_000)).batch(LOGS)


def test_a_timeout_is_told_from_other_trouble() -> None:
    def late(request: httpx.Request) -> httpx.Response:
        raise httpx.ReadTimeout("late", request=request)

    with pytest.raises(TimedOutError):
        provider(late).batch(CALLS)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("7", 7.0), ("0.5", 0.5), ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0), ("soon", None), (None, None)],
)
@pytest.mark.parametrize("body", ["", '{"id": null, "error": {"code": 1, "message": "busy"}}'])
def test_the_wait_a_provider_asks_for_is_read(header: str | None, seconds: float | None, body: str) -> None:
    headers = {} if header is None else {"retry-after": header}
    with pytest.raises(RateLimitedError) as caught:
        provider(lambda _: httpx.Response(429, headers=headers, text=body)).batch(CALLS)
    assert caught.value.retry_after == seconds


@pytest.mark.parametrize("most", [1, 2, 3])
def test_a_node_that_takes_no_long_batches_is_asked_in_pieces(most: int) -> None:
    lengths: list[int] = []

    def answer(request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content)
        if isinstance(body, dict):
            lengths.append(1)
            return httpx.Response(200, json={"id": body["id"], "result": body["method"]})
        if len(body) > most or most == 1:
            return httpx.Response(200, json={"id": None, "error": {"code": -32600, "message": "batch too large"}})
        lengths.append(len(body))
        return result(request)

    asked = provider(answer)
    calls = [Call(name, ()) for name in "abcdefg"]
    for _ in range(2):
        assert asked.batch(calls) == [f'"{name}"'.encode() for name in "abcdefg"]
    assert max(lengths) <= most
    assert sum(lengths) == 14


def test_a_node_that_refuses_even_single_calls_is_an_error() -> None:
    refusing = httpx.Response(413)
    with pytest.raises(BatchRefusedError):
        provider(lambda _: refusing).batch(CALLS)
