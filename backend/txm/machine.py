"""What every step of the transaction manager works with; built once a process, after the fork."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from backend.context import Context
from backend.db.engine import SyncDatabase
from backend.txm.fees import Fees, market
from backend.txm.rpc import Rpc
from backend.txm.signer import Keyring

MAX_IN_FLIGHT: Final = 16
"""Transactions without a receipt per key: what public pools keep for one account."""
NOOP_GAS: Final = 21_000
BATCH: Final = 200
REBROADCAST_SECONDS: Final = 15


@dataclass(slots=True)
class Lists:
    """Until when (unix seconds) no node is asked for access lists, because one has refused."""

    paused_until: int = 0


@dataclass(frozen=True, slots=True)
class Machine:
    """Network, database, nodes and keys."""

    ctx: Context
    db: SyncDatabase
    rpc: Rpc
    keys: Keyring
    lists: Lists = field(default_factory=Lists)

    def market_fees(self) -> Fees:
        """Return what to offer now. Raises NodeUnreachable or NodeError."""
        constants = self.ctx.constants
        return market(
            base_fee_wei=self.rpc.head().base_fee_wei,
            suggested_tip_wei=self.rpc.priority_fee(),
            floor_wei=constants.min_gas_price_wei,
            cap_wei=constants.max_fee_cap_wei,
        )
