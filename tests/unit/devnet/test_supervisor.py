"""The supervisor with real processes: order, errors, restarts, and nothing left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from scripts.devnet.errors import DevnetCancelledError, DevnetError
from scripts.devnet.probes import log_says
from scripts.devnet.process import RunningProcess, Service, is_same_process, process_start_time
from scripts.devnet.runfile import RunFile, end_orphans
from scripts.devnet.supervisor import Supervisor

SERVER = "import signal, time, sys; print('ready', flush=True); time.sleep(600)"
FORKING = (
    "import os, time\n"
    "if os.fork() == 0:\n"
    "    time.sleep(600)\n"
    "print('ready', flush=True)\n"
    "time.sleep(600)"
)  # fmt: skip
STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready', flush=True); time.sleep(600)"
)


def stub(name: str, code: str = SERVER, **changes: object) -> Service:
    values: dict[str, object] = {
        "name": name,
        "label": name.title(),
        "command": (sys.executable, "-c", code),
        "ready": log_says(b"ready"),
        "start_timeout": 20.0,
        "stop_timeout": 10.0,
    }
    return Service(**{**values, **changes})


def until(condition: Callable[[], object], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "not within the deadline"
        time.sleep(0.02)


def alive(process: RunningProcess) -> bool:
    return is_same_process(process.pid, process.started)


def living_members(group: int) -> list[int]:
    """Return the processes of a group that are more than an entry waiting to be reaped."""
    members = []
    for process in psutil.process_iter(["pid", "status"]):
        try:
            if os.getpgid(process.pid) == group and process.info["status"] != psutil.STATUS_ZOMBIE:
                members.append(process.pid)
        except ProcessLookupError:
            continue
    return members


class Bench:
    """A supervisor with its lines."""

    def __init__(self, folder: Path) -> None:
        self.lines: list[str] = []
        self.recorded: dict[str, list[str]] = {}
        """The states in the run file at the moment each line was said."""
        self.runfile = RunFile(folder)
        assert self.runfile.acquire()
        self.supervisor = Supervisor(folder, self._said, self.runfile)

    def _said(self, line: str) -> None:
        state = self.runfile.read()
        self.recorded[line] = [service.state for service in state.services] if state else []
        self.lines.append(line)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.supervisor.close()
    made.runfile.release()


def test_services_start_in_order_and_stop_in_reverse(bench: Bench) -> None:
    for name in ("first", "second"):
        bench.supervisor.start(stub(name))
    processes = [bench.supervisor.process(name) for name in ("first", "second")]
    bench.supervisor.close()
    assert [line.split("  ")[1].strip() for line in bench.lines] == [
        "First ...",
        "First",
        "Second ...",
        "Second",
        "stopped Second",
        "stopped First",
    ]
    assert not any(alive(process) for process in processes)


def test_a_service_that_ends_while_starting_is_named_with_its_last_words(bench: Bench) -> None:
    bench.supervisor.start(stub("good"))
    good = bench.supervisor.process("good")
    with pytest.raises(
        DevnetError, match=r"^Bad stopped while starting \(exit code 4\): no such table \(log: .*bad\.log\)$"
    ):
        bench.supervisor.start(stub("bad", "print('no such table'); raise SystemExit(4)"))
    bench.supervisor.close()
    assert not alive(good)


def test_a_service_that_never_gets_ready_is_an_error(bench: Bench) -> None:
    silent = stub("silent", "import time; time.sleep(600)", start_timeout=0.3)
    with pytest.raises(DevnetError, match=r"^Silent was not ready within 0 s"):
        bench.supervisor.start(silent)
    process = bench.supervisor.process("silent")
    bench.supervisor.close()
    assert not alive(process)


def test_a_command_that_does_not_exist_is_an_error(bench: Bench) -> None:
    with pytest.raises(DevnetError, match=r"^Missing could not be started: .*No such file"):
        bench.supervisor.start(stub("missing", command=("/no/such/program",)))


def test_a_crashed_service_is_reported_and_started_again(bench: Bench) -> None:
    bench.supervisor.start(stub("worker"))
    bench.supervisor.watch()
    first = bench.supervisor.process("worker")
    os.kill(first.pid, signal.SIGKILL)
    until(lambda: bench.supervisor.process("worker").pid != first.pid)
    second = bench.supervisor.process("worker")
    assert alive(second)
    assert any("Worker stopped (killed by SIGKILL): ready; starting it again in 0.5 s" in line for line in bench.lines)
    until(lambda: second.log_since_start() != b"")
    os.kill(second.pid, signal.SIGKILL)
    until(lambda: any("again in 1.0 s" in line for line in bench.lines))
    state = bench.runfile.read()
    assert state is not None
    assert state.services[0].restarts == 1


def test_children_of_a_killed_service_do_not_outlive_it(bench: Bench) -> None:
    bench.supervisor.start(stub("forking", FORKING))
    bench.supervisor.watch()
    first = bench.supervisor.process("forking")
    os.kill(first.pid, signal.SIGKILL)
    until(lambda: bench.supervisor.process("forking").pid != first.pid)
    until(lambda: not living_members(first.pid))


@pytest.mark.parametrize("with_signal", [signal.SIGTERM, signal.SIGKILL])
def test_a_restart_on_purpose_waits_until_ready(bench: Bench, with_signal: signal.Signals) -> None:
    bench.supervisor.start(stub("api"))
    bench.supervisor.watch()
    first = bench.supervisor.process("api")
    bench.supervisor.restart("api", with_signal)
    assert not alive(first)
    assert b"ready" in bench.supervisor.process("api").log_since_start()
    assert not any("stopped (" in line for line in bench.lines)


def test_a_stopped_service_stays_stopped_until_it_is_resumed(bench: Bench) -> None:
    bench.supervisor.start(stub("indexer"), stub("worker"))
    bench.supervisor.watch()
    bench.supervisor.stop("indexer", signal.SIGKILL)
    stopped = bench.supervisor.process("indexer")
    crashed = bench.supervisor.process("worker")  # what stops later, and by itself, is started again by the monitor
    os.kill(crashed.pid, signal.SIGKILL)
    until(lambda: bench.supervisor.process("worker") is not crashed)
    assert bench.supervisor.process("indexer") is stopped
    bench.supervisor.resume("indexer")
    assert alive(bench.supervisor.process("indexer"))


def test_a_service_that_ignores_the_stop_is_killed(bench: Bench) -> None:
    bench.supervisor.start(stub("stubborn", STUBBORN, stop_timeout=0.3))
    process = bench.supervisor.process("stubborn")
    bench.supervisor.close()
    assert not alive(process)


def test_a_cancelled_start_stops_waiting(bench: Bench) -> None:
    bench.supervisor.cancel.set()
    with pytest.raises(DevnetCancelledError):
        bench.supervisor.start(stub("late"))


def test_a_killed_supervisor_leaves_enough_to_end_its_children(tmp_path: Path) -> None:
    code = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from scripts.devnet.runfile import RunFile\n"
        "from scripts.devnet.supervisor import Supervisor\n"
        "from scripts.devnet.probes import log_says\n"
        "from scripts.devnet.process import Service\n"
        "runfile = RunFile(Path(sys.argv[1])); runfile.acquire()\n"
        "supervisor = Supervisor(Path(sys.argv[1]), print, runfile)\n"
        "for name in ('One', 'Two'):\n"
        "    command = (sys.executable, '-c', sys.argv[2])\n"
        "    supervisor.start(Service(name=name, label=name, command=command, ready=log_says(b'ready')))\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    root = Path(__file__).resolve().parents[3]
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path), SERVER], cwd=root, check=False, timeout=60)
    assert done.returncode == -signal.SIGKILL
    runfile = RunFile(tmp_path)
    assert not runfile.is_held()
    state = runfile.read()
    assert state is not None
    assert end_orphans(state.services) == ["Two", "One"]
    assert not any(is_same_process(service.pid, service.started) for service in state.services)
    assert end_orphans(state.services) == []


def test_a_reused_process_id_is_not_taken_for_ours() -> None:
    assert is_same_process(os.getpid(), process_start_time(os.getpid()))
    assert not is_same_process(os.getpid(), process_start_time(os.getpid()) - 60)


def test_the_lock_is_exclusive_and_freed(tmp_path: Path) -> None:
    first, second = RunFile(tmp_path), RunFile(tmp_path)
    assert first.acquire()
    assert not second.acquire()
    assert second.is_held()
    first.release()
    assert not second.is_held()
    assert second.acquire()
    second.release()


def test_what_no_restart_cures_stays_down_with_its_remedy(bench: Bench) -> None:
    remedy = "Run `make clean`."
    code = "print('ready', flush=True); import sys, time; time.sleep(1); sys.exit(4)"
    bench.supervisor.start(stub("hopeless", code, hopeless={4: remedy}))
    bench.supervisor.watch()
    until(lambda: bench.lines[-1] == f"  ! Hopeless stopped: {remedy}")
    state = bench.runfile.read()
    assert state is not None
    assert [(s.state, s.detail, s.restarts) for s in state.services] == [("crashed", remedy, 0)]
    assert bench.recorded[f"  ! Hopeless stopped: {remedy}"] == ["crashed"]
    with pytest.raises(DevnetError, match=r"^Run `make clean`\.$"):
        bench.supervisor.start(stub("at once", "import sys; sys.exit(4)", hopeless={4: remedy}))


def test_every_start_is_prepared_also_after_a_crash(bench: Bench) -> None:
    prepared: list[int] = []
    bench.supervisor.start(stub("chain", prepare=lambda: prepared.append(1)))
    bench.supervisor.restart("chain", signal.SIGKILL)
    assert prepared == [1, 1]
