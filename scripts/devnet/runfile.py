"""Who runs this state directory: an exclusive lock, and a list of the processes that belong to it.

`run/lock` is held with flock for the supervisor's whole life, so the kernel frees it however the supervisor dies.
`run/devnet.json` names the supervisor and its children by pid and start time and is replaced atomically; after the
supervisor was killed outright it is what the next `up` or `down` uses to end the children it left.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

from scripts.devnet.process import is_same_process, signal_group


@dataclass(frozen=True, slots=True)
class ServiceState:
    """One child as last seen. `started` is unix seconds and identifies the process together with `pid`."""

    name: str
    label: str
    pid: int
    started: float
    state: str
    restarts: int
    detail: str
    stop_signal: int


@dataclass(frozen=True, slots=True)
class RunState:
    """The supervisor and its children, in the order they were started."""

    pid: int
    started: float
    phase: str
    url: str
    services: tuple[ServiceState, ...]
    port: int = 0
    """Of the page; 0 in a file written before it was kept."""

    def left_alive(self) -> tuple[ServiceState, ...]:
        """Return the children that still live."""
        return tuple(service for service in self.services if is_same_process(service.pid, service.started))


class RunFile:
    """The `run` folder of one state directory."""

    def __init__(self, state_dir: Path) -> None:
        self.folder = state_dir / "run"
        self.path = self.folder / "devnet.json"
        self._lock: IO[str] | None = None

    def acquire(self) -> bool:
        """Take the lock; False when another supervisor holds it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        lock = (self.folder / "lock").open("a")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            return False
        self._lock = lock
        return True

    def release(self) -> None:
        """Forget the run: remove the file, then free the lock."""
        self.path.unlink(missing_ok=True)
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def is_held(self) -> bool:
        """Tell whether a living supervisor holds the lock."""
        if not (self.folder / "lock").exists():
            return False
        with (self.folder / "lock").open("a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
        return False

    def write(self, state: RunState) -> None:
        """Replace the list of processes."""
        fresh = self.path.with_suffix(".tmp")
        fresh.write_text(json.dumps(asdict(state), indent=1), encoding="utf-8")
        fresh.replace(self.path)

    def read(self) -> RunState | None:
        """Return the last written state, or None when nothing ran here."""
        try:
            raw = json.loads(self.path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        services = tuple(ServiceState(**service) for service in raw.pop("services"))
        return RunState(services=services, **raw)


def end_orphans(services: Sequence[ServiceState], timeout: float = 15.0) -> list[str]:
    """End processes whose supervisor is gone, last started first, and return the labels of those found alive."""
    ended = []
    for service in reversed(services):
        if not is_same_process(service.pid, service.started):
            continue
        ended.append(service.label)
        os.kill(service.pid, service.stop_signal)
        deadline = time.monotonic() + timeout
        while is_same_process(service.pid, service.started) and time.monotonic() < deadline:
            time.sleep(0.05)
        signal_group(service.pid, signal.SIGKILL)
    return ended
