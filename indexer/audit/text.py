"""An audit's report in words."""

from __future__ import annotations

from typing import Any, Final

from aicp.rules.primitives import format_usdc
from indexer.audit.report import Difference, Report, Source

SHOWN: Final = 10
_WHO: Final = {
    Source.CHAIN: ("contract", "logs"),
    Source.MIRROR: ("mirror", "chain"),
    Source.CONSERVATION: ("sum", "logs"),
    Source.RECEIPTS: ("receipts", "check"),
    Source.SCORES: ("scores", "anchor"),
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
    lines.append("")
    lines += [f"  {count:>11,}  {what}" for what, count in sorted(report.checked.items())]
    extra = [f"  {name} holds {format_usdc(units)} USDC more than it owes." for name, units in _surplus(report)]
    extra += [f"  {note}" for note in report.notes]
    if extra:
        lines += ["", *extra]
    return "\n".join([*lines, "", *_verdict(report)])


def line_of(difference: Difference) -> str:
    """Return a difference in one line."""
    who, says = _WHO[difference.source]
    origin = ""
    if difference.block_number is not None and difference.tx_hash is not None:
        origin = f" (block {difference.block_number}, tx {difference.tx_hash})"
    if difference.source is Source.CONSERVATION and difference.column == "usdc_units":
        found, owed = int(difference.found), int(difference.derived)
        short, held = format_usdc(owed - found), format_usdc(found)
        return f"{difference.table} holds {held} USDC, {short} less than the {format_usdc(owed)} it owes"
    values = f"{who} says {_shown(difference.found)}, {says} says {_shown(difference.derived)}"
    return f"{difference.table} {difference.key} {difference.column}: {values}{origin}"


def _verdict(report: Report) -> list[str]:
    if report.ok:
        return [f"No differences in {sum(report.checked.values()):,} comparisons."]
    lines = ["1 difference:" if report.count == 1 else f"{report.count:,} differences. The first:"]
    lines += [f"  {line_of(difference)}" for difference in report.lowest[:SHOWN]]
    if report.count > SHOWN:
        lines.append(f"  and {report.count - SHOWN:,} more; --json lists {len(report.lowest):,}, --csv all.")
    return lines


def _surplus(report: Report) -> list[tuple[str, int]]:
    return [(name, units) for name, units in report.surplus.items() if units]


def _many(count: int, thing: str) -> str:
    return f"{count:,} {thing}" if count == 1 else f"{count:,} {thing}s"


def _shown(value: Any) -> str:
    text = "nothing" if value is None else str(value)
    return text if len(text) <= 200 else text[:199] + "…"
