"""What an agent does about a result it has handed in: signs its release beside a verifier, and answers a dispute.

A dispute is answered once, by what the agent's `dispute` handler says or by `default_reaction`. Silence would cost the
whole stake of the deal, and a service that lies could invent a dispute, its fee, or hide it. So:
- nothing is given back for lack of knowledge: an unknown fee is waited for, late in the time to answer told loudly;
- with an RPC of the agent's own, the chain says whether there is a dispute, until when, what the arbiter asks and what
  the agent holds, and an answer that is not on chain late in that time is sent by the agent itself;
- without one, a result is given back only where the handler says so.
Killed at any point, it looks again: an answer under way shows in the deal, and the same step is not signed for twice
while it is.
"""

from __future__ import annotations

import asyncio
import logging
import tempfile
from pathlib import Path
from typing import Final, assert_never

from aicp.abi.enums import Status
from aicp.agent.agent import Agent, Options
from aicp.agent.saying import SaidOnce
from aicp.agent.standing import Standing, standing_of
from aicp.agent.work import Answer, DisputeCase, Divide, GiveBack, KeepSilent, Reaction
from aicp.client import AgentActions, DisputeActions, Mismatch, NotDue, Unreachable
from aicp.client.models import Deal, EscrowSide
from aicp.client.verify import check_escrow
from aicp.client.verify_dispute import check_evidence
from aicp.rules.ledgers import LedgerName
from aicp.rules.primitives import ZERO_ADDRESS, checksum, format_usdc, hex0x

_DEAD_INTENT: Final = frozenset({"failed", "expired", "cancelled"})
_ANSWERS: Final = frozenset({"respond", "refund", "split"})
_log = logging.getLogger("aicp.agent")


def worth_answering(fee_units: int, left_units: int, bond_limit_units: int) -> bool:
    """Return whether the arbiter's fee is within the limit and below what is at stake."""
    return fee_units <= bond_limit_units and fee_units < left_units


def default_reaction(case: DisputeCase, bond_limit_units: int) -> Reaction | None:
    """Answer a dispute that is worth its fee, else give the money back; None while the fee is not known.

    Giving back at once costs a tenth of the deal's stake, silence and a lost dispute all of it.
    """
    if case.bond_units is None:
        return None
    if not worth_answering(case.bond_units, case.left_units, bond_limit_units):
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
        self._gave_back = False
        self._handed_in: Deal | None = None
        self._once = SaidOnce(_log)

    async def step(self, deal: Deal) -> None:
        """Do what is due about a delivered or disputed deal."""
        if deal.escrow is None or await self.answer_directly_if_late(deal):
            return
        if deal.escrow.chain_status == "submitted":
            await self._sign_release(deal, deal.escrow)
        elif deal.escrow.chain_status == "challenged":
            await self._react(deal, deal.escrow)

    async def _ours(self, deal: Deal) -> Deal:
        """Return the deal as it was when its result was handed in, whatever terms are shown later."""
        if deal.escrow is not None and (await self._actions.market.store()).submitted(deal.escrow.escrow_id):
            self._handed_in = deal
        return self._handed_in or deal

    async def open_on_chain(self, deal: Deal) -> bool:
        """Return whether a deal the service calls over still waits on chain for its result to be accepted or defended.

        Without an RPC of our own nobody can be asked. Raises Unreachable where that does not answer.
        """
        own, deal = await self._actions.market.own_chain(), await self._ours(deal)
        if own is None or deal.escrow is None:
            return False
        state = await own.state_of(deal.escrow.escrow_id)
        if state.status not in {Status.SUBMITTED, Status.CHALLENGED, Status.DISPUTED}:
            return False
        self._once.say(logging.WARNING, f"the service calls '{deal.title}' over, but the chain does not")
        await self.answer_directly_if_late(deal)
        return True

    async def answer_directly_if_late(self, deal: Deal) -> bool:
        """Answer a dispute ourselves, for our own gas, when no answer is on chain close to the end of the time for it.

        Only the chain is asked, so this needs no service and no word of it. Returns whether it was answered.
        """
        market, limit = self._actions.market, self._options.dispute_bond_limit_units
        own, chain, deal = await market.own_chain(), await market.chain(), await self._ours(deal)
        if own is None or deal.escrow is None or self._silent or self._gave_back:
            return False
        terms = check_escrow(deal, chain)
        try:
            found = await standing_of(own, deal.escrow.escrow_id, terms)
        except Unreachable as error:
            self._once.say(logging.WARNING, f"whether '{deal.title}' is disputed cannot be seen on chain: {error}")
            return False
        margin = min(chain.constants.submit_directly_before_seconds, terms.challenge_period // 4)
        if found is None or not found.respond_by - margin <= chain.now() < found.respond_by:
            return False
        fee = found.fee_units
        if fee is None or not worth_answering(fee, found.left_units, limit):
            self._once.say(logging.ERROR, f"the dispute over '{deal.title}' is not answered: its fee is {fee}")
            return False
        await own.respond(terms, bond_limit_units=limit)
        _log.warning("answered the dispute over '%s' directly", deal.title)
        return True

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
        market = self._actions.market
        own, chain = await market.own_chain(), await market.chain()
        seen: Standing | None = None
        if own is not None:
            try:
                seen = await standing_of(own, escrow.escrow_id, check_escrow(deal, chain))
            except Unreachable as error:  # an answer is bounded by its limit; giving back waits for the chain
                _log.warning("the dispute over '%s' cannot be seen on chain: %s", deal.title, error)
            else:
                if seen is None:
                    raise NotDue("The service shows a dispute the chain does not have. Nothing was signed.")
        case = await self._case(deal, escrow, seen)
        late = chain.now() >= case.respond_by - (case.respond_by - case.raised_at) // 4
        offered = any(one.role == "agent" and one.state == "open" for one in escrow.split_offers)
        if offered and not late:
            return  # the buyer still has time to take it
        if case.bond_units is None and not late:
            self._once.say(logging.WARNING, f"'{deal.title}' is disputed; waiting until the arbiter's fee is known")
            return
        default = default_reaction(case, self._options.dispute_bond_limit_units)
        asked = None if offered else await self._ask(case)
        await self._carry_out(deal, case, asked or default, seen, wished=asked is not None)

    async def _case(self, deal: Deal, escrow: EscrowSide, seen: Standing | None) -> DisputeCase:
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
            left_units=escrow.left_units if seen is None else seen.left_units,
            bond_units=escrow.dispute_fee_units if seen is None else seen.fee_units,
            raised_at=dispute.raised_at,
            respond_by=dispute.respond_by if seen is None else seen.respond_by,
            claim="" if said is None else said.claim,
            evidence=() if said is None else tuple(said.files),
            deliverable_hash=deal.deliverable.deliverable_hash,
        )

    async def _ask(self, case: DisputeCase) -> Reaction | None:
        """Return what the agent's own handler says; None where there is none or it fails."""
        if self._agent.dispute is None:
            return None
        try:
            return await asyncio.to_thread(self._agent.dispute, case)
        except Exception:  # noqa: BLE001  # an error in the agent's own code must not cost its stake
            _log.exception("the handler of the dispute over '%s' failed; the default rule decides", case.title)
            return None

    async def _carry_out(
        self, deal: Deal, case: DisputeCase, reaction: Reaction | None, seen: Standing | None, *, wished: bool
    ) -> None:
        match reaction:
            case Answer():
                await self._answer(deal, case, reaction, seen)
            case Divide(to_agent_units=units):
                seconds = max(case.respond_by - (await self._actions.market.chain()).now(), 1)
                await self._disputes.offer_split(deal, units, valid_seconds=seconds)
                _log.info("offered to divide '%s': %s USDC to us", deal.title, format_usdc(units))
            case GiveBack():
                await self._give_back(deal, "", seen, wished=wished)
            case KeepSilent():
                self._silent = True
                _log.warning("the dispute over '%s' is left unanswered, as its handler says", deal.title)
            case None:
                self._once.say(
                    logging.ERROR,
                    f"THE DISPUTE OVER '{deal.title}' IS NOT ANSWERED: the arbiter's fee is not known. Answer it with "
                    f"`aicp deal respond --rpc`, or {checksum(deal.agent)} loses the deal and its stake",
                )
            case _:
                assert_never(reaction)

    async def _answer(self, deal: Deal, case: DisputeCase, answer: Answer, seen: Standing | None) -> None:
        limit, fee = self._options.dispute_bond_limit_units, case.bond_units
        if fee is None:
            await self._carry_out(deal, case, None, seen, wished=False)
            return
        if seen is None:
            held = await self._actions.market.balances()
            wallet, ledger = held.usdc_units, held.ledger(LedgerName.ESCROW).units
        else:
            wallet, ledger = seen.wallet_units, seen.ledger_units
        if fee > limit or max(wallet, ledger) < fee:
            why = "the arbiter's fee is above the limit, or more than we have"
            await self._give_back(deal, why, seen, wished=False)
            return
        with tempfile.TemporaryDirectory() as scratch:
            files = [_write(Path(scratch) / Path(name).name, content) for name, content in answer.files.items()]
            await self._disputes.respond(deal, answer.claim, files, bond_limit_units=limit, from_balance=wallet < fee)
        _log.info("answered the dispute over '%s' (%s)", deal.title, hex0x(case.deliverable_hash))

    async def _give_back(self, deal: Deal, why: str, seen: Standing | None, *, wished: bool) -> None:
        if seen is None and not wished:
            self._once.say(
                logging.ERROR,
                f"THE DISPUTE OVER '{deal.title}' IS NOT ANSWERED: the service says that it costs too much, and no RPC "
                "of the agent's own (--rpc) confirms it. Nothing is given back on the service's word; look at the "
                "deal, and answer it, divide, or let the `dispute` handler give it back",
            )
            return
        await self._actions.give_back(deal, although_submitted=True)
        self._gave_back = True
        _log.warning("gave the disputed '%s' back%s", deal.title, f": {why}" if why else "")


def _write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path
