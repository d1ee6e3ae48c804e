"""Who may read a dispute: its parties, the verifier, and, until the ruling is handed over, the jurors drawn into it.

A seat counts from the block in which it was drawn, and only in a dispute that our own Escrow has brought before the
arbiter: anybody can bring one of his own about the same escrow id and be drawn there.
"""

from __future__ import annotations

from sqlalchemy.orm import Session

from aicp.rules.primitives import Finality
from backend.auctions.view import award_out
from backend.context import Context
from backend.deals import repo as deals_repo
from backend.deals import terms
from backend.deals.dispute_view import dispute_out
from backend.deals.view import deliverable_out, terms_out
from backend.disputes.schemas import CaseOut
from backend.errors import NotFound
from backend.files import service as files
from backend.tasks import service as tasks
from indexer import views


def read_case(session: Session, ctx: Context, number: int, reader: bytes) -> CaseOut:
    """Return a dispute with all it is about. Raises NotFound for whoever has no business with it."""
    court = views.arbiter_dispute_by_id(session, number.to_bytes(32)) if number < 2**256 else None
    if court is None or court.arbitrable != ctx.deployment.escrow or court.reference is None:
        raise NotFound("There is no such dispute for you.")
    row = session.execute(deals_repo.terms(court.reference)).scalar_one_or_none()
    held = views.escrow(session, court.reference, Finality.SEEN)
    if row is None or held is None:
        raise NotFound("There is no such dispute for you.")
    deal = session.execute(deals_repo.by_id(row.deal_id)).scalar_one()
    if reader not in {deal.buyer, deal.agent, deal.verifier} and row.escrow_id not in views.judged(
        session, ctx.deployment.escrow, reader
    ):
        raise NotFound("There is no such dispute for you.")
    raised = dispute_out(session, ctx, deal, held, Finality.SEEN)
    if raised is None or raised.dispute_id != str(number):
        raise NotFound("There is no such dispute for you.")
    task = tasks.get(session, deal.task_id)
    award = award_out(task, session.execute(deals_repo.award(deal.award_id)).scalar_one(), deal.id)
    agreed = terms.from_json(row.terms)
    return CaseOut(
        dispute_id=raised.dispute_id,
        deal_id=deal.id,
        title=task.title,
        buyer=deal.buyer,
        agent=deal.agent,
        escrow_id=row.escrow_id,
        terms=terms_out(agreed),
        task_hash=task.task_hash,
        document=task.document,
        bid_hash=deal.bid_hash,
        bids_root=award.bids_root,
        input_files=[files.file_out(file) for file in files.task_files(session, task.id, "input")],
        deliverable_hash=held.deliverable_hash,
        deliverable=deliverable_out(session, deal, held.deliverable_hash),
        dispute=raised,
    )
