"""The committed artifacts: ABI and bytecode of every deployable contract."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any


@dataclass(frozen=True, slots=True)
class Artifact:
    """What is needed to deploy a contract. `bytecode` takes the constructor arguments behind it."""

    name: str
    abi: list[dict[str, Any]]
    bytecode: bytes
    runtime: bytes
    """The deployed code with zeros in the places of immutables."""


@cache
def artifact(name: str) -> Artifact:
    """Return the artifact of a contract. Raises FileNotFoundError when there is none."""
    text = files("aicp.abi").joinpath("artifacts", f"{name}.json").read_text(encoding="utf-8")
    raw = json.loads(text)
    code, runtime = bytes.fromhex(raw["bytecode"][2:]), bytes.fromhex(raw["runtime"][2:])
    return Artifact(raw["name"], raw["abi"], code, runtime)
