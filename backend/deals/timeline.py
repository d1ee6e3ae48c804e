"""What happened to a deal, in order: moves of the task, relayed transactions, events of its escrow and of appeals."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from sqlalchemy.orm import Session

from aicp.rules.primitives import Finality, format_usdc
from backend.api.types import ChainRef
from backend.db.times import moment
from backend.deals import repo
from backend.deals.schemas import TimelineItem
from backend.deals.service import find
from backend.tasks import repo as tasks_repo
from indexer import views

_SENTENCES = {
    "funded": "The price is locked in the escrow contract.",
    "accepted": "The agent accepted and its stake is locked.",
    "submitted": "The agent submitted its result; the buyer's time to check it runs.",
    "released": "Money was released to the agent.",
    "refunded": "Money went back to the buyer.",
    "split": "Both sides divided what was left.",
    "dispute_raised": "The buyer disputed the result and put up a bond; the agent has to answer.",
    "dispute_joined": "The agent answered and paid the arbiter, who decides now.",
    "dispute_defaulted": "The agent did not answer in time and has lost.",
    "ruled": "The arbiter has ruled.",
    "closed": "The escrow is closed.",
    "stake_settlement_failed": "The agent's stake could not be settled yet; that is tried again.",
    "stake_settled": "The agent's stake was settled.",
    "rated": "One side rated the other.",
}


_SIDES: Final = {1: "buyer", 2: "agent"}


def _paid(fields: Mapping[str, Any]) -> str:
    side = _SIDES[int(fields["side"])]
    return f"{format_usdc(int(fields['amount']))} USDC were paid for the {side}'s side of the appeal."


_APPEAL_SENTENCES: Final[dict[str, Callable[[Mapping[str, Any]], str]]] = {
    "appeal_possible": lambda _: "The votes are shown; they can be appealed for a time.",
    "appeal_contributed": _paid,
    "appeal_decision": lambda _: "Both sides of the appeal are paid for; a larger panel votes.",
    "contribution_returned": lambda fields: (
        f"{format_usdc(int(fields['amount']))} USDC paid into the appeal came back to who had paid them."
    ),
}
"""What is told of a dispute at the arbiter beside what its escrow says."""


def chain_ref(origin: views.Origin) -> ChainRef:
    """Return where on the chain a statement comes from."""
    return ChainRef(
        block_number=origin.block_number,
        block_hash=origin.block_hash,
        tx_hash=origin.tx_hash,
        log_index=origin.log_index,
        finality=origin.finality,
    )


def _moves(session: Session, deal_id: uuid.UUID, task_id: uuid.UUID) -> Iterator[TimelineItem]:
    for move in session.execute(tasks_repo.history(task_id)).scalars():
        if move.deal_id in {None, deal_id}:
            yield TimelineItem(
                at=move.at, source="app", kind=f"task.{move.target}",
                sentence=f"{move.target.replace('_', ' ').capitalize()}: {move.reason}.", fields=dict(move.evidence),
            )  # fmt: skip


def _relayed(session: Session, deal_id: uuid.UUID) -> Iterator[TimelineItem]:
    for intent in session.execute(repo.intents(deal_id)).scalars():
        problem = f" ({intent.error_code})" if intent.error_code else ""
        fields: dict[str, Any] = {"intent_id": str(intent.id), "state": intent.state}
        if intent.tx_hash is not None:
            fields["tx_hash"] = "0x" + intent.tx_hash.hex()
        yield TimelineItem(
            at=intent.created_at, source="app", kind=f"intent.{intent.kind}",
            sentence=f"Transaction to {intent.kind.replace('_', ' ')}: {intent.state}{problem}.", fields=fields,
        )  # fmt: skip


def _chain_events(session: Session, deal_id: uuid.UUID) -> Iterator[TimelineItem]:
    for terms in session.execute(repo.all_terms(deal_id)).scalars():
        for event in views.escrow_events(session, terms.escrow_id):
            yield TimelineItem(
                at=moment(event.origin.block_time), source="chain", kind=f"escrow.{event.kind}",
                sentence=_SENTENCES.get(event.kind, event.kind), fields=dict(event.fields),
                chain=chain_ref(event.origin), finality=event.origin.finality,
            )  # fmt: skip


def _appeals(session: Session, deal_id: uuid.UUID) -> Iterator[TimelineItem]:
    for terms in session.execute(repo.all_terms(deal_id)).scalars():
        raised = views.dispute(session, terms.escrow_id, Finality.SEEN)
        if raised is None or raised.dispute_id is None:
            continue
        for event in views.arbiter_events(session, raised.dispute_id.to_bytes(32)):
            sentence = _APPEAL_SENTENCES.get(event.kind)
            if sentence is not None:
                yield TimelineItem(
                    at=moment(event.origin.block_time), source="chain", kind=f"arbiter.{event.kind}",
                    sentence=sentence(event.fields), fields=dict(event.fields),
                    chain=chain_ref(event.origin), finality=event.origin.finality,
                )  # fmt: skip


def of_deal(session: Session, deal_id: uuid.UUID, caller: bytes) -> list[TimelineItem]:
    """Return the deal's history to one of its parties, oldest first. Raises NotFound."""
    deal = find(session, deal_id, caller)
    items = [
        *_moves(session, deal.id, deal.task_id),
        *_relayed(session, deal.id),
        *_chain_events(session, deal.id),
        *_appeals(session, deal.id),
    ]
    return in_order(items)


def in_order(items: list[TimelineItem]) -> list[TimelineItem]:
    """Return items oldest first; within a second what the service did, then the events in the order of the chain."""
    return sorted(items, key=_place)


def _place(item: TimelineItem) -> tuple[dt.datetime, int, int, int]:
    if item.chain is None:
        return item.at, 0, 0, 0
    return item.at, 1, item.chain.block_number, item.chain.log_index
