"""Compiles `contracts/` for the analysers and proves that they read the committed bytecode.

Everything is under `.prove/`: forge's artifacts in `out`, the compiler's own answer for Slither in `info/build-info`.
The contracts are compiled without their tests, because the set of source names reaches the optimizer of the IR
pipeline; what is compiled later beside them leaves their artifacts alone, and `verify` says so.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

from scripts.suites.model import ROOT

PROVE = ROOT / ".prove"
OUT = PROVE / "out"
INFO = PROVE / "info"
_CACHE = PROVE / "cache"
_STAMP = OUT / ".sources"
_ARTIFACTS = ROOT / "sdk" / "aicp" / "abi" / "artifacts"
_FORGE = ROOT / "node_modules" / ".bin" / "forge"


class ProveError(Exception):
    """One sentence for the person at the terminal."""


def environment() -> dict[str, str]:
    """Return the environment of the analysers: forge's profile for them, and our tools first on PATH."""
    path = os.pathsep.join((str(_FORGE.parent), os.environ.get("PATH", os.defpath)))
    return {**os.environ, "PATH": path, "FOUNDRY_PROFILE": "prove", "NO_COLOR": "1"}


def tool(name: str, command: str) -> str:
    """Return the path of an analyser's command; raise `ProveError` when its environment is not installed."""
    path = PROVE / name / "bin" / command
    if not path.exists():
        raise ProveError(f"{name} is not installed; run scripts/bootstrap {name} (make {name} does).")
    return str(path)


def build() -> None:
    """Compile the contracts unless nothing has changed, and verify the artifacts."""
    wanted = _digest()
    if not _STAMP.exists() or _STAMP.read_text(encoding="utf-8") != wanted:
        for folder in (OUT, INFO, _CACHE):
            shutil.rmtree(folder, ignore_errors=True)
        # the flags are those of Halmos: others would make it compile everything again
        flags = ("--ast", "--extra-output", "storageLayout", "metadata", "--build-info")
        command = [str(_FORGE), "build", "contracts", *flags, "--build-info-path", str(INFO / "build-info")]
        done = subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise ProveError(f"forge cannot compile the contracts:\n{done.stdout}{done.stderr}")
        _STAMP.write_text(wanted, encoding="utf-8")
    verify((name, artifact_runtime(name)) for name in committed())


def verify(found: Iterable[tuple[str, str]]) -> None:
    """Raise `ProveError` unless each (contract, runtime bytecode as hex) is what is committed for the contract."""
    names = []
    for name, runtime in found:
        committed = json.loads((_ARTIFACTS / f"{name}.json").read_text(encoding="utf-8"))["runtime"]
        if runtime.removeprefix("0x") != committed.removeprefix("0x"):
            raise ProveError(f"{name}: the analysed bytecode is not the committed one; run python -m scripts.gen_abi.")
        names.append(name)
    if not names:
        raise ProveError("no contract to compare.")


def artifact_runtime(name: str) -> str:
    """Return the runtime bytecode in the artifact that Halmos reads."""
    path = OUT / f"{name}.sol" / f"{name}.json"
    if not path.exists():
        raise ProveError(f"{name} was not compiled.")
    return str(json.loads(path.read_text(encoding="utf-8"))["deployedBytecode"]["object"])


def committed() -> tuple[str, ...]:
    """Return the names of the contracts whose bytecode is committed."""
    return tuple(path.stem for path in sorted(_ARTIFACTS.glob("*.json")) if _deployable(path))


def _deployable(path: Path) -> bool:
    return bool(json.loads(path.read_text(encoding="utf-8"))["runtime"].removeprefix("0x"))


def _digest() -> str:
    found = hashlib.sha256()
    files = [*(ROOT / "contracts").glob("**/*.sol"), ROOT / "foundry.toml", ROOT / "package-lock.json"]
    for path in sorted(path for path in files if ".cache" not in path.parts):
        found.update(str(path.relative_to(ROOT)).encode() + b"\0" + path.read_bytes())
    return found.hexdigest()
