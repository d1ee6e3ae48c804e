"""Reads of agents' stakes."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from aicp.rules.primitives import Finality
from indexer.projections.reputation import stake_event
from indexer.views.sync import bound
from indexer.views.types import StakeRow


def stake(s: Session, agent: bytes, min_finality: Finality) -> StakeRow:
    """Return the agent's stake as of the newest block of this finality; zeros if it never staked."""
    statement = (
        select(stake_event)
        .where(stake_event.c.agent == agent, stake_event.c.block_number <= bound(min_finality))
        .order_by(stake_event.c.block_number.desc(), stake_event.c.log_index.desc())
        .limit(1)
    )
    row = s.execute(statement).mappings().one_or_none()
    if row is None:
        return StakeRow(agent=agent, staked_units=0, locked_units=0, unbonding_units=0, unbond_at=None, slashed_units=0)
    return StakeRow(
        agent=agent,
        staked_units=row["staked_units"],
        locked_units=row["locked_units"],
        unbonding_units=row["unbonding_units"],
        unbond_at=row["unbond_at"],
        slashed_units=row["slashed_units"],
    )
