"""Compiles `contracts/` through the same compiler, sources and settings as Ape and forge."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
SOLC = ROOT / "scripts" / "solc" / "solc-v0.8.37"
_IMPORT = re.compile(r"""^\s*import\s[^;]*?["']([^"']+)["']\s*;""", re.MULTILINE)


class CompileError(Exception):
    """The compiler refused; the message is the compiler's."""


@dataclass(frozen=True, slots=True)
class Contract:
    """One compiled contract. Bytecode is empty for interfaces and abstract contracts."""

    name: str
    source: str
    abi: list[dict[str, Any]]
    bytecode: str
    runtime: str
    storage: tuple[tuple[int, int, str, str], ...] = ()
    """Slot, offset, name and type of every variable, in order."""


@dataclass(frozen=True, slots=True)
class Build:
    """Every contract by name, and every enum by name with its members in order."""

    contracts: dict[str, Contract]
    enums: dict[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Settings:
    """What foundry.toml says about compiling; the one place where it is said for forge and for us."""

    remappings: tuple[tuple[str, str], ...]
    optimizer_runs: int
    evm_version: str
    via_ir: bool


_CODE = ("evm.bytecode.object", "evm.deployedBytecode.object")


def settings_of(root: Path = ROOT) -> Settings:
    """Read the compiler settings from foundry.toml."""
    profile = tomllib.loads((root / "foundry.toml").read_text(encoding="utf-8"))["profile"]["default"]
    pairs = (text.split("=", 1) for text in profile["remappings"])
    return Settings(
        remappings=tuple((prefix, target) for prefix, target in pairs),
        optimizer_runs=profile["optimizer_runs"],
        evm_version=profile["evm_version"],
        via_ir=profile["via_ir"],
    )


def _resolve(name: str, importer: str, settings: Settings) -> str:
    if name.startswith("."):
        parts = list(Path(importer).parent.parts)
        for part in Path(name).parts:
            if part == "..":
                parts.pop()
            else:
                parts.append(part)
        return "/".join(parts)
    for prefix, target in settings.remappings:
        if name.startswith(prefix):
            return target + name[len(prefix) :]
    return name


def imports_of(name: str, content: str, settings: Settings) -> list[str]:
    """Return the names of the sources that a source imports."""
    return [_resolve(imported, name, settings) for imported in _IMPORT.findall(content)]


def sources_of(root: Path, settings: Settings) -> dict[str, dict[str, str]]:
    """Return everything under `contracts/` and what it imports, as the compiler takes it."""
    # every imported file is named in the input, as Ape and forge do: the numbering of the syntax tree, which the
    # optimizer of the IR pipeline can see, follows the order of the names
    ours = sorted((root / "contracts").rglob("*.sol"))
    waiting = [path.relative_to(root).as_posix() for path in ours if ".cache" not in path.parts]
    found: dict[str, dict[str, str]] = {}
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        content = (root / name).read_text(encoding="utf-8")
        found[name] = {"content": content}
        waiting += imports_of(name, content, settings)
    return dict(sorted(found.items()))


def _input(root: Path, *, code: bool) -> dict[str, Any]:
    settings = settings_of(root)
    return {
        "language": "Solidity",
        "sources": sources_of(root, settings),
        "settings": {
            "remappings": sorted(f"{prefix}={target}" for prefix, target in settings.remappings),
            "optimizer": {"enabled": True, "runs": settings.optimizer_runs},
            "evmVersion": settings.evm_version,
            "viaIR": settings.via_ir,
            "outputSelection": {
                "*": {
                    "": ["ast"],
                    "*": ["abi", *(_CODE if code else ()), "storageLayout"],
                }
            },
        },
    }


def fingerprint(root: Path = ROOT) -> str:
    """Return the SHA-256 of all that decides the bytecode: sources, imports and settings. The compiler is pinned."""
    text = json.dumps(_input(root, code=True), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def enums_of(node: Any) -> dict[str, tuple[str, ...]]:
    """Return the enums of a syntax tree by name, with their members in order."""
    found: dict[str, tuple[str, ...]] = {}
    if isinstance(node, dict):
        if node.get("nodeType") == "EnumDefinition":
            found[node["name"]] = tuple(member["name"] for member in node["members"])
        for child in node.get("nodes", ()):
            found |= enums_of(child)
    return found


def _storage(layout: dict[str, Any]) -> tuple[tuple[int, int, str, str], ...]:
    types = layout.get("types") or {}
    return tuple(
        (int(part["slot"]), part["offset"], part["label"], types[part["type"]]["label"])
        for part in layout.get("storage", ())
    )


def _hex(code: dict[str, Any]) -> str:
    return "0x" + code["object"] if code.get("object") else ""


def compile_contracts(root: Path = ROOT, *, code: bool = True) -> Build:
    """Compile everything under `contracts/`. Raises CompileError.

    Without `code` bytecode and runtime are empty, and the compiler needs seconds instead of a minute.
    """
    result = subprocess.run(
        [str(SOLC), "--standard-json", "--base-path", str(root)],
        input=json.dumps(_input(root, code=code)),
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode != 0:
        raise CompileError(result.stderr.strip())
    output = json.loads(result.stdout)
    errors = [e["formattedMessage"] for e in output.get("errors", ()) if e["severity"] == "error"]
    if errors:
        raise CompileError("\n".join(errors))
    contracts: dict[str, Contract] = {}
    enums: dict[str, tuple[str, ...]] = {}
    for source in sorted(name for name in output["sources"] if name.startswith("contracts/")):
        if not source.startswith("contracts/mocks/"):  # what only tests deploy needs no names in Python
            enums |= enums_of(output["sources"][source]["ast"])
        for name, raw in output["contracts"].get(source, {}).items():
            evm = raw.get("evm", {})
            bytecode, runtime = _hex(evm.get("bytecode", {})), _hex(evm.get("deployedBytecode", {}))
            layout = _storage(raw.get("storageLayout", {}))
            contracts[name] = Contract(name, source, raw["abi"], bytecode, runtime, layout)
    return Build(contracts, enums)
