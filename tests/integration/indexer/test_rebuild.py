"""The mirror built anew beside the one in use: equal rows, readers who never notice, crashes at any step."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from psycopg.errors import LockNotAvailable
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from indexer import failpoints, views
from indexer.__main__ import ExitCode
from indexer.chain.errors import InconsistentNodeError
from indexer.chain.node import Node
from indexer.chain.rpc import Provider, Providers
from indexer.core.reducer import Reducer
from indexer.rebuild import BusyReadersError, ChainLogs, NoMirrorError, Outcome, Rebuild
from indexer.runner import Runner
from indexer.store import schema
from indexer.store.digest import state_digest
from indexer.store.errors import ForeignMirrorError, LostRaceError
from tests.fixtures.chainlab import USDC, Lab
from tests.fixtures.services import ROOT, wait_for
from tests.fixtures.storelab import drop_mirror
from tests.integration.indexer.conftest import digest, settle
from tests.integration.indexer.test_process import Spawn, caught_up, spawn
from tests.integration.indexer.test_reads import ask_back

__all__ = ["spawn"]

NewRunner = Callable[[], Runner]
NEXT = f"{schema.PHYSICAL}_next"
OLD = f"{schema.PHYSICAL}_old"


class Stop(Exception):
    """Raised where a test wants the rebuild to end."""


@pytest.fixture
def filled(lab: Lab, engine: Engine, new_runner: NewRunner) -> Runner:
    """A mirror with deals, pools and claims, some of them not final."""
    lab.stake()
    lab.journey()
    lab.deposit_pool(5 * USDC)
    lab.claim(total=400_000)
    lab.fund(lab.terms())
    runner = new_runner()
    settle(runner)
    return runner


@pytest.fixture
def hook():
    yield failpoints.install_hook
    failpoints.install_hook(None)


def rebuild(
    engine: Engine,
    lab: Lab,
    *,
    accept: bool = False,
    keep_old: bool = False,
    wait: float = 5.0,
    node: Node | None = None,
) -> Outcome:
    work = Rebuild(engine, Reducer(lab.contracts), node, lambda _number, _last: None)
    return work.run(accept=accept, keep_old=keep_old, wait_seconds=wait)


def schemas(engine: Engine) -> set[str]:
    with engine.connect() as connection:
        names = connection.execute(text("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'chain%'"))
        return set(names.scalars())


def held(engine: Engine, table: str) -> list[str]:
    with engine.connect() as connection:
        return sorted(connection.execute(text(f"SELECT t::text FROM chain.{table} AS t")).scalars())


def test_from_raw_logs_the_rows_are_the_same(lab: Lab, engine: Engine, filled: Runner) -> None:
    before = digest(engine)
    window = {table: held(engine, table) for table in ("block", "undo", "meta", "pool_withdraw_seen")}
    assert window["undo"], "the window must not be empty, or this shows nothing"
    outcome = rebuild(engine, lab)
    assert (outcome.agree, outcome.swapped, outcome.kept) == (True, True, ())
    assert outcome.old_digest == outcome.new_digest
    assert digest(engine) == before
    assert {table: held(engine, table) for table in window} == window
    assert schemas(engine) == {"chain", schema.PHYSICAL}


def test_from_the_chain_the_digest_is_the_same(lab: Lab, engine: Engine, filled: Runner) -> None:
    before = digest(engine)
    from_logs = rebuild(engine, lab)
    node = Node(Providers([Provider(lab.chain.url)]), lab.contracts.addresses, finality_depth=2)
    try:
        from_chain = rebuild(engine, lab, node=node)
    finally:
        node.close()
    assert (from_chain.agree, from_chain.swapped) == (True, True)
    assert from_chain.new_digest == from_logs.new_digest
    assert digest(engine) == before


def test_a_node_with_another_chain_is_not_believed(lab: Lab, engine: Engine, filled: Runner) -> None:
    node = Node(Providers([Provider(lab.chain.url)]), lab.contracts.addresses, finality_depth=2)
    position = filled.position
    assert position is not None
    other = replace(position.view.final, hash=bytes(32))
    try:
        with pytest.raises(InconsistentNodeError):
            list(ChainLogs(node).ranges(1, other))
    finally:
        node.close()


def test_the_running_indexer_loses_and_the_next_one_goes_on(
    lab: Lab, engine: Engine, filled: Runner, new_runner: NewRunner
) -> None:
    rebuild(engine, lab)
    lab.deposit_pool(USDC)
    with pytest.raises(LostRaceError):
        settle(filled)
    settle(new_runner())
    after = digest(engine)
    drop_mirror(engine)
    settle(new_runner())
    assert digest(engine) == after


def test_blocks_taken_while_it_builds_are_not_lost(
    lab: Lab, engine: Engine, filled: Runner, new_runner: NewRunner, hook
) -> None:
    """The indexer goes on until the swap: here a reorg, new blocks and finality come after the comparison."""
    snapshot = lab.chain.rpc("evm_snapshot")
    lab.deposit_pool(USDC)
    settle(filled)
    work = Rebuild(engine, Reducer(lab.contracts), None, lambda _number, _last: None)
    compared = work._compared

    def then_the_chain_goes_on(*arguments):
        answer = compared(*arguments)
        lab.chain.rpc("evm_revert", snapshot)
        lab.chain.rpc("evm_increaseTime", 9)
        lab.deposit_pool(2 * USDC)
        lab.chain.mine(3)
        lab.deposit_pool(3 * USDC)
        settle(filled)
        return answer

    work._compared = then_the_chain_goes_on  # type: ignore[method-assign]
    outcome = work.run(accept=False, keep_old=True, wait_seconds=5)
    assert (outcome.swapped, outcome.kept) == (True, (OLD,))
    with engine.connect() as connection:
        assert state_digest(connection, schema.PHYSICAL) == state_digest(connection, OLD)
        positions = [
            connection.execute(text(f"SELECT number, hash, safe_number, finalized_number FROM {name}.cursor")).one()
            for name in (schema.PHYSICAL, OLD)
        ]
    assert positions[0] == positions[1]


def test_nobody_writes_to_the_old_mirror_between_the_last_catch_up_and_the_swap(
    lab: Lab, engine: Engine, filled: Runner
) -> None:
    """A withdrawal announced there and orphaned later would be forgotten, and the pool would promise too much."""
    work = Rebuild(engine, Reducer(lab.contracts), None, lambda _number, _last: None)
    carry_over, refused = work._carry_over, []

    def try_to_write_first(*arguments):
        with engine.connect() as other:
            other.execute(text("SET lock_timeout = '100ms'"))
            with pytest.raises(OperationalError) as refusal:
                other.execute(text(f"UPDATE {schema.PHYSICAL}.cursor SET number = number"))
            other.rollback()
            other.execute(text("RESET lock_timeout"))
        refused.append(type(refusal.value.orig))
        carry_over(*arguments)

    work._carry_over = try_to_write_first  # type: ignore[method-assign]
    assert work.run(accept=False, keep_old=False, wait_seconds=5).swapped
    assert refused == [LockNotAvailable]


def test_a_reorg_right_after_the_swap_is_undone_exactly(lab: Lab, engine: Engine, new_runner: NewRunner) -> None:
    """The journal a rebuild leaves is that of a running indexer: finalised logs as ranges, then block by block."""
    lab.stake()
    lab.deposit_pool(5 * USDC)
    lab.chain.mine(3)
    lab.journey()
    snapshot = lab.chain.rpc("evm_snapshot")
    lab.claim(total=400_000)
    lab.deposit_pool(3 * USDC)
    settle(new_runner())
    rebuild(engine, lab)
    lab.chain.rpc("evm_revert", snapshot)
    lab.chain.rpc("evm_increaseTime", 9)
    lab.deposit_pool(USDC)
    lab.chain.mine(2)
    settle(new_runner())
    after = digest(engine)
    with Session(engine) as session:
        [pool] = views.pools_of(session, lab.buyer)
        assert (pool.balance_latest_units, pool.claimed_latest_units) == (6 * USDC, 0)
    drop_mirror(engine)
    settle(new_runner())
    assert digest(engine) == after


def test_an_orphaned_withdrawal_is_carried_over(lab: Lab, engine: Engine, new_runner: NewRunner) -> None:
    """No log of the chain tells of it any more, and a pool may promise less because of it."""
    runner = new_runner()
    lab.deposit_pool(5 * USDC)
    lab.chain.mine(3)
    settle(runner)
    snapshot = lab.chain.rpc("evm_snapshot")
    ask_back(lab, 2 * USDC)
    settle(runner)
    lab.chain.rpc("evm_revert", snapshot)
    lab.chain.rpc("evm_increaseTime", 9)
    lab.chain.mine(1)
    settle(runner)
    rebuild(engine, lab)
    with Session(engine) as session:
        [pool] = views.pools_of(session, lab.buyer)
        assert (pool.withdraw_units, pool.pending_withdraw_units) == (0, 2 * USDC)


def test_what_is_missing_and_held_above_it_is_carried_over(lab: Lab, engine: Engine, filled: Runner) -> None:
    with engine.begin() as connection:
        connection.execute(text(f"INSERT INTO {schema.PHYSICAL}.missing_range VALUES (900, 950, 'pruned')"))
        connection.execute(
            text(
                f"INSERT INTO {schema.PHYSICAL}.log SELECT 951, 0, block_hash, tx_hash, block_time, address, topics, "
                f"data FROM {schema.PHYSICAL}.log LIMIT 1"
            )
        )
    assert rebuild(engine, lab).agree
    assert held(engine, "missing_range") == ["(900,950,pruned)"]
    assert len([row for row in held(engine, "log") if row.startswith("(951,")]) == 1


def test_a_mirror_that_differs_is_kept_until_somebody_accepts(lab: Lab, engine: Engine, filled: Runner) -> None:
    right = digest(engine)
    with engine.begin() as connection:
        connection.execute(text(f"UPDATE {schema.PHYSICAL}.pool SET balance_units = balance_units + 1"))
    wrong = digest(engine)
    outcome = rebuild(engine, lab)
    assert (outcome.agree, outcome.swapped, outcome.differing) == (False, False, ("pool",))
    assert outcome.old_digest != outcome.new_digest
    assert digest(engine) == wrong
    assert NEXT in schemas(engine), "left beside, to be looked at"
    outcome = rebuild(engine, lab, accept=True)
    assert (outcome.agree, outcome.swapped) == (False, True)
    assert digest(engine) == right


def test_grants_and_views_of_others_stay(lab: Lab, engine: Engine, filled: Runner) -> None:
    role = f"reader_{os.getpid()}"
    with engine.begin() as connection:
        connection.execute(text(f"CREATE ROLE {role}"))
        connection.execute(text(f"GRANT USAGE ON SCHEMA chain TO {role}"))
        connection.execute(text(f"GRANT SELECT ON chain.pool TO {role}"))
        connection.execute(text("CREATE VIEW public.mine AS SELECT pool_id FROM chain.pool"))
    try:
        rebuild(engine, lab)
        with engine.begin() as connection:
            connection.execute(text(f"SET LOCAL ROLE {role}"))
            assert connection.execute(text("SELECT count(*) FROM chain.pool")).scalar_one() == 1
        with engine.begin() as connection:
            assert connection.execute(text("SELECT count(*) FROM public.mine")).scalar_one() == 1
    finally:
        with engine.begin() as connection:
            connection.execute(text(f"DROP OWNED BY {role}"))
            connection.execute(text(f"DROP ROLE {role}"))


def test_readers_see_one_mirror_or_the_other_and_never_none(lab: Lab, engine: Engine, filled: Runner) -> None:
    with engine.begin() as connection:  # the two can be told apart
        connection.execute(text(f"UPDATE {schema.PHYSICAL}.pool SET nonce = 77"))
        connection.execute(text(f"UPDATE {schema.PHYSICAL}.escrow SET fee_bps = 77"))
    seen: list[tuple[int, int, int]] = []
    done, ready = threading.Event(), threading.Event()

    def read() -> None:
        reader = create_engine(engine.url)
        try:
            while not done.is_set():
                with reader.connect() as connection, connection.begin():
                    nonces = connection.execute(text("SELECT nonce FROM chain.pool")).scalars().all()
                    fees = connection.execute(text("SELECT fee_bps FROM chain.escrow")).scalars().all()
                    events = connection.execute(text("SELECT count(*) FROM chain.escrow_event")).scalar_one()
                seen.append((len([n for n in nonces if n == 77]), len([f for f in fees if f == 77]), events))
                ready.set()
        finally:
            reader.dispose()
            ready.set()

    thread = threading.Thread(target=read)
    thread.start()
    try:
        assert ready.wait(20)
        assert rebuild(engine, lab, accept=True, wait=30).swapped
        before = len(seen)
        while len(seen) < before + 3 and thread.is_alive():
            ready.clear()
            ready.wait(20)
    finally:
        done.set()
        thread.join()
    assert {row[:2] for row in seen} == {(1, 2), (0, 0)}, "a transaction saw half of each"
    assert len({row[2] for row in seen}) == 1, "a reader saw an empty table"


def test_a_reader_who_stays_is_not_disturbed(lab: Lab, engine: Engine, filled: Runner) -> None:
    with engine.connect() as reader:
        count = text("SELECT count(*) FROM chain.escrow_event")
        before = reader.execute(count).scalar_one()
        with pytest.raises(BusyReadersError):
            rebuild(engine, lab, wait=0)
        assert reader.execute(count).scalar_one() == before
        reader.rollback()
        assert rebuild(engine, lab, wait=0).swapped


def test_an_old_mirror_that_is_still_read_is_kept_and_dropped_later(lab: Lab, engine: Engine, filled: Runner) -> None:
    with engine.connect() as reader:
        reader.execute(text(f"SELECT count(*) FROM {schema.PHYSICAL}.escrow_event"))  # past the views
        outcome = rebuild(engine, lab)
        assert (outcome.swapped, outcome.kept) == (True, (OLD,))
    assert rebuild(engine, lab).kept == ()
    assert schemas(engine) == {"chain", schema.PHYSICAL}


@pytest.mark.parametrize("place", ["rebuild_batch", "before_swap"])
def test_an_interrupted_rebuild_changes_nothing_and_is_begun_again(
    lab: Lab, engine: Engine, filled: Runner, hook, place: str
) -> None:
    before, epoch = digest(engine), held(engine, "cursor")

    def stop(name: str) -> None:
        if name == place:
            raise Stop

    hook(stop)
    with pytest.raises(Stop):
        rebuild(engine, lab)
    assert (digest(engine), held(engine, "cursor")) == (before, epoch)
    settle(filled)
    hook(None)
    assert rebuild(engine, lab).agree
    assert digest(engine) == before
    assert schemas(engine) == {"chain", schema.PHYSICAL}


def test_two_at_once_and_nothing_to_build_from_are_refused(lab: Lab, engine: Engine, new_runner: NewRunner) -> None:
    with pytest.raises(NoMirrorError, match="no mirror"):
        rebuild(engine, lab)
    settle(new_runner())
    work = Rebuild(engine, Reducer(lab.contracts), None, lambda _number, _last: None)
    with work._alone(), pytest.raises(NoMirrorError, match="another process"):
        rebuild(engine, lab)
    other = replace(lab.contracts, escrow=bytes(20))
    with pytest.raises(ForeignMirrorError):
        Rebuild(engine, Reducer(other), None, lambda _number, _last: None).run(
            accept=True, keep_old=False, wait_seconds=0
        )


@pytest.mark.timeout(420)
def test_killed_at_each_step_beside_a_running_indexer(
    lab: Lab, engine: Engine, fresh_pg_url: str, spawn: Spawn, tmp_path: Path
) -> None:
    """The command as an operator runs it, in a process that dies as from kill -9; the indexer never notices."""

    def command(*arguments: str, die_at: str = "") -> subprocess.CompletedProcess[str]:
        given = ["rebuild", "--db", fresh_pg_url, "--deployment", str(tmp_path / "deployment.json"), "--json"]
        return subprocess.run(
            [sys.executable, "-c", "from indexer.command import indexer; indexer()", *given, *arguments],
            env={**os.environ, "AICP_FAILPOINT": die_at, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'sdk'}"},
            capture_output=True, text=True, cwd=ROOT, timeout=120, check=False,
        )  # fmt: skip

    lab.stake()
    lab.journey()
    running = spawn()
    wait_for(lambda: caught_up(engine, lab), "the indexer catches up", 90)
    for place in ("rebuild_batch", "before_swap"):
        assert command(die_at=place).returncode == failpoints.EXIT_CODE
        lab.deposit_pool(USDC)
        wait_for(lambda: caught_up(engine, lab), "the indexer goes on", 60)
    assert running.poll() is None
    done = command()
    assert done.returncode == 0, done.stderr
    assert (json.loads(done.stdout)["agree"], json.loads(done.stdout)["kept"]) == (True, [])
    lab.deposit_pool(USDC)
    assert running.wait(60) == ExitCode.LOST_RACE
    spawn()
    wait_for(lambda: caught_up(engine, lab), "the next one goes on in the new schema", 90)
    from_chain = command("--from-chain", "--rpc", lab.chain.url)
    assert from_chain.returncode == 0, from_chain.stderr
    assert json.loads(from_chain.stdout)["agree"]
    assert schemas(engine) == {"chain", schema.PHYSICAL}
