"""`python tests/unit/rules`: write the golden vectors of the published rules anew, for every language."""

from __future__ import annotations

import sys
import types
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
sys.path[:0] = [str(ROOT), str(ROOT / "sdk")]
_tests = types.ModuleType("tests")  # another distribution owns this name outside pytest
_tests.__path__ = [str(ROOT / "tests")]
sys.modules["tests"] = _tests

from tests.unit.rules.vectors import main  # noqa: E402  # the path comes first

if __name__ == "__main__":
    main()
