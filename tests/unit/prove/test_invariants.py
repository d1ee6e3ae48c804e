"""The checker of the invariants finds what is missing."""

from __future__ import annotations

from dataclasses import replace

from scripts.prove.invariants import COUNT, Row, kind_of, problems_of, rows_of

TESTS = {"A.invariant_a", "AProofs.check_b", "test_c"}
ROWS = [Row(number, ("U",), ("test_c",), ()) for number in range(1, COUNT + 1)]


def _with(row: Row) -> list[str]:
    return problems_of([row, *ROWS[1:]], TESTS)


def test_a_row_is_read() -> None:
    text = "| # | Kind |\n| 7 | H | Nothing is lost. | `A.invariant_a` `test_c` | symbolic: too dear |\n"
    assert rows_of(text) == [Row(7, ("H",), ("A.invariant_a", "test_c"), ("symbolic",))]


def test_all_numbers_are_there() -> None:
    assert problems_of(ROWS, TESTS) == []
    assert problems_of(ROWS[1:], TESTS) == ["the numbers are not 1 to 48"]


def test_a_named_test_must_exist() -> None:
    assert _with(replace(ROWS[0], tests=("test_c", "test_d"))) == ["1: there is no test test_d"]
    assert _with(replace(ROWS[0], tests=("AProofs.*",))) == []
    assert _with(replace(ROWS[0], tests=("BProofs.*",))) == ["1: there is no test BProofs.*"]


def test_letters_ask_for_kinds() -> None:
    assert _with(Row(1, ("I",), ("test_c",), ())) == ["1: no stateful test"]
    assert _with(Row(1, ("H",), ("A.invariant_a",), ())) == ["1: no symbolic test"]
    assert _with(Row(1, ("H",), ("A.invariant_a", "AProofs.check_b"), ())) == []
    assert _with(Row(1, ("U",), (), ())) == ["1: no unit test"]


def test_a_debt_is_named_until_it_is_paid() -> None:
    assert _with(Row(1, ("H",), ("A.invariant_a",), ("symbolic",))) == []
    assert _with(Row(1, ("I",), ("A.invariant_a",), ("stateful",))) == ["1: a stateful test is owed and there"]


def test_names_tell_kinds() -> None:
    assert kind_of("test_payment_channel__does_what_the_model_says") == "stateful"
    assert kind_of("A.afterInvariant") == "stateful"
    assert kind_of("AProofs.*") == "symbolic"
    assert kind_of("ATest.*") == "unit"
