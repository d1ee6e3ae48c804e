"""Offers: a task is put to one agent at a time, who bids, declines, or lets the time pass.

An offer binds nobody: the agent's `Bid` is its own signature, and the buyer's `TaskOrder` is what makes it win at once.
Invariants: offers are made by rounds (`rounds`) and answered under the task's lock; a task has at most one without an
answer, and an agent is asked about a task once. An offer is a call through the agent's breaker: silence is a failure
of it if it was heard of meanwhile, a word that it does not want the task is not; a bid says nothing yet.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence

from sqlalchemy.orm import Session

from backend.agents import repo as agents_repo
from backend.breakers import service as breakers
from backend.breakers.service import Outcome
from backend.context import Context
from backend.db.times import moment, unix
from backend.domain.task_states import BIDDABLE, TaskState
from backend.errors import AuctionClosed
from backend.outbox.service import emit
from backend.scheduler import bell, repo
from backend.scheduler.errors import NotOffered
from backend.scheduler.models import Answer, TaskOffer
from backend.scheduler.schemas import OfferOut, RefusedOut
from backend.tasks import service as tasks
from backend.tasks.models import Task

_OUTCOMES: dict[Answer, Outcome] = {"bid": "unclear", "declined": "good", "silent": "bad", "void": "unclear"}
"""What an answer says of the agent's health: a bid is a promise, whose worth is seen when work is handed in."""


def require_offered(session: Session, ctx: Context, task: Task, agent: bytes) -> TaskOffer:
    """Return the offer of a task that an agent may answer now; the caller holds the task's lock.

    Raises AuctionClosed unless the task is open, NotOffered for anybody but the agent that is asked.
    """
    if TaskState(task.state) not in BIDDABLE:
        raise AuctionClosed(state=task.state)
    offer = session.execute(repo.live_offer(task.id)).scalar_one_or_none()
    if offer is None or offer.agent != agent or unix(offer.answer_until) <= ctx.now():
        raise NotOffered(
            "The scheduler offers this task to one agent at a time, and not to you now.",
            what_to_do="Send heartbeats, and answer an offer when one comes.",
        )
    return offer


def decline(session: Session, ctx: Context, agent: bytes, task_id: uuid.UUID) -> OfferOut:
    """Decline an offer, so that the next agent is asked at once; repeating it changes nothing.

    Raises NotFound, AuctionClosed, NotOffered.
    """
    task = tasks.get_for_update(session, task_id)
    known = session.execute(repo.declined_by(task.id, agent)).scalar_one_or_none()
    if known is not None:
        return offer_out(session, known)
    offer = require_offered(session, ctx, task, agent)
    close(session, ctx, offer, "declined")
    session.execute(bell.ring())
    return offer_out(session, offer)


def close(  # as all moves of an offer
    session: Session,
    ctx: Context,
    offer: TaskOffer,
    answer: Answer,
    bid_hash: bytes | None = None,
    *,
    heard: bool = True,
) -> None:
    """Write down what became of an offer and tell everybody; the caller holds the lock of its task, or the round's.

    The silence of an agent that was not `heard` of since is not held against it: it may be us who hear nobody.
    """
    offer.answer, offer.answered_at, offer.bid_hash = answer, moment(ctx.now()), bid_hash
    session.flush()
    outcome = _OUTCOMES[answer] if heard else "unclear"
    breakers.answered(
        session, agent=offer.agent, turn=offer.breaker_turn, outcome=outcome, now_ms=ctx.now() * 1_000,
        error="did not answer an offer",
    )  # fmt: skip
    announce(session, offer)


def announce(session: Session, offer: TaskOffer) -> None:
    """Tell everybody of an offer as it stands."""
    emit(session, "offer.changed", {"task_id": offer.task_id, "offer": offer_out(session, offer)}, None)


def log(session: Session, task_id: uuid.UUID) -> list[OfferOut]:
    """Return every offer of a task, oldest first."""
    return _offers_out(session, session.execute(repo.offers(task_id)).scalars().all())


def waiting_for(session: Session, ctx: Context, agent: bytes) -> list[OfferOut]:
    """Return the offers that wait for an agent's answer, the most urgent first."""
    return _offers_out(session, session.execute(repo.offers_to(agent, moment(ctx.now()))).scalars().all())


def offer_out(session: Session, offer: TaskOffer) -> OfferOut:
    """Return an offer as everybody sees it."""
    return _offers_out(session, [offer])[0]


def _offers_out(session: Session, offers: Sequence[TaskOffer]) -> list[OfferOut]:
    refused = {offer.id: [RefusedOut.model_validate(one) for one in offer.refused] for offer in offers}
    agents = {offer.agent for offer in offers} | {one.agent for found in refused.values() for one in found}
    names = dict(session.execute(agents_repo.names(agents)).tuples().all()) if agents else {}
    return [_out(offer, refused[offer.id], names) for offer in offers]


def _out(offer: TaskOffer, refused: list[RefusedOut], names: Mapping[bytes, str]) -> OfferOut:
    return OfferOut(
        task_id=offer.task_id,
        agent=offer.agent,
        agent_name=names.get(offer.agent),
        max_units=offer.max_units,
        rule_version=offer.rule_version,
        why=offer.why,
        points_bps=offer.points_bps,
        refused=[one.model_copy(update={"agent_name": names.get(one.agent)}) for one in refused],
        offered_at=offer.offered_at,
        answer_until=offer.answer_until,
        answer=offer.answer,
        answered_at=offer.answered_at,
        bid_hash=offer.bid_hash,
    )
