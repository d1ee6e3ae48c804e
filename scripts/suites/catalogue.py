"""The suites and the order in which `make test` takes them."""

from __future__ import annotations

import sys

from scripts.suites.model import RESULTS, ROOT, Runner, Suite, forge_counts, junit_counts

PYTHON = sys.executable
BIN = ROOT / ".venv" / "bin"
NODE_BIN = ROOT / "node_modules" / ".bin"
API_TYPES = (
    *("npm", "exec", "-w", "frontend", "--", "openapi-typescript"),
    *("../docs/openapi.json", "-o", "src/api/schema.d.ts"),
)


def _check(name: str, *command: str, needs: tuple[str, ...] = ()) -> Runner:
    return Runner(name=name, command=command, needs=needs, quiet=True)


_WITHOUT_APE = ("-p", "no:ape_test")
"""Ape's plugin starts a chain for every process and restores it around every test, whoever needs it."""


def _pytest(
    name: str, folder: str, *arguments: str, alone: tuple[str, ...] = (), pattern: str = "**/test_*.py"
) -> Runner:
    return Runner(
        name=name,
        command=(PYTHON, "-m", "pytest", "-q", *_WITHOUT_APE, *_records(name), folder, *arguments),
        needs=(f"{folder}/{pattern}",),
        counts=junit_counts,
        alone=alone,
        remembers=True,
    )


def _records(name: str) -> tuple[str, ...]:
    """Return the options with which pytest writes its report and its cache where the runner looks for them."""
    return f"--junitxml={RESULTS / name}.xml", "-o", f"cache_dir={RESULTS / name}.cache"


_TWO_AT_ONCE = ("-n", "2")
_WITH_GUARDS = ("-m", "not removal and not long")
"""Guards are taken away, and the longest stories told, by `make guards` alone."""
CHECK = Suite(
    "check",
    200,
    (
        _check("ruff", str(BIN / "ruff"), "check", "."),
        _check("ruff format", str(BIN / "ruff"), "format", "--check", "."),
        _check("mypy", str(BIN / "mypy")),
        _check("import order", str(BIN / "lint-imports"), needs=("backend/domain", "indexer/core")),
        _check("generated ABI", PYTHON, "-m", "scripts.gen_abi", "--check", needs=("scripts/gen_abi.py",)),
        _check("migrations", PYTHON, "-m", "scripts.suites.migrations", needs=("backend/migrations/versions/*.py",)),
        _check("API description", PYTHON, "-m", "backend.api.openapi", "--check", needs=("backend/api/openapi.py",)),
        _check("API types of the pages", *API_TYPES, "--check", needs=("frontend/src/api/schema.d.ts",)),
        _check("biome", "npm", "run", "--silent", "lint", "-w", "frontend", needs=("frontend/biome.json",)),
        _check("tsc", "npm", "run", "--silent", "typecheck", "-w", "frontend", needs=("frontend/tsconfig.json",)),
        _check(
            "trees of the contract tests", PYTHON, "-m", "scripts.prove.trees", needs=("tests/contracts/trees/*.tree",)
        ),
        _check("invariants", PYTHON, "-m", "scripts.prove.invariants", needs=("docs/security/invariants.md",)),
        _check("forge fmt", str(NODE_BIN / "forge"), "fmt", "--check", needs=("contracts/*.sol",)),
        _check(
            "solhint",
            *(str(NODE_BIN / "solhint"), "--disc", "contracts/**/*.sol"),
            needs=("contracts/*.sol", ".solhint.json"),
        ),
        _check("gas", PYTHON, "-m", "scripts.gas", "--check", needs=("snapshots/gas.json",)),
    ),
)

UNIT = Suite(
    "unit",
    600,
    (
        _pytest("unit", "tests/unit", *_WITH_GUARDS, alone=_TWO_AT_ONCE),
        Runner(
            name="vitest",
            command=(
                *("npm", "exec", "-w", "frontend", "--", "vitest", "run", "--reporter=default", "--reporter=junit"),
                f"--outputFile.junit={RESULTS / 'vitest.xml'}",
            ),
            needs=("frontend/src/**/*.test.ts*",),
            counts=junit_counts,
        ),
    ),
)

CONTRACTS = Suite(
    "contracts",
    600,
    (
        Runner(
            name="contracts",
            command=(
                *(str(BIN / "ape"), "test", "tests/contracts", "-q", "--network", "ethereum:local:foundry"),
                *("-W", "ignore::pytest.PytestAssertRewriteWarning"),  # Ape's command imports its plugin first
                *("-o", "timeout=900"),  # the first test compiles everything
                *_records("contracts"),
            ),
            needs=("tests/contracts/**/test_*.py",),
            counts=junit_counts,
            remembers=True,
        ),
    ),
)

FORGE = Suite(
    "forge",
    240,
    (
        # the tests deploy the committed bytecode, so it has to be that of the sources
        _check("committed bytecode", PYTHON, "-m", "scripts.gen_abi", "--check", needs=("scripts/gen_abi.py",)),
        Runner(
            name="forge",
            command=("env", "FOUNDRY_PROFILE=tests", str(NODE_BIN / "forge"), "test"),
            needs=("tests/forge/**/*.t.sol",),
            counts=forge_counts,
        ),
    ),
)

X402 = Suite("x402", 480, (_pytest("x402", "tests/x402"),))
MONEY = Suite("money", 900, (_pytest("money", "tests/integration/money", *_WITH_GUARDS),))
WORKER = Suite("worker", 360, (_pytest("worker", "tests/integration/worker"),))
SERVICES = Suite(
    "services",
    840,
    (
        _pytest(
            "services",
            "tests/integration/api",
            "tests/integration/indexer",
            "tests/integration/vouchers",
            *_WITH_GUARDS,
        ),
    ),
)
JOURNEYS = Suite("journeys", 480, (_pytest("journeys", "tests/integration/journeys", "tests/integration/devnet"),))
SIM = Suite(
    "sim",
    360,
    (
        _pytest("sim", "tests/sim", "--ignore=tests/sim/money", *_WITH_GUARDS, alone=_TWO_AT_ONCE),
        _pytest("money-sim", "tests/sim/money", *_WITH_GUARDS, alone=_TWO_AT_ONCE),
    ),
)
E2E = Suite("e2e", 360, (_pytest("e2e", "tests/e2e", *_WITH_GUARDS, alone=("-m", "")),))

LANES = 4
"""How many suites run side by side: twice as many as there are cores, since those of the services often wait."""

SUITES = (MONEY, SERVICES, CONTRACTS, CHECK, UNIT, WORKER, X402, JOURNEYS, E2E, SIM, FORGE)
"""In the order in which the lanes take them: the longest first, so that they end together, beside what fails fast."""
