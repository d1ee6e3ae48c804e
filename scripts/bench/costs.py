"""What settling costs: the whole life of an escrow, and a micropayment by rows in a batch and payments in a row.

Gas is that of isolated transactions on Polygon's price list (scripts/gas), in steady state: every channel and receiver
was claimed and paid before, every row draws a pool, signers are ordinary keys. Dollars follow from a gas price, which
is what is paid in the end (base fee and tip, not the offered maximum), and from the price of the native coin.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from aicp.abi import payment_channel as channel
from scripts.bench.results import Figure
from scripts.gas.chain import chain
from scripts.gas.payments import agent, group, pool_deposit, signed_batch
from scripts.gas.world import Person, World, build, person
from scripts.suites.model import ROOT

ROWS: Final = (1, 10, 50, 150, 500)
PAYMENTS: Final = (1, 10, 100, 1_000)
GWEI: Final = (30, 100, 300)
HEADLINE_GWEI: Final = 100
NATIVE_USD: Final = 0.40
HEADLINE_PAYMENTS: Final = 1_000
PAYERS: Final = 10
_ESCROW: Final = ("escrow: fund and accept with authorization", "escrow: submit, relayed",
                  "escrow: release to ledger, relayed")  # fmt: skip
_UNIT: Final = 10_000


@dataclass(frozen=True, slots=True)
class Batch:
    """Gas of one claim batch and of the settlement that pays its receivers."""

    rows: int
    receivers: int
    claim_gas: int
    settle_gas: int

    @property
    def gas_per_row(self) -> float:
        """Gas of both, shared by the rows."""
        return (self.claim_gas + self.settle_gas) / self.rows


def dollars(gas: float, gwei: int) -> float:
    """Return what gas costs in dollars."""
    return gas * gwei * 1e-9 * NATIVE_USD


def escrow_gas() -> int:
    """Return the gas the operator pays for one escrow: funded and accepted, submitted, released, all relayed."""
    measured = json.loads((ROOT / "snapshots" / "gas.json").read_text(encoding="utf-8"))
    return sum(int(measured[step]["polygon"]) for step in _ESCROW)


def batches() -> list[Batch]:
    """Measure batches: all rows of different agents, then the largest again with ten payers for each agent."""
    with chain() as node:
        world = build(node)
        payers = [world.client, *(person(f"payer {number}") for number in range(1, PAYERS))]
        for payer in payers:
            world.give(payer, world.channel)
            world.send(payer, world.channel, pool_deposit(world))
        _use_once(world, payers)
        found = [_measured(world, payers[:1], rows) for rows in ROWS]
        found.append(_measured(world, payers, ROWS[-1] // PAYERS))
        return found


def _use_once(world: World, payers: list[Person]) -> None:
    """Claim from every channel and pay every agent, so that what is measured finds its words in use."""
    for payer in payers:
        for start in range(0, ROWS[-1], 100):
            groups = [group(world, payer, 100, _UNIT, start)]
            world.send(world.operator, world.channel, channel.encode_claim_batch(world.operator.address, groups, b""))
    for agents in _pieces(ROWS[-1]):
        world.send(world.relayer, world.channel, channel.encode_settle_many(agents))


def _pieces(agents: int) -> Iterator[list[bytes]]:
    for start in range(0, agents, 100):
        yield [agent(number).address for number in range(start, min(start + 100, agents))]


def _measured(world: World, payers: list[Person], agents: int) -> Batch:
    groups = [group(world, payer, agents, 2 * _UNIT) for payer in payers]
    claim = signed_batch(world, groups)
    with world.chain.undone():
        world.send(world.operator, world.channel, channel.encode_claim_batch(world.operator.address, groups, b""))
        receivers = [agent(number).address for number in range(agents)]
        settle = world.chain.measure(world.relayer.address, world.channel, channel.encode_settle_many(receivers))
    return Batch(agents * len(payers), agents, claim.polygon, settle.polygon)


def table(found: list[Batch]) -> str:
    """Return the costs as lines to read."""
    life = ", ".join(f"${dollars(escrow_gas(), gwei):.4f} at {gwei} gwei" for gwei in GWEI)
    lines = [
        f"  the whole life of an escrow: {escrow_gas():,} gas, {life} (POL at ${NATIVE_USD:.2f})",
        "  dollars a million payments:",
        f"  {'rows':>6}{'agents':>8}{'claim gas':>12}{'settle gas':>12}{'gas a row':>11}{'gwei':>6}"
        + "".join(f"{f'{payments:,} a row':>13}" for payments in PAYMENTS),
    ]
    for batch in found:
        head = (f"  {batch.rows:>6}{batch.receivers:>8}{batch.claim_gas:>12,}{batch.settle_gas:>12,}"
                f"{batch.gas_per_row:>11,.0f}")  # fmt: skip
        for gwei in GWEI:
            million = (dollars(batch.gas_per_row / payments, gwei) * 1e6 for payments in PAYMENTS)
            lines.append(f"{head:51}{gwei:>6}" + "".join(f"{price:>13,.2f}" for price in million))
            head = ""
    return "\n".join(lines)


def figures(found: list[Batch]) -> list[Figure]:
    """Return the headline figures: the largest batch whose agents all differ, at the stated prices."""
    largest = max((batch for batch in found if batch.receivers == batch.rows), key=lambda batch: batch.rows)
    micropayment = dollars(largest.gas_per_row / HEADLINE_PAYMENTS, HEADLINE_GWEI)
    return [
        Figure("settlement.escrow_life_usd", round(dollars(escrow_gas(), HEADLINE_GWEI), 5), "USD"),
        Figure("settlement.micropayment_usd", round(micropayment, 9), "USD"),
    ]
