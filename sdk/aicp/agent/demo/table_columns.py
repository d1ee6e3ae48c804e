"""Running figures of one column, in bounded memory."""

from __future__ import annotations

import datetime as dt
import math
import random
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final, TypedDict

from aicp.agent.demo.values import Kind, kind_of, parse_date, parse_number

_DOMINANT_PERCENT: Final = 90
_EXAMPLES: Final = 5
_TOP: Final = 5
_KEY_LENGTH: Final = 120


class Place(TypedDict):
    """Where a cell is: the line of the file its row begins on, and the number of the row among the data, from 1."""

    line: int
    row: int


@dataclass(slots=True)
class Numbers:
    """Mean and spread by Welford's method; quartiles from all values, or from a fair sample of `limit`.

    Integers of any size stay exact in everything but the deviation, as long as no other number is among them.
    """

    limit: int
    count: int = 0
    mean: float = 0.0
    squares: float = 0.0
    low: float = math.inf
    high: float = -math.inf
    whole: int | None = 0
    """The exact sum while every number is an integer."""
    kept: list[float] = field(default_factory=list)
    _random: random.Random = field(default_factory=lambda: random.Random(0))  # noqa: S311  # a sample, no secret

    def add(self, value: float) -> None:
        self.count += 1
        self.whole = self.whole + value if self.whole is not None and isinstance(value, int) else None
        delta = value - self.mean
        self.mean += delta / self.count
        self.squares += delta * (value - self.mean)
        self.low, self.high = min(self.low, value), max(self.high, value)
        if len(self.kept) < self.limit:
            self.kept.append(value)
        elif (place := self._random.randrange(self.count)) < self.limit:
            self.kept[place] = value

    def quartiles(self) -> tuple[float, float, float]:
        """Return the three quartiles (inclusive method)."""
        ordered = sorted(self.kept)
        first, second, third = (_quartile(ordered, n) for n in (1, 2, 3))
        return first, second, third

    def summary(self) -> dict[str, Any]:
        """Return the figures. Values so large that their squares overflow have no deviation."""
        first, median, third = self.quartiles()
        deviation = math.sqrt(self.squares / (self.count - 1)) if self.count > 1 else 0.0
        return {
            "min": tidy(self.low),
            "max": tidy(self.high),
            "mean": tidy(self.mean if self.whole is None else _divided(self.whole, self.count)),
            "median": tidy(median),
            "q1": tidy(first),
            "q3": tidy(third),
            "standard_deviation": tidy(deviation),
            "quartiles_from_sample": self.count > self.limit,
        }


def _quartile(ordered: list[float], number: int) -> float:
    """Return a quartile of sorted values (inclusive method), exact where it is a whole number of integers."""
    place, quarters = divmod((len(ordered) - 1) * number, 4)
    if quarters == 0:
        return ordered[place]
    low, high = ordered[place], ordered[place + 1]
    return _divided(low * (4 - quarters) + high * quarters, 4)


def _divided(sum_of: float, count: int) -> float:
    exact = isinstance(sum_of, int) and sum_of % count == 0
    return sum_of // count if exact else sum_of / count


def tidy(value: float) -> float | int | None:
    """Return a number with 10 significant digits, or all before its point; whole ones as integers, None for infinite.

    An integer stays as it is.
    """
    if isinstance(value, int):
        return value
    if not math.isfinite(value):
        return None
    digits = min(17, max(10, len(str(int(abs(value))))))
    rounded = float(f"{value:.{digits}g}")
    return int(rounded) if rounded.is_integer() and abs(rounded) < 2**53 else rounded


class Column:
    """Everything seen in one column."""

    def __init__(self, name: str, *, number_limit: int, key_limit: int, decimal_comma: bool) -> None:
        self.name = name
        self.decimal_comma = decimal_comma
        self.kinds: Counter[Kind] = Counter()
        self.numbers = Numbers(number_limit)
        self.values: Counter[str] = Counter()
        self.values_complete = True
        self.shortest = 0
        self.longest = 0
        self.earliest: dt.datetime | None = None
        self.latest: dt.datetime | None = None
        self.outlier_count = 0
        self.outliers: list[dict[str, Any]] = []
        self.misfit_examples: list[dict[str, Any]] = []
        self._key_limit = key_limit

    def add(self, cell: str) -> None:
        """Take a cell into account."""
        text = cell.strip()
        kind = kind_of(text, decimal_comma=self.decimal_comma)
        self.kinds[kind] += 1
        if kind == "missing":
            return
        self._count_value(text)
        length = len(text)
        self.longest = max(self.longest, length)
        self.shortest = min(self.shortest or length, length)
        if kind in {"integer", "decimal"}:
            value = parse_number(text, decimal_comma=self.decimal_comma)
            if value is not None:
                self.numbers.add(value)
        elif kind == "date" and (moment := parse_date(text)) is not None:
            self.earliest = moment if self.earliest is None else min(self.earliest, moment)
            self.latest = moment if self.latest is None else max(self.latest, moment)

    def _count_value(self, text: str) -> None:
        key = text[:_KEY_LENGTH]
        if key in self.values or len(self.values) < self._key_limit:
            self.values[key] += 1
        else:
            self.values_complete = False

    @property
    def present(self) -> int:
        """Cells that are not missing."""
        return self.kinds.total() - self.kinds["missing"]

    def kind(self) -> Kind:
        """Return the type that at least nine in ten present cells have; integers count as decimals."""
        if self.present == 0:
            return "missing"
        numeric = self.kinds["integer"] + self.kinds["decimal"]
        if numeric * 100 >= self.present * _DOMINANT_PERCENT:
            return "decimal" if self.kinds["decimal"] else "integer"
        for kind in ("boolean", "date"):
            if self.kinds[kind] * 100 >= self.present * _DOMINANT_PERCENT:
                return kind
        return "text"

    def fits(self, kind: Kind) -> bool:
        """Return whether a cell's type belongs to the column's type."""
        own = self.kind()
        return own in {"text", "missing"} or kind == own or (own == "decimal" and kind == "integer")

    def fences(self) -> tuple[float, float] | None:
        """Return the bounds beyond which a number is an outlier: 1.5 interquartile ranges off the middle half."""
        if self.kind() not in {"integer", "decimal"} or self.numbers.count < 4:
            return None
        first, _, third = self.numbers.quartiles()
        reach = 1.5 * (third - first)
        return (first - reach, third + reach) if reach > 0 else None

    def inspect(self, cell: str, place: Place, fences: tuple[float, float] | None) -> None:
        """Second look at a cell, once the column's type is known: does it fit, is it an outlier?"""
        text = cell.strip()
        kind = kind_of(text, decimal_comma=self.decimal_comma)
        if kind == "missing":
            return
        if not self.fits(kind) and len(self.misfit_examples) < _EXAMPLES:
            self.misfit_examples.append({**place, "value": text[:_KEY_LENGTH]})
        if fences is None or kind not in {"integer", "decimal"}:
            return
        value = parse_number(text, decimal_comma=self.decimal_comma)
        if value is not None and not fences[0] <= value <= fences[1]:
            self.outlier_count += 1
            if len(self.outliers) < 2 * _EXAMPLES:
                self.outliers.append({**place, "value": tidy(value)})

    def summary(self) -> dict[str, Any]:
        """Return everything about the column, ready for JSON."""
        kind, total = self.kind(), self.kinds.total()
        found: dict[str, Any] = {
            "name": self.name,
            "type": kind if kind != "missing" else "empty",
            "present": self.present,
            "missing": self.kinds["missing"],
            "missing_percent": tidy(100 * self.kinds["missing"] / total) if total else 0,
            "distinct": len(self.values),
            "distinct_is_complete": self.values_complete,
        }
        if kind in {"integer", "decimal"}:
            found["numbers"] = self.numbers.summary()
            found["outliers"] = {"count": self.outlier_count, "first": self.outliers}
        elif kind == "date" and self.earliest is not None and self.latest is not None:
            found["dates"] = {"earliest": self.earliest.isoformat(), "latest": self.latest.isoformat()}
        elif kind in {"text", "boolean"}:
            top = sorted(self.values.items(), key=lambda item: (-item[1], item[0]))[:_TOP]
            found["most_frequent"] = [{"value": value, "count": count} for value, count in top]
            found["length"] = {"shortest": self.shortest, "longest": self.longest}
        if self.misfit_examples:
            found["misfits"] = {"count": self.misfits(), "first": self.misfit_examples}
        return found

    def misfits(self) -> int:
        """Cells that are not of the column's type."""
        kinds: tuple[Kind, ...] = ("integer", "decimal", "boolean", "date", "text")
        return sum(self.kinds[kind] for kind in kinds if not self.fits(kind))
