"""`python -m scripts.prove.bytecode`: forge has compiled the committed bytecode and interfaces.

`make bytecode` runs it on what `forge build contracts` left in `out`: the contracts alone, as the names of the tests'
sources would reach the optimizer. Ape's part is in tests/contracts/test_bytecode.py. Exit code 1 when a contract
differs or was not compiled.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from aicp.abi.bytecode import artifact
from scripts.gen_abi import union_abi
from scripts.prove.build import committed
from scripts.suites.model import ROOT


def main() -> int:
    """Compare every contract that can be deployed; print what differs."""
    names = committed()
    problems = [problem for name in names for problem in problems_of(name)]
    for problem in problems:
        print(f"{problem}; run `python -m scripts.gen_abi`.")
    print(f"bytecode: {len(names)} contracts compared, {len(problems)} differences")
    return 1 if problems or not names else 0


def problems_of(name: str) -> list[str]:
    """Return one sentence for each way in which forge's output is not what is committed of a contract."""
    paths = sorted((ROOT / "out").glob(f"*/{name}.json"))
    if len(paths) != 1:
        return [f"{name}: forge left {len(paths)} artifacts of it"]
    found, wanted = json.loads(paths[0].read_text(encoding="utf-8")), artifact(name)
    abi = found["abi"]
    if name == "Escrow":
        (extension,) = (ROOT / "out").glob("*/EscrowExtension.json")
        abi = union_abi(abi, json.loads(extension.read_text(encoding="utf-8"))["abi"])
    differs = {
        "creation code": _code(found["bytecode"]) != wanted.bytecode,
        "runtime code": _code(found["deployedBytecode"]) != wanted.runtime,
        "interface": _sorted(abi) != _sorted(wanted.abi),
    }
    return [f"{name}: {what} is not the committed one" for what, wrong in differs.items() if wrong]


def _code(stored: dict[str, Any]) -> bytes:
    return bytes.fromhex(stored["object"].removeprefix("0x"))


def _sorted(abi: list[dict[str, Any]]) -> list[str]:
    return sorted(json.dumps(entry, sort_keys=True) for entry in abi)


if __name__ == "__main__":
    sys.exit(main())
