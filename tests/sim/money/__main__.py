"""`python tests/sim/money [--seed N] [--first N] [--count N] [--steps N] [--workers N] [--anvil] [--journal FILE]`:
stories of money; `SEED=N` tells one.

Prints a line for every story that fails, then how often everything happened. Exit code 1 when one failed.
"""

from __future__ import annotations

import sys
import types
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
sys.path[:0] = [str(ROOT), str(ROOT / "sdk")]
_tests = types.ModuleType("tests")  # another distribution owns this name outside pytest
_tests.__path__ = [str(ROOT / "tests")]
sys.modules["tests"] = _tests

from tests.sim.money.campaign import main  # noqa: E402  # the path comes first

if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
