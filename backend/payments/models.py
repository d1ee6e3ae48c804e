"""Payments below the threshold: pools, channels, ceilings, orders, receipts.

Invariants kept by the database:
- `pool.reserved_units` and `pool.earned_units` never go negative and only grow by a conditional UPDATE,
- one receipt per (channel, total claimed), issued in order,
- vouchers are kept for ever; the channel row holds the highest,
- every movement of money has a ledger entry in the same commit, whose postings add up to zero.
"""

from __future__ import annotations

import uuid

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Identity,
    LargeBinary,
    SmallInteger,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from backend.db.base import (
    AddressColumn,
    Base,
    CreatedAt,
    HashColumn,
    Moment,
    SignatureColumn,
    Units,
    UnitsColumn,
)


class Pool(Base):
    """Our side of a buyer's pool. available = chain headroom - reserved - earned (see indexer.views)."""

    __tablename__ = "pool"

    pool_id: Mapped[HashColumn] = mapped_column(primary_key=True)
    payer: Mapped[AddressColumn] = mapped_column(index=True)
    payer_authorizer: Mapped[AddressColumn]
    operator: Mapped[AddressColumn]
    reserved_units: Mapped[UnitsColumn] = mapped_column(default=0)
    """Sum of prices of orders in flight."""
    earned_units: Mapped[UnitsColumn] = mapped_column(default=0)
    """Sum of what its channels have earned, claimed or not, drawn from the pool or paid by a channel's own balance."""
    own_paid_units: Mapped[UnitsColumn] = mapped_column(default=0, server_default="0")
    """Part of `earned_units` that final claims have taken from channels' own balances: the pool no longer covers it."""
    spent_day: Mapped[int] = mapped_column(default=0, server_default="0")
    """The UTC day, counted from 1970-01-01, that `spent_units` is about."""
    spent_units: Mapped[UnitsColumn] = mapped_column(default=0, server_default="0")
    """What the pool's key has ordered and paid on that day; voided orders of the same day are taken off."""
    created_at: Mapped[CreatedAt]

    __table_args__ = (
        CheckConstraint("reserved_units >= 0", name="reserved"),
        CheckConstraint("earned_units >= 0", name="earned"),
        CheckConstraint("own_paid_units BETWEEN 0 AND earned_units", name="own_paid"),
        CheckConstraint("spent_units >= 0", name="spent"),
        {"schema": "app"},
    )


class PoolWatch(Base):
    """Below what its payer wants to be told of a pool, and whether he was told that it stands below now.

    A row is there once a threshold was set or the pool did not cover its deals. `falls` counts what he was told, so
    that each fall is an event of its own.
    """

    __tablename__ = "pool_watch"

    pool_id: Mapped[HashColumn] = mapped_column(ForeignKey("app.pool.pool_id"), primary_key=True)
    below_units: Mapped[int | None] = mapped_column(Units)
    """Null where he wants none."""
    low: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    """Less than `below_units` is free."""
    short: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    """Less is there than deals in flight and deals that wait for payment need."""
    falls: Mapped[int] = mapped_column(BigInteger, default=0, server_default=text("0"))

    __table_args__ = (
        CheckConstraint("below_units > 0", name="below"),
        {"schema": "app"},
    )


class Channel(Base):
    """A channel of a pool's payer, key and operator with one receiver, made on first use: its id follows from these.

    `market`: the one channel of (pool, agent) with the marketplace's salt and delay. `gateway`: a channel of an x402
    client, with that client's salt and delay.
    """

    __tablename__ = "channel"

    channel_id: Mapped[HashColumn] = mapped_column(primary_key=True)
    pool_id: Mapped[HashColumn] = mapped_column(ForeignKey("app.pool.pool_id"), index=True)
    receiver: Mapped[AddressColumn] = mapped_column(index=True)
    kind: Mapped[str] = mapped_column(Text, default="market", server_default="market")
    salt: Mapped[HashColumn | None]
    """Of a gateway channel; the marketplace's is a constant."""
    withdraw_delay: Mapped[int | None] = mapped_column(BigInteger)
    """Seconds, of a gateway channel; the marketplace's is a constant."""
    ceiling_units: Mapped[UnitsColumn] = mapped_column(default=0)
    ceiling_signature: Mapped[SignatureColumn | None]
    in_flight_units: Mapped[UnitsColumn] = mapped_column(default=0)
    earned_units: Mapped[UnitsColumn] = mapped_column(default=0)
    receipted_units: Mapped[UnitsColumn] = mapped_column(default=0, server_default="0")
    """Total of the newest receipt; below `earned_units` where payments wait for a receipt that covers them together."""
    claimed_units: Mapped[UnitsColumn] = mapped_column(default=0, server_default="0")
    """What final claims on chain have covered of `earned_units`, as the ledger has it."""
    own_paid_units: Mapped[UnitsColumn] = mapped_column(default=0, server_default="0")
    """What of `claimed_units` the channel's own balance has paid."""
    created_at: Mapped[CreatedAt]

    __table_args__ = (
        CheckConstraint("in_flight_units >= 0", name="in_flight"),
        CheckConstraint("earned_units + in_flight_units <= ceiling_units", name="ceiling"),
        CheckConstraint("receipted_units <= earned_units AND claimed_units <= earned_units", name="receipted"),
        CheckConstraint("own_paid_units BETWEEN 0 AND claimed_units", name="own_paid"),
        CheckConstraint("kind in ('market', 'gateway')", name="kind"),
        CheckConstraint(
            "(kind = 'gateway') = (salt IS NOT NULL) AND (kind = 'gateway') = (withdraw_delay IS NOT NULL)",
            name="config",
        ),
        {"schema": "app"},
    )


class Voucher(Base):
    """Every accepted ceiling, kept for audit."""

    __tablename__ = "voucher"

    channel_id: Mapped[HashColumn] = mapped_column(primary_key=True)
    """Of a row of `channel`, which what writes a voucher has just changed."""
    ceiling_units: Mapped[UnitsColumn] = mapped_column(primary_key=True)
    signature: Mapped[SignatureColumn]
    paid_units: Mapped[UnitsColumn] = mapped_column(default=0, server_default="0")
    """What the voucher itself has paid: its step above the ceiling before it. 0 where it only raised the ceiling."""
    entry_id: Mapped[int | None] = mapped_column(BigInteger)
    """The ledger entry of that payment."""
    created_at: Mapped[CreatedAt]

    __table_args__ = (
        CheckConstraint("(paid_units > 0) = (entry_id IS NOT NULL)", name="paid"),
        {"schema": "app"},
    )


class MicroOrder(Base):
    """One order of a session key. `state`: reserved, delivered, earned, void."""

    __tablename__ = "micro_order"

    order_hash: Mapped[HashColumn] = mapped_column(primary_key=True)
    deal_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("app.deal.id"), unique=True)
    channel_id: Mapped[HashColumn] = mapped_column(ForeignKey("app.channel.channel_id"), index=True)
    pool_id: Mapped[HashColumn] = mapped_column(ForeignKey("app.pool.pool_id"), index=True)
    bid_hash: Mapped[HashColumn]
    price_units: Mapped[UnitsColumn]
    deliver_by: Mapped[int] = mapped_column(BigInteger)
    evaluate_by: Mapped[int] = mapped_column(BigInteger)
    signature: Mapped[SignatureColumn]
    state: Mapped[str] = mapped_column(Text, index=True)
    verdict_accepted: Mapped[bool | None]
    verdict_reason: Mapped[int | None] = mapped_column(SmallInteger)
    verdict_signature: Mapped[SignatureColumn | None]
    """Of the session key; absent where silence was the acceptance."""
    return_signature: Mapped[SignatureColumn | None]
    created_at: Mapped[CreatedAt]

    __table_args__ = (
        CheckConstraint("price_units > 0", name="price"),
        CheckConstraint("state in ('reserved', 'delivered', 'earned', 'void')", name="state"),
        {"schema": "app"},
    )


class Receipt(Base):
    """The operator's one-row ClaimBatch signature: exactly the arguments of `claimWithSignature`."""

    __tablename__ = "receipt"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    channel_id: Mapped[HashColumn] = mapped_column(ForeignKey("app.channel.channel_id"), index=True)
    order_hash: Mapped[HashColumn | None] = mapped_column(ForeignKey("app.micro_order.order_hash"), unique=True)
    """The order it was issued for; absent where it covers payments without one."""
    total_claimed_units: Mapped[UnitsColumn]
    ceiling_units: Mapped[UnitsColumn]
    voucher_signature: Mapped[SignatureColumn]
    operator: Mapped[AddressColumn]
    operator_signature: Mapped[SignatureColumn]
    acknowledged_at: Mapped[Moment | None]
    created_at: Mapped[CreatedAt]

    __table_args__ = (
        UniqueConstraint("channel_id", "total_claimed_units"),
        CheckConstraint("total_claimed_units <= ceiling_units", name="ceiling"),
        {"schema": "app"},
    )


class ClaimRow(Base):
    """One row of a claim batch on its way to the chain."""

    __tablename__ = "claim_row"

    intent_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    channel_id: Mapped[HashColumn] = mapped_column(ForeignKey("app.channel.channel_id"), primary_key=True)
    total_claimed_units: Mapped[UnitsColumn]
    created_at: Mapped[CreatedAt]

    __table_args__ = ({"schema": "app"},)


class ReceiptMark(Base):
    """How far the ledger is read for channels whose receipts are signed together; one row."""

    __tablename__ = "receipt_mark"

    id: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    txid: Mapped[int] = mapped_column(BigInteger)

    __table_args__ = (CheckConstraint("id = 1", name="one"), {"schema": "app"})


class UnsignedChannel(Base):
    """A channel the ledger was read past while its operator's key was not there: whoever has the key signs for it."""

    __tablename__ = "unsigned_channel"

    channel_id: Mapped[HashColumn] = mapped_column(ForeignKey("app.channel.channel_id"), primary_key=True)
    operator: Mapped[AddressColumn] = mapped_column(index=True)
    created_at: Mapped[CreatedAt]

    __table_args__ = ({"schema": "app"},)


class LedgerEntry(Base):
    """One movement of money, or the sum of those of one group of payments."""

    __tablename__ = "ledger_entry"

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    kind: Mapped[str] = mapped_column(Text)
    reference: Mapped[str | None] = mapped_column(Text)
    """What it is about: an order's hash, a charge's id, or block and log index of a final event."""
    txid: Mapped[int] = mapped_column(BigInteger, server_default=text("pg_current_xact_id()::text::bigint"), index=True)
    """The transaction that wrote it: whoever follows the ledger reads up to the oldest one still running."""
    created_at: Mapped[CreatedAt]

    __table_args__ = (
        CheckConstraint(
            "kind in ('opening', 'reserve', 'earn', 'void', 'pay', 'deposit', 'withdrawal', 'own', 'claim')",
            name="kind",
        ),
        {"schema": "app"},
    )


class Posting(Base):
    """What an entry adds to one account, in base units. A trigger sees to it that the entry is of the same commit."""

    __tablename__ = "posting"

    entry_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    account: Mapped[str] = mapped_column(Text, primary_key=True)
    owner: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    delta_units: Mapped[int] = mapped_column(Units)

    __table_args__ = (
        CheckConstraint("account in ('chain', 'available', 'reserved', 'owed', 'claimed')", name="account"),
        CheckConstraint("delta_units <> 0", name="delta"),
        {"schema": "app"},
    )
