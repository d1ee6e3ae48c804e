from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from aicp.agent.demo.report import plain, table_markdown
from aicp.agent.demo.table_columns import Numbers
from aicp.agent.demo.table_profile import profile_table
from aicp.agent.demo.values import kind_of, parse_date, parse_number
from aicp.agent.work import CannotDo


def profile(tmp_path: Path, content: str | bytes) -> dict[str, Any]:
    path = tmp_path / "table.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return profile_table(path, "table.csv")


def column(found: dict[str, Any], name: str) -> dict[str, Any]:
    return next(c for c in found["columns"] if c["name"] == name)


def test_types_missing_values_statistics_and_outliers(tmp_path: Path) -> None:
    rows = ["id,city,price,sold,active"]
    rows += [f"{n},{'Bonn' if n % 2 else 'Köln'},{n}.5,2026-01-{n:02d},yes" for n in range(1, 21)]
    rows += ["21,Bonn,9999,2026-02-01,no", "22,,n/a,,"]
    found = profile(tmp_path, "\n".join(rows) + "\n")
    assert (found["rows"], found["has_header"], found["delimiter"], found["ragged_rows"]) == (22, True, ",", 0)
    types = {c["name"]: c["type"] for c in found["columns"]}
    assert types == {"id": "integer", "city": "text", "price": "decimal", "sold": "date", "active": "boolean"}
    price = column(found, "price")
    assert price["missing"] == 1
    assert price["numbers"]["min"] == 1.5
    assert price["numbers"]["median"] == 11.5
    assert price["outliers"] == {"count": 1, "first": [{"line": 22, "row": 21, "value": 9999}]}
    assert column(found, "sold")["dates"] == {"earliest": "2026-01-01T00:00:00", "latest": "2026-02-01T00:00:00"}
    assert column(found, "city")["most_frequent"][0] == {"value": "Bonn", "count": 11}
    json.dumps(found, allow_nan=False)


def test_statistics_by_hand() -> None:
    numbers = Numbers(limit=10)
    for value in (2, 4, 4, 4, 5, 5, 7, 9):
        numbers.add(value)
    summary = numbers.summary()
    assert (summary["mean"], summary["median"], summary["q1"], summary["q3"]) == (5, 4.5, 4, 5.5)
    assert summary["standard_deviation"] == pytest.approx(2.138089935)


def test_beyond_the_limit_quartiles_come_from_a_sample_and_say_so() -> None:
    numbers = Numbers(limit=1000)
    for value in range(100_000):
        numbers.add(float(value))
    summary = numbers.summary()
    assert len(numbers.kept) == 1000
    assert summary["quartiles_from_sample"] is True
    assert summary["mean"] == 49_999.5
    assert summary["median"] == pytest.approx(50_000, rel=0.15)


def test_semicolons_and_decimal_commas(tmp_path: Path) -> None:
    found = profile(tmp_path, "artikel;preis\nA;1.234,56\nB;0,5\nC;7,25\n")
    assert (found["delimiter"], found["decimal_comma"]) == (";", True)
    assert column(found, "preis")["numbers"]["max"] == 1234.56


def test_semicolons_with_decimal_points(tmp_path: Path) -> None:
    found = profile(tmp_path, "name;value\na;1.5\nb;2.5\nc;3.25\n")
    assert found["decimal_comma"] is False
    assert column(found, "value")["numbers"]["max"] == 3.25


def test_quoted_fields_with_separators_and_line_breaks(tmp_path: Path) -> None:
    found = profile(tmp_path, 'name,note\n"Doe, Jane","two\nlines"\n"Roe, ""Rick""",x\n')
    assert found["rows"] == 2
    assert {v["value"] for v in column(found, "name")["most_frequent"]} == {"Doe, Jane", 'Roe, "Rick"'}


def test_ragged_rows_are_counted_and_short_cells_are_missing(tmp_path: Path) -> None:
    found = profile(tmp_path, "a,b,c\n1,2,3\n1,2\n1,2,3,4\n")
    assert found["ragged_rows"] == 2
    assert column(found, "c")["missing"] == 1


def test_a_table_without_header_gets_names(tmp_path: Path) -> None:
    found = profile(tmp_path, "1,2\n3,4\n5,6\n")
    assert found["has_header"] is False
    assert found["rows"] == 3
    assert [c["name"] for c in found["columns"]] == ["column 1", "column 2"]


def test_a_few_misfits_do_not_change_a_columns_type_but_are_named(tmp_path: Path) -> None:
    found = profile(tmp_path, "n\n" + "\n".join(str(n) for n in range(19)) + "\noops\n")
    assert column(found, "n")["type"] == "integer"
    assert column(found, "n")["misfits"] == {"count": 1, "first": [{"line": 21, "row": 20, "value": "oops"}]}


def test_integers_of_any_size_are_reported_exactly(tmp_path: Path) -> None:
    big = 2**53 + 1
    found = column(profile(tmp_path, "n\n" + "".join(f"{big + n}\n" for n in (0, 2, 4))), "n")["numbers"]
    assert (found["min"], found["median"], found["mean"], found["max"]) == (big, big + 2, big + 2, big + 4)
    assert (found["q1"], found["q3"]) == (big + 1, big + 3)
    far = column(profile(tmp_path, "n\n1\n2\n3\n4\n123456789012345678901\n"), "n")
    assert far["outliers"]["first"] == [{"line": 6, "row": 5, "value": 123456789012345678901}]


def test_places_count_lines_of_the_file_and_rows_of_the_data(tmp_path: Path) -> None:
    rows = 'note,n\n"two\nlines",1\n\n' + "".join(f"x,{n}\n" for n in (2, 3, 4, 5, 6, 7)) + "y,1000\n"
    found = profile(tmp_path, rows)
    assert column(found, "n")["outliers"]["first"] == [{"line": 11, "row": 8, "value": 1000}]
    assert "1000 on line 11 (data row 8)" in table_markdown(found)


def test_the_report_says_what_counts_as_missing(tmp_path: Path) -> None:
    found = profile(tmp_path, "a,b\n1,-\n2,n/a\n3,x\n")
    assert column(found, "b")["missing"] == 2
    assert {"-", "n/a", ""} <= set(found["counted_as_missing"])
    assert r"\#n/a, -, --, ?, n/a, na, nan, nil, none, null." in table_markdown(found)


@pytest.mark.parametrize(
    ("content", "encoding"),
    [
        ("ä,b\n1,2\n".encode("utf-8-sig"), "utf-8-sig"),
        ("ä,b\n1,2\n".encode("utf-16"), "utf-16"),
        ("ä,b\n1,2\n".encode("cp1252"), "cp1252"),
    ],
)
def test_encodings(tmp_path: Path, content: bytes, encoding: str) -> None:
    found = profile(tmp_path, content)
    assert found["encoding"] == encoding
    assert [c["name"] for c in found["columns"]] == ["ä", "b"]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"  \n \n",
        b"PK\x03\x04\x00\x00binary",
        b"\x89PNG\r\n\x1a\n" + bytes(100),
        b"a,b\n",
        b"\xff\xfea",
        b'a,b\n"' + b"x" * (1 << 21),
        b",".join(b"c%d" % n for n in range(1001)) + b"\n",
    ],
)
def test_what_is_no_table_is_refused_in_words(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(CannotDo, match=r"table\.csv"):
        profile(tmp_path, content)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("00123", "text"),
        ("0", "integer"),
        ("-7", "integer"),
        ("1e5", "decimal"),
        ("1,234.50", "decimal"),
        ("1e999", "text"),
        ("inf", "text"),
        ("NaN", "missing"),
        ("N/A", "missing"),
        ("2026-02-30", "text"),
        ("2026-02-28T10:00:00Z", "date"),
        ("31.12.2026", "date"),
        ("01.02.2026", "date"),
        ("10.0.0.1", "text"),
        ("+49 228 1234", "text"),
        ("9" * 400, "text"),
        ("²", "text"),
    ],
)
def test_cells(text: str, kind: str) -> None:
    assert kind_of(text, decimal_comma=False) == kind


def test_zones_are_turned_to_utc_and_odd_numbers_are_none() -> None:
    moment = parse_date("2026-01-01T00:30:00+02:00")
    assert moment is not None
    assert moment.isoformat() == "2025-12-31T22:30:00"
    assert parse_number("1,5", decimal_comma=False) is None


def test_huge_numbers_stay_json(tmp_path: Path) -> None:
    found = profile(tmp_path, "n,m\n1e308,x\n-1e308,y\n1e308,z\n")
    json.dumps(found, allow_nan=False)


def test_all_missing_and_constant_columns(tmp_path: Path) -> None:
    found = profile(tmp_path, "empty,same\n,5\nna,5\n,5\n,5\n,5\n")
    assert column(found, "empty")["type"] == "empty"
    assert column(found, "same")["outliers"]["count"] == 0
    assert "| empty |" in table_markdown(found)


def test_markdown_escapes_what_buyers_write(tmp_path: Path) -> None:
    found = profile(tmp_path, "<script>alert(1)</script>,b\n[x](javascript:1),1\n|,2\n")
    text = table_markdown(found)
    assert "<script>" not in text
    assert plain("a|b\n<i>`*[") == r"a\|b \<i\>\`\*\["
