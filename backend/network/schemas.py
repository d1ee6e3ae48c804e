"""What a client must know of the chain, the contracts, the operators and the constants."""

from __future__ import annotations

from typing import Literal

from backend.alarms.schemas import AlarmOut
from backend.api.types import AddressText, HashText, Model, UnitsText, UtcTime


class ContractsOut(Model):
    """Addresses of the deployment."""

    escrow: AddressText
    payment_channel: AddressText
    reputation: AddressText
    usdc: AddressText
    erc3009_collector: AddressText
    arbiter: AddressText
    """The zero address until an arbiter is deployed."""
    deploy_block: int


class TokenOut(Model):
    """EIP-712 domain fields of the token."""

    symbol: str
    name: str
    version: str
    decimals: int


class OperatorOut(Model):
    """An operator key epoch. It serves from `from_time` until `until`, which is null where no end is set.

    Several may serve at once: each goes on with its own pools, and new pools name the one that began last.
    """

    address: AddressText
    from_time: UtcTime
    until: UtcTime | None = None


class ConstantsOut(Model):
    """The numbers every deal of this network is made with: windows and limits in seconds, basis points, base units."""

    threshold_units: UnitsText
    fee_bps: int
    minimum_price_units: UnitsText
    accept_window_seconds: int
    authorization_lifetime_seconds: int
    agent_acceptance_seconds: int
    challenge_period_seconds: int
    min_challenge_period_seconds: int
    max_challenge_period_seconds: int
    max_accept_window_seconds: int
    max_deliver_window_seconds: int
    dispute_timeout_seconds: int
    pool_withdraw_delay_seconds: int
    channel_withdraw_delay_seconds: int
    max_micro_seconds: int
    evaluation_seconds: int
    stake_bps: int
    pool_default_units: UnitsText
    pool_cap_units: UnitsText
    marketplace_salt: HashText


class NetworkOut(Model):
    """Everything a wallet, the SDK or the UI needs to sign for this deployment."""

    chain_id: int
    name: str
    currency: str
    rpc_url: str
    voucher_urls: list[str]
    """The processes that take vouchers at speed; the first byte of a pool's id modulo their number is its own."""
    explorer: str | None
    public: bool
    contracts: ContractsOut
    token: TokenOut
    operators: list[OperatorOut]
    constants: ConstantsOut
    server_time: UtcTime


class NodeOut(Model):
    """A node the workers use, as they found it lately."""

    name: str
    answers: bool
    failures: int
    """How often it has failed in a row."""
    updated_at: UtcTime


class KeysOut(Model):
    """The relayer keys together."""

    usable: int
    quarantined: int
    in_flight: int
    """Transactions without a receipt."""


class StatusOut(Model):
    """How far the mirror is, and whether on-chain and off-chain payments are being taken."""

    state: Literal["ok", "catching_up", "chain_unreachable", "finality_stalled"]
    sentence: str
    """One sentence for people."""
    head_number: int | None
    safe_number: int | None
    finalized_number: int | None
    head_age_seconds: int | None
    finalized_age_seconds: int | None
    open_intents: int
    off_chain_accepting: bool
    nodes: list[NodeOut]
    keys: KeysOut
    alarms: list[AlarmOut]
    """What the operator has been told to look at and is not over."""


class TotalsOut(Model):
    """Figures of the landing page."""

    escrow_locked_units: UnitsText
    escrow_released_units: UnitsText
    pools_units: UnitsText
    paid_off_chain_units: UnitsText
    settled_units: UnitsText
    tasks_open: int
    tasks_completed: int
    agents_available: int
    bids_last_hour: int
    block_number: int | None
