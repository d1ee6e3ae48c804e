"""An agent that does not bid says why, once for a task."""

from __future__ import annotations

import logging
import uuid
from types import SimpleNamespace
from typing import Any

import pytest

from aicp.agent.agent import Agent, Options
from aicp.agent.bidder import Bidder

TASK = SimpleNamespace(
    id=uuid.UUID(int=7), state="open", buyer=b"b" * 20, title="Sales", reveal_ends_at=None, instant=False
)


class Market:
    """Answers what a bidder asks before it quotes."""

    address = b"a" * 20

    async def task(self, task_id: uuid.UUID) -> Any:
        assert task_id == TASK.id
        return TASK

    async def bids(self, _: uuid.UUID) -> list[Any]:
        return []

    async def chain(self) -> Any:
        return None


def bidder(active: int, quote: Any) -> Bidder:
    agent = Agent("Tally", ["data_processing"], capacity=2)
    agent.on("quote")(quote)
    agent.on("work")(lambda _: None)
    actions: Any = SimpleNamespace(market=Market())
    return Bidder(agent, actions, Options(), lambda: active)


@pytest.mark.asyncio
async def test_a_full_agent_says_once_for_a_task_that_it_does_not_bid(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "aicp.agent")
    full = bidder(2, lambda _: pytest.fail("a full agent does not quote"))
    for _ in range(3):
        await full.decide(TASK.id)
    assert [record.getMessage() for record in caplog.records] == [
        "no bid yet for 'Sales': 2 of 2 deals are under way (awards nobody has paid yet count as well)"
    ]


@pytest.mark.asyncio
async def test_a_declined_task_is_named(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "aicp.agent")
    await bidder(0, lambda _: None).decide(TASK.id)
    assert [record.getMessage() for record in caplog.records] == ["no bid for 'Sales': the quote declined it"]


@pytest.mark.asyncio
async def test_own_sealed_bids_that_count_are_shown_and_no_others() -> None:
    sealed = bidder(9, lambda _: pytest.fail("a bid is shown, not made"))
    ours, theirs = Market.address, b"c" * 20
    commits = [
        SimpleNamespace(agent=agent, bid_hash=name, live=live, revealed=revealed)
        for agent, name, live, revealed in (
            (ours, b"replaced", False, False),
            (ours, b"ours", True, False),
            (ours, b"shown", True, True),
            (theirs, b"theirs", True, False),
        )
    ]
    shown = []

    async def listed(_: uuid.UUID) -> Any:
        return commits

    async def task(_: uuid.UUID) -> Any:
        return SimpleNamespace(id=TASK.id, state="revealing", title="Sales")

    async def reveal(_: Any, bid_hash: bytes) -> Any:
        shown.append(bid_hash)
        return SimpleNamespace(amount_units=1)

    actions: Any = sealed._actions
    actions.market.commits, actions.market.task, actions.reveal_bid = listed, task, reveal
    sealed.reveal(TASK.id)
    await sealed.decide(TASK.id)
    assert shown == [b"ours"]
