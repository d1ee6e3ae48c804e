"""WebSocket messages, both ways. The server's are a union on `type`."""

from __future__ import annotations

import uuid
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter

from backend.api.types import Model, UtcTime
from backend.auctions.schemas import BidOut, CommitOut
from backend.domain.task_states import TaskState
from backend.notifications.schemas import NotificationOut
from backend.scheduler.schemas import OfferOut


class _Event(Model):
    seq: int
    at: UtcTime


class TaskChanged(_Event):
    """A task was posted or moved. Sent to everybody; details are read over REST."""

    type: Literal["task.changed"] = "task.changed"
    task_id: uuid.UUID
    state: TaskState
    capability: str
    title: str


class BidReceived(_Event):
    """A bid entered the book (or left it: `bid.live` is false). Sent to everybody."""

    type: Literal["bid.received"] = "bid.received"
    task_id: uuid.UUID
    bid: BidOut


class BidCommitted(_Event):
    """A sealed bid came in (or was withdrawn: `commit.live` is false). Sent to everybody."""

    type: Literal["bid.committed"] = "bid.committed"
    task_id: uuid.UUID
    commit: CommitOut


class OfferChanged(_Event):
    """The scheduler has offered a task to an agent, or that has answered (`offer.answer`). Sent to everybody."""

    type: Literal["offer.changed"] = "offer.changed"
    task_id: uuid.UUID
    offer: OfferOut


class DealChanged(_Event):
    """A deal moved. Sent to its two parties."""

    type: Literal["deal.changed"] = "deal.changed"
    deal_id: uuid.UUID
    task_id: uuid.UUID
    state: TaskState
    reason: str


class PoolChanged(_Event):
    """A pool's balance or promises changed. Sent to its payer."""

    type: Literal["pool.changed"] = "pool.changed"
    pool_id: str


class ReceiptIssued(_Event):
    """A receipt is ready. Sent to the agent and the buyer; the agent stores it, then acknowledges."""

    type: Literal["receipt.issued"] = "receipt.issued"
    receipt_id: uuid.UUID
    deal_id: uuid.UUID | None
    """Absent where the receipt covers payments without an order."""
    channel_id: str


class IntentChanged(_Event):
    """A relayed transaction moved. Sent to whom it is for."""

    type: Literal["intent.changed"] = "intent.changed"
    intent_id: uuid.UUID
    kind: str
    state: str
    tx_hash: str | None
    error_code: str | None
    reference: dict[str, Any]
    outcome: str | None = None
    """What the nodes said to its newest bytes, where no node has taken them; see `AttemptOut.outcome`."""


class AlarmChanged(_Event):
    """An alarm was raised or is over. Sent to everybody; operators read the details over REST."""

    type: Literal["alarm.changed"] = "alarm.changed"
    kind: str
    subject: str
    open: bool


class NotificationCreated(_Event):
    """The account was told something. Sent to it alone."""

    type: Literal["notification.created"] = "notification.created"
    notification: NotificationOut


class Hello(Model):
    """First message of a connection: the newest sequence number, and whether `since` was too old."""

    type: Literal["hello"] = "hello"
    seq: int
    gap: bool


class Heartbeat(Model):
    """Every 15 seconds, so that a dead connection is noticed."""

    type: Literal["heartbeat"] = "heartbeat"
    seq: int


ServerEvent = Annotated[
    TaskChanged
    | BidReceived
    | BidCommitted
    | OfferChanged
    | DealChanged
    | PoolChanged
    | ReceiptIssued
    | IntentChanged
    | AlarmChanged
    | NotificationCreated
    | Hello
    | Heartbeat,
    Field(discriminator="type"),
]
SERVER_EVENT: TypeAdapter[Any] = TypeAdapter(ServerEvent)
