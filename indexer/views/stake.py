"""Reads of agents' stakes."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from aicp.rules.primitives import Finality
from indexer.projections.reputation import stake_event
from indexer.views.sync import bound
from indexer.views.types import StakeRow


def stake(s: Session, agent: bytes, min_finality: Finality) -> StakeRow:
    """Return the agent's stake as of the newest block of this finality; zeros if it never staked."""
    return stakes(s, [agent], min_finality)[agent]


def stakes(s: Session, agents: Sequence[bytes], min_finality: Finality) -> dict[bytes, StakeRow]:
    """Return the stake of each of these agents, as `stake` does of one."""
    statement = (
        select(stake_event)
        .distinct(stake_event.c.agent)
        .where(stake_event.c.agent.in_(agents), stake_event.c.block_number <= bound(min_finality))
        .order_by(stake_event.c.agent, stake_event.c.block_number.desc(), stake_event.c.log_index.desc())
    )
    found = {
        agent: StakeRow(agent=agent, staked_units=0, locked_units=0, unbonding_units=0, unbond_at=None, slashed_units=0)
        for agent in agents
    }
    for row in s.execute(statement).mappings():
        agent = bytes(row["agent"])
        found[agent] = StakeRow(
            agent=agent,
            staked_units=row["staked_units"],
            locked_units=row["locked_units"],
            unbonding_units=row["unbonding_units"],
            unbond_at=row["unbond_at"],
            slashed_units=row["slashed_units"],
        )
    return found


def free_stakes(s: Session, agents: Sequence[bytes], last_block: int) -> dict[bytes, int]:
    """Return what `Reputation.freeStake` says of each agent at a block: 0 for who never staked by then.

    The caller sees to it that the block is final.
    """
    statement = (
        select(stake_event.c.agent, stake_event.c.staked_units - stake_event.c.locked_units)
        .distinct(stake_event.c.agent)
        .where(stake_event.c.agent.in_(agents), stake_event.c.block_number <= last_block)
        .order_by(stake_event.c.agent, stake_event.c.block_number.desc(), stake_event.c.log_index.desc())
    )
    found = {bytes(agent): int(units) for agent, units in s.execute(statement)}
    return {agent: found.get(agent, 0) for agent in agents}
