"""What an escrow deal does next, from what the chain says of its escrow. Pure: facts in, one step out.

A task moves forward on facts that can no longer change (final, or safe when finality is late); the two states a reorg
may take back, assigned and delivered, also move on what the newest block says.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from backend.domain.task_states import TaskState
from indexer.core.states import EscrowStatus

S = TaskState

UNPAID: Final = (S.AWAITING_ACCEPTANCE, S.AWAITING_PAYMENT)
"""States in which a deal waits for a signature."""
BEFORE_WORK: Final = (*UNPAID, S.FUNDING)
AT_WORK: Final = (S.ASSIGNED, S.RUNNING)
HANDED_IN: Final = (S.DELIVERED, S.DISPUTED)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainFact:
    """An escrow as of some block."""

    status: EscrowStatus
    outcome: str | None = None
    released: bool = False
    """The agent has been paid a part of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DealFacts:
    """A deal beside its escrow. `settled` is the newest fact to act on for good, `seen` that of the newest block."""

    state: TaskState
    seen: ChainFact | None
    settled: ChainFact | None
    acceptance_usable: bool
    """We hold the agent's signature and it can still be sent."""
    acceptance_failed: bool
    """Sending it was tried and failed."""
    payment_failed: str | None
    """Why the relayed payment will not happen, None while it may."""
    instant: bool = False
    """The scheduler offers the task: an agent that has failed does not end it."""


@dataclass(frozen=True, slots=True)
class Move:
    """Take these steps of the task table, in order."""

    path: tuple[TaskState, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class SendAcceptance:
    """Relay the agent's acceptance of a funded escrow, and wait in `funding`."""


@dataclass(frozen=True, slots=True)
class GoBackToBids:
    """The money went back before anybody accepted: the deal is over, the task is not."""


@dataclass(frozen=True, slots=True)
class FailOver:
    """The agent has failed and the whole money went back: after these steps the task is open for the next agent."""

    path: tuple[TaskState, ...]
    reason: str
    missed: bool
    """The delivery was missed; else the agent gave the work back."""


Step = Move | SendAcceptance | GoBackToBids | FailOver

_OUTCOMES: Final[dict[str, TaskState]] = {
    "completed": S.COMPLETED,
    "won": S.COMPLETED,
    "settled": S.SPLIT,
    "tie": S.SPLIT,
    "stalled": S.SPLIT,
    "lost": S.REFUNDED,
    "missed": S.EXPIRED,
}


def closed_state(outcome: str | None, state: TaskState) -> TaskState:
    """Return how a task ends whose accepted escrow has closed with this outcome."""
    if outcome == "returned":
        return S.REFUNDED if state in HANDED_IN else S.FAILED
    target = _OUTCOMES.get(outcome or "", S.REFUNDED)
    # a missed deadline can only be reported of a task nobody has delivered
    return S.REFUNDED if target is S.EXPIRED and state in HANDED_IN else target


def _to_assigned(state: TaskState) -> tuple[TaskState, ...]:
    if state not in BEFORE_WORK:
        return ()
    return (*BEFORE_WORK[BEFORE_WORK.index(state) + 1 :], S.ASSIGNED)


def _on_settled(facts: DealFacts, fact: ChainFact) -> Step | None:
    path = _to_assigned(facts.state)
    match fact.status:
        case EscrowStatus.ACCEPTED:
            return Move(path, "escrow funded and accepted") if path else None
        case EscrowStatus.SUBMITTED:
            if path or facts.state in AT_WORK:
                return Move((*path, S.DELIVERED), "work submitted on chain")
            return None
        case EscrowStatus.CHALLENGED | EscrowStatus.DISPUTED | EscrowStatus.RULED:
            if path or facts.state in AT_WORK:
                return Move((*path, S.DELIVERED, S.DISPUTED), "the buyer disputes the work")
            return Move((S.DISPUTED,), "the buyer disputes the work") if facts.state is S.DELIVERED else None
        case EscrowStatus.CLOSED if fact.outcome in {None, "none", "cancelled"}:
            return GoBackToBids() if facts.state in BEFORE_WORK else None
        case EscrowStatus.CLOSED:
            from_state = S.ASSIGNED if path else facts.state
            target = closed_state(fact.outcome, from_state)
            reason = f"escrow closed: {fact.outcome}"
            if facts.instant and target in {S.EXPIRED, S.FAILED} and not fact.released:
                missed = target is S.EXPIRED
                return FailOver(path, "not delivered in time" if missed else "given back by the agent", missed=missed)
            return Move((*path, target), reason)
        case _:
            return None


def _on_seen(facts: DealFacts) -> Step | None:
    status = None if facts.seen is None else facts.seen.status
    if status is None:
        if facts.state is S.ASSIGNED:
            return Move((S.FUNDING,), "the block that funded the escrow is no longer in the chain")
        if facts.state is S.FUNDING and facts.payment_failed is not None:
            return Move((S.AWAITING_PAYMENT,), facts.payment_failed)
        return None
    if status is EscrowStatus.SUBMITTED and facts.state in AT_WORK:
        return Move((S.DELIVERED,), "work submitted on chain")
    if status is EscrowStatus.ACCEPTED and facts.state is S.DELIVERED:
        return Move((S.RUNNING,), "the block of the submission is no longer in the chain")
    if status is EscrowStatus.FUNDED and facts.acceptance_usable and not facts.acceptance_failed:
        return SendAcceptance() if facts.state in BEFORE_WORK else None
    return None


def next_step(facts: DealFacts) -> Step | None:
    """Return what to do now, None to wait. Doing it and asking again ends in None (tested over all facts)."""
    if facts.settled is not None:
        step = _on_settled(facts, facts.settled)
        if step is not None:
            return step
    return _on_seen(facts)
