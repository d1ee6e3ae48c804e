"""The mirror behind nodes that fail and chains that change their mind: recorded from a real one, played to the loop."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Engine, text

from indexer.background import Start, Threaded
from indexer.chain.node import Node
from indexer.chain.rpc import Providers
from indexer.core.chain_view import Block
from indexer.core.reducer import Reducer, UndecodableError
from indexer.runner import Options, Runner
from indexer.settings import deployment_digest
from indexer.store.store import Store
from tests.fixtures.chainlab import USDC, Lab
from tests.fixtures.services import CHAIN_ID
from tests.fixtures.storelab import drop_mirror
from tests.integration.indexer.conftest import digest, settle
from tests.unit.indexer.fakechain import Chain, FakeNode, RpcFault, provider_of


def record(lab: Lab) -> Chain:
    """Return what the chain says now."""
    chain = Chain()
    for number in range(int(lab.chain.rpc("eth_blockNumber"), 16) + 1):
        header = lab.chain.rpc("eth_getBlockByNumber", hex(number), False)
        block_hash, parent = bytes.fromhex(header["hash"][2:]), bytes.fromhex(header["parentHash"][2:])
        chain.blocks.append(Block(number, block_hash, parent, int(header["timestamp"], 16)))
        receipts = lab.chain.rpc("eth_getBlockReceipts", hex(number))
        chain.logs[block_hash] = [log for receipt in receipts for log in receipt["logs"]]
    return chain


NewRunner = Callable[..., Runner]


@pytest.fixture
def play(lab: Lab, engine: Engine) -> NewRunner:
    """Return a loop over nodes in memory."""

    def build(*nodes: FakeNode, ahead: Start | None = Threaded) -> Runner:
        reducer = Reducer(lab.contracts)
        members = [provider_of(node, f"node{number}") for number, node in enumerate(nodes)]
        options = Options(
            chain_id=CHAIN_ID, start_block=0, deployment_digest=deployment_digest(lab.contracts), poll_seconds=0.001,
            range_blocks=7, trouble_seconds=0.001, finality_alarm_seconds=0.0, ahead=ahead,
        )  # fmt: skip
        node = Node(Providers(members), lab.contracts.addresses, finality_depth=2)
        return Runner(node, Store(engine, reducer), reducer, options)

    return build


def rebuilt(play: NewRunner, chain: Chain, engine: Engine) -> dict[str, list[str]]:
    """Return what a mirror of this chain holds that never saw trouble."""
    runner = play(FakeNode(chain))
    drop_mirror(engine)
    settle(runner)
    return digest(engine)


def health(engine: Engine) -> str:
    with engine.connect() as connection:
        return str(connection.execute(text("SELECT state FROM chain.health")).scalar_one())


def missing(engine: Engine) -> list[tuple[int, int]]:
    with engine.connect() as connection:
        found = connection.execute(text("SELECT first, last FROM chain.missing_range ORDER BY first"))
        return [(row.first, row.last) for row in found]


@pytest.fixture
def branches(lab: Lab) -> list[Chain]:
    """Chains that share all but their last two blocks, in which they claim different sums."""
    lab.deposit_pool(5 * USDC)
    lab.chain.mine(2)
    found: list[Chain] = []
    for total in (400_000, 700_000, 100_000):
        snapshot = lab.chain.rpc("evm_snapshot")
        lab.chain.rpc("evm_increaseTime", total // 1_000)
        lab.claim(total=total)
        lab.deposit_pool(total)
        found.append(record(lab))
        lab.chain.rpc("evm_revert", snapshot)
    return found


def test_a_reorg_on_a_reorg_and_back_to_the_first_chain(branches: list[Chain], engine: Engine, play: NewRunner) -> None:
    first, second, third = branches
    fake = FakeNode(first)
    runner = play(fake)
    settle(runner)
    kept = digest(engine)
    for chain in (second, third, first, third, first):
        fake.chain = chain
        settle(runner)
        assert (digest(engine) == kept) == (chain is first)
    assert kept == rebuilt(play, first, engine)


@pytest.mark.parametrize("moment", ["eth_getBlockByHash", "eth_getLogs", "eth_getBlockByNumber"])
@pytest.mark.parametrize("after", [1, 2, 3])
def test_a_reorg_while_another_one_is_followed(
    branches: list[Chain], engine: Engine, play: NewRunner, moment: str, after: int
) -> None:
    first, second, third = branches
    fake = FakeNode(first)
    runner = play(fake)
    settle(runner)
    fake.chain, seen = second, 0

    def switch(method: str, _: list[Any], result: Any) -> Any:
        nonlocal seen
        seen += method == moment
        if seen == after:
            fake.chain = third
        return result

    def switch_now() -> None:  # the first branch was followed with fewer questions of this kind
        fake.chain = third

    fake.fault = switch
    run_until(runner, third.blocks[-1], otherwise=switch_now)
    fake.fault = None
    assert digest(engine) == rebuilt(play, third, engine)


def run_until(runner: Runner, block: Block, otherwise: Callable[[], None] = lambda: None) -> None:
    """Run the loop until it holds this block and has nothing left to do; `otherwise` when it rests at another one."""
    stop = threading.Event()
    turn = runner.turn
    turns = 0

    def counted(given: threading.Event) -> bool:
        nonlocal turns
        turns += 1
        assert turns < 200, "the loop does not come to rest"
        idle = turn(given)
        if idle and runner.position is not None:
            if runner.position.view.head == block:
                stop.set()
            else:
                otherwise()
        return idle

    runner.turn = counted  # type: ignore[method-assign]
    runner.run(stop)


@pytest.fixture
def history(lab: Lab) -> Chain:
    """Twenty-odd blocks with deposits, claims and a whole deal."""
    lab.stake()
    lab.deposit_pool(5 * USDC)
    lab.claim(total=100_000)
    lab.journey()
    lab.claim(total=400_000)
    lab.chain.mine(3)
    lab.deposit_pool(USDC)
    lab.chain.mine(3)
    return record(lab)


@pytest.mark.parametrize("holes", [1, 2])
def test_holes_are_passed_over_and_filled_and_every_event_enters_once(
    history: Chain, engine: Engine, play: NewRunner, holes: int
) -> None:
    busy = [block.number for block in history.blocks if history.logs[block.hash]]
    lost = set(busy[-6 : -6 + 2 * holes : 2])
    fake = FakeNode(history)

    def refuse(method: str, params: list[Any], result: Any) -> Any:
        if method == "eth_getLogs":
            query = params[0]
            if "blockHash" in query:
                touched = {b.number for b in history.blocks if "0x" + b.hash.hex() == query["blockHash"]}
            else:
                touched = set(range(int(query["fromBlock"], 16), int(query["toBlock"], 16) + 1))
            if touched & lost:
                raise RpcFault(-32000, "query returned more than 10000 results")
        elif method == "eth_getBlockReceipts" and any("0x" + history.blocks[n].hash.hex() == params[0] for n in lost):
            raise RpcFault(-32601, "method not found")
        return result

    fake.fault = refuse
    runner = play(fake)
    settle(runner)
    final = history.blocks[fake.top - 2].number
    assert missing(engine)[:-1] == [(number, number) for number in sorted(lost)]
    assert missing(engine)[-1][0] == final + 1
    with engine.connect() as connection:
        cursor = connection.execute(text("SELECT number FROM chain.cursor")).scalar_one()
        held = connection.execute(text("SELECT count(*) FROM chain.log WHERE block_number > :n"), {"n": cursor})
        assert cursor == min(lost) - 1
        assert held.scalar_one() > 0
    assert health(engine) == "stalled"
    if holes == 2:
        runner = play(fake)  # a restart knows what is missing
        settle(runner)
        lost.remove(min(lost))
        settle(runner)
        settle(runner)
        assert len(missing(engine)) == 2
    lost.clear()
    settle(runner)
    settle(runner)
    assert missing(engine) == []
    assert health(engine) == "ok"
    assert runner.position.view.head == history.blocks[-1]
    kept = digest(engine)
    assert kept == rebuilt(play, history, engine)


def test_finality_that_fails_keeps_the_newest_projections_and_moves_no_mark(
    history: Chain, engine: Engine, play: NewRunner
) -> None:
    fake = FakeNode(history, head=len(history.blocks) - 6)
    runner = play(fake)
    settle(runner)
    marks = runner.position.marks

    def fault(_: str, params: list[Any], result: Any) -> Any:
        if params and params[0] == "finalized":
            raise RpcFault(-32000, "internal error")
        return result

    fake.fault = fault
    fake.head = len(history.blocks) - 1
    settle(runner)
    assert runner.position.view.head == history.blocks[-1]
    assert runner.position.marks == marks
    assert health(engine) == "stalled"
    fake.fault = None
    settle(runner)
    assert runner.position.marks[1] == fake.top - 2
    assert health(engine) == "ok"


def lies_about(block: Block) -> Callable[[str, list[Any], Any], Any]:
    """Cut the data of the first log of a block, in logs and receipts alike."""
    name = "0x" + block.hash.hex()

    def cut(log: dict[str, Any]) -> dict[str, Any]:
        return {**log, "data": "0x01"} if log["blockHash"] == name else log

    def fault(method: str, _: list[Any], result: Any) -> Any:
        if method == "eth_getLogs":
            return [cut(log) for log in result]
        if method == "eth_getBlockReceipts":
            return [{"logs": [cut(log) for log in receipt["logs"]]} for receipt in result]
        return result

    return fault


@pytest.mark.parametrize("near_head", [False, True])
def test_logs_that_cannot_be_right_are_fetched_from_another_provider(
    lab: Lab, history: Chain, engine: Engine, play: NewRunner, near_head: bool
) -> None:
    liar, honest = FakeNode(history), FakeNode(history)
    if near_head:
        liar.final_depth = honest.final_depth = len(history.blocks)
    ours = {"0x" + address.hex() for address in lab.contracts.addresses}
    wrong = [b for b in history.blocks if any(log["address"] in ours for log in history.logs[b.hash])][-1]
    liar.fault = lies_about(wrong)
    runner = play(liar, honest)
    settle(runner)
    assert runner.position.view.head == history.blocks[-1]
    alone = play(liar)
    drop_mirror(engine)
    with pytest.raises(UndecodableError):
        alone.run(threading.Event())
    assert health(engine) == "stopped"
    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM chain.dead_letter")).scalar_one() == 1
    assert rebuilt(play, history, engine)


def test_a_node_five_hundred_blocks_behind_changes_nothing(history: Chain, engine: Engine, play: NewRunner) -> None:
    history.name = "later"
    history.mine(*[0] * 520)
    near, far = FakeNode(history), FakeNode(history, head=len(history.blocks) - 501)
    runner = play(near, far)
    settle(runner)
    kept = digest(engine)
    near.fault = lambda *_: (_ for _ in ()).throw(RpcFault(429, "slow down"))
    for _ in range(5):
        settle(runner)
    assert runner.position.view.head == history.blocks[-1]
    assert digest(engine) == kept
    assert runner._node.providers.members[1].head == len(history.blocks) - 501


def test_while_nothing_happens_only_the_newest_block_is_asked_for(
    history: Chain, engine: Engine, play: NewRunner
) -> None:
    fake = FakeNode(history)
    runner = play(fake)
    settle(runner)
    fake.asked.clear()
    for _ in range(5):
        assert runner._same_head()
    assert fake.asked == ["eth_getBlockByNumber"] * 5
    fake.chain = history.fork(len(history.blocks) - 1, "other").mine(0)
    assert not runner._same_head()  # as high, but another block
    run_until(runner, fake.chain.blocks[-1])
