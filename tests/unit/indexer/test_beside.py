"""The process that reads ahead: the same answers and errors as here, and it never outlives this one."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from indexer.background import Threaded
from indexer.beside import Beside, GoneError
from indexer.chain import errors
from indexer.chain.errors import ChainError, InconsistentNodeError, RangeTooLargeError, RpcError, TransportError
from indexer.core.ranges import Hint, Ranges
from indexer.reading import Reader
from tests.unit.indexer.fakechain import Chain, FakeNode, RpcFault, node_of
from tests.unit.indexer.test_reading import COUNTS, PLACES, AnyReducer

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="a process is forked on Linux only")


@pytest.fixture
def fake() -> FakeNode:
    return FakeNode(Chain().mine(*COUNTS))


@pytest.fixture
def beside(fake: FakeNode) -> Iterator[Beside]:
    started = Beside(lambda: node_of(fake))
    yield started
    started.close()


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def until(condition: Any, seconds: float = 30.0) -> bool:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)
    return bool(condition())


def reader_of(fake: FakeNode, beside: Beside) -> Reader:
    reducer: Any = AnyReducer()
    return Reader(node_of(fake), reducer, Ranges.starting(3, logs=20), ahead=Threaded, beside=beside)


def everything(reader: Reader, last: int, *, at: int = 0) -> list[tuple[int, int]]:
    places = []
    while at < last:
        stretch = reader.read(at + 1, min(last, at + reader.ranges.size), until=last, wait=lambda _: None)
        if stretch is not None:
            places += [(item.log.block_number, item.log.log_index) for item in stretch.decoded]
            at = stretch.last
    return places


def test_it_tells_what_the_node_here_tells(fake: FakeNode, beside: Beside) -> None:
    found, provider = beside.begin(2, 9).result()
    here = node_of(fake)
    assert found == here.logs_between(2, 9)
    assert found.logs
    assert provider == here.providers.answered.name
    assert beside.pid != os.getpid()


def test_answers_nobody_waits_for_any_more_are_passed_over(fake: FakeNode, beside: Beside) -> None:
    beside.begin(1, 3)
    beside.begin(4, 5)
    found, _ = beside.begin(6, 9).result()
    assert found == node_of(fake).logs_between(6, 9)


def test_a_node_that_cannot_be_made_yet_is_made_when_it_is_asked(fake: FakeNode) -> None:
    made: list[int] = []

    def make() -> Any:
        made.append(1)
        if len(made) == 1:
            raise TransportError("not yet")
        return node_of(fake)

    beside = Beside(make)
    try:
        found, _ = beside.begin(2, 9).result()
    finally:
        beside.close()
    assert found == node_of(fake).logs_between(2, 9)


def test_every_log_comes_once_and_what_is_ahead_is_asked_for_elsewhere(fake: FakeNode, beside: Beside) -> None:
    reader = reader_of(fake, beside)
    assert everything(reader, 60) == PLACES
    assert fake.batches == 2  # the first range: one question for logs and one for receipts; this process asked no more


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (RpcFault(-32005, "query returned more than 10000 results. Try 0x1 to 0x4"), RangeTooLargeError),
        (RpcFault(-32601, "method not found"), RpcError),
        (RpcFault(-32000, "header not found"), ChainError),
        (httpx.ReadTimeout("slow"), TransportError),
    ],
)
def test_its_errors_are_those_of_the_node_here(fake: FakeNode, fault: Exception, kind: type[ChainError]) -> None:
    def refuse(method: str, params: list[Any], result: Any) -> Any:
        if method == "eth_getLogs":
            raise fault
        return result

    fake.fault = refuse
    with pytest.raises(kind) as here:
        node_of(fake).logs_between(2, 9)
    beside = Beside(lambda: node_of(fake))
    try:
        with pytest.raises(kind) as there:
            beside.begin(2, 9).result()
    finally:
        beside.close()
    assert type(there.value) is type(here.value)
    assert str(there.value) == str(here.value)
    assert there.value.__dict__ == here.value.__dict__


def test_every_error_of_the_chain_survives_the_way() -> None:
    made: list[ChainError] = []
    for kind in vars(errors).values():
        if not isinstance(kind, type) or not issubclass(kind, ChainError):
            continue
        error = kind("eth_getLogs", -32000, "no") if issubclass(kind, RpcError) else kind("no")
        error.provider = "a node"
        made.append(error)
    made.append(RangeTooLargeError("no", Hint(blocks=7)))
    assert len(made) > 10
    for error in made:
        again = pickle.loads(pickle.dumps(error))  # made one line above
        assert (type(again), str(again), again.__dict__) == (type(error), str(error), error.__dict__)


def test_who_is_distrusted_here_is_not_asked_first_there(fake: FakeNode) -> None:
    other = FakeNode(Chain().mine(*COUNTS))
    beside = Beside(lambda: node_of(fake, other))
    try:
        _, first = beside.begin(1, 3).result()
        beside.distrust("it lied", first)
        _, second = beside.begin(1, 3).result()
    finally:
        beside.close()
    assert second != first


def test_a_reader_distrusts_here_and_there(fake: FakeNode) -> None:
    told: list[tuple[str, str]] = []
    beside: Any = Beside(lambda: node_of(fake))
    reader = reader_of(fake, beside)
    beside.distrust = lambda reason, provider: told.append((reason, provider))
    reader.distrust("it lied", "node-0")
    reader.settle()
    assert told == [("it lied", "node-0")]


def test_killed_in_the_middle_nothing_is_lost(fake: FakeNode, beside: Beside) -> None:
    reader = reader_of(fake, beside)
    first = reader.read(1, 3, until=60, wait=lambda _: None)
    assert first is not None
    os.kill(beside.pid, signal.SIGKILL)
    until(lambda: not alive(beside.pid))
    places = [(item.log.block_number, item.log.log_index) for item in first.decoded]
    assert places + everything(reader, 60, at=first.last) == PLACES
    with pytest.raises(GoneError):
        beside.begin(1, 3).result()


def test_what_is_distrusted_after_its_end_is_no_error(fake: FakeNode, beside: Beside) -> None:
    beside.close()
    beside.distrust("it lied", "node")


def test_closed_it_is_gone_though_its_node_never_answers() -> None:
    class Silent(FakeNode):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            time.sleep(60)
            return super().handle_request(request)

    beside = Beside(lambda: node_of(Silent(Chain().mine(*COUNTS))))
    reading = beside.begin(1, 3)
    started = time.monotonic()
    beside.close()
    assert time.monotonic() - started < 30
    assert not alive(beside.pid)
    with pytest.raises(GoneError):
        reading.result()


def test_it_ends_with_the_process_that_started_it() -> None:
    program = """
        import time
        from indexer.beside import Beside
        beside = Beside(lambda: None)
        print(beside.pid, flush=True)
        time.sleep(60)
    """
    with subprocess.Popen([sys.executable, "-c", textwrap.dedent(program)], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert alive(pid)
        parent.kill()
    assert until(lambda: not alive(pid))


def test_an_inconsistent_answer_names_its_provider(fake: FakeNode) -> None:
    fake.fault = lambda method, params, result: result[1:] if method == "eth_getLogs" else result
    beside = Beside(lambda: node_of(fake))
    try:
        with pytest.raises(InconsistentNodeError) as error:
            beside.begin(2, 9).result()
    finally:
        beside.close()
    assert error.value.provider == node_of(fake).providers.members[0].name
