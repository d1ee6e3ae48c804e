"""Gets the money in: receipts onto our own disk, what waits in ledgers into the wallet, and claims where need be."""

from __future__ import annotations

import datetime as dt
import logging
import uuid
from collections.abc import AsyncIterator
from http import HTTPStatus
from typing import Final

from aicp.agent.agent import Options
from aicp.client import AgentActions, ClientError, ProblemError
from aicp.client.models import Intent, Receipt
from aicp.rules.primitives import format_usdc, parse_usdc

DIRECT_ABOVE_UNITS: Final = parse_usdc("5")
NEWEST: Final = 50
"""Transactions looked through after a restart; a withdrawal is signed for a quarter of an hour."""
DIRECT_AFTER: Final = dt.timedelta(minutes=10)
_log = logging.getLogger("aicp.agent")


class Collector:
    """Called again and again; each call does what is due."""

    def __init__(self, actions: AgentActions, options: Options) -> None:
        self._actions = actions
        self._options = options
        self._withdrawals: list[uuid.UUID] | None = None
        """Those that may still be mined; None until the service's list was asked."""

    async def collect(self) -> None:
        """Store new receipts, collect what waits in ledgers, and claim directly what the operator leaves lying."""
        failure = None
        try:
            for receipt in await self._actions.collect_receipts():
                _log.info("receipt stored: %s USDC", format_usdc(receipt.price_units))
            await self._withdraw()
        except ClientError as error:
            failure = error  # receipts are claimed directly above all when the service does not do its part
        if self._options.rpc_url is not None:
            await self._claim_overdue(self._options.rpc_url)
        if failure is not None:
            raise failure

    async def _withdraw(self) -> None:
        least = self._options.collect_from_units
        if least is None:
            return
        underway = self._withdrawals = await self._pending()
        if underway:
            return
        async for intent in self._actions.market.collect(least):
            underway.append(intent.id)
            _log.info("collecting %s USDC", format_usdc(int(intent.reference["amount_units"])))

    async def _pending(self) -> list[uuid.UUID]:
        """Return the earlier withdrawals that may still be mined; after a restart the service's list tells."""
        if self._withdrawals is None:
            return [intent.id async for intent in self._open_withdrawals()]
        return [known for known in self._withdrawals if await self._open(known)]

    async def _open(self, known: uuid.UUID) -> bool:
        try:
            intent = await self._actions.market.intent(known)
        except ProblemError as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise
            return False  # another service, or one that began anew
        return not (intent.landed or intent.dead)

    async def _open_withdrawals(self) -> AsyncIterator[Intent]:
        seen = 0
        async for intent in self._actions.market.transactions():
            if intent.kind == "withdraw" and not (intent.landed or intent.dead):
                yield intent
            seen += 1
            if seen == NEWEST:
                return

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
