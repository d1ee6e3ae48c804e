"""A juror's durable memory: its votes with their salts, the seats it has found, and how far it has looked.

Goals and invariants:
- choice and salt are on disk before the commitment is sent: without the salt the stake of the seat is lost;
- the first vote of a round stands. Committing again after a crash sends the same commitment, never another one;
- the cursor is a final block, so seats a reorganisation adds are found.
Each call is one transaction with a full sync; the file is readable by its owner only.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from aicp.client.kept import create, transaction

_SCHEMA: Final = (
    """CREATE TABLE IF NOT EXISTS vote (
    arbiter BLOB NOT NULL, juror BLOB NOT NULL, dispute_id BLOB NOT NULL, round INTEGER NOT NULL,
    choice INTEGER NOT NULL, salt BLOB NOT NULL, PRIMARY KEY (arbiter, juror, dispute_id, round)
) STRICT""",
    """CREATE TABLE IF NOT EXISTS seat (
    arbiter BLOB NOT NULL, juror BLOB NOT NULL, dispute_id BLOB NOT NULL, round INTEGER NOT NULL,
    done INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (arbiter, juror, dispute_id, round)
) STRICT""",
    """CREATE TABLE IF NOT EXISTS looked (
    arbiter BLOB NOT NULL, juror BLOB NOT NULL, block INTEGER NOT NULL, PRIMARY KEY (arbiter, juror)
) STRICT""",
)


@dataclass(frozen=True, slots=True)
class Ballot:
    """A vote as it was committed to. `choice` is 0 for neither, 1 for the buyer, 2 for the agent."""

    choice: int
    salt: bytes


class BallotBox:
    """See the module's docstring. One juror at one arbiter."""

    def __init__(self, path: Path, arbiter: bytes, juror: bytes) -> None:
        """Open or create the file. Raises OSError or sqlite3.Error."""
        self.path = path
        self._who = (arbiter, juror)
        create(path, _SCHEMA)

    def keep(self, dispute_id: int, round_number: int, ballot: Ballot) -> Ballot:
        """Keep a vote before it is sent; return the one that stands, which is an earlier one if there is any."""
        at = (*self._who, dispute_id.to_bytes(32), round_number)
        with transaction(self.path) as db:
            db.execute("INSERT OR IGNORE INTO vote VALUES (?, ?, ?, ?, ?, ?)", (*at, ballot.choice, ballot.salt))
            row = db.execute(
                "SELECT choice, salt FROM vote WHERE arbiter = ? AND juror = ? AND dispute_id = ? AND round = ?", at
            ).fetchone()
        return Ballot(*row)

    def ballot(self, dispute_id: int, round_number: int) -> Ballot | None:
        """Return the vote of a round, None if there is none here."""
        at = (*self._who, dispute_id.to_bytes(32), round_number)
        with transaction(self.path) as db:
            row = db.execute(
                "SELECT choice, salt FROM vote WHERE arbiter = ? AND juror = ? AND dispute_id = ? AND round = ?", at
            ).fetchone()
        return None if row is None else Ballot(*row)

    def found(self, seats: set[tuple[int, int]], block: int) -> None:
        """Remember seats (dispute, round) and that every block up to this final one was looked at."""
        with transaction(self.path) as db:
            for dispute_id, round_number in seats:
                db.execute(
                    "INSERT OR IGNORE INTO seat VALUES (?, ?, ?, ?, 0)",
                    (*self._who, dispute_id.to_bytes(32), round_number),
                )
            db.execute("INSERT OR REPLACE INTO looked VALUES (?, ?, ?)", (*self._who, block))

    def looked(self) -> int | None:
        """Return the last final block that was looked at, None before the first look."""
        with transaction(self.path) as db:
            row = db.execute("SELECT block FROM looked WHERE arbiter = ? AND juror = ?", self._who).fetchone()
        return None if row is None else int(row[0])

    def open_seats(self) -> list[tuple[int, int]]:
        """Return the seats (dispute, round) that are not settled as far as we know."""
        with transaction(self.path) as db:
            rows = db.execute(
                "SELECT dispute_id, round FROM seat WHERE arbiter = ? AND juror = ? AND done = 0 ORDER BY rowid",
                self._who,
            ).fetchall()
        return [(int.from_bytes(dispute_id), int(number)) for dispute_id, number in rows]

    def close(self, dispute_id: int, round_number: int) -> None:
        """Look at a settled seat no more."""
        at = (*self._who, dispute_id.to_bytes(32), round_number)
        with transaction(self.path) as db:
            db.execute("UPDATE seat SET done = 1 WHERE arbiter = ? AND juror = ? AND dispute_id = ? AND round = ?", at)
