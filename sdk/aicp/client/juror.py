"""A juror of the DisputeArbiter, for its own gas: stakes, votes in two steps, and gets its reward.

Goals and invariants:
- nobody learns a vote before it may be shown: a reveal is sent only when the reveal period has begun in a final block,
  because a salt in public before that costs the stake of the seat;
- a vote is on disk before its commitment is sent (`aicp.client.ballots`), so a killed juror reveals what it committed;
- `step` can be repeated at any time: each seat is looked up on chain first.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Final, Literal

from aicp.abi import arbiter as abi
from aicp.abi import usdc as usdc_abi
from aicp.abi.enums import BallotState, DisputePeriod
from aicp.abi.typed_data import Vote, arbiter_domain
from aicp.client.ballots import Ballot, BallotBox
from aicp.client.chain import Chain
from aicp.client.errors import ClientError, NotDue
from aicp.client.wallet import Wallet
from aicp.rules.primitives import ZERO_ADDRESS, format_usdc

LOG_BLOCKS: Final = 5_000
"""Blocks asked for at once; public nodes refuse wide ranges."""


class Choice(IntEnum):
    """What a juror can vote for; it is also the ruling's number."""

    NEITHER = 0
    BUYER = 1
    AGENT = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What a juror has at the arbiter, in base units; `unbond_at` is when a requested unstake can be completed."""

    free_units: int
    locked_units: int
    weight_units: int
    requested_units: int
    unbond_at: int
    balance_units: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Seat:
    """A juror's place in one round of a dispute. `ends_at` is when the dispute's present period ends, unix seconds."""

    dispute_id: int
    round: int
    seats: int
    period: DisputePeriod
    current: bool
    """Whether the dispute is still in this round."""
    ends_at: int
    state: BallotState
    settled: bool
    ruling: Choice | None


Rule = Callable[[Seat], Choice]


def by_number(seat: Seat) -> Choice:
    """Vote by the dispute's number alone: for the buyer where it is even, for the agent where it is odd."""
    return Choice.AGENT if seat.dispute_id % 2 else Choice.BUYER


class Juror:
    """One juror at the arbiter of a deployment."""

    def __init__(self, rpc_url: str, wallet: Wallet, chain: Chain, home: Path) -> None:
        """`home` is the file the votes are kept in. Raises ClientError where the deployment has no arbiter."""
        self.arbiter = chain.contracts.arbiter
        if self.arbiter == ZERO_ADDRESS:
            raise ClientError("This deployment has no arbiter.")
        self.address = wallet.address
        self._chain = chain
        from aicp.client.direct import DirectChain  # web3 is slow to load

        self._direct = DirectChain(rpc_url, wallet, chain)
        self._box = BallotBox(home, self.arbiter, wallet.address)

    # stake ------------------------------------------------------------------------------------------------------------

    async def standing(self) -> Standing:
        """Return stake, weight and balance."""
        held = abi.decode_juror_of_result(await self._direct.call(self.arbiter, abi.encode_juror_of(self.address)))
        balance = await self._direct.call(self.arbiter, abi.encode_balance_of(self.address))
        return Standing(
            free_units=held.free,
            locked_units=held.locked,
            weight_units=held.weight,
            requested_units=held.requested,
            unbond_at=held.unbond_at,
            balance_units=abi.decode_balance_of_result(balance),
        )

    async def stake(self, units: int) -> bytes:
        """Stake USDC of the wallet; the arbiter is allowed exactly that. Returns the transaction's hash."""
        if units <= 0:
            raise ClientError("Stake more than zero.")
        token = self._chain.contracts.usdc
        held = usdc_abi.decode_balance_of_result(
            await self._direct.call(token, usdc_abi.encode_balance_of(self.address))
        )
        if held < units:
            raise ClientError(f"The wallet holds {format_usdc(held)} USDC; {format_usdc(units)} are to be staked.")
        await self._direct.send(token, usdc_abi.encode_approve(self.arbiter, units))
        return await self._direct.send(self.arbiter, abi.encode_stake(units))

    async def faucet(self, units: int) -> bytes:
        """Take test USDC from the local chain's token; any other token refuses."""
        return await self._direct.send(self._chain.contracts.usdc, usdc_abi.encode_faucet(self.address, units))

    async def request_unstake(self, units: int) -> bytes:
        """Ask for stake back; 0 takes the request back. It is paid by `complete_unstake` after the wait."""
        return await self._direct.send(self.arbiter, abi.encode_request_unstake(units))

    async def complete_unstake(self) -> bytes:
        """Have the requested stake paid out to the wallet."""
        return await self._direct.send(self.arbiter, abi.encode_complete_unstake(self.address))

    # seats and votes --------------------------------------------------------------------------------------------------

    async def seats(self) -> list[Seat]:
        """Return the seats that are not settled yet."""
        await self._look()
        found = [await self.seat(*place) for place in self._box.open_seats()]
        for seat in found:
            if seat.settled or seat.seats == 0:  # no seat: its draw was reorganised away
                self._box.close(seat.dispute_id, seat.round)
        return [seat for seat in found if seat.seats and not seat.settled]

    async def _look(self) -> None:
        """Remember every seat drawn since the last look."""
        topics = [abi.JurorDrawn.TOPIC, None, None, bytes(12) + self.address]
        before = self._box.looked()
        first = self._chain.contracts.deploy_block if before is None else before + 1
        newest, final = await self._direct.block_number(), await self._direct.block_number("finalized")
        while first <= newest:
            last = min(first + LOG_BLOCKS - 1, newest)
            drawn = set()
            for log in await self._direct.logs(self.arbiter, topics, first, last):
                event = abi.JurorDrawn.decode(log.topics, log.data)
                drawn.add((event.dispute_id, event.round))
            # at least where we began: a cursor never goes back
            self._box.found(drawn, max(min(last, final), first - 1))
            first = last + 1

    async def seat(
        self, dispute_id: int, round_number: int | None = None, block: Literal["latest", "finalized"] = "latest"
    ) -> Seat:
        """Return our place in a dispute, by default in its present round; `seats` is 0 where we have none."""
        data = await self._direct.call(self.arbiter, abi.encode_dispute_of(dispute_id), block)
        dispute = abi.decode_dispute_of_result(data)
        number = dispute.round if round_number is None else round_number
        data = await self._direct.call(self.arbiter, abi.encode_ballot_of(dispute_id, number, self.address), block)
        ballot = abi.decode_ballot_of_result(data)
        period = DisputePeriod(dispute.period)
        return Seat(
            dispute_id=dispute_id,
            round=number,
            seats=ballot.seats,
            period=period,
            current=number == dispute.round,
            ends_at=dispute.ends_at,
            state=BallotState(ballot.state),
            settled=ballot.settled,
            ruling=Choice(dispute.ruling) if period is DisputePeriod.SOLVED else None,
        )

    async def commit(self, dispute_id: int, choice: Choice) -> bytes:
        """Commit to a vote in the present round. Raises NotDue, or ClientError where another vote was committed to."""
        seat = await self.seat(dispute_id)
        if seat.seats == 0:
            raise NotDue("You have no seat in this round.")
        if seat.period is not DisputePeriod.COMMIT or seat.state is not BallotState.NONE:
            raise NotDue(f"There is nothing to commit: the dispute is in {seat.period.name.lower()}.")
        kept = self._box.keep(dispute_id, seat.round, Ballot(int(choice), secrets.token_bytes(32)))
        if kept.choice != choice:
            raise ClientError(
                f"You have voted {Choice(kept.choice).name.lower()} in this round, and it may be on its way."
            )
        return await self._direct.send(self.arbiter, abi.encode_commit(dispute_id, self._digest(seat, kept)))

    async def reveal(self, dispute_id: int) -> bytes:
        """Show the vote of the present round. Raises NotDue before a final block is in the reveal period."""
        final = await self.seat(dispute_id, block="finalized")
        seat = await self.seat(dispute_id)
        if final.period != DisputePeriod.REVEAL or seat.period is not DisputePeriod.REVEAL or final.round != seat.round:
            raise NotDue("Votes are not revealed now; showing one too early would cost its stake.")
        if seat.state is not BallotState.COMMITTED:
            raise NotDue("There is no vote of yours to reveal.")
        kept = self._box.ballot(dispute_id, seat.round)
        if kept is None:
            raise ClientError(f"The vote and its salt are not in {self._box.path}; only they can be revealed.")
        data = abi.encode_reveal(dispute_id, self.address, kept.choice, kept.salt)
        return await self._direct.send(self.arbiter, data)

    def _digest(self, seat: Seat, ballot: Ballot) -> bytes:
        vote = Vote(
            dispute_id=seat.dispute_id, round=seat.round, juror=self.address, choice=ballot.choice, salt=ballot.salt
        )
        return vote.digest(arbiter_domain(self._chain.chain_id, self.arbiter))

    async def step(self, rule: Rule, say: Callable[[str], None], *, claims: bool = True) -> None:
        """Do what is due at every seat: commit by the rule, reveal, and, if `claims`, settle what is decided.

        Where an operator's keeper settles every seat anyway, leaving it to him saves the gas.
        """
        for seat in await self.seats():
            name = f"{seat.dispute_id:#x}"[:12]
            try:
                if seat.period is DisputePeriod.SOLVED and claims:
                    await self.claim(seat.dispute_id, seat.round)
                    say(f"dispute {name}: settled")
                elif seat.current and seat.period is DisputePeriod.COMMIT and seat.state is BallotState.NONE:
                    choice = rule(seat)
                    await self.commit(seat.dispute_id, choice)
                    say(f"dispute {name}: committed")
                elif seat.current and seat.period is DisputePeriod.REVEAL and seat.state is BallotState.COMMITTED:
                    await self.reveal(seat.dispute_id)
                    say(f"dispute {name}: revealed")
            except NotDue:
                continue  # the period has just changed, or is not final yet
            except ClientError as error:
                say(f"dispute {name}: {error}")

    # money ------------------------------------------------------------------------------------------------------------

    async def claim(self, dispute_id: int, round_number: int) -> bytes:
        """Get back what a seat of a decided dispute put at risk, with its reward or less its penalty."""
        return await self._direct.send(self.arbiter, abi.encode_claim(dispute_id, round_number, self.address))

    async def withdraw(self) -> int:
        """Pay all rewards out to the wallet. Returns the base units, 0 when there were none."""
        held = (await self.standing()).balance_units
        if held:
            await self._direct.send(self.arbiter, abi.encode_withdraw(held))
        return held
