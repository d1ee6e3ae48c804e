"""Changes of breakers: each locks the agent's row, applies one rule, and is told to every process at commit.

So a trial is given once, whoever asks, and a failure counts once. The row is the truth; what processes hold in memory
is a copy that spares them the question while a breaker is closed or rests. A crash after a trial was given costs that
trial, which is given anew later; nothing here is money.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final, Literal

import structlog
from sqlalchemy.orm import Session

from aicp.rules.primitives import checksum
from backend.breakers import repo
from backend.breakers.models import BreakerRow
from backend.domain import breaker as rules
from backend.domain.breaker import Breaker, State

Outcome = Literal["good", "bad", "unclear"]
MAX_ERROR: Final = 200

_log = structlog.get_logger("breakers")


@dataclass(frozen=True, slots=True)
class Known:
    """A breaker as it was after a change."""

    agent: bytes
    version: int
    breaker: Breaker

    def news(self) -> str:
        """Return it as text for other processes."""
        b = self.breaker
        counts = [b.turn, b.failures, b.rest_ms, b.until_ms, b.given, b.succeeded]
        return json.dumps([self.agent.hex(), self.version, b.state.value, *counts], separators=(",", ":"))

    @classmethod
    def of_news(cls, news: str) -> Known:
        """Return what another process has told. Raises ValueError or TypeError for anything else."""
        agent, version, state, *counts = json.loads(news)
        return cls(bytes.fromhex(agent), int(version), Breaker(State(state), *map(int, counts)))

    @classmethod
    def of_row(cls, row: BreakerRow) -> Known:
        """Return what a row says."""
        return cls(row.agent, row.version, row.breaker())


def take(session: Session, agent: bytes, now_ms: int) -> tuple[bool, Known]:
    """Let a call through, if the breaker lets it; return whether it does, and the breaker."""
    row = _locked(session, agent)
    after = rules.asked(row.breaker(), now_ms)
    return after is not None, Known.of_row(row) if after is None else _changed(session, row, after)


def report(session: Session, *, agent: bytes, turn: int, outcome: Outcome, now_ms: int, error: str = "") -> Known:
    """Note what became of a call that was let through in a turn; return the breaker."""
    row = _locked(session, agent)
    change: Callable[[Breaker], Breaker]
    match outcome:
        case "good":
            change = partial(rules.good, turn=turn)
        case "unclear":
            change = partial(rules.unclear, turn=turn)
        case "bad":
            change = partial(rules.bad, turn=turn, now_ms=now_ms)
    before = row.breaker()
    after = change(before)
    if outcome == "bad" and after != before:
        row.last_error = error[:MAX_ERROR]
        row.failed_at = repo.now()
    return _changed(session, row, after)


def let_through(session: Session, agent: bytes, now_ms: int) -> int | None:
    """Return the turn in which an agent may be asked now, None while it rests; one that never failed needs no row."""
    row = session.execute(repo.locked(agent)).scalar_one_or_none()
    if row is None:
        return rules.Breaker().turn
    after = rules.asked(row.breaker(), now_ms)
    return None if after is None else _changed(session, row, after).breaker.turn


def answered(session: Session, *, agent: bytes, turn: int, outcome: Outcome, now_ms: int, error: str) -> None:
    """Note what became of what `let_through` has let through."""
    if outcome == "bad" or session.execute(repo.locked(agent)).scalar_one_or_none() is not None:
        report(session, agent=agent, turn=turn, outcome=outcome, now_ms=now_ms, error=error)


def failed(session: Session, agent: bytes, now_ms: int, error: str) -> Known:
    """Count a failure that belongs to no call: an agent did not do what it was paid or asked to sign for."""
    turn = _locked(session, agent).turn
    return report(session, agent=agent, turn=turn, outcome="bad", now_ms=now_ms, error=error)


def succeeded(session: Session, agent: bytes, now_ms: int) -> None:
    """Count a success that belongs to no call; an agent that never failed needs no row."""
    row = session.execute(repo.locked(agent)).scalar_one_or_none()
    after = None if row is None else rules.asked(row.breaker(), now_ms)
    if row is not None and after is not None:
        _changed(session, row, rules.good(after, after.turn))


def reset(session: Session, agent: bytes) -> BreakerRow:
    """Close a breaker; return its row."""
    row = _locked(session, agent)
    _changed(session, row, rules.reset(row.breaker()))
    session.refresh(row)
    return row


def _locked(session: Session, agent: bytes) -> BreakerRow:
    found = session.execute(repo.locked(agent)).scalar_one_or_none()
    if found is None:
        session.execute(repo.first(agent))
        found = session.execute(repo.locked(agent)).scalar_one()
    return found


def _changed(session: Session, row: BreakerRow, after: Breaker) -> Known:
    before = row.breaker()
    if after != before:
        if after.state != before.state:
            _log.warning("a breaker changes", agent=checksum(row.agent), before=before.state, after=after.state)
        row.opened += after.state is State.OPEN and before.state is not State.OPEN
        row.version += 1
        row.updated_at = repo.now()
        row.become(after)
        session.flush()
        known = Known(row.agent, row.version, after)
        session.execute(repo.tell(known.news()))
        return known
    return Known.of_row(row)
