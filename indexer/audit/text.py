"""An audit's report in words."""

from __future__ import annotations

from typing import Any, Final

from aicp.rules.primitives import format_usdc
from indexer.audit.report import Difference, Report, Source

SHOWN: Final = 10
_ASKED: Final = " values against the contracts"
_MIRRORED: Final = " rows against the mirror"
_WHO: Final = {
    Source.CHAIN: ("contract says", "logs say"),
    Source.MIRROR: ("mirror says", "chain says"),
    Source.CONSERVATION: ("row says", "sum is"),
    Source.RECEIPTS: ("receipts say", "expected is"),
    Source.SCORES: ("file says", "anchor says"),
}
_WHERE: Final = {
    Source.CHAIN: "in what contracts answer",
    Source.CONSERVATION: "in money and sums",
    Source.MIRROR: "in the mirror",
    Source.RECEIPTS: "in receipts",
    Source.SCORES: "in scores",
}


def text_of(report: Report) -> str:
    """Return the summary and the first differences."""
    span = f"blocks {report.first_block:,} to {report.block_number:,}"
    lines = [
        f"Chain {report.chain_id}, {span}: {_many(report.events, 'event')} of our contracts.",
        f"Contracts asked at final block {report.block_number:,} (0x{report.block_hash.hex()}).",
    ]
    if report.mirror_block is not None:
        lines.append(f"Mirror compared at block {report.mirror_block:,}.")
    if report.resumed_at is not None:
        lines.append(f"Continued after block {report.resumed_at:,}, where an earlier run stopped.")
    lines += ["", *_table(report)]
    if report.held:
        lines += ["", *_money(report)]
    if report.notes:
        lines += ["", *(f"  {note}" for note in report.notes)]
    return "\n".join([*lines, "", *_verdict(report)])


def _table(report: Report) -> list[str]:
    """What was compared: by kind the values contracts were asked for and the mirror's rows, then all other checks."""
    checked = report.checked
    kinds = sorted({what.removesuffix(_ASKED).removesuffix(_MIRRORED) for what in checked} - checked.keys())
    with_mirror = report.mirror_block is not None
    head = f"  {'':<16}{'values asked of':>17}" + (f"{'rows in':>14}" if with_mirror else "")
    under = f"  {'':<16}{'the contracts':>17}" + (f"{'the mirror':>14}" if with_mirror else "")
    lines = [head, under]
    for kind in kinds:
        rows = f"{_number(checked[kind + _MIRRORED]):>14}" if with_mirror else ""
        lines.append(f"  {kind:<16}{_number(checked[kind + _ASKED]):>17}{rows}")
    others = [what for what in sorted(checked) if not what.endswith((_ASKED, _MIRRORED))]
    return [*lines, "", *(f"  {checked[what]:>9,}  {what}" for what in others)]


def _money(report: Report) -> list[str]:
    """What each contract holds and owes, and what is above that."""
    lines = [f"  {'USDC':<16}{'held':>17}{'owed':>17}"]
    surplus = report.surplus
    for name, units in report.held.items():
        more = surplus[name]
        above = f"   {format_usdc(more)} more than it owes" if more else ""
        lines.append(f"  {name:<16}{format_usdc(units):>17}{format_usdc(report.owed[name]):>17}{above}")
    return lines


def line_of(difference: Difference) -> str:
    """Return a difference in one line, and where it comes from in a second one."""
    origin = ""
    if difference.block_number is not None and difference.tx_hash is not None:
        whose = ", as the mirror says" if _is_invented(difference) else ""
        origin = f"\n    block {difference.block_number:,}, transaction {difference.tx_hash}{whose}"
    return f"{_says(difference)}{origin}"


def _says(difference: Difference) -> str:
    what = f"{difference.table} {difference.key}"
    if difference.source is Source.CONSERVATION and difference.column == "usdc_units":
        found, owed = int(difference.found), int(difference.derived)
        short, held = format_usdc(owed - found), format_usdc(found)
        return f"{difference.table} holds {held} USDC, {short} less than the {format_usdc(owed)} it owes"
    if difference.source is Source.MIRROR and difference.column == "(row)":
        return f"{what} is not in the mirror" if difference.found == "absent" else f"{what} is only in the mirror"
    who, other = _WHO[difference.source]
    shown = [_amount(difference.column, value) for value in (difference.found, difference.derived)]
    return f"{what} {difference.column}: {who} {shown[0]}, {other} {shown[1]}"


def _is_invented(difference: Difference) -> bool:
    return difference.source is Source.MIRROR and (difference.column, difference.found) == ("(row)", "present")


def _verdict(report: Report) -> list[str]:
    if report.ok:
        return [f"No differences in {sum(report.checked.values()):,} comparisons."]
    where = [f"{report.counts[source]:,} {words}" for source, words in _WHERE.items() if report.counts[source]]
    shown = f", the first {SHOWN}" if report.count > SHOWN else ""
    lines = [f"{_many(report.count, 'difference')} ({', '.join(where)}){shown}:"]
    if not report.counts[Source.CHAIN] + report.counts[Source.CONSERVATION]:
        lines.insert(0, "The contracts agree with their logs, and hold what they owe.")
    lines += [f"  {line_of(difference)}" for difference in report.lowest[:SHOWN]]
    if report.count > SHOWN:
        lines.append(f"  and {report.count - SHOWN:,} more; --json lists {len(report.lowest):,}, --csv all.")
    return lines


def _number(count: int) -> str:
    return f"{count:,}" if count else "-"


def _many(count: int, thing: str) -> str:
    return f"{count:,} {thing}" if count == 1 else f"{count:,} {thing}s"


def _shown(value: Any) -> str:
    text = "nothing" if value is None else str(value)
    return text if len(text) <= 200 else text[:199] + "…"


def _amount(column: str, value: Any) -> str:
    """Return a value as people read it: amounts in USDC, anything else as it is spelled."""
    if not column.endswith("_units") or not isinstance(value, str) or not value.removeprefix("-").isdecimal():
        return _shown(value)
    sign = "-" if value.startswith("-") else ""
    return f"{sign}{format_usdc(abs(int(value)))} USDC"
