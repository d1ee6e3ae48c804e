"""Blocks all of whose logs are ours: numbers and the receipt of the last transaction tell whether one is missing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from indexer.chain.checks import drawn_of
from indexer.chain.errors import InconsistentNodeError
from tests.unit.indexer.fakechain import Chain, FakeNode, RpcFault, node_of
from tests.unit.indexer.test_node import LIES, Logs, chain, lying, raising


def ours_alone() -> Chain:
    """Blocks 0..9 without foreign logs; logs in 2 (two), 3 (three), 5 (one), 6 (four), 8 (two)."""
    return Chain().mine(0, 0, 2, 3, 0, 1, 4, 0, 2, 0, alone=True)


def whole_blocks(node: FakeNode) -> int:
    return node.asked.count("eth_getBlockReceipts")


def test_where_all_logs_are_ours_the_last_receipt_of_a_block_is_enough_but_for_one_block_a_range() -> None:
    node = FakeNode(ours_alone())
    found = node_of(node).logs_between(1, 8)
    assert [log.block_number for log in found.logs] == [2, 2, 3, 3, 3, 5, 6, 6, 6, 6, 8, 8]
    assert (node.asked.count("eth_getTransactionReceipt"), whole_blocks(node)) == (4, 1)
    shared = FakeNode(chain())
    node_of(shared).logs_between(1, 8)
    assert (shared.asked.count("eth_getTransactionReceipt"), whole_blocks(shared)) == (0, 3)


ALONE = [
    pytest.param(lie, number, id=f"{name} in {number}")
    for number in (2, 3, 5, 6, 8)
    for name, lie in LIES.items()
    if name != "other data" and (name, number) != ("order", 5)
]


@pytest.mark.parametrize(("lie", "number"), ALONE)
def test_a_lie_about_a_block_whose_logs_are_all_ours_is_refused(lie: Callable[[Logs], Logs], number: int) -> None:
    liar = FakeNode(ours_alone())

    def spoilt(logs: Logs) -> Logs:
        at = [int(log["blockNumber"], 16) for log in logs]
        first, end = at.index(number), at.index(number) + at.count(number)
        return [*logs[:first], *lie(logs[first:end]), *logs[end:]]

    liar.fault = lying("eth_getLogs", spoilt)
    with pytest.raises(InconsistentNodeError):
        node_of(liar).logs_between(1, 8)


def test_other_data_in_a_whole_range_is_found_in_the_block_that_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = [2, 3, 5, 6, 8]
    liar = FakeNode(ours_alone())
    liar.fault = lying(
        "eth_getLogs", lambda logs: [{**log, "data": "0xff"} if log["logIndex"] == "0x0" else log for log in logs]
    )
    for at, number in enumerate(chosen):
        monkeypatch.setattr("indexer.chain.node.drawn_of", lambda end, count, at=at: (at, end, count)[0])
        with pytest.raises(InconsistentNodeError, match=f"logs and receipts of block {min(number, 5)}"):
            node_of(liar).logs_between(1, 8)  # block 5 has one log: its last receipt shows the other data too


def test_a_block_of_each_range_is_drawn_by_the_hash_of_its_end() -> None:
    ends = Chain().mine(*[0] * 200).blocks
    drawn = [drawn_of(end, 5) for end in ends]
    assert set(drawn) == set(range(5))
    assert drawn == [drawn_of(end, 5) for end in ends]


INSTEAD: dict[str, Callable[[Any], Any]] = {
    "none": lambda _: None,
    "without logs": lambda receipt: {**receipt, "logs": []},
    "another log": lambda receipt: {"logs": [{**receipt["logs"][0], "logIndex": "0x9"}]},
    "other data": lambda receipt: {"logs": [{**receipt["logs"][0], "data": "0xff"}]},
}


@pytest.mark.parametrize("instead", INSTEAD.values(), ids=INSTEAD.keys())
def test_a_last_receipt_that_proves_nothing_has_all_receipts_compared(instead: Callable[[Any], Any]) -> None:
    node = FakeNode(ours_alone())
    node.fault = lying("eth_getTransactionReceipt", instead)
    assert len(node_of(node).logs_between(1, 8).logs) == 12
    assert whole_blocks(node) == 5


def test_without_single_receipts_or_known_transactions_all_receipts_are_compared() -> None:
    node = FakeNode(ours_alone())
    node.fault = raising("eth_getTransactionReceipt", RpcFault(-32601, "the method does not exist"))
    assert len(node_of(node).logs_between(1, 8).logs) == 12
    assert whole_blocks(node) == 5
    silent = FakeNode(ours_alone())
    silent.fault = lambda method, _, result: (
        {**result, "transactions": []} if method == "eth_getBlockByNumber" else result
    )
    assert len(node_of(silent).logs_between(1, 8).logs) == 12
    assert (silent.asked.count("eth_getTransactionReceipt"), whole_blocks(silent)) == (0, 5)


def test_a_bloom_that_says_more_or_less_than_the_logs_has_all_receipts_compared() -> None:
    node = FakeNode(ours_alone())
    node.fault = lambda method, _, result: (
        {**result, "logsBloom": "0x" + "ff" * 256} if method == "eth_getBlockByNumber" else result
    )
    assert len(node_of(node).logs_between(1, 8).logs) == 12
    assert whole_blocks(node) == 8


def test_a_malformed_last_receipt_is_refused() -> None:
    liar = FakeNode(ours_alone())
    liar.fault = lying("eth_getTransactionReceipt", lambda _: {"logs": 5})
    with pytest.raises(InconsistentNodeError, match="malformed receipt"):
        node_of(liar).logs_between(1, 8)
