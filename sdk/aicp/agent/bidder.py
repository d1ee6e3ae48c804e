"""Decides which tasks to bid on, and bids at most once for each; shows sealed bids when it is time.

What the scheduler offers is answered either way, by a bid or by a no: silence counts against the agent.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
import uuid
from collections.abc import Callable

from aicp.agent.agent import Agent, Options
from aicp.agent.work import Offer
from aicp.client import AgentActions, ClientError, ProblemError
from aicp.client.chain import Chain
from aicp.client.models import Task
from aicp.rules.primitives import format_usdc
from aicp.rules.route import choose_path, micro_duration

_log = logging.getLogger("aicp.agent")


class Bidder:
    """Bids one after the other, so that a stake is raised for one bid at a time."""

    def __init__(self, agent: Agent, actions: AgentActions, options: Options, active_deals: Callable[[], int]) -> None:
        self._agent = agent
        self._actions = actions
        self._options = options
        self._active_deals = active_deals
        self._queue: asyncio.Queue[uuid.UUID] = asyncio.Queue()
        self._queued: set[uuid.UUID] = set()
        self._decided: set[uuid.UUID] = set()
        self._shown: set[uuid.UUID] = set()
        self._told_full: set[uuid.UUID] = set()

    def consider(self, task: Task) -> None:
        """Look at an open task soon, unless that was decided already, or only the scheduler gives it."""
        if not task.instant:
            self.consider_id(task.id)

    def consider_id(self, task_id: uuid.UUID) -> None:
        """As `consider`, for a task only known by its id."""
        if task_id not in self._queued and task_id not in self._decided:
            self._queued.add(task_id)
            self._queue.put_nowait(task_id)

    def reveal(self, task_id: uuid.UUID) -> None:
        """Show our sealed bid on a task soon, unless that was done already."""
        if task_id not in self._queued and task_id not in self._shown:
            self._queued.add(task_id)
            self._queue.put_nowait(task_id)

    async def run(self) -> None:
        """Work the queue until cancelled."""
        while True:
            task_id = await self._queue.get()
            self._queued.discard(task_id)
            try:
                await self.decide(task_id)
            except ProblemError as error:
                if not error.retryable:
                    self._decided.add(task_id)
                _log.info("no bid for %s: %s", task_id, error)
            except ClientError as error:
                _log.warning("no bid for %s: %s", task_id, error)

    async def decide(self, task_id: uuid.UUID) -> None:
        """Quote a task and bid. Leaves it undecided, for the next look, where only capacity is missing."""
        task = await self._actions.market.task(task_id)
        if task.state == "revealing":
            await self._reveal(task)
            return
        if task.state != "open" or task.buyer == self._actions.market.address:
            self._decided.add(task_id)
            return
        if task.instant:
            await self._answer(task)
            return
        if self._active_deals() >= self._agent.capacity:
            self._tell_full(task)
            return
        if await self._has_bid(task):
            self._decided.add(task_id)
            return
        offer = await self._quote(task)
        if offer is not None:
            await self._bid(task, offer)
        self._decided.add(task_id)

    async def _answer(self, task: Task) -> None:
        """Answer the scheduler's offer of a task, if there is one: bid as the quote says, or decline."""
        waiting = await self._actions.market.own_offers()
        asked = next((one for one in waiting if one.task_id == task.id), None)
        if asked is None:
            return
        has_room = self._active_deals() < self._agent.capacity
        offer = await self._quote(task) if self._options.take_offers and has_room else None
        if offer is not None and offer.price_units <= asked.max_units and await self._bid(task, offer):
            return
        await self._actions.decline_offer(task.id)
        _log.info("declined '%s', offered for at most %s USDC", task.title, format_usdc(asked.max_units))

    def _tell_full(self, task: Task) -> None:
        """Say once for a task that it waits for a free slot."""
        if task.id not in self._told_full:
            self._told_full.add(task.id)
            slots, full = self._agent.capacity, "awards nobody has paid yet count as well"
            _log.info("no bid yet for '%s': %d of %d deals are under way (%s)", task.title, slots, slots, full)

    async def _has_bid(self, task: Task) -> bool:
        ours, market = self._actions.market.address, self._actions.market
        if task.reveal_ends_at is not None:
            return any(commit.agent == ours for commit in await market.commits(task.id))
        return any(bid.agent == ours for bid in await market.bids(task.id))

    async def _reveal(self, task: Task) -> None:
        """Show our sealed bid, if there is one that may still be shown."""
        for commit in await self._actions.market.commits(task.id):
            if commit.agent == self._actions.market.address and commit.live and not commit.revealed:
                bid = await self._actions.reveal_bid(task, commit.bid_hash)
                _log.info("showed the bid of %s USDC for '%s'", format_usdc(bid.amount_units), task.title)
        self._shown.add(task.id)

    async def _quote(self, task: Task) -> Offer | None:
        quote, _ = self._agent.handlers()
        try:
            offer = await asyncio.to_thread(quote, task)
        except Exception:  # noqa: BLE001  # an error in the agent's own code costs one bid, not the agent
            _log.exception("the quote for %s failed", task.id)
            return None
        chain = await self._actions.market.chain()
        if offer is None:
            _log.info("no bid for '%s': the quote declined it", task.title)
            return None
        if not chain.constants.minimum_price_units <= offer.price_units <= task.budget_units:
            _log.info("no bid for %s: %s USDC is not in the budget", task.id, format_usdc(offer.price_units))
            return None
        if not 0 < offer.eta_seconds <= task.deliver_within_seconds:
            _log.info("no bid for %s: %d s are too long", task.id, offer.eta_seconds)
            return None
        return offer

    async def _bid(self, task: Task, offer: Offer) -> bool:
        """Bid, unless that needs more stake than allowed; return whether it was done."""
        chain = await self._actions.market.chain()
        path = choose_path(
            offer.price_units,
            task_escrow_only=task.escrow_only,
            bid_escrow_only=offer.escrow_only,
            duration_seconds=micro_duration(task.deliver_within_seconds, chain.constants),
            constants=chain.constants,
        )
        limit = self._options.stake_limit_units
        if path == "escrow" and not await self._actions.ensure_stake(offer.price_units, limit_units=limit):
            _log.warning("no bid for %s: it needs more stake than the limit of %s USDC", task.id, format_usdc(limit))
            return False
        send = self._actions.bid if task.reveal_ends_at is None else self._actions.commit_bid
        bid = await send(
            task,
            amount_units=offer.price_units,
            eta_seconds=offer.eta_seconds,
            escrow_only=offer.escrow_only,
            valid_until=_auction_end(task, chain) + offer.valid_seconds,
        )
        _log.info("bid %s USDC for '%s' (receipt %d)", format_usdc(offer.price_units), task.title, bid.seq)
        return True


def _auction_end(task: Task, chain: Chain) -> int:
    ends = (task.reveal_ends_at or task.auction_ends_at).astimezone(dt.UTC)
    return max(int(ends.timestamp()), chain.now())
