"""Every row class there is: what the store writes, a reorg undoes and the audit compares."""

from __future__ import annotations

from indexer.core.arbiter_rows import (
    ArbiterBallot,
    ArbiterDispute,
    ArbiterEvent,
    ArbiterRound,
    ArbiterSession,
    Juror,
)
from indexer.core.dispute_rows import Dispute, DisputeEvent, DisputeNumber, Rating
from indexer.core.rows import (
    Activity,
    AgentRecord,
    BonusPool,
    Channel,
    ChannelEvent,
    Escrow,
    EscrowConfig,
    EscrowEvent,
    EventRow,
    Ledger,
    LedgerEntry,
    Pool,
    PoolEvent,
    PoolWithdrawSeen,
    Receiver,
    ReceiverEvent,
    ScoreEpoch,
    Stake,
    StakeEvent,
    StakeLock,
    StateRow,
)

STATE_ROWS: tuple[type[StateRow], ...] = (
    Escrow, EscrowConfig, Dispute, DisputeNumber, Ledger, Channel, Pool, Receiver, Stake, StakeLock, AgentRecord,
    BonusPool, ScoreEpoch, ArbiterDispute, ArbiterRound, ArbiterBallot, Juror, ArbiterSession,
)  # fmt: skip
EVENT_ROWS: tuple[type[EventRow], ...] = (
    EscrowEvent, DisputeEvent, Rating, LedgerEntry, ChannelEvent, PoolEvent, PoolWithdrawSeen, ReceiverEvent,
    StakeEvent, ArbiterEvent, Activity,
)  # fmt: skip
