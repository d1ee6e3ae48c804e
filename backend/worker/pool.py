"""`python -m backend.worker.pool NAME [--clock]`: one pool of worker processes, a child of `backend.worker`."""

from __future__ import annotations

import os
import sys
from typing import Final

from backend.settings import settings
from backend.worker.app import make_app
from backend.worker.pools import POOLS, SENDS
from backend.worker.runtime import die_with_parent

LATER: Final = 5
"""Where the processor is short, the other rounds come after those that send what is signed."""


def main(name: str, *, clock: bool) -> None:
    """Run until a signal, or until the parent is gone. Raises KeyError for an unknown pool."""
    processes, queues = POOLS[name]
    if name != SENDS:
        os.nice(LATER)
    die_with_parent()
    app = make_app(settings())
    app.set_default()
    app.worker_main(
        [
            "worker",
            *(["--beat", "--scheduler=celery.beat:Scheduler"] if clock else []),
            f"--concurrency={processes}",
            f"--queues={','.join(queues)}",
            f"--hostname=aicp-{name}-{os.getpid()}@%h",
            "--loglevel=WARNING",
            "--without-gossip",
            "--without-mingle",
            "--without-heartbeat",
        ]
    )


if __name__ == "__main__":
    main(sys.argv[1], clock="--clock" in sys.argv[2:])
