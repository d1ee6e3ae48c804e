"""Deals: opened by an award, moved by signatures, the chain and clocks, ended once.

Lock order everywhere: the task row first, then rows of the deal, then pool, then channel.
"""

from __future__ import annotations

import uuid
from typing import Any

from sqlalchemy.orm import Session

from aicp.rules.primitives import Finality, hex0x
from aicp.rules.route import choose_path, micro_duration
from backend.auctions.models import Award, Bid
from backend.context import Context
from backend.db.ids import new_id
from backend.db.times import moment
from backend.deals import authorizations, repo, terms
from backend.deals.models import Deal
from backend.deals.schemas import DealOut
from backend.domain.escrow_deal import UNPAID
from backend.domain.task_states import TaskState
from backend.errors import NotFound, WrongState
from backend.tasks import service as tasks
from backend.tasks.models import Task
from indexer import views


def open_deal(session: Session, ctx: Context, task: Task, award: Award, bid: Bid) -> Deal:
    """Open the deal of an award; the caller holds the task's lock and has moved it to `awarded`.

    Escrow: terms are composed, because the awarding buyer is present, and the agent has 60 seconds. Channel: the
    session key may order at once.
    """
    path = choose_path(
        bid.amount_units,
        task_escrow_only=task.escrow_only,
        bid_escrow_only=bid.escrow_only,
        duration_seconds=micro_duration(task.deliver_within_seconds, ctx.constants),
        constants=ctx.constants,
    )
    deal = Deal(
        id=new_id(),
        task_id=task.id,
        award_id=award.id,
        bid_hash=bid.bid_hash,
        path=path,
        buyer=task.buyer,
        agent=bid.agent,
        verifier=task.verifier,
        price_units=bid.amount_units,
        operator=award.operator,
        live=True,
        created_at=moment(ctx.now()),
    )
    session.add(deal)
    task.deal_id = deal.id
    session.flush()
    evidence: dict[str, Any] = {"bid_hash": hex0x(bid.bid_hash), "award_id": str(award.id), "path": path}
    if path == "escrow":
        row = terms.compose(session, ctx, deal, task)
        evidence["escrow_id"] = hex0x(row.escrow_id)
        target, reason = TaskState.AWAITING_ACCEPTANCE, "terms composed"
    else:
        target, reason = TaskState.AWAITING_PAYMENT, "waiting for the session key's order"
    tasks.move(session, ctx, task, target, reason=reason, evidence=evidence, deal_id=deal.id)
    return deal


def find(session: Session, deal_id: uuid.UUID, caller: bytes) -> Deal:
    """Return a deal to one of its parties or its verifier. Raises NotFound for anybody else."""
    deal = session.execute(repo.by_id(deal_id)).scalar_one_or_none()
    if deal is None or caller not in {deal.buyer, deal.agent, deal.verifier}:
        raise NotFound("There is no such deal of yours.")
    return deal


def role_of(deal: Deal, account: bytes) -> repo.Role:
    """Return what an account that may read the deal is in it."""
    if account == deal.buyer:
        return "buyer"
    return "agent" if account == deal.agent else "verifier"


def lock(session: Session, deal_id: uuid.UUID, caller: bytes, *roles: repo.Role) -> tuple[Deal, Task]:
    """Return the deal with its task locked, to whom may act in it. Raises NotFound for anybody else."""
    deal = find(session, deal_id, caller)
    if role_of(deal, caller) not in roles:
        raise NotFound(f"Only the {' or the '.join(roles)} of the deal does this.")
    task = tasks.get_for_update(session, deal.task_id)
    return session.execute(repo.by_id(deal_id)).scalar_one(), task


def require_state(deal: Deal, task: Task, *allowed: TaskState) -> TaskState:
    """Return the task's state. Raises WrongState unless the deal lives and the state is one of `allowed`."""
    state = TaskState(task.state)
    if not deal.live or task.deal_id != deal.id:
        raise WrongState("The deal is over.", state=state.value, ended_reason=deal.ended_reason)
    if state not in allowed:
        raise WrongState(f"The deal is {state}; this is possible while {', '.join(allowed)}.", state=state.value)
    return state


def start(session: Session, ctx: Context, deal_id: uuid.UUID, agent: bytes) -> Deal:
    """The agent says that it works; repeating it changes nothing."""
    deal, task = lock(session, deal_id, agent, "agent")
    if require_state(deal, task, TaskState.ASSIGNED, TaskState.RUNNING) is TaskState.ASSIGNED:
        tasks.move(
            session, ctx, task, TaskState.RUNNING, reason="started by the agent",
            evidence={"session": hex0x(agent)}, deal_id=deal.id,
        )  # fmt: skip
    return deal


def end(session: Session, deal: Deal, reason: str) -> None:
    """Close a deal, for good."""
    deal.live = False
    deal.ended_reason = reason
    session.flush()


def leave(session: Session, deal: Deal, task: Task, reason: str) -> None:
    """Close a deal whose task goes on without it; the caller moves the task."""
    task.deal_id = None
    end(session, deal, reason)


def call_off(session: Session, ctx: Context, buyer: bytes, task_id: uuid.UUID) -> Task:
    """Take a task back that is open, or whose deal nobody has paid; the agent's slot is free at once.

    Raises NotFound for anybody but its buyer, WrongState once it may be paid, AuthorizationLive and ChainBehind while a
    signed payment may still be carried out.
    """
    task = tasks.get_for_update(session, task_id)
    if TaskState(task.state) not in UNPAID or task.deal_id is None or task.buyer != buyer:
        return tasks.cancel(session, ctx, buyer, task_id)
    deal = session.execute(repo.by_id(task.deal_id)).scalar_one()
    authorizations.require_none_live(session, ctx, task.id, b"")
    if holds_money(session, deal):
        raise WrongState("The escrow is funded; cancel it there, and the money comes back.", state=task.state)
    row = terms.current(session, deal.id)
    if row is not None:
        terms.lapse(session, ctx, row)
    end(session, deal, "cancelled by the buyer")
    evidence = {"session": hex0x(buyer)}
    reason = "cancelled by the buyer before paying"
    tasks.move(session, ctx, task, TaskState.CANCELLED, reason=reason, evidence=evidence, deal_id=deal.id)
    return task


def holds_money(session: Session, deal: Deal) -> bool:
    """Return whether an escrow of the deal has money in it, as of the newest block we know."""
    rows = session.execute(repo.all_terms(deal.id)).scalars().all()
    seen = (views.escrow(session, row.escrow_id, Finality.SEEN) for row in rows)
    return any(row is not None and row.status is not views.EscrowStatus.CLOSED for row in seen)


def back_to_bids(session: Session, ctx: Context, deal: Deal, task: Task, reason: str) -> None:
    """End a deal nobody has paid: the agent's slot is free, the task is open again for its other bids, or expires.

    A task that the scheduler offers expires: it was not the agent that failed, see `failover` for that.
    """
    row = terms.current(session, deal.id)
    if row is not None:
        terms.lapse(session, ctx, row)
    leave(session, deal, task, reason)
    now = ctx.now()
    others = session.execute(repo.other_live_bid(task.id, deal.agent, now)).scalar_one()
    running = task.auction_ends_at > moment(now)
    goes_on = (others or running) and not task.instant
    target = TaskState.OPEN if goes_on else TaskState.EXPIRED
    tasks.move(session, ctx, task, target, reason=reason, evidence={"now": now}, deal_id=deal.id)


def read_deal(  # noqa: PLR0917  # what a route passes on
    session: Session,
    ctx: Context,
    deal_id: uuid.UUID,
    caller: bytes,
    min_finality: Finality,
    session_key: bytes | None = None,
) -> DealOut:
    """Return the deal as its party sees it. Raises NotFound for anybody else."""
    from backend.deals.view import deal_out

    return deal_out(session, ctx, find(session, deal_id, caller), min_finality, session_key)
