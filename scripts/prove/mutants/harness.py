"""Runs tests of `tests/contracts` in this process on contracts it is given, without Ape's compiler."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from ape.contracts import ContractContainer
from ape.managers.project import ContractManager
from ape.pytest.runners import PytestApeRunner
from ape_foundry.provider import FoundryProvider
from ethpm_types import ContractType

from scripts.suites.model import ROOT

_OPTIONS = (
    *("-q", "-x", "--no-header", "--tb=short", "-p", "no:cacheprovider", "-p", "no:xdist"),
    *("--network", "ethereum:local:foundry", "-W", "ignore::pytest.PytestAssertRewriteWarning"),
)


@dataclass(slots=True)
class Failure:
    """The first test that failed, where, and by which exception."""

    test: str
    phase: str
    error: str
    message: str


@dataclass(slots=True, eq=False)  # pytest keeps plugins in sets
class Chosen:
    """A pytest plugin: runs the tests it is given in their order, and remembers the first failure.

    Tests are named by their ids; a file stands for all tests in it, in their own order.
    """

    tests: Sequence[str]
    failure: Failure | None = None
    ran: int = 0
    _errors: dict[str, tuple[str, str]] = field(default_factory=dict)

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Keep and sort."""
        place = {test: index for index, test in enumerate(self.tests)}
        last = len(place)

        def place_of(item: pytest.Item) -> int:
            return place.get(item.nodeid, place.get(item.nodeid.partition("::")[0], last))

        items[:] = sorted((item for item in items if place_of(item) < last), key=place_of)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo[object]) -> None:
        """Note the exception of a failure before it is reported."""
        if call.excinfo is not None:
            self._errors[item.nodeid] = (call.excinfo.typename, str(call.excinfo.value)[:300])

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note the first failure."""
        self.ran += report.when == "call"
        if report.failed and self.failure is None:
            error, message = self._errors.get(report.nodeid, ("", ""))
            self.failure = Failure(report.nodeid, report.when or "", error, message)


def contract_types(answer: Mapping[str, Any]) -> dict[str, ContractType]:
    """Return what the compiler gave for our contracts, by name."""
    found = {}
    for file, contracts in answer["contracts"].items():
        if file.startswith("contracts/"):
            for name, contract in contracts.items():
                code = contract["evm"]
                found[name] = contract_type(
                    name, file, contract["abi"], code["bytecode"]["object"], code["deployedBytecode"]["object"]
                )
    return found


def contract_type(name: str, file: str, abi: Any, creation: str, runtime: str) -> ContractType:
    """Return a contract as Ape knows it. Code is hex, with or without 0x."""
    return ContractType.model_validate(
        {
            "contractName": name,
            "sourceId": file,
            "abi": abi,
            "deploymentBytecode": {"bytecode": "0x" + creation.removeprefix("0x")},
            "runtimeBytecode": {"bytecode": "0x" + runtime.removeprefix("0x")},
        }
    )


def run_tests(types: Mapping[str, ContractType], tests: Sequence[str], *plugins: object) -> tuple[int, Chosen]:
    """Run tests, at most to the first failure, on a chain of their own; return pytest's code and what happened.

    To be called once in a process: Ape keeps its state in it.
    """
    _install(types)
    os.chdir(ROOT)
    os.environ["APE_FOUNDRY_HOST"] = f"http://127.0.0.1:{_free_port()}"
    sys.dont_write_bytecode = False
    chosen = Chosen(tests)
    files = sorted({test.partition("::")[0] for test in tests})
    code = pytest.main([*_OPTIONS, *files], plugins=[chosen, *plugins])
    return int(code), chosen


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _install(types: Mapping[str, ContractType]) -> None:
    """Let Ape find these contracts and no others, deploy them whatever their size, and format no failures."""
    command = FoundryProvider.build_command

    def get(_manager: ContractManager, name: str, *_: object, **__: object) -> ContractContainer | None:
        return ContractContainer(types[name]) if name in types else None

    def build_command(self: FoundryProvider) -> list[str]:
        return [*command(self), "--disable-code-size-limit", "--silent"]

    def nothing(*_: object, **__: object) -> None:
        return None

    for owner, name, replacement in (
        (ContractManager, "get", get),
        (ContractManager, "_compile_missing_contracts", nothing),
        (FoundryProvider, "build_command", build_command),
        (PytestApeRunner, "pytest_exception_interact", nothing),
    ):
        setattr(owner, name, replacement)
