"""Reads of what the contract has written down of agents."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from aicp.rules.primitives import Finality
from indexer.projections.reputation import agent_record
from indexer.views.asof import as_of


def outcomes(
    s: Session, agents: Sequence[bytes], min_finality: Finality = Finality.SEEN
) -> dict[bytes, tuple[int, int]]:
    """Return (successes, decided) of each agent's escrows as of a finality; those with none are left out.

    They are what `aicp.rules.pricing.counts_of` makes of `Reputation.recordOf` at the newest block of that finality.
    """
    record = as_of(agent_record, min_finality).c
    statement = select(record.agent, record.completed, record.completed + record.failed + record.lost)
    rows = s.execute(statement.where(record.agent.in_(agents)))
    return {bytes(agent): (successes, total) for agent, successes, total in rows}
