"""The loop: read a node's tip, plan, take one step, write it, until told to stop.

Goals: always either on the node's chain or stopped with a reason; never more than one step ahead of what is stored.

Invariants: between two turns `position` is what the database holds, or the process reloads it; only this loop moves it.
Inside a turn the last range may still be on its way, and nothing but the next range is begun before it has arrived.
Trouble with a node is waited out (another provider is asked first next time), trouble with the database is followed by
a reload. Logs that contradict what we hold are fetched once more, from another provider if there is one, before they
are believed.
What no waiting can cure is raised: LostRaceError, TooDeepError, UndecodableError, WrongChainError, ForeignMirrorError.
A crash anywhere loses only work in memory: the next start reads the cursor and continues.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, assert_never

import structlog
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

from indexer.background import Start, Threaded
from indexer.beside import Beside
from indexer.chain.errors import ChainError, RateLimitedError, TransportError, WrongChainError
from indexer.chain.node import Node, Tip
from indexer.core.chain_view import Block, TooDeepError
from indexer.core.plan import Backfill, Behind, Examine, Finalise, Follow, Idle, Step, plan
from indexer.core.ranges import Ranges
from indexer.core.reducer import Reducer, UndecodableError
from indexer.failpoints import failpoint
from indexer.filling import Filling
from indexer.forks import Forks
from indexer.garbage import Garbage
from indexer.reading import HoleError, Reader
from indexer.store.schema import Identity
from indexer.store.store import Position, Store
from indexer.watch import Watch

_log = structlog.get_logger("indexer")
_FOLLOW_BATCH: Final = 100
_LONGEST_PAUSE: Final = 60.0
_TIP_SECONDS: Final = 1.0
"""How long only the newest block is asked for while nothing happens; finality is read again after it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How the loop runs. `start_block` is the first block that may hold a log of ours.

    `range_logs` is the number of logs aimed at in a range; `ahead` begins the fetching of the next ranges, with None
    each is fetched when it is wanted. Times are in seconds: `trouble_seconds` is the pause after a node failed,
    `finality_alarm_seconds` how long blocks may come without any becoming final.
    """

    chain_id: int
    start_block: int
    deployment_digest: bytes
    poll_seconds: float
    range_blocks: int
    range_logs: int = 7_500
    ahead: Start | None = Threaded
    trouble_seconds: float = 1.0
    finality_alarm_seconds: float = 1_200.0


class Runner:
    """See the module's docstring. `clock` counts seconds; `wait` pauses for seconds and tells whether to stop."""

    def __init__(
        self,
        node: Node,
        store: Store,
        reducer: Reducer,
        options: Options,
        *,
        clock: Callable[[], float] = time.monotonic,
        wait: Callable[[threading.Event, float], bool] | None = None,
        beside: Beside | None = None,
    ) -> None:
        """`beside` reads ahead until the mirror has caught up for the first time; it is closed here."""
        self._node = node
        self._store = store
        self._reducer = reducer
        self._options = options
        self._clock = clock
        self._wait = wait or (lambda stop, seconds: stop.wait(seconds))
        self._forks = Forks(node)
        ranges = Ranges.starting(options.range_blocks, logs=options.range_logs, slowly=True)
        self._reader = Reader(node, reducer, ranges, ahead=options.ahead, beside=beside)
        self._filling = Filling(node, store, reducer, self._reader)
        self._watch = Watch(store.note_health, clock=clock, finality_seconds=options.finality_alarm_seconds)
        self._garbage = Garbage()
        self._ready = False
        self._idle: tuple[bytes, float] | None = None
        self._contradicted: tuple[int, int] | None = None
        self._source: str | None = None
        self.position: Position | None = None

    def run(self, stop: threading.Event) -> None:
        """Run until `stop` is set. Raises what no waiting can cure; see the module's docstring."""
        try:
            self._run(stop)
        finally:
            self._reader.settle()

    def _run(self, stop: threading.Event) -> None:
        pause = 0.0
        while not self._wait(stop, pause):
            try:
                pause = self._rest(idle=self._same_head() or self.turn(stop))
            except WrongChainError:
                raise
            except UndecodableError as error:
                self._store.bury(error.log, error.reason)
                self._store.note_health("stopped", f"a log could not be understood: {error}")
                raise
            except TooDeepError as error:
                self._store.note_health("stopped", f"reorg too deep: {error}")
                raise
            except ChainError as error:
                pause = self._wait_out(error)
            except (OperationalError, InterfaceError) as error:
                _log.warning("the database cannot be used now", error=_first_line(error))
                self._recover(stop)
                pause = self._options.poll_seconds

    def turn(self, stop: threading.Event) -> bool:
        """Take steps until nothing is left to do at the tip just read; return True when idle.

        What was begun has arrived when this returns. If it has not, that is what is raised, whatever else went wrong.
        """
        try:
            idle = self._steps(stop)
        except Exception:
            self._store.flush()
            raise
        finally:
            self._garbage.release()
        self._store.flush()
        return idle

    def _steps(self, stop: threading.Event) -> bool:
        self._idle = None
        if self.position is None:
            self.position = self._start()
        tip = self._node.tip(self.position.view.final)
        self._watch.finality(tip.head.block.number, tip.final.block.number, tip.doubt)
        while not stop.is_set():
            try:
                done = self._step(self.position, tip, stop)
            except UndecodableError as error:
                self._doubt(error)
                return False
            if done is not None:
                return done
        return True

    def _step(self, position: Position, tip: Tip, stop: threading.Event) -> bool | None:
        """Take one step. Return None to take another one at this tip, else whether nothing is left to do."""
        if self._filling.gaps:
            return self._fill(position, tip, stop)
        step = self._plan(position, tip)
        if not isinstance(step, Backfill):
            self._store.flush()
        if isinstance(step, Finalise | Behind | Idle):
            self._forks.forget()
        match step:
            case Backfill():
                return self._backfill(position, step, tip, stop)
            case Follow():
                return self._follow(position, step, tip)
            case Examine():
                return self._examine(position, step.tip)
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
        return None

    def _plan(self, position: Position, tip: Tip) -> Step:
        return plan(
            position.view,
            head=tip.head.block,
            safe=tip.safe.block,
            final=tip.final.block,
            range_size=self._reader.ranges.size,
            marks=position.marks,
        )

    def _start(self) -> Position:
        options = self._options
        self._node.check(options.chain_id)
        genesis = self._node.header(0).block
        identity = Identity(
            chain_id=options.chain_id,
            genesis_hash=genesis.hash,
            deployment_digest=options.deployment_digest,
            start_block=options.start_block,
        )
        self._store.install(identity)
        anchor = min(max(0, options.start_block - 1), self._node.tip(genesis).final.block.number)
        position = self._store.take_over(self._node.header(anchor).block)
        self._filling.load(position)
        self._watch.working()
        _log.info("started", block=position.view.head.number, final=position.view.final.number, epoch=position.epoch)
        return position

    def _backfill(self, position: Position, step: Backfill, tip: Tip, stop: threading.Event) -> bool | None:
        started = self._clock()
        try:
            stretch = self._reader.read(
                step.first, step.last, until=tip.final.block.number, wait=lambda seconds: self._wait(stop, seconds)
            )
        except HoleError as hole:
            self._store.flush()
            self._filling.pass_over(position, hole)
            return None
        if stretch is None:
            return None
        self._source = stretch.provider
        if stretch.found.start.parent_hash != position.view.head.hash:
            self._reader.drop()
            self._store.flush()
            return self._examine(position, stretch.found.start)
        self._garbage.hold()
        self.position = self._store.begin_range(position, stretch.found.end, stretch.decoded)
        self._wrote(self.position)
        seconds = round(self._clock() - started, 3)
        _log.info("range", first=step.first, last=stretch.last, events=len(stretch.decoded), seconds=seconds)
        return None

    def _follow(self, position: Position, step: Follow, tip: Tip) -> bool | None:
        last = min(step.last, step.first + _FOLLOW_BATCH - 1)
        known = [tip.head] if last == tip.head.block.number else []
        headers = self._node.headers(range(step.first, last + 1 - len(known)), near_head=True)
        for header in [*headers, *known]:
            if header.block.parent_hash != position.view.head.hash:
                return self._examine(position, header.block)
            logs = self._node.logs_of(header)
            failpoint("fetched")
            self._source = self._node.providers.answered.name
            position = self._store.append_block(position, header.block, self._reducer.decode(logs))
            self.position = position
            self._forks.forget()
            self._wrote(position)
            _log.info("block", number=header.block.number, events=len(logs))
        return None

    def _fill(self, position: Position, tip: Tip, stop: threading.Event) -> bool:
        """Take a turn with holes; return True when nothing can be done about them now."""
        hole = next((gap for gap in self._filling.gaps if not gap.is_open), None)
        if hole is not None:
            self._watch.tell("hole", f"blocks {hole.first} to {hole.last} cannot be read: {hole.reason}")
        final = tip.final.block.number
        self.position, busy = self._filling.turn(position, final, lambda seconds: self._wait(stop, seconds))
        if not self._filling.gaps:
            self._watch.clear("hole")
        return not busy

    def _examine(self, position: Position, tip: Block) -> bool:
        """Go back to the block the other chain is built on, if the evidence for it is good enough.

        Return False: whatever came of it, the tip has to be read anew.
        """
        ancestor = self._forks.examine(position.view, tip)
        if ancestor is None:
            return False
        depth = position.view.head.number - ancestor.number
        self.position = self._store.revert(position, ancestor)
        self._forks.forget()
        _log.warning("reorg", depth=depth, ancestor=ancestor.number)
        return False

    def _doubt(self, error: UndecodableError) -> None:
        """Fetch logs that cannot be right once more, elsewhere. Raises the error when they come again."""
        place = (error.log.block_number, error.log.log_index)
        self._reader.drop()
        if self._contradicted is not None and place <= self._contradicted:
            raise error
        self._contradicted = place
        _log.warning("logs that cannot be right", error=str(error))
        self._reader.distrust(str(error), self._source)

    def _rest(self, *, idle: bool) -> float:
        """Return how long to pause after a turn."""
        if self._filling.gaps:
            return self._options.trouble_seconds if idle else 0.0
        return self._options.poll_seconds if idle or self._forks.doubtful else 0.0

    def _wrote(self, position: Position) -> None:
        """What was doubted has come through, and the node can be used."""
        if self._contradicted is not None and position.view.head.number >= self._contradicted[0]:
            self._contradicted = None
        self._watch.clear("node")

    def _same_head(self) -> bool:
        """Return whether, since the last idle turn, the node still shows the same newest block: one small question."""
        if self._idle is None:
            return False
        head, until = self._idle
        return self._clock() < until and self._node.head().block.hash == head

    def _wait_out(self, error: ChainError) -> float:
        """Blame the provider; return how long to pause."""
        _log.warning("the node cannot be used now", error=str(error), provider=error.provider)
        self._idle = None
        self._reader.drop()
        if not isinstance(error, TransportError | RateLimitedError):
            self._reader.distrust(str(error), error.provider)
        self._watch.trouble("node", f"no node can be used: {error}")
        asked = error.retry_after if isinstance(error, RateLimitedError) and error.retry_after else 0.0
        return max(min(asked, _LONGEST_PAUSE), self._options.trouble_seconds, self._options.poll_seconds)

    def _recover(self, stop: threading.Event) -> None:
        """Wait for the database and read where we stand: a COMMIT without an answer may or may not have happened."""
        self._reader.drop()
        while self.position is not None and not stop.is_set():
            try:
                self.position = self._store.reload(self.position.epoch)
                self._filling.load(self.position)
            except (OperationalError, InterfaceError) as error:
                _log.warning("still waiting for the database", error=_first_line(error))
                self._wait(stop, 1.0)
            else:
                return

    def _note_idle(self, tip: Tip) -> None:
        self._watch.clear("lag", "node")
        self._idle = (tip.head.block.hash, self._clock() + _TIP_SECONDS)
        if not self._ready:
            self._reader.settle()
            self._store.publish()
            self._ready = True
            _log.info("ready", block=tip.head.block.number)

    def _note_lag(self, by: int) -> None:
        if self._watch.trouble("lag", f"the node is {by} blocks behind what we hold"):
            self._node.distrust(f"{by} blocks behind")


def _first_line(error: DBAPIError) -> str:
    return str(error.orig).splitlines()[0] if error.orig is not None else str(error)
