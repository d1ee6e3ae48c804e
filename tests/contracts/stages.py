"""An escrow in every status, side by side, for tests that only ask."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tests.contracts.world import USDC, Terms, World

STATUSES = ("none", "funded", "accepted", "submitted", "challenged", "disputed", "ruled", "closed")
RESULT, EVIDENCE, COMMENT = b"\x22" * 32, b"\x33" * 32, b"\x44" * 32
FEE = 3 * USDC
"""What the arbitrator of these escrows takes."""
IN_BALANCE = 100 * USDC
"""What client and provider have in their balances."""
NO_BOND = (0, b"")


@dataclass(frozen=True, slots=True)
class Stages:
    """Terms by the status of their escrow; all with a verifier, a quorum of two and an arbitrator."""

    world: World
    arbitrator: Any
    terms: dict[str, Terms]
    ids: dict[str, bytes]

    def clock(self, status: str) -> int:
        """End of the period the escrow of this status is in."""
        return int(self.world.escrow.stateOf(self.ids[status]).clock)

    def party(self, name: str) -> Any:
        """Client, provider, verifier or stranger."""
        return getattr(self.world, name)


def fill_balances(world: World) -> None:
    """Give client and provider something in their balances."""
    for client, provider in ((world.client, world.provider), (world.provider, world.client)):
        terms = world.terms(client=client.address, provider=provider.address, amount=IN_BALANCE, salt=99)
        world.escrow.fund(terms.tuple(), sender=client)
        world.escrow.cancel(terms.tuple(), sender=client)


def set_stages(world: World, project: Any) -> Stages:
    """Bring one escrow into every status."""
    fill_balances(world)
    arbitrator = world.owner.deploy(project.MockArbitrator, world.owner, FEE)
    terms = {
        status: world.terms(arbiter=arbitrator.address, verifier=world.verifier.address, quorum=2, salt=1_000 + number)
        for number, status in enumerate(STATUSES)
    }
    for number, status in enumerate(STATUSES[1:], 1):
        told, of = terms[status].tuple(), world.escrow
        world.fund_signed(terms[status], world.acceptance(terms[status]) if number > 1 else (0, b""))
        if number > 2:
            of.submit(told, RESULT, sender=world.provider)
        if 4 <= number <= 6:
            of.dispute(told, EVIDENCE, sender=world.client)
        if 5 <= number <= 6:
            of.respond(told, sender=world.provider)
        if status == "ruled":
            arbitrator.giveRuling(1, 2, sender=world.owner)
        if status == "closed":
            of.release(told, terms[status].amount, sender=world.client)
    return Stages(world, arbitrator, terms, {status: world.id_of(of) for status, of in terms.items()})
