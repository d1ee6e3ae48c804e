"""A worker as a process of its own that makes every round again and again, to be killed at any moment.

Its clocks are quicker than a real network's, so that a story does not wait; nothing else differs.
"""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
sys.path[:0] = [str(ROOT), str(ROOT / "sdk")]

from backend.context import load_context  # noqa: E402  # the path comes first
from backend.errors import Unavailable  # noqa: E402
from backend.settings import Settings  # noqa: E402
from backend.txm import broadcast  # noqa: E402
from backend.worker import sweeps  # noqa: E402
from backend.worker.runtime import build_machine  # noqa: E402

PAUSE_SECONDS = 0.05
RULES = {"settle_age_seconds": 1, "bump_after_seconds": 3}


def main() -> None:
    """Go round for ever."""
    broadcast.REBROADCAST_SECONDS = 3  # type: ignore[misc]
    settings = Settings(_env_file=None)  # type: ignore[call-arg]
    ctx = load_context(settings)
    network = replace(ctx.network, constants=replace(ctx.constants, **RULES))
    machine = build_machine(settings, replace(ctx, network=network))
    while True:
        for sweep in (sweeps.settle, sweeps.keep, sweeps.sweep_transactions, sweeps.follow_ledger):
            try:
                sweep(machine)
            except Unavailable as error:
                print(f"a round ends: {error}", flush=True)
        time.sleep(PAUSE_SECONDS)


if __name__ == "__main__":
    main()
