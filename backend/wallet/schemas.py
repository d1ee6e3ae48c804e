"""Balances, relayed withdrawals and stakes, and the state of relayed transactions."""

from __future__ import annotations

import uuid
from typing import Any, Literal

from aicp.rules.ledgers import LedgerName
from backend.api.types import AddressText, HashText, Model, Nonce, SignatureText, UnitsText, UnixTime, UtcTime


class LedgerOut(Model):
    """What waits for an address in one contract until it is collected."""

    ledger: LedgerName
    """`escrow`: released, or given back, by escrows. `reputation`: its share of lost
    stakes, and bonuses. `arbiter`: rewards of
    jurors, and what comes back of appeals."""
    units: UnitsText
    final_units: UnitsText
    withdrawal_nonce: int
    """What the next signed withdrawal from this ledger must carry, at the newest block."""


class BalancesOut(Model):
    """What an address owns here, as of the newest block we know and as of the newest final one."""

    address: AddressText
    usdc_units: UnitsText
    """In the wallet, by `balanceOf` at the newest block."""
    collectable_units: UnitsText
    """What waits in all ledgers together."""
    ledgers: list[LedgerOut]
    staked_units: UnitsText
    stake_locked_units: UnitsText
    stake_free_units: UnitsText
    channel_claimed_units: UnitsText
    channel_settled_units: UnitsText
    block_number: int | None


class WithdrawalIn(Model):
    """`Withdrawal(account,to,amount,nonce,validUntil)` for the domain of the ledger; account is the session."""

    ledger: LedgerName = LedgerName.ESCROW
    to: AddressText
    amount_units: UnitsText
    nonce: Nonce
    valid_until: UnixTime
    signature: SignatureText


class StakeIn(Model):
    """Arguments of `stakeWithAuthorization`; agent is the session. nonce = keccak256(abi.encode(agent,salt))."""

    amount_units: UnitsText
    valid_after: UnixTime = 0
    valid_before: UnixTime
    salt: HashText
    signature: SignatureText


class FaucetIn(Model):
    """How much test USDC the caller asks for; at most 10,000 USDC a call."""

    amount_units: UnitsText


class AttemptOut(Model):
    """One signed transaction that was, or may be, broadcast."""

    hash: HashText
    max_fee_wei: str
    tip_wei: str
    signed_at: UtcTime
    accepted: bool
    outcome: str | None
    """What the nodes said when it was sent last: accepted, known, unknown, underpriced, nonce_too_low, rejected,
    insufficient_funds, wrong_node or reverted; null before it was sent. Only a receipt decides."""
    spends_nothing: bool
    """Whether it only uses the nonce up: after a rejection, or to cancel."""


class TransactionOut(Model):
    """One nonce that was spent, or tried to be, on a call."""

    sender: AddressText
    nonce: int
    state: Literal["signed", "accepted", "mined", "final", "failed_onchain", "superseded", "cancelled", "rejected"]
    """`superseded`: somebody else used the nonce. `rejected`: no node takes the call; the nonce is spent on nothing."""
    mined_hash: HashText | None
    block_number: int | None
    attempts: list[AttemptOut]


class IntentOut(Model):
    """A relayed transaction: signed, broadcast, mined, final, or failed with the decoded reason."""

    id: uuid.UUID
    kind: str
    state: Literal["queued", "sent", "mined", "final", "failed", "expired", "cancelled"]
    on_behalf_of: AddressText
    to: AddressText
    sender: AddressText | None
    nonce: int | None
    tx_hash: HashText | None
    block_number: int | None
    gas_used: int | None
    error_code: str | None
    error_detail: str | None
    expires_at: UtcTime | None
    reference: dict[str, Any]
    attempts: list[AttemptOut]
    """Of the newest transaction."""
    transactions: list[TransactionOut]
    """All of them, oldest first: after a superseded one there is another."""
    cancel_asked_at: UtcTime | None
    """Since when a sent one is to be cancelled; whichever of its attempts is mined decides."""
    budget_wei: str | None
    """The most its gas may cost."""
    created_at: UtcTime
    updated_at: UtcTime
