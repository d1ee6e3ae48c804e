"""The compiler wrapper, and the sizes of the committed artifacts."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from aicp.abi.bytecode import artifact
from scripts.prove.build import committed

ROOT = Path(__file__).resolve().parents[3]
SOLC = ROOT / "scripts" / "solc" / "solc-v0.8.37"


def _solc(*arguments: str, stdin: str = "", cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(SOLC), *arguments], input=stdin, capture_output=True, text=True, cwd=cwd, timeout=60, check=False
    )


def _standard_input(source: str, **settings: object) -> str:
    selection = {"*": {"*": ["evm.bytecode.object", "metadata"]}}
    document = {
        "language": "Solidity",
        "sources": {"A.sol": {"content": f"// SPDX-License-Identifier: MIT\npragma solidity 0.8.37;\n{source}"}},
        "settings": {"outputSelection": selection, **settings},
    }
    return json.dumps(document)


def test_version_is_that_of_the_npm_package() -> None:
    installed = json.loads((ROOT / "node_modules" / "solc" / "package.json").read_text())["version"]
    lines = _solc("--version").stdout.splitlines()
    assert len(lines) == 2
    assert lines[1].startswith(f"Version: {installed}+commit.")
    npm = subprocess.run(
        ["node", "-p", "require('solc').version()"], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    commit = npm.stdout.strip().split("+")[1].split(".")[1]
    assert f"+commit.{commit}." in lines[1]


def test_unknown_options_are_refused() -> None:
    done = _solc("--optimize")
    assert done.returncode == 1
    assert "unrecognised option" in done.stderr
    assert _solc().returncode == 1


def test_metadata_is_left_out_unless_asked_for() -> None:
    def code(**settings: object) -> str:
        output = json.loads(_solc("--standard-json", stdin=_standard_input("contract A {}", **settings)).stdout)
        return str(output["contracts"]["A.sol"]["A"]["evm"]["bytecode"]["object"])

    bare = code()
    assert "64736f6c6343" not in bare
    assert "64736f6c6343" in code(metadata={"appendCBOR": True, "bytecodeHash": "ipfs"})


def test_imports_are_found_under_base_and_include_paths(tmp_path: Path) -> None:
    for folder, name in (("base", "B"), ("include", "C")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / f"{name}.sol").write_text(f"pragma solidity 0.8.37;\ncontract {name} {{}}\n")
    source = _standard_input('import {B} from "B.sol";\nimport {C} from "C.sol";\ncontract A is B, C {}')
    paths = ("--base-path", str(tmp_path / "base"), "--include-path", str(tmp_path / "include"))
    found = json.loads(_solc("--standard-json", *paths, stdin=source, cwd=tmp_path).stdout)
    assert set(found["contracts"]) == {"A.sol", "B.sol", "C.sol"}
    missing = json.loads(_solc("--standard-json", *paths[:2], stdin=source, cwd=tmp_path).stdout)
    assert any("C.sol" in error["message"] for error in missing["errors"])


def test_malformed_input_is_the_compilers_own_error() -> None:
    answer = json.loads(_solc("--standard-json", stdin="{").stdout)
    assert answer["errors"][0]["severity"] == "error"


def test_contracts_fit_every_chain() -> None:
    for name in committed():
        assert len(artifact(name).runtime) <= 24_576, name
        assert len(artifact(name).bytecode) <= 49_152, name
