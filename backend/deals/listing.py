"""A party's list of deals."""

from __future__ import annotations

from sqlalchemy.orm import Session

from backend.api.paging import after_moment, encode
from backend.api.types import Page
from backend.deals import repo
from backend.deals.schemas import DealSummary
from backend.domain.task_states import TaskState
from backend.tasks.states import public_state


def deals_of(
    session: Session, address: bytes, *, role: repo.Role | None, live: bool | None, cursor: str | None, limit: int
) -> Page[DealSummary]:
    """Return a page of the address's deals, newest first. Raises InvalidInput for a foreign cursor."""
    rows = session.execute(repo.of_party(address, role, live, after_moment(cursor), limit + 1)).all()
    items = [
        DealSummary(
            id=deal.id,
            task_id=task.id,
            title=task.title,
            path=deal.path,
            state=task.state,
            public_state=public_state(TaskState(task.state)),
            buyer=deal.buyer,
            agent=deal.agent,
            verifier=deal.verifier,
            price_units=deal.price_units,
            live=deal.live,
            current=task.deal_id == deal.id,
            created_at=deal.created_at,
        )
        for deal, task in rows[:limit]
    ]
    more = len(rows) > limit
    return Page(items=items, next_cursor=encode(items[-1].created_at, items[-1].id) if more else None)
