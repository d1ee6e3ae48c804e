"""What a settlement round asks the database as open channels grow in number: does its cost grow with them?

A tenth of the channels of every size has something to claim that is not worth its gas yet, as in a market with many
small debts, and as many as fill half a batch are due. The database is the only thing measured: the same statements,
repeated, on tables that were analysed, as the autovacuum of a running service leaves them.
"""

from __future__ import annotations

import datetime as dt
import statistics
import time
from collections.abc import Callable
from typing import Any, Final

from sqlalchemy import URL, Engine, create_engine, text
from sqlalchemy.orm import Session

from aicp.abi.typed_data import channel_domain
from backend.db import migrate
from backend.domain.settlement import MAX_ROWS, Worth
from backend.reconciliation import service as reconciliation
from backend.settlement import repo
from indexer.core.chain_view import Block
from indexer.core.context import Contracts
from indexer.core.reducer import Reducer
from indexer.store.schema import Identity
from indexer.store.store import Store
from scripts.bench.results import Figure

SIZES: Final = (10, 1_000, 100_000)
REPEATS: Final = 15
MOST_MS: Final = 5_000
"""After so long a question is not asked again."""
_DUE: Final = MAX_ROWS // 2
_OPERATOR: Final = b"\x11" * 20
_WORTH: Final = Worth(threatened_units=1, once_old_units=10_000, at_once_units=100_000)
_FILL: Final = """
SET LOCAL session_replication_role = replica;
INSERT INTO app.pool (pool_id, payer, payer_authorizer, operator, reserved_units, earned_units)
SELECT sha256(('pool ' || n)::bytea), substr(sha256(('payer ' || n)::bytea), 1, 20), substr(sha256('key'), 1, 20),
       :operator, 0, 10000000 FROM generate_series(1, greatest(1, :size / 10)) n;
INSERT INTO app.channel (channel_id, pool_id, receiver, ceiling_units, in_flight_units, earned_units, receipted_units)
SELECT sha256(('channel ' || n)::bytea), sha256(('pool ' || (1 + n % greatest(1, :size / 10)))::bytea),
       substr(sha256(('agent ' || n % 1000)::bytea), 1, 20), 1000000, 0, u, u
FROM (SELECT n, CASE WHEN n <= :due THEN 500000 WHEN n % 10 = 0 THEN 700000 ELSE 400000 END AS u
      FROM generate_series(1, :size) n) AS made;
INSERT INTO app.receipt (id, channel_id, total_claimed_units, ceiling_units, voucher_signature, operator,
                         operator_signature, created_at)
SELECT gen_random_uuid(), channel_id, units, 1000000, '\\x00', :operator, '\\x00', :old
FROM (SELECT channel_id, earned_units AS units FROM app.channel
      UNION ALL SELECT channel_id, earned_units - 1000 FROM app.channel) AS totals;
INSERT INTO chain.channel
SELECT channel_id, '\\x00', '\\x00', receiver, :operator, '\\x00', 86400, '\\x00', pool_id, 1000000,
       CASE WHEN earned_units = 500000 THEN 0 WHEN earned_units = 700000 THEN 695000 ELSE 400000 END, 0, 0, NULL,
       1, 0, '\\x00', '\\x00' FROM app.channel;
INSERT INTO chain.receiver
SELECT DISTINCT receiver, 1000000, 1000000, 1, 0, '\\x00'::bytea, '\\x00'::bytea FROM app.channel;
INSERT INTO app.ledger_mark (operator, block_number) VALUES (:operator, 1);
INSERT INTO app.ledger_entry (kind) VALUES ('opening');
INSERT INTO app.posting SELECT 1, 'owed', channel_id, earned_units FROM app.channel;
"""


def growth(server_database: Callable[[], Any]) -> list[Figure]:
    """Measure every size in a database of its own and return the figures, in milliseconds."""
    figures: list[Figure] = []
    for size in SIZES:
        with server_database() as url:
            figures += _measured(size, url)
    return figures


def _measured(size: int, url: URL) -> list[Figure]:
    engine = create_engine(url)
    try:
        _fill(engine, url, size)
        with Session(engine) as session:
            due = session.execute(repo.claimable(_policy())).all()
            assert len(due) == min(size, _DUE), f"{len(due)} channels are due"
            questions: dict[str, Callable[[], object]] = {
                "claimable": lambda: session.execute(repo.claimable(_policy())).all(),
                "any_unclaimed": lambda: session.execute(repo.any_unclaimed([_OPERATOR])).all(),
                "unpaid": lambda: session.execute(repo.unpaid([_OPERATOR], _now(), MAX_ROWS)).all(),
                "ledger_check": lambda: reconciliation.differences(session),
            }
            return [
                Figure(f"settlement.channels_{size}.{name}_ms", round(_median_ms(ask), 2), "ms")
                for name, ask in questions.items()
            ]
    finally:
        engine.dispose()


def _fill(engine: Engine, url: URL, size: int) -> None:
    migrate.upgrade(url.render_as_string(hide_password=False))
    nowhere = Contracts(
        escrow=b"\x01" * 20, payment_channel=b"\x02" * 20, reputation=b"\x03" * 20,
        channel_domain=channel_domain(31337, b"\x02" * 20),
    )  # fmt: skip
    store = Store(engine, Reducer(nowhere))
    store.install(Identity(chain_id=31337, genesis_hash=bytes(32), deployment_digest=bytes(32), start_block=1))
    store.take_over(Block(number=0, hash=bytes(32), parent_hash=bytes(32), time=0))
    given = {"size": size, "due": min(size, _DUE), "operator": _OPERATOR, "old": _now() - dt.timedelta(hours=1)}
    with engine.begin() as connection:
        for statement in filter(str.strip, _FILL.split(";")):
            names = {name: value for name, value in given.items() if f":{name}" in statement}
            connection.execute(text(statement), names)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("ANALYZE"))


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


def _policy() -> repo.Policy:
    return repo.Policy(
        operators=(_OPERATOR,), now=_now(), old_since=_now() - dt.timedelta(minutes=10), worth=_WORTH,
        owner_gas_per_day=5_000_000, dust_gas_per_day=200_000_000,
    )  # fmt: skip


def _median_ms(ask: Callable[[], object]) -> float:
    ask()
    taken: list[float] = []
    while len(taken) < REPEATS and sum(taken) < MOST_MS:
        started = time.perf_counter()
        ask()
        taken.append((time.perf_counter() - started) * 1e3)
    return statistics.median(taken)
