"""Starts services in order, restarts what crashes, stops everything in reverse order.

Goals: the person sees one line per step with its time; a start that fails or is cancelled leaves no process behind.
Invariants: a process is in the table and in the run file before anything waits for it; the monitor never restarts a
service that somebody is stopping or restarting on purpose (one lock around the table).
If the supervisor itself is killed outright its children live on; the run file lets the next command end them.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from scripts.devnet.errors import DevnetCancelledError, DevnetError
from scripts.devnet.process import RunningProcess, Service, exit_reason, process_start_time, signal_group
from scripts.devnet.runfile import RunFile, RunState, ServiceState

POLL_SECONDS = 0.05
FIRST_BACKOFF = 0.5
MAX_BACKOFF = 30.0
HEALTHY_AFTER = 30.0
"""A service that ran this long before it stopped starts again with the shortest back-off."""

Report = Callable[[str], None]


@dataclass(slots=True)
class _Entry:
    service: Service
    process: RunningProcess
    restarts: int = 0
    backoff: float = FIRST_BACKOFF
    retry_at: float | None = None
    up_since: float = 0.0
    wanted: bool = True
    remedy: str = ""
    """Why no restart helps and what to do, once that is known."""

    def state(self) -> str:
        if not self.wanted:
            return "stopped"
        if self.remedy:
            return "crashed"
        if self.retry_at is not None:
            return "restarting"
        return "running" if self.process.exit_code() is None else "crashed"


class Supervisor:
    """Owner of every process of one state directory. `report` receives the lines to show."""

    def __init__(self, state_dir: Path, report: Report, runfile: RunFile) -> None:
        self.cancel = threading.Event()
        self.force = threading.Event()
        self.url = ""
        self.port = 0
        self._logs = state_dir / "logs"
        self._logs.mkdir(parents=True, exist_ok=True)
        self._report = report
        self._runfile = runfile
        self._entries: dict[str, _Entry] = {}
        self._lock = threading.RLock()
        self._phase = "starting"
        self._monitor: threading.Thread | None = None
        self._closing = threading.Event()
        self._own_start = process_start_time(os.getpid())
        self.record()

    @contextmanager
    def step(self, label: str, detail: str = "") -> Iterator[None]:
        """Report a step with its duration. Raises DevnetCancelledError before it when a stop was asked for."""
        self._check_cancelled()
        self._report(f"  {label} ...")
        started = time.monotonic()
        yield
        self._report(progress_line(label, time.monotonic() - started, detail))

    def start(self, *services: Service) -> None:
        """Start services side by side and wait until each is ready. Raises DevnetError naming the one that is not."""
        self._check_cancelled()
        if services:
            self._report(f"  {', '.join(service.label for service in services)} ...")
        started = time.monotonic()
        for service in services:
            self.launch(service)
        for service in services:
            self._wait_ready(self._entries[service.name])
            self._report(progress_line(service.label, time.monotonic() - started, service.detail))

    def launch(self, service: Service) -> None:
        """Start a service and do not wait for it; if it stops it is started again. Raises DevnetError."""
        self._check_cancelled()
        with self._lock:
            self._entries[service.name] = _Entry(service, self._spawn(service), up_since=time.monotonic())
            self.record()

    def watch(self) -> None:
        """Begin to restart what crashes."""
        self._phase = "running"
        self.record()
        self._monitor = threading.Thread(target=self._watch, name="devnet-monitor", daemon=True)
        self._monitor.start()

    def restart(self, name: str, with_signal: signal.Signals) -> None:
        """End one service with a signal and wait until a new instance is ready."""
        with self._lock:
            entry = self._entries[name]
            entry.process.kill(with_signal)
            self._respawn(entry)
            self._wait_ready(entry)

    def stop(self, name: str, with_signal: signal.Signals | None = None) -> None:
        """Stop one service and leave it stopped; without a signal, gracefully."""
        with self._lock:
            entry = self._entries[name]
            entry.wanted = False
            if with_signal is None:
                entry.process.stop(self.force.is_set)
            else:
                entry.process.kill(with_signal)
            self.record()

    def resume(self, name: str) -> None:
        """Start a service again that `stop` has stopped, and wait until it is ready."""
        with self._lock:
            entry = self._entries[name]
            entry.wanted = True
            self._respawn(entry)
            self._wait_ready(entry)

    def process(self, name: str) -> RunningProcess:
        """Return the current process of a service. Raises KeyError when it was never started."""
        return self._entries[name].process

    def close(self) -> None:
        """Stop every service in reverse order. Safe to call twice and after a start that failed."""
        self._closing.set()
        if self._monitor is not None and self._monitor is not threading.current_thread():
            self._monitor.join()
        with self._lock:
            self._phase = "stopping"
            self.record()
            for entry in reversed(self._entries.values()):
                started = time.monotonic()
                was_running = entry.process.exit_code() is None
                entry.wanted = False
                entry.process.stop(self.force.is_set)
                if was_running:
                    self._report(progress_line(f"stopped {entry.service.label}", time.monotonic() - started))
            self._entries.clear()

    def record(self) -> None:
        """Write the run file."""
        services = tuple(
            ServiceState(
                name=entry.service.name,
                label=entry.service.label,
                pid=entry.process.pid,
                started=entry.process.started,
                state=entry.state(),
                restarts=entry.restarts,
                detail=entry.remedy or entry.service.detail,
                stop_signal=int(entry.service.stop_signal),
            )
            for entry in self._entries.values()
        )
        self._runfile.write(RunState(os.getpid(), self._own_start, self._phase, self.url, services, self.port))

    def _spawn(self, service: Service) -> RunningProcess:
        try:
            service.prepare()
            return RunningProcess(service, self._logs / f"{service.name}.log")
        except OSError as error:
            raise DevnetError(f"{service.label} could not be started: {error}.") from error

    def _respawn(self, entry: _Entry) -> None:
        entry.process = self._spawn(entry.service)
        entry.retry_at = None
        entry.remedy = ""
        entry.up_since = time.monotonic()
        entry.restarts += 1
        self.record()

    def _wait_ready(self, entry: _Entry) -> None:
        service, process = entry.service, entry.process
        deadline = time.monotonic() + service.start_timeout
        while True:
            self._check_cancelled()
            code = process.exit_code()
            if code is not None:
                if code in service.hopeless:
                    raise DevnetError(service.hopeless[code])
                raise DevnetError(
                    f"{service.label} stopped while starting ({exit_reason(code)}): "
                    f"{process.last_log_line()} (log: {process.log_path})"
                )
            if service.ready(process):
                return
            if time.monotonic() > deadline:
                raise DevnetError(
                    f"{service.label} was not ready within {service.start_timeout:.0f} s (log: {process.log_path})."
                )
            time.sleep(POLL_SECONDS)

    def _watch(self) -> None:
        while not self._closing.wait(0.2):
            with self._lock:
                for entry in list(self._entries.values()):
                    if entry.wanted:
                        self._look_after(entry)

    def _look_after(self, entry: _Entry) -> None:
        now = time.monotonic()
        code = entry.process.exit_code()
        if code is None or entry.remedy:
            return
        if code in entry.service.hopeless:
            entry.remedy = entry.service.hopeless[code]
            self.record()  # before it is said: who reads the line and asks for the state gets the same answer
            self._report(f"  ! {entry.service.label} stopped: {entry.remedy}")
        elif entry.retry_at is None:
            signal_group(entry.process.pid, signal.SIGKILL)  # forked workers must not outlive their parent
            if now - entry.up_since > HEALTHY_AFTER:
                entry.backoff = FIRST_BACKOFF
            entry.retry_at = now + entry.backoff
            self.record()
            self._report(
                f"  ! {entry.service.label} stopped ({exit_reason(code)}): {entry.process.last_log_line()}; "
                f"starting it again in {entry.backoff:.1f} s"
            )
            entry.backoff = min(entry.backoff * 2, MAX_BACKOFF)
        elif now >= entry.retry_at:
            try:
                self._respawn(entry)
            except DevnetError as error:
                entry.retry_at = now + entry.backoff
                self._report(f"  ! {error}")

    def _check_cancelled(self) -> None:
        if self.cancel.is_set() and not self._closing.is_set():
            raise DevnetCancelledError


def progress_line(label: str, seconds: float, detail: str = "") -> str:
    """Return one line of progress."""
    return f"  {label:<34} {seconds:6.1f} s   {detail}".rstrip()


def show_states(services: Sequence[ServiceState]) -> Iterator[str]:
    """Return one line per service for `aicp status`."""
    for service in services:
        again = f", {service.restarts} restart(s)" if service.restarts else ""
        yield f"  {service.label:<24} {service.state:<11} pid {service.pid:<8} {service.detail}{again}".rstrip()
