"""Gets the money in: receipts onto our own disk, released escrows into the wallet, and both directly where need be."""

from __future__ import annotations

import datetime as dt
import logging
import uuid
from typing import Final

from aicp.agent.agent import Options
from aicp.client import AgentActions
from aicp.client.models import Receipt
from aicp.rules.primitives import format_usdc, parse_usdc

DIRECT_ABOVE_UNITS: Final = parse_usdc("5")
DIRECT_AFTER: Final = dt.timedelta(minutes=10)
_log = logging.getLogger("aicp.agent")


class Collector:
    """Called again and again; each call does what is due."""

    def __init__(self, actions: AgentActions, options: Options) -> None:
        self._actions = actions
        self._options = options
        self._withdrawal: uuid.UUID | None = None

    async def collect(self) -> None:
        """Store new receipts, withdraw released money, and claim directly what the operator leaves lying."""
        for receipt in await self._actions.collect_receipts():
            _log.info("receipt stored: %s USDC", format_usdc(receipt.price_units))
        await self._withdraw()
        if self._options.rpc_url is not None:
            await self._claim_overdue(self._options.rpc_url)

    async def _withdraw(self) -> None:
        least = self._options.collect_from_units
        if least is None or await self._pending():
            return
        market = self._actions.market
        held = await market.balances()
        if held.escrow_ledger_units == 0 or held.escrow_ledger_units < least:
            return
        intent = await market.withdraw()
        if intent is not None:
            self._withdrawal = intent.id
            _log.info("collecting %s USDC", format_usdc(held.escrow_ledger_units))

    async def _pending(self) -> bool:
        """Return whether an earlier withdrawal may still be mined; after a restart the service's list tells."""
        market = self._actions.market
        if self._withdrawal is not None:
            intent = await market.intent(self._withdrawal)
            if intent.landed or intent.dead:
                self._withdrawal = None
            return self._withdrawal is not None
        async for intent in market.transactions():
            if intent.landed:
                return False  # newest first: whatever is older was nonced before it
            if "withdraw" in intent.kind.lower() and not intent.dead:
                self._withdrawal = intent.id
                return True
        return False

    async def _claim_overdue(self, rpc_url: str) -> None:
        store, chain = await self._actions.market.store(), await self._actions.market.chain()
        now = dt.datetime.now(dt.UTC)
        from aicp.client.direct import DirectChain  # web3 is slow to load

        direct = DirectChain(rpc_url, self._actions.market.wallet, chain)
        for receipt in store.best_receipts():
            claimed = await direct.claimed_units(receipt.channel_id)
            open_units = receipt.total_claimed_units - claimed
            if open_units > 0 and _overdue(receipt, open_units, now):
                await direct.claim(receipt)
                _log.info("claimed %s USDC directly", format_usdc(open_units))


def _overdue(receipt: Receipt, open_units: int, now: dt.datetime) -> bool:
    return open_units >= DIRECT_ABOVE_UNITS or now - receipt.created_at > DIRECT_AFTER
