"""What the service answers, as the SDK reads it.

Unknown fields are ignored, so that a newer service keeps working with an older SDK; a missing or malformed field is an
error, never a default that could be signed. Amounts are base units, addresses and hashes bytes, times aware UTC.
"""

from __future__ import annotations

import uuid

from aicp.client.agent_models import AgentProfile, EpochFile, EpochLeaf, SignedVouch, Suspension
from aicp.client.auction_models import Award, Bid, BuyerRecord, Commit, RefusedAgent, Sealed, Task, TaskOffer, TaskOrder
from aicp.client.deal_models import (
    Action,
    Case,
    ChannelSide,
    Deal,
    DealSummary,
    Deliverable,
    EscrowSide,
    IntentRef,
    Order,
    Route,
    Terms,
)
from aicp.client.dispute_models import Dispute, Evidence, Rating, ReleaseSignature, SplitOffer
from aicp.client.files import Manifest, StoredFile
from aicp.client.pool_models import ChainRef, Channel, Config, Pool, Receipt
from aicp.client.wallet_models import Balances, Committed, Intent, Owed
from aicp.client.wire import Model

__all__ = [
    "Action",
    "AgentProfile",
    "Award",
    "Balances",
    "Bid",
    "BuyerRecord",
    "Case",
    "ChainRef",
    "Channel",
    "ChannelSide",
    "Commit",
    "Committed",
    "Config",
    "Deal",
    "DealSummary",
    "Deliverable",
    "Dispute",
    "EpochFile",
    "EpochLeaf",
    "EscrowSide",
    "Event",
    "Evidence",
    "Intent",
    "IntentRef",
    "Manifest",
    "Order",
    "Owed",
    "Pool",
    "Rating",
    "Receipt",
    "RefusedAgent",
    "ReleaseSignature",
    "Route",
    "Sealed",
    "SignedVouch",
    "SplitOffer",
    "StoredFile",
    "Suspension",
    "Task",
    "TaskOffer",
    "TaskOrder",
    "Terms",
]


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
    offer: TaskOffer | None = None
    gap: bool = False
    """Only in `hello`: events were missed and must be caught up over REST."""
