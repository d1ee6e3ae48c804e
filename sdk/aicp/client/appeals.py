"""Appeals at the DisputeArbiter, paid by the wallet itself, for its own gas.

Everything is read from the chain: what the next panel costs, what both sides have, and what an account gets back. Of
the token the arbiter is allowed exactly what is paid; it never takes more than the side is short of.
"""

from __future__ import annotations

from dataclasses import dataclass

from aicp.abi import arbiter as abi
from aicp.abi import usdc as usdc_abi
from aicp.abi.enums import DisputePeriod
from aicp.client.chain import Chain
from aicp.client.errors import BondAboveLimit, ClientError, NotDue, NotEnough
from aicp.client.wallet import Wallet
from aicp.rules.appeals import Appeal, appeal_of
from aicp.rules.primitives import ZERO_ADDRESS, format_usdc


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A dispute as its arbiter has it now, and what an account has in it, in base units.

    `verdict` and `ruling` are 1 for the buyer, 2 for the agent, 0 for neither; the ruling is final once the period is
    SOLVED. `contributed_units` are the account's in all rounds, until they are collected.
    """

    period: DisputePeriod
    round_number: int
    verdict: int
    ruling: int
    ends_at: int
    appeal: Appeal | None
    contributed_units: int
    credit_units: int
    """What the account can withdraw from the arbiter, of all disputes."""


class Appeals:
    """Appeals for one wallet at the arbiter of a deployment."""

    def __init__(self, rpc_url: str, wallet: Wallet, chain: Chain) -> None:
        """Raises ClientError where the deployment has no arbiter."""
        self.arbiter = chain.contracts.arbiter
        if self.arbiter == ZERO_ADDRESS:
            raise ClientError("This deployment has no arbiter.")
        self.address = wallet.address
        self._chain = chain
        from aicp.client.direct import DirectChain  # web3 is slow to load

        self._direct = DirectChain(rpc_url, wallet, chain)

    async def standing(self, dispute_id: int) -> Standing:
        """Return where a dispute stands, and what the wallet has in it."""
        found = abi.decode_dispute_of_result(await self._ask(abi.encode_dispute_of(dispute_id)))
        period = DisputePeriod(found.period)
        appeal = None
        if period is DisputePeriod.APPEAL:
            clock = abi.decode_appeal_period_result(await self._ask(abi.encode_appeal_period(dispute_id)))
            raised = abi.decode_appeal_of_result(await self._ask(abi.encode_appeal_of(dispute_id, found.round)))
            fee = abi.decode_fee_per_seat_result(await self._ask(abi.encode_fee_per_seat()))
            paid = (raised.first, raised.second)
            appeal = appeal_of(found.round, found.verdict, fee, paid, clock.start, clock.end - clock.start)
        paid_in = await self._contributions(dispute_id, found.round)
        balance = await self._ask(abi.encode_balance_of(self.address))
        return Standing(
            period=period,
            round_number=found.round,
            verdict=found.verdict,
            ruling=found.ruling,
            ends_at=found.ends_at,
            appeal=appeal,
            contributed_units=sum(paid_in.values()),
            credit_units=abi.decode_balance_of_result(balance),
        )

    async def fund(self, dispute_id: int, side: int, *, limit_units: int, units: int | None = None) -> int:
        """Pay towards a side of an appeal, by default all that it is short of. Returns the base units paid.

        Raises NotDue where nothing can be paid now, BondAboveLimit, NotEnough. Nothing is sent then.
        """
        appeal = (await self.standing(dispute_id)).appeal
        wanted = None if appeal is None else appeal.side(side)
        if wanted is None or wanted.payable_until is None or wanted.payable_until <= self._chain.now():
            raise NotDue("Nothing can be paid for this side of an appeal now.")
        amount = wanted.missing_units if units is None else min(units, wanted.missing_units)
        if amount <= 0:
            raise ClientError("Pay more than zero.")
        if amount > limit_units:
            raise BondAboveLimit(
                f"This side of the appeal needs {format_usdc(amount)} USDC, and at most {format_usdc(limit_units)} are "
                "allowed. Nothing was sent."
            )
        token = self._chain.contracts.usdc
        held = await self._direct.call(token, usdc_abi.encode_balance_of(self.address))
        if usdc_abi.decode_balance_of_result(held) < amount:
            raise NotEnough(f"The wallet does not hold {format_usdc(amount)} USDC. Nothing was sent.")
        await self._direct.send(token, usdc_abi.encode_approve(self.arbiter, amount))
        await self._direct.send(self.arbiter, abi.encode_fund_appeal(dispute_id, side, amount))
        return amount

    async def collect(self, dispute_id: int) -> int:
        """Get back what is due of our contributions to a decided dispute, and pay out all the arbiter owes us.

        Returns the base units paid out. What was paid in for the side that lost is spent. Raises NotDue while the
        dispute goes on and nothing lies ready.
        """
        now = await self.standing(dispute_id)
        if now.period is DisputePeriod.SOLVED:
            for number in await self._contributions(dispute_id, now.round_number):
                data = abi.encode_claim_contribution(dispute_id, number, self.address)
                await self._direct.send(self.arbiter, data)
        elif now.credit_units == 0:
            raise NotDue("The dispute is not decided; contributions come back after the ruling.")
        held = abi.decode_balance_of_result(await self._ask(abi.encode_balance_of(self.address)))
        if held:
            await self._direct.send(self.arbiter, abi.encode_withdraw(held))
        return held

    async def _contributions(self, dispute_id: int, newest: int) -> dict[int, int]:
        """Return what the wallet has in the appeal against each round, where it has anything."""
        found = {}
        for number in range(newest + 1):
            data = await self._ask(abi.encode_contribution_of(dispute_id, number, self.address))
            paid = abi.decode_contribution_of_result(data)
            if paid.first + paid.second:
                found[number] = paid.first + paid.second
        return found

    async def _ask(self, data: bytes) -> bytes:
        return await self._direct.call(self.arbiter, data)
