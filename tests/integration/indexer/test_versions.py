"""A new version of the tables built beside the old one, and indexes that wait until a mirror is filled."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from aicp.rules.primitives import Finality
from indexer import views
from indexer.core.reducer import Reducer
from indexer.rebuild import Outcome, Rebuild
from indexer.runner import Runner
from indexer.store import schema
from indexer.store.columns import metadata
from indexer.store.store import Store
from tests.fixtures.chainlab import USDC, Lab
from tests.integration.indexer.conftest import digest, settle

NewRunner = Callable[[], Runner]
OLDER, NEWER = schema.VERSION - 1, schema.VERSION


@pytest.fixture
def older(lab: Lab, engine: Engine, new_runner: NewRunner) -> dict[str, list[str]]:
    """A filled mirror, published as the version before ours, with a column we gave up and without one we have."""
    lab.stake()
    lab.journey()
    lab.deposit_pool(5 * USDC)
    lab.fund(lab.terms())
    settle(new_runner())
    right = digest(engine)
    with engine.begin() as connection:
        connection.execute(text(f"ALTER SCHEMA {schema.PHYSICAL} RENAME TO {schema.named(OLDER)}"))
        connection.execute(text("DROP VIEW chain.escrow"))
        connection.execute(text(f"ALTER TABLE {schema.named(OLDER)}.escrow ADD COLUMN given_up integer DEFAULT 7"))
        connection.execute(text(f"ALTER TABLE {schema.named(OLDER)}.escrow DROP COLUMN ending"))
        connection.execute(text(f"CREATE TABLE {schema.named(OLDER)}.gone AS SELECT 1 AS one"))
        connection.execute(text(f"CREATE VIEW chain.escrow AS TABLE {schema.named(OLDER)}.escrow"))
        connection.execute(text(f"CREATE VIEW chain.gone AS TABLE {schema.named(OLDER)}.gone"))
        connection.execute(text("DROP VIEW chain.rating"))
        connection.execute(text(f"COMMENT ON SCHEMA chain IS 'version {OLDER}'"))
    return right


def rebuild(engine: Engine, lab: Lab, *, keep_old: bool = False) -> Outcome:
    work = Rebuild(engine, Reducer(lab.contracts), None, lambda _number, _last: None)
    return work.run(accept=False, keep_old=keep_old, wait_seconds=5)


def test_a_new_version_is_built_from_the_raw_logs_of_the_old_one_and_swapped(
    lab: Lab, engine: Engine, new_runner: NewRunner, older: dict[str, list[str]]
) -> None:
    with engine.begin() as connection:
        assert schema.published_version(connection) == OLDER
    outcome = rebuild(engine, lab, keep_old=True)
    assert (outcome.former_version, outcome.version, outcome.swapped) == (OLDER, NEWER, True)
    assert outcome.agree, "equal in the columns both versions have"
    assert outcome.kept == (schema.named(OLDER),)
    assert digest(engine) == older, "what the old version lacked is there, what we gave up is not"
    with engine.begin() as connection:
        assert schema.published_version(connection) == NEWER
        gone = connection.execute(text("SELECT to_regclass('chain.gone')")).scalar_one()
        assert gone is None
    lab.deposit_pool(USDC)
    settle(new_runner())
    with Session(engine) as session:
        [pool] = views.pools_of(session, lab.buyer)
        assert pool.balance_latest_units == 6 * USDC


def test_a_new_version_may_differ_and_says_where(lab: Lab, engine: Engine, older: dict[str, list[str]]) -> None:
    with engine.begin() as connection:
        connection.execute(text(f"UPDATE {schema.named(OLDER)}.pool SET balance_units = 1"))
    outcome = rebuild(engine, lab)
    assert (outcome.agree, outcome.differing, outcome.swapped) == (False, ("pool",), True)
    assert digest(engine) == older
    with engine.begin() as connection:
        assert not schema.exists(connection, schema.named(OLDER)), "nobody reads it, nobody wanted it kept"


def test_grants_survive_a_change_of_columns(lab: Lab, engine: Engine, older: dict[str, list[str]]) -> None:
    role = f"reader_{os.getpid()}"
    with engine.begin() as connection:
        connection.execute(text(f"CREATE ROLE {role}"))
        connection.execute(text(f"GRANT USAGE ON SCHEMA chain TO {role}"))
        connection.execute(text(f"GRANT SELECT ON chain.escrow TO {role}"))
    try:
        rebuild(engine, lab)
        with engine.begin() as connection:
            connection.execute(text(f"SET LOCAL ROLE {role}"))
            assert connection.execute(text("SELECT count(ending) FROM chain.escrow")).scalar_one() == 1
    finally:
        with engine.begin() as connection:
            connection.execute(text(f"DROP OWNED BY {role}"))
            connection.execute(text(f"DROP ROLE {role}"))


def test_a_new_version_that_fills_itself_from_the_chain_is_shown_when_it_is_complete(
    lab: Lab, engine: Engine, new_runner: NewRunner, older: dict[str, list[str]]
) -> None:
    """Without a rebuild: the indexer of the new version builds beside and swaps at its first rest."""
    runner = new_runner()
    publish = runner._store.publish
    shown: list[int | None] = []

    def look_and_publish() -> None:
        with engine.begin() as connection:
            shown.append(schema.published_version(connection))
        publish()

    runner._store.publish = look_and_publish  # type: ignore[method-assign]
    settle(runner)
    assert shown == [OLDER]
    with engine.begin() as connection:
        assert schema.published_version(connection) == NEWER
    assert digest(engine) == older


def test_indexes_wait_until_the_mirror_is_filled(lab: Lab, engine: Engine, new_runner: NewRunner) -> None:
    wanted = {index.name for table in metadata.sorted_tables for index in table.indexes}
    lab.stake()
    escrow_id = lab.journey()
    runner = new_runner()
    publish = runner._store.publish
    held: list[set[str]] = []
    left_alone: list[set[str]] = []

    def look_and_publish() -> None:
        held.append(indexes(engine))
        left_alone.append(unattended(engine))
        publish()

    runner._store.publish = look_and_publish  # type: ignore[method-assign]
    settle(runner)
    assert held[0] & wanted == {"dead_letter_log"}, "keys only while it fills"
    assert left_alone[0] == schema.ONLY_ADDED_TO, "what is updated is vacuumed all the time"
    assert indexes(engine) >= wanted
    assert unattended(engine) == set()
    with Session(engine) as session:
        assert views.escrow(session, escrow_id, Finality.SEEN) is not None
    with engine.begin() as connection:
        connection.execute(text(f"DROP INDEX {schema.PHYSICAL}.escrow_client"))
        connection.execute(text(f"ALTER TABLE {schema.PHYSICAL}.log SET (autovacuum_enabled = false)"))
    settle(new_runner())  # a start after a crash between filling and indexing
    assert indexes(engine) >= wanted
    assert unattended(engine) == set()


def test_a_store_without_its_own_schema_writes_beside_the_published_one(lab: Lab, engine: Engine) -> None:
    store = Store(engine, Reducer(lab.contracts), physical="chain_elsewhere")
    store.install(schema.Identity(31337, bytes(32), bytes(32), 1))
    with engine.begin() as connection:
        assert schema.published_version(connection) is None
        assert connection.execute(text("SELECT count(*) FROM chain_elsewhere.meta")).scalar_one() == 1


def indexes(engine: Engine) -> set[str]:
    with engine.connect() as connection:
        names = connection.execute(
            text("SELECT indexname FROM pg_indexes WHERE schemaname = :name"), {"name": schema.PHYSICAL}
        )
        return set(names.scalars())


def unattended(engine: Engine) -> set[str]:
    """Return the tables that are not vacuumed by themselves."""
    with engine.connect() as connection:
        names = connection.execute(
            text(
                "SELECT relname FROM pg_class WHERE relnamespace = to_regnamespace(:name) "
                "AND 'autovacuum_enabled=false' = ANY(reloptions)"
            ),
            {"name": schema.PHYSICAL},
        )
        return set(names.scalars())
