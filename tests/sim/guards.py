"""What each guard of the indexer is for: a scenario that ends well with it and badly without it.

A scenario raises when the mirror is wrong, or does not arrive, or does not stop where it must. `remove` takes the guard
away by replacing names, which must be there. The fault table is in `docs/Simulation.md`.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import pytest

from indexer.core.chain_view import TooDeepError
from indexer.core.plan import Examine, Idle
from indexer.core.reducer import UndecodableError
from indexer.store.errors import LostRaceError
from tests.sim import counted, large, rebuilds, scenarios, shorter, written
from tests.sim.scene import Scene

Scenario = Callable[[Scene], None]
Removal = Callable[[pytest.MonkeyPatch], None]


@dataclass(frozen=True, slots=True)
class Guard:
    """One guard: the row of the fault table it answers, what it is, how to take it away, what then goes wrong."""

    row: str
    name: str
    scenario: Scenario
    remove: Removal

    def __str__(self) -> str:
        return f"{self.row}: {self.name}"


def away(*places: str, instead: Any) -> Removal:
    """Return a removal that puts `instead` in every one of these places ("module:name" or "module:Class.name")."""

    def remove(patch: pytest.MonkeyPatch) -> None:
        for place in places:
            module, _, path = place.partition(":")
            owner: Any = importlib.import_module(module)
            *outer, name = path.split(".")
            for step in outer:
                owner = getattr(owner, step)
            patch.setattr(owner, name, instead)

    return remove


def nothing(*_: Any, **__: Any) -> None:
    """Check nothing."""


def _no_look_at_equal_height(patch: pytest.MonkeyPatch) -> None:
    runner = importlib.import_module("indexer.runner")
    real = runner.plan

    def plan(view: Any, *, head: Any, **rest: Any) -> Any:
        step = real(view, head=head, **rest)
        return Idle() if isinstance(step, Examine) and head.number == view.head.number else step

    patch.setattr(runner, "plan", plan)


def _newest_journal_entry(patch: pytest.MonkeyPatch) -> None:
    rows = importlib.import_module("indexer.store.rows")
    real = rows.text
    patch.setattr(
        rows, "text", lambda sql: real(sql.replace("ORDER BY key, block_number", "ORDER BY key, block_number DESC"))
    )


def _trust_a_lower_head(patch: pytest.MonkeyPatch) -> None:
    runner = importlib.import_module("indexer.runner")

    def note_lag(self: Any, by: int) -> None:
        ancestor = self.position.view.at(self.position.view.head.number - by)
        self.position = self._store.revert(self.position, ancestor)

    patch.setattr(runner.Runner, "_note_lag", note_lag)


def _follow_below_final(patch: pytest.MonkeyPatch) -> None:
    view = importlib.import_module("indexer.core.chain_view").ChainView
    real = view.common_ancestor

    def common_ancestor(self: Any, branch: Any) -> Any:
        try:
            return real(self, branch)
        except TooDeepError:
            return self.final

    patch.setattr(view, "common_ancestor", common_ancestor)


def _each_statement_by_itself(patch: pytest.MonkeyPatch) -> None:
    machine = importlib.import_module("tests.sim.machine")
    real = machine.Store

    def store(engine: Any, reducer: Any, **options: Any) -> Any:
        return real(engine.execution_options(isolation_level="AUTOCOMMIT"), reducer, **options)

    patch.setattr(machine, "Store", store)


def _compare(*columns: str) -> Removal:
    """Return a removal that leaves only these columns in what a write compares the cursor with."""

    def remove(patch: pytest.MonkeyPatch) -> None:
        store = importlib.import_module("indexer.store.store")

        def compare_and_set(connection: Any, position: Any, values: dict[str, Any]) -> None:
            head = position.view.head
            known = {"epoch": position.epoch, "number": head.number, "hash": head.hash}
            change = store.update(store.cursor).values(**values)
            for column in columns:
                change = change.where(store.cursor.c[column] == known[column])
            if connection.execute(change).rowcount != 1:
                raise LostRaceError("another indexer has moved the cursor")

        patch.setattr(store, "_compare_and_set", compare_and_set)

    return remove


def _skip_unknown_events(patch: pytest.MonkeyPatch) -> None:
    reducer = importlib.import_module("indexer.core.reducer").Reducer
    real = reducer.decode

    def decode(self: Any, logs: Any) -> Any:
        found = []
        for log in logs:
            try:
                found += real(self, [log])
            except UndecodableError:
                continue
        return found

    patch.setattr(reducer, "decode", decode)


def _forget_the_window(patch: pytest.MonkeyPatch) -> None:
    store = importlib.import_module("indexer.store.store")
    real = store._position

    def position(connection: Any) -> Any:
        found = real(connection)
        return store.Position(store.ChainView(found.view.head), found.safe_number, found.epoch)

    patch.setattr(store, "_position", position)


def _no_look_at_what_was_begun(self: Any, stop: Any) -> bool:
    return bool(self._steps(stop))


def _begin_at_once(patch: pytest.MonkeyPatch) -> None:
    store = importlib.import_module("indexer.store.store").Store
    real = store.begin_range

    def begin_range(self: Any, *arguments: Any) -> Any:
        with pytest.MonkeyPatch.context() as meanwhile:
            meanwhile.setattr(self, "flush", nothing)
            return real(self, *arguments)

    patch.setattr(store, "begin_range", begin_range)


def _note_holes_at_once(patch: pytest.MonkeyPatch) -> None:
    runner = importlib.import_module("indexer.runner").Runner
    real = runner._backfill

    def backfill(self: Any, *arguments: Any) -> Any:
        with pytest.MonkeyPatch.context() as meanwhile:
            flush, begin = self._store.flush, self._store.begin_range

            def begin_range(*given: Any) -> Any:
                meanwhile.setattr(self._store, "flush", flush)
                return begin(*given)

            meanwhile.setattr(self._store, "flush", nothing)
            meanwhile.setattr(self._store, "begin_range", begin_range)
            return real(self, *arguments)

    patch.setattr(runner, "_backfill", backfill)


def _logs_by_themselves(self: Any, first: int, last: int) -> Any:
    """Ask for the logs of a range in one request and for headers in others, as an indexer does that trusts a node."""
    node = importlib.import_module(_NODE)
    query = {"fromBlock": hex(first), "toBlock": hex(last), "address": self._hex_addresses}
    logs = node.decode_logs(self.providers.call("eth_getLogs", query))
    headers = {header.block.number: header.block for header in self.headers(list(range(first, last + 1)))}
    return node.Range(start=headers[first], end=headers[last], logs=node.raw_logs(logs, headers))


def _believe_what_ends(patch: pytest.MonkeyPatch) -> None:
    """Believe logs that are numbered from 0 on, whether others come after them or not."""
    node = importlib.import_module(_NODE)
    patch.setattr(node, "may_be_complete", lambda _header, logs: bool(logs) and logs[-1].log_index == len(logs) - 1)
    patch.setattr(node, "ends_with", lambda *_: True)


def _believe_headers(patch: pytest.MonkeyPatch) -> None:
    node = importlib.import_module(_NODE)
    patch.setattr(node, "_at", lambda _number, header: header)
    patch.setattr(node, "check_links", nothing)
    patch.setattr(node.Node, "headers", lambda self, numbers, near_head=False: self._headers(numbers))


def _swap_by_statements(patch: pytest.MonkeyPatch) -> None:
    work = importlib.import_module("indexer.rebuild").Rebuild
    real = work.__init__

    def start(self: Any, engine: Any, *rest: Any) -> None:
        real(self, engine.execution_options(isolation_level="AUTOCOMMIT"), *rest)

    patch.setattr(work, "__init__", start)


def _swap_what_was_compared(patch: pytest.MonkeyPatch) -> None:
    work = importlib.import_module("indexer.rebuild").Rebuild
    real = work._swap

    def swap(self: Any, *arguments: Any) -> Any:
        with pytest.MonkeyPatch.context() as meanwhile:
            meanwhile.setattr(self, "_catch_up", lambda position, *_: position)
            return real(self, *arguments)

    patch.setattr(work, "_swap", swap)


def _aim_at_no_number_of_logs(patch: pytest.MonkeyPatch) -> None:
    ranges = importlib.import_module("indexer.runner").Ranges
    real = ranges.starting
    patch.setattr(ranges, "starting", lambda blocks, **options: real(blocks, **options | {"logs": 10**9}))


def _never_one_by_hash(self: Any, number: int) -> Any:
    reading = importlib.import_module("indexer.reading")
    raise reading.HoleError(number, number, "the node refuses even one block")


_NODE: Final = "indexer.chain.node"
_RECEIPTS: Final = f"{_NODE}:check_receipts"
_UNCOMPARED: Final = away(_RECEIPTS, instead=nothing)
_COUNTED: Final = away("indexer.chain.finality:Finality.tip", instead=lambda self, _known: self._counted())
_PATIENT: Final = away("indexer.reading:PATIENCE", instead=10**9)
_REFUSED: Final = away("indexer.reading:RangeTooLargeError", instead=ZeroDivisionError)
GUARDS: Final = (
    Guard("I1", "the undo journal", scenarios.live_reorgs, away("indexer.store.rows:undo_above", instead=nothing)),
    Guard("I2", "the window of blocks is stored", scenarios.offline_reorg, _forget_the_window),
    Guard("I3", "empty blocks are compared too", scenarios.events_in_empty_blocks, _no_look_at_equal_height),
    Guard(
        "I4",
        "event rows of dropped blocks go",
        scenarios.transaction_moves,
        away("indexer.store.rows:REVERTED", instead=()),
    ),
    Guard("I5", "the oldest entry of the journal counts", scenarios.reorg_on_reorg, _newest_journal_entry),
    Guard("I6", "nothing final is undone", scenarios.below_final, _follow_below_final),
    Guard("I7", "a lower head is no reorg", scenarios.far_behind, _trust_a_lower_head),
    Guard(
        *("I7", "another node is asked about a branch", shorter.branch_of_one),
        away("indexer.forks:Forks._confirmed", instead=lambda *_: True),
    ),
    Guard(
        *("I7", "a shorter branch must be shown several times", shorter.branch_for_a_moment),
        away("indexer.forks:EVIDENCE", instead=1),
    ),
    Guard("I8", "receipts tell an empty answer", scenarios.empty_of_block, _UNCOMPARED),
    Guard("I8", "receipts tell an empty range", scenarios.empty_in_range, _UNCOMPARED),
    Guard(
        *("I8", "a range is answered together with the node's head", scenarios.lagging_range),
        away(f"{_NODE}:Node.logs_between", instead=_logs_by_themselves),
    ),
    Guard("I9", "receipts tell a missing log", scenarios.one_missing, _UNCOMPARED),
    Guard(
        *("I9", "numbers and bloom tell a missing log", counted.first_missing),
        away(f"{_NODE}:may_be_complete", instead=lambda _header, logs: bool(logs)),
    ),
    Guard("I9", "the last receipt tells a log missing at the end", counted.last_missing, _believe_what_ends),
    Guard(
        "I9",
        "logs of a block fit its header",
        scenarios.spoilt_block,
        away(f"{_NODE}:check_block_logs", _RECEIPTS, instead=nothing),
    ),
    Guard(
        *("I9", "logs of a range are in order", scenarios.spoilt_range),
        away(f"{_NODE}:check_range_logs", _RECEIPTS, instead=nothing),
    ),
    Guard("I9", "a header is of the block asked for", scenarios.wrong_headers, _believe_headers),
    Guard("I10", "a refused range shrinks", scenarios.small_ranges, _REFUSED),
    Guard("I11", "a write is one transaction", scenarios.killed_anywhere, _each_statement_by_itself),
    Guard("I12", "a write compares the cursor", scenarios.paused_one_resumes, _compare()),
    Guard(
        *("I12", "a contradiction is no judgement on a mirror of another", scenarios.overtaken_in_backfill),
        away("indexer.store.store:Store._check_ours", instead=nothing),
    ),
    Guard("I12", "a write compares the epoch", scenarios.takeover_alone, _compare("number", "hash")),
    Guard(
        *("I13", "keys are asked for until none is missing", scenarios.made_and_used_at_once),
        away("indexer.core.workspace:Workspace.peek", instead=nothing),
    ),
    Guard(
        "I14",
        "the position is read again",
        scenarios.commit_unknown,
        away("indexer.runner:Runner._recover", instead=nothing),
    ),
    Guard(
        *("I14", "a turn waits for what was begun", written.begun_and_trouble),
        away("indexer.runner:Runner.turn", instead=_no_look_at_what_was_begun),
    ),
    Guard("I14", "a write waits for the one before", written.range_after_range, _begin_at_once),
    Guard(
        *("I14", "a reload ends what was begun", written.reload_while_writing),
        away("indexer.store.store:Store.abandon", instead=nothing),
    ),
    Guard("I15", "finality is not counted", scenarios.tags_fail, _COUNTED),
    Guard("I16", "holes are passed over", scenarios.hole_and_tail, _PATIENT),
    Guard("I16", "a hole is noted after what was begun", written.hole_after_begun, _note_holes_at_once),
    Guard("I17", "the stream stops", scenarios.unknown_event, _skip_unknown_events),
    Guard(
        *("I18", "both mirrors are compared", rebuilds.differs),
        away("indexer.rebuild:table_digests", instead=lambda *_: {}),
    ),
    Guard("I18", "what came meanwhile is taken along", rebuilds.built_while_it_runs, _swap_what_was_compared),
    Guard(
        *("I18", "a swap raises the epoch", rebuilds.built_while_it_runs),
        away("indexer.rebuild:Rebuild._carry_over", instead=nothing),
    ),
    Guard("I18", "a swap is one transaction", rebuilds.killed_in_the_swap, _swap_by_statements),
    Guard(
        *("I19", "a heavy block is asked for by its hash", large.heavy_block),
        away("indexer.reading:Reader._single", instead=_never_one_by_hash),
    ),
    Guard("I19", "a range aims at a number of logs", large.heavy_range, _aim_at_no_number_of_logs),
    Guard(
        *("I19", "ranges grow", large.far_behind),
        away("indexer.core.ranges:Ranges.answered", instead=lambda self, _blocks, _logs: self),
    ),
    Guard("I19", "headers come in batches", large.far_behind, away(f"{_NODE}:HEADER_BATCH", instead=10)),
)
