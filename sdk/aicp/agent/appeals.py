"""What an agent does when a buyer appeals in a dispute that the votes do not give him: it pays its side, or has lost.

The buyer pays first; the agent then has until the period ends, and loses price and stake by silence, whatever the votes
were. So:
- it pays what its handler says, by default what costs no more than silence would, once a round;
- the payment is signed for the service to relay and tried again until it is on chain; with an RPC of the agent's own,
  one that is not there late in the time is sent by the agent itself;
- whatever keeps it from paying is told loudly, and looked at again each time.
Nothing is remembered that a restart would need: what is missing is read from the chain or the service, and the salt of
a payment follows from dispute and round, so the token takes one at most, and the arbiter no more than is missing.
A service that lies can make the agent pay for its own side of this dispute, no more than the bound, and the arbiter
gives back what no panel costs.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from aicp.abi.enums import Status
from aicp.abi.typed_data import EscrowTerms
from aicp.agent.agent import Agent, Options
from aicp.agent.saying import SaidOnce
from aicp.agent.work import AppealCase, AppealReaction, FundAppeal
from aicp.client import Appeals, ClientError, DisputeActions, Market, NotDue, ProblemError, Unreachable, dispute_models
from aicp.client.models import Deal, EscrowSide
from aicp.client.verify_dispute import escrow_of
from aicp.rules.appeals import Appeal, AppealSide
from aicp.rules.ids import dispute_extra, dispute_id
from aicp.rules.primitives import checksum, format_usdc, keccak

_VERDICTS: Final = ("neither", "buyer", "agent")
_BUYER: Final = 1
_log = logging.getLogger("aicp.agent")


def answer_appeals(case: AppealCase) -> AppealReaction:
    """Pay for an appeal that costs no more than not answering it would."""
    return FundAppeal() if case.cost_units <= case.at_stake_units else None


def appeal_salt(dispute: int, round_number: int) -> bytes:
    """Return the salt of an agent's payment against a round: always the same, so that it is taken once."""
    return keccak(b"aicp agent's answer to an appeal" + dispute.to_bytes(32) + round_number.to_bytes(32))


class AppealAnswers:
    """The appeals of one deal."""

    def __init__(self, agent: Agent, market: Market, options: Options) -> None:
        self._agent = agent
        self._market = market
        self._disputes = DisputeActions(market)
        self._rpc_url = options.rpc_url
        self._arbiter: Appeals | None = None
        self._once = SaidOnce(_log)
        self._decided: dict[int, AppealReaction] = {}
        self._not_before = 0

    async def step(self, deal: Deal) -> None:
        """Answer the open appeal of a deal, if it has one that waits for us."""
        if deal.escrow is None or (deal.escrow.chain_status != "disputed" and self._rpc_url is None):
            return
        terms, escrow = escrow_of(deal, await self._market.chain())
        seen = await self._on_chain(deal, escrow, terms)
        open_now = seen or _as_told(escrow)
        if open_now is None:
            return
        try:
            if await self._directly(deal, escrow, terms, seen):
                return
        except ClientError as error:  # without gas, say: then the service may still relay it
            self._once.say(logging.WARNING, f"our side of the appeal over '{deal.title}' is not paid directly: {error}")
        await self._answer(deal, escrow, terms, open_now)

    async def answer_directly_if_late(self, deal: Deal) -> None:
        """Pay ourselves, for our own gas, for what nobody has paid late in the time. Asks the chain only."""
        if deal.escrow is None:
            return
        terms, escrow = escrow_of(deal, await self._market.chain())
        await self._directly(deal, escrow, terms, await self._on_chain(deal, escrow, terms))

    async def _own(self) -> Appeals | None:
        if self._arbiter is None and self._rpc_url is not None:
            self._arbiter = Appeals(self._rpc_url, self._market.wallet, await self._market.chain())
        return self._arbiter

    async def _number(self, escrow: EscrowSide, terms: EscrowTerms) -> int:
        chain = await self._market.chain()
        extra = dispute_extra(escrow.escrow_id, terms)
        return dispute_id(chain.chain_id, terms.arbiter, chain.contracts.escrow, extra)

    async def _on_chain(self, deal: Deal, escrow: EscrowSide, terms: EscrowTerms) -> Appeal | None:
        """Return the appeal as our own RPC shows it, None without one, or where it does not answer.

        Raises NotDue where the service shows an appeal that the chain does not have.
        """
        own, direct = await self._own(), await self._market.own_chain()
        if own is None or direct is None:
            return None
        try:
            found = None
            if (await direct.state_of(escrow.escrow_id)).status == Status.DISPUTED:
                found = (await own.standing(await self._number(escrow, terms))).appeal
        except Unreachable as error:
            self._once.say(logging.WARNING, f"whether '{deal.title}' is appealed cannot be seen on chain: {error}")
            return None
        if found is None and _as_told(escrow) is not None:
            raise NotDue("The service shows an appeal the chain does not have. Nothing was signed.")
        return found

    async def _directly(self, deal: Deal, escrow: EscrowSide, terms: EscrowTerms, seen: Appeal | None) -> bool:
        """Pay our side from our own wallet where the chain says that it waits late in its time; return whether."""
        own, chain = await self._own(), await self._market.chain()
        if own is None or seen is None or not _waits(seen, chain.now()):
            return False
        margin = min(chain.constants.submit_directly_before_seconds, (seen.ends_at - seen.challenge_by) // 2)
        case = await self._case(deal, escrow, terms, seen)
        if chain.now() < seen.ends_at - margin or not await self._wanted(deal, case):
            return False
        paid = await own.fund(await self._number(escrow, terms), seen.second.side, limit_units=case.cost_units)
        _log.warning("paid %s USDC for our side of the appeal over '%s' directly", format_usdc(paid), deal.title)
        return True

    async def _answer(self, deal: Deal, escrow: EscrowSide, terms: EscrowTerms, found: Appeal) -> None:
        now = (await self._market.chain()).now()
        if found.verdict == _BUYER and found.second.payable_until is not None and found.is_open(now):
            cost = format_usdc(found.second.missing_units)
            self._once.say(
                logging.WARNING,
                f"the votes over '{deal.title}' are for the buyer; `aicp deal appeal {deal.id} --fund` asks a larger "
                f"panel for {cost} USDC",
            )
        if not _waits(found, now) or now < self._not_before:
            return
        case = await self._case(deal, escrow, terms, found)
        if not await self._wanted(deal, case):
            return
        # sooner and sooner towards the end: a call that fails uses up the gas of the day
        self._not_before = now + max(3, (case.answer_by - now) // 10)
        salt = appeal_salt(await self._number(escrow, terms), case.round_number)
        try:
            await self._disputes.fund_appeal(deal, limit_units=case.cost_units, salt=salt)
        except ProblemError as refused:
            if refused.code != "step_underway":
                raise
            self._once.say(logging.INFO, f"our payment for the appeal over '{deal.title}' is on its way")
            return
        _log.info(
            "the buyer appeals over '%s'; paid %s USDC for our side (round %d)",
            deal.title, format_usdc(case.cost_units), case.round_number,
        )  # fmt: skip

    async def _case(self, deal: Deal, escrow: EscrowSide, terms: EscrowTerms, found: Appeal) -> AppealCase:
        chain = await self._market.chain()
        won = escrow.left_units if found.verdict else escrow.left_units // 2
        return AppealCase(
            deal_id=deal.id,
            title=deal.title,
            round_number=found.round_number,
            verdict="agent" if found.verdict else "neither",
            cost_units=found.second.missing_units,
            at_stake_units=won + terms.amount * chain.constants.stake_bps // 10_000,
            answer_by=found.ends_at,
        )

    async def _wanted(self, deal: Deal, case: AppealCase) -> bool:
        """Return whether to pay, and can; tell loudly why not."""
        decided = await self._decide(case)
        lost = f"THE APPEAL OVER '{deal.title}' IS NOT ANSWERED, and by that the dispute is lost"
        cost = format_usdc(case.cost_units)
        if not isinstance(decided, FundAppeal):
            bound = format_usdc(case.at_stake_units)
            why = "as its handler says" if self._agent.appeal else "that is more than is at stake"
            self._once.say(logging.ERROR, f"{lost}: it costs {cost} USDC, with {bound} at stake; {why}")
            return False
        own = await self._market.own_chain()
        held = (await self._market.balances()).usdc_units if own is None else await own.usdc_units(deal.agent)
        if held < case.cost_units:
            self._once.say(
                logging.ERROR,
                f"{lost}, unless {checksum(deal.agent)} gets USDC soon: it costs {cost}, the wallet holds "
                f"{format_usdc(held)}",
            )
            return False
        return True

    async def _decide(self, case: AppealCase) -> AppealReaction:
        """Return what the agent's own handler says, which is asked once a round, else what the default does."""
        if self._agent.appeal is None:
            return answer_appeals(case)
        if case.round_number not in self._decided:
            try:
                decided = await asyncio.to_thread(self._agent.appeal, case)
            except Exception:  # noqa: BLE001  # an error in the agent's own code must not cost its stake
                _log.exception("the handler of the appeal over '%s' failed; the default rule decides", case.title)
                decided = answer_appeals(case)
            self._decided[case.round_number] = decided
        return self._decided[case.round_number]


def _waits(found: Appeal, now: int) -> bool:
    """Return whether the buyer has paid in full against the votes, and our side is not paid."""
    challenged = found.verdict != _BUYER and found.first.missing_units == 0
    return challenged and found.second.missing_units > 0 and now < found.ends_at


def _as_told(escrow: EscrowSide) -> Appeal | None:
    """Return the open appeal as the service shows it."""
    told = None if escrow.dispute is None else escrow.dispute.appeal
    if told is None:
        return None
    sides = {one.role: _side(one) for one in told.sides}
    if set(sides) != {"buyer", "agent"}:
        return None
    return Appeal(
        round_number=told.round,
        verdict=_VERDICTS.index(told.verdict),
        cost_units=told.cost_units,
        challenge_by=told.challenge_by,
        ends_at=told.ends_at,
        first=sides["buyer"],
        second=sides["agent"],
    )


def _side(told: dispute_models.AppealSide) -> AppealSide:
    return AppealSide(
        side=_VERDICTS.index(told.role),
        required_units=told.paid_units + told.missing_units,
        paid_units=told.paid_units,
        payable_until=told.payable_until,
    )
