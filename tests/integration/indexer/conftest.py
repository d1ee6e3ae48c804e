"""A chain with the contracts, a fresh mirror of it, and a runner that takes every step there is."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from sqlalchemy import URL, Engine, create_engine, text

from indexer.audit.command import audit
from indexer.chain.node import Node
from indexer.chain.rpc import Provider, Providers
from indexer.core.reducer import Reducer
from indexer.runner import Options, Runner
from indexer.settings import deployment_digest
from indexer.store.store import Store
from tests.fixtures.chainlab import Lab
from tests.fixtures.services import CHAIN_ID, Anvil, create_database
from tests.fixtures.storelab import Mirror, empty_mirror


@pytest.fixture
def lab(anvil: Anvil) -> Lab:
    return Lab(anvil)


@pytest.fixture
def engine(fresh_pg_url: str) -> Iterator[Engine]:
    engine = create_engine(fresh_pg_url)
    yield engine
    engine.dispose()


@pytest.fixture
def new_runner(lab: Lab, engine: Engine) -> Iterator[Callable[[], Runner]]:
    nodes: list[Node] = []

    def build() -> Runner:
        reducer = Reducer(lab.contracts)
        node = Node(Providers([Provider(lab.chain.url)]), lab.contracts.addresses, finality_depth=2)
        nodes.append(node)
        options = Options(
            chain_id=CHAIN_ID,
            start_block=0,
            deployment_digest=deployment_digest(lab.contracts),
            poll_seconds=0.05,
            range_blocks=7,
        )
        return Runner(node, Store(engine, reducer), reducer, options)

    yield build
    for node in nodes:
        node.close()


def settle(runner: Runner) -> None:
    """Take every step there is now."""
    stop = threading.Event()
    while not runner.turn(stop):
        pass


TABLES = (
    "escrow", "escrow_event", "escrow_config", "ledger", "ledger_entry", "channel", "channel_event", "pool",
    "pool_event", "receiver", "receiver_event", "stake", "stake_event", "stake_lock", "agent_record", "bonus_pool",
    "activity", "log", "dispute", "dispute_event", "dispute_number", "rating", "score_epoch",
    "arbiter_dispute", "arbiter_round", "arbiter_ballot", "juror", "arbiter_session", "arbiter_event",
)  # fmt: skip


def digest(engine: Engine) -> dict[str, list[str]]:
    """Return every row of the projections as text, sorted, to compare two mirrors."""
    with engine.connect() as connection:
        return {
            table: sorted(connection.execute(text(f"SELECT t::text FROM chain.{table} AS t")).scalars())
            for table in TABLES
        }


@pytest.fixture
def agree(lab: Lab, fresh_pg_url: str, tmp_path: Path) -> Callable[[], dict[str, Any]]:
    """Run the audit, which must find nothing, and return its report."""
    file = tmp_path / "deployment.json"
    file.write_text(json.dumps(lab.deployment().to_json()))

    def run() -> dict[str, Any]:
        lab.chain.mine(2)
        arguments = ["--rpc", lab.chain.url, "--deployment", str(file), "--db", fresh_pg_url, "--json"]
        result = CliRunner().invoke(audit, arguments)
        assert result.exit_code == 0, result.output
        report: dict[str, Any] = json.loads(result.stdout)
        return report

    return run


@pytest.fixture(scope="session")
def mirror_databases(postgres: URL) -> Iterator[list[Engine]]:
    """Databases of mirrors no test uses now; making one takes longer than most of the tests that need one."""
    free: list[Engine] = []
    yield free
    for engine in free:
        engine.dispose()


@pytest.fixture
def new_mirror(postgres: URL, mirror_databases: list[Engine]) -> Iterator[Callable[..., Mirror]]:
    """Make empty mirrors without a chain, each in a database of its own."""
    used: list[Engine] = []

    def build(*arguments: Any, **options: Any) -> Mirror:
        engine = mirror_databases.pop() if mirror_databases else create_engine(create_database(postgres))
        used.append(engine)
        return empty_mirror(engine, *arguments, **options)

    yield build
    mirror_databases += used
