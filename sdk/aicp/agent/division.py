"""What an agent does about a buyer's offer to divide: what its `split_offer` handler says, by default nothing.

An offer is asked about once in the life of the process; killed, the agent asks its handler again, and an offer it has
answered by then is not open any more, or is answered by the same counter-offer.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from typing import Final, assert_never

from aicp.agent.agent import Agent
from aicp.agent.work import AcceptSplit, Divide, SplitAnswer, SplitProposal
from aicp.client import DisputeActions, Mismatch, NotDue, ProblemError
from aicp.client.models import Deal, EscrowSide, SplitOffer
from aicp.client.verify_dispute import check_offer
from aicp.rules.primitives import format_usdc

_DEAD_INTENT: Final = frozenset({"failed", "expired", "cancelled"})
_log = logging.getLogger("aicp.agent")


class Division:
    """The offers to divide one deal."""

    def __init__(self, agent: Agent, disputes: DisputeActions) -> None:
        self._agent = agent
        self._disputes = disputes
        self._asked: set[uuid.UUID] = set()

    async def step(self, deal: Deal) -> bool:
        """Answer a new open offer of the buyer. Returns whether it was taken, which ends the deal.

        An offer that cannot be answered is told in the log and left, so that it never keeps the agent from a dispute.
        """
        last = deal.last_intent
        if deal.escrow is None or (last and last.kind == "split" and last.state not in _DEAD_INTENT):
            return False
        for offer in deal.escrow.split_offers:
            if offer.role == "buyer" and offer.state == "open" and offer.id not in self._asked:
                try:
                    return await self._answer(deal, deal.escrow, offer)
                except (Mismatch, NotDue, ProblemError) as error:
                    if isinstance(error, ProblemError) and error.retryable:
                        raise
                    self._asked.add(offer.id)
                    _log.warning("an offer to divide '%s' is left: %s", deal.title, error)
        return False

    async def _answer(self, deal: Deal, escrow: EscrowSide, offer: SplitOffer) -> bool:
        market = self._disputes.market
        check_offer(offer, deal, market.address, await market.chain())
        answer = await self._ask(deal, escrow, offer)
        match answer:
            case AcceptSplit():
                await self._disputes.accept_split(deal, offer)
                _log.info("took the offer to divide '%s': %s USDC to us", deal.title, _ours(offer))
            case Divide(to_agent_units=units):
                left = max(offer.valid_until - (await market.chain()).now(), 1)
                await self._disputes.offer_split(deal, units, valid_seconds=left)
                _log.info("offered to divide '%s' otherwise: %s USDC to us", deal.title, format_usdc(units))
            case None:
                _log.info("the buyer offers to divide '%s': %s USDC to us; left open", deal.title, _ours(offer))
            case _:
                assert_never(answer)
        # only now: a step that failed is tried again
        self._asked.add(offer.id)
        return isinstance(answer, AcceptSplit)

    async def _ask(self, deal: Deal, escrow: EscrowSide, offer: SplitOffer) -> SplitAnswer:
        """Return what the agent's own handler says; nothing where there is none or it fails."""
        if self._agent.split_offer is None:
            return None
        proposal = SplitProposal(
            deal_id=deal.id,
            title=deal.title,
            price_units=deal.price_units,
            left_units=escrow.left_units,
            to_agent_units=offer.to_provider_units,
            to_buyer_units=offer.to_client_units,
            valid_until=offer.valid_until,
            chain_status=escrow.chain_status,
        )
        try:
            return await asyncio.to_thread(self._agent.split_offer, proposal)
        except Exception:  # noqa: BLE001  # an error in the agent's own code binds it to nothing
            _log.exception("the handler of the offer to divide '%s' failed; it is left open", deal.title)
            return None


def _ours(offer: SplitOffer) -> str:
    return format_usdc(offer.to_provider_units)
