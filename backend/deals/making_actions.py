"""How an action is put into words: who, what, why, until when, and what happens if nobody does."""

from __future__ import annotations

from typing import Literal

from backend.db.times import moment
from backend.deals.schemas import Action

Name = Literal[
    "accept", "pay", "order", "start", "deliver", "release", "verdict", "refund", "return", "cancel", "collect",
    "dispute", "respond", "split", "sign_release", "rate", "wait",
]  # fmt: skip
Who = Literal["buyer", "agent", "verifier"]


def action(
    name: Name,
    who: Who,
    reason: str,
    *,
    allowed: bool = True,
    due: int | None = None,
    otherwise: str | None = None,
) -> Action:
    """Return an action; `due` in unix seconds, `otherwise` what happens if nobody acts."""
    return Action(
        name=name, who=who, allowed=allowed, reason=reason, due=None if due is None else moment(due),
        if_nobody_acts=otherwise,
    )  # fmt: skip
