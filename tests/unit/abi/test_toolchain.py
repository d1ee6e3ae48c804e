"""The compiler wrapper, and the same bytecode from Ape, from forge and in the committed artifacts."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from aicp.abi.bytecode import artifact
from scripts.gen_abi import union_abi

ROOT = Path(__file__).resolve().parents[3]
SOLC = ROOT / "scripts" / "solc" / "solc-v0.8.37"
NODE_BIN = ROOT / "node_modules" / ".bin"
DEPLOYABLE = ("Escrow", "EscrowExtension", "PaymentChannel", "Reputation", "ERC3009DepositCollector", "MockUSDC")


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


def _project(folder: Path) -> Path:
    """Copy what is compiled, so that neither tool touches the caches of the checkout."""
    shutil.copytree(ROOT / "contracts", folder / "contracts", ignore=shutil.ignore_patterns(".cache"))
    for name in ("ape-config.yaml", "foundry.toml"):
        shutil.copy(ROOT / name, folder)
    for name in ("node_modules", "scripts"):
        (folder / name).symlink_to(ROOT / name)
    return folder


def _run(command: list[str], folder: Path) -> None:
    environment = os.environ | {"SOLCX_BINARY_PATH": str(SOLC.parent), "FOUNDRY_OFFLINE": "true"}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=420, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def _sorted(abi: list[dict[str, object]]) -> list[str]:
    return sorted(json.dumps(entry, sort_keys=True) for entry in abi)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_ape_and_forge_compile_the_committed_bytecode(tmp_path: Path) -> None:
    project = _project(tmp_path)
    _run([str(NODE_BIN / "forge"), "build", "contracts"], project)
    _run([str(Path(sys.executable).with_name("ape")), "compile"], project)
    types = json.loads((project / ".build" / "__local__.json").read_text())["contractTypes"]
    abis: dict[str, list[dict[str, object]]] = {}
    for name in DEPLOYABLE:
        committed = artifact(name)
        (path,) = (project / "out").glob(f"*/{name}.json")
        forge = json.loads(path.read_text())
        assert bytes.fromhex(forge["bytecode"]["object"][2:]) == committed.bytecode, name
        assert bytes.fromhex(forge["deployedBytecode"]["object"][2:]) == committed.runtime, name
        assert bytes.fromhex(types[name]["deploymentBytecode"]["bytecode"][2:]) == committed.bytecode, name
        abis[name] = forge["abi"]
    abis["Escrow"] = union_abi(abis["Escrow"], abis["EscrowExtension"])
    for name, abi in abis.items():
        assert _sorted(abi) == _sorted(artifact(name).abi), name


def test_contracts_fit_every_chain() -> None:
    for name in DEPLOYABLE:
        assert len(artifact(name).runtime) <= 24_576, name
        assert len(artifact(name).bytecode) <= 49_152, name
