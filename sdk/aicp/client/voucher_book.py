"""What a sender of vouchers has signed, in a file, so that no crash and no repeat pays twice.

Goals and invariants:
- a voucher is on disk, with the payment it is for, before it is sent; at most one of a channel is under way;
- the vouchers of one request begin together or not at all;
- a voucher belongs to the sender that last took it up. Only a voucher nobody else took up is let go of, so two
  processes of one payer that share the file agree on what became of it;
- what was paid is remembered by its payment's id until that is forgotten: the same id again is the same payment;
- the ceiling known to be stored never goes down.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from aicp.client.kept import create, transaction

_SCHEMA: Final = (
    # a file of before payments had ids keeps in `pending_*` what is under way
    """
CREATE TABLE IF NOT EXISTS bare_voucher (
    channel_id BLOB PRIMARY KEY, ceiling_units TEXT NOT NULL, pending_units TEXT, pending_signature BLOB
) STRICT
""",
    """
CREATE TABLE IF NOT EXISTS voucher_payment (
    channel_id BLOB NOT NULL, payment_id TEXT NOT NULL, units TEXT NOT NULL, ceiling_units TEXT NOT NULL,
    signature BLOB NOT NULL, owner TEXT NOT NULL, price_units TEXT, PRIMARY KEY (channel_id, payment_id)
) STRICT
""",
    "CREATE UNIQUE INDEX IF NOT EXISTS voucher_under_way ON voucher_payment (channel_id) WHERE price_units IS NULL",
    """
INSERT OR IGNORE INTO voucher_payment
SELECT channel_id, lower(hex(randomblob(16))),
    CAST(CAST(pending_units AS INTEGER) - CAST(ceiling_units AS INTEGER) AS TEXT), pending_units, pending_signature,
    '', NULL
FROM bare_voucher WHERE pending_units IS NOT NULL
""",
    "UPDATE bare_voucher SET pending_units = NULL, pending_signature = NULL WHERE pending_units IS NOT NULL",
)
_COLUMNS: Final = "channel_id, payment_id, units, ceiling_units, signature, owner, price_units"


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """A voucher as it was signed for a payment of `units`. Base units; no price while its answer is not known."""

    channel_id: bytes
    payment_id: str
    units: int
    ceiling_units: int
    signature: bytes
    owner: str
    price_units: int | None = None


class VoucherBook:
    """What was signed and paid; two processes of one payer may share it."""

    def __init__(self, path: Path) -> None:
        """Open or create the file, readable by its owner only. Raises OSError or sqlite3.Error."""
        self._path = path
        create(path, _SCHEMA)

    def settled(self, channel: bytes) -> int:
        """Return the highest ceiling known to be stored, 0 for a new channel."""
        with transaction(self._path) as db:
            return _settled(db, channel)

    def pending(self, channel: bytes) -> Signed | None:
        """Return the voucher under way, if there is one."""
        with transaction(self._path) as db:
            return _pending(db, channel)

    def take(self, channel: bytes, owner: str) -> Signed | None:
        """Return the voucher under way, which is `owner`'s from now on, if there is one."""
        with transaction(self._path) as db:
            db.execute(
                "UPDATE voucher_payment SET owner = ? WHERE channel_id = ? AND price_units IS NULL", (owner, channel)
            )
            return _pending(db, channel)

    def payment(self, channel: bytes, payment_id: str) -> Signed | None:
        """Return the voucher of a payment, under way or paid, if there is one."""
        with transaction(self._path) as db:
            return _payment(db, channel, payment_id)

    def begin(self, vouchers: Sequence[Signed]) -> None:
        """Put vouchers under way, before they are sent: all of them, or none.

        Raises sqlite3.IntegrityError where another process was faster: another voucher of a channel is under way or
        was stored, or the payment has begun.
        """
        with transaction(self._path) as db:
            for one in vouchers:
                if _settled(db, one.channel_id) != one.ceiling_units - one.units:
                    raise sqlite3.IntegrityError("another voucher of this channel was stored")
                _put(db, one)

    def paid(self, voucher: Signed, price_units: int) -> None:
        """Note that a voucher is stored, and what it has paid."""
        with transaction(self._path) as db:
            db.execute(
                "DELETE FROM voucher_payment WHERE channel_id = ? AND payment_id = ?",
                (voucher.channel_id, voucher.payment_id),
            )
            _put(db, voucher, price_units)
            _raise_settled(db, voucher.channel_id, voucher.ceiling_units)

    def passed(self, voucher: Signed, ceiling_units: int) -> None:
        """Note that a higher ceiling is stored: the voucher is not, and no longer can be."""
        with transaction(self._path) as db:
            _drop(db, voucher)
            _raise_settled(db, voucher.channel_id, ceiling_units)

    def let_go(self, voucher: Signed, ceiling_units: int = 0) -> bool:
        """Forget a voucher that has not paid, unless another sender has taken it up; return whether nobody has.

        `ceiling_units` is what its answer says to be stored, if it does.
        """
        with transaction(self._path) as db:
            known = _payment(db, voucher.channel_id, voucher.payment_id)
            if known is not None and (known.owner != voucher.owner or known.price_units is not None):
                return False
            _drop(db, voucher)
            _raise_settled(db, voucher.channel_id, ceiling_units)
            return True

    def reached(self, channel: bytes, ceiling_units: int) -> None:
        """Note a ceiling that is stored."""
        with transaction(self._path) as db:
            _raise_settled(db, channel, ceiling_units)

    def forget(self, channels: Sequence[bytes], payment_id: str) -> None:
        """Forget what a payment has paid; its caller knows and will not repeat it."""
        with transaction(self._path) as db:
            db.executemany(
                "DELETE FROM voucher_payment WHERE channel_id = ? AND payment_id = ? AND price_units IS NOT NULL",
                [(channel, payment_id) for channel in channels],
            )


def _settled(db: sqlite3.Connection, channel: bytes) -> int:
    row = db.execute("SELECT ceiling_units FROM bare_voucher WHERE channel_id = ?", (channel,)).fetchone()
    return 0 if row is None else int(row[0])


def _raise_settled(db: sqlite3.Connection, channel: bytes, ceiling_units: int) -> None:
    db.execute(
        "INSERT INTO bare_voucher VALUES (?, ?, NULL, NULL) "
        "ON CONFLICT (channel_id) DO UPDATE SET ceiling_units = excluded.ceiling_units",
        (channel, str(max(_settled(db, channel), ceiling_units))),
    )


def _pending(db: sqlite3.Connection, channel: bytes) -> Signed | None:
    query = f"SELECT {_COLUMNS} FROM voucher_payment WHERE channel_id = ? AND price_units IS NULL"  # noqa: S608
    return _signed(db.execute(query, (channel,)).fetchone())


def _payment(db: sqlite3.Connection, channel: bytes, payment_id: str) -> Signed | None:
    query = f"SELECT {_COLUMNS} FROM voucher_payment WHERE channel_id = ? AND payment_id = ?"  # noqa: S608
    return _signed(db.execute(query, (channel, payment_id)).fetchone())


def _signed(row: tuple[bytes, str, str, str, bytes, str, str | None] | None) -> Signed | None:
    if row is None:
        return None
    return Signed(
        channel_id=row[0],
        payment_id=row[1],
        units=int(row[2]),
        ceiling_units=int(row[3]),
        signature=row[4],
        owner=row[5],
        price_units=None if row[6] is None else int(row[6]),
    )


def _put(db: sqlite3.Connection, one: Signed, price_units: int | None = None) -> None:
    db.execute(
        f"INSERT INTO voucher_payment ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)",  # noqa: S608
        (
            one.channel_id,
            one.payment_id,
            str(one.units),
            str(one.ceiling_units),
            one.signature,
            one.owner,
            None if price_units is None else str(price_units),
        ),
    )


def _drop(db: sqlite3.Connection, one: Signed) -> None:
    db.execute(
        "DELETE FROM voucher_payment WHERE channel_id = ? AND payment_id = ? AND ceiling_units = ? "
        "AND price_units IS NULL",
        (one.channel_id, one.payment_id, str(one.ceiling_units)),
    )
