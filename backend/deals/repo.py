"""Statements over deals, terms, authorizations, deliverables and actions."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Sequence
from typing import Any, Literal

from sqlalchemy import Delete, Select, and_, delete, exists, func, literal, or_, select, tuple_

from backend.agents.models import Agent
from backend.auctions.models import Award, Bid
from backend.deals.models import (
    Authorization,
    Deal,
    DealAction,
    Deliverable,
    EscrowTerms,
    Evidence,
    ReleaseSignature,
    SplitOffer,
)
from backend.domain.escrow_deal import AT_WORK, UNPAID
from backend.domain.task_states import TaskState
from backend.payments.models import MicroOrder
from backend.tasks.models import Task
from backend.tasks.repo import live_bid
from backend.txm.models import Intent
from indexer import views

Role = Literal["buyer", "agent", "verifier"]


def by_id(deal_id: uuid.UUID) -> Select[Deal]:
    """One deal, read anew."""
    return select(Deal).where(Deal.id == deal_id).execution_options(populate_existing=True)


def _live_ids(states: Sequence[TaskState]) -> Select[uuid.UUID]:
    """All live deals whose task is in one of the states: a limit would let idle ones starve the others."""
    return (
        select(Deal.id)
        .join(Task, Task.id == Deal.task_id)
        .where(Deal.live, Task.state.in_([state.value for state in states]))
        .order_by(Task.state_since)
    )


def not_at_rest(states: Sequence[TaskState]) -> Select[uuid.UUID]:
    """Live escrow deals in these states, but those that follow the chain already.

    Those are at rest: none of their escrows is on chain and nobody has paid yet, or a final block says of theirs what
    its parties were told, and no more than their task knows. Nor has the task an authorization that may still be used.
    """
    payable = exists().where(Authorization.task_id == Task.id, Authorization.state == "live")
    newest = views.escrow_states()
    its = EscrowTerms.deal_id == Deal.id
    on_chain = select(EscrowTerms.escrow_id).join(newest, newest.c.escrow_id == EscrowTerms.escrow_id).where(its)
    marks = (newest.c.status, newest.c.released_units, newest.c.refunded_units)
    told = EscrowTerms.announced == func.concat_ws(":", *marks)
    unpaid = and_(Task.state.in_([state.value for state in UNPAID]), ~on_chain.exists())
    known = or_(
        and_(Task.state.in_([state.value for state in AT_WORK]), newest.c.status == views.EscrowStatus.ACCEPTED.value),
        and_(Task.state == TaskState.DELIVERED.value, newest.c.status == views.EscrowStatus.SUBMITTED.value),
    )
    followed = on_chain.where(EscrowTerms.lapsed_at.is_(None), newest.c.final, told, known).exists()
    return _live_ids(states).where(Deal.path == "escrow", or_(payable, ~or_(unpaid, followed)))


def unanswered_ids(now: int) -> Select[uuid.UUID]:
    """Live deals that wait for a signature, but those whose agent still has time to accept."""
    has_time = exists().where(
        EscrowTerms.deal_id == Deal.id, EscrowTerms.lapsed_at.is_(None), EscrowTerms.acceptance_due >= now - 1
    )
    waits = and_(Task.state == TaskState.AWAITING_ACCEPTANCE.value, has_time)
    return _live_ids(UNPAID).where(~waits)


def lock_stake_promises(agent: bytes) -> Select[Any]:
    """Let the acceptances of an agent follow one another until the transaction ends."""
    return select(func.pg_advisory_xact_lock(func.hashtextextended(f"stake:{agent.hex()}", 0)))


def prices_promised(agent: bytes, but: uuid.UUID) -> Select[int]:
    """Prices of the agent's other escrow deals that are accepted and not yet funded."""
    states = [TaskState.AWAITING_PAYMENT.value, TaskState.FUNDING.value]
    return (
        select(Deal.price_units)
        .join(Task, Task.id == Deal.task_id)
        .join(EscrowTerms, EscrowTerms.deal_id == Deal.id)
        .where(Deal.live, Deal.agent == agent, Deal.id != but, Task.state.in_(states))
        .where(EscrowTerms.lapsed_at.is_(None), EscrowTerms.acceptance_signature.is_not(None))
    )


def task_skip_locked(task_id: uuid.UUID) -> Select[Task]:
    """The task with its row locked, or nothing while another transaction holds it."""
    return (
        select(Task)
        .where(Task.id == task_id)
        .with_for_update(skip_locked=True)
        .execution_options(populate_existing=True)
    )


def of_party(
    address: bytes, role: Role | None, live: bool | None, after: tuple[Any, uuid.UUID] | None, limit: int
) -> Select[Deal, Task]:
    """Deals of a party or verifier with their tasks, newest first."""
    sides = {"buyer": Deal.buyer == address, "agent": Deal.agent == address, "verifier": Deal.verifier == address}
    mine = or_(*sides.values()) if role is None else sides[role]
    statement = select(Deal, Task).join(Task, Task.id == Deal.task_id).where(mine).limit(limit)
    if live is not None:
        statement = statement.where(Deal.live == live)
    if after is not None:
        there = tuple_(literal(after[0], Deal.created_at.type), literal(after[1], Deal.id.type))
        statement = statement.where(tuple_(Deal.created_at, Deal.id) < there)
    return statement.order_by(Deal.created_at.desc(), Deal.id.desc())


def has_live_order(deal_id: uuid.UUID) -> Select[bool]:
    """Whether the deal has an order that was paid, or may still be."""
    return select(exists().where(MicroOrder.deal_id == deal_id, MicroOrder.state != "void"))


def last_heard(agent: bytes) -> Select[dt.datetime | None]:
    """When an agent was last heard of."""
    return select(Agent.last_heartbeat).where(Agent.address == agent)


def other_heard(capability: str, agent: bytes, since: dt.datetime) -> Select[bool]:
    """Whether another agent with a capability, one that takes offers, was heard of since a moment."""
    able = (Agent.capabilities.any_() == capability, Agent.address != agent, Agent.last_heartbeat > since)
    return select(exists().where(Agent.takes_offers, *able))


def bid(bid_hash: bytes) -> Select[Bid]:
    """One bid."""
    return select(Bid).where(Bid.bid_hash == bid_hash)


def award(award_id: uuid.UUID) -> Select[Award]:
    """One award."""
    return select(Award).where(Award.id == award_id)


def agent_name(address: bytes) -> Select[str]:
    """The name an agent has registered."""
    return select(Agent.name).where(Agent.address == address)


def other_live_bid(task_id: uuid.UUID, agent: bytes, now: int) -> Select[bool]:
    """Whether a bid of another agent still counts."""
    return select(exists().where(and_(Bid.task_id == task_id, Bid.agent != agent, live_bid(now))))


def terms(escrow_id: bytes) -> Select[EscrowTerms]:
    """Terms by escrow id."""
    return select(EscrowTerms).where(EscrowTerms.escrow_id == escrow_id)


def escrow_ids() -> Select[bytes]:
    """The ids of all escrows that terms of ours were composed for."""
    return select(EscrowTerms.escrow_id)


def deals_of_escrows(escrow_ids: Sequence[bytes]) -> Select[bytes, uuid.UUID]:
    """Escrow ids with the deals they pay."""
    return select(EscrowTerms.escrow_id, EscrowTerms.deal_id).where(EscrowTerms.escrow_id.in_(escrow_ids))


def current_terms(deal_id: uuid.UUID) -> Select[EscrowTerms]:
    """The terms of a deal that have not lapsed."""
    return select(EscrowTerms).where(EscrowTerms.deal_id == deal_id, EscrowTerms.lapsed_at.is_(None))


def all_terms(deal_id: uuid.UUID) -> Select[EscrowTerms]:
    """All terms ever composed for a deal, newest first."""
    return select(EscrowTerms).where(EscrowTerms.deal_id == deal_id).order_by(EscrowTerms.created_at.desc())


def live_authorization(task_id: uuid.UUID) -> Select[Authorization]:
    """The one authorization of a task that may still be used."""
    return select(Authorization).where(Authorization.task_id == task_id, Authorization.state == "live")


def authorization_of(escrow_id: bytes) -> Select[Authorization]:
    """The newest authorization of an escrow."""
    return (
        select(Authorization)
        .where(Authorization.escrow_id == escrow_id)
        .order_by(Authorization.created_at.desc())
        .limit(1)
    )


def deliverables(deal_id: uuid.UUID) -> Select[Deliverable]:
    """What was handed in, newest first."""
    return select(Deliverable).where(Deliverable.deal_id == deal_id).order_by(Deliverable.created_at.desc())


def actions(deal_id: uuid.UUID) -> Select[DealAction]:
    """Further signed acts on a deal, newest first."""
    return select(DealAction).where(DealAction.deal_id == deal_id).order_by(DealAction.created_at.desc())


def last_intent(deal_id: uuid.UUID) -> Select[Intent]:
    """The newest relayed transaction of a deal."""
    return (
        select(Intent)
        .where(Intent.reference["deal_id"].astext == str(deal_id))
        .order_by(Intent.created_at.desc())
        .limit(1)
    )


def intents(deal_id: uuid.UUID) -> Select[Intent]:
    """The relayed transactions of a deal, oldest first."""
    return select(Intent).where(Intent.reference["deal_id"].astext == str(deal_id)).order_by(Intent.created_at)


def evidence(escrow_id: bytes) -> Select[Evidence]:
    """What the parties say about an escrow, oldest first."""
    return select(Evidence).where(Evidence.escrow_id == escrow_id).order_by(Evidence.created_at)


def split_offers(escrow_id: bytes) -> Select[SplitOffer]:
    """The offers to divide an escrow: the open ones, then the others, each newest first."""
    order = ((SplitOffer.state == "open").desc(), SplitOffer.created_at.desc(), SplitOffer.id.desc())
    return select(SplitOffer).where(SplitOffer.escrow_id == escrow_id).order_by(*order)


def forget_offers(escrow_id: bytes, offered_by: bytes, keep: int) -> Delete:
    """Delete a party's replaced offers but the newest."""
    replaced = (SplitOffer.escrow_id == escrow_id, SplitOffer.offered_by == offered_by, SplitOffer.state == "replaced")
    older = (
        select(SplitOffer.id).where(*replaced).order_by(SplitOffer.created_at.desc(), SplitOffer.id.desc()).offset(keep)
    )
    return delete(SplitOffer).where(SplitOffer.id.in_(older))


def split_offer(offer_id: uuid.UUID) -> Select[SplitOffer]:
    """One offer."""
    return select(SplitOffer).where(SplitOffer.id == offer_id)


def open_split_offer(escrow_id: bytes, offered_by: bytes) -> Select[SplitOffer]:
    """The open offer of a party."""
    return select(SplitOffer).where(
        SplitOffer.escrow_id == escrow_id, SplitOffer.offered_by == offered_by, SplitOffer.state == "open"
    )


def release_signatures(escrow_id: bytes, cumulative: int, valid_until: int) -> Select[ReleaseSignature]:
    """The roles' signatures of one release."""
    return select(ReleaseSignature).where(
        ReleaseSignature.escrow_id == escrow_id,
        ReleaseSignature.cumulative_units == cumulative,
        ReleaseSignature.valid_until == valid_until,
    )


def newest_release_signatures(escrow_id: bytes, limit: int) -> Select[ReleaseSignature]:
    """The roles' signatures of releases: those that wait for others, then those relayed, each newest first."""
    order = (ReleaseSignature.intent_id.is_(None).desc(), ReleaseSignature.created_at.desc(), ReleaseSignature.role)
    return select(ReleaseSignature).where(ReleaseSignature.escrow_id == escrow_id).order_by(*order).limit(limit)


def forget_release_signatures(escrow_id: bytes, role: int, keep: int) -> Delete:
    """Delete a role's signatures that were never relayed but the newest."""
    waiting = (
        ReleaseSignature.escrow_id == escrow_id,
        ReleaseSignature.role == role,
        ReleaseSignature.intent_id.is_(None),
    )
    # a primary key without the columns named in `waiting`
    name = (ReleaseSignature.cumulative_units, ReleaseSignature.valid_until)
    newest = (ReleaseSignature.created_at.desc(), ReleaseSignature.valid_until.desc(), name[0].desc())
    older = select(*name).where(*waiting).order_by(*newest).offset(keep)
    return delete(ReleaseSignature).where(*waiting, tuple_(*name).in_(older))
