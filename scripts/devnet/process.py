"""One supervised process: a declarative service and the running instance of it.

Every process leads its own process group, so that a Ctrl-C at the terminal reaches the supervisor alone (which then
stops services in order) and so that a stop can end the children a service has forked.
"""

from __future__ import annotations

import json
import os
import pwd
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypedDict

import psutil

LOG_TAIL_BYTES = 4000


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """What to run and how to know that it works.

    `ready` is polled until it returns True; `detail` is shown beside the progress line. Timeouts in seconds.
    `prepare` runs before every start, also after a crash. `hopeless` names exit codes that no restart cures, each with
    the sentence that says what to do.
    """

    name: str
    label: str
    command: tuple[str, ...]
    ready: Callable[[RunningProcess], bool]
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: Path | None = None
    user: str | None = None
    detail: str = ""
    stop_signal: signal.Signals = signal.SIGTERM
    prepare: Callable[[], None] = lambda: None
    hopeless: Mapping[int, str] = field(default_factory=dict)
    start_timeout: float = 60.0
    stop_timeout: float = 15.0


class RunAs(TypedDict, total=False):
    """Popen's arguments that change who a process is."""

    user: str
    group: int
    extra_groups: list[int]


class RunningProcess:
    """A started service. Not thread-safe: the supervisor serialises access."""

    def __init__(self, service: Service, log_path: Path) -> None:
        self.service = service
        self.log_path = log_path
        self.log_start = log_path.stat().st_size if log_path.exists() else 0
        with log_path.open("ab") as log:
            self._popen = subprocess.Popen(
                service.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **service.env},
                cwd=service.cwd,
                **run_as(service.user),
                start_new_session=True,
            )
        self.pid = self._popen.pid
        self.started = process_start_time(self.pid)

    def exit_code(self) -> int | None:
        """Return the exit code, or None while it runs."""
        return self._popen.poll()

    def log_since_start(self) -> bytes:
        """Return what this instance has written to its log (the last few kilobytes of it)."""
        with self.log_path.open("rb") as log:
            size = log.seek(0, os.SEEK_END)
            log.seek(max(self.log_start, size - LOG_TAIL_BYTES))
            return log.read()

    def last_log_line(self) -> str:
        """Return the last non-empty line written, for an error message."""
        lines = [line.strip() for line in self.log_since_start().decode(errors="replace").splitlines()]
        return readable(next((line for line in reversed(lines) if line), "it wrote nothing"))

    def kill(self, with_signal: signal.Signals) -> None:
        """Send a signal to the whole group and wait for the leader to end."""
        signal_group(self.pid, with_signal)
        try:
            self._popen.wait(self.service.stop_timeout)
        except subprocess.TimeoutExpired:
            signal_group(self.pid, signal.SIGKILL)
            self._popen.wait()
        signal_group(self.pid, signal.SIGKILL)

    def stop(self, force: Callable[[], bool]) -> None:
        """Ask the leader to stop, wait, then end whatever is left of its group.

        Only the leader is asked: a server that forks workers lets them finish what they hold.
        """
        if self._popen.poll() is None:
            self._popen.send_signal(self.service.stop_signal)
        deadline = time.monotonic() + self.service.stop_timeout
        while self._popen.poll() is None and time.monotonic() < deadline and not force():
            time.sleep(0.02)
        signal_group(self.pid, signal.SIGKILL)
        self._popen.wait()


def readable(line: str) -> str:
    """Return the sentence in a structured log line, or the line itself."""
    try:
        entry = json.loads(line)
    except ValueError:
        return line
    if not isinstance(entry, dict) or "event" not in entry:
        return line
    return f"{entry['event']}: {entry['error']}" if "error" in entry else str(entry["event"])


def run_as(user: str | None) -> RunAs:
    """Return Popen's arguments for another user, with that user's group alone."""
    if user is None:
        return {}
    return {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": []}


def signal_group(leader_pid: int, with_signal: signal.Signals) -> None:
    """Signal a process group if it still has members."""
    try:
        os.killpg(leader_pid, with_signal)
    except ProcessLookupError:
        return


def process_start_time(pid: int) -> float:
    """Return when a process started (unix seconds), or 0.0 when there is none: with the pid it names one process."""
    try:
        return float(psutil.Process(pid).create_time())
    except psutil.NoSuchProcess:
        return 0.0


def is_same_process(pid: int, started: float) -> bool:
    """Tell whether the pid still belongs to the process that started then (pids are reused)."""
    try:
        process = psutil.Process(pid)
        return bool(abs(process.create_time() - started) < 1.0 and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def exit_reason(code: int) -> str:
    """Say in words how a process ended."""
    if code < 0:
        return f"killed by {signal.Signals(-code).name}"
    return f"exit code {code}"
