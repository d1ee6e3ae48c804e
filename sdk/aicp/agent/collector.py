"""Gets the money in: receipts onto our own disk, what waits in ledgers into the wallet, and claims where need be."""

from __future__ import annotations

import datetime as dt
import logging
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from aicp.agent.agent import Options
from aicp.client import AgentActions, ClientError, ProblemError
from aicp.client.errors import together
from aicp.client.models import Intent, Receipt
from aicp.rules.primitives import format_usdc, parse_usdc

if TYPE_CHECKING:
    from aicp.client.direct import DirectChain

DIRECT_ABOVE_UNITS: Final = parse_usdc("5")
NEWEST: Final = 50
"""Transactions looked through after a restart; a withdrawal is signed for a quarter of an hour."""
DIRECT_AFTER: Final = dt.timedelta(minutes=10)
FIRST_PAUSE: Final = dt.timedelta(minutes=1)
LONGEST_PAUSE: Final = dt.timedelta(hours=1)
_log = logging.getLogger("aicp.agent")


@dataclass(frozen=True, slots=True)
class _Refusal:
    """A claim that was refused is tried again after a pause, the next one after twice as long."""

    pause: dt.timedelta
    until: dt.datetime


class Collector:
    """Called again and again; each call does what is due."""

    def __init__(self, actions: AgentActions, options: Options) -> None:
        self._actions = actions
        self._options = options
        self._withdrawals: list[uuid.UUID] | None = None
        """Those that may still be mined; None until the service's list was asked."""
        self._direct: DirectChain | None = None
        self._refused: dict[bytes, _Refusal] = {}
        """Channels whose claim was refused last time."""

    async def collect(self) -> None:
        """Store new receipts, collect what waits in ledgers, and claim directly what the operator leaves lying.

        No step waits for another one that fails; what failed is raised at the end, as one error of all.
        """
        steps: list[Callable[[], Awaitable[None]]] = [self._take_receipts, self._withdraw]
        if self._options.rpc_url is not None:
            steps.append(partial(self._claim_overdue, self._options.rpc_url))
        failures = []
        for step in steps:
            try:
                await step()
            except ClientError as error:
                failures.append(error)
        if failures:
            raise together(failures)

    async def _take_receipts(self) -> None:
        for receipt in await self._actions.collect_receipts():
            _log.info("receipt stored: %s USDC", format_usdc(receipt.price_units))

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
        """Claim every receipt that is overdue. One that is refused is left alone for a while and holds up no other."""
        store, direct, now = await self._actions.market.store(), await self._own_chain(rpc_url), dt.datetime.now(dt.UTC)
        failures: list[ClientError] = []
        for receipt in store.best_receipts():
            channel = receipt.channel_id
            if channel in self._refused and now < self._refused[channel].until:
                continue
            try:
                open_units = receipt.total_claimed_units - await direct.claimed_units(channel)
                if open_units > 0 and _overdue(receipt, open_units, now):
                    await direct.claim(receipt)
                    _log.info("claimed %s USDC directly", format_usdc(open_units))
            except ClientError as error:
                failures.append(error)
                self._refused[channel] = _later(self._refused.get(channel), now)
            else:
                self._refused.pop(channel, None)
        if failures:
            raise together(failures)

    async def _own_chain(self, rpc_url: str) -> DirectChain:
        if self._direct is None:
            from aicp.client.direct import DirectChain  # web3 is slow to load

            market = self._actions.market
            self._direct = DirectChain(rpc_url, market.wallet, await market.chain())
        return self._direct


def _later(before: _Refusal | None, now: dt.datetime) -> _Refusal:
    pause = FIRST_PAUSE if before is None else min(2 * before.pause, LONGEST_PAUSE)
    return _Refusal(pause, now + pause)


def _overdue(receipt: Receipt, open_units: int, now: dt.datetime) -> bool:
    return open_units >= DIRECT_ABOVE_UNITS or now - receipt.created_at > DIRECT_AFTER
