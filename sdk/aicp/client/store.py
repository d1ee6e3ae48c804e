"""The client's durable memory: receipts, signed orders and deposits, session keys, in one file only its owner can read.

Goals and invariants:
- a receipt is on disk before the service is told that we have it; it is money, and its holder needs nobody to claim it;
- an order is on disk before it is sent. A crash in between leaves one order too many in the book, which only loosens
  the bound on ceilings; the same order is sent again, never a second one for the same bid;
- a ceiling never exceeds the sum of the orders in the book, whatever the service says is needed;
- a session key is on disk before money is put behind it;
- the nonce of a pool deposit is on disk before it is signed, and stays until that deposit is known to be carried out or
  can no longer be: the token takes a nonce once, so a deposit repeated after a lost answer pays once.
- the payment of a task is on disk before its authorization is signed, one for each task; another one takes its place
  only where the caller has seen that the first can no longer be carried out. A crash in between leaves a payment nobody
  can send, which is taken up by the same terms, and for other terms runs out like one that was sent;
- a stake is on disk before it is signed, so that what was signed counts towards the limit;
- a submission is on disk before it is signed: what was handed in is not given back as if it were not;
- a sealed bid is on disk before its commit is sent: a commit nobody can open is worth nothing;
- what an agent has in escrow is on disk as the service showed it last, to be answered for when the service is gone;
Each call is one transaction with a full sync; two processes of one wallet may share the file.
"""

from __future__ import annotations

import json
import os
import uuid
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from aicp.client.errors import ClientError, Mismatch
from aicp.client.kept import create, transaction
from aicp.client.models import Deal, Receipt
from aicp.client.wallet import Wallet

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS receipt (
    channel_id BLOB NOT NULL, total_units TEXT NOT NULL, price_units TEXT NOT NULL, document TEXT NOT NULL,
    PRIMARY KEY (channel_id, total_units)
) STRICT;
CREATE TABLE IF NOT EXISTS micro_order (
    deal_id TEXT PRIMARY KEY, channel_id BLOB NOT NULL, bid_hash BLOB NOT NULL, price_units TEXT NOT NULL,
    deliver_by INTEGER NOT NULL, evaluate_by INTEGER NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS session_key (
    chain_id INTEGER NOT NULL, payer BLOB NOT NULL, operator BLOB NOT NULL, private_key BLOB NOT NULL,
    PRIMARY KEY (chain_id, payer, operator)
) STRICT;
CREATE TABLE IF NOT EXISTS pool_deposit (
    pool_id BLOB PRIMARY KEY, salt BLOB NOT NULL, units TEXT NOT NULL, valid_before INTEGER NOT NULL, intent_id TEXT
) STRICT;
CREATE TABLE IF NOT EXISTS escrow_payment (
    task_id TEXT PRIMARY KEY, task_hash BLOB NOT NULL, escrow_id BLOB NOT NULL, units TEXT NOT NULL,
    valid_before INTEGER NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS signed_stake (
    nonce BLOB PRIMARY KEY, units TEXT NOT NULL, valid_before INTEGER NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS submission (escrow_id BLOB PRIMARY KEY) STRICT;
CREATE TABLE IF NOT EXISTS sealed_bid (
    bid_hash BLOB PRIMARY KEY, task_id TEXT NOT NULL, amount_units TEXT NOT NULL, eta_seconds INTEGER NOT NULL,
    escrow_only INTEGER NOT NULL, valid_until INTEGER NOT NULL, salt BLOB NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS open_deal (deal_id TEXT PRIMARY KEY, document TEXT NOT NULL) STRICT;
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedOrder:
    """An order of the session key as it was signed. Times are unix seconds."""

    deal_id: uuid.UUID
    channel_id: bytes
    bid_hash: bytes
    price_units: int
    deliver_by: int
    evaluate_by: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedDeposit:
    """A deposit into a pool as it was last signed; pool and salt make the token's nonce.

    `intent_id` is what the service called it, None until its answer arrived. Unix seconds.
    """

    pool_id: bytes
    salt: bytes
    units: int
    valid_before: int
    intent_id: uuid.UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedPayment:
    """The payment of a task into its escrow, whose id is the authorization's nonce. `valid_before` is the latest of all
    authorizations signed for it, unix seconds."""

    task_id: uuid.UUID
    task_hash: bytes
    escrow_id: bytes
    units: int
    valid_before: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedStake:
    """A stake as it was signed; the token takes its nonce once. `valid_before` is in unix seconds."""

    nonce: bytes
    units: int
    valid_before: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedBid:
    """What a commit of ours hides; `bid_hash` is the commit's. Amount in base units, unix seconds."""

    bid_hash: bytes
    task_id: uuid.UUID
    amount_units: int
    eta_seconds: int
    escrow_only: bool
    valid_until: int
    salt: bytes


def home() -> Path:
    """Return where a client keeps its files: AICP_HOME, by default ~/.aicp. Raises ClientError where neither is."""
    try:
        return Path(os.environ.get("AICP_HOME") or Path.home() / ".aicp")
    except RuntimeError as error:
        raise ClientError("There is no home directory; name a folder by AICP_HOME.") from error


def default_path(address: bytes, chain_id: int) -> Path:
    """Return where a wallet's store lives."""
    return home() / f"{chain_id}-{address.hex()}.sqlite"


class Store:
    """See the module's docstring."""

    def __init__(self, path: Path) -> None:
        """Open or create the file, readable by its owner only. Raises OSError or sqlite3.Error."""
        self.path = path
        create(path, _SCHEMA.split(";\n"))

    def add_receipt(self, receipt: Receipt) -> None:
        """Keep a receipt for ever. The same one again changes nothing."""
        with transaction(self.path) as db:
            db.execute(
                "INSERT OR IGNORE INTO receipt VALUES (?, ?, ?, ?)",
                (
                    receipt.channel_id,
                    str(receipt.total_claimed_units),
                    str(receipt.price_units),
                    receipt.model_dump_json(),
                ),
            )

    def receipts(self, channel_id: bytes | None = None) -> list[Receipt]:
        """Return the receipts of one channel or of all, lowest total first."""
        with transaction(self.path) as db:
            rows = db.execute("SELECT channel_id, document FROM receipt").fetchall()
        found = [Receipt.model_validate_json(text) for channel, text in rows if channel_id in {None, channel}]
        return sorted(found, key=lambda receipt: (receipt.channel_id, receipt.total_claimed_units))

    def best_receipts(self) -> list[Receipt]:
        """Return the newest receipt of each channel: totals are cumulative, so it claims all of them."""
        return list({receipt.channel_id: receipt for receipt in self.receipts()}.values())

    def put_order(self, order: SignedOrder) -> None:
        """Remember the order of a deal; a deal has one, a later one replaces an expired one."""
        with transaction(self.path) as db:
            db.execute(
                "INSERT OR REPLACE INTO micro_order VALUES (?, ?, ?, ?, ?, ?)",
                (
                    str(order.deal_id),
                    order.channel_id,
                    order.bid_hash,
                    str(order.price_units),
                    order.deliver_by,
                    order.evaluate_by,
                ),
            )

    def order(self, deal_id: uuid.UUID) -> SignedOrder | None:
        """Return the order of a deal, if one was signed."""
        with transaction(self.path) as db:
            row = db.execute("SELECT * FROM micro_order WHERE deal_id = ?", (str(deal_id),)).fetchone()
        if row is None:
            return None
        return SignedOrder(
            deal_id=uuid.UUID(row[0]),
            channel_id=row[1],
            bid_hash=row[2],
            price_units=int(row[3]),
            deliver_by=row[4],
            evaluate_by=row[5],
        )

    def order_of_bid(self, bid_hash: bytes) -> SignedOrder | None:
        """Return the newest order of a bid, whatever deal it was signed for."""
        with transaction(self.path) as db:
            row = db.execute(
                "SELECT deal_id FROM micro_order WHERE bid_hash = ? ORDER BY deliver_by DESC LIMIT 1", (bid_hash,)
            ).fetchone()
        return None if row is None else self.order(uuid.UUID(row[0]))

    def ordered_units(self, channel_id: bytes) -> int:
        """Return the sum of all orders ever signed for a channel: no honest ceiling is above it."""
        with transaction(self.path) as db:
            rows = db.execute("SELECT price_units FROM micro_order WHERE channel_id = ?", (channel_id,)).fetchall()
        return sum(int(price) for (price,) in rows)

    def put_deposit(self, deposit: SignedDeposit) -> None:
        """Remember a pool's deposit under way; the same salt again updates it, another one replaces it."""
        with transaction(self.path) as db:
            db.execute(
                "INSERT OR REPLACE INTO pool_deposit VALUES (?, ?, ?, ?, ?)",
                (
                    deposit.pool_id,
                    deposit.salt,
                    str(deposit.units),
                    deposit.valid_before,
                    None if deposit.intent_id is None else str(deposit.intent_id),
                ),
            )

    def deposit(self, pool_id: bytes) -> SignedDeposit | None:
        """Return the last deposit signed for a pool."""
        with transaction(self.path) as db:
            row = db.execute("SELECT * FROM pool_deposit WHERE pool_id = ?", (pool_id,)).fetchone()
        if row is None:
            return None
        return SignedDeposit(
            pool_id=row[0],
            salt=row[1],
            units=int(row[2]),
            valid_before=row[3],
            intent_id=None if row[4] is None else uuid.UUID(row[4]),
        )

    def keep_payment(self, payment: SignedPayment) -> SignedPayment:
        """Keep a payment unless its task has one; return the one the task has."""
        with transaction(self.path) as db:
            db.execute("INSERT OR IGNORE INTO escrow_payment VALUES (?, ?, ?, ?, ?)", _payment_row(payment))
            row = db.execute("SELECT * FROM escrow_payment WHERE task_id = ?", (str(payment.task_id),)).fetchone()
        return SignedPayment(
            task_id=uuid.UUID(row[0]), task_hash=row[1], escrow_id=row[2], units=int(row[3]), valid_before=row[4]
        )

    def replace_payment(self, kept: SignedPayment, payment: SignedPayment) -> bool:
        """Put a payment in the place of the kept one. Returns False where another process was first."""
        with transaction(self.path) as db:
            done = db.execute(
                "UPDATE escrow_payment SET task_hash = ?, escrow_id = ?, units = ?, valid_before = ? "
                "WHERE task_id = ? AND escrow_id = ? AND valid_before = ?",
                (*_payment_row(payment)[1:], str(kept.task_id), kept.escrow_id, kept.valid_before),
            )
            return done.rowcount == 1

    def put_stake(self, stake: SignedStake) -> None:
        """Remember a stake that is about to be signed."""
        with transaction(self.path) as db:
            db.execute("INSERT INTO signed_stake VALUES (?, ?, ?)", (stake.nonce, str(stake.units), stake.valid_before))

    def stakes(self) -> list[SignedStake]:
        """Return every stake that was ever signed."""
        with transaction(self.path) as db:
            rows = db.execute("SELECT nonce, units, valid_before FROM signed_stake").fetchall()
        return [SignedStake(nonce=row[0], units=int(row[1]), valid_before=row[2]) for row in rows]

    def put_submission(self, escrow_id: bytes) -> None:
        """Remember for ever that a result was handed in for an escrow."""
        with transaction(self.path) as db:
            db.execute("INSERT OR IGNORE INTO submission VALUES (?)", (escrow_id,))

    def submitted(self, escrow_id: bytes) -> bool:
        """Return whether a result was ever handed in for an escrow."""
        with transaction(self.path) as db:
            return db.execute("SELECT 1 FROM submission WHERE escrow_id = ?", (escrow_id,)).fetchone() is not None

    def keep_deal(self, deal: Deal) -> None:
        """Keep a deal of ours as the service shows it now."""
        with transaction(self.path) as db:
            db.execute("INSERT OR REPLACE INTO open_deal VALUES (?, ?)", (str(deal.id), deal.model_dump_json()))

    def forget_deal(self, deal_id: uuid.UUID) -> None:
        """Forget a deal that is over."""
        with transaction(self.path) as db:
            db.execute("DELETE FROM open_deal WHERE deal_id = ?", (str(deal_id),))

    def kept_deals(self) -> list[Deal]:
        """Return the deals that are kept, without those another version of this program has written differently."""
        with transaction(self.path) as db:
            rows = db.execute("SELECT document FROM open_deal").fetchall()
        found = []
        for (text,) in rows:
            with suppress(Mismatch):
                found.append(Deal.read(json.loads(text)))
        return found

    def session_key(self, chain_id: int, payer: bytes, operator: bytes) -> Wallet | None:
        """Return the session key of a payer's pool with this operator, if there is one."""
        with transaction(self.path) as db:
            row = db.execute(
                "SELECT private_key FROM session_key WHERE chain_id = ? AND payer = ? AND operator = ?",
                (chain_id, payer, operator),
            ).fetchone()
        return None if row is None else Wallet(row[0])

    def make_session_key(self, chain_id: int, payer: bytes, operator: bytes) -> Wallet:
        """Return the session key of a payer's pool with this operator, made and kept on first use."""
        with transaction(self.path) as db:
            db.execute(
                "INSERT OR IGNORE INTO session_key VALUES (?, ?, ?, ?)",
                (chain_id, payer, operator, Wallet.random().secret_key()),
            )
        found = self.session_key(chain_id, payer, operator)
        if found is None:
            raise LookupError("the session key was removed while it was made")
        return found

    def put_sealed(self, bid: SealedBid) -> None:
        """Remember what a commit hides; the same one again changes nothing."""
        row = (
            bid.bid_hash,
            str(bid.task_id),
            str(bid.amount_units),
            bid.eta_seconds,
            int(bid.escrow_only),
            bid.valid_until,
            bid.salt,
        )
        with transaction(self.path) as db:
            db.execute("INSERT OR IGNORE INTO sealed_bid VALUES (?, ?, ?, ?, ?, ?, ?)", row)

    def sealed(self, bid_hash: bytes) -> SealedBid | None:
        """Return what a commit of ours hides, None where it was not made here."""
        with transaction(self.path) as db:
            row = db.execute("SELECT * FROM sealed_bid WHERE bid_hash = ?", (bid_hash,)).fetchone()
        if row is None:
            return None
        return SealedBid(
            bid_hash=row[0],
            task_id=uuid.UUID(row[1]),
            amount_units=int(row[2]),
            eta_seconds=row[3],
            escrow_only=bool(row[4]),
            valid_until=row[5],
            salt=row[6],
        )


def _payment_row(payment: SignedPayment) -> tuple[str, bytes, bytes, str, int]:
    return (str(payment.task_id), payment.task_hash, payment.escrow_id, str(payment.units), payment.valid_before)
