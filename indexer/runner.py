"""The loop: read a node's tip, plan, take one step, write it, until told to stop.

Goals: always either on the node's chain or stopped with a reason; never more than one step ahead of what is stored.

Invariants: `position` is what the database holds, or the process reloads it; only this loop moves it. Trouble with a
node is waited out (another provider is asked first next time), trouble with the database is followed by a reload.
What no waiting can cure is raised: LostRaceError, TooDeepError, UndecodableError, WrongChainError, ForeignMirrorError.
A crash anywhere loses only work in memory: the next start reads the cursor and continues.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import Final, assert_never

import structlog
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

from indexer.chain.errors import ChainError, InconsistentNodeError, RangeTooLargeError, WrongChainError
from indexer.chain.node import Node, Tip
from indexer.core.chain_view import Block, TooDeepError
from indexer.core.plan import Backfill, Behind, Examine, Finalise, Follow, Idle, plan
from indexer.core.reducer import Reducer, UndecodableError
from indexer.store.schema import Identity
from indexer.store.store import Position, Store

_log = structlog.get_logger("indexer")
_FOLLOW_BATCH: Final = 100
_MIN_RANGE: Final = 1
_LAG_ALARM_SECONDS: Final = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How the loop runs. `start_block` is the first block that may hold a log of ours."""

    chain_id: int
    start_block: int
    deployment_digest: bytes
    poll_seconds: float
    range_blocks: int


class Runner:
    """See the module's docstring."""

    def __init__(self, node: Node, store: Store, reducer: Reducer, options: Options) -> None:
        self._node = node
        self._store = store
        self._reducer = reducer
        self._options = options
        self._range = options.range_blocks
        self._ready = False
        self._behind_since: float | None = None
        self.position: Position | None = None

    def run(self, stop: threading.Event) -> None:
        """Run until `stop` is set. Raises what no waiting can cure; see the module's docstring."""
        pause = 0.0
        while not stop.wait(pause):
            try:
                pause = self._options.poll_seconds if self.turn(stop) else 0.0
            except WrongChainError:
                raise
            except UndecodableError as error:
                self._store.bury(error.log, error.reason)
                raise
            except ChainError as error:
                _log.warning("the node cannot be used now", error=str(error))
                self._node.distrust(str(error))
                pause = max(1.0, self._options.poll_seconds)
            except (OperationalError, InterfaceError) as error:
                _log.warning("the database cannot be used now", error=_first_line(error))
                self._recover(stop)
                pause = self._options.poll_seconds

    def turn(self, stop: threading.Event) -> bool:
        """Take steps until nothing is left to do at the tip just read; return True when idle."""
        if self.position is None:
            self.position = self._start()
        tip = self._node.tip()
        while not stop.is_set():
            position = self.position
            step = plan(
                position.view,
                head=tip.head.block,
                safe=tip.safe.block,
                final=tip.final.block,
                range_size=self._range,
                marks=position.marks,
            )
            match step:
                case Backfill():
                    self.position = self._backfill(position, step)
                case Follow():
                    self.position = self._follow(position, step)
                case Examine():
                    self.position = self._examine(position, step.tip)
                    return False
                case Finalise():
                    self.position = self._store.finalise(position, step.safe_number, step.final)
                case Behind():
                    self._note_lag(step.by)
                    return True
                case Idle():
                    self._note_idle(tip)
                    return True
                case _:
                    assert_never(step)
        return True

    def _start(self) -> Position:
        options = self._options
        self._node.check(options.chain_id)
        genesis = self._node.header(0).block
        tip = self._node.tip()
        identity = Identity(
            chain_id=options.chain_id,
            genesis_hash=genesis.hash,
            deployment_digest=options.deployment_digest,
            start_block=options.start_block,
        )
        self._store.install(identity)
        anchor = min(max(0, options.start_block - 1), tip.final.block.number)
        position = self._store.take_over(self._node.header(anchor).block)
        _log.info("started", block=position.view.head.number, final=position.view.final.number, epoch=position.epoch)
        return position

    def _backfill(self, position: Position, step: Backfill) -> Position:
        started = time.perf_counter()
        try:
            found = self._node.logs_between(step.first, step.last)
        except RangeTooLargeError:
            if self._range <= _MIN_RANGE:
                raise
            self._range = max(_MIN_RANGE, (step.last - step.first + 1) // 2)
            _log.info("smaller range", blocks=self._range)
            return position
        if found.start.parent_hash != position.view.head.hash:
            return self._examine(position, found.start)
        after = self._store.append_range(position, found.end, self._reducer.decode(found.logs))
        seconds = time.perf_counter() - started
        _log.info("range", first=step.first, last=step.last, events=len(found.logs), seconds=round(seconds, 3))
        self._range = min(self._range + self._range // 4 + 1, self._options.range_blocks * 10)
        return after

    def _follow(self, position: Position, step: Follow) -> Position:
        last = min(step.last, step.first + _FOLLOW_BATCH - 1)
        for header in self._node.headers(range(step.first, last + 1)):
            if header.block.parent_hash != position.view.head.hash:
                return self._examine(position, header.block)
            logs = self._node.logs_of(header)
            position = self._store.append_block(position, header.block, self._reducer.decode(logs))
            self.position = position
            _log.info("block", number=header.block.number, events=len(logs))
        return position

    def _examine(self, position: Position, tip: Block) -> Position:
        """Walk back from `tip` to a block we hold, read the turn-off once more, and only then go back."""
        below = tip
        block = tip
        try:
            while (ancestor := position.view.common_ancestor([block])) is None:
                below, block = block, self._node.header_by_hash(block.parent_hash).block
        except TooDeepError:
            final = position.view.final
            if self._node.header(final.number).block.hash == final.hash:
                raise InconsistentNodeError("the node shows two chains at once") from None
            raise
        turn_off = block if ancestor.number < block.number else below
        if ancestor == position.view.head:
            return position
        if turn_off.number == ancestor.number or self._node.header(turn_off.number).block.hash != turn_off.hash:
            raise InconsistentNodeError(f"block {turn_off.number} changed while it was examined")
        depth = position.view.head.number - ancestor.number
        after = self._store.revert(position, ancestor)
        _log.warning("reorg", depth=depth, ancestor=ancestor.number)
        return after

    def _recover(self, stop: threading.Event) -> None:
        """Wait for the database and read where we stand: a COMMIT without an answer may or may not have happened."""
        while self.position is not None and not stop.is_set():
            try:
                self.position = self._store.reload(self.position.epoch)
            except (OperationalError, InterfaceError) as error:
                _log.warning("still waiting for the database", error=_first_line(error))
                stop.wait(1.0)
            else:
                return

    def _note_idle(self, tip: Tip) -> None:
        self._behind_since = None
        if not self._ready:
            self._store.publish()
            self._ready = True
            _log.info("ready", block=tip.head.block.number)

    def _note_lag(self, by: int) -> None:
        now = time.monotonic()
        if self._behind_since is None:
            self._behind_since = now
        elif now - self._behind_since > _LAG_ALARM_SECONDS:
            self._behind_since = now
            _log.error("the node is behind what we hold", blocks=by)
            self._node.distrust(f"{by} blocks behind")


def _first_line(error: DBAPIError) -> str:
    return str(error.orig).splitlines()[0] if error.orig is not None else str(error)
