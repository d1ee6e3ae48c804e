"""What an agent does about a result it has handed in: signs its release beside a verifier, and answers a dispute.

A dispute is answered once, by what the agent's `dispute` handler says or by `default_reaction`. Silence would cost the
whole stake of the deal, so nothing here ends in silence unless the handler asks for it. Killed at any point, it looks
again: an answer under way shows in the deal, and the same step is not signed for twice while it is.
"""

from __future__ import annotations

import asyncio
import logging
import tempfile
from pathlib import Path
from typing import Final, assert_never

from aicp.agent.agent import Agent, Options
from aicp.agent.work import Answer, DisputeCase, Divide, GiveBack, KeepSilent, Reaction
from aicp.client import AgentActions, DisputeActions, Mismatch
from aicp.client.models import Deal, EscrowSide
from aicp.client.verify_dispute import check_evidence
from aicp.rules.primitives import ZERO_ADDRESS, format_usdc, hex0x

_DEAD_INTENT: Final = frozenset({"failed", "expired", "cancelled"})
_ANSWERS: Final = frozenset({"respond", "refund", "split"})
_log = logging.getLogger("aicp.agent")


def default_reaction(case: DisputeCase, bond_limit_units: int) -> Reaction:
    """Answer where the arbiter's fee is within the limit and below what is at stake; else give the money back.

    Giving back at once costs a tenth of the deal's stake, silence and a lost dispute all of it.
    """
    fee = case.bond_units
    if fee is None or fee > bond_limit_units or fee >= case.left_units:
        return GiveBack()
    return Answer("The work was done as agreed and delivered in time; the result is the one submitted on chain.")


class Defence:
    """What is done about one deal's result."""

    def __init__(self, agent: Agent, actions: AgentActions, options: Options) -> None:
        self._agent = agent
        self._actions = actions
        self._disputes = DisputeActions(actions.market)
        self._options = options
        self._silent = False

    async def step(self, deal: Deal) -> None:
        """Do what is due about a delivered or disputed deal."""
        if deal.escrow is None:
            return
        if deal.escrow.chain_status == "submitted":
            await self._sign_release(deal, deal.escrow)
        elif deal.escrow.chain_status == "challenged":
            await self._react(deal, deal.escrow)

    async def _sign_release(self, deal: Deal, escrow: EscrowSide) -> None:
        """Sign what pays us, so that the verifier's signature is enough."""
        chain = await self._actions.market.chain()
        live = [one for one in escrow.release_signatures if one.role == "agent" and one.valid_until > chain.now()]
        signed = any(one.cumulative_released_units > escrow.released_units for one in live)
        if escrow.terms.verifier != ZERO_ADDRESS and not signed:
            await self._disputes.sign_release(deal)
            _log.info("signed the release of '%s'; the verifier's signature pays it", deal.title)

    async def _react(self, deal: Deal, escrow: EscrowSide) -> None:
        last = deal.last_intent
        if self._silent or (last and last.kind in _ANSWERS and last.state not in _DEAD_INTENT):
            return
        case = await self._case(deal, escrow)
        offered = any(one.role == "agent" and one.state == "open" for one in escrow.split_offers)
        now = (await self._actions.market.chain()).now()
        if offered and now < case.respond_by - (case.respond_by - case.raised_at) // 4:
            return  # the buyer still has time to take it
        reaction = default_reaction(case, self._options.dispute_bond_limit_units) if offered else await self._ask(case)
        await self._carry_out(deal, case, reaction)

    async def _case(self, deal: Deal, escrow: EscrowSide) -> DisputeCase:
        dispute = escrow.dispute
        if dispute is None or deal.deliverable is None:
            raise Mismatch("The service shows no dispute, or no result, of a disputed deal. Nothing was signed.")
        chain = await self._actions.market.chain()
        said = next((one for one in dispute.evidence if one.role == "buyer"), None)
        if said is not None:
            check_evidence(said, deal, chain)
        return DisputeCase(
            deal_id=deal.id,
            title=deal.title,
            price_units=deal.price_units,
            left_units=escrow.left_units,
            bond_units=escrow.dispute_fee_units,
            raised_at=dispute.raised_at,
            respond_by=dispute.respond_by,
            claim="" if said is None else said.claim,
            evidence=() if said is None else tuple(said.files),
            deliverable_hash=deal.deliverable.deliverable_hash,
        )

    async def _ask(self, case: DisputeCase) -> Reaction:
        """Return what the agent's own handler says; the default where there is none or it fails."""
        default = default_reaction(case, self._options.dispute_bond_limit_units)
        if self._agent.dispute is None:
            return default
        try:
            return await asyncio.to_thread(self._agent.dispute, case)
        except Exception:  # noqa: BLE001  # an error in the agent's own code must not cost its stake
            _log.exception("the handler of the dispute over '%s' failed; the default rule decides", case.title)
            return default

    async def _carry_out(self, deal: Deal, case: DisputeCase, reaction: Reaction) -> None:
        match reaction:
            case Answer():
                await self._answer(deal, case, reaction)
            case Divide(to_agent_units=units):
                seconds = max(case.respond_by - (await self._actions.market.chain()).now(), 1)
                await self._disputes.offer_split(deal, units, valid_seconds=seconds)
                _log.info("offered to divide '%s': %s USDC to us", deal.title, format_usdc(units))
            case GiveBack():
                await self._give_back(deal, "")
            case KeepSilent():
                self._silent = True
                _log.warning("the dispute over '%s' is left unanswered, as its handler says", deal.title)
            case _:
                assert_never(reaction)

    async def _answer(self, deal: Deal, case: DisputeCase, answer: Answer) -> None:
        limit, fee = self._options.dispute_bond_limit_units, case.bond_units
        held = await self._actions.market.balances()
        if fee is None or fee > limit or max(held.usdc_units, held.escrow_ledger_units) < fee:
            await self._give_back(deal, "the arbiter's fee is not known, above the limit, or more than we have")
            return
        with tempfile.TemporaryDirectory() as scratch:
            files = [_write(Path(scratch) / Path(name).name, content) for name, content in answer.files.items()]
            await self._disputes.respond(
                deal, answer.claim, files, bond_limit_units=limit, from_balance=held.usdc_units < fee
            )
        _log.info("answered the dispute over '%s' (%s)", deal.title, hex0x(case.deliverable_hash))

    async def _give_back(self, deal: Deal, why: str) -> None:
        await self._actions.give_back(deal)
        _log.warning("gave the disputed '%s' back%s", deal.title, f": {why}" if why else "")


def _write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path
