"""Ape compiles what is committed; what forge compiles is compared by `make bytecode`."""

from __future__ import annotations

from typing import Any

import pytest

from aicp.abi.bytecode import artifact
from scripts.prove.build import committed


@pytest.mark.parametrize("name", committed())
def test_ape_compiles_the_committed_bytecode(project: Any, name: str) -> None:
    compiled = str(project.get_contract(name).contract_type.deployment_bytecode.bytecode)
    assert bytes.fromhex(compiled.removeprefix("0x")) == artifact(name).bytecode
