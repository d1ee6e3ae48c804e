"""What an audit found: counts of all it compared, the lowest differences, and a line of CSV for each comparison.

Every comparison of the audit goes through `Report.compare`, so nothing is compared without being counted. Memory is
bounded: all differences are counted, and of them the `KEPT` ones of the lowest blocks are held.
"""

from __future__ import annotations

import csv
from bisect import insort
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from hashlib import sha256
from pathlib import Path
from typing import IO, Any, Final

from indexer.core.spelling import spelled

KEPT: Final = 1_000
_PIECE: Final = 1 << 20
COLUMNS: Final = ("kind", "key", "field", "derived", "chain", "mirror", "block", "tx")


class Source(StrEnum):
    """Whose word was compared with what the contracts' own logs give."""

    CHAIN = "chain"
    MIRROR = "mirror"
    CONSERVATION = "conservation"
    RECEIPTS = "receipts"
    SCORES = "scores"


@dataclass(frozen=True, slots=True)
class Item:
    """What is compared: a key of a table, with the log that last changed it where there is one."""

    source: Source
    table: str
    key: str
    block_number: int | None = None
    tx_hash: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One value that is not what the logs say, in its JSON spelling.

    `found` is the value of the source (a contract's answer, a mirror's column, a service's receipt), `derived` the one
    the logs give. `block_number` and `tx_hash` are those of the last log behind the value, where there is one.
    """

    source: Source
    table: str
    key: str
    column: str
    found: Any
    derived: Any
    block_number: int | None = None
    tx_hash: str | None = None

    @property
    def order(self) -> tuple[int, str, str, str]:
        """The place in a list: missing money first, then by block."""
        if self.source is Source.CONSERVATION and self.tx_hash is None:
            return (-1, self.table, self.key, self.column)
        return (2**63 if self.block_number is None else self.block_number, self.table, self.key, self.column)

    def as_json(self) -> dict[str, Any]:
        """Return the difference with hex and decimal strings."""
        mirror = self.source is Source.MIRROR
        return {
            "source": self.source.value,
            "table": self.table,
            "key": self.key,
            "column": self.column,
            "mirror_value" if mirror else "contract_value": self.found,
            "chain_value" if mirror else "derived_value": self.derived,
            "block_number": self.block_number,
            "tx_hash": self.tx_hash,
        }


class Lines:
    """The CSV file, one line a comparison; it can be cut back to where a checkpoint was taken.

    A checkpoint keeps length and digest of what was written then, so that nobody goes on with another file.
    """

    def __init__(self, path: Path, at: tuple[int, str] | None) -> None:
        """Begin the file, or go on with what `saved` returned. Raises OSError."""
        self.path = path
        self._file: IO[str] = path.open("w" if at is None else "r+", encoding="utf-8", newline="")
        self._writer = csv.writer(self._file, lineterminator="\n")
        self._digest, self._length = sha256(), 0
        if at is None:
            self._writer.writerow(COLUMNS)
            return
        self._file.truncate(at[0])
        self._file.seek(at[0])
        self._take()

    @staticmethod
    def fits(path: Path, at: tuple[int, str]) -> bool:
        """Return whether the file begins with what had been written when `saved` returned this. Raises OSError."""
        length, digest = at
        if not path.exists() or path.stat().st_size < length:
            return False
        state = sha256()
        for piece in _pieces(path, 0, length):
            state.update(piece)
        return state.hexdigest() == digest

    def add(self, item: Item, column: str, found: Any, derived: Any) -> None:
        """Write a line. What a service or a mirror says stands in the column `mirror`, a contract's word in `chain`."""
        elsewhere = item.source in {Source.MIRROR, Source.RECEIPTS}
        chain, mirror = ("", spelled(found)) if elsewhere else (spelled(found), "")
        tx_hash = "" if item.tx_hash is None else "0x" + item.tx_hash.hex()
        block = "" if item.block_number is None else item.block_number
        self._writer.writerow((item.table, item.key, column, spelled(derived), chain, mirror, block, tx_hash))

    def saved(self) -> tuple[int, str]:
        """Write out what is held back; return the length of the file in bytes, and its digest."""
        self._file.flush()
        self._take()
        return self._length, self._digest.hexdigest()

    def _take(self) -> None:
        end = self.path.stat().st_size
        for piece in _pieces(self.path, self._length, end):
            self._digest.update(piece)
        self._length = end

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _pieces(path: Path, start: int, end: int) -> Iterator[bytes]:
    with path.open("rb") as file:
        file.seek(start)
        while start < end and (piece := file.read(min(_PIECE, end - start))):
            start += len(piece)
            yield piece


@dataclass(slots=True)
class Report:
    """Counts of what was compared, and the lowest differences. `notes` say what is worth knowing and no difference.

    `counts` are differences by whose word it is; `held` and `owed` what each contract has and owes, in base units.
    """

    chain_id: int = 0
    block_number: int = 0
    block_hash: bytes = b""
    first_block: int = 0
    events: int = 0
    mirror_block: int | None = None
    resumed_at: int | None = None
    checked: Counter[str] = field(default_factory=Counter)
    counts: Counter[Source] = field(default_factory=Counter)
    lowest: list[Difference] = field(default_factory=list)
    held: dict[str, int] = field(default_factory=dict)
    owed: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    lines: Lines | None = None

    @property
    def ok(self) -> bool:
        """Whether everything agrees."""
        return self.count == 0

    @property
    def count(self) -> int:
        """How many differences there are."""
        return self.counts.total()

    @property
    def surplus(self) -> dict[str, int]:
        """What each contract holds above what it owes, in base units."""
        return {name: max(0, units - self.owed[name]) for name, units in self.held.items()}

    def compare(self, what: str, item: Item, column: str, found: Any, derived: Any) -> None:
        """Count a comparison under `what`, and note it if the two values differ."""
        self.checked[what] += 1
        if self.lines is not None:
            self.lines.add(item, column, found, derived)
        if found != derived:
            self.add(item, column, found, derived)

    def at_least(self, what: str, item: Item, column: str, found: int, derived: int) -> None:
        """As `compare`, but more than the derived value is no difference."""
        self.checked[what] += 1
        if self.lines is not None:
            self.lines.add(item, column, found, derived)
        if found < derived:
            self.add(item, column, found, derived)

    def differ(self, item: Item, column: str, found: Any, derived: Any) -> None:
        """Note a difference of what was counted as a part of something else."""
        if self.lines is not None:
            self.lines.add(item, column, found, derived)
        self.add(item, column, found, derived)

    def add(self, item: Item, column: str, found: Any, derived: Any) -> None:
        """Note a difference."""
        self.counts[item.source] += 1
        difference = Difference(
            source=item.source,
            table=item.table,
            key=item.key,
            column=column,
            found=spelled(found),
            derived=spelled(derived),
            block_number=item.block_number,
            tx_hash=None if item.tx_hash is None else "0x" + item.tx_hash.hex(),
        )
        insort(self.lowest, difference, key=lambda one: one.order)
        del self.lowest[KEPT:]

    def saved(self) -> dict[str, Any]:
        """Return what a checkpoint keeps of the report, as JSON values."""
        return {
            "events": self.events,
            "checked": dict(self.checked),
            "counts": dict(self.counts),
            "lowest": [asdict(difference) for difference in self.lowest],
            "csv": None if self.lines is None else self.lines.saved(),
        }

    def resume(self, saved: Mapping[str, Any], at: int) -> None:
        """Go on from what a checkpoint kept after block `at`."""
        self.resumed_at = at
        self.events = saved["events"]
        self.counts = Counter({Source(source): count for source, count in saved["counts"].items()})
        self.checked = Counter(saved["checked"])
        self.lowest = [Difference(**{**one, "source": Source(one["source"])}) for one in saved["lowest"]]

    def as_json(self) -> dict[str, Any]:
        """Return the whole report; `differences` are the lowest ones, `difference_count` counts all."""
        return {
            "ok": self.ok,
            "chain_id": self.chain_id,
            "first_block": self.first_block,
            "block_number": self.block_number,
            "block_hash": spelled(self.block_hash),
            "mirror_block": self.mirror_block,
            "resumed_at": self.resumed_at,
            "events": self.events,
            "checked": dict(sorted(self.checked.items())),
            "held_units": {name: str(units) for name, units in self.held.items()},
            "owed_units": {name: str(units) for name, units in self.owed.items()},
            "surplus_units": {name: str(units) for name, units in self.surplus.items()},
            "notes": self.notes,
            "difference_count": self.count,
            "differences": [difference.as_json() for difference in self.lowest],
        }
