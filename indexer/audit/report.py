"""What an audit found, for people and for programs."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from indexer.core.workspace import spelled


class Source(StrEnum):
    """What disagrees with the contracts' own logs."""

    CHAIN = "chain"
    MIRROR = "mirror"
    CONSERVATION = "conservation"
    RECEIPTS = "receipts"


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One value that is not what the logs say.

    `found` is the value of the source (a contract's answer, or the mirror's column), `derived` the one the logs give.
    `block_number` and `tx_hash` are those of the last log behind the value, where there is one.
    """

    source: Source
    table: str
    key: str
    column: str
    found: Any
    derived: Any
    block_number: int | None = None
    tx_hash: bytes | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the difference with hex and decimal strings."""
        mirror = self.source is Source.MIRROR
        return {
            "source": self.source.value,
            "table": self.table,
            "key": self.key,
            "column": self.column,
            "mirror_value" if mirror else "contract_value": spelled(self.found),
            "chain_value" if mirror else "derived_value": spelled(self.derived),
            "block_number": self.block_number,
            "tx_hash": spelled(self.tx_hash),
        }

    def as_text(self) -> str:
        """Return one line for people."""
        who = {"mirror": "mirror", "chain": "contract", "conservation": "token balance", "receipts": "service"}[
            self.source
        ]
        says = {"mirror": "chain", "receipts": "check"}.get(self.source, "logs")
        origin = ""
        if self.block_number is not None and self.tx_hash is not None:
            origin = f" (block {self.block_number}, tx 0x{self.tx_hash.hex()})"
        found, derived = spelled(self.found), spelled(self.derived)
        return f"{self.table} {self.key} {self.column}: {who} says {found}, {says} says {derived}{origin}"


@dataclass(slots=True)
class Report:
    """Counts of what was checked, and every difference."""

    block_number: int = 0
    block_hash: bytes = b""
    events: int = 0
    mirror_block: int | None = None
    checked: Counter[str] = field(default_factory=Counter)
    differences: list[Difference] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether everything agrees."""
        return not self.differences

    def as_json(self) -> dict[str, Any]:
        """Return the whole report."""
        return {
            "ok": self.ok,
            "block_number": self.block_number,
            "block_hash": spelled(self.block_hash),
            "mirror_block": self.mirror_block,
            "events": self.events,
            "checked": dict(sorted(self.checked.items())),
            "differences": [difference.as_json() for difference in self.differences],
        }

    def as_text(self) -> str:
        """Return the summary and the first differences."""
        lines = [f"Block {self.block_number} (0x{self.block_hash.hex()}), {self.events} events of our contracts."]
        if self.mirror_block is not None:
            lines.append(f"Mirror compared at block {self.mirror_block}.")
        lines += [f"  {count:>8}  {what}" for what, count in sorted(self.checked.items())]
        if self.ok:
            return "\n".join([*lines, "No differences."])
        count = len(self.differences)
        lines.append("1 difference:" if count == 1 else f"{count} differences. The first:")
        lines += [f"  {difference.as_text()}" for difference in self.differences[:10]]
        return "\n".join(lines)
