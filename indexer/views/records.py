"""Reads of what the contract has written down of agents."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from indexer.projections.reputation import agent_record


def decided(s: Session, agents: Sequence[bytes]) -> dict[bytes, int]:
    """Return how many escrows of each agent are decided, as of the newest block; those with none are left out."""
    outcomes = agent_record.c.completed + agent_record.c.failed + agent_record.c.lost
    rows = s.execute(select(agent_record.c.agent, outcomes).where(agent_record.c.agent.in_(agents)))
    return {bytes(agent): count for agent, count in rows}
