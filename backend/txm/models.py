"""The transaction manager's tables (schema `txm`): account, intent, transaction, signed attempt."""

from __future__ import annotations

import uuid
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, Text, UniqueConstraint, false
from sqlalchemy.orm import Mapped, mapped_column

from backend.db.base import AddressColumn, Base, CreatedAt, HashColumn, Moment, SignatureColumn, UnitsColumn


class RelayAccount(Base):
    """One relayer key. `next_nonce` moves only in the transaction that stores the signed attempt."""

    __tablename__ = "account"

    chain_id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    address: Mapped[AddressColumn] = mapped_column(primary_key=True)
    next_nonce: Mapped[int] = mapped_column(BigInteger)
    quarantined_reason: Mapped[str | None] = mapped_column(Text)
    balance_wei: Mapped[UnitsColumn | None]
    """What the key owned at `balance_at`, for people to read; what is sent is decided by fresh answers."""
    balance_at: Mapped[Moment | None]
    updated_at: Mapped[CreatedAt]

    __table_args__ = (
        CheckConstraint("next_nonce >= 0", name="next_nonce"),
        CheckConstraint("balance_wei >= 0", name="balance_wei"),
        {"schema": "txm"},
    )


class Intent(Base):
    """A call somebody's signature asked for. `state`: queued, sent, mined, final, failed, expired, cancelled."""

    __tablename__ = "intent"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    idem_key: Mapped[str] = mapped_column(Text, unique=True)
    intent_hash: Mapped[HashColumn]
    kind: Mapped[str] = mapped_column(Text)
    """The contract function in words: fund, submit, release, refund, cancel, withdraw, pool_deposit, claim, ..."""
    on_behalf_of: Mapped[AddressColumn] = mapped_column(index=True)
    to: Mapped[AddressColumn]
    data: Mapped[SignatureColumn]
    value: Mapped[UnitsColumn] = mapped_column(default=0)
    gas_limit: Mapped[int | None] = mapped_column(BigInteger)
    account: Mapped[AddressColumn | None]
    """A fixed sender where order matters (claims); otherwise any relayer."""
    expires_at: Mapped[Moment | None]
    """The earliest expiry of its signatures; past it the intent is `expired` and nothing has moved."""
    not_before: Mapped[Moment | None]
    """When it is simulated again, where no node has said what it would do; see `patience`."""
    priority: Mapped[int] = mapped_column(default=0, server_default="0")
    """Higher goes first; see `states.Priority`."""
    budget_wei: Mapped[UnitsColumn | None]
    """The most its gas may cost, with whatever replaces its first transaction; null where only the fee cap counts."""
    cancel_asked_at: Mapped[Moment | None]
    """When its owner asked to cancel it after it was sent; whichever is mined first decides."""
    state: Mapped[str] = mapped_column(Text, index=True)
    error_code: Mapped[str | None] = mapped_column(Text)
    error_detail: Mapped[str | None] = mapped_column(Text)
    tx_hash: Mapped[HashColumn | None]
    block_number: Mapped[int | None] = mapped_column(BigInteger)
    gas_used: Mapped[int | None] = mapped_column(BigInteger)
    reference: Mapped[dict[str, Any]]
    """What it is for: {"deal_id": ...} or {"pool_id": ...}; shown to the party, never used for money."""
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[CreatedAt]

    __table_args__ = (
        Index("ix_intent_open", "state", "created_at"),
        Index("ix_intent_key_prefix", "idem_key", postgresql_ops={"idem_key": "text_pattern_ops"}),
        CheckConstraint("budget_wei >= 0", name="budget_wei"),
        {"schema": "txm"},
    )


class Transaction(Base):
    """One nonce spent on an intent (or on filling a hole, where `intent_id` is null)."""

    __tablename__ = "tx"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    intent_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("txm.intent.id"), index=True)
    rejected_intent_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("txm.intent.id"), index=True)
    """The intent whose call every node rejected for good, so that the nonce is spent on nothing."""
    chain_id: Mapped[int] = mapped_column(BigInteger)
    account: Mapped[AddressColumn]
    nonce: Mapped[int] = mapped_column(BigInteger)
    state: Mapped[str] = mapped_column(Text, index=True)
    """signed, accepted, mined, final, failed_onchain, superseded, cancelled."""
    block_number: Mapped[int | None] = mapped_column(BigInteger)
    block_hash: Mapped[HashColumn | None]
    mined_hash: Mapped[HashColumn | None]
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[CreatedAt]

    __table_args__ = (UniqueConstraint("chain_id", "account", "nonce"), {"schema": "txm"})


class Attempt(Base):
    """One signed raw transaction. Stored before it is ever broadcast; sending it twice is harmless."""

    __tablename__ = "attempt"

    tx_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("txm.tx.id"), primary_key=True)
    seq: Mapped[int] = mapped_column(primary_key=True)
    raw: Mapped[SignatureColumn]
    hash: Mapped[HashColumn] = mapped_column(unique=True)
    max_fee_wei: Mapped[UnitsColumn]
    tip_wei: Mapped[UnitsColumn]
    signed_at: Mapped[CreatedAt]
    first_accepted_at: Mapped[Moment | None]
    last_broadcast_at: Mapped[Moment | None]
    open_sends: Mapped[int] = mapped_column(default=0, server_default="0")
    """Sends after which some node may hold the bytes: counted before sending, taken back when every node refused."""
    outcome: Mapped[str | None] = mapped_column(Text)
    """What the nodes' answers to the newest send meant (`classify.SendOutcome`); null before the first answer."""
    last_error: Mapped[str | None] = mapped_column(Text)
    spends_nothing: Mapped[bool] = mapped_column(default=False, server_default=false())
    """Whether it only uses the nonce up, and does not carry the intent's call."""

    __table_args__ = (CheckConstraint("open_sends >= 0", name="open_sends"), {"schema": "txm"})


class NodeState(Base):
    """What the workers have lately found of a node. `name` is host and place in the settings, never its whole URL."""

    __tablename__ = "node"

    name: Mapped[str] = mapped_column(Text, primary_key=True)
    answers: Mapped[bool]
    failures: Mapped[int]
    """How often it has failed in a row."""
    last_error: Mapped[str | None] = mapped_column(Text)
    reset_at: Mapped[Moment | None]
    """When an operator last wanted it asked again at once, however it rests."""
    updated_at: Mapped[CreatedAt]

    __table_args__ = (CheckConstraint("failures >= 0", name="failures"), {"schema": "txm"})


class ContractCode(Base):
    """The hash of a contract's code when the workers first saw it; another one later is an alarm."""

    __tablename__ = "contract_code"

    chain_id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    address: Mapped[AddressColumn] = mapped_column(primary_key=True)
    code_hash: Mapped[HashColumn]
    created_at: Mapped[CreatedAt]

    __table_args__ = ({"schema": "txm"},)
