"""What the service answers, as the SDK reads it.

Unknown fields are ignored, so that a newer service keeps working with an older SDK; a missing or malformed field is an
error, never a default that could be signed. Amounts are base units, addresses and hashes bytes, times aware UTC.
"""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Annotated, Any, Generic, Literal, Self, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, ValidationError

from aicp.client.errors import Mismatch
from aicp.rules.documents import FileEntry
from aicp.rules.primitives import checksum, hex0x, parse_address, parse_bytes, parse_hash, parse_units
from aicp.rules.route import Path


def _units(value: object) -> int:
    if isinstance(value, str):
        return parse_units(value)
    if type(value) is int and value >= 0:
        return value
    raise ValueError("amounts are decimal strings of base units")


def _address(value: object) -> object:
    return parse_address(value) if isinstance(value, str) else value


def _hash(value: object) -> object:
    return parse_hash(value) if isinstance(value, str) else value


def _bytes(value: object) -> object:
    return parse_bytes(value) if isinstance(value, str) else value


Address = Annotated[bytes, BeforeValidator(_address), PlainSerializer(checksum, return_type=str)]
Hash = Annotated[bytes, BeforeValidator(_hash), PlainSerializer(hex0x, return_type=str)]
Signature = Annotated[bytes, BeforeValidator(_bytes), PlainSerializer(hex0x, return_type=str)]
Units = Annotated[int, BeforeValidator(_units), PlainSerializer(str, return_type=str)]


class Model(BaseModel):
    """Base of all answers."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    @classmethod
    def read(cls, answer: Any) -> Self:
        """Read an answer of the service. Raises Mismatch when it is not of this shape."""
        try:
            return cls.model_validate(answer)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            raise Mismatch(f"The service answered no proper {cls.__name__}: {where}: {first['msg']}.") from error


Item = TypeVar("Item")


class Page(Model, Generic[Item]):
    """One page of a list; `next_cursor` is None on the last."""

    items: list[Item]
    next_cursor: str | None = None


class Nonce(Model):
    nonce: str
    domain: str
    uri: str
    statement: str
    chain_id: int
    issued_at: dt.datetime
    expires_at: dt.datetime


class Session(Model):
    address: Address
    chain_id: int
    scopes: list[str]
    expires_at: dt.datetime
    token: str | None = None


class Ticket(Model):
    ticket: str
    expires_at: dt.datetime


class Contracts(Model):
    escrow: Address
    payment_channel: Address
    reputation: Address
    usdc: Address
    arbiter: Address


class Token(Model):
    symbol: str
    name: str
    version: str
    decimals: int


class Operator(Model):
    """An operator key and the time it serves; `until` is None while it does."""

    address: Address
    from_time: dt.datetime
    until: dt.datetime | None = None


class Network(Model):
    """What must be known to sign for a deployment; `constants` is compared with our own before use."""

    chain_id: int
    name: str
    currency: str
    rpc_url: str
    explorer: str | None
    public: bool
    contracts: Contracts
    token: Token
    operators: list[Operator]
    constants: dict[str, Any]
    server_time: dt.datetime


class StoredFile(Model):
    """A stored file; its SHA-256 is the address of its bytes."""

    sha256: Hash
    name: str
    size: int
    media_type: str

    def entry(self) -> FileEntry:
        """Return the file as documents name it."""
        return FileEntry(name=self.name, sha256=self.sha256, size=self.size, media_type=self.media_type)


class Manifest(Model):
    files: list[StoredFile]
    salt: Hash


class Task(Model):
    """A task as everybody may see it; `description` and `document` only for its parties."""

    id: uuid.UUID
    buyer: Address
    task_hash: Hash
    title: str
    capability: str
    complexity: int
    urgency: str
    budget_units: Units
    escrow_only: bool
    path_at_budget: Path
    deliver_within_seconds: int
    auction_ends_at: dt.datetime
    state: str
    public_state: str
    bid_count: int
    best_bid_units: Units | None
    deal_id: uuid.UUID | None
    created_at: dt.datetime
    input_summary: list[StoredFile]
    description: str | None = None
    document: dict[str, Any] | None = None


class Route(Model):
    path: Path
    reason: str
    fee_units: Units
    required_stake_units: Units


class Bid(Model):
    """A received bid with the operator's receipt."""

    bid_hash: Hash
    agent: Address
    agent_name: str | None
    amount_units: Units
    eta_seconds: int
    escrow_only: bool
    valid_until: int
    salt: Hash
    signature: Signature
    seq: int
    receipt_signature: Signature
    operator: Address
    received_at: dt.datetime
    withdrawn: bool
    live: bool


class Award(Model):
    """Which bid won, among exactly which bids, signed by the operator."""

    task_hash: Hash
    bid_hash: Hash
    bids_root: Hash
    bid_count: int
    operator: Address
    signature: Signature
    deal_id: uuid.UUID


class Terms(Model):
    client: Address
    provider: Address
    verifier: Address
    arbiter: Address
    amount_units: Units
    fee_bps: int
    quorum: int
    accept_by: int
    deliver_by: int
    challenge_period: int
    dispute_timeout: int
    job_hash: Hash
    salt: Hash


class EscrowSide(Model):
    """The agreed terms of a deal and what the chain says of them. Times are unix seconds."""

    escrow_id: Hash
    terms: Terms
    acceptance_due: int
    acceptance_valid_until: int | None
    acceptance_signature: Signature | None
    authorization_valid_before: int | None
    payable_until: int | None
    chain_status: Literal["none", "funded", "accepted", "submitted", "closed"]
    released_units: Units
    refunded_units: Units
    challenge_ends_at: int | None
    outcome: str | None


class Order(Model):
    order_hash: Hash
    channel_id: Hash
    bid_hash: Hash
    price_units: Units
    deliver_by: int
    evaluate_by: int
    payer_authorizer: Address
    signature: Signature
    state: Literal["reserved", "delivered", "earned", "void"]
    verdict_accepted: bool | None
    verdict_reason: int | None


class ChannelSide(Model):
    """Which pool and channel pay a deal, and how far its vouchers reach."""

    pool_id: Hash | None
    channel_id: Hash | None
    earned_units: Units
    in_flight_units: Units
    ceiling_units: Units
    need_units: Units
    available_units: Units
    order: Order | None


class Deliverable(Model):
    deliverable_hash: Hash
    manifest: Manifest
    signature: Signature
    files: list[StoredFile]


class Action(Model):
    """Something the reader may do now, or why not."""

    name: str
    who: str
    allowed: bool
    reason: str
    due: dt.datetime | None = None
    if_nobody_acts: str | None = None


class IntentRef(Model):
    id: uuid.UUID
    kind: str
    state: str
    tx_hash: Hash | None
    error_code: str | None


class Deal(Model):
    """One deal, for its two parties."""

    id: uuid.UUID
    task_id: uuid.UUID
    task_hash: Hash
    title: str
    path: Path
    state: str
    public_state: str
    buyer: Address
    agent: Address
    agent_name: str | None
    price_units: Units
    fee_units: Units
    live: bool
    ended_reason: str | None
    bid: Bid
    award: Award
    description: str
    document: dict[str, Any]
    input_files: list[StoredFile]
    escrow: EscrowSide | None
    channel: ChannelSide | None
    deliverable: Deliverable | None
    actions: list[Action]
    last_intent: IntentRef | None
    created_at: dt.datetime

    def allows(self, name: str, who: Literal["buyer", "agent"]) -> bool:
        """Return whether the service says that this side may act so now."""
        return any(action.name == name and action.who == who and action.allowed for action in self.actions)


class DealSummary(Model):
    id: uuid.UUID
    task_id: uuid.UUID
    title: str
    path: Path
    state: str
    public_state: str
    buyer: Address
    agent: Address
    price_units: Units
    live: bool
    created_at: dt.datetime


class Channel(Model):
    channel_id: Hash
    pool_id: Hash
    receiver: Address
    receiver_name: str | None
    ceiling_units: Units
    in_flight_units: Units
    earned_units: Units
    claimed_units: Units


class Pool(Model):
    """A buyer's deposit for small payments."""

    pool_id: Hash
    payer: Address
    payer_authorizer: Address
    operator: Address
    balance_latest_units: Units
    balance_final_units: Units
    pending_withdraw_units: Units
    finalize_at: int | None
    nonce: int
    reserved_units: Units
    earned_units: Units
    claimed_units: Units
    available_units: Units
    channels: list[Channel]


class Config(Model):
    payer: Address
    payer_authorizer: Address
    receiver: Address
    receiver_authorizer: Address
    token: Address
    withdraw_delay: int
    salt: Hash


class Receipt(Model):
    """Exactly what `claimWithSignature` takes; its holder can claim with nobody's help."""

    id: uuid.UUID
    channel_id: Hash
    order_hash: Hash
    deal_id: uuid.UUID
    config: Config
    max_claimable_units: Units
    voucher_signature: Signature
    total_claimed_units: Units
    operator_signature: Signature
    price_units: Units
    acknowledged: bool
    claimed: bool
    created_at: dt.datetime


class Balances(Model):
    address: Address
    usdc_units: Units
    escrow_ledger_units: Units
    escrow_ledger_final_units: Units
    withdrawal_nonce: int
    staked_units: Units
    stake_locked_units: Units
    stake_free_units: Units
    channel_claimed_units: Units
    channel_settled_units: Units


class Intent(Model):
    """A transaction the service relays for us."""

    id: uuid.UUID
    kind: str
    state: Literal["queued", "sent", "mined", "final", "failed", "expired", "cancelled"]
    on_behalf_of: Address
    tx_hash: Hash | None
    block_number: int | None
    error_code: str | None
    error_detail: str | None
    reference: dict[str, Any] = Field(default_factory=dict)

    @property
    def landed(self) -> bool:
        """Mined at least."""
        return self.state in {"mined", "final"}

    @property
    def dead(self) -> bool:
        """Will never be mined."""
        return self.state in {"failed", "expired", "cancelled"}


class AgentProfile(Model):
    address: Address
    slug: str
    name: str
    description: str
    capabilities: list[str]
    capacity: int
    available: bool
    running_tasks: int
    completed_tasks: int
    failed_tasks: int
    success_rate_bps: int
    success_rate_measured: bool
    staked_units: Units
    stake_free_units: Units
    registered_at: dt.datetime


class Event(Model):
    """A message of the event stream; what it is about is read over REST."""

    type: str
    seq: int
    task_id: uuid.UUID | None = None
    deal_id: uuid.UUID | None = None
    receipt_id: uuid.UUID | None = None
    intent_id: uuid.UUID | None = None
    capability: str | None = None
    state: str | None = None
    gap: bool = False
    """Only in `hello`: events were missed and must be caught up over REST."""
