"""Awards: the operator's signature on a bid among all bids, and the deal that follows."""

from __future__ import annotations

import uuid
from typing import Any

from sqlalchemy.orm import Session

from aicp.abi.typed_data import Award as AwardMessage
from aicp.abi.typed_data import AwardInputs
from aicp.rules.awarding import inputs_hash
from aicp.rules.bids import bids_root
from aicp.rules.primitives import hex0x
from backend.auctions import repo
from backend.auctions.models import Award, Bid, Decided
from backend.context import Context
from backend.db.ids import new_id
from backend.db.times import moment
from backend.deals.models import Deal
from backend.deals.service import open_deal
from backend.domain.task_states import TaskState
from backend.errors import Conflict
from backend.payments.operators import operator_for
from backend.tasks import service as tasks
from backend.tasks.models import Task


def live_bids(session: Session, ctx: Context, task_id: uuid.UUID) -> list[Bid]:
    """Return the bids that count now, cheapest first."""
    return list(session.execute(repo.live(task_id, ctx.now())).scalars())


def award_bid(
    session: Session,
    ctx: Context,
    task: Task,
    bid: Bid,
    *,
    reason: str,
    decided_by: Decided,
    record: dict[str, Any] | None = None,
) -> tuple[Award, Deal]:
    """Sign the award of a live bid and open its deal; the caller holds the task's lock and has decided.

    `record` is what the rule has found, where it has decided. Raises Conflict, WrongState.
    """
    if bid.bid_hash not in {row.bid_hash for row in live_bids(session, ctx, task.id)}:
        raise Conflict("The bid is withdrawn, expired or replaced.", what_to_do="Choose another bid.")
    hashes = list(session.execute(repo.hashes(task.id)).scalars())
    message = AwardMessage(
        task_hash=task.task_hash, bid_hash=bid.bid_hash, bids_root=bids_root(hashes), bid_count=len(hashes)
    )
    operator = operator_for(session, ctx, buyer=task.buyer, price_units=bid.amount_units)
    signed = None
    if record is not None:
        inputs = AwardInputs(
            task_hash=task.task_hash, bid_hash=bid.bid_hash, inputs_hash=inputs_hash(record), rule=record["rule"]
        )
        signed = operator.sign(inputs.digest(ctx.domains.marketplace))
    row = Award(
        id=new_id(),
        task_id=task.id,
        bid_hash=bid.bid_hash,
        bids_root=message.bids_root,
        bid_count=message.bid_count,
        operator=operator.address,
        signature=operator.sign(message.digest(ctx.domains.marketplace)),
        decided_by=decided_by,
        record=record,
        record_signature=signed,
        created_at=moment(ctx.now()),
    )
    session.add(row)
    session.flush()
    evidence: dict[str, Any] = {
        "bid_hash": hex0x(bid.bid_hash),
        "bids_root": hex0x(row.bids_root),
        "bid_count": row.bid_count,
        "signature": hex0x(row.signature),
    }
    tasks.move(session, ctx, task, TaskState.AWARDED, reason=reason, evidence=evidence)
    return row, open_deal(session, ctx, task, row, bid)
