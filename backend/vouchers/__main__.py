"""`python -m backend.vouchers`: takes vouchers over HTTP in as many processes as there are shards.

The parent starts the shards, one for each part of the pools, starts one anew that has ended, and passes a signal on.
A shard is sent the vouchers of its own pools; those of others it takes as well, only slower.
"""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
import time
from types import FrameType
from typing import Final

import uvloop

from backend.api.logs import configure
from backend.context import load_context
from backend.settings import settings
from backend.vouchers.shard import serve

RESTART_SECONDS: Final = 0.5


def main() -> None:
    """Run one shard where `--shard` names it, all of them otherwise."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shard", type=int)
    arguments = parser.parse_args()
    configure()
    chosen = settings()
    shards = chosen.voucher_shards
    if arguments.shard is None:
        sys.exit(_Parent(shards).run())
    port = chosen.voucher_port + arguments.shard
    uvloop.run(serve(load_context(chosen), arguments.shard, shards, port))


class _Parent:
    """Keeps the shards running until a signal."""

    def __init__(self, shards: int) -> None:
        self._children: list[subprocess.Popen[bytes]] = []
        self._shards = shards
        self._stopping = False

    def run(self) -> int:
        """Return the exit code: 0 after a signal."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        self._children = [self._start(shard) for shard in range(self._shards)]
        while not self._stopping:
            time.sleep(RESTART_SECONDS)
            for shard, child in enumerate(self._children):
                if child.poll() is not None and not self._stopping:
                    self._children[shard] = self._start(shard)
        for child in self._children:
            child.terminate()
        return max(child.wait() for child in self._children)

    @staticmethod
    def _start(shard: int) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "backend.vouchers", "--shard", str(shard)]
        return subprocess.Popen(command)  # noqa: S603  # ourselves

    def _stop(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002  # the shape of a handler
        self._stopping = True


if __name__ == "__main__":
    main()
