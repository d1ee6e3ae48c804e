"""Reports: the lowest block first, bounded, whatever order differences come in; a line of CSV for each comparison."""

from __future__ import annotations

import csv
import json
from io import StringIO
from pathlib import Path

from rich.console import Console

from indexer.audit.progress import Shown
from indexer.audit.report import COLUMNS, KEPT, Item, Lines, Report, Source
from indexer.audit.text import text_of

TX = b"\x0f" * 32


def item(block: int | None, source: Source = Source.CHAIN, table: str = "escrow") -> Item:
    return Item(source, table, "0x01", block, None if block is None else TX)


def test_all_differences_are_counted_and_the_lowest_kept() -> None:
    report = Report()
    for block in range(3 * KEPT, 0, -1):
        report.compare("values", item(block), "released_units", block, 0)
    report.compare("values", item(0), "released_units", 5, 5)
    assert (report.ok, report.count, report.checked) == (False, 3 * KEPT, {"values": 3 * KEPT + 1})
    assert [one.block_number for one in report.lowest] == list(range(1, KEPT + 1))


def test_missing_money_comes_first_then_the_lowest_block_then_what_has_none() -> None:
    report = Report()
    report.compare("values", item(None), "a", 1, 0)
    report.compare("values", item(70), "b", 1, 0)
    report.compare("values", item(7, Source.MIRROR), "c", None, b"\x01")
    report.at_least("money", Item(Source.CONSERVATION, "escrow", "0x02", 99), "usdc_units", 1_500_000, 2_000_000)
    report.at_least("money", Item(Source.CONSERVATION, "arbiter", "0x03", 99), "usdc_units", 3, 2)
    assert [one.column for one in report.lowest] == ["usdc_units", "c", "b", "a"]
    text = text_of(report)
    assert "4 differences (2 in what contracts answer, 1 in money and sums, 1 in the mirror):\n  escrow" in text
    assert "  escrow holds 1.50 USDC, 0.50 less than the 2.00 it owes\n" in text
    assert f"  escrow 0x01 c: mirror says nothing, chain says 0x01\n    block 7, transaction 0x{TX.hex()}\n" in text
    assert text.endswith("  escrow 0x01 a: contract says 1, logs say 0")


def test_many_differences_are_cut_short_and_the_rest_counted() -> None:
    report = Report()
    for block in range(12):
        report.compare("values", item(block), "a", "x" * 500, 0)
    text = text_of(report)
    assert "12 differences (12 in what contracts answer), the first 10:\n" in text
    assert text.count("contract says") == 10
    assert text.endswith("  and 2 more; --json lists 12, --csv all.")
    assert max(len(line) for line in text.splitlines()) < 400


def test_what_is_only_the_mirrors_fault_is_told_so_and_amounts_are_read_in_usdc() -> None:
    report = Report(held={"escrow": 3_500_000, "arbiter": 7}, owed={"escrow": 3_000_000, "arbiter": 7})
    report.compare("rows", item(1_007, Source.MIRROR), "released_units", 21_000_000, -1)
    report.compare("rows", item(1_008, Source.MIRROR), "(row)", "present", "absent")
    text = text_of(report)
    assert "The contracts agree with their logs, and hold what they owe.\n2 differences (2 in the mirror):\n" in text
    assert "released_units: mirror says 21.00 USDC, chain says -0.000001 USDC\n    block 1,007, transaction 0x" in text
    assert text.endswith(
        f"  escrow 0x01 is only in the mirror\n    block 1,008, transaction 0x{TX.hex()}, as the mirror says"
    )
    assert "  escrow                       3.50             3.00   0.50 more than it owes\n" in text
    assert "  arbiter                  0.000007         0.000007\n" in text


def test_a_report_survives_a_checkpoint(tmp_path: Path) -> None:
    report = Report(lines=Lines(tmp_path / "all.csv", None))
    report.events = 4
    report.compare("values", item(7, Source.MIRROR), "c", b"\x01", True)
    report.compare("values", item(8), "d", 5, 5)
    kept = json.loads(json.dumps(report.saved()))
    assert report.lines is not None
    report.lines.add(item(9), "e", 1, 1)
    report.lines.close()
    again = Report(lines=Lines(tmp_path / "all.csv", kept["csv"]))
    again.resume(kept, 8)
    again.compare("values", item(10), "f", 6, 6)
    assert (again.lowest, again.events, again.checked, again.count) == (report.lowest, 4, {"values": 3}, 1)
    assert again.lines is not None
    again.lines.close()
    with (tmp_path / "all.csv").open(encoding="utf-8") as file:
        rows = list(csv.reader(file))
    assert rows == [
        list(COLUMNS),
        ["escrow", "0x01", "c", "True", "", "0x01", "7", "0x" + TX.hex()],
        ["escrow", "0x01", "d", "5", "5", "", "8", "0x" + TX.hex()],
        ["escrow", "0x01", "f", "6", "6", "", "10", "0x" + TX.hex()],
    ]


def shown(*, terminal: bool) -> str:
    """Return what two phases write."""
    out = StringIO()
    with Shown(Console(file=out, force_terminal=terminal, width=100)) as progress:
        progress.phase("Reading blocks", 200)
        progress.at(120)
        progress.phase("Asking the contracts", 50)
        progress.at(50)
    return out.getvalue()


def test_phases_are_shown_on_a_terminal_and_nowhere_else() -> None:
    text = shown(terminal=True)
    assert all(part in text for part in ("Reading blocks", "200/200", "Asking the contracts", "50/50"))
    assert shown(terminal=False) == ""
