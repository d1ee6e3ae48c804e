"""Bare vouchers in a story: the engine as a new process has it, given a few vouchers at once, in any order.

The engine reads the mirror anew each time, as it does within seconds when it lives on.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from aicp.rules.primitives import checksum, hex0x
from backend.payments.engine import Engine, PartiesIn, VoucherIn
from backend.payments.outcomes import Accepted, Code, Outcome
from tests.sim.money.book import Payment
from tests.sim.money.check import covered, require
from tests.sim.money.people import Person, Purse, cast

if TYPE_CHECKING:
    from tests.sim.money.stage import Stage

_UNKNOWN: Final = frozenset({Code.UNAVAILABLE, Code.OVERLOADED})


@dataclass(frozen=True, slots=True)
class Slip:
    """A voucher somebody hands in."""

    purse: Purse
    agent: Person
    ceiling: int
    given: VoucherIn


class _Breaks:
    """A prepared statement whose connection is lost around its COMMIT."""

    def __init__(self, statement: Any, when: str) -> None:
        self._statement, self._when = statement, when

    async def fetch(self, *arguments: Any) -> Any:
        """Lose the answer, or the question."""
        if self._when == "after":
            await self._statement.fetch(*arguments)
        raise ConnectionResetError("the connection is lost")


class Till:
    """See the module's docstring. What was never answered is handed in again, byte for byte, until it is."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self.doubts: list[Slip] = []
        self._last: dict[tuple[bytes, bytes], Slip] = {}

    def slip(self, purse: Purse, agent: Person, ceiling: int, signer: Person | None = None) -> Slip:
        """Return a signed voucher."""
        ctx = self._stage.ctx
        way = purse.lane(ctx, agent)
        signed = purse.voucher(ctx, way, ceiling, signer)
        parties = PartiesIn(
            payer=checksum(purse.buyer.address), payer_authorizer=checksum(purse.session.address),
            receiver=checksum(agent.address), operator=checksum(purse.operator.address),
        )  # fmt: skip
        channel = hex0x(way.channel_id)
        given = VoucherIn(
            channel_id=channel, max_claimable_units=str(ceiling), signature=hex0x(signed.signature), channel=parties
        )
        return Slip(purse, agent, ceiling, given)

    def pay(self) -> None:
        """Hand in some vouchers of a channel: new, repeated, stale, a stranger's, out of order."""
        stage, random = self._stage, self._stage.random
        purse, agent = stage.market.someone(), random.choice(cast().agents)
        if self.doubts or stage.market.doubtful(purse, agent):
            return
        key = (purse.pool, agent.address)
        ceiling = stage.market.book.stored.get(key, 0)
        slips = []
        for _ in range(random.randint(1, 4)):
            kind = random.choice(("new", "new", "new", "again", "stale", "stranger"))
            if kind == "new":
                ceiling += random.choice((10_000, 333_333, 1_500_000))
                slips.append(self.slip(purse, agent, ceiling))
            elif kind == "again" and key in self._last:
                slips.append(self._last[key])
            elif kind == "stale" and ceiling > 1:
                slips.append(self.slip(purse, agent, random.randint(1, ceiling - 1)))
            elif kind == "stranger":
                slips.append(self.slip(purse, agent, ceiling + 7, Person("a stranger")))
        if random.random() < 0.2:
            random.shuffle(slips)
        self.hand_in(slips, random.choice(("", "", "", "", "before", "after")) if stage.api.rate else "")

    def resolve(self) -> None:
        """Hand in again what was never answered."""
        slips, self.doubts = self.doubts, []
        self.hand_in(slips)

    def hand_in(self, slips: list[Slip], breaks: str = "") -> None:
        """Hand vouchers in, and note what the answers mean."""
        if not slips:
            return
        outcomes = asyncio.run(self._accepted(slips, breaks))
        paid = [slip.purse for slip, outcome in zip(slips, outcomes, strict=True) if self.note(slip, outcome)]
        require(bool(breaks) or not self.doubts, f"no answer: {outcomes}")
        for purse in {purse.pool: purse for purse in paid}.values():
            covered(self._stage, purse)

    async def _accepted(self, slips: list[Slip], breaks: str) -> list[Outcome]:
        engine = Engine(self._stage.ctx, own=lambda _: True)
        await engine.start()
        try:
            if breaks:
                engine._writer._pay = _Breaks(engine._writer._pay, breaks)
                self._stage.count(f"connection_lost_{breaks}_vouchers")
            return await engine.accept([slip.given for slip in slips])
        finally:
            await engine.stop()

    def note(self, slip: Slip, outcome: Outcome) -> bool:
        """Keep our own account of what an answer means; return whether it paid something just now. Raises Wrong."""
        book, key = self._stage.market.book, (slip.purse.pool, slip.agent.address)
        stored = book.stored.get(key, 0)
        if isinstance(outcome, Accepted):
            self._stage.count("voucher", outcome.ceiling_units)
            if slip.ceiling > stored:
                book.payments.append(Payment(slip.purse, slip.agent, slip.ceiling - stored, slip.ceiling))
                book.stored[key] = slip.ceiling
                book.ceilings[key] = max(slip.ceiling, book.ceilings.get(key, 0))
                self._last[key] = slip
                return not outcome.repeated
            require(outcome.repeated, f"a voucher of {slip.ceiling} was taken, {stored} is stored")
        elif outcome.code in _UNKNOWN:
            self.doubts.append(slip)
            self._stage.count("unanswered_voucher")
        else:
            self._stage.count(f"voucher_{outcome.code.value}")
        return False
