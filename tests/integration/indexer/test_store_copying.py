"""What goes in as COPY lines or array literals comes out through SQLAlchemy as the same values."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    Column,
    Connection,
    DateTime,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    create_engine,
    delete,
    insert,
    select,
    text,
)  # fmt: skip
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.exc import DataError, IntegrityError, OperationalError

from indexer.core.logs import RawLog
from indexer.core.spelling import spelled
from indexer.store.columns import SCHEMA, Units
from indexer.store.copying import LOG_NAMES, Arrays, Lines, copy_in, execute, packed_logs, schema_of
from indexer.store.tables import log

TABLE = Table(
    "sample", MetaData(schema=SCHEMA),
    Column("at", Integer, primary_key=True), Column("units", Units, nullable=False), Column("units_or", Units),
    Column("big", BigInteger), Column("small", SmallInteger, nullable=False), Column("flag", Boolean, nullable=False),
    Column("flag_or", Boolean), Column("raw", LargeBinary, nullable=False), Column("raw_or", LargeBinary),
    Column("word", Text, nullable=False), Column("word_or", Text),
)  # fmt: skip
WIDE = Table(
    "wide", MetaData(schema=SCHEMA),
    Column("at", Integer, primary_key=True), Column("fields", JSONB, nullable=False),
    Column("topics", ARRAY(LargeBinary), nullable=False), Column("word", Text, nullable=False),
)  # fmt: skip
UINT256 = 2**256 - 1

units = st.one_of(st.integers(-UINT256, UINT256), st.sampled_from([0, 1, UINT256, -UINT256, 2**255, 10**77]))
raw = st.one_of(st.binary(max_size=70), st.sampled_from([b"", b"\\x", b"\\N", b"\\.", bytes(range(256)), b"\xff" * 32]))
awkward = st.sampled_from(
    ["", "\\N", "\\.", "NULL", "null", "{}", '"', "\\", "\t\r\n\b\f\v", "a,b", " x ", "é€😀\u2028"]
)
characters = st.characters(exclude_characters="\0", exclude_categories=["Cs"])
word = st.one_of(st.text(characters, max_size=40), awkward)
rows = st.lists(
    st.tuples(
        units, st.none() | units, st.none() | st.integers(-(2**63), 2**63 - 1), st.integers(-(2**15), 2**15 - 1),
        st.booleans(), st.none() | st.booleans(), raw, st.none() | raw, word, st.none() | word,
    ),
    min_size=1, max_size=8,
)  # fmt: skip
any_text = st.one_of(st.text(st.characters(exclude_categories=["Cs"]), max_size=30), awkward)
fields = st.recursive(st.booleans() | st.none() | any_text | raw | units, lambda inner: st.lists(inner, max_size=4))
wide_rows = st.lists(
    st.tuples(st.dictionaries(word, fields, max_size=4), st.lists(raw, max_size=4), word), min_size=1, max_size=8
)
within = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def connection(pg_url: str) -> Iterator[Connection]:
    engine = create_engine(pg_url).execution_options(schema_translate_map={SCHEMA: "elsewhere"})
    with engine.begin() as made:
        made.execute(text("CREATE SCHEMA elsewhere"))
        for table in (TABLE, WIDE, log):
            table.create(made)
    with engine.connect() as held:
        yield held
    engine.dispose()


def names(table: Table) -> list[str]:
    return [column.name for column in table.columns]


def objects(table: Table, values: Sequence[Sequence[Any]]) -> list[SimpleNamespace]:
    return [SimpleNamespace(**dict(zip(names(table), row, strict=True))) for row in values]


def joined(lines: list[str]) -> bytes:
    return "\n".join(lines).encode()


def read_back(connection: Connection, table: Table) -> list[tuple[Any, ...]]:
    found = [tuple(row) for row in connection.execute(select(table).order_by(table.c.at))]
    connection.rollback()
    return found


def numbered(values: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    return [(at, *row) for at, row in enumerate(values)]


@within
@given(values=rows)
def test_copy_keeps_every_value(connection: Connection, values: list[tuple[Any, ...]]) -> None:
    given_rows = numbered(values)
    text_of = Lines(TABLE, names(TABLE)).text(objects(TABLE, given_rows))
    copy_in(connection, f"COPY elsewhere.sample ({', '.join(names(TABLE))}) FROM STDIN", joined(text_of))
    assert read_back(connection, TABLE) == given_rows


@within
@given(values=rows)
def test_arrays_keep_every_value(connection: Connection, values: list[tuple[Any, ...]]) -> None:
    given_rows = numbered(values)
    arrays = Arrays(TABLE, names(TABLE))
    execute(connection, f"INSERT INTO elsewhere.sample SELECT * FROM {arrays.unnest}", arrays.literals(given_rows))
    assert read_back(connection, TABLE) == given_rows


word32 = st.binary(min_size=32, max_size=32)
raw_logs = st.lists(
    st.builds(
        RawLog, block_number=st.integers(0, 2**63 - 1), log_index=st.integers(0, 2**31 - 1), block_hash=word32,
        tx_hash=word32, block_time=st.integers(0, 2**63 - 1), address=st.binary(min_size=20, max_size=20),
        topics=st.lists(word32, max_size=5).map(tuple), data=st.binary(max_size=300),
    ),
    min_size=1, max_size=8, unique_by=lambda one: (one.block_number, one.log_index),
)  # fmt: skip


@within
@given(logs=raw_logs)
def test_the_binary_form_keeps_every_log(connection: Connection, logs: list[RawLog]) -> None:
    statement = f"COPY elsewhere.log ({', '.join(LOG_NAMES)}) FROM STDIN (FORMAT binary)"
    copy_in(connection, statement, packed_logs(logs))
    found = connection.execute(select(log).order_by(log.c.block_number, log.c.log_index)).mappings().all()
    connection.rollback()
    held = [RawLog(**{**row, "topics": tuple(row["topics"])}) for row in found]
    assert held == sorted(logs, key=lambda one: (one.block_number, one.log_index))


@within
@given(values=wide_rows)
def test_json_and_arrays_are_what_a_parameter_makes_of_them(
    connection: Connection, values: list[tuple[Any, ...]]
) -> None:
    given_rows = [(at, spelled(made), topics, told) for at, made, topics, told in numbered(values)]
    for row in given_rows:
        row[1].update({name: spelled(value) for name, value in row[1].items()})
    connection.execute(insert(WIDE), [dict(zip(names(WIDE), row, strict=True)) for row in given_rows])
    expected = [tuple(row) for row in connection.execute(select(WIDE).order_by(WIDE.c.at))]
    connection.execute(delete(WIDE))
    first, *rest = names(WIDE)
    starts = Lines(WIDE, [first]).text(objects(WIDE, given_rows))
    lines = Lines(WIDE, rest).after(starts, objects(WIDE, given_rows))
    copy_in(connection, f"COPY elsewhere.wide ({', '.join(names(WIDE))}) FROM STDIN", joined(lines))
    assert read_back(connection, WIDE) == expected


def test_a_column_type_without_a_rule_is_refused() -> None:
    table = Table("strange", MetaData(), Column("at", DateTime))
    with pytest.raises(TypeError, match=r"strange\.at"):
        Lines(table, ["at"])


def test_the_schema_is_the_one_statements_of_the_connection_go_to(connection: Connection) -> None:
    assert schema_of(connection) == "elsewhere"


def test_errors_are_those_of_any_statement(connection: Connection) -> None:
    """The loop waits out what SQLAlchemy calls an OperationalError; psycopg's own classes would pass it by."""
    with pytest.raises(DataError) as bad, connection.begin():
        copy_in(connection, "COPY elsewhere.wide FROM STDIN", b"1\t{}\t{}\ta\0b")
    assert isinstance(bad.value.orig, psycopg.DataError)
    with pytest.raises(IntegrityError), connection.begin():
        copy_in(connection, "COPY elsewhere.wide FROM STDIN", joined(["1\t{}\t{}\ta"] * 2))


def test_a_connection_that_breaks_in_a_copy_is_not_used_again(pg_url: str) -> None:
    engine = create_engine(pg_url, pool_size=1, max_overflow=1)

    def broken() -> None:
        with engine.begin() as writing:
            pid = writing.execute(text("SELECT pg_backend_pid()")).scalar_one()
            with engine.begin() as other:
                other.execute(text("SELECT pg_terminate_backend(:pid, 20000)"), {"pid": pid})
            copy_in(writing, "COPY elsewhere.wide FROM STDIN", b"1\t{}\t{}\ta")

    with pytest.raises(OperationalError) as lost:
        broken()
    assert lost.value.connection_invalidated
    with engine.begin() as again:
        assert again.execute(text("SELECT 1")).scalar_one() == 1
    engine.dispose()
