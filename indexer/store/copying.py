"""Rows as PostgreSQL reads them: lines for COPY, and array literals for statements that update what is there.

Raw logs, which hold nothing but whole numbers and bytes, go in the binary form of COPY, which is less work on both
sides; amounts are cheaper as text.

Goals: one statement a table and no work per cell in between, so that a backfill is bound by the reducers and the
database; every value arrives exactly as the column's type would take it from a bound parameter.

Invariants: a cell is written by the rule of its column's type, never by guessing from the value. All rules together
cover every column type there is; a table with another one is refused when its columns are first looked at.

Works inside the transaction it is given and neither commits nor rolls back: a crash, or an error in the middle of a
COPY, leaves nothing.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

import msgspec
import psycopg
from sqlalchemy import ARRAY, Boolean, Column, Connection, Integer, LargeBinary, Table, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.exc import DBAPIError

from indexer.core.logs import RawLog
from indexer.store.columns import SCHEMA, Units

Cells = Iterable[str]
_Rule = Callable[[Sequence[Any]], Cells]

_LINE_ESCAPES: Final = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})
_ITEM_ESCAPES: Final = str.maketrans({"\\": "\\\\", '"': '\\"'})
_BOOLS: Final = {True: "t", False: "f"}
_KEPT_TEXTS: Final = 4_096


class _LineTexts(dict[str, str]):
    """Texts as COPY reads them; the few that come again and again are kept."""

    def __missing__(self, value: str) -> str:
        line = value.translate(_LINE_ESCAPES)
        if len(self) < _KEPT_TEXTS:
            self[value] = line
        return line


def _line_json(value: Any) -> str:
    # JSON escapes every control character itself; only its backslashes mean something to COPY
    return msgspec.json.encode(value).decode().replace("\\", "\\\\")


def _line_byte_array(value: Sequence[bytes]) -> str:
    if not value:
        return "{}"
    between = '","\\\\\\\\x'
    return f'{{"\\\\\\\\x{between.join(map(bytes.hex, value))}"}}'


@lru_cache(maxsize=_KEPT_TEXTS)
def _item_text(value: str) -> str:
    return f'"{value.translate(_ITEM_ESCAPES)}"'


def _item_integers(values: Sequence[Any]) -> Cells:
    return map(str, values)


def _item_booleans(values: Sequence[Any]) -> Cells:
    return [_BOOLS[value] for value in values]


def _item_bytes(values: Sequence[Any]) -> Cells:
    return ['"\\\\x' + value.hex() + '"' for value in values]


def _item_texts(values: Sequence[Any]) -> Cells:
    return map(_item_text, values)


_LINE_RULES: Final[Mapping[str, str]] = {
    "integer": "{value}",
    "boolean": "BOOLS[{value}]",
    "bytes": "HEX + {value}.hex()",
    "text": "TEXTS[{value}]",
    "json": "JSON({value})",
    "bytes[]": "BYTE_ARRAY({value})",
}
"""The expression that makes a cell of a value."""
_LINE_NAMES: Final[dict[str, Any]] = {
    "BOOLS": _BOOLS, "HEX": "\\\\x", "NULL": "\\N", "TEXTS": _LineTexts(), "JSON": _line_json,
    "BYTE_ARRAY": _line_byte_array,
}  # fmt: skip
_ITEM_RULES: Final[Mapping[str, _Rule]] = {
    "integer": _item_integers,
    "boolean": _item_booleans,
    "bytes": _item_bytes,
    "text": _item_texts,
}
_ITEM_TYPES: Final = {"bytes": "bytea", "text": "text", "boolean": "boolean"}


def _rule_name(column: Column[Any]) -> str:
    kind = column.type
    if isinstance(kind, ARRAY) and isinstance(kind.item_type, LargeBinary):
        return "bytes[]"
    rules = ((Units, "integer"), (Integer, "integer"), (Boolean, "boolean"), (LargeBinary, "bytes"), (Text, "text"),
             (JSONB, "json"))  # fmt: skip
    for type_class, name in rules:
        if isinstance(kind, type_class):
            return name
    raise TypeError(f"no rule to write {column.table.name}.{column.name}, a {kind!r}")


def _nullable(rule: _Rule) -> _Rule:
    def write(values: Sequence[Any]) -> Cells:
        if None not in values:
            return rule(values)
        cells = iter(rule([value for value in values if value is not None]))
        return ["NULL" if value is None else next(cells) for value in values]

    return write


class Lines:
    """Writes some columns of a table, in the given order, as lines of COPY without their line ends.

    `text` takes rows, objects with an attribute for each of these columns. `after` also takes what each line starts
    with. The two are compiled once from the columns, as a dataclass compiles its `__init__`: a call for every cell is
    what a backfill would spend most of its time on.
    """

    def __init__(self, table: Table, names: Sequence[str]) -> None:
        cells = "\\t".join(_cell(table.c[name]) for name in names)
        self.text: Final[Callable[[Iterable[Any]], list[str]]] = _compiled(f"lambda rows: [f'{cells}' for row in rows]")
        self.after: Final[Callable[[Iterable[str], Iterable[Any]], list[str]]] = _compiled(
            f"lambda starts, rows: [f'{{start}}\\t{cells}' for start, row in zip(starts, rows, strict=True)]"
        )


def _cell(column: Column[Any]) -> str:
    """Return what stands for a column's cell in the literal that is compiled."""
    value, rule = f"row.{column.name}", _rule_name(column)
    if column.nullable:
        return f"{{NULL if {value} is None else {_LINE_RULES[rule].format(value=value)}}}"
    if rule == "bytes":  # the quickest way to put two texts together, and there are ten such cells an event
        return f"\\\\\\\\x{{{value}.hex()}}"
    return f"{{{_LINE_RULES[rule].format(value=value)}}}"


def _compiled(source: str) -> Any:
    return eval(source, _LINE_NAMES)  # noqa: S307  # made above of our own columns' names


_FIRST_CELLS: Final = struct.Struct(">hiqiii32si32siqi20s").pack
"""How many columns there are, then each cell behind its length: block, index, two hashes, time, address."""
_BYTEA: Final = 17
_TOPIC_CELLS: Final = {count: struct.Struct(">iiiiii" + "i32s" * count + "i").pack for count in range(1, 5)}
"""An array of so many topics behind its length, and the length of the data that follows."""
LOG_NAMES: Final = ("block_number", "log_index", "block_hash", "tx_hash", "block_time", "address", "topics", "data")


def packed_logs(logs: Iterable[RawLog]) -> bytes:
    """Return raw logs as binary COPY reads them, with `LOG_NAMES` as columns: a head, a tuple a log, an end.

    Hashes and topics have 32 bytes and an address 20: `indexer.chain.wire` takes nothing else.
    """
    parts = [b"PGCOPY\n\xff\r\n\0" + bytes(8)]
    put = parts.append
    for log in logs:
        data = log.data
        put(
            _FIRST_CELLS(
                len(LOG_NAMES), 8, log.block_number, 4, log.log_index, 32, log.block_hash, 32, log.tx_hash,
                8, log.block_time, 20, log.address,
            )
        )  # fmt: skip
        match log.topics:
            case (event,):
                put(_TOPIC_CELLS[1](56, 1, 0, _BYTEA, 1, 1, 32, event, len(data)))
            case (event, first):
                put(_TOPIC_CELLS[2](92, 1, 0, _BYTEA, 2, 1, 32, event, 32, first, len(data)))
            case (event, first, second):
                put(_TOPIC_CELLS[3](128, 1, 0, _BYTEA, 3, 1, 32, event, 32, first, 32, second, len(data)))
            case (event, first, second, third):
                put(_TOPIC_CELLS[4](164, 1, 0, _BYTEA, 4, 1, 32, event, 32, first, 32, second, 32, third, len(data)))
            case topics:
                put(_any_topics(topics) + len(data).to_bytes(4, "big"))
        put(data)
    put(b"\xff\xff")
    return b"".join(parts)


def _any_topics(topics: Sequence[bytes]) -> bytes:
    """Return the cell of as many topics as there are, behind its length; no contract of today makes none or five."""
    shape = (1, 0, _BYTEA, len(topics), 1) if topics else (0, 0, _BYTEA)
    head = b"".join(number.to_bytes(4, "big") for number in shape)
    cell = head + b"".join(len(topic).to_bytes(4, "big") + topic for topic in topics)
    return len(cell).to_bytes(4, "big") + cell


class Arrays:
    """Writes some columns of a table as one array literal each, for `unnest`."""

    def __init__(self, table: Table, names: Sequence[str]) -> None:
        columns = [table.c[name] for name in names]
        rules = [_rule_name(column) for column in columns]
        integers = ["numeric" if isinstance(column.type, Units) else "bigint" for column in columns]
        types = [_ITEM_TYPES.get(rule, integer) for rule, integer in zip(rules, integers, strict=True)]
        self.unnest: Final = f"unnest({', '.join(f'%s::{kind}[]' for kind in types)})"
        self._rules: Final = tuple(_nullable(_ITEM_RULES[rule]) for rule in rules)

    def literals(self, rows: Iterable[Sequence[Any]]) -> list[str]:
        """Return the literal of each column; a row is a sequence of values in the order of the columns."""
        columns = zip(*rows, strict=True)
        return ["{" + ",".join(rule(values)) + "}" for rule, values in zip(self._rules, columns, strict=True)]


def schema_of(connection: Connection) -> str:
    """Return the physical schema this connection writes to, as SQLAlchemy's own statements do."""
    names: Mapping[str | None, str] = connection.get_execution_options().get("schema_translate_map", {})
    return names.get(SCHEMA, SCHEMA)


def copy_in(connection: Connection, statement: str, text: bytes) -> None:
    """Send lines, or the binary form, to COPY. Raises SQLAlchemy's errors, as any other statement here does."""
    with _cursor(connection, statement) as cursor, cursor.copy(statement.encode()) as copy:
        copy.write(text)


def execute(connection: Connection, statement: str, values: Sequence[Any]) -> None:
    """Run a statement whose parameters are literals made here, past SQLAlchemy's conversions."""
    with _cursor(connection, statement) as cursor:
        cursor.execute(statement.encode(), values)


class _cursor:  # noqa: N801  # a context manager used like a function
    """A cursor of the open connection; its errors become SQLAlchemy's, so that callers know one kind only."""

    def __init__(self, connection: Connection, statement: str) -> None:
        self._connection = connection
        self._statement = statement
        raw = connection.connection.driver_connection
        if not isinstance(raw, psycopg.Connection):
            raise TypeError("the mirror is written over psycopg only")
        self._raw: psycopg.Connection[Any] = raw
        self._held = raw.cursor()

    def __enter__(self) -> psycopg.Cursor[Any]:
        return self._held

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self._held.close()
        if not isinstance(error, psycopg.Error):
            return
        lost = self._raw.broken
        if lost:
            self._connection.invalidate(error)
        raise DBAPIError.instance(
            self._statement, None, error, psycopg.Error, connection_invalidated=lost, dialect=self._connection.dialect
        ) from error
