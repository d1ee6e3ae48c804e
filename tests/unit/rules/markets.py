"""Markets made up for the tests of scores: agents and buyers by number, deals by what matters of them."""

from __future__ import annotations

from aicp.abi.enums import Outcome
from aicp.rules.decay import DAY
from aicp.rules.epochs import Inputs
from aicp.rules.facts import BURDENS, Deal
from aicp.rules.primitives import keccak

END = 20_000 * DAY
USDC = 1_000_000
FEE_BPS = 250


def account(name: str) -> bytes:
    return keccak(name.encode())[12:]


def deal(
    client: str,
    provider: str,
    usdc: int,
    *,
    outcome: Outcome = Outcome.COMPLETED,
    days_ago: int = 0,
    rating: int | None = None,
    number: int = 0,
    refunded_bps: int | None = None,
    used: int | None = 1_800,
) -> Deal:
    """A deal of so many USDC; failures are refunded whole unless said otherwise."""
    amount = usdc * USDC
    share = (10_000 if outcome in BURDENS else 0) if refunded_bps is None else refunded_bps
    refunded = amount * share // 10_000
    closed = END - days_ago * DAY
    return Deal(
        escrow_id=keccak(f"{client} {provider} {usdc} {outcome} {days_ago} {number}".encode()),
        client=account(client),
        provider=account(provider),
        outcome=outcome,
        amount=amount,
        released=amount - refunded,
        refunded=refunded,
        fee=(amount - refunded) * FEE_BPS // 10_000,
        bonus=0,
        accepted_at=closed - 7_200,
        deliver_by=closed - 3_600,
        submitted_at=None if used is None or outcome is Outcome.MISSED else closed - 7_200 + used,
        closed_at=closed,
        rating=rating,
    )


def inputs(**changes: object) -> Inputs:
    values: dict[str, object] = {
        "epoch": 1,
        "end": END,
        "chain_id": 31337,
        "escrow": account("escrow"),
        "reputation": account("reputation"),
        "block_number": 1_000,
        "block_hash": keccak(b"block"),
    }
    return Inputs(**(values | changes))  # type: ignore[arg-type]


def witnesses(count: int, *, other: str = "somebody else", usdc: int = 4_000) -> list[Deal]:
    """Deals that make full witnesses of the buyers 0 to count - 1: each has paid so much to another agent."""
    return [deal(f"buyer {n}", other, usdc, days_ago=40) for n in range(count)]
