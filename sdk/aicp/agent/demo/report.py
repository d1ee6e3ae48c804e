"""Writes profiles as Markdown. Nothing of the buyer's data can become markup in it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any, Final

_MARKUP: Final = re.compile(r"([\\`*_{}\[\]<>()#+!|~&])")
_SHOWN: Final = 60


def plain(value: Any) -> str:
    """Return a value as one line of Markdown text with every special character escaped."""
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = " ".join(str(value).split())
    text = text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
    return _MARKUP.sub(r"\\\1", text)


def _table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    lines += ["| " + " | ".join("" if cell is None else plain(cell) for cell in row) + " |" for row in rows]
    return "\n".join(lines)


def _listed(items: Sequence[dict[str, Any]]) -> str:
    return ", ".join(f"{plain(item['value'])} on line {item['line']} (data row {item['row']})" for item in items)


def table_markdown(profile: dict[str, Any]) -> str:
    """Return the report of `profile_table`."""
    columns = profile["columns"]
    header = "with" if profile["has_header"] else "without"
    parts = [
        f"# {plain(profile['file'])}",
        f"{profile['rows']} rows, {len(columns)} columns, {header} a header. Encoding {profile['encoding']}.",
    ]
    if profile["ragged_rows"]:
        parts.append(f"**{profile['ragged_rows']} rows** have another number of cells than the table has columns.")
    overview = [(c["name"], c["type"], c["missing"], f"{plain(c['missing_percent'])}%", c["distinct"]) for c in columns]
    spellings = ", ".join(plain(text) for text in profile["counted_as_missing"] if text)
    parts += ["## Columns", _table(("Column", "Type", "Missing", "Share", "Distinct"), overview)]
    parts.append(f"Empty cells count as missing, and so does, in any case: {spellings}.")
    numeric = [c for c in columns if "numbers" in c]
    if numeric:
        keys = ("min", "q1", "median", "mean", "q3", "max", "standard_deviation")
        rows = [(c["name"], *(c["numbers"][key] for key in keys)) for c in numeric]
        parts += ["## Numbers", _table(("Column", "Min", "Q1", "Median", "Mean", "Q3", "Max", "Std. dev."), rows)]
    outliers = [c for c in numeric if c["outliers"]["count"]]
    if outliers:
        lines = [f"- {plain(c['name'])}: {c['outliers']['count']}, {_listed(c['outliers']['first'])}" for c in outliers]
        parts += ["## Outliers", "Beyond 1.5 interquartile ranges of the middle half.", "\n".join(lines)]
    misfits = [c for c in columns if "misfits" in c]
    if misfits:
        lines = [f"- {plain(c['name'])}: {c['misfits']['count']}, {_listed(c['misfits']['first'])}" for c in misfits]
        parts += ["## Cells of another type than their column", "\n".join(lines)]
    return "\n\n".join(parts) + "\n"


def text_markdown(profile: dict[str, Any]) -> str:
    """Return the report of `profile_text`."""
    readability = profile["readability"]
    labels = {
        "characters": "Characters",
        "words": "Words",
        "distinct_words": "Distinct words",
        "sentences": "Sentences",
        "paragraphs": "Paragraphs",
        "average_word_length": "Letters a word",
        "average_sentence_words": "Words a sentence",
        "reading_minutes": "Minutes to read",
    }
    terms = [(item["term"], item["count"]) for item in profile["most_frequent_terms"]]
    scores = [
        ("Flesch reading ease", f"{readability['flesch_reading_ease']} ({readability['level']})"),
        ("Flesch-Kincaid grade", readability["flesch_kincaid_grade"]),
        ("Gunning fog", readability["gunning_fog"]),
    ]
    return (
        "\n\n".join(
            [
                f"# {plain(profile['file'])}",
                _table(("Figure", "Value"), [(label, profile[key]) for key, label in labels.items()]),
                "## Readability",
                _table(("Score", "Value"), scores),
                readability["note"],
                "## Most frequent terms",
                _table(("Term", "Count"), terms) if terms else "None beyond function words.",
            ]
        )
        + "\n"
    )
