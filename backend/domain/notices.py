"""What a notification may be about, whom a move of a task is told, and when a failed dispatch is tried again. Pure."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from backend.domain.task_states import TaskState

S = TaskState


class NoticeKind(StrEnum):
    """What a notification is about."""

    BID_RECEIVED = "bid_received"
    BID_SEALED = "bid_sealed"
    BID_WITHDRAWN = "bid_withdrawn"
    SHOWING_WANTED = "showing_wanted"
    OUTBID = "outbid"
    OFFERED = "offered"
    AWARDED = "awarded"
    NOT_AWARDED = "not_awarded"
    ACCEPTANCE_WANTED = "acceptance_wanted"
    PAYMENT_WANTED = "payment_wanted"
    PAYMENT_FAILED = "payment_failed"
    FUNDED = "funded"
    DELIVERED = "delivered"
    EVALUATION_ENDING = "evaluation_ending"
    RELEASED = "released"
    REJECTED = "rejected"
    REFUNDED = "refunded"
    SPLIT_OFFERED = "split_offered"
    SPLIT = "split"
    GIVEN_BACK = "given_back"
    LAPSED = "lapsed"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    DISPUTE_OPENED = "dispute_opened"
    ANSWER_WANTED = "answer_wanted"
    DISPUTE_ANSWERED = "dispute_answered"
    VOTE_WANTED = "vote_wanted"
    REVEAL_WANTED = "reveal_wanted"
    APPEAL_OPEN = "appeal_open"
    RULING = "ruling"
    SLASHED = "slashed"
    SCORE_DROPPED = "score_dropped"
    VOUCHED = "vouched"
    POOL_LOW = "pool_low"
    POOL_SHORT = "pool_short"
    SUSPENDED = "suspended"
    RETURNED = "returned"
    TRANSACTION_FAILED = "transaction_failed"
    ALARM = "alarm"


class Role(StrEnum):
    """What an account is in a task."""

    BUYER = "buyer"
    AGENT = "agent"
    VERIFIER = "verifier"


Told = tuple[tuple[Role, NoticeKind], ...]

REPEATED: Final = frozenset({NoticeKind.ACCEPTANCE_WANTED, NoticeKind.PAYMENT_WANTED, NoticeKind.PAYMENT_FAILED})
"""A deal may want these again; everything else is told once a deal, however often a reorg takes it back."""
_BOTH: Final = (Role.BUYER, Role.AGENT)


def _both(kind: NoticeKind) -> Told:
    return tuple((role, kind) for role in _BOTH)


_ENDS: Final[dict[TaskState, Told]] = {
    S.DELIVERED: ((Role.BUYER, NoticeKind.DELIVERED), (Role.VERIFIER, NoticeKind.DELIVERED)),
    S.COMPLETED: _both(NoticeKind.RELEASED),
    S.REJECTED: ((Role.AGENT, NoticeKind.REJECTED),),
    S.REFUNDED: _both(NoticeKind.REFUNDED),
    S.SPLIT: _both(NoticeKind.SPLIT),
    S.FAILED: ((Role.BUYER, NoticeKind.GIVEN_BACK),),
    S.CANCELLED: ((Role.AGENT, NoticeKind.CANCELLED),),
    S.EXPIRED: _both(NoticeKind.EXPIRED),
}


def told_of_move(source: TaskState | None, target: TaskState, *, escrow: bool, by_chain: bool) -> Told:
    """Return whom a move is told, as what; roles nobody has in the task are left out by the caller.

    `escrow` says how the deal is paid. `by_chain`: the chain shows that a later step is done already, so nobody is
    asked for what lies between.
    """
    told: Told = ()
    match target:
        case S.AWAITING_ACCEPTANCE if not by_chain:
            told = ((Role.AGENT, NoticeKind.ACCEPTANCE_WANTED),)
        case S.AWAITING_PAYMENT if not by_chain:
            told = ((Role.BUYER, NoticeKind.PAYMENT_FAILED if source is S.FUNDING else NoticeKind.PAYMENT_WANTED),)
        case S.ASSIGNED:
            told = _both(NoticeKind.FUNDED) if escrow else ((Role.AGENT, NoticeKind.FUNDED),)
        case S.OPEN if source is not None:
            told = _both(NoticeKind.LAPSED)
        case _:
            told = _ENDS.get(target, ())
    return ((Role.AGENT, NoticeKind.AWARDED), *told) if source is S.AWARDED and target not in _ENDS else told


def is_award(source: TaskState | None, target: TaskState) -> bool:
    """Return whether a move hands the task to a bid, so that the others have not won it."""
    return source is S.AWARDED and target in {S.AWAITING_ACCEPTANCE, S.AWAITING_PAYMENT}


def outbids(amount: int, before: int | None, best_other: int | None) -> bool:
    """Return whether a bid takes the lead from the best bid of another agent; `before` is what its agent bid so far."""
    return best_other is not None and amount < best_other and (before is None or before >= best_other)


LEAD_SECONDS: Final = 3600


def lead_seconds(whole: int) -> int:
    """Return how long before its end a clock of `whole` seconds is told of: an hour, of short ones a quarter."""
    return min(LEAD_SECONDS, whole // 4)


MAX_TRIES: Final = 8
_FIRST_PAUSE: Final = 15
_LONGEST_PAUSE: Final = 6 * 3600


def pause_seconds(tries: int) -> int:
    """Return how long to wait after so many failed tries: 15 seconds, then four times as long each, at most 6 hours."""
    return int(min(_FIRST_PAUSE * 4 ** (min(tries, MAX_TRIES) - 1), _LONGEST_PAUSE))
