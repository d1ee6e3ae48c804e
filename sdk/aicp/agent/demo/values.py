"""What a single cell of a table is: missing, a number, a truth value, a date, or text."""

from __future__ import annotations

import datetime as dt
import math
import re
from typing import Final, Literal

Kind = Literal["missing", "integer", "decimal", "boolean", "date", "text"]

MISSING: Final = frozenset({"", "na", "n/a", "nan", "null", "none", "nil", "-", "--", "?", "#n/a"})
_BOOLEAN: Final = frozenset({"true", "false", "yes", "no"})
_INTEGER: Final = re.compile(r"[+-]?\d{1,30}")
_DECIMAL: Final = re.compile(r"[+-]?(?:\d{1,30}(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d{1,3})?")
_GROUPED: Final = re.compile(r"[+-]?\d{1,3}(?:,\d{3})+(?:\.\d+)?")
_COMMA_DECIMAL: Final = re.compile(r"[+-]?\d{1,30},\d+")
_COMMA_GROUPED: Final = re.compile(r"[+-]?\d{1,3}(?:\.\d{3})+(?:,\d+)?")
_LEADING_ZERO: Final = re.compile(r"[+-]?0\d")
_DATE_CHARS: Final = re.compile(r"\d[\d\-:.TZ+ ]{5,34}")
_GERMAN_DATE: Final = re.compile(r"(\d{1,2})\.(\d{1,2})\.(\d{4})")


def parse_number(text: str, *, decimal_comma: bool) -> float | None:
    """Return a finite number, or None; an integer of any size stays exact.

    With `decimal_comma` 1.234,56 is read as people in much of Europe write it.
    """
    if _INTEGER.fullmatch(text):
        return int(text)
    if decimal_comma and _COMMA_GROUPED.fullmatch(text):
        text = text.replace(".", "").replace(",", ".")
    elif decimal_comma and _COMMA_DECIMAL.fullmatch(text):
        text = text.replace(",", ".")
    elif not decimal_comma and _GROUPED.fullmatch(text):
        text = text.replace(",", "")
    elif not _DECIMAL.fullmatch(text):
        return None
    value = float(text)
    return value if math.isfinite(value) else None


def parse_date(text: str) -> dt.datetime | None:
    """Return an ISO 8601 date or time, or a d.m.yyyy date, as a naive UTC time, or None."""
    if german := _GERMAN_DATE.fullmatch(text):
        day, month, year = (int(part) for part in german.groups())
        try:
            return dt.datetime(year, month, day)  # noqa: DTZ001  # a date has no zone
        except ValueError:
            return None
    if not _DATE_CHARS.fullmatch(text) or "-" not in text[1:]:
        return None
    try:
        moment = dt.datetime.fromisoformat(text)
        return moment.astimezone(dt.UTC).replace(tzinfo=None) if moment.tzinfo else moment
    except (ValueError, OverflowError):
        return None


def kind_of(text: str, *, decimal_comma: bool) -> Kind:
    """Return what a stripped cell is. An identifier such as 00123 stays text, because as a number it would change."""
    lowered = text.lower()
    if lowered in MISSING:
        return "missing"
    if lowered in _BOOLEAN:
        return "boolean"
    if _LEADING_ZERO.match(text) and parse_date(text) is None:
        return "text"
    if _INTEGER.fullmatch(text):
        return "integer"
    if parse_date(text) is not None:
        return "date"
    if parse_number(text, decimal_comma=decimal_comma) is not None:
        return "decimal"
    return "text"
