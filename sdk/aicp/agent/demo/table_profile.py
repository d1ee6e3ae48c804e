"""Profiles a CSV file: column types, missing values, summary statistics, outliers. Two passes, bounded memory."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from aicp.agent.demo.decoding import find_encoding
from aicp.agent.demo.table_columns import Column, Place
from aicp.agent.demo.values import MISSING, kind_of
from aicp.agent.work import CannotDo

if TYPE_CHECKING:
    import _csv

MAX_COLUMNS: Final = 1000
_MAX_CELL: Final = 1 << 20
_NUMBERS_KEPT: Final = 2_000_000
_KEYS_KEPT: Final = 200_000
_DELIMITERS: Final = ",;\t|"
_SAMPLE_ROWS: Final = 200


@contextmanager
def _reader(path: Path, encoding: str, delimiter: str) -> Iterator[_csv.Reader]:
    csv.field_size_limit(_MAX_CELL)
    with path.open(encoding=encoding, newline="") as source:
        yield csv.reader(source, delimiter=delimiter)


@contextmanager
def _rows(path: Path, encoding: str, delimiter: str) -> Iterator[Iterator[list[str]]]:
    with _reader(path, encoding, delimiter) as reader:
        yield (row for row in reader if row)


def find_delimiter(path: Path, encoding: str) -> str:
    """Return the separator that gives the most columns in the most rows of the beginning of the file."""
    scores: dict[str, tuple[int, int]] = {}
    for delimiter in _DELIMITERS:
        with _rows(path, encoding, delimiter) as rows:
            widths = Counter(len(row) for row, _ in zip(rows, range(_SAMPLE_ROWS), strict=False))
        wide = {width: count for width, count in widths.items() if width > 1}
        if wide:
            width, count = max(wide.items(), key=lambda item: (item[1], item[0]))
            scores[delimiter] = (count, width)
    return max(scores, key=lambda delimiter: scores[delimiter]) if scores else ","


def looks_like_header(first: list[str], second: list[str] | None, *, decimal_comma: bool) -> bool:
    """Return whether the first row names the columns: distinct texts, none of them a value, unlike the row below."""
    names = [cell.strip() for cell in first]
    kinds = [kind_of(name, decimal_comma=decimal_comma) for name in names]
    if len(set(names)) != len(names) or any(kind != "text" for kind, name in zip(kinds, names, strict=True) if name):
        return False
    if second is None:
        return True
    below = [kind_of(cell.strip(), decimal_comma=decimal_comma) for cell in second]
    return any(kind != "text" for kind in below) or all(len(name) <= 40 for name in names)


class _Table:
    def __init__(self, path: Path, name: str) -> None:
        self.path = path
        self.encoding = find_encoding(path, name)
        self.delimiter = find_delimiter(path, self.encoding)
        self.decimal_comma = self.delimiter != ","
        with _rows(path, self.encoding, self.delimiter) as rows:
            first, second = next(rows, None), next(rows, None)
        if first is None:
            raise CannotDo(f"{name} has no rows")
        if len(first) > MAX_COLUMNS:
            raise CannotDo(f"{name} has {len(first)} columns; more than {MAX_COLUMNS} are too many")
        if self.decimal_comma:
            self.decimal_comma = self._uses_decimal_comma()
        self.has_header = looks_like_header(first, second, decimal_comma=self.decimal_comma)
        width = max(len(first), len(second or []))
        width = min(width, MAX_COLUMNS)
        names = [cell.strip() for cell in first] if self.has_header else []
        self.columns = [
            Column(
                names[index] if index < len(names) and names[index] else f"column {index + 1}",
                number_limit=max(_NUMBERS_KEPT // width, 1000),
                key_limit=max(min(_KEYS_KEPT // width, 5000), 50),
                decimal_comma=self.decimal_comma,
            )
            for index in range(width)
        ]
        self.rows = 0
        self.ragged = 0

    def _uses_decimal_comma(self) -> bool:
        commas = points = 0
        with _rows(self.path, self.encoding, self.delimiter) as rows:
            for row, _ in zip(rows, range(_SAMPLE_ROWS), strict=False):
                for cell in row:
                    text = cell.strip()
                    with_comma = kind_of(text, decimal_comma=True) == "decimal"
                    with_point = kind_of(text, decimal_comma=False) == "decimal"
                    commas += with_comma and not with_point
                    points += with_point and not with_comma
        return commas > points

    def body(self) -> Iterator[tuple[Place, list[str]]]:
        """Yield the data rows with their places; a row may span lines, and empty lines are none."""
        with _reader(self.path, self.encoding, self.delimiter) as reader:
            ended, number = 0, -1 if self.has_header else 0
            for row in reader:
                line, ended = ended + 1, reader.line_num
                if row:
                    number += 1
                    if number > 0:
                        yield Place(line=line, row=number), row

    def measure(self) -> None:
        """First pass: count and sum."""
        for _, row in self.body():
            self.rows += 1
            self.ragged += len(row) != len(self.columns)
            for index, column in enumerate(self.columns):
                column.add(row[index] if index < len(row) else "")

    def inspect(self) -> None:
        """Second pass: outliers and misfits."""
        fences = [column.fences() for column in self.columns]
        for place, row in self.body():
            for column, cell, fence in zip(self.columns, row, fences, strict=False):
                column.inspect(cell, place, fence)


def profile_table(path: Path, name: str) -> dict[str, Any]:
    """Return the profile of a CSV file, ready for JSON. Raises CannotDo for what is no table."""
    try:
        table = _Table(path, name)
        table.measure()
        if table.rows == 0:
            raise CannotDo(f"{name} has a header but no rows")
        table.inspect()
    except csv.Error as error:
        raise CannotDo(f"{name} is not readable as a table: {error}") from error
    return {
        "file": name,
        "encoding": table.encoding,
        "delimiter": table.delimiter,
        "decimal_comma": table.decimal_comma,
        "has_header": table.has_header,
        "rows": table.rows,
        "ragged_rows": table.ragged,
        "counted_as_missing": sorted(MISSING),
        "columns": [column.summary() for column in table.columns],
    }
