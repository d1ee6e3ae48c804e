"""What a buyer signs below $10: deposits by his wallet, orders and verdicts by his session key."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from aicp.abi.typed_data import MicroOrder, MicroVerdict, PoolWithdraw, Voucher
from aicp.client import models
from aicp.client.chain import Chain
from aicp.client.errors import ClientError, Mismatch, NotEnough, ProblemError
from aicp.client.market import Market, new_salt
from aicp.client.store import SignedOrder
from aicp.client.verify import check_deal, check_deliverable, check_order, own_pool_id, require
from aicp.client.wallet import Wallet
from aicp.rules.ids import channel_id, marketplace_config, pool_deposit_nonce
from aicp.rules.primitives import checksum, format_usdc, hex0x

_ORDER_ATTEMPTS: Final = 3


class PoolActions:
    """The buyer's pool and the micropayments from it."""

    def __init__(self, market: Market) -> None:
        self.market = market
        self._ordering = asyncio.Lock()

    async def session_key(self, operator: bytes) -> Wallet:
        """Return the session key of our pool with an operator, made and kept on first use."""
        chain, store = await self.market.chain(), await self.market.store()
        return store.make_session_key(chain.chain_id, self.market.address, operator)

    async def pool(self) -> models.Pool | None:
        """Return our pool with the serving operator and our session key, if it exists."""
        chain, store = await self.market.chain(), await self.market.store()
        session = store.session_key(chain.chain_id, self.market.address, chain.current_operator)
        if session is None:
            return None
        wanted = own_pool_id(self.market.address, session.address, chain.current_operator, chain)
        return next((pool for pool in await self.market.pools() if pool.pool_id == wanted), None)

    async def deposit(self, units: int) -> models.Intent:
        """Open or top up our pool by one signature, without gas. The signature commits to session key and operator."""
        chain = await self.market.chain()
        if not 0 < units <= chain.constants.pool_cap_units:
            raise NotEnough(f"A deposit is above 0 and at most {format_usdc(chain.constants.pool_cap_units)} USDC.")
        await self.market.require_usdc(units)
        operator = chain.current_operator
        session = await self.session_key(operator)
        pool, salt = own_pool_id(self.market.address, session.address, operator, chain), new_salt()
        valid_before = chain.now() + chain.constants.authorization_lifetime_seconds
        signature = await self.market.authorize(
            chain.contracts.payment_channel, units, pool_deposit_nonce(pool, salt), valid_before
        )
        body = {
            "payer_authorizer": checksum(session.address),
            "operator": checksum(operator),
            "amount_units": str(units),
            "valid_after": 0,
            "valid_before": valid_before,
            "salt": hex0x(salt),
            "signature": signature,
        }
        return models.Intent.read(await self.market.transport.post("/pools/deposit", body))

    async def withdraw(self, pool: models.Pool, units: int, *, cancel: bool = False) -> models.Intent:
        """Ask money of a pool back, or cancel a pending withdrawal. It is paid after the pool's delay."""
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
        body = {
            "amount_units": str(message.amount),
            "cancel": cancel,
            "nonce": pool.nonce,
            "valid_until": message.valid_until,
            "signature": self.market.sign(message, chain.channel),
        }
        path = f"/pools/{hex0x(pool.pool_id)}/withdrawal"
        return models.Intent.read(await self.market.transport.post(path, body))

    async def order(self, deal: models.Deal) -> models.Deal:
        """Order an awarded bid below the threshold with the session key: no wallet prompt, no gas, no chain.

        A voucher is added where the channel's ceiling must rise; it never exceeds the sum of our orders.
        """
        async with self._ordering:  # two orders of one channel would sign the same ceiling
            for attempt in range(1, _ORDER_ATTEMPTS + 1):
                try:
                    return await self._order(deal)
                except ProblemError as error:
                    if error.code != "ceiling_too_low" or attempt == _ORDER_ATTEMPTS:
                        raise
                    deal = await self.market.deal(deal.id)
        raise ClientError("The order was not taken.")

    async def _order(self, deal: models.Deal) -> models.Deal:
        chain, store = await self.market.chain(), await self.market.store()
        check_deal(deal, chain)
        require(deal.path == "channel" and deal.buyer == self.market.address, "This deal is not paid from our pool.")
        operator = deal.award.operator
        session = store.session_key(chain.chain_id, self.market.address, operator)
        if session is None:
            raise NotEnough("There is no pool yet; open one first.")
        config = marketplace_config(
            self.market.address, session.address, deal.agent, operator, chain.contracts.usdc, chain.constants
        )
        channel = channel_id(config, chain.channel)
        now = chain.now()
        kept = store.order(deal.id)
        if kept is None or kept.channel_id != channel or kept.deliver_by < now + deal.bid.eta_seconds:
            kept = _new_order(deal, channel, now, chain)
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
        if side is None or side.need_units > side.ceiling_units:
            need = side.need_units if side else deal.price_units
            require(need <= store.ordered_units(channel), "The service asks for a ceiling above all our orders.")
            voucher = Voucher(channel_id=channel, max_claimable_amount=need)
            body["voucher"] = {
                "max_claimable_units": str(need),
                "signature": hex0x(session.sign_digest(voucher.digest(chain.channel))),
            }
        return await self._act(deal, "order", body)

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
        return await self._act(deal, "verdict", body)

    async def _act(self, deal: models.Deal, step: str, body: dict[str, Any]) -> models.Deal:
        return models.Deal.read(await self.market.transport.post(f"/deals/{deal.id}/{step}", body))


def _new_order(deal: models.Deal, channel: bytes, now: int, chain: Chain) -> SignedOrder:
    deliver_by = now + int(deal.document["deliver_within_seconds"])
    evaluate_by = deliver_by + chain.constants.evaluation_seconds
    if evaluate_by - now > chain.constants.max_micro_seconds:
        raise Mismatch("This task is too long to be paid from a pool. Nothing was signed.")
    return SignedOrder(
        deal_id=deal.id,
        channel_id=channel,
        bid_hash=deal.bid.bid_hash,
        price_units=deal.price_units,
        deliver_by=deliver_by,
        evaluate_by=evaluate_by,
    )
