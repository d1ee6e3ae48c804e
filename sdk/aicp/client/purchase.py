"""Follows a task of ours from its auction to the end, doing the buyer's part of it.

Every step is decided from the service's current answer, so it can be stopped and taken up again at any point. It pays
at most once: an escrow's id is the payment's nonce, and an order is kept before it is sent.
"""

from __future__ import annotations

import asyncio
import hashlib
import tempfile
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from aicp.client.buyer_actions import BuyerActions
from aicp.client.errors import ClientError, Mismatch, NotEnough, ProblemError
from aicp.client.files import StoredFile, names_on_disk
from aicp.client.market import Market
from aicp.client.models import Bid, Deal, Task
from aicp.client.pool_actions import PoolActions
from aicp.client.verify import check_bid, check_deliverable, require
from aicp.rules.primitives import checksum, format_usdc, hex0x

_POLL_SECONDS: Final = 1.0
_OPEN: Final = frozenset({"open", "revealing"})
_DEAD_INTENT: Final = frozenset({"failed", "expired", "cancelled"})
_OVER: Final = frozenset({"completed", "rejected", "refunded", "split", "failed", "cancelled", "expired", "disputed"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What the buyer wants done for him.

    `award_best` takes the lowest bid when the auction ends, or as soon as there are `min_bids`. `pool_units` opens a
    pool of that size where one is needed and there is none, 0 never does. `accept` accepts the result when it arrives;
    `results` is where result files go. `timeout_seconds` bounds the whole wait.
    """

    award_best: bool = True
    min_bids: int | None = None
    pool_units: int = 0
    accept: bool = False
    results: Path | None = None
    timeout_seconds: float = 3600.0


class Purchase:
    """One task on its way."""

    def __init__(self, market: Market, wishes: Wishes, say: Callable[[str], None]) -> None:
        self.market = market
        self.buyer = BuyerActions(market)
        self.pools = PoolActions(market)
        self.wishes = wishes
        self._say = say
        self._last = ""
        self._judged = False
        self._downloaded = False

    def say(self, sentence: str) -> None:
        """Tell the buyer something once."""
        if sentence != self._last:
            self._last = sentence
            self._say(sentence)

    async def follow(self, task_id: uuid.UUID) -> Task:
        """Return the task once it is over, or delivered where the result is not to be accepted for the buyer.

        Raises ClientError when it takes longer than wished.
        """
        deadline = time.monotonic() + self.wishes.timeout_seconds
        while True:
            task = await self.market.task(task_id)
            if task.state in _OVER:
                await self._finish(task)
                return task
            if await self._step(task):
                return await self.market.task(task_id)
            if time.monotonic() > deadline:
                now = task.state.replace("_", " ")
                raise ClientError(f"The task is still {now}; take it up again with `aicp task follow {task_id}`.")
            await asyncio.sleep(_POLL_SECONDS)

    async def _step(self, task: Task) -> bool:
        """Do what is due. Returns whether nothing is left for us."""
        if task.state in _OPEN:
            return await self._auction(task)
        if task.deal_id is None:
            return False
        deal = await self.market.deal(task.deal_id)
        require((deal.task_id, deal.task_hash) == (task.id, task.task_hash), "The deal is of another task.")
        if deal.state == "awaiting_payment":
            await self._pay(deal)
        elif deal.state == "delivered":
            return await self._judge(deal)
        else:
            self.say(_SENTENCES.get(deal.state, f"The task is {deal.state}."))
        return False

    async def best_bid(self, task: Task) -> tuple[Bid | None, int]:
        """Return the lowest live bid that is what it claims to be, and how many are live."""
        chain = await self.market.chain()
        live = [bid for bid in await self.market.bids(task.id) if bid.live]
        for bid in sorted(live, key=lambda bid: (bid.amount_units, bid.eta_seconds, bid.seq)):
            try:
                check_bid(bid, task.task_hash, chain)
            except Mismatch as error:
                self.say(f"A bid is ignored: {error}")
                continue
            return bid, len(live)
        return None, len(live)

    async def _auction(self, task: Task) -> bool:
        if task.instant:
            return await self._scheduled(task)
        chain = await self.market.chain()
        best, count = await self.best_bid(task)
        lowest = f", lowest {format_usdc(best.amount_units)} USDC" if best else ""
        until = f"{task.auction_ends_at:%H:%M:%S} UTC"
        self.say(f"{count} {'bid' if count == 1 else 'bids'}{lowest}; the auction ends at {until}")
        if task.award_weights is not None:
            return await self._ruled(task, best)
        left = (task.reveal_ends_at or task.auction_ends_at).timestamp() - chain.now()
        if task.reveal_ends_at is not None:
            return await self._sealed(task, best, shown=count, left=left)
        enough = self.wishes.min_bids is not None and count >= self.wishes.min_bids
        if not self.wishes.award_best:
            return left <= 0
        # the last seconds are left to bids on their way, the award itself has to be in before the end
        if best is None or not (enough or left <= 2):
            return False
        await self._award(task, best)
        return False

    async def _scheduled(self, task: Task) -> bool:
        """The scheduler asks one agent after the other, where a pool pays once it covers the price; say whom."""
        units = task.buy_now_units or task.budget_units
        if task.waits_for is not None:
            await self._make_way(task.waits_for, units)
            return False
        asked = [offer for offer in await self.market.offers(task.id) if offer.answer is None]
        name = asked[0].agent_name or checksum(asked[0].agent) if asked else None
        who = "The scheduler looks for an agent" if name is None else f"The scheduler asks {name}"
        self.say(f"{who}, for at most {format_usdc(units)} USDC")
        return False

    async def _make_way(self, waits_for: str, units: int) -> None:
        """Deposit where the scheduler waits for money; where other deals of ours need what is there, say so."""
        if waits_for == "pool_short":
            operator = (await self.market.chain()).current_operator
            pool = await self.pools.pool(operator)
            if pool is None or pool.available_units < units:
                await self._fund(operator, units)
                return
        self.say(f"The scheduler waits {WAITS.get(waits_for, 'for the buyer')}")

    async def _award(self, task: Task, best: Bid) -> None:
        await self.buyer.award(task, best)
        name = best.agent_name or checksum(best.agent)
        self.say(f"Awarded to {name} for {format_usdc(best.amount_units)} USDC")

    async def _ruled(self, task: Task, best: Bid | None) -> bool:
        """The service awards by the task's rule when the auction ends; above the reserve price the buyer has to say."""
        chain = await self.market.chain()
        over = (task.reveal_ends_at or task.auction_ends_at).timestamp() <= chain.now()
        limit = task.budget_units if task.reserve_units is None else task.reserve_units
        if not over or best is None or best.amount_units <= limit:
            return False
        self.say(f"No bid is at or below the reserve price of {format_usdc(limit)} USDC; award one, or cancel")
        return True

    async def _sealed(self, task: Task, best: Bid | None, *, shown: int, left: float) -> bool:
        """Award the lowest sealed bid once all are shown, or the time for it is over."""
        if not self.wishes.award_best:
            return left <= 0
        if best is not None and (left <= 0 or (task.state == "revealing" and shown == task.bid_count)):
            await self._award(task, best)
        return False

    async def _pay(self, deal: Deal) -> None:
        try:
            if deal.path == "escrow":
                await self._pay_escrow(deal)
            else:
                await self._order(deal)
        except ProblemError as error:
            if error.status != 409 and not error.retryable:
                raise
            self.say(str(error))

    async def _pay_escrow(self, deal: Deal) -> None:
        if deal.escrow is None or not deal.allows("pay", "buyer"):
            return
        await self.buyer.pay(deal)
        self.say(f"Paid {format_usdc(deal.price_units)} USDC into escrow {hex0x(deal.escrow.escrow_id)}")

    async def _order(self, deal: Deal) -> None:
        operator = deal.award.operator
        pool = await self.pools.pool(operator)
        if pool is None or pool.available_units < deal.price_units:
            await self._fund(operator, deal.price_units)
            return
        await self.pools.order(deal)
        self.say(f"Ordered for {format_usdc(deal.price_units)} USDC from the pool, without gas")

    async def _fund(self, operator: bytes, units: int) -> None:
        """Deposit into the pool that does not cover a price, unless a deposit of ours is on its way.

        Raises NotEnough where that is not wished.
        """
        pool = await self.pools.pool(operator)
        if pool is not None and pool.pending_withdraw_units:
            raise NotEnough(
                "Money of the pool is being withdrawn, and until it is paid the pool takes no orders; wait, or take it "
                "back with `aicp wallet pool withdraw --cancel`."
            )
        # a deposit of ours may be sent, mined or mirrored and not final: another one would be a second one
        if await self.pools.deposit_underway(operator):
            self.say("Waiting until the deposit is final")
            return
        if self.wishes.pool_units == 0:
            raise NotEnough("The pool does not cover this task; deposit with `aicp wallet pool deposit`.")
        intent = await self.pools.deposit(max(self.wishes.pool_units, units), operator)
        self.say(f"Depositing {format_usdc(int(intent.reference['amount_units']))} USDC into the pool")
        await self.market.wait_landed(intent.id)

    async def _judge(self, deal: Deal) -> bool:
        await self.fetch(deal)
        if not self.wishes.accept:
            against = "`aicp deal dispute` disputes it" if deal.path == "escrow" else "with --reject CODE it refuses it"
            self.say(f"The result is there. `aicp task accept` pays, {against}; silence pays later.")
            return True
        if self._judged and not (deal.last_intent and deal.last_intent.state in _DEAD_INTENT):
            return False
        try:
            if deal.path == "escrow":
                await self.buyer.release(deal)
                self.say(f"Released {format_usdc(deal.price_units)} USDC to the agent")
            else:
                await self.pools.verdict(deal, accepted=True)
                self.say("Accepted; the agent gets its receipt")
            self._judged = True
        except ProblemError as error:
            if error.status != 409 and not error.retryable:
                raise
            self.say(str(error))
        return False

    async def fetch(self, deal: Deal) -> None:
        """Fetch and hash the result the agent has signed for: into the wished folder, else only to check it."""
        if self._downloaded or (self.wishes.results is None and not self.wishes.accept):
            return
        check_deliverable(deal, await self.market.chain())
        if deal.deliverable is None:
            return
        files = deal.deliverable.manifest.files
        with tempfile.TemporaryDirectory() as scratch:
            folder = self.wishes.results or Path(scratch)
            folder.mkdir(parents=True, exist_ok=True)
            places = [folder / name for name in names_on_disk(files)]
            for file, place in zip(files, places, strict=True):
                if await asyncio.to_thread(_is_other, place, file.sha256):
                    raise ClientError(
                        f"{place} is there already and is another file. Nothing is saved or accepted; name another "
                        "folder."
                    )
            for file, place in zip(files, places, strict=True):
                await self._save(file, place)
        self._downloaded = True
        if self.wishes.results is not None:
            self.say(f"{len(files)} result file{'' if len(files) == 1 else 's'} in {self.wishes.results}")

    async def _save(self, file: StoredFile, place: Path) -> None:
        try:
            await self.market.download(file, place)
        except OSError as error:
            raise ClientError(f"{place} cannot be written: {error.strerror or error}.") from error

    async def _finish(self, task: Task) -> None:
        if task.state == "completed" and task.deal_id is not None and self.wishes.results is not None:
            deal = await self.market.deal(task.deal_id)
            if deal.deliverable is not None:  # who paid in advance may never get one
                await self.fetch(deal)
        self.say(_SENTENCES.get(task.state, f"The task is {task.state}."))


def _is_other(place: Path, sha256: bytes) -> bool:
    return place.is_file() and hashlib.sha256(place.read_bytes()).digest() != sha256


WAITS: Final = {
    "pool_short": "until the buyer's pool covers the price beside what waits for payment",
    "buyer_full": "until the buyer has paid or cancelled one of his unpaid deals",
    "left_unpaid": "until the buyer has paid or cancelled an unpaid deal: he left some unpaid in the last 24 hours",
}
"""What the scheduler waits for before it asks anybody."""
_SENTENCES: Final = {
    "awarded": "Terms are being composed",
    "awaiting_acceptance": "Waiting for the agent's acceptance",
    "funding": "The payment is on its way",
    "assigned": "Paid; the agent begins",
    "running": "The agent works",
    "completed": "Completed",
    "rejected": "Rejected; the price stays in the pool",
    "refunded": "The agent gave the money back",
    "failed": "The agent gave the work back",
    "cancelled": "Cancelled",
    "expired": "Expired; nothing was paid, or it was paid back",
}
