"""What a node may claim and what is made of it: every lie of it is an error, never a row."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from indexer.chain import finality
from indexer.chain.errors import ChainError, InconsistentNodeError, RpcError, WrongChainError
from indexer.chain.node import Node
from indexer.chain.wire import decode_header
from tests.unit.indexer.fakechain import CHAIN_ID, OURS, Chain, FakeNode, Fault, RpcFault, node_of

Logs = list[dict[str, Any]]


def chain() -> Chain:
    """Blocks 0..9; logs in 3 (two), 6 (one), 7 (three)."""
    return Chain().mine(0, 0, 0, 2, 0, 0, 1, 3, 0, 0)


def lying(method: str, lie: Callable[[Any], Any]) -> Fault:
    return lambda called, _, result: lie(result) if called == method else result


def raising(method: str, error: Exception, params: object = None) -> Fault:
    def fault(called: str, given: list[Any], result: Any) -> Any:
        if called == method and (params is None or given[0] == params):
            raise error
        return result

    return fault


def test_an_honest_node_is_believed() -> None:
    node = node_of(FakeNode(chain()))
    found = node.logs_between(1, 8)
    assert [(log.block_number, log.log_index, log.data[0]) for log in found.logs] == [
        (3, 0, 0), (3, 1, 1), (6, 0, 0), (7, 0, 0), (7, 1, 1), (7, 2, 2),
    ]  # fmt: skip
    assert {log.address for log in found.logs} == {OURS}
    assert [log.block_time for log in found.logs[:3]] == [1_003, 1_003, 1_006]
    assert (found.start.number, found.end.number) == (1, 8)
    assert node.logs_of(node.header(7)) == found.logs[3:]
    assert node.logs_of(node.header(8)) == []
    assert node_of(FakeNode(chain()), whole_ranges=False).logs_between(1, 8) == found


LIES: dict[str, Callable[[Logs], Logs]] = {
    "empty": lambda logs: [],
    "first one missing": lambda logs: logs[1:],
    "last one missing": lambda logs: logs[:-1],
    "one twice": lambda logs: [*logs, logs[-1]],
    "order": lambda logs: logs[::-1],
    "foreign hash": lambda logs: [*logs[:-1], {**logs[-1], "blockHash": "0x" + "11" * 32}],
    "other data": lambda logs: [*logs[:-1], {**logs[-1], "data": "0xff"}],
    "pending": lambda logs: [*logs[:-1], {**logs[-1], "blockNumber": None}],
    "all removed": lambda logs: [{**log, "removed": True} for log in logs],
}


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES.keys())
def test_logs_of_a_block_that_are_not_all_and_only_its_own_are_refused(lie: Callable[[Logs], Logs]) -> None:
    liar = FakeNode(chain())
    node = node_of(liar)
    header = node.header(7)
    liar.fault = lying("eth_getLogs", lie)
    with pytest.raises(InconsistentNodeError) as caught:
        node.logs_of(header)
    assert caught.value.provider == "node0.test"


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES.keys())
def test_logs_of_a_range_that_are_not_all_and_only_its_own_are_refused(lie: Callable[[Logs], Logs]) -> None:
    liar = FakeNode(chain())
    liar.fault = lying("eth_getLogs", lie)
    with pytest.raises(InconsistentNodeError):
        node_of(liar).logs_between(1, 8)


def test_removed_logs_beside_the_right_ones_are_ignored() -> None:
    liar = FakeNode(chain())
    stale = {"removed": True, "blockHash": "0x" + "11" * 32}
    liar.fault = lying("eth_getLogs", lambda logs: [{**logs[0], **stale}, *logs])
    node = node_of(liar)
    assert len(node.logs_of(node.header(7))) == 3
    assert len(node.logs_between(1, 8).logs) == 6


SPELLINGS: dict[str, Callable[[Any], Any]] = {
    "as in the range": lambda receipts: receipts,
    "members in another order": lambda receipts: [
        {"logs": [dict(reversed(log.items())) for log in receipts[0]["logs"]]}
    ],
    "more members": lambda receipts: [{"logs": [{**log, "transactionIndex": "0x0"} for log in receipts[0]["logs"]]}],
    "a log a receipt": lambda receipts: [
        {"logs": []},
        *({"type": "0x2", "logs": [log]} for log in receipts[0]["logs"]),
    ],
    "removed ones between": lambda receipts: [
        {"logs": [twin for log in receipts[0]["logs"] for twin in ({**log, "removed": True}, log)]}
    ],
    "foreign ones in front": lambda receipts: [
        {"logs": [*receipts[0]["logs"][-1:], *receipts[0]["logs"]]} if receipts[0]["logs"] else receipts[0]
    ],
}
HELD: dict[str, Callable[[Logs], Logs]] = {
    "first one missing": lambda logs: logs[1:],
    "last of ours missing": lambda logs: [*logs[:-2], *logs[-1:]],
    "none": lambda logs: [],
    "one of ours twice": lambda logs: [logs[0], *logs],
    "one of ours twice, later": lambda logs: [*logs, logs[0]],
    "other data": lambda logs: [{**logs[0], "data": "0xff"}, *logs[1:]],
    "other hash of the transaction": lambda logs: [{**logs[0], "transactionHash": "0x" + "11" * 32}, *logs[1:]],
    "order": lambda logs: logs[::-1],
    "removed": lambda logs: [{**logs[0], "removed": True}, *logs[1:]],
    "malformed foreign one": lambda logs: [*logs[:-1], {**logs[-1], "data": 5}],
    "foreign one without data": lambda logs: [*logs[:-1], {"address": logs[-1]["address"], "topics": []}],
}


def receipts_of(number: int, change: Callable[[Any], Any]) -> Fault:
    wanted = "0x" + chain().blocks[number].hash.hex()
    return lambda method, given, result: (
        change(result) if method == "eth_getBlockReceipts" and given[0] == wanted else result
    )


@pytest.mark.parametrize("spelling", SPELLINGS.values(), ids=SPELLINGS.keys())
@pytest.mark.parametrize("blocks", [(3, 6, 7), (6,)], ids=["everywhere", "in one block"])
def test_receipts_may_spell_the_logs_of_a_range_otherwise(
    spelling: Callable[[Any], Any], blocks: tuple[int, ...]
) -> None:
    node = FakeNode(chain())
    faults = [receipts_of(number, spelling) for number in blocks]

    def fault(method: str, given: list[Any], result: Any) -> Any:
        for each in faults:
            result = each(method, given, result)
        return result

    node.fault = fault
    assert node_of(node).logs_between(1, 8) == node_of(FakeNode(chain())).logs_between(1, 8)


@pytest.mark.parametrize("lie", HELD.values(), ids=HELD.keys())
@pytest.mark.parametrize("number", [3, 7])
@pytest.mark.parametrize("spelling", ["as in the range", "members in another order"])
def test_receipts_that_hold_other_logs_than_the_range_are_refused(
    lie: Callable[[Logs], Logs], number: int, spelling: str
) -> None:
    liar = FakeNode(chain())
    liar.fault = receipts_of(number, lambda receipts: [{"logs": lie(SPELLINGS[spelling](receipts)[0]["logs"])}])
    with pytest.raises(InconsistentNodeError, match=r"logs and receipts of block|malformed receipts"):
        node_of(liar).logs_between(1, 8)


def test_a_range_of_no_logs_is_compared_with_the_receipts_of_a_block_that_may_have_some() -> None:
    liar = FakeNode(chain())
    liar.fault = lying("eth_getLogs", lambda logs: [log for log in logs if log["blockNumber"] != "0x6"])
    with pytest.raises(InconsistentNodeError, match="logs and receipts of block 6 differ: 0 and 1 of ours"):
        node_of(liar).logs_between(1, 8)


def test_a_node_that_has_not_reached_the_range_is_refused_even_if_it_answers_an_empty_list() -> None:
    behind = FakeNode(chain(), head=5)
    with pytest.raises(InconsistentNodeError, match="not reached block 8"):
        node_of(behind).logs_between(6, 8)


def test_a_foreign_block_inside_a_range_is_refused_without_its_receipts_too() -> None:
    liar = FakeNode(chain())
    liar.fault = lying("eth_getLogs", LIES["foreign hash"])
    with pytest.raises(InconsistentNodeError, match="foreign hash"):
        node_of(liar, whole_ranges=False).logs_between(1, 8)


def test_blocks_of_a_range_must_be_a_chain() -> None:
    ours, theirs = chain(), chain().fork(5, "b").mine(0, 0, 0, 0, 0)
    liar = FakeNode(ours)

    def fault(method: str, params: list[Any], result: Any) -> Any:
        return theirs.header(theirs.blocks[5]) if params and params[0] == "0x5" else result

    liar.fault = fault
    with pytest.raises(InconsistentNodeError, match="block 6 is not the child of block 5"):
        node_of(liar).logs_between(4, 8)


def test_a_node_without_receipts_is_compared_with_another_one() -> None:
    without, honest = FakeNode(chain()), FakeNode(chain())
    node = node_of(without, honest)
    header = node.header(7)
    without.fault = raising("eth_getBlockReceipts", RpcFault(-32601, "the method does not exist"))
    assert len(node.logs_of(header)) == 3
    without.fault = lambda method, params, result: (
        result[:1] if method == "eth_getLogs" else without_receipts(method, result)
    )
    with pytest.raises(InconsistentNodeError, match="two providers differ"):
        node.logs_of(header)


def without_receipts(method: str, result: Any) -> Any:
    if method == "eth_getBlockReceipts":
        raise RpcFault(-32601, "the method does not exist")
    return result


def test_a_block_with_more_logs_than_the_node_will_list_is_read_from_its_receipts() -> None:
    node = FakeNode(chain())
    node.fault = raising("eth_getLogs", RpcFault(-32005, "query returned more than 10000 results"))
    assert len(node_of(node).single(7).logs) == 3


@pytest.mark.parametrize("number", ["0x4", "latest"])
def test_another_block_than_the_one_asked_for_is_refused(number: str) -> None:
    liar = FakeNode(chain())
    other = liar.chain.header(liar.chain.blocks[2])
    liar.fault = lambda _, params, result: other if params[0] == number else result
    with pytest.raises(InconsistentNodeError):
        node_of(liar).headers([4]) if number == "0x4" else node_of(liar).tip()


def test_a_hash_the_node_does_not_know() -> None:
    with pytest.raises(InconsistentNodeError):
        node_of(FakeNode(chain())).header_by_hash(bytes(32))


def final_of(node: Node) -> tuple[int, int]:
    tip = node.tip()
    return tip.head.block.number, tip.final.block.number


def test_a_tag_that_fails_once_does_not_make_blocks_final_by_depth() -> None:
    fake = FakeNode(chain(), final_depth=7)
    node = node_of(fake)
    assert final_of(node) == (9, 2)
    for error in (RpcFault(-32000, "internal error"), RpcFault(-32602, "unknown tag")):
        fake.fault = raising("eth_getBlockByNumber", error, "finalized")
        fake.chain.mine(0)
        tip = node.tip()
        assert (tip.final.block.number, bool(tip.doubt)) == (2, True)
        assert tip.head.block.number == fake.top
    fake.fault = None
    assert final_of(node) == (11, 4)


def test_a_tag_that_fails_at_the_first_question_leaves_what_is_known_to_be_final() -> None:
    fake = FakeNode(chain())
    fake.fault = raising("eth_getBlockByNumber", RpcFault(-32000, "internal error"), "finalized")
    node = node_of(fake)
    with pytest.raises(RpcError):
        node.tip()
    assert node.tip(fake.chain.blocks[1]).final.block.number == 1


@pytest.mark.parametrize("missing", [None, RpcFault(-32602, "invalid block tag"), RpcFault(-39001, "Unknown block")])
def test_blocks_are_counted_where_no_node_knows_the_tags_and_it_is_asked_again(
    missing: RpcFault | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = FakeNode(chain())

    def fault(_: str, params: list[Any], result: Any) -> Any:
        if params and params[0] in ("safe", "finalized"):
            if missing is not None:
                raise missing
            return None
        return result

    fake.fault = fault
    node = node_of(fake)
    now = 0.0
    monkeypatch.setattr(node._finality, "_clock", lambda: now)
    assert final_of(node) == (9, 6)
    fake.fault = None
    assert final_of(node) == (9, 6)
    now = finality.ASK_AGAIN_SECONDS
    assert final_of(node) == (9, 7)


def test_another_provider_may_know_the_tags() -> None:
    without, knowing = FakeNode(chain()), FakeNode(chain(), final_depth=8)
    without.fault = raising("eth_getBlockByNumber", RpcFault(-32602, "unknown tag"), "finalized")
    assert final_of(node_of(without, knowing)) == (9, 1)


def test_finalised_above_the_newest_block_is_nonsense() -> None:
    liar = FakeNode(chain())
    newer = chain().mine(0, 0)
    liar.fault = lambda _, params, result: newer.header(newer.blocks[11]) if params[0] == "finalized" else result
    with pytest.raises(InconsistentNodeError, match="out of order"):
        node_of(liar).tip()


def test_every_provider_is_checked_and_one_of_another_chain_ends_it() -> None:
    good, wrong = FakeNode(chain()), FakeNode(chain())
    wrong.fault = lying("eth_chainId", lambda _: "0x1")
    with pytest.raises(WrongChainError, match=r"node1\.test serves chain 1"):
        node_of(good, wrong).check(CHAIN_ID)
    node_of(good).check(CHAIN_ID)
    with pytest.raises(WrongChainError):
        node_of(good).check(1)


@pytest.mark.parametrize("code", ["0x", "0x01"])
def test_a_provider_without_our_code_is_set_aside(code: str) -> None:
    good, bare = FakeNode(chain()), FakeNode(chain())
    bare.fault = lying("eth_getCode", lambda _: code)
    node = node_of(good, bare)
    node.check(CHAIN_ID)
    assert [member.verified for member in node.providers.members] == [True, False]


def test_no_provider_with_our_contracts_ends_it() -> None:
    bare = FakeNode(chain())
    bare.fault = lying("eth_getCode", lambda _: "0x")
    with pytest.raises(WrongChainError, match="no contract"):
        node_of(bare).check(CHAIN_ID)


def test_an_answer_that_got_lost_at_the_start_is_no_missing_contract() -> None:
    hasty = FakeNode(chain())
    hasty.answer = lambda _: httpx.Response(200, json=[{"jsonrpc": "2.0", "id": 0, "result": hex(CHAIN_ID)}])
    with pytest.raises(InconsistentNodeError, match="no answer to eth_getCode"):
        node_of(hasty).check(CHAIN_ID)


def test_a_provider_that_was_away_at_the_start_is_checked_before_it_is_used() -> None:
    good, late = FakeNode(chain()), FakeNode(chain())
    late.answer = lambda _: httpx.Response(503)
    node = node_of(good, late)
    node.check(CHAIN_ID)
    late.answer = None
    late.fault = lying("eth_chainId", lambda _: "0x1")
    good.answer = lambda _: httpx.Response(503)
    for _ in range(2):  # the first question finds nobody awake, the second asks whoever there is
        with pytest.raises(ChainError):
            node.tip()
    assert node.providers.members[1].banned
    good.answer = None
    assert final_of(node) == (9, 7)


def test_a_header_needs_a_hash() -> None:
    with pytest.raises(InconsistentNodeError):
        decode_header(b'{"number": null, "hash": null, "parentHash": "0x", "timestamp": "0x0", "logsBloom": "0x0"}')
    assert decode_header(b"null") is None
