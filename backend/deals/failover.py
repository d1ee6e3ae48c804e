"""Failover: a task that the scheduler offers goes on without an agent that has failed, and never pays two.

Invariants, kept under the task's lock:
- a deal ends here only when nothing of it can be paid any more: its order, if it had one, is void in this very commit;
  each of its escrows is closed in a final block with nothing released, or is not there and no block can put there what
  an agent has accepted; and no payment that the buyer has signed for the task may still be carried out
  (`money_is_back`). A mirror that stands still proves nothing, and ends nothing;
- whatever the buyer has signed names one deal: an order its bid, a payment its escrow. The next deal asks him anew, so
  no signature of his pays two agents, and none pays an agent he was not asked about;
- a result that was handed in is judged; it never fails over;
- the end of the deal, the open task and the failure counted against the agent are one commit.
A crash leaves the deal as it was, and the next round finds it again.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy.orm import Session

from aicp.rules.primitives import Finality
from backend.breakers import service as breakers
from backend.context import Context
from backend.db.times import moment, unix
from backend.deals import authorizations, repo, terms
from backend.deals.models import Deal, EscrowTerms
from backend.deals.service import back_to_bids, leave
from backend.domain.escrow_deal import UNPAID
from backend.domain.task_states import TaskState
from backend.scheduler import bell
from backend.tasks import service as tasks
from backend.tasks.models import Task
from indexer import views

PAYMENT_SECONDS: Final = 900
"""How long a buyer who leaves the choice to the scheduler keeps an agent waiting for his payment: nobody asked him for
a deposit, and an agent that waits for one has no room for another's task."""
SILENT_SECONDS: Final = 300
"""An agent that was not heard of for so long is not waited for while its deal waits unpaid."""
HEARD_WITHIN_SECONDS: Final = 60
"""Another one is there if it was heard of within so long."""


def money_is_back(session: Session, deal: Deal) -> bool:
    """Return whether nothing of a deal is owed, held or on its way: all of it is the buyer's, for good."""
    if session.execute(repo.has_live_order(deal.id)).scalar_one():
        return False
    if authorizations.settle(session, deal.task_id) is not None:
        return False
    # read before the escrows: the mirror may catch up meanwhile, and a time must not vouch for a look that was earlier
    final_until = _final_until(session)
    return all(_is_over(session, row, final_until) for row in session.execute(repo.all_terms(deal.id)).scalars())


def _final_until(session: Session) -> int:
    """Return the time of the newest final block in the mirror, in Unix seconds; 0 while it holds none."""
    try:
        return views.sync_status(session).finalized_time
    except views.MirrorEmptyError:
        return 0


def _is_over(session: Session, row: EscrowTerms, final_until: int) -> bool:
    """Return whether an escrow is closed for good and paid nobody, or can never be one that its agent is paid from.

    Whoever funds terms the agent has not accepted takes his money back when he likes. Accepted ones may have been
    funded from the buyer's own wallet in a block the mirror has not read: only a final block from `accept_by` on, the
    second from which the contract refuses to fund them, shows that they were not.
    """
    final = views.escrow(session, row.escrow_id, Finality.FINAL)
    if final is not None:
        return final.status is views.EscrowStatus.CLOSED and final.released_units == 0
    if views.escrow(session, row.escrow_id, Finality.SEEN) is not None:
        return False
    return row.acceptance_signature is None or final_until >= row.accept_by


def fail_over(  # as all moves of a deal
    session: Session, ctx: Context, deal: Deal, task: Task, *, reason: str, evidence: dict[str, Any], blamed: bool
) -> bool:
    """End a deal whose agent has failed, and open its task for the next; return False while money is not back.

    `blamed` counts against the agent's breaker. The caller holds the task's lock.
    """
    if not money_is_back(session, deal):
        return False
    unpaid = terms.current(session, deal.id) if TaskState(task.state) in UNPAID else None
    if unpaid is not None:
        terms.lapse(session, ctx, unpaid)
    leave(session, deal, task, reason)
    tasks.move(session, ctx, task, TaskState.OPEN, reason=reason, evidence=evidence, deal_id=deal.id)
    if blamed:
        breakers.failed(session, deal.agent, ctx.now() * 1_000, reason)
    session.execute(bell.ring())
    return True


def fail_over_now(
    session: Session, ctx: Context, deal: Deal, task: Task, *, reason: str, evidence: dict[str, Any], blamed: bool
) -> None:
    """Do the same for a deal whose order the caller has voided in this transaction, so that nothing is owed any more.

    Raises RuntimeError, which takes the voiding back too, if something is.
    """
    if not fail_over(session, ctx, deal, task, reason=reason, evidence=evidence, blamed=blamed):
        raise RuntimeError(f"deal {deal.id} cannot fail over: something of it may still be paid")


def handed_in(session: Session, ctx: Context, deal: Deal, task: Task) -> None:
    """Count a result for the agent's breaker, where the scheduler has given it the work."""
    if task.instant:
        breakers.succeeded(session, deal.agent, ctx.now() * 1_000)


def without_agent(session: Session, ctx: Context, deal: Deal, task: Task, reason: str, *, blamed: bool = True) -> bool:
    """End a deal nobody has paid in which the agent has not done its part; return False while it cannot end.

    The task is open for its other bids or, where the scheduler offers it, for the next agent.
    """
    if task.instant:
        return fail_over(session, ctx, deal, task, reason=reason, evidence={"now": ctx.now()}, blamed=blamed)
    back_to_bids(session, ctx, deal, task, reason)
    return True


def has_fallen_silent(session: Session, ctx: Context, deal: Deal, task: Task) -> bool:
    """Return whether the agent of an unpaid deal is not worth waiting for, where the scheduler knows another.

    While no other is heard either it may be us who do not hear, and there is nobody to go on with.
    """
    if not task.instant:
        return False
    heard = session.execute(repo.last_heard(deal.agent)).scalar_one_or_none()
    if heard is not None and unix(heard) > ctx.now() - SILENT_SECONDS:
        return False
    since = moment(ctx.now() - HEARD_WITHIN_SECONDS)
    return session.execute(repo.other_heard(task.capability, deal.agent, since)).scalar_one()


def is_not_paid_for(session: Session, ctx: Context, deal: Deal, task: Task) -> bool:
    """Return whether the buyer of a task of the scheduler's has let the time to pay pass, and can pay no more."""
    if not task.instant or ctx.now() < unix(deal.created_at) + PAYMENT_SECONDS:
        return False
    return money_is_back(session, deal)
