"""What a buyer signs from $10: payments and releases. Every id is recomputed and every term checked first."""

from __future__ import annotations

import asyncio
import mimetypes
import uuid
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from uuid_utils.compat import uuid7

from aicp.abi.enums import Status
from aicp.abi.typed_data import Cancellation, Release, TaskOrder
from aicp.client import models
from aicp.client.errors import ClientError, Mismatch, NotDue
from aicp.client.market import Market, new_salt
from aicp.client.store import SignedPayment
from aicp.client.verify import (
    agreed_terms,
    check_acceptance,
    check_award,
    check_bid,
    check_deliverable,
    check_document,
    check_escrow,
    require,
)
from aicp.client.verify_award import check_bids, check_record
from aicp.rules.auctions import MAX_EXTENDED_SECONDS, PLAIN, AuctionOptions
from aicp.rules.bids import bids_root
from aicp.rules.primitives import checksum, format_usdc, hex0x

_CHOSEN: Final = frozenset(
    {"verifier", "award_weights", "reserve_units", "buy_now_units", "reveal_seconds", "extension", "instant"}
)
"""Fields of a task document that are there only where the buyer chose them."""


FAILOVERS: Final = 3
"""So many agents may miss the delivery of a task that the scheduler offers before the order for it ends."""


class BuyerActions:
    """The buyer's side of a market: tasks, awards, escrows."""

    def __init__(self, market: Market) -> None:
        self.market = market

    # task and award ---------------------------------------------------------------------------------------------------

    async def post_task(
        self,
        *,
        title: str,
        description: str,
        capability: str,
        budget_units: int,
        files: Sequence[Path] = (),
        complexity: int = 1,
        urgency: str = "1.0",
        escrow_only: bool = False,
        auction_seconds: int = 300,
        deliver_within_seconds: int = 3600,
        verifier: bytes | None = None,
        auction: AuctionOptions = PLAIN,
    ) -> models.Task:
        """Upload the inputs and post a task. Raises Mismatch when the posted document is not what we asked for.

        A `verifier` can release the money together with the agent; naming one needs `escrow_only`. Where the auction
        has a buy-now price it is signed as well, so that a bid at or below it wins at once, or the scheduler may choose
        the agent. Raises ValueError for options that do not fit the budget.
        """
        auction.check_budget(budget_units)
        stored = [
            await self.market.upload(file, mimetypes.guess_type(file.name)[0] or "application/octet-stream")
            for file in files
        ]
        task_id = uuid.UUID(int=uuid7().int)
        asked: dict[str, Any] = {
            "title": title,
            "description": description,
            "capability": capability,
            "complexity": complexity,
            "urgency": urgency,
            "budget_units": str(budget_units),
            "escrow_only": escrow_only,
            "deliver_within_seconds": deliver_within_seconds,
        } | auction.to_json()
        if verifier is not None:
            asked["verifier"] = checksum(verifier)
        body = asked | {
            "auction_seconds": auction_seconds,
            "input_files": [hex0x(file.sha256) for file in stored],
            "input_names": [file.name for file in stored],
            "id": str(task_id),
        }
        task = models.Task.read(await self.market.transport.post("/tasks/submit", body, idempotency_key=str(task_id)))
        await self._check_posted(task, asked, stored)
        if auction.buy_now_units is not None:
            again = FAILOVERS * deliver_within_seconds if auction.instant else 0
            await self._order(task, auction.buy_now_units, MAX_EXTENDED_SECONDS + again)
        return task

    async def _order(self, task: models.Task, units: int, lasting: int) -> models.TaskOrder:
        chain = await self.market.chain()
        message = TaskOrder(
            task_hash=task.task_hash,
            buyer=self.market.address,
            max_amount=units,
            valid_until=int(task.auction_ends_at.timestamp()) + lasting,
            salt=new_salt(),
        )
        body = {
            "max_units": str(units),
            "valid_until": message.valid_until,
            "salt": hex0x(message.salt),
            "signature": self.market.sign(message, chain.marketplace),
        }
        return models.TaskOrder.read(await self.market.transport.post(f"/tasks/{task.id}/order", body))

    async def _check_posted(self, task: models.Task, asked: dict[str, Any], stored: list[models.StoredFile]) -> None:
        chain = await self.market.chain()
        document = task.document or {}
        check_document(document, buyer=self.market.address, task=task.task_hash, task_id=task.id, chain=chain)
        changed = [key for key, value in asked.items() if document.get(key) != value]
        if changed:
            raise Mismatch(f"The posted task differs from what was asked in {', '.join(changed)}.")
        unasked = sorted(_CHOSEN & document.keys() - asked.keys())
        if unasked:
            raise Mismatch(f"The posted task names what nobody asked for: {', '.join(unasked)}.")
        named = {(entry["sha256"], entry["name"]) for entry in document.get("input_files", [])}
        if named != {(hex0x(file.sha256), file.name) for file in stored}:
            raise Mismatch("The posted task names other input files.")

    async def cancel_task(self, task_id: uuid.UUID) -> models.Task:
        """Cancel an open task."""
        return models.Task.read(await self.market.transport.post(f"/tasks/{task_id}/cancel"))

    async def award(self, task: models.Task, bid: models.Bid) -> models.Award:
        """Choose a bid that is really its agent's and within the budget. Returns the operator's signed award."""
        chain = await self.market.chain()
        check_bid(bid, task.task_hash, chain)
        if bid.amount_units > task.budget_units:
            raise Mismatch(f"The bid of {format_usdc(bid.amount_units)} USDC is above the budget.")
        body = {"bid_hash": hex0x(bid.bid_hash)}
        award = models.Award.read(await self.market.transport.post(f"/tasks/{task.id}/award", body))
        check_award(award, chain)
        if (award.task_hash, award.bid_hash) != (task.task_hash, bid.bid_hash):
            raise Mismatch("The award names another task or bid than the one chosen.")
        receipted = self.market.bids if task.reveal_ends_at is None else self.market.commits
        listed = [one.bid_hash for one in await receipted(task.id)]
        if len(listed) == award.bid_count and bids_root(listed) != award.bids_root:
            raise Mismatch("The award does not commit to the bids that are listed.")
        return award

    async def award_by_rule(self, task: models.Task) -> models.Award:
        """Ask for the award by the published rule now, and check it from the signatures. Raises Mismatch."""
        chain = await self.market.chain()
        award = models.Award.read(await self.market.transport.post(f"/tasks/{task.id}/award", {}))
        bids, earlier = await self.market.bids(task.id), await self.market.awards(task.id)
        commits = await self.market.commits(task.id) if task.reveal_ends_at is not None else []
        check_bids(task, bids, award, chain, commits)
        record = await self.market.award_record(task.id)
        check_record(task, bids, award, chain, record, commits=commits, earlier=earlier[:-1])
        return award

    # escrow -----------------------------------------------------------------------------------------------------------

    async def pay(self, deal: models.Deal) -> models.Deal:
        """Pay an escrow deal by one signature, without gas: ERC-3009 with the escrow id as its nonce.

        A task is paid once. The same terms again get the same signature; other terms get one only when the chain, seen
        over an RPC of our own, shows in a final block that the first payment has run out or came back whole. Raises
        TermsRefused or Mismatch for terms that are not the agreed ones, NotEnough for an empty wallet, NotDue or
        ClientError where the task may already be paid.
        """
        chain = await self.market.chain()
        now = chain.now()
        terms = agreed_terms(deal, chain, now=now)
        require(terms.client == self.market.address, "The terms name another buyer.")
        require(terms.amount <= int(deal.document["budget_units"]), "The price is above the task's budget.")
        accepted_until = check_acceptance(deal, terms, chain)
        limit = deal.escrow.payable_until if deal.escrow else None
        valid_before = min(
            value
            for value in (
                now + chain.constants.authorization_lifetime_seconds,
                accepted_until,
                terms.accept_by,
                limit,
            )
            if value is not None
        )
        if valid_before <= now:
            raise ClientError("These terms can no longer be paid; new ones will be composed.")
        await self.market.require_usdc(terms.amount)
        escrow_id = terms.digest(chain.escrow)
        valid_before = await self._keep_payment(
            SignedPayment(
                task_id=deal.task_id,
                task_hash=deal.task_hash,
                escrow_id=escrow_id,
                units=terms.amount,
                valid_before=valid_before,
            )
        )
        signature = await self.market.authorize(chain.contracts.escrow, terms.amount, escrow_id, valid_before)
        body = {"escrow_id": hex0x(escrow_id), "valid_before": valid_before, "signature": signature}
        return await self.market.take_step(deal, "authorization", body)

    async def _keep_payment(self, payment: SignedPayment) -> int:
        """Keep what is about to be signed; return until when it is. Raises unless it is the task's only payment."""
        store, now = await self.market.store(), (await self.market.chain()).now()
        kept = await asyncio.to_thread(store.keep_payment, payment)
        if kept.escrow_id != payment.escrow_id:
            await self._require_unpaid(kept, now)
            wanted = payment
        elif now < kept.valid_before <= payment.valid_before:
            return kept.valid_before
        else:
            wanted = replace(payment, valid_before=max(kept.valid_before, payment.valid_before))
        if not await asyncio.to_thread(store.replace_payment, kept, wanted):
            raise NotDue("Another process pays this task at this moment. Nothing was signed.")
        return payment.valid_before

    async def _require_unpaid(self, kept: SignedPayment, now: int) -> None:
        """Raise unless an earlier payment of a task can no longer be carried out, or came back whole."""
        paid = f"{format_usdc(kept.units)} USDC into escrow {hex0x(kept.escrow_id)}"
        if now < kept.valid_before:
            raise NotDue(
                f"A payment of this task, {paid}, can still be carried out. Nothing was signed; try again later."
            )
        own = await self.market.own_chain()
        if own is None:
            raise ClientError(
                f"This task was paid before: {paid}. Whether that was carried out only the chain tells; name an RPC of "
                "your own with --rpc to have it looked up. Nothing was signed."
            )
        final_until = await own.block_time("finalized")
        state = await own.state_of(kept.escrow_id, "finalized")
        if state.status == Status.NONE and final_until < kept.valid_before:
            raise NotDue(f"The payment of {paid} has run out, but not in a final block yet. Nothing was signed.")
        if state.status not in {Status.NONE, Status.CLOSED} or state.released > 0:
            raise NotDue(f"This task is paid: {paid}. Nothing was signed.")

    async def release(self, deal: models.Deal) -> models.Deal:
        """Accept the result of an escrow deal: release the whole price to the agent.

        Before anything is submitted this pays in advance; after that the result shown must be the submitted one, else
        Mismatch is raised.
        """
        chain = await self.market.chain()
        terms = check_escrow(deal, chain)
        if deal.state == "delivered" or (deal.escrow and deal.escrow.deliverable_hash is not None):
            check_deliverable(deal, chain)
        message = Release(
            escrow_id=terms.digest(chain.escrow),
            cumulative_released=terms.amount - (deal.escrow.refunded_units if deal.escrow else 0),
            valid_until=chain.now() + chain.constants.authorization_lifetime_seconds,
        )
        body = {
            "escrow_id": hex0x(message.escrow_id),
            "cumulative_released_units": str(message.cumulative_released),
            "valid_until": message.valid_until,
            "signature": self.market.sign(message, chain.escrow),
        }
        return await self.market.take_step(deal, "release", body)

    async def cancel_escrow(self, deal: models.Deal) -> models.Deal:
        """Take back the money of a funded escrow that its agent has not accepted, by a signature without gas.

        Raises ClientError for a deal paid from a pool, NotDue for an escrow in another state, Mismatch for who is not
        its buyer or terms that are not the deal's.
        """
        chain = await self.market.chain()
        terms = check_escrow(deal, chain)
        require(terms.client == self.market.address, "Only the buyer of a deal can take its money back.")
        if deal.escrow is None or deal.escrow.chain_status != "funded":
            raise NotDue("Only a funded escrow that nobody has accepted can be cancelled. Nothing was signed.")
        message = Cancellation(
            escrow_id=terms.digest(chain.escrow),
            valid_until=chain.now() + chain.constants.authorization_lifetime_seconds,
        )
        body = {
            "escrow_id": hex0x(message.escrow_id),
            "valid_until": message.valid_until,
            "signature": self.market.sign(message, chain.escrow),
        }
        return await self.market.take_step(deal, "cancellation", body)
