"""The scores an award goes by: those of the newest epoch that is final and counts now."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from sqlalchemy.orm import Session

from aicp.rules.primitives import Finality
from aicp.rules.reputation import FLOOR
from backend.context import Context
from backend.reputation import repo
from backend.reputation.anchored import all_anchored


@dataclass(frozen=True, slots=True)
class Standing:
    """The scores that count now, hundredths: by agent overall and in one specialty. `epoch` is 0 before the first."""

    epoch: int
    scores: Mapping[bytes, tuple[int, int]]

    def of(self, agent: bytes) -> tuple[int, int]:
        """Return an agent's score and its score in the specialty; 2,000 where it has none."""
        return self.scores.get(agent, (FLOOR, FLOOR))


def standing(session: Session, ctx: Context, accounts: Collection[bytes], specialty: str | None) -> Standing:
    """Return the scores of agents in the newest epoch that is final and counts now.

    `specialty` is one as `task_type:compute`; None gives everybody 2,000 there.
    """
    now = ctx.now()
    anchored = next((one for one in all_anchored(session, Finality.FINAL) if one.row.active_at <= now), None)
    if anchored is None:
        return Standing(0, {})
    rows = session.execute(repo.scores_of(anchored.computed.id, list(accounts))).scalars()
    scores = {
        row.agent: (row.score, FLOOR if specialty is None else int(row.detail["specialties"][specialty]))
        for row in rows
    }  # fmt: skip
    return Standing(anchored.row.epoch, scores)
