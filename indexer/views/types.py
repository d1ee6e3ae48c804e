"""What the reads return. Amounts in base units (`_units`), times on chain in unix seconds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from aicp.rules.primitives import Finality
from indexer.core.states import EscrowStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """The log a statement rests on, and how final its block is."""

    block_number: int
    block_hash: bytes
    tx_hash: bytes
    log_index: int
    block_time: int
    finality: Finality


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncStatus:
    """How far the mirror is. Times are unix seconds of the blocks; `updated_at` is when the indexer last wrote."""

    head_number: int
    head_time: int
    safe_number: int
    finalized_number: int
    finalized_time: int
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class EscrowRow:
    """An escrow as of the newest block of the asked finality: its terms, state word and last event.

    `ruling` is the arbiter's number: 1 the client, 2 the provider, 0 neither. A closed escrow whose stake is still
    locked was not taken by Reputation: `settleStake` repeats the report.
    """

    escrow_id: bytes
    client: bytes
    provider: bytes
    verifier: bytes
    arbiter: bytes
    amount_units: int
    fee_bps: int
    quorum: int
    accept_by: int
    deliver_by: int
    challenge_period: int
    dispute_timeout: int
    job_hash: bytes
    salt: int
    status: EscrowStatus
    released_units: int
    refunded_units: int
    fee_units: int
    stake_units: int
    accepted_at: int | None
    challenge_ends_at: int | None
    respond_by: int | None = None
    decide_by: int | None = None
    ruling: int | None = None
    deliverable_hash: bytes | None
    outcome: str | None
    stake_locked: bool = False
    origin: Origin


@dataclass(frozen=True, slots=True, kw_only=True)
class EscrowEventRow:
    """One event of an escrow; `fields` is the decoded event in JSON spelling, `status` the state after it."""

    kind: str
    fields: Mapping[str, Any]
    status: EscrowStatus
    released_units: int
    refunded_units: int
    origin: Origin


@dataclass(frozen=True, slots=True, kw_only=True)
class DisputeRow:
    """The dispute of an escrow as of the newest block of the asked finality.

    `dispute_id` and `decide_by` are None until the provider has answered. `ruling` is 1 for the client, 2 for the
    provider, 0 for neither, None before there is one. `bond_units` is the client's bond, `bond_left_units` what of it
    is still in the contract, `fee_units` what the provider paid for the arbiter.
    """

    escrow_id: bytes
    raised_by: bytes
    evidence_hash: bytes
    raised_at: int
    respond_by: int
    arbiter: bytes
    dispute_id: int | None
    decide_by: int | None
    ruling: int | None
    defaulted: bool
    bond_units: int
    bond_left_units: int
    fee_units: int
    origin: Origin


@dataclass(frozen=True, slots=True, kw_only=True)
class RatingRow:
    """One rating, 0 to 100, over an escrow in which `settled_units` were released; `cursor` continues the list."""

    escrow_id: bytes
    rater: bytes
    ratee: bytes
    score: int
    comment_hash: bytes
    settled_units: int
    cursor: str
    origin: Origin


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreEpochRow:
    """An anchored epoch of scores; it counts from `active_at` on unless it is vetoed."""

    epoch: int
    root: bytes
    leaf_count: int
    manifest_hash: bytes
    uri: str
    anchored_at: int
    active_at: int
    vetoed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolRow:
    """A pool at the newest and at the finalised block.

    `pending_withdraw_units` is the largest withdrawal announced in any block after the finalised one (orphaned blocks
    included) or pending at the finalised or newest block. `claimed_*_units` is what operator-attested claims drew from
    this pool in total; claims a channel paid out of its own balance are not in it.
    """

    pool_id: bytes
    payer: bytes
    payer_authorizer: bytes
    operator: bytes
    balance_latest_units: int
    balance_final_units: int
    pending_withdraw_units: int
    claimed_final_units: int
    claimed_latest_units: int
    withdraw_units: int
    finalize_at: int | None
    nonce: int
    origin: Origin

    @property
    def headroom_units(self) -> int:
        """The same figure as `pool_headroom_expr`: what receipts and reserves of all time may add up to."""
        balance = min(self.balance_latest_units, self.balance_final_units)
        return balance - self.pending_withdraw_units + self.claimed_final_units


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolEventRow:
    """One event of a pool with the pool's values after it."""

    kind: str
    fields: Mapping[str, Any]
    balance_units: int
    claimed_units: int
    withdraw_units: int
    finalize_at: int | None
    nonce: int
    origin: Origin


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelRow:
    """A channel as of the newest block of the asked finality."""

    channel_id: bytes
    payer: bytes
    payer_authorizer: bytes
    receiver: bytes
    receiver_authorizer: bytes
    token: bytes
    withdraw_delay: int
    salt: bytes
    pool_id: bytes
    balance_units: int
    total_claimed_units: int
    withdraw_units: int
    withdraw_finalize_at: int | None
    origin: Origin


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiverRow:
    """What a receiver has claimed and been paid over all channels; zeros if nothing yet."""

    receiver: bytes
    claimed_units: int
    settled_units: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StakeRow:
    """An agent's stake as of the asked finality; zeros if it never staked."""

    agent: bytes
    staked_units: int
    locked_units: int
    unbonding_units: int
    unbond_at: int | None
    slashed_units: int

    @property
    def free_units(self) -> int:
        """What a new escrow may lock; the contract counts unbonding stake as free until it is paid out."""
        return self.staked_units - self.locked_units


class DueReason(StrEnum):
    """Why a permissionless call of an escrow is open: mostly a clock that has run out."""

    CHALLENGE_OVER = "challenge_over"
    DELIVER_BY_OVER = "deliver_by_over"
    ACCEPT_BY_OVER = "accept_by_over"
    RESPOND_BY_OVER = "respond_by_over"
    DECIDE_BY_OVER = "decide_by_over"
    RULED = "ruled"
    """Waits for no clock; its place in the order is when it was accepted."""
    STAKE_OWED = "stake_owed"
    """Closed without its stake being settled; waits for no clock either."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DueEscrow:
    """An escrow the keeper may close for its parties; `due_at` is the second its clock ran out."""

    reason: DueReason
    due_at: int
    escrow: EscrowRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """Sums over everything, at the newest block, for the landing page."""

    escrow_count: int
    escrow_locked_units: int
    escrow_released_units: int
    fee_units: int
    ledger_units: int
    pool_balance_units: int
    claimed_units: int
    settled_units: int
    staked_units: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivityRow:
    """One thing that happened on chain to an account; `cursor` continues the list after this row."""

    contract: str
    kind: str
    subject: bytes | None
    amount_units: int
    cursor: str
    origin: Origin


@dataclass(frozen=True, slots=True, kw_only=True)
class WithdrawalRow:
    """One withdrawal from the pull ledger of a contract, and what it left; `cursor` continues the list."""

    contract: bytes
    amount_units: int
    left_units: int
    cursor: str
    origin: Origin


@dataclass(frozen=True, slots=True, kw_only=True)
class ArbiterDisputeRow:
    """A dispute at the arbiter. `period` is the newest one written down on chain; time may have passed it."""

    dispute_id: bytes
    arbitrable: bytes
    created_at: int
    period: str
    period_at: int
    round_number: int
    reference: bytes | None
    extra_data: bytes | None
    ruling: int | None
    delivered: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenDispute:
    """A dispute of a contract at the arbiter that somebody can still do something about, with whom it pays.

    `undelivered`: the ruling did not reach the contract, whose escrow still waits for it.
    """

    dispute: ArbiterDisputeRow
    undelivered: bool
    unsettled: tuple[tuple[int, bytes], ...]
    """Round and juror of each ballot whose stake and reward were not given out."""
    unswept: tuple[int, ...]
    """Rounds whose remainder was not passed on."""
    unreturned: tuple[tuple[int, bytes], ...]
    """After a ruling: round and account of each contribution to an appeal of which something is due."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BallotRow:
    """A juror's seats in a round, and what became of them."""

    dispute_id: bytes
    round_number: int
    juror: bytes
    seats: int
    state: str
    choice: int | None
    settled: bool
    returned_units: int
    reward_units: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundRow:
    """A round of a dispute, its votes by seats, and what was raised for the appeal against it."""

    round_number: int
    seats: int
    drawn: int
    committed: int
    refused_votes: int
    first_votes: int
    second_votes: int
    leaked: int
    appeal_first_units: int
    appeal_second_units: int
    ballots: tuple[BallotRow, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ArbiterEventRow:
    """One event of a dispute at the arbiter; `fields` is the decoded event in JSON spelling."""

    kind: str
    account: bytes | None
    fields: Mapping[str, Any]
    origin: Origin


@dataclass(frozen=True, slots=True, kw_only=True)
class JurorRow:
    """A juror's stake: free, at risk in rounds that are not settled, and what the juror is drawn by."""

    juror: bytes
    free_units: int
    locked_units: int
    weight_units: int
    requested_units: int
    unbond_at: int | None
