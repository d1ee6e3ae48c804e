"""What a buyer signs below $10: deposits by his wallet, orders and verdicts by his session key."""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import replace
from typing import Any, Final

from aicp.abi.typed_data import MicroOrder, MicroVerdict, PoolWithdraw, Voucher
from aicp.client import models
from aicp.client.chain import Chain
from aicp.client.errors import ClientError, Mismatch, NotEnough, ProblemError
from aicp.client.market import Market, new_salt
from aicp.client.pool_models import PoolMove
from aicp.client.store import SignedDeposit, SignedOrder
from aicp.client.verify import check_deal, check_deliverable, check_order, own_pool_id, require
from aicp.client.wallet import Wallet
from aicp.rules.ids import channel_id, marketplace_config, pool_deposit_nonce
from aicp.rules.primitives import checksum, format_usdc, hex0x

_ORDER_ATTEMPTS: Final = 3
_RECENT_TRANSACTIONS: Final = 200
_MOVE_SLACK_SECONDS: Final = 6 * 3600
"""How long after the longest wait for a withdrawal the deposit that follows it may still be sent."""


class PoolActions:
    """The buyer's pool and the micropayments from it."""

    def __init__(self, market: Market) -> None:
        self.market = market
        self._ordering = asyncio.Lock()

    async def session_key(self, operator: bytes) -> Wallet:
        """Return the session key of our pool with an operator, made and kept on first use."""
        chain, store = await self.market.chain(), await self.market.store()
        return store.make_session_key(chain.chain_id, self.market.address, operator)

    async def pool(self, operator: bytes | None = None) -> models.Pool | None:
        """Return our pool with an operator and our session key, if it exists; unless named, whom new pools name."""
        chain, store = await self.market.chain(), await self.market.store()
        operator = operator or chain.current_operator
        session = store.session_key(chain.chain_id, self.market.address, operator)
        if session is None:
            return None
        wanted = own_pool_id(self.market.address, session.address, operator, chain)
        return next((pool for pool in await self.market.pools() if pool.pool_id == wanted), None)

    async def deposit(self, units: int, operator: bytes | None = None) -> models.Intent:
        """Open or top up our pool by one signature, without gas. The signature commits to session key and operator:
        one that serves, or unless named, whom new pools name.

        A deposit of ours that is still under way, or whose answer was lost, is taken up instead of signing another one:
        the intent's reference says what is deposited. While an earlier signature may still be used, every new one
        carries the same nonce, which the token takes once.
        """
        chain, store = await self.market.chain(), await self.market.store()
        if not 0 < units <= chain.constants.pool_cap_units:
            raise NotEnough(f"A deposit is above 0 and at most {format_usdc(chain.constants.pool_cap_units)} USDC.")
        operator = operator or chain.current_operator
        require(operator in chain.serving_operators, "This operator no longer serves.")
        session = await self.session_key(operator)
        pool, now = own_pool_id(self.market.address, session.address, operator, chain), chain.now()
        kept = store.deposit(pool)
        known = None if kept is None else await self._intent_of(kept)
        if kept is not None and known is not None and not known.dead:
            if kept.intent_id is None:
                store.put_deposit(replace(kept, intent_id=known.id))
                return known
            if not known.landed:
                return known
            kept = None  # carried out, and we knew it: this is another deposit
        if kept is None or kept.valid_before <= now:
            kept, known = SignedDeposit(pool_id=pool, salt=new_salt(), units=units, valid_before=0), None
        if kept.valid_before == 0 or known is not None:
            await self._require_room(units, operator)
            lifetime = chain.constants.authorization_lifetime_seconds
            kept = replace(kept, units=units, valid_before=now + lifetime, intent_id=None)
        await self.market.require_usdc(kept.units)
        store.put_deposit(kept)
        return await self._send_deposit(kept, session, operator)

    async def _require_room(self, units: int, operator: bytes) -> None:
        """Raise NotEnough where a pool would hold more than what is meant to be at risk in one."""
        cap, found = (await self.market.chain()).constants.pool_cap_units, await self.pool(operator)
        room = cap - (0 if found is None else found.balance_latest_units)
        if units > room:
            raise NotEnough(
                f"A pool is meant for small change, {format_usdc(cap)} USDC in all: {format_usdc(max(room, 0))} fit in "
                "now."
            )

    async def _send_deposit(self, kept: SignedDeposit, session: Wallet, operator: bytes) -> models.Intent:
        chain, store = await self.market.chain(), await self.market.store()
        nonce = pool_deposit_nonce(kept.pool_id, kept.salt)
        signature = await self.market.authorize(chain.contracts.payment_channel, kept.units, nonce, kept.valid_before)
        body = {
            "payer_authorizer": checksum(session.address),
            "operator": checksum(operator),
            "amount_units": str(kept.units),
            "valid_after": 0,
            "valid_before": kept.valid_before,
            "salt": hex0x(kept.salt),
            "signature": signature,
        }
        intent = models.Intent.read(await self.market.transport.post("/pools/deposit", body))
        store.put_deposit(replace(kept, intent_id=intent.id))
        return intent

    async def _intent_of(self, kept: SignedDeposit) -> models.Intent | None:
        """Return the intent of a kept deposit: one that is or may be carried out before one that is dead."""
        if kept.intent_id is not None:
            try:
                return await self.market.intent(kept.intent_id)
            except ProblemError as error:
                if error.code != "not_found":
                    raise
        nonce, found = hex0x(pool_deposit_nonce(kept.pool_id, kept.salt)), None
        async for intent in self.market.transactions():
            if intent.kind == "pool_deposit" and intent.reference.get("nonce") == nonce:
                if not intent.dead:
                    return intent
                found = found or intent
        return found

    async def deposit_underway(self, operator: bytes | None = None) -> bool:
        """Return whether a deposit into our pool is on its way: not mined, not mirrored or not final yet."""
        chain, store = await self.market.chain(), await self.market.store()
        operator = operator or chain.current_operator
        session = store.session_key(chain.chain_id, self.market.address, operator)
        if session is None:
            return False
        pool = await self.pool(operator)
        if pool is not None and pool.balance_latest_units > pool.balance_final_units:
            return True
        mirrored = -1 if pool is None else pool.chain.block_number
        wanted = hex0x(own_pool_id(self.market.address, session.address, operator, chain))
        left = _RECENT_TRANSACTIONS
        async for intent in self.market.transactions():
            ours = intent.kind == "pool_deposit" and intent.reference.get("pool_id") == wanted and not intent.dead
            if ours and (intent.block_number is None or intent.block_number > mirrored):
                return True
            left -= 1
            if left == 0:
                break
        return False

    async def withdraw(self, pool: models.Pool, units: int, *, cancel: bool = False) -> models.Intent:
        """Ask money of a pool back, or cancel a pending withdrawal. It is paid after the pool's delay.

        Until then the pool takes no orders. Raises NotEnough for more than the pool holds.
        """
        if not cancel and units > pool.balance_latest_units:
            raise NotEnough(f"The pool holds {format_usdc(pool.balance_latest_units)} USDC.")
        body = await self._signed_withdrawal(pool, units, cancel=cancel)
        path = f"/pools/{hex0x(pool.pool_id)}/withdrawal"
        return models.Intent.read(await self.market.transport.post(path, body))

    async def _signed_withdrawal(self, pool: models.Pool, units: int, *, cancel: bool) -> dict[str, Any]:
        chain = await self.market.chain()
        require(
            own_pool_id(self.market.address, pool.payer_authorizer, pool.operator, chain) == pool.pool_id,
            "The pool is not ours.",
        )
        message = PoolWithdraw(
            pool_id=pool.pool_id,
            amount=0 if cancel else units,
            cancel=cancel,
            nonce=pool.nonce,
            valid_until=chain.now() + chain.constants.authorization_lifetime_seconds,
        )
        return {
            "amount_units": str(message.amount),
            "cancel": cancel,
            "nonce": pool.nonce,
            "valid_until": message.valid_until,
            "signature": self.market.sign(message, chain.channel),
        }

    async def move(self, pool: models.Pool, units: int | None = None) -> PoolMove:
        """Move a pool, or so much of it, to the operator whom new pools name, by two signatures and without gas.

        What is free leaves the pool, and the service deposits it again as soon as it has arrived. What is promised
        stays until it is claimed; repeating the call moves what has become free since. A move on its way is returned
        instead of signing another one.
        """
        chain = await self.market.chain()
        target = chain.current_operator
        require(pool.operator != target, "The pool is with the operator who serves now.")
        path = f"/pools/{hex0x(pool.pool_id)}/move"
        if pool.pending_withdraw_units:
            return PoolMove.read(await self.market.transport.get(path, auth=True))
        amount = min(pool.available_units, chain.constants.pool_cap_units) if units is None else units
        if amount <= 0:
            raise NotEnough("Nothing in this pool is free to move yet: agents claim first.")
        session, salt = await self.session_key(target), new_salt()
        nonce = pool_deposit_nonce(own_pool_id(self.market.address, session.address, target, chain), salt)
        before = chain.now() + chain.constants.pool_withdraw_delay_seconds + _MOVE_SLACK_SECONDS
        deposit = {
            "payer_authorizer": checksum(session.address),
            "operator": checksum(target),
            "amount_units": str(amount),
            "valid_after": 0,
            "valid_before": before,
            "salt": hex0x(salt),
            "signature": await self.market.authorize(chain.contracts.payment_channel, amount, nonce, before),
        }
        body = {"withdrawal": await self._signed_withdrawal(pool, amount, cancel=False), "deposit": deposit}
        return PoolMove.read(await self.market.transport.post(path, body))

    async def order(self, deal: models.Deal) -> models.Deal:
        """Order an awarded bid below the threshold with the session key: no wallet prompt, no gas, no chain.

        A voucher is added where the channel's ceiling must rise; it never exceeds the sum of our orders.
        """
        async with self._ordering:  # two orders of one channel would sign the same ceiling
            for attempt in range(1, _ORDER_ATTEMPTS + 1):
                try:
                    return await self._order(deal.id)
                except ProblemError as error:
                    if error.code != "ceiling_too_low" or attempt == _ORDER_ATTEMPTS:
                        raise
        raise ClientError("The order was not taken.")

    async def _order(self, deal_id: uuid.UUID) -> models.Deal:
        chain, store = await self.market.chain(), await self.market.store()
        # a pool stays with its operator until it is moved: the award says from which pool it is to be paid
        operator = (await self.market.deal(deal_id)).award.operator
        require(operator in chain.serving_operators, "The operator of this award no longer serves.")
        session = store.session_key(chain.chain_id, self.market.address, operator)
        if session is None:
            raise NotEnough("There is no pool yet; open one first.")
        # the ceiling counts on the channel of this very key: another browser's key has another pool and channel
        deal = await self.market.deal(deal_id, session_key=session.address)
        check_deal(deal, chain)
        require(deal.path == "channel" and deal.buyer == self.market.address, "This deal is not paid from our pool.")
        require(deal.award.operator == operator, "The operator of this award has changed.")
        config = marketplace_config(
            self.market.address, session.address, deal.agent, operator, chain.contracts.usdc, chain.constants
        )
        channel = channel_id(config, chain.channel)
        now = chain.now()
        # the order is for the bid: the same bid under another deal's id adds nothing to what we have ordered
        kept = store.order_of_bid(deal.bid.bid_hash) or store.order(deal.id)
        if kept is None or kept.channel_id != channel or kept.deliver_by < now + deal.bid.eta_seconds:
            place = deal.id if kept is None else kept.deal_id
            kept = _new_order(deal, place, channel, now, chain)
        require(kept.bid_hash == deal.bid.bid_hash and now <= deal.bid.valid_until, "The bid has expired or changed.")
        store.put_order(kept)
        message = MicroOrder(
            channel_id=channel,
            bid_hash=kept.bid_hash,
            price=kept.price_units,
            deliver_by=kept.deliver_by,
            evaluate_by=kept.evaluate_by,
        )
        body: dict[str, Any] = {
            "payer_authorizer": checksum(session.address),
            "price_units": str(message.price),
            "deliver_by": message.deliver_by,
            "evaluate_by": message.evaluate_by,
            "signature": hex0x(session.sign_digest(message.digest(chain.marketplace))),
        }
        side = deal.channel
        require(side is None or side.channel_id in {None, channel}, "The service names another channel than ours.")
        if side is None or side.need_units > side.ceiling_units:
            need = side.need_units if side else deal.price_units
            require(need <= store.ordered_units(channel), "The service asks for a ceiling above all our orders.")
            voucher = Voucher(channel_id=channel, max_claimable_amount=need)
            body["voucher"] = {
                "max_claimable_units": str(need),
                "signature": hex0x(session.sign_digest(voucher.digest(chain.channel))),
            }
        return await self.market.take_step(deal, "order", body)

    async def verdict(self, deal: models.Deal, *, accepted: bool, reason: int = 0) -> models.Deal:
        """Accept or reject a micro delivery with the session key. `reason` is 1..255 for a rejection, else 0."""
        if accepted == (reason != 0):
            raise ClientError("A rejection names its reason, an acceptance names none.")
        chain, store = await self.market.chain(), await self.market.store()
        order = check_order(deal, chain)
        session = store.session_key(chain.chain_id, self.market.address, deal.award.operator)
        if session is None:
            raise NotEnough("The session key of this order is not in this store.")
        deliverable = check_deliverable(deal, chain)
        message = MicroVerdict(
            order_hash=order.digest(chain.marketplace),
            deliverable_hash=deliverable,
            accepted=accepted,
            reason=reason,
        )
        body = {
            "deliverable_hash": hex0x(deliverable),
            "accepted": accepted,
            "reason": reason,
            "signature": hex0x(session.sign_digest(message.digest(chain.marketplace))),
        }
        return await self.market.take_step(deal, "verdict", body)


def _new_order(deal: models.Deal, place: uuid.UUID, channel: bytes, now: int, chain: Chain) -> SignedOrder:
    """Return an order for the deal's bid, kept under the id `place`."""
    deliver_by = now + int(deal.document["deliver_within_seconds"])
    evaluate_by = deliver_by + chain.constants.evaluation_seconds
    if evaluate_by - now > chain.constants.max_micro_seconds:
        raise Mismatch("This task is too long to be paid from a pool. Nothing was signed.")
    return SignedOrder(
        deal_id=place,
        channel_id=channel,
        bid_hash=deal.bid.bid_hash,
        price_units=deal.price_units,
        deliver_by=deliver_by,
        evaluate_by=evaluate_by,
    )
