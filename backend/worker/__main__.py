"""`python -m backend.worker`: the workers and their beat in one process group. Several may run; any may be killed."""

from __future__ import annotations

import os

from backend.settings import settings
from backend.worker.app import QUEUES, make_app

CONCURRENCY = "2"


def main() -> None:
    """Run until a signal."""
    app = make_app(settings())
    app.set_default()
    app.worker_main(
        [
            "worker",
            "--beat",
            "--scheduler=celery.beat:Scheduler",
            f"--concurrency={CONCURRENCY}",
            f"--queues={','.join(sorted(set(QUEUES.values())))}",
            f"--hostname=aicp-{os.getpid()}@%h",
            "--loglevel=WARNING",
            "--without-gossip",
            "--without-mingle",
            "--without-heartbeat",
        ]
    )


if __name__ == "__main__":
    main()
