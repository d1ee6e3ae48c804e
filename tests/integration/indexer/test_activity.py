"""The activity of an account: one list out of event rows by party and lines of the other logs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import Boolean, Column, Connection, Engine, LargeBinary, Table, Text, insert, text
from sqlalchemy.orm import Session

from aicp.rules.primitives import ZERO_ADDRESS, Finality
from indexer import views
from indexer.projections.activity import activity
from indexer.projections.escrow import escrow_event
from indexer.projections.payment_channel import channel_event, pool_event
from indexer.store.schema import PHYSICAL, TRANSLATE, finish_indexes
from indexer.views.activity import MAX_ACTIVITY, activity_statement
from tests.fixtures.storelab import Mirror

US, OTHER = b"\x01" * 20, b"\x02" * 20
ROWS = 20_000


@pytest.fixture
def mirror(new_mirror: Callable[..., Mirror]) -> Iterator[Engine]:
    """A mirror whose newest block is far away and which holds nothing yet."""
    engine = new_mirror().engine
    with engine.begin() as connection:
        finish_indexes(connection.execution_options(schema_translate_map=TRANSLATE))
        connection.execute(text(f"UPDATE {PHYSICAL}.cursor SET number = 1000000"))
    yield engine
    with engine.begin() as connection:
        connection.execute(text(f"UPDATE {PHYSICAL}.cursor SET number = 0"))


def held(connection: Connection, table: Table, block: int, index: int, **values: Any) -> None:
    """Add a row; what is not given is nothing of its type."""

    def nothing(column: Column[Any]) -> Any:
        match column.type:
            case LargeBinary():
                return b""
            case Text():
                return ""
            case Boolean():
                return False
            case _:
                return 0

    given = {"block_number": block, "log_index": index, **values}
    row = {column.name: given.get(column.name, nothing(column)) for column in table.columns if not column.nullable}
    connection.execution_options(schema_translate_map=TRANSLATE).execute(insert(table).values(row | given))


def block_of_everything(connection: Connection, block: int) -> None:
    """Add a block in which we are a party of every kind, at times both parties."""
    held(connection, activity, block, 0, account=US, contract="escrow", kind="withdrawn", amount_units=3)
    deal = {"escrow_id": b"deal", "event_amount_units": 5}
    held(connection, escrow_event, block, 1, client=US, provider=OTHER, kind="funded", **deal)
    held(connection, escrow_event, block, 2, client=US, provider=US, kind="released", **deal)
    channel = {"channel_id": b"channel", "event_amount_units": 7}
    held(connection, channel_event, block, 3, payer=OTHER, receiver=US, kind="claimed", **channel)
    held(connection, channel_event, block, 4, payer=US, receiver=US, kind="deposited", **channel)
    held(connection, pool_event, block, 5, payer=US, kind="drawn", pool_id=b"pool", event_amount_units=9)
    line = {"contract": "reputation", "kind": "outcome_completed", "subject": b"deal"}
    held(connection, activity, block, 6, account=US, **line)
    held(connection, escrow_event, block, 6, client=OTHER, provider=US, kind="stake_settled", escrow_id=b"deal")
    held(connection, escrow_event, block, 7, client=OTHER, provider=OTHER, kind="funded")
    held(connection, channel_event, block, 8, payer=ZERO_ADDRESS, receiver=OTHER, kind="created")


EVERYTHING = [
    (6, "reputation", "outcome_completed", b"deal", 0),
    (5, "payment_channel", "pool_drawn", b"pool", 9),
    (4, "payment_channel", "channel_deposited", b"channel", 7),
    (3, "payment_channel", "channel_claimed", b"channel", 7),
    (2, "escrow", "released", b"deal", 5),
    (1, "escrow", "funded", b"deal", 5),
    (0, "escrow", "withdrawn", None, 3),
]


@pytest.mark.parametrize("size", [1, 2, 3, 5, 200])
def test_every_kind_is_told_once_and_pages_part_blocks_anywhere(mirror: Engine, size: int) -> None:
    with mirror.begin() as connection:
        for block in (7, 8):
            block_of_everything(connection, block)
    found: list[views.ActivityRow] = []
    with Session(mirror) as session:
        while page := views.chain_activity(session, US, found[-1].cursor if found else None, size):
            assert len(page) <= size
            found += page
    told = [(row.origin.block_number, row.origin.log_index, row.contract, row.kind, row.subject, row.amount_units)
            for row in found]  # fmt: skip
    assert told == [(block, *line) for block in (8, 7) for line in EVERYTHING]


def test_nothing_happens_to_the_zero_address_and_no_cursor_is_made_up(mirror: Engine) -> None:
    with mirror.begin() as connection:
        block_of_everything(connection, 7)
    with Session(mirror) as session:
        assert views.chain_activity(session, ZERO_ADDRESS, None, 10) == []
        assert len(views.chain_activity(session, OTHER, None, 10)) == 4
        for cursor in ("x", "7", "7-", "-7", f"{2**63}-0", f"0-{2**63}"):
            with pytest.raises(ValueError, match="cursor"):
                views.chain_activity(session, US, cursor, 10)
        assert views.chain_activity(session, US, f"{2**63 - 1}-{2**63 - 1}", 1)[0].origin.log_index == 6


def _many(connection: Connection, table: Table, *parties: str) -> None:
    """Copy the first row of a table to many blocks, each with two of two thousand accounts."""
    names = [column.name for column in table.columns]
    account = "decode(lpad(to_hex(1000 + (n * {}) % 2000), 40, '0'), 'hex')"
    changed = {"block_number": "n", **{party: account.format(7 + at) for at, party in enumerate(parties)}}
    values = ", ".join(changed.get(name, name) for name in names)
    connection.execute(
        text(
            f"INSERT INTO {PHYSICAL}.{table.name} ({', '.join(names)}) SELECT {values} "  # our own names
            f"FROM (SELECT * FROM {PHYSICAL}.{table.name} LIMIT 1) AS one, generate_series(10, {ROWS}) AS n"
        )
    )
    connection.execute(text(f"ANALYZE {PHYSICAL}.{table.name}"))


@pytest.mark.parametrize("cursor", [None, "15000-3"], ids=["first page", "later page"])
def test_each_branch_of_a_page_reads_its_index(mirror: Engine, cursor: str | None) -> None:
    with mirror.begin() as connection:
        block_of_everything(connection, 7)
        _many(connection, activity, "account")
        _many(connection, escrow_event, "client", "provider")
        _many(connection, channel_event, "payer", "receiver")
        _many(connection, pool_event, "payer")
        statement = activity_statement((1007).to_bytes(20, "big"), cursor, MAX_ACTIVITY, Finality.SEEN)
        compiled = statement.compile(connection)
        [[plan]] = connection.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {compiled}", compiled.params)
    nodes = list(_nodes(plan[0]["Plan"]))
    assert {node["Relation Name"] for node in nodes if node["Node Type"] == "Seq Scan"} <= {"cursor"}
    indexes = {node["Index Name"]: node["Index Cond"] for node in nodes if "Index Name" in node}
    assert indexes.keys() >= {
        "activity_of", "escrow_event_client", "escrow_event_provider", "channel_event_payer", "channel_event_receiver",
        "pool_event_payer",
    }  # fmt: skip
    if cursor is not None:
        assert all("ROW(" in condition for name, condition in indexes.items() if name != "cursor_pkey")


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for inner in plan.get("Plans", ()):
        yield from _nodes(inner)
