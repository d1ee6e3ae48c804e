"""Statements over notifications, subscriptions and dispatches."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Sequence
from typing import Any, Final, cast

from sqlalchemy import (
    Delete,
    Insert,
    Select,
    Table,
    Text,
    Update,
    delete,
    exists,
    func,
    insert,
    literal,
    or_,
    select,
    update,
)
from sqlalchemy import cast as as_type
from sqlalchemy.dialects.postgresql import insert as pg_insert

from backend.agents.models import Suspension
from backend.alarms.models import Alarm
from backend.auctions.models import Bid, BidCommit
from backend.deals.models import Deal, EscrowTerms
from backend.domain.notices import LEAD_SECONDS, NoticeKind
from backend.notifications.models import Dispatch, DispatchTry, Notification, Subscription
from backend.payments.models import MicroOrder
from backend.reputation.models import Score, ScoreEpoch
from backend.tasks.models import Task
from backend.tasks.repo import live_bid
from indexer.core.states import EscrowStatus
from indexer.projections.escrow import escrow as escrows
from indexer.projections.reputation import stake_lock

COUNTED: Final = 1000
PRUNED_AT_ONCE: Final = 200
SENT_AT_ONCE_TO_ONE: Final = 4
"""So many of one subscription in a round: a slow server holds up nobody else for long."""


def tell(rows: list[dict[str, Any]]) -> Any:
    """Write down notifications whose account has not been told of their event; return those that are new."""
    statement = pg_insert(Notification).values(rows)
    return statement.on_conflict_do_nothing(index_elements=["account", "event"]).returning(Notification)


def live_subscriptions(accounts: Sequence[bytes]) -> Select[Subscription]:
    """Where accounts have notifications sent, confirmed mailboxes and webhooks alike."""
    return select(Subscription).where(
        Subscription.account.in_(accounts), Subscription.ended_at.is_(None), Subscription.confirmed_at.is_not(None)
    )


def new_dispatches() -> Insert:
    """Store dispatches; executed with a list of their columns."""
    return insert(cast(Table, Dispatch.__table__))


def inbox(
    account: bytes, *, unread: bool, kind: NoticeKind | None, before: int | None, limit: int
) -> Select[Notification]:
    """An account's notifications, newest first, from behind an id."""
    statement = select(Notification).where(Notification.account == account)
    if unread:
        statement = statement.where(Notification.read_at.is_(None))
    if kind is not None:
        statement = statement.where(Notification.kind == kind.value)
    if before is not None:
        statement = statement.where(Notification.id < before)
    return statement.order_by(Notification.id.desc()).limit(limit)


def unread_count(account: bytes) -> Select[int]:
    """How many an account has not read, at most `COUNTED`."""
    some = select(Notification.id).where(Notification.account == account, Notification.read_at.is_(None))
    return select(func.count()).select_from(some.limit(COUNTED).subquery())


def mark_read(account: bytes, up_to: int | None, ids: Sequence[int] | None, now: dt.datetime) -> Update:
    """Mark an account's notifications read, once each."""
    chosen = Notification.id <= up_to if up_to is not None else Notification.id.in_(ids or ())
    return (
        update(Notification)
        .where(Notification.account == account, Notification.read_at.is_(None), chosen)
        .values(read_at=now)
        .execution_options(synchronize_session=False)
    )


def forget(before: dt.datetime) -> Delete:
    """Delete a few of the oldest notifications where they are old enough, with their dispatches."""
    oldest = select(Notification.id).order_by(Notification.id).limit(PRUNED_AT_ONCE)
    return (
        delete(Notification)
        .where(Notification.id.in_(oldest), Notification.created_at < before)
        .execution_options(synchronize_session=False)
    )


def best_other_bid(task_id: uuid.UUID, agent: bytes, now: int) -> Select[bytes, int]:
    """Agent and amount of the best live bid of anybody else."""
    return (
        select(Bid.agent, Bid.amount_units)
        .where(Bid.task_id == task_id, Bid.agent != agent, live_bid(now))
        .order_by(Bid.amount_units, Bid.seq)
        .limit(1)
    )


def earlier_bid(task_id: uuid.UUID, agent: bytes, seq: int, now: int) -> Select[int]:
    """What an agent's bid before this one was, where it counted until now."""
    before = (Bid.task_id == task_id, Bid.agent == agent, Bid.seq < seq)
    counted = (Bid.withdrawn_at.is_(None), Bid.valid_until > now)
    newest = select(func.max(Bid.seq)).where(*before).scalar_subquery()
    return select(Bid.amount_units).where(*before, *counted, Bid.seq == newest)


def sealed_bidders(task_id: uuid.UUID) -> Select[bytes]:
    """Agents with a sealed bid that was neither withdrawn nor shown."""
    hidden = (BidCommit.withdrawn_at.is_(None), BidCommit.revealed_at.is_(None))
    return select(BidCommit.agent).where(BidCommit.task_id == task_id, *hidden).distinct()


def losing_bids(task_id: uuid.UUID, winner: bytes, now: int) -> Select[Bid]:
    """The bids of other agents that counted when a task was awarded."""
    return select(Bid).where(Bid.task_id == task_id, Bid.agent != winner, live_bid(now)).order_by(Bid.agent)


def is_suspended(agent: bytes) -> Select[bool]:
    """Whether an agent is given nothing now."""
    return select(exists().where(Suspension.agent == agent, Suspension.ended_at.is_(None)))


def slashed(escrow_id: bytes) -> Select[int]:
    """What an agent has lost of the stake behind an escrow."""
    return select(stake_lock.c.slashed_units).where(stake_lock.c.escrow_id == escrow_id)


def scores_lower(epoch_id: int) -> Select[bytes, int, int, str, str]:
    """Agents whose score is lower than in the epoch computed before: agent, both scores, both tiers."""
    previous = select(func.max(ScoreEpoch.id)).where(ScoreEpoch.id < epoch_id).scalar_subquery()
    old = select(Score).where(Score.epoch_id == previous).subquery()
    return (
        select(Score.agent, old.c.score, Score.score, old.c.tier, Score.tier)
        .join(old, old.c.agent == Score.agent)
        .where(Score.epoch_id == epoch_id, Score.score < old.c.score)
        .order_by(Score.agent)
    )


def _untold(account: Any, event: Any) -> Any:
    return ~exists().where(Notification.account == account, Notification.event == event)


def escrows_ending(now: int, limit: int) -> Select[Deal, Task, int]:
    """Escrow deals whose time to check ends soon and whose buyer is not told: deal, task, and when it ends."""
    ends = escrows.c.challenge_ends_at
    lead = func.least(LEAD_SECONDS, escrows.c.challenge_period // 4)
    event = literal("evaluation_ending:") + as_type(Deal.id, Text)
    return (
        select(Deal, Task, ends)
        .join(EscrowTerms, EscrowTerms.deal_id == Deal.id)
        .join(Task, Task.id == Deal.task_id)
        .join(escrows, escrows.c.escrow_id == EscrowTerms.escrow_id)
        .where(Deal.live, escrows.c.status == EscrowStatus.SUBMITTED)
        .where(ends > now, ends - lead <= now, _untold(Deal.buyer, event))
        .order_by(ends)
        .limit(limit)
    )


def orders_ending(now: int, lead: int, limit: int) -> Select[Deal, Task, int]:
    """Small deals whose time to check ends soon and whose buyer is not told: deal, task, and when it ends."""
    event = literal("evaluation_ending:") + as_type(Deal.id, Text)
    return (
        select(Deal, Task, MicroOrder.evaluate_by)
        .join(MicroOrder, MicroOrder.deal_id == Deal.id)
        .join(Task, Task.id == Deal.task_id)
        .where(MicroOrder.state == "delivered", MicroOrder.evaluate_by > now, MicroOrder.evaluate_by - lead <= now)
        .where(_untold(Deal.buyer, event))
        .order_by(MicroOrder.evaluate_by)
        .limit(limit)
    )


def untold_alarms(operator: bytes, limit: int) -> Select[Alarm]:
    """Open alarms an operator is not told of, oldest first."""
    event = literal("alarm:") + as_type(Alarm.id, Text)
    return (
        select(Alarm)
        .where(Alarm.cleared_at.is_(None), _untold(literal(operator), event))
        .order_by(Alarm.raised_at, Alarm.id)
        .limit(limit)
    )


def webhooks(account: bytes) -> Select[Subscription]:
    """An account's webhooks, oldest first."""
    return (
        select(Subscription)
        .where(Subscription.account == account, Subscription.channel == "webhook", Subscription.ended_at.is_(None))
        .order_by(Subscription.id)
    )


def webhook(account: bytes, subscription_id: uuid.UUID) -> Select[Subscription]:
    """One webhook of an account, ended ones too."""
    return select(Subscription).where(
        Subscription.account == account, Subscription.channel == "webhook", Subscription.id == subscription_id
    )


def mailbox(account: bytes) -> Select[Subscription]:
    """An account's mailbox."""
    return select(Subscription).where(
        Subscription.account == account, Subscription.channel == "email", Subscription.ended_at.is_(None)
    )


def lock_account(account: bytes) -> Select[Any]:
    """Let changes of one account's subscriptions follow one another until the transaction ends."""
    return select(func.pg_advisory_xact_lock(func.hashtextextended(f"subscriptions:{account.hex()}", 0)))


def codes_since(account: bytes, address: str, since: dt.datetime) -> Select[int]:
    """How many codes were mailed lately for an account, or to an address for whomever."""
    return select(func.count()).where(
        Subscription.channel == "email",
        Subscription.created_at > since,
        or_(Subscription.account == account, func.lower(Subscription.target) == address.lower()),
    )


def end_dispatches(subscription_id: uuid.UUID) -> Update:
    """Give up what waits for a subscription that has ended."""
    return (
        update(Dispatch)
        .where(Dispatch.subscription_id == subscription_id, Dispatch.state == "waiting")
        .values(state="dead")
        .execution_options(synchronize_session=False)
    )


def log(subscription_id: uuid.UUID, before: uuid.UUID | None, limit: int) -> Select[Dispatch, str | None]:
    """What was sent to a subscription, newest first, each with the kind of its notification."""
    statement = (
        select(Dispatch, Notification.kind)
        .outerjoin(Notification, Notification.id == Dispatch.notification_id)
        .where(Dispatch.subscription_id == subscription_id)
        .order_by(Dispatch.id.desc())
        .limit(limit)
    )
    return statement if before is None else statement.where(Dispatch.id < before)


def dispatch(subscription_id: uuid.UUID, dispatch_id: uuid.UUID) -> Select[Dispatch, str | None]:
    """One dispatch of a subscription, its row locked, with the kind of its notification."""
    return (
        select(Dispatch, Notification.kind)
        .outerjoin(Notification, Notification.id == Dispatch.notification_id)
        .where(Dispatch.subscription_id == subscription_id, Dispatch.id == dispatch_id)
        .with_for_update(of=Dispatch)
    )


def tries_of(dispatch_ids: Sequence[uuid.UUID]) -> Select[DispatchTry]:
    """The tries of dispatches, oldest first."""
    return select(DispatchTry).where(DispatchTry.dispatch_id.in_(dispatch_ids)).order_by(DispatchTry.number)


def take_due(now: dt.datetime, until: dt.datetime, limit: int) -> Any:
    """Take waiting dispatches that are due until a moment, count the try, and return their ids.

    Whoever holds them that long without a word has crashed, and they are due again.
    """
    waiting = (
        select(
            Dispatch.id,
            Dispatch.not_before,
            func.row_number().over(partition_by=Dispatch.subscription_id, order_by=Dispatch.not_before).label("place"),
        )
        .where(Dispatch.state == "waiting", Dispatch.not_before <= now)
        .subquery()
    )
    # the first of each, then the second of each: a long queue of one's own holds up nobody else
    order = (waiting.c.place, waiting.c.not_before)
    few = select(waiting.c.id).where(waiting.c.place <= SENT_AT_ONCE_TO_ONE).order_by(*order).limit(limit)
    mine = (
        select(Dispatch.id)
        .where(Dispatch.id.in_(few), Dispatch.state == "waiting", Dispatch.not_before <= now)
        .with_for_update(skip_locked=True)
    )
    return (
        update(Dispatch)
        .where(Dispatch.id.in_(mine))
        .values(tries=Dispatch.tries + 1, left=func.greatest(Dispatch.left - 1, 0), not_before=until)
        .returning(Dispatch.id)
        .execution_options(synchronize_session=False)
    )


def to_send(dispatch_ids: Sequence[uuid.UUID]) -> Select[Dispatch, Subscription, Notification]:
    """Dispatches with where they go and what they tell; the last is null for pings and codes."""
    return (
        select(Dispatch, Subscription, Notification)
        .join(Subscription, Subscription.id == Dispatch.subscription_id)
        .outerjoin(Notification, Notification.id == Dispatch.notification_id)
        .where(Dispatch.id.in_(dispatch_ids))
        .order_by(Dispatch.id)
    )


def ended(dispatch_id: uuid.UUID, number: int, *, state: str, not_before: dt.datetime) -> Any:
    """Write down what became of a try, unless a newer one has begun; return the id where it counted."""
    return (
        update(Dispatch)
        .where(Dispatch.id == dispatch_id, Dispatch.tries == number, Dispatch.state == "waiting")
        .values(state=state, not_before=not_before)
        .returning(Dispatch.id)
        .execution_options(synchronize_session=False)
    )


def new_tries() -> Insert:
    """Keep tries; executed with a list of their columns."""
    return insert(cast(Table, DispatchTry.__table__))
