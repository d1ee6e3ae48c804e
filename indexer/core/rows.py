"""Rows the reducers make: state rows, one a key, and append-only rows, one a log (and account).

The field names are the column names of the tables of the same name. State rows end with the log that changed them last.
They are msgspec's structs, which take a fifth of the time of a dataclass to make, and a backfill makes two an event.
"""

from __future__ import annotations

from typing import Any, ClassVar, TypeVar

import msgspec


def names_of(kind: type[msgspec.Struct]) -> tuple[str, ...]:
    """Return the names of the fields of a kind of row, in their order."""
    return kind.__struct_fields__


class Place(msgspec.Struct, gc=False):
    """The log a change comes from, which is one (`RawLog`); `block_time` in unix seconds."""

    block_number: int
    log_index: int
    block_hash: bytes
    tx_hash: bytes
    block_time: int


class StateRow(msgspec.Struct, kw_only=True, gc=False):
    """A row that is replaced. `TABLE` is its table, `KEY` its key field, always bytes."""

    TABLE: ClassVar[str]
    KEY: ClassVar[str]

    block_number: int = 0
    log_index: int = 0
    block_hash: bytes = b""
    tx_hash: bytes = b""

    def moved(self, place: Place) -> None:
        """Note the log that changes this row."""
        self.block_number = place.block_number
        self.log_index = place.log_index
        self.block_hash = place.block_hash
        self.tx_hash = place.tx_hash


class EventRow(msgspec.Struct, kw_only=True, gc=False):
    """A row that is only ever added."""

    TABLE: ClassVar[str]

    place: Place


Key = tuple[type[StateRow], bytes]
S = TypeVar("S", bound=StateRow)


class Escrow(StateRow, kw_only=True, gc=False):
    """An escrow: its terms and its state word. `ending` becomes the outcome if the last movement closes it.

    `ruling` is the arbiter's number: 1 the client, 2 the provider, 0 neither. `stake_locked` as in the state word: from
    the acceptance to the end, and after a failed report to Reputation until that is repeated.
    """

    TABLE = "escrow"
    KEY = "escrow_id"

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
    status: str
    released_units: int = 0
    refunded_units: int = 0
    fee_units: int = 0
    stake_units: int = 0
    accepted_at: int | None = None
    challenge_ends_at: int | None = None
    respond_by: int | None = None
    decide_by: int | None = None
    ruling: int | None = None
    deliverable_hash: bytes | None = None
    ending: str | None = None
    outcome: str | None = None
    stake_locked: bool = False
    rated_by_client: bool = False
    rated_by_provider: bool = False


class EscrowEvent(EventRow, kw_only=True, gc=False):
    """An escrow after one of its events, which moved `event_amount_units`, `event_fee_units` of them as the fee."""

    TABLE = "escrow_event"

    escrow_id: bytes
    client: bytes
    provider: bytes
    kind: str
    event_amount_units: int
    event_fee_units: int
    status: str
    released_units: int
    refunded_units: int
    fee_units: int
    stake_units: int
    accepted_at: int | None
    challenge_ends_at: int | None
    respond_by: int | None
    decide_by: int | None
    ruling: int | None
    deliverable_hash: bytes | None
    outcome: str | None
    stake_locked: bool


class EscrowConfig(StateRow, kw_only=True, gc=False):
    """Fee and fee recipient in force."""

    TABLE = "escrow_config"
    KEY = "contract"

    contract: bytes
    fee_recipient: bytes = bytes(20)
    fee_bps: int = 0


class Ledger(StateRow, kw_only=True, gc=False):
    """What an account may take out of a contract."""

    TABLE = "ledger"
    KEY = "ledger_id"

    ledger_id: bytes
    contract: bytes
    account: bytes
    balance_units: int = 0
    credited_units: int = 0
    withdrawn_units: int = 0


class LedgerEntry(EventRow, kw_only=True, gc=False):
    """One movement of a ledger balance; `delta_units` is signed."""

    TABLE = "ledger_entry"

    ledger_id: bytes
    kind: str
    escrow_id: bytes | None
    delta_units: int
    balance_units: int


class Channel(StateRow, kw_only=True, gc=False):
    """A channel: its config and its totals. `drawn_units` is what it took from its pool."""

    TABLE = "channel"
    KEY = "channel_id"

    channel_id: bytes
    payer: bytes
    payer_authorizer: bytes
    receiver: bytes
    receiver_authorizer: bytes
    token: bytes
    withdraw_delay: int
    salt: bytes
    pool_id: bytes
    balance_units: int = 0
    total_claimed_units: int = 0
    drawn_units: int = 0
    withdraw_units: int = 0
    withdraw_finalize_at: int | None = None


class ChannelEvent(EventRow, kw_only=True, gc=False):
    """A channel after one of its events, which is about `event_amount_units`."""

    TABLE = "channel_event"

    channel_id: bytes
    payer: bytes
    receiver: bytes
    kind: str
    event_amount_units: int
    balance_units: int
    total_claimed_units: int
    drawn_units: int
    withdraw_units: int
    withdraw_finalize_at: int | None


class Pool(StateRow, kw_only=True, gc=False):
    """A pool: its key and its word. `drawn_units` is the total channels took from it.

    Of a pool that has only been asked for and never had a deposit, nobody knows the parties: they are zero addresses.
    """

    TABLE = "pool"
    KEY = "pool_id"

    pool_id: bytes
    payer: bytes
    payer_authorizer: bytes
    operator: bytes
    balance_units: int = 0
    drawn_units: int = 0
    withdraw_units: int = 0
    finalize_at: int | None = None
    nonce: int = 0


class PoolEvent(EventRow, kw_only=True, gc=False):
    """A pool after one of its events, which is about `event_amount_units`."""

    TABLE = "pool_event"

    pool_id: bytes
    payer: bytes
    kind: str
    event_amount_units: int
    balance_units: int
    drawn_units: int
    withdraw_units: int
    finalize_at: int | None
    nonce: int


class PoolWithdrawSeen(EventRow, kw_only=True, gc=False):
    """A withdrawal announced in a block, remembered even if that block is orphaned."""

    TABLE = "pool_withdraw_seen"

    pool_id: bytes
    amount_units: int


class Receiver(StateRow, kw_only=True, gc=False):
    """What was claimed for a receiver and what was paid to it."""

    TABLE = "receiver"
    KEY = "receiver"

    receiver: bytes
    claimed_units: int = 0
    settled_units: int = 0


class ReceiverEvent(EventRow, kw_only=True, gc=False):
    """A receiver's totals after a claim or a payment."""

    TABLE = "receiver_event"

    receiver: bytes
    kind: str
    claimed_units: int
    settled_units: int


class Stake(StateRow, kw_only=True, gc=False):
    """An agent's stake; `unbonding_units` is what it asked back, still part of `staked_units`."""

    TABLE = "stake"
    KEY = "agent"

    agent: bytes
    staked_units: int = 0
    locked_units: int = 0
    unbonding_units: int = 0
    unbond_at: int | None = None
    slashed_units: int = 0


class StakeEvent(EventRow, kw_only=True, gc=False):
    """An agent's stake after one of its events."""

    TABLE = "stake_event"

    agent: bytes
    kind: str
    fields: dict[str, Any]
    staked_units: int
    locked_units: int
    unbonding_units: int
    unbond_at: int | None
    slashed_units: int


class StakeLock(StateRow, kw_only=True, gc=False):
    """The stake one escrow binds."""

    TABLE = "stake_lock"
    KEY = "escrow_id"

    escrow_id: bytes
    agent: bytes
    amount_units: int
    state: str
    slashed_units: int = 0


class AgentRecord(StateRow, kw_only=True, gc=False):
    """The contract's own record of an agent's outcomes."""

    TABLE = "agent_record"
    KEY = "agent"

    agent: bytes
    completed: int = 0
    failed: int = 0
    disputed: int = 0
    lost: int = 0
    settled_units: int = 0
    last_outcome_at: int | None = None


class ScoreEpoch(StateRow, kw_only=True, gc=False):
    """An anchored root of scores; counts from `active_at` unless vetoed. `epoch_id` is the number in 8 bytes."""

    TABLE = "score_epoch"
    KEY = "epoch_id"

    epoch_id: bytes
    epoch: int
    root: bytes
    leaf_count: int
    manifest_hash: bytes
    uri: str
    anchored_at: int
    active_at: int
    vetoed: bool = False


class BonusPool(StateRow, kw_only=True, gc=False):
    """What Reputation may pay as success bonuses."""

    TABLE = "bonus_pool"
    KEY = "contract"

    contract: bytes
    balance_units: int = 0


class Activity(EventRow, kw_only=True, gc=False):
    """A log that concerns an account and has no event row that names it as a party."""

    TABLE = "activity"

    account: bytes
    contract: str
    kind: str
    subject: bytes | None
    amount_units: int
