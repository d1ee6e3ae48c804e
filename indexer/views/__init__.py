"""What the backend reads of the chain: plain functions over a SQLAlchemy `Session`, frozen dataclasses back.

They use SQLAlchemy Core only, so they run under `AsyncSession.run_sync` as well. A read with `min_finality` answers as
of the newest block of that grade: `seen` the newest block taken, `safe` and `final` the node's tags. Append-only event
rows carry the values after each event, so such an answer is one indexed lookup and never waits; rows without them are
read through the undo journal (`indexer.views.asof`). Series for charts are sums over the event rows.
"""

from __future__ import annotations

from indexer.core.states import EscrowStatus
from indexer.views.activity import chain_activity
from indexer.views.arbiter import (
    arbiter_dispute_by_id,
    arbiter_dispute_of,
    arbiter_events,
    arbiter_periods,
    arbiter_periods_of,
    ballots_of,
    judged,
    juror,
    open_disputes,
    rounds,
)
from indexer.views.channel import (
    channel,
    pool,
    pool_events,
    pool_headroom_expr,
    pool_pending_expr,
    pools_of,
    receiver,
    threatened_pools,
)
from indexer.views.dispute import dispute, ratings, ratings_of, score_epochs, score_epochs_of
from indexer.views.escrow import due_escrows, escrow, escrow_events, escrow_states, ledger_balance
from indexer.views.overview import totals, withdrawals
from indexer.views.records import outcomes
from indexer.views.series import Bucket, Metric, Point, series
from indexer.views.settled import MirrorGapError, anchorings, any_settled, settled_deals
from indexer.views.stake import free_stakes, stake, stakes
from indexer.views.status import MirrorStatus, MissingRange, mirror_status
from indexer.views.sync import MirrorEmptyError, sync_status
from indexer.views.types import (
    ActivityRow,
    ArbiterDisputeRow,
    ArbiterEventRow,
    BallotRow,
    ChannelRow,
    DisputeRow,
    DueEscrow,
    DueReason,
    EscrowEventRow,
    EscrowRow,
    JurorRow,
    OpenDispute,
    Origin,
    PoolEventRow,
    PoolRow,
    RatingRow,
    ReceiverRow,
    RoundRow,
    ScoreEpochRow,
    StakeRow,
    SyncStatus,
    Totals,
    WithdrawalRow,
)

__all__ = [
    "ActivityRow",
    "ArbiterDisputeRow",
    "ArbiterEventRow",
    "BallotRow",
    "Bucket",
    "ChannelRow",
    "DisputeRow",
    "DueEscrow",
    "DueReason",
    "EscrowEventRow",
    "EscrowRow",
    "EscrowStatus",
    "JurorRow",
    "Metric",
    "MirrorEmptyError",
    "MirrorGapError",
    "MirrorStatus",
    "MissingRange",
    "OpenDispute",
    "Origin",
    "Point",
    "PoolEventRow",
    "PoolRow",
    "RatingRow",
    "ReceiverRow",
    "RoundRow",
    "ScoreEpochRow",
    "StakeRow",
    "SyncStatus",
    "Totals",
    "WithdrawalRow",
    "anchorings",
    "any_settled",
    "arbiter_dispute_by_id",
    "arbiter_dispute_of",
    "arbiter_events",
    "arbiter_periods",
    "arbiter_periods_of",
    "ballots_of",
    "chain_activity",
    "channel",
    "dispute",
    "due_escrows",
    "escrow",
    "escrow_events",
    "escrow_states",
    "free_stakes",
    "judged",
    "juror",
    "ledger_balance",
    "mirror_status",
    "open_disputes",
    "outcomes",
    "pool",
    "pool_events",
    "pool_headroom_expr",
    "pool_pending_expr",
    "pools_of",
    "ratings",
    "ratings_of",
    "receiver",
    "rounds",
    "score_epochs",
    "score_epochs_of",
    "series",
    "settled_deals",
    "stake",
    "stakes",
    "sync_status",
    "threatened_pools",
    "totals",
    "withdrawals",
]
