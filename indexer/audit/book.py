"""Derived rows in one SQLite file, so that memory does not grow with the chain. The file is the checkpoint as well.

Goals and invariants:
- rows, sums and position change in one transaction at the end of a stretch of final blocks: whenever the process dies,
  the file holds the state after some block, and the report as it was there;
- a file of another chain, deployment or genesis is refused; one whose block the chain no longer has is refused too;
- only one process uses a file at a time;
- what is written after the last `commit` is only for this run and gone with it.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec

from aicp.rules.primitives import keccak
from indexer.audit.contribution import Contribution
from indexer.core.registry import STATE_ROWS
from indexer.core.rows import Key, StateRow, names_of

KINDS: Final[tuple[type[StateRow], ...]] = (*STATE_ROWS, Contribution)
_NUMBER: Final = {kind: number for number, kind in enumerate(KINDS)}
_COLUMNS: Final = {kind: names_of(kind) for kind in KINDS}
_VALUES: Final = {kind: attrgetter(*columns) for kind, columns in _COLUMNS.items()}
PAGE: Final = 500
FORMAT: Final = 2
_CACHE_KIB: Final = 8_192
_BIG_INT: Final = 1
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS state (id INTEGER PRIMARY KEY CHECK (id = 1), document TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS row (
    kind INTEGER NOT NULL, key BLOB NOT NULL, value BLOB NOT NULL, PRIMARY KEY (kind, key)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS tally (
    name TEXT NOT NULL, key BLOB NOT NULL, value BLOB NOT NULL, PRIMARY KEY (name, key)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS stretch (first INTEGER PRIMARY KEY, last INTEGER NOT NULL, digest BLOB NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS receipt (
    channel BLOB NOT NULL, total BLOB NOT NULL, place TEXT NOT NULL, document BLOB NOT NULL,
    PRIMARY KEY (channel, total, place)
) STRICT, WITHOUT ROWID
"""

R = TypeVar("R", bound=StateRow)


class CheckpointError(Exception):
    """The file cannot be used: it is of something else, in use, or no checkpoint. The message is one sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """What a checkpoint belongs to."""

    chain_id: int
    genesis_hash: bytes
    deployment_digest: bytes

    def as_json(self) -> dict[str, Any]:
        """Return the identity as JSON values."""
        return {
            "chain_id": self.chain_id,
            "genesis_hash": self.genesis_hash.hex(),
            "deployment_digest": self.deployment_digest.hex(),
        }


@dataclass(frozen=True, slots=True)
class Position:
    """The last block taken, and the report as it was after it."""

    number: int
    hash: bytes
    report: Mapping[str, Any]


class Book:
    """See the module's docstring."""

    def __init__(self, path: Path, identity: Identity, purpose: str) -> None:
        """Open or create the file. One made for another purpose or by another version is emptied.

        `purpose` says what else was compared on the way (a mirror, a CSV file). Raises CheckpointError.
        """
        self.path = path
        self._identity, self._purpose = identity, purpose
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._db = sqlite3.connect(path, isolation_level=None, timeout=0.2)
            self._db.execute("PRAGMA locking_mode = EXCLUSIVE")
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = NORMAL")
            self._db.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
            self._db.execute("BEGIN IMMEDIATE")
            for statement in _SCHEMA.split(";\n"):
                self._db.execute(statement)
            held = self._db.execute("SELECT document FROM state").fetchone()
        except (OSError, sqlite3.Error) as error:
            busy = "locked" in str(error)
            reason = "is used by another audit" if busy else f"cannot be used as a checkpoint: {error}"
            raise CheckpointError(f"{path} {reason}.") from error
        self.position = self._resume(None if held is None else json.loads(held[0]))

    def _resume(self, held: Mapping[str, Any] | None) -> Position | None:
        if held is None:
            return None
        if held["identity"] != self._identity.as_json():
            self._db.close()
            raise CheckpointError(f"{self.path} is the checkpoint of another chain or deployment.")
        if (held["version"], held["purpose"]) != (_version(), self._purpose):
            self.clear()
            return None
        return Position(held["number"], bytes.fromhex(held["hash"]), held["report"])

    def clear(self) -> None:
        """Forget everything."""
        for table in ("state", "row", "tally", "stretch", "receipt"):
            self._db.execute(f"DELETE FROM {table}")  # noqa: S608  # names of this module
        self.position = None

    def commit(self, number: int, block_hash: bytes, report: Mapping[str, Any]) -> None:
        """Make everything written so far the state after this block."""
        document = {
            "version": _version(),
            "identity": self._identity.as_json(),
            "purpose": self._purpose,
            "number": number,
            "hash": block_hash.hex(),
            "report": report,
        }
        self._db.execute("INSERT OR REPLACE INTO state VALUES (1, ?)", (json.dumps(document),))
        self._db.execute("COMMIT")
        self._db.execute("BEGIN IMMEDIATE")
        self.position = Position(number, block_hash, report)

    def close(self, *, finished: bool) -> None:
        """Close the file, and remove it when the audit needs it no more."""
        self._db.close()
        if finished:
            for suffix in ("", "-wal", "-shm"):
                Path(f"{self.path}{suffix}").unlink(missing_ok=True)

    # -- rows --------------------------------------------------------------------------------------------------------

    def load(self, keys: Iterable[Key]) -> Iterator[tuple[Key, StateRow | None]]:
        """Return the row of each key, None where there is none."""
        ordered = sorted(keys, key=lambda key: (_NUMBER[key[0]], key[1]))
        for kind, group in groupby(ordered, key=lambda key: key[0]):
            names = [key for _, key in group]
            for start in range(0, len(names), PAGE):
                some = names[start : start + PAGE]
                statement = f"SELECT key, value FROM row WHERE kind = ? AND key IN ({_marks(some)})"  # noqa: S608  # only marks
                found = dict(self._db.execute(statement, (_NUMBER[kind], *some)).fetchall())
                for key in some:
                    yield (kind, key), _decoded(kind, found[key]) if key in found else None

    def find(self, kind: type[R], key: bytes) -> R | None:
        """Return one row."""
        [(_, row)] = self.load([(kind, key)])
        return row if isinstance(row, kind) else None

    def put(self, rows: Iterable[StateRow]) -> None:
        """Write rows over what there was."""
        self._db.executemany(
            "INSERT OR REPLACE INTO row VALUES (?, ?, ?)",
            [(_NUMBER[type(row)], getattr(row, row.KEY), _encoded(row)) for row in rows],
        )

    def rows(self, kind: type[R]) -> Iterator[R]:
        """Return every row of a kind in the order of the keys. Other reads and writes may go on in between."""
        for page in self.pages(kind):
            yield from page

    def pages(self, kind: type[R]) -> Iterator[list[R]]:
        """Return the same, some hundred rows at a time."""
        number, after = _NUMBER[kind], b""
        statement = "SELECT key, value FROM row WHERE kind = ? AND key > ? ORDER BY key LIMIT ?"
        while page := self._db.execute(statement, (number, after, PAGE)).fetchall():
            yield [_decoded(kind, value) for _, value in page]
            after = page[-1][0]

    def size(self) -> int:
        """Return how many rows there are."""
        return int(self._db.execute("SELECT count(*) FROM row").fetchone()[0])

    # -- sums --------------------------------------------------------------------------------------------------------

    def add(self, name: str, deltas: Mapping[bytes, int]) -> None:
        """Add to the sums of this name, key by key."""
        sums = self.sums(name, list(deltas))
        totals = ((key, sums[key] + delta) for key, delta in deltas.items())
        self._db.executemany(
            "INSERT OR REPLACE INTO tally VALUES (?, ?, ?)",
            [(name, key, total.to_bytes(33, "big", signed=True)) for key, total in totals],
        )

    def sums(self, name: str, keys: Sequence[bytes]) -> dict[bytes, int]:
        """Return the sum of each key, 0 where nothing was added."""
        sums = dict.fromkeys(keys, 0)
        for start in range(0, len(keys), PAGE):
            some = keys[start : start + PAGE]
            statement = f"SELECT key, value FROM tally WHERE name = ? AND key IN ({_marks(some)})"  # noqa: S608  # only marks
            for key, value in self._db.execute(statement, (name, *some)):
                sums[key] = int.from_bytes(value, "big", signed=True)
        return sums

    # -- stretches that were compared with a mirror ------------------------------------------------------------------

    def keep_stretch(self, first: int, last: int, digest: bytes) -> None:
        """Keep the digest of what a mirror held of blocks `first` to `last` when they were compared."""
        self._db.execute("INSERT OR REPLACE INTO stretch VALUES (?, ?, ?)", (first, last, digest))

    def stretches(self) -> list[tuple[int, int, bytes]]:
        """Return every stretch kept, lowest first."""
        return self._db.execute("SELECT first, last, digest FROM stretch ORDER BY first").fetchall()

    # -- receipts ----------------------------------------------------------------------------------------------------

    def keep_receipt(self, channel: bytes, total: int, place: str, document: bytes) -> None:
        """Keep a receipt of a file, to have all of them in the order of channel and total."""
        self._db.execute(
            "INSERT OR REPLACE INTO receipt VALUES (?, ?, ?, ?)", (channel, total.to_bytes(32, "big"), place, document)
        )

    def receipts(self) -> Iterator[tuple[str, bytes]]:
        """Return place and document of every receipt, by channel and total."""
        after: tuple[bytes, bytes, str] = (b"", b"", "")
        statement = (
            "SELECT channel, total, place, document FROM receipt WHERE (channel, total, place) > (?, ?, ?) "
            "ORDER BY channel, total, place LIMIT ?"
        )
        while page := self._db.execute(statement, (*after, PAGE)).fetchall():
            for _, _, place, document in page:
                yield place, document
            after = page[-1][:3]


def _marks(values: Sequence[object]) -> str:
    return ",".join("?" * len(values))


def _extension(code: int, data: memoryview) -> Any:
    if code != _BIG_INT:
        raise ValueError(f"extension {code}")
    return int.from_bytes(data, "big", signed=True)


_encoder: Final = msgspec.msgpack.Encoder()
_decoder: Final = msgspec.msgpack.Decoder(ext_hook=_extension)


def _encoded(row: StateRow) -> bytes:
    values = _VALUES[type(row)](row)
    try:
        return _encoder.encode(values)
    except OverflowError:  # what does not fit 64 bits, such as a salt
        return _encoder.encode([_big(value) if type(value) is int else value for value in values])


def _big(value: int) -> Any:
    if -(2**63) <= value < 2**63:
        return value
    return msgspec.msgpack.Ext(_BIG_INT, value.to_bytes(33, "big", signed=True))


def _decoded(kind: type[R], value: bytes) -> R:
    return kind(**dict(zip(_COLUMNS[kind], _decoder.decode(value), strict=True)))


@cache
def _version() -> str:
    """Name the format of the rows: another set of columns cannot be read."""
    named = [f"{kind.TABLE}({','.join(_COLUMNS[kind])})" for kind in KINDS]
    return f"{FORMAT}-{keccak(';'.join(named).encode()).hex()[:16]}"
