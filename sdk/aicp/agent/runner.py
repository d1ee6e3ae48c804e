"""Runs an agent against a market: bids, works, delivers, stores receipts, collects.

Goals and invariants:
- everything is decided anew from what the service says; memory only saves questions. Killed at any point and started
  again, the agent bids at most once for a task, does a job whose result is not on disk again, and hands in the same
  deliverable as before;
- at most one task of the event loop drives a deal;
- a refusal or a dead connection stops one step, never the agent: it is tried again from the new state;
- what is owed to the chain, or waits there for the agent, needs neither the service nor a registration;
- what was agreed is checked by the client before each signature, so a lying service gets none.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from aicp.agent.agent import Agent, Options
from aicp.agent.bidder import Bidder
from aicp.agent.collector import Collector
from aicp.agent.driver import Driver
from aicp.client import AgentActions, ClientError, Market, Unreachable, Wallet
from aicp.client.chain import Chain
from aicp.client.models import Deal, Event
from aicp.client.store import default_path
from aicp.rules.primitives import checksum

RECONCILE_SECONDS: Final = 15.0
HEARTBEAT_SECONDS: Final = 20.0
COLLECT_SECONDS: Final = 30.0
_log = logging.getLogger("aicp.agent")


class Runner:
    """One running agent."""

    def __init__(self, agent: Agent, market: Market, options: Options, home: Path) -> None:
        self.agent = agent
        self.market = market
        self.actions = AgentActions(market)
        self.bidder = Bidder(agent, self.actions, options, self.active_deals)
        self.collector = Collector(self.actions, options)
        self._options = options
        self._home = home
        self._slots = asyncio.Semaphore(agent.capacity)
        self._drivers: dict[uuid.UUID, tuple[Driver, asyncio.Task[None]]] = {}
        self._collect = asyncio.Event()

    def active_deals(self) -> int:
        """Return how many deals take a slot: those under way, and unpaid ones while their buyer has time to pay."""
        return sum(driver.keeps_slot for driver, _ in self._drivers.values())

    async def run(self) -> None:
        """Run until cancelled. Claims, defence and work wait for no registration, bids do."""
        self.agent.handlers()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._collect_loop())
            await self._guarded(lambda: self._drive_kept(group))
            registered = await self._guarded(self._register)
            group.create_task(self._listen(group))
            group.create_task(self._every(RECONCILE_SECONDS, lambda: self.reconcile(group)))
            if not registered:
                await self._persist(self._register)
            group.create_task(self._every(HEARTBEAT_SECONDS, self._beat))
            group.create_task(self.bidder.run())

    async def _beat(self) -> None:
        await self.actions.heartbeat(takes_offers=self._options.take_offers)

    async def _register(self) -> None:
        known = await self.actions.register(self.agent.profile())
        _log.info("%s is registered as %s", self.agent.name, checksum(self.market.address))
        if known.suspension is not None:
            _log.warning("An operator has suspended this agent, it may not bid: %s", known.suspension.reason)

    async def reconcile(self, group: asyncio.TaskGroup) -> None:
        """Look at everything that could concern us: open tasks and our live deals."""
        async for deal in self.market.deals("agent", live=True):
            self._drive(deal.id, group)
        for offer in await self.market.own_offers():
            self.bidder.consider_id(offer.task_id)
        for capability in self.agent.capabilities:
            async for task in self.market.tasks(state="open", capability=capability):
                self.bidder.consider(task)
            async for task in self.market.tasks(state="revealing", capability=capability):
                self.bidder.reveal(task.id)

    async def _drive_kept(self, group: asyncio.TaskGroup) -> None:
        """Drive what was in escrow when the agent last ran: by its own RPC, where the service is gone."""
        if self._options.rpc_url is not None:
            for deal in (await self.market.store()).kept_deals():
                self._drive(deal.id, group, kept=deal)

    def _drive(self, deal_id: uuid.UUID, group: asyncio.TaskGroup, kept: Deal | None = None) -> None:
        known = self._drivers.get(deal_id)
        if known is not None:
            known[0].wake()
            return
        driver = Driver(
            deal_id,
            agent=self.agent,
            actions=self.actions,
            options=self._options,
            folder=self._home / "deals",
            slots=self._slots,
            kept=kept,
        )
        task = group.create_task(driver.run())
        self._drivers[deal_id] = (driver, task)

        def over(_: asyncio.Task[None]) -> None:
            self._drivers.pop(deal_id, None)
            self.collect_soon()

        task.add_done_callback(over)

    def collect_soon(self) -> None:
        """Look for receipts and released money now."""
        self._collect.set()

    async def _collect_loop(self) -> None:
        while True:
            await self._guarded(self.collector.collect)
            self._collect.clear()
            try:
                async with asyncio.timeout(COLLECT_SECONDS):
                    await self._collect.wait()
            except TimeoutError:
                continue

    async def _listen(self, group: asyncio.TaskGroup) -> None:
        async def follow() -> None:
            async for event in self.market.events():
                await self._on_event(event, group)

        while True:
            await self._guarded(follow)
            await asyncio.sleep(1.0)

    async def _on_event(self, event: Event, group: asyncio.TaskGroup) -> None:
        if event.type == "hello":
            await self._guarded(lambda: self.reconcile(group))
        elif event.type == "task.changed" and event.state == "open" and event.capability in self.agent.capabilities:
            if event.task_id is not None:
                self.bidder.consider_id(event.task_id)
        elif event.type == "task.changed" and event.state == "revealing" and event.task_id is not None:
            self.bidder.reveal(event.task_id)
        elif event.type == "offer.changed" and event.offer is not None:
            if event.offer.agent == self.market.address and event.offer.answer is None:
                self.bidder.consider_id(event.offer.task_id)
        elif event.type == "deal.changed" and event.deal_id is not None:
            await self._on_deal(event.deal_id, group)
        elif event.type in {"receipt.issued", "intent.changed"}:
            self.collect_soon()
            for driver, _ in self._drivers.values():
                driver.wake()

    async def _on_deal(self, deal_id: uuid.UUID, group: asyncio.TaskGroup) -> None:
        """Drive a deal that is ours as the agent; of the deals we buy we are told as well."""

        async def look() -> None:
            deal = await self.market.deal(deal_id)
            if deal.agent == self.market.address and deal.live:
                self._drive(deal_id, group)

        if deal_id in self._drivers:
            self._drive(deal_id, group)
        else:
            await self._guarded(look)

    async def _every(self, seconds: float, step: Callable[[], Awaitable[None]]) -> None:
        while True:
            await self._guarded(step)
            await asyncio.sleep(seconds)

    async def _persist(self, step: Callable[[], Awaitable[None]]) -> None:
        delay = 1.0
        while not await self._guarded(step):
            await asyncio.sleep(delay)
            delay = min(delay * 2, 15.0)

    @staticmethod
    async def _guarded(step: Callable[[], Awaitable[None]]) -> bool:
        try:
            await step()
        except ClientError as error:
            _log.warning("%s", error)
            return False
        return True


async def _first_answer(market: Market) -> Chain:
    """Wait for a service that is still starting."""
    while True:
        try:
            return await market.chain()
        except Unreachable as error:
            _log.warning("%s Waiting.", error)
            await asyncio.sleep(2.0)


async def run_agent(agent: Agent, url: str, wallet: Wallet, options: Options) -> None:
    """Run an agent until cancelled. Raises ClientError where the deployment cannot be trusted or the wallet is none."""
    store = options.home / "store.sqlite" if options.home else None
    async with Market(url, wallet, deployment=options.deployment, store=store, rpc_url=options.rpc_url) as market:
        chain = await _first_answer(market)
        path = default_path(wallet.address, chain.chain_id)
        home = options.home or path.with_suffix("")
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        await Runner(agent, market, options, home).run()
