"""What an agent signs: bids, acceptances, stakes, deliveries, and what he gives back. Every id is recomputed first."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any, Final

from aicp.abi.enums import Status
from aicp.abi.typed_data import (
    Acceptance,
    Bid,
    BidWithdrawal,
    MicroDelivery,
    MicroReturn,
    Refund,
    Submission,
    Vouch,
)
from aicp.client import models
from aicp.client.chain import Chain
from aicp.client.errors import ClientError, Mismatch, NotDue, NotEnough, ProblemError, together
from aicp.client.market import Market, new_salt
from aicp.client.pool_models import ClaimWish
from aicp.client.store import SealedBid, SignedStake, Store
from aicp.client.verify import (
    agreed_terms,
    check_bid,
    check_commit,
    check_escrow,
    check_order,
    check_receipt,
    require,
)
from aicp.rules.documents import deliverable_hash, manifest
from aicp.rules.fees import required_stake
from aicp.rules.ids import stake_nonce
from aicp.rules.primitives import MAX_UINT96, checksum, hex0x
from aicp.rules.profiles import Profile, profile_document, registration
from aicp.rules.sealed import commit_of, read_sealed_bid, sealed_bid_document

Manifest = dict[str, Any]
_HANDED_IN: Final = frozenset({"submitted", "challenged", "disputed"})


def _kept(task_id: uuid.UUID, bid_hash: bytes, hidden: Bid) -> SealedBid:
    return SealedBid(
        bid_hash=bid_hash,
        task_id=task_id,
        amount_units=hidden.amount,
        eta_seconds=hidden.eta_seconds,
        escrow_only=hidden.escrow_only,
        valid_until=hidden.valid_until,
        salt=hidden.salt,
    )


class AgentActions:
    """The agent's side of a market."""

    def __init__(self, market: Market) -> None:
        self.market = market

    async def register(self, profile: Profile) -> models.AgentProfile:
        """Sign and send who we are and what we can do; again updates it.

        Raises ProblemError where the market has what we signed later, as it does of two within a second.
        """
        chain, ours = await self.market.chain(), self.market.address
        document = profile_document(profile, chain_id=chain.chain_id, agent=ours)
        message = registration(document, agent=ours, updated_at=chain.now())
        body = {name: value for name, value in document.items() if name not in {"version", "did"}} | {
            "updated_at": message.updated_at,
            "signature": self.market.sign(message, chain.marketplace),
        }
        return models.AgentProfile.read(await self.market.transport.post("/agents", body))

    async def heartbeat(self, *, takes_offers: bool = False) -> None:
        """Say that we are there, and whether the scheduler may offer us tasks: who says so answers within seconds."""
        await self.market.transport.post("/agents/heartbeat", {"takes_offers": takes_offers})

    async def vouch(self, agent: bytes, *, at_risk_units: int, seconds: int) -> models.SignedVouch:
        """Vouch for another agent from now on: its failures count for us, too, up to `at_risk_units`.

        It cannot be taken back before its end. Raises ProblemError where it is refused, Mismatch for another answer.
        """
        chain = await self.market.chain()
        now = chain.now()
        message = Vouch(
            voucher=self.market.address,
            agent=agent,
            at_risk=at_risk_units,
            valid_from=now,
            valid_until=now + seconds,
            salt=new_salt(),
        )
        body = {
            "at_risk_units": str(message.at_risk),
            "valid_from": message.valid_from,
            "valid_until": message.valid_until,
            "salt": hex0x(message.salt),
            "signature": self.market.sign(message, chain.marketplace),
        }
        path = f"/agents/{checksum(agent)}/vouches"
        answer = models.SignedVouch.read(await self.market.transport.post(path, body))
        if answer.vouch_hash != message.struct_hash():
            raise Mismatch("The service answered for another vouch than ours.")
        return answer

    async def bid(
        self,
        task: models.Task,
        *,
        amount_units: int,
        eta_seconds: int,
        valid_until: int,
        escrow_only: bool = False,
        salt: bytes | None = None,
    ) -> models.Bid:
        """Sign and send a bid; the answer carries the operator's receipt, which is checked.

        Raises Mismatch when the receipt does not prove that this bid was received, ProblemError when it was refused.
        """
        chain = await self.market.chain()
        message = Bid(
            task_hash=task.task_hash,
            agent=self.market.address,
            amount=amount_units,
            eta_seconds=eta_seconds,
            escrow_only=escrow_only,
            valid_until=valid_until,
            salt=salt or new_salt(),
        )
        body = self._bid_body(message, chain)
        answer = models.Bid.read(await self.market.transport.post(f"/tasks/{task.id}/bids", body))
        if answer.bid_hash != message.digest(chain.marketplace):
            raise Mismatch("The service answered for another bid than ours.")
        check_bid(answer, task.task_hash, chain)
        return answer

    async def decline_offer(self, task_id: uuid.UUID) -> models.TaskOffer:
        """Decline a task that the scheduler offers us, so that the next agent is asked at once."""
        return models.TaskOffer.read(await self.market.transport.post(f"/tasks/{task_id}/offer/decline", {}))

    def _bid_body(self, message: Bid, chain: Chain) -> dict[str, Any]:
        return {
            "amount_units": str(message.amount),
            "eta_seconds": message.eta_seconds,
            "escrow_only": message.escrow_only,
            "valid_until": message.valid_until,
            "salt": hex0x(message.salt),
            "signature": self.market.sign(message, chain.marketplace),
        }

    async def commit_bid(
        self, task: models.Task, *, amount_units: int, eta_seconds: int, valid_until: int, escrow_only: bool = False
    ) -> models.Commit:
        """Send a sealed bid; what it hides is kept on disk, to be shown by `reveal_bid` after the auction's end.

        `valid_until` is later than the task's `reveal_ends_at`. Raises Mismatch when the receipt does not prove that
        this commit was received, ProblemError when it was refused.
        """
        chain = await self.market.chain()
        hidden = Bid(
            task_hash=task.task_hash,
            agent=self.market.address,
            amount=amount_units,
            eta_seconds=eta_seconds,
            escrow_only=escrow_only,
            valid_until=valid_until,
            salt=new_salt(),
        )
        message = commit_of(hidden, chain.marketplace)
        bid_hash = message.digest(chain.marketplace)
        kept = _kept(task.id, bid_hash, hidden)
        (await self.market.store()).put_sealed(kept)
        body = {
            "commitment": hex0x(message.commitment),
            "valid_until": valid_until,
            "signature": self.market.sign(message, chain.marketplace),
        }
        answer = models.Commit.read(await self.market.transport.post(f"/tasks/{task.id}/commits", body))
        if answer.bid_hash != bid_hash:
            raise Mismatch("The service answered for another sealed bid than ours.")
        check_commit(answer, task.task_hash, chain)
        return answer

    async def reveal_bid(self, task: models.Task, bid_hash: bytes) -> models.Bid:
        """Show what a commit of ours hides; the answer carries the operator's receipt for showing it, which is checked.

        Raises ClientError where the commit was not made with this store.
        """
        message, chain = await self._hidden(task, bid_hash), await self.market.chain()
        path = f"/tasks/{task.id}/commits/{hex0x(bid_hash)}/reveal"
        answer = models.Bid.read(await self.market.transport.post(path, self._bid_body(message, chain)))
        if answer.bid_hash != bid_hash or answer.sealed is None:
            raise Mismatch("The service answered for another bid than the one shown.")
        check_bid(answer, task.task_hash, chain)
        return answer

    async def _hidden(self, task: models.Task, bid_hash: bytes) -> Bid:
        kept = (await self.market.store()).sealed(bid_hash)
        if kept is None or kept.task_id != task.id:
            raise ClientError("What this sealed bid hides is not kept here.")
        return Bid(
            task_hash=task.task_hash,
            agent=self.market.address,
            amount=kept.amount_units,
            eta_seconds=kept.eta_seconds,
            escrow_only=kept.escrow_only,
            valid_until=kept.valid_until,
            salt=kept.salt,
        )

    async def sealed_document(self, task: models.Task, bid_hash: bytes) -> dict[str, Any]:
        """Return a sealed bid of ours as its file holds it. Raises ClientError where it is not kept here."""
        hidden, chain = await self._hidden(task, bid_hash), await self.market.chain()
        return sealed_bid_document(hidden, task.id, chain.marketplace)

    async def keep_sealed(self, task: models.Task, document: Mapping[str, Any]) -> bytes:
        """Keep a sealed bid of ours from its file; returns its hash. Raises ClientError for anything else."""
        chain = await self.market.chain()
        try:
            task_id, hidden = read_sealed_bid(document, chain.marketplace)
        except ValueError as error:
            raise ClientError(f"This is no sealed bid: {error}.") from error
        if (task_id, hidden.task_hash) != (task.id, task.task_hash):
            raise ClientError("The file holds a bid on another task.")
        if hidden.agent != self.market.address:
            raise ClientError("The file holds a bid of another account.")
        bid_hash = commit_of(hidden, chain.marketplace).digest(chain.marketplace)
        (await self.market.store()).put_sealed(_kept(task_id, bid_hash, hidden))
        return bid_hash

    async def withdraw_commit(self, task_id: uuid.UUID, bid_hash: bytes) -> models.Commit:
        """Take a sealed bid back, shown or not."""
        chain = await self.market.chain()
        body = {"signature": self.market.sign(BidWithdrawal(bid_hash=bid_hash), chain.marketplace)}
        path = f"/tasks/{task_id}/commits/{hex0x(bid_hash)}/withdraw"
        return models.Commit.read(await self.market.transport.post(path, body))

    async def withdraw_bid(self, task_id: uuid.UUID, bid_hash: bytes) -> models.Bid:
        """Take a bid back."""
        chain = await self.market.chain()
        body = {"signature": self.market.sign(BidWithdrawal(bid_hash=bid_hash), chain.marketplace)}
        path = f"/tasks/{task_id}/bids/{hex0x(bid_hash)}/withdraw"
        return models.Bid.read(await self.market.transport.post(path, body))

    async def own_deal(self, deal_id: uuid.UUID) -> models.Deal:
        """Return a deal that is ours as the agent. Raises Mismatch otherwise."""
        deal = await self.market.deal(deal_id)
        if deal.agent != self.market.address:
            raise Mismatch("This deal belongs to another agent.")
        return deal

    # stake ------------------------------------------------------------------------------------------------------------

    async def stake(self, units: int) -> models.Intent:
        """Add stake from the wallet, without gas. Raises NotEnough when the wallet does not hold it."""
        if not 0 < units <= MAX_UINT96:
            raise NotEnough("A stake is more than zero.")
        chain = await self.market.chain()
        await self.market.require_usdc(units)
        salt = new_salt()
        valid_before = chain.now() + chain.constants.authorization_lifetime_seconds
        nonce = stake_nonce(self.market.address, salt)
        (await self.market.store()).put_stake(SignedStake(nonce=nonce, units=units, valid_before=valid_before))
        signature = await self.market.authorize(chain.contracts.reputation, units, nonce, valid_before)
        body = {
            "amount_units": str(units),
            "valid_after": 0,
            "valid_before": valid_before,
            "salt": hex0x(salt),
            "signature": signature,
        }
        return models.Intent.read(await self.market.transport.post("/stakes", body))

    async def ensure_stake(self, amount_units: int, *, limit_units: int) -> bool:
        """Stake what an escrow over `amount_units` still lacks and wait until it is mined.

        Returns whether the free stake now suffices; False when that would raise our stake above `limit_units`.
        Raises NotEnough when the wallet is short.
        """
        chain, held = await self.market.chain(), await self.market.balances()
        missing = required_stake(amount_units, chain.constants.stake_bps) - held.stake_free_units
        return missing <= 0 or await self.add_stake(missing, limit_units=limit_units)

    async def add_stake(self, units: int, *, limit_units: int) -> bool:
        """Stake more and wait until it is mined; return False when that would raise our stake above `limit_units`.

        How much that is the service alone does not decide: see `_at_stake`. Raises NotEnough when the wallet is short,
        Unreachable where an RPC of our own does not answer.
        """
        held = await self.market.balances()
        if await self._at_stake(held.staked_units) + units > limit_units:
            return False
        intent = await self.stake(units)
        await self.market.wait_landed(intent.id)
        # mined is not yet mirrored; what the service counts with is the mirror
        await self.market.wait_balances(lambda now: now.staked_units >= held.staked_units + units)
        return True

    async def _at_stake(self, told_units: int) -> int:
        """Return the most we may have staked.

        With an RPC of our own: what the chain has, and what was signed and may still be carried out. Else all that was
        ever signed here, or what the service says if that is more; stakes taken back since count as well then.
        """
        store, own = await self.market.store(), await self.market.own_chain()
        signed = store.stakes()
        if own is None:
            return max(told_units, sum(one.units for one in signed))
        us, now = self.market.address, (await self.market.chain()).now()
        pending = 0
        for one in signed:
            # asked before the sum of the chain is, so that one carried out in between is counted twice, not never
            if one.valid_before > now and not await own.authorization_used(us, one.nonce):
                pending += one.units
        return pending + await own.staked_units(us)

    # escrow -----------------------------------------------------------------------------------------------------------

    async def accept(self, deal: models.Deal) -> models.Deal:
        """Sign the acceptance of terms that are what we bid for. Raises TermsRefused or Mismatch otherwise."""
        chain = await self.market.chain()
        now = chain.now()
        terms = agreed_terms(deal, chain, now=now)
        require(terms.provider == self.market.address, "The terms name another agent.")
        message = Acceptance(
            escrow_id=terms.digest(chain.escrow),
            valid_until=min(terms.accept_by, now + chain.constants.authorization_lifetime_seconds),
        )
        body = {
            "escrow_id": hex0x(message.escrow_id),
            "valid_until": message.valid_until,
            "signature": self.market.sign(message, chain.escrow),
        }
        return await self.market.take_step(deal, "acceptance", body)

    async def start(self, deal: models.Deal) -> models.Deal:
        """Say that the work has begun."""
        return await self.market.take_step(deal, "start", {})

    async def deliver(self, deal: models.Deal, files: Sequence[models.StoredFile], salt: bytes) -> models.Deal:
        """Hand in stored files: `Submission` on the escrow path, `MicroDelivery` on the channel path.

        `salt` hides the content behind the hash on chain; the same files and salt again are the same deliverable.
        """
        chain = await self.market.chain()
        made = manifest([file.entry() for file in files], salt)
        digest = deliverable_hash(made)
        if deal.path == "escrow":
            return await self._submit(deal, made, digest)
        order = check_order(deal, chain)
        message = MicroDelivery(order_hash=order.digest(chain.marketplace), deliverable_hash=digest)
        body = {"manifest": made, "signature": self.market.sign(message, chain.marketplace)}
        return await self.market.take_step(deal, "delivery", body)

    async def _submit(self, deal: models.Deal, made: Manifest, digest: bytes) -> models.Deal:
        chain = await self.market.chain()
        terms = check_escrow(deal, chain)
        # a signature the relayer lost is not relayed again: the next one differs by its expiry
        lost = deal.last_intent is not None and deal.last_intent.kind == "submit"
        lifetime = chain.constants.authorization_lifetime_seconds
        message = Submission(
            escrow_id=terms.digest(chain.escrow),
            deliverable_hash=digest,
            valid_until=chain.now() + lifetime if lost else terms.deliver_by,
        )
        (await self.market.store()).put_submission(message.escrow_id)
        body = {
            "escrow_id": hex0x(message.escrow_id),
            "manifest": made,
            "valid_until": message.valid_until,
            "signature": self.market.sign(message, chain.escrow),
        }
        return await self.market.take_step(deal, "submission", body)

    async def give_back(self, deal: models.Deal, *, although_submitted: bool = False) -> models.Deal:
        """Return the work: `Refund` of the whole price, or `MicroReturn`. The buyer keeps or gets back his money.

        A result that was handed in to an escrow is given back only `although_submitted`, and with an RPC of our own
        only where the chain has a dispute of it that waits for an answer. Raises NotDue otherwise, Unreachable where
        that RPC does not answer.
        """
        chain = await self.market.chain()
        if deal.path == "channel":
            order = check_order(deal, chain)
            returned = MicroReturn(order_hash=order.digest(chain.marketplace))
            return await self.market.take_step(
                deal, "return", {"signature": self.market.sign(returned, chain.marketplace)}
            )
        terms = check_escrow(deal, chain)
        released = deal.escrow.released_units if deal.escrow else 0
        escrow_id = terms.digest(chain.escrow)
        if (await self.market.store()).submitted(escrow_id) or (deal.escrow and deal.escrow.chain_status in _HANDED_IN):
            await self._require_disputed(escrow_id, although_submitted)
        message = Refund(
            escrow_id=escrow_id,
            cumulative_refunded=terms.amount - released,
            valid_until=chain.now() + chain.constants.authorization_lifetime_seconds,
        )
        body = {
            "escrow_id": hex0x(message.escrow_id),
            "cumulative_refunded_units": str(message.cumulative_refunded),
            "valid_until": message.valid_until,
            "signature": self.market.sign(message, chain.escrow),
        }
        return await self.market.take_step(deal, "refund", body)

    async def _require_disputed(self, escrow_id: bytes, although_submitted: bool) -> None:
        if not although_submitted:
            raise NotDue("A result was handed in for this escrow; it is not given back. Nothing was signed.")
        own = await self.market.own_chain()
        if own is not None and (await own.state_of(escrow_id)).status != Status.CHALLENGED:
            raise NotDue("The chain has no dispute of this result that waits for an answer. Nothing was signed.")

    async def ask_claim(self, channel_id: bytes) -> ClaimWish:
        """Ask the operator to claim one of our channels now, not when it is old enough.

        Raises ProblemError `claim_not_worth` where it is not worth its gas; its text says how to claim without it.
        """
        path = f"/channels/{hex0x(channel_id)}/claim"
        return ClaimWish.read(await self.market.transport.post(path))

    # receipts ---------------------------------------------------------------------------------------------------------

    async def collect_receipts(self) -> list[models.Receipt]:
        """Fetch new receipts, check and store each, and only then acknowledge it.

        A receipt that could not be claimed is not acknowledged and holds up no other: when all were looked at,
        Mismatch is raised and names what is wrong, or a ClientError where acknowledging failed as well.
        """
        chain, store = await self.market.chain(), await self.market.store()
        taken: list[models.Receipt] = []
        failures: list[ClientError] = []
        async for receipt in self.market.receipts(unacknowledged=True):
            if receipt.config.receiver != self.market.address:
                continue  # as a buyer we see the receipts we pay
            try:
                await self._take_receipt(receipt, store, chain)
            except (Mismatch, ProblemError) as error:
                failures.append(error)
            else:
                taken.append(receipt)
        if failures:
            raise together(failures)
        return taken

    async def _take_receipt(self, receipt: models.Receipt, store: Store, chain: Chain) -> None:
        check_receipt(receipt, self.market.address, chain)
        before = max((r.total_claimed_units for r in store.receipts(receipt.channel_id)), default=0)
        if receipt.total_claimed_units > before and receipt.total_claimed_units < before + receipt.price_units:
            raise Mismatch(f"Receipt {receipt.id} pays less than its price over {checksum(receipt.config.payer)}.")
        store.add_receipt(receipt)
        await self.market.transport.post(f"/receipts/{receipt.id}/acknowledge")
