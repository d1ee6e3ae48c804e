"""Makes deals follow the chain, and each authorization follow its escrow.

Idempotent: what a step writes makes the same facts ask for nothing more. Any number of workers may run it; a deal whose
task somebody holds is left for the next round. Whoever caused a chain event, relayer or wallet, is the same to it.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any, Final, assert_never

from sqlalchemy.orm import Session

from aicp.abi import escrow as abi
from aicp.rules.primitives import Finality, hex0x
from backend.context import Context
from backend.db.times import moment
from backend.deals import authorizations, failover, repo, terms
from backend.deals.models import Deal, EscrowTerms
from backend.deals.service import end
from backend.domain.escrow_deal import (
    BEFORE_WORK,
    ChainFact,
    DealFacts,
    FailOver,
    GoBackToBids,
    Move,
    SendAcceptance,
    Step,
    next_step,
)
from backend.domain.task_states import TERMINAL, TaskState
from backend.notifications import sources as notices
from backend.tasks import service as tasks
from backend.tasks.models import Task
from backend.txm import service as txm
from backend.txm.states import NOT_CARRIED_OUT, IntentState
from indexer import views

LIVE_STATES: Final = (
    TaskState.AWAITING_ACCEPTANCE,
    TaskState.AWAITING_PAYMENT,
    TaskState.FUNDING,
    TaskState.ASSIGNED,
    TaskState.RUNNING,
    TaskState.DELIVERED,
    TaskState.DISPUTED,
)


@dataclass(frozen=True, slots=True)
class Chain:
    """An escrow of the deal in the newest block, and as far as we act on it for good."""

    terms: EscrowTerms
    seen: views.EscrowRow | None
    settled: views.EscrowRow | None
    warning: str | None


def live_deals(session: Session) -> list[uuid.UUID]:
    """Return the escrow deals that may have to follow the chain."""
    return list(session.execute(repo.not_at_rest(LIVE_STATES)).scalars())


def reconcile_deals(session: Session, ctx: Context) -> int:
    """Reconcile every deal that may have to in one transaction; return how many moved. Workers take one each."""
    return sum(reconcile_deal(session, ctx, deal_id) for deal_id in live_deals(session))


def reconcile_deal(session: Session, ctx: Context, deal_id: uuid.UUID) -> bool:
    """Let one deal follow the chain; return whether anything changed."""
    deal = session.execute(repo.by_id(deal_id)).scalar_one_or_none()
    if deal is None or not deal.live:
        return False
    task = session.execute(repo.task_skip_locked(deal.task_id)).scalar_one_or_none()
    deal = session.execute(repo.by_id(deal_id)).scalar_one()
    if task is None or not deal.live or task.deal_id != deal.id:
        return False
    authorizations.settle(session, task.id)
    changed = _announce(session, ctx, deal, task)
    for _ in range(len(TaskState)):
        chain = _chain(session, ctx, deal)
        step = None if chain is None else next_step(_facts(session, ctx, task, chain))
        if step is None or chain is None or not _take(session, ctx, deal, task, chain, step):
            return changed
        changed = True
        if not deal.live:
            return True
    return changed


def _announce(session: Session, ctx: Context, deal: Deal, task: Task) -> bool:
    """Tell the parties when the escrow or its dispute has moved in a way that leaves the task where it is."""
    chain = _chain(session, ctx, deal)
    if chain is None or chain.seen is None:
        return False
    seen = chain.seen
    marks = [seen.status.value, str(seen.released_units), str(seen.refunded_units)]
    court: views.ArbiterDisputeRow | None = None
    if seen.status is views.EscrowStatus.DISPUTED:
        court = views.arbiter_dispute_of(session, ctx.deployment.escrow, seen.escrow_id)
        marks += [] if court is None else [court.period, str(court.round_number), *_raised(session, court)]
    state = ":".join(marks)
    if chain.terms.announced == state:
        return False
    chain.terms.announced = state
    session.flush()
    tasks.announce_deal(session, task, deal.id, f"the escrow is {' '.join((seen.status.value, *marks[3:4]))}")
    notices.escrow_moved(session, task, deal, seen, court)
    return True


def _raised(session: Session, court: views.ArbiterDisputeRow) -> list[str]:
    """Return what both sides have paid in while an appeal can be paid for: either wants to know what the other does."""
    if court.period != "appeal":
        return []
    now = views.rounds(session, court.dispute_id)[court.round_number]
    return [str(now.appeal_first_units), str(now.appeal_second_units)]


def _chain(session: Session, ctx: Context, deal: Deal) -> Chain | None:
    """Return the escrow that counts: the one with money in it, else that of the current terms."""
    rows = session.execute(repo.all_terms(deal.id)).scalars().all()
    for row in rows:
        seen = views.escrow(session, row.escrow_id, Finality.SEEN)
        # an escrow cancelled before anybody accepted says nothing about terms composed after it
        over = seen is not None and authorizations.was_cancelled(seen)
        if seen is not None and not (over and row.lapsed_at is not None):
            settled, warning = _settled(session, ctx, seen)
            return Chain(row, seen, settled, warning)
    current = next((row for row in rows if row.lapsed_at is None), None)
    return None if current is None else Chain(current, None, None, None)


def _settled(session: Session, ctx: Context, seen: views.EscrowRow) -> tuple[views.EscrowRow | None, str | None]:
    """Return the final state of an escrow; the safe one, with a warning, where finality is 60 seconds late."""
    final = views.escrow(session, seen.escrow_id, Finality.FINAL)
    if final is not None and final.origin == seen.origin:
        return final, None
    safe = views.escrow(session, seen.escrow_id, Finality.SAFE)
    waited = 0 if safe is None else ctx.now() - safe.origin.block_time
    if safe is not None and waited >= ctx.constants.assigned_safe_after_seconds:
        return safe, None if safe.origin.finality is Finality.FINAL else "not final after 60 seconds; its block is safe"
    return final, None


def _facts(session: Session, ctx: Context, task: Task, chain: Chain) -> DealFacts:
    row = chain.terms
    usable = (
        row.acceptance_signature is not None
        and row.acceptance_valid_until is not None
        and ctx.now() < min(row.acceptance_valid_until, row.accept_by)
    )
    sent = txm.history(session, f"accept:{row.escrow_id.hex()}")
    return DealFacts(
        state=TaskState(task.state),
        seen=_fact(chain.seen),
        settled=_fact(chain.settled),
        acceptance_usable=usable,
        acceptance_failed=bool(sent) and IntentState(sent[0].state) in NOT_CARRIED_OUT,
        payment_failed=_payment_failed(session, row),
        instant=task.instant,
    )


def _fact(row: views.EscrowRow | None) -> ChainFact | None:
    if row is None:
        return None
    return ChainFact(status=row.status, outcome=row.outcome, released=row.released_units > 0)


def _payment_failed(session: Session, row: EscrowTerms) -> str | None:
    authorization = session.execute(repo.authorization_of(row.escrow_id)).scalar_one_or_none()
    if authorization is None:
        return None
    intent = txm.get(session, authorization.intent_id)
    if IntentState(intent.state) not in NOT_CARRIED_OUT:
        return None
    return f"the payment was not carried out: {intent.error_code or intent.state}"


def _evidence(chain: Chain) -> dict[str, Any]:
    evidence: dict[str, Any] = {"escrow_id": hex0x(chain.terms.escrow_id)}
    row = chain.settled or chain.seen
    if row is not None:
        origin = row.origin
        evidence |= {
            "status": row.status.value,
            "outcome": row.outcome,
            "block_number": origin.block_number,
            "block_hash": hex0x(origin.block_hash),
            "tx_hash": hex0x(origin.tx_hash),
            "log_index": origin.log_index,
            "finality": origin.finality.value,
        }
    if chain.warning is not None:
        evidence["warning"] = chain.warning
    return evidence


def _take(session: Session, ctx: Context, deal: Deal, task: Task, chain: Chain, step: Step) -> bool:  # noqa: PLR0917
    match step:
        case Move():
            for target in step.path:
                tasks.move(session, ctx, task, target, reason=step.reason, evidence=_evidence(chain), deal_id=deal.id)
            if TaskState.DELIVERED in step.path:
                failover.handed_in(session, ctx, deal, task)
            if TaskState(task.state) in TERMINAL:
                end(session, deal, step.reason)
            authorizations.settle(session, task.id)
            return bool(step.path)
        case SendAcceptance():
            return _send_acceptance(session, ctx, deal, task, chain)
        case FailOver():
            return _fail_over(session, ctx, deal, task, chain, step)
        case GoBackToBids():
            return _go_back_to_bids(session, ctx, deal, task, chain)
        case _:
            assert_never(step)


def _fail_over(  # noqa: PLR0917
    session: Session, ctx: Context, deal: Deal, task: Task, chain: Chain, step: FailOver
) -> bool:
    """Go on without an agent that has failed: on a final block alone, where other moves may go by a safe one."""
    if not failover.money_is_back(session, deal):
        return False
    for target in step.path:
        tasks.move(session, ctx, task, target, reason=step.reason, evidence=_evidence(chain), deal_id=deal.id)
    return failover.fail_over(
        session, ctx, deal, task, reason=step.reason, evidence=_evidence(chain), blamed=step.missed
    )


def _go_back_to_bids(session: Session, ctx: Context, deal: Deal, task: Task, chain: Chain) -> bool:
    authorizations.settle(session, task.id)
    if task.instant and not failover.money_is_back(session, deal):
        return False
    if task.state == TaskState.FUNDING.value:
        tasks.move(
            session, ctx, task, TaskState.AWAITING_ACCEPTANCE, reason="cancelled before the acceptance",
            evidence=_evidence(chain), deal_id=deal.id,
        )  # fmt: skip
    # the buyer may have cancelled before the agent could accept
    reason = "the money went back before the agent accepted"
    return failover.without_agent(session, ctx, deal, task, reason, blamed=False)


def _send_acceptance(session: Session, ctx: Context, deal: Deal, task: Task, chain: Chain) -> bool:
    """Relay the acceptance of an escrow that was funded without it, and wait in `funding`."""
    row = chain.terms
    assert row.acceptance_signature is not None
    assert row.acceptance_valid_until is not None
    data = abi.encode_accept_with_signature(
        terms.from_json(row.terms), abi.Acceptance(row.acceptance_valid_until, row.acceptance_signature)
    )
    key = f"accept:{row.escrow_id.hex()}"
    known = bool(txm.history(session, key))
    txm.enqueue(
        session,
        ctx,
        idem_key=key,
        kind="accept",
        on_behalf_of=deal.agent,
        to=ctx.deployment.escrow,
        data=data,
        expires_at=moment(min(row.acceptance_valid_until, row.accept_by)),
        reference={"deal_id": str(deal.id), "escrow_id": hex0x(row.escrow_id)},
    )
    state = TaskState(task.state)
    onward = BEFORE_WORK[BEFORE_WORK.index(state) + 1 :]
    for target in onward:
        tasks.move(
            session, ctx, task, target, reason="funded without the acceptance, which follows",
            evidence=_evidence(chain), deal_id=deal.id,
        )  # fmt: skip
    return bool(onward) or not known
