"""What the service says of balances and of the transactions it relays."""

from __future__ import annotations

import uuid
from typing import Any, Literal

from pydantic import Field

from aicp.client.errors import Mismatch
from aicp.client.wire import Address, Hash, Model, Units
from aicp.rules.ledgers import LedgerName


class LedgerBalance(Model):
    """What waits in one contract until it is collected."""

    ledger: LedgerName
    units: Units
    final_units: Units
    withdrawal_nonce: int


class Balances(Model):
    address: Address
    usdc_units: Units
    collectable_units: Units
    ledgers: list[LedgerBalance]
    staked_units: Units
    stake_locked_units: Units
    stake_free_units: Units
    channel_claimed_units: Units
    channel_settled_units: Units

    def ledger(self, name: LedgerName) -> LedgerBalance:
        """Return what waits in a ledger. Raises Mismatch where the service shows none of it."""
        for found in self.ledgers:
            if found.ledger is name:
                return found
        raise Mismatch(f"The service shows no balance in the {name} ledger.")


class Committed(Model):
    """What a buyer has in pools, and in escrows that are not closed, bonds in disputes included."""

    pool_units: Units
    escrow_units: Units


class Owed(Model):
    """What an agent has earned from pools and channels and nobody has claimed on chain yet."""

    owed_units: Units
    owed_channels: int


class Intent(Model):
    """A transaction the service relays for us."""

    id: uuid.UUID
    kind: str
    state: Literal["queued", "sent", "mined", "final", "failed", "expired", "cancelled"]
    on_behalf_of: Address
    tx_hash: Hash | None
    block_number: int | None
    error_code: str | None
    error_detail: str | None
    reference: dict[str, Any] = Field(default_factory=dict)

    @property
    def landed(self) -> bool:
        """Mined at least, and not failed in its block."""
        return self.state in {"mined", "final"} and self.error_code is None

    @property
    def dead(self) -> bool:
        """Will never be mined."""
        return self.state in {"failed", "expired", "cancelled"}
