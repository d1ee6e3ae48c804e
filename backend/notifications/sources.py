"""Which events tell whom. Each function is called in the transaction of its event, by the part that makes it happen."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

from sqlalchemy.orm import Session

from aicp.rules.pricing import Tier
from aicp.rules.primitives import checksum, parse_hash
from backend.agents.models import Suspension
from backend.auctions.models import Bid, BidCommit
from backend.context import Context
from backend.db.times import unix
from backend.deals.models import Deal, SplitOffer
from backend.domain.notices import REPEATED, NoticeKind, Role, is_award, outbids, told_of_move
from backend.domain.task_states import TERMINAL, TaskState
from backend.notifications import repo
from backend.notifications.service import Notice, tell
from backend.reputation.models import ScoreEpoch, SignedVouch
from backend.scheduler.models import TaskOffer
from backend.tasks.models import Task, TaskTransition
from backend.txm.models import Intent
from backend.txm.states import IntentState
from indexer import views

SCORE_DROP: Final = 500
"""A score that falls by 5.00, or into a lower tier, is told; what decays from day to day is not."""
_WORST_FIRST: Final = (Tier.NEW, Tier.LOW, Tier.FAIR, Tier.GOOD, Tier.VERY_GOOD, Tier.EXCELLENT)
_SIGNED: Final = frozenset(
    {
        "accept", "appeal", "cancel", "dispute", "faucet", "fund", "pool_deposit", "pool_withdraw",
        "pool_withdraw_cancel", "rate", "refund", "release", "release_quorum", "respond", "split", "stake", "submit",
        "withdraw",
    }
)  # fmt: skip
"""Kinds of transactions that carry somebody's signature; who signed is told when one is not carried out."""
_RULINGS: Final = {0: "for neither side", 1: "for the buyer", 2: "for the agent"}


def task_moved(session: Session, task: Task, move: TaskTransition) -> None:
    """Tell the parties of a task that it moved, where the move is of interest to them."""
    deal = None if move.deal_id is None else session.get(Deal, move.deal_id)
    source = None if move.source is None else TaskState(move.source)
    told = told_of_move(
        source, TaskState(move.target), escrow=deal is not None and deal.path == "escrow",
        by_chain="block_hash" in move.evidence,
    )  # fmt: skip
    accounts = {Role.BUYER: task.buyer, Role.AGENT: None if deal is None else deal.agent,
                Role.VERIFIER: None if deal is None else deal.verifier}  # fmt: skip
    subject = task.id if deal is None else deal.id
    missed = deal is not None and move.target == TaskState.EXPIRED.value and "escrow_id" in move.evidence
    facts = _facts(task, deal) | {"reason": "not delivered in time" if missed else move.reason}
    notices = [
        Notice(
            account=account, kind=kind, facts=facts, task_id=task.id, deal_id=None if deal is None else deal.id,
            event=f"{kind}:{move.id if kind in REPEATED else subject}",
        )
        for role, kind in told
        if (account := accounts[role]) is not None
    ]  # fmt: skip
    if deal is not None and TaskState(move.target) in {*TERMINAL, TaskState.OPEN} and "escrow_id" in move.evidence:
        notices += _slashed(session, task, deal, parse_hash(move.evidence["escrow_id"]))
    if move.target == TaskState.REVEALING.value:
        notices += _to_show(session, task)
    if deal is not None and is_award(source, TaskState(move.target)):
        notices += _not_awarded(session, task, deal, unix(move.at))
    tell(session, notices)


def _not_awarded(session: Session, task: Task, deal: Deal, at: int) -> list[Notice]:
    """Return what agents hear whose bids did not win: once a bid, however many of the winners fall away.

    Nothing where the winner is suspended: such an award lapses as soon as it is made, and one of them may be next.
    """
    if session.execute(repo.is_suspended(deal.agent)).scalar_one():
        return []
    return [
        Notice(
            account=bid.agent, event=f"{NoticeKind.NOT_AWARDED}:{bid.bid_hash.hex()}", kind=NoticeKind.NOT_AWARDED,
            facts=_facts(task, deal) | {"amount_units": str(bid.amount_units)}, task_id=task.id,
        )
        for bid in session.execute(repo.losing_bids(task.id, deal.agent, at)).scalars()
    ]  # fmt: skip


def _to_show(session: Session, task: Task) -> list[Notice]:
    assert task.reveal_ends_at is not None
    facts = _facts(task, None) | {"until": str(unix(task.reveal_ends_at))}
    return [
        Notice(
            account=agent, event=f"{NoticeKind.SHOWING_WANTED}:{task.id}", kind=NoticeKind.SHOWING_WANTED,
            facts=facts, task_id=task.id,
        )
        for agent in session.execute(repo.sealed_bidders(task.id)).scalars()
    ]  # fmt: skip


def _slashed(session: Session, task: Task, deal: Deal, escrow_id: bytes) -> list[Notice]:
    lost = session.execute(repo.slashed(escrow_id)).scalar_one_or_none()
    if not lost:
        return []
    facts = _facts(task, deal) | {"amount_units": str(lost)}
    return [_of_deal(deal.agent, f"slashed:{escrow_id.hex()}", NoticeKind.SLASHED, facts, deal)]


def _facts(task: Task, deal: Deal | None) -> dict[str, str]:
    return {"title": task.title} | ({} if deal is None else {"price_units": str(deal.price_units)})


def bid_placed(session: Session, ctx: Context, task: Task, bid: Bid) -> None:
    """Tell the buyer of a bid, and the agent whose bid was the best so far that it is not any more."""
    received = _bid_received(task, bid)
    notices = [received]
    best = session.execute(repo.best_other_bid(task.id, bid.agent, ctx.now())).one_or_none()
    if best is not None:
        before = session.execute(repo.earlier_bid(task.id, bid.agent, bid.seq, ctx.now())).scalar_one_or_none()
        if outbids(bid.amount_units, before, best.amount_units):
            notices.append(replace(received, account=best.agent, kind=NoticeKind.OUTBID))
    tell(session, notices)


def bid_sealed(session: Session, task: Task, commit: BidCommit) -> None:
    """Tell the buyer of a bid whose price nobody knows yet."""
    facts = {"title": task.title, "agent": checksum(commit.agent)}
    event = f"sealed:{commit.bid_hash.hex()}"
    tell(
        session,
        [Notice(account=task.buyer, event=event, kind=NoticeKind.BID_SEALED, facts=facts, task_id=task.id)],
    )


def bid_shown(session: Session, task: Task, bid: Bid) -> None:
    """Tell the buyer what a sealed bid says; nobody is outbid, because nobody can bid any more."""
    tell(session, [_bid_received(task, bid)])


def _bid_received(task: Task, bid: Bid) -> Notice:
    facts = {"title": task.title, "amount_units": str(bid.amount_units), "agent": checksum(bid.agent)}
    event = f"bid:{bid.bid_hash.hex()}"
    return Notice(account=task.buyer, event=event, kind=NoticeKind.BID_RECEIVED, facts=facts, task_id=task.id)


def bid_withdrawn(session: Session, task: Task, bid: Bid | BidCommit) -> None:
    """Tell the buyer that a bid is gone."""
    tell(
        session,
        [
            Notice(
                account=task.buyer, event=f"bid_withdrawn:{bid.bid_hash.hex()}", kind=NoticeKind.BID_WITHDRAWN,
                facts={"title": task.title, "agent": checksum(bid.agent)}, task_id=task.id,
            )
        ],
    )  # fmt: skip


def offered(session: Session, title: str, offer: TaskOffer) -> None:
    """Tell an agent that the scheduler asks it about a task of this title."""
    seconds = unix(offer.answer_until) - unix(offer.offered_at)
    facts = {"title": title, "amount_units": str(offer.max_units), "seconds": str(seconds)}
    event = f"offered:{offer.id}"
    tell(
        session,
        [Notice(account=offer.agent, event=event, kind=NoticeKind.OFFERED, facts=facts, task_id=offer.task_id)],
    )


def split_offered(session: Session, task: Task, deal: Deal, offer: SplitOffer) -> None:
    """Tell the other side of an offer to divide the money."""
    other = deal.agent if offer.offered_by == deal.buyer else deal.buyer
    facts = _facts(task, deal) | {"amount_units": str(offer.to_provider_units)}
    event = f"split_offered:{offer.id}"
    tell(session, [_of_deal(other, event, NoticeKind.SPLIT_OFFERED, facts, deal)])


def _of_deal(account: bytes, event: str, kind: NoticeKind, facts: dict[str, str], deal: Deal) -> Notice:
    return Notice(account=account, event=event, kind=kind, facts=facts, task_id=deal.task_id, deal_id=deal.id)


def escrow_moved(
    session: Session, task: Task, deal: Deal, seen: views.EscrowRow, court: views.ArbiterDisputeRow | None
) -> None:
    """Tell parties and jurors how a dispute over a deal's escrow stands; `court` is the arbiter's side of it."""
    tell(session, [*_dispute(task, deal, seen), *_court(session, task, deal, court)])


def _dispute(task: Task, deal: Deal, seen: views.EscrowRow) -> Iterable[Notice]:
    facts = _facts(task, deal)
    name = seen.escrow_id.hex()
    verifier = () if deal.verifier is None else (deal.verifier,)
    if seen.status is views.EscrowStatus.CHALLENGED:
        timed = facts | {"until": str(seen.respond_by)}
        yield _of_deal(deal.agent, f"disputed:{name}", NoticeKind.ANSWER_WANTED, timed, deal)
        for account in (deal.buyer, *verifier):
            yield _of_deal(account, f"disputed:{name}", NoticeKind.DISPUTE_OPENED, timed, deal)
    if seen.status is views.EscrowStatus.DISPUTED:
        yield _of_deal(deal.buyer, f"answered:{name}", NoticeKind.DISPUTE_ANSWERED, facts, deal)
    if seen.ruling is not None:
        for account in (deal.buyer, deal.agent, *verifier):
            ruled = facts | {"ruling": _RULINGS[seen.ruling]}
            yield _of_deal(account, f"ruled:{name}", NoticeKind.RULING, ruled, deal)


def _court(session: Session, task: Task, deal: Deal, court: views.ArbiterDisputeRow | None) -> Iterable[Notice]:
    if court is None:
        return
    number = str(int.from_bytes(court.dispute_id, "big"))
    event = f"court:{court.dispute_id.hex()}:{court.round_number}:{court.period}"
    if court.period == "appeal":
        for account in (deal.buyer, deal.agent):
            yield _of_deal(account, event, NoticeKind.APPEAL_OPEN, _facts(task, deal), deal)
    wanted = {"commit": NoticeKind.VOTE_WANTED, "reveal": NoticeKind.REVEAL_WANTED}.get(court.period)
    if wanted is None:
        return
    panel = views.rounds(session, court.dispute_id)[court.round_number].ballots
    for juror in sorted({ballot.juror for ballot in panel if ballot.seats > 0}):
        yield Notice(account=juror, event=event, kind=wanted, facts={"dispute": number}, task_id=deal.task_id)


def transactions_failed(session: Session, intents: Sequence[Intent]) -> None:
    """Tell who signed for transactions that they were not carried out."""
    failed = {IntentState.FAILED.value, IntentState.EXPIRED.value}
    notices = [
        Notice(
            account=one.on_behalf_of, event=f"transaction:{one.id}", kind=NoticeKind.TRANSACTION_FAILED,
            facts={"transaction": one.kind.replace("_", " "), "reason": one.error_code or one.state},
            deal_id=_deal_in(one),
        )
        for one in intents
        if one.state in failed and one.kind in _SIGNED
    ]  # fmt: skip
    if notices:
        tell(session, notices)


def _deal_in(intent: Intent) -> uuid.UUID | None:
    named = intent.reference.get("deal_id")
    return None if named is None else uuid.UUID(named)


def scores_computed(session: Session, epoch: ScoreEpoch) -> None:
    """Tell agents whose score fell far since the epoch before, or into a lower tier."""
    rows = session.execute(repo.scores_lower(epoch.id)).tuples()
    tell(
        session,
        [
            Notice(
                account=agent, event=f"score:{epoch.id}", kind=NoticeKind.SCORE_DROPPED,
                facts={"before": str(before), "score": str(score), "epoch": str(epoch.epoch), "tier": tier},
            )
            for agent, before, score, old_tier, tier in rows
            if before - score >= SCORE_DROP or _place(tier) < _place(old_tier)
        ],
    )  # fmt: skip


def _place(tier: str) -> int:
    return _WORST_FIRST.index(Tier(tier))


def vouched(session: Session, row: SignedVouch) -> None:
    """Tell an agent that another one vouches for it."""
    facts = {"agent": checksum(row.voucher), "amount_units": str(row.at_risk_units), "until": str(row.valid_until)}
    event = f"{NoticeKind.VOUCHED}:{row.vouch_hash.hex()}"
    tell(session, [Notice(account=row.agent, event=event, kind=NoticeKind.VOUCHED, facts=facts)])


def suspended(session: Session, row: Suspension) -> None:
    """Tell an agent that it is suspended, and why."""
    tell(session, [_suspension(row, NoticeKind.SUSPENDED, row.reason)])


def returned(session: Session, row: Suspension) -> None:
    """Tell an agent that its suspension is over, and why."""
    tell(session, [_suspension(row, NoticeKind.RETURNED, row.ended_reason or "")])


def _suspension(row: Suspension, kind: NoticeKind, reason: str) -> Notice:
    return Notice(account=row.agent, event=f"{kind}:{row.id}", kind=kind, facts={"reason": reason.rstrip(".")})
