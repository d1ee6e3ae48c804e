"""Scenarios of the fault table: each raises when the mirror is wrong or does not arrive, or does not stop at all."""

from __future__ import annotations

from collections.abc import Callable

import httpx
import pytest

from indexer.core.chain_view import TooDeepError
from indexer.core.reducer import UndecodableError
from indexer.store.errors import LostRaceError
from tests.sim.chain import Emitted, Transaction, make_block
from tests.sim.check import Wrong
from tests.sim.db import Crash
from tests.sim.faults import Faulty
from tests.sim.machine import Machine
from tests.sim.scene import Scene
from tests.sim.turn import CONTRACTS


def nothing() -> None:
    """Do nothing."""


def live_reorgs(scene: Scene) -> None:
    """I1: reorgs of every depth of the window while it runs."""
    machine = scene.machine()
    scene.mine(12)
    scene.chain.finalise(2, 2)
    scene.arrive(machine)
    for depth in (1, 2, 3, 7):
        scene.busy()
        scene.arrive(machine)
        scene.branch(depth, depth + 1)
        scene.arrive(machine)


def offline_reorg(scene: Scene) -> None:
    """I2: a reorg while it is stopped."""
    scene.mine(8)
    scene.chain.finalise(3, 3)
    machine = scene.machine()
    scene.arrive(machine)
    scene.stop(machine)
    scene.branch(4, 6)
    scene.arrive(scene.machine())


def events_in_empty_blocks(scene: Scene) -> None:
    """I3: a branch of the same height puts events where blocks were empty."""
    machine = scene.machine()
    scene.mine(3)
    scene.mine(6, most=0)
    scene.arrive(machine)
    fork = scene.chain.path[scene.chain.head.number - 5]
    head = scene.busy(fork)
    while head.number < fork.number + 5:
        head = scene.world.mine(head, most=0)
    scene.world.follow(head)
    scene.arrive(machine)


def transaction_moves(scene: Scene) -> None:
    """I4: the same transactions in another block, at other log indexes."""
    machine = scene.machine()
    scene.mine(2)
    held = scene.busy()
    scene.arrive(machine)
    intents = [transaction.intent for transaction in held.transactions]
    empty = scene.world.build(held.parent or held, [])
    scene.world.follow(scene.world.build(empty, list(reversed(intents))))
    scene.arrive(machine)


def reorg_on_reorg(scene: Scene) -> None:
    """I5: one reorg after the other over the same rows, the second in the middle of the first, and back again."""
    machine = scene.machine()
    scene.mine(4)
    scene.chain.finalise(2, 2)
    for _ in range(5):
        scene.busy()
    scene.arrive(machine)
    first = scene.chain.head
    pending = [lambda: scene.branch(3, 4), lambda: scene.branch(2, 5)]
    requests = 0

    def interrupt() -> None:
        nonlocal requests
        requests += 1
        if pending and requests % 3 == 0:
            pending.pop(0)()

    scene.branch(5, 6)
    scene.faulty.before = interrupt
    scene.arrive(machine)
    scene.faulty.before = nothing
    back = first
    while back.number <= scene.chain.head.number:
        back = scene.world.mine(back, again=False)
    scene.world.follow(back)
    scene.arrive(machine)


def below_final(scene: Scene) -> None:
    """I6: the chain leaves below the finalised block: stop, write nothing."""
    machine = scene.machine()
    scene.mine(8)
    scene.chain.finalise(6, 6)
    scene.arrive(machine)
    before = scene.value("(number, hash, finalized_number)", "cursor")
    head = scene.chain.path[4]
    for _ in range(9):
        head = scene.world.mine(head)
    scene.chain.force(head)
    scene.chain.finalise(6, 6)
    with pytest.raises(TooDeepError):
        machine.run(30)
    assert scene.value("(number, hash, finalized_number)", "cursor") == before


def far_behind(scene: Scene) -> None:
    """I7: the node is suddenly 500 blocks behind (here: all there are but three)."""
    machine = scene.machine()
    scene.mine(20)
    scene.chain.finalise(4, 2)
    scene.arrive(machine)
    scene.node.behind(15)
    for _ in range(300):  # more than a minute of the clock
        machine.run(1)
        assert scene.value("number", "cursor") == scene.chain.head.number
    scene.node.look = None
    scene.arrive(machine)


def lies(scene: Scene, *kinds: str, final: bool = False, whole_ranges: bool = True) -> None:
    """Half of the answers are spoilt in these ways, until healed; every row must be right all the time."""
    scene.faulty.kinds, scene.faulty.rate = kinds, 0.5
    machine = scene.machine(whole_ranges=whole_ranges)
    for _ in range(8):
        scene.busy()
        scene.busy()
        if final:
            scene.chain.finalise(scene.chain.head.number, scene.chain.head.number)
        machine.run(4)
        scene.check()
    assert scene.counts, "nothing was spoilt"
    scene.faulty.healed = True
    scene.arrive(machine)


def empty_of_block(scene: Scene) -> None:
    """I8: no logs of a block that has some."""
    lies(scene, "empty_of_block")


def lagging_range(scene: Scene) -> None:
    """I8: a node that lags behind answers ranges whose blocks are not read one by one."""
    lies(scene, "stale_head", final=True, whole_ranges=False)


def empty_in_range(scene: Scene) -> None:
    """I8: no logs of a range that has some."""
    lies(scene, "empty_in_range", "missing_in_range", final=True)


def spoilt_block(scene: Scene) -> None:
    """I9: foreign, removed, doubled and disordered logs of a block."""
    lies(scene, "foreign_of_block", "removed_of_block", "duplicated_of_block", "unordered_of_block")


def spoilt_range(scene: Scene) -> None:
    """I9: doubled and disordered logs in a range."""
    lies(scene, "duplicated_in_range", "unordered_in_range", final=True)


def one_missing(scene: Scene) -> None:
    """I9: one log of several is missing."""
    lies(scene, "missing_of_block", "truncated_of_block")


def wrong_headers(scene: Scene) -> None:
    """I9: another block than the one asked for; no log tells, for the last blocks of a range have none."""
    scene.faulty.kinds, scene.faulty.rate = ("wrong_block",), 0.5
    machine = scene.machine(whole_ranges=False)
    for _ in range(24):
        scene.busy()
        scene.mine(1, most=0)
        scene.chain.finalise(scene.chain.head.number, scene.chain.head.number)
        machine.run(4)
        scene.check()
    assert scene.counts, "nothing was spoilt"
    scene.faulty.healed = True
    scene.arrive(machine)


def small_ranges(scene: Scene) -> None:
    """I10: the node never answers more than a few logs at once; the range must shrink until it fits."""
    for _ in range(40):
        scene.busy()
    scene.chain.finalise(scene.chain.head.number, scene.chain.head.number)
    scene.node.cap = 1 + max(len(block.logs) for block in scene.chain.path)
    scene.arrive(scene.machine(range_blocks=30))


def killed_anywhere(scene: Scene) -> None:
    """I11: killed at each statement of a write, one after the other, and before and after COMMIT."""
    for _ in range(3):
        scene.busy()
    first = scene.machine()
    scene.arrive(first)
    scene.stop(first)
    for at in (3, 7, 12, 16, 20):
        scene.busy()
        statements = 0

        def die(at: int = at) -> None:
            nonlocal statements
            statements += 1
            if statements == at:
                raise Crash

        machine = scene.machine()
        machine.database.before = die
        try:
            machine.run(3)
        except Crash:
            scene.check()
        machine.database.before = nothing
        scene.stop(machine)
    scene.arrive(scene.machine())


def paused_one_resumes(scene: Scene) -> None:
    """I12: a second indexer takes over and writes; the first one resumes and must lose."""
    scene.mine(3)
    first = scene.machine()
    scene.arrive(first)
    scene.busy()
    second = scene.machine()
    scene.arrive(second)
    loses(first)
    scene.check()


def overtaken_in_backfill(scene: Scene) -> None:
    """I12: the first one's next range is contradicted by rows of the one that took over; it must lose, not complain."""
    first = scene.machine()
    for machine in (first, scene.machine()):
        for _ in range(6):
            scene.busy()
        scene.chain.finalise(scene.chain.head.number, scene.chain.head.number)
        scene.arrive(machine)
    first.runner._store._remembered = None  # as after so many other rows that these are forgotten
    loses(first)
    scene.check()


def takeover_alone(scene: Scene) -> None:
    """I12: a second indexer has taken over and written nothing yet; the first one must not write any more."""
    scene.mine(3)
    first = scene.machine()
    scene.arrive(first)
    scene.arrive(scene.machine())
    scene.busy()
    loses(first)
    scene.check()


def loses(machine: Machine) -> None:
    """Let an indexer that was taken over go on. Raises Wrong unless it finds out at its next write."""
    try:
        machine.run(5)
    except LostRaceError:
        return
    raise Wrong("the indexer that was taken over goes on")


def made_and_used_at_once(scene: Scene) -> None:
    """I13, as far as fixed contracts know it: rows made and used in one block and one range; then it is undone."""
    scene.mine(30, most=6)
    scene.chain.finalise(25, 25)
    machine = scene.machine(range_blocks=25)
    scene.arrive(machine)
    scene.mine(4, most=8)
    scene.arrive(machine)
    scene.branch(4, 5, most=8)
    scene.arrive(machine)


def commit_unknown(scene: Scene) -> None:
    """I14: the connection breaks at COMMIT, before or after it, of a block, a range, a reorg and a finalisation."""
    machine = scene.machine()
    scene.mine(6)
    scene.chain.finalise(3, 3)
    scene.arrive(machine)

    def move_on() -> None:
        scene.mine(3)
        scene.chain.finalise(scene.chain.head.number, scene.chain.head.number)

    def finalise() -> None:
        scene.chain.finalise(scene.chain.final + 1, scene.chain.final + 1)

    changes: tuple[Callable[[], object], ...] = (
        scene.busy, lambda: scene.branch(2, 3), finalise, move_on,
    )  # fmt: skip
    for change in changes:
        for where in ("before", "after"):
            change()
            machine.database.scripted = where
            scene.arrive(machine)
            assert not machine.database.scripted, "no COMMIT came"


def tags_fail(scene: Scene) -> None:
    """I15: finality cannot be read for a while, and must not be guessed."""
    machine = scene.machine(finality_depth=1)
    scene.mine(6)
    scene.chain.finalise(3, 2)
    scene.arrive(machine)
    scene.node.with_tags = False
    for _ in range(4):
        scene.busy()
        machine.run(4)
        scene.check()
    scene.node.with_tags = True
    scene.branch(3, 4)
    scene.clock.sleep(600)
    scene.arrive(machine)


class _Hole(httpx.BaseTransport):
    """A node that cannot answer anything about the logs of one block."""

    def __init__(self, node: httpx.BaseTransport, number: int) -> None:
        self.node = node
        self.number = number
        self.open = True

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Answer, but never about that block's logs."""
        body = Faulty.calls_of(request)
        for call in body:
            query = call["params"][0] if call["method"] == "eth_getLogs" else {}
            inside = "fromBlock" in query and int(query["fromBlock"], 16) <= self.number <= int(query["toBlock"], 16)
            if self.open and (inside or "blockHash" in query):
                raise httpx.ReadTimeout("the disk is broken there", request=request)
        return self.node.handle_request(request)


def hole_and_tail(scene: Scene) -> None:
    """I16: one finalised block cannot be read; raw logs above it are held meanwhile, and it is filled in the end."""
    for _ in range(20):
        scene.busy()
    scene.chain.finalise(scene.chain.head.number, scene.chain.head.number)
    hole = _Hole(scene.node, 8)
    scene.faulty.node = hole
    machine = scene.machine(range_blocks=2)
    for _ in range(60):
        machine.run(1)
        scene.clock.sleep(5)
    assert scene.value("number", "cursor") == 7
    above = scene.value("count(*)", "log WHERE block_number > 8")
    assert above, "nothing above the hole is held"
    hole.open = False
    scene.arrive(machine)
    assert scene.value("count(*)", "missing_range") == 0


def unknown_event(scene: Scene) -> None:
    """I17: a log of ours nobody knows stops the stream before its block; the same of others does not."""
    machine = scene.machine()
    scene.busy()
    scene.arrive(machine)
    before = scene.chain.head
    strange = Emitted(CONTRACTS.escrow, (b"\x01" * 32,), b"\xff")
    block = make_block(before, before.time + 2, (Transaction(0, b"\x02" * 32, (strange,)),), before.state, b"strange")
    scene.chain.add(block)
    scene.chain.follow(block)
    with pytest.raises(UndecodableError):
        machine.run(20)
    assert scene.value("number", "cursor") == before.number
    assert scene.value("count(*)", "dead_letter") == 1
