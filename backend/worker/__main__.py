"""`python -m backend.worker`: the workers' processes in one group. Several groups may run; any process may be killed.

The parent starts a pool for each kind of duty, of which one also keeps the clock, a doorbell, and the carrier of
notifications, which waits for other people's servers and so takes no place in a pool. It starts anew what ends, with a
pause, and ends when it is told to, after every pool has finished the rounds it is in. Nothing is kept here: whatever
dies, the next round finds its work in the database.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from types import FrameType
from typing import Final

from backend.worker.pools import POOLS

CLOCK: Final = "duties"
"""The pool whose parent also rings every round when its time has come."""
PAUSE_SECONDS: Final = 1.0
NICE: Final = 5
"""Where the processor is short, rounds come after answers to people: at a third of the share of a process at 0."""
PATIENCE_SECONDS: Final = 95.0
"""Longer than the hardest limit of a round."""
_COMMANDS: Final = {
    **{name: ("backend.worker.pool", name, *(("--clock",) if name == CLOCK else ())) for name in POOLS},
    "doorbell": ("backend.worker.doorbell",),
    "carrier": ("backend.worker.carrier",),
}


class Group:
    """The processes of one parent."""

    def __init__(self) -> None:
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._stopping = False

    def stop(self, _signal: int, _frame: FrameType | None) -> None:
        """Ask every process to finish; may be called from a signal handler."""
        self._stopping = True
        for process in self._running.values():
            process.terminate()

    def run(self) -> int:
        """Keep the processes running until told to stop; return the exit code."""
        while not self._stopping:
            for name, words in _COMMANDS.items():
                process = self._running.get(name)
                if (process is None or process.poll() is not None) and not self._stopping:
                    command = [sys.executable, "-m", *words]
                    self._running[name] = subprocess.Popen(command)  # noqa: S603  # of our own
            time.sleep(PAUSE_SECONDS)
        for process in self._running.values():  # one may have begun while the signal came
            process.terminate()
        return self._wait()

    def _wait(self) -> int:
        deadline = time.monotonic() + PATIENCE_SECONDS
        for process in self._running.values():
            try:
                process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        return 0


def main() -> int:
    """Run until a signal; return the exit code."""
    group = Group()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, group.stop)
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    os.nice(NICE)
    return group.run()


if __name__ == "__main__":
    sys.exit(main())
