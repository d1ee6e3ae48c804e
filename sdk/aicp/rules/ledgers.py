"""The contracts in which money waits until its owner collects it.

Each has the functions of `ILedger`, so one encoding and one `Withdrawal` message serves all of them: only the address,
and with it the domain, says which one is meant. Each counts its own withdrawal nonces.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from aicp.abi.typed_data import Domain, arbiter_domain, escrow_domain, reputation_domain
from aicp.rules.primitives import ZERO_ADDRESS


class LedgerName(StrEnum):
    """Whose ledger it is."""

    ESCROW = "escrow"
    """What escrows released to agents and gave back to buyers."""
    REPUTATION = "reputation"
    """What lost stakes give to those their agents failed, and bonuses of agents that did well."""
    ARBITER = "arbiter"
    """Rewards of jurors, and what comes back of appeals."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """Where a ledger is, and the EIP-712 domain its withdrawals are signed for. `address` is 20 bytes."""

    name: LedgerName
    address: bytes
    domain: Domain


def ledgers_of(chain_id: int, *, escrow: bytes, reputation: bytes, arbiter: bytes) -> dict[LedgerName, Ledger]:
    """Return the ledgers of a deployment, in the order they are collected; without an arbiter there is none of its."""
    places = (
        (LedgerName.ESCROW, escrow, escrow_domain),
        (LedgerName.REPUTATION, reputation, reputation_domain),
        (LedgerName.ARBITER, arbiter, arbiter_domain),
    )
    return {
        name: Ledger(name=name, address=address, domain=domain(chain_id, address))
        for name, address, domain in places
        if address != ZERO_ADDRESS
    }
