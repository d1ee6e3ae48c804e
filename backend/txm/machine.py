"""What every step of the transaction manager works with; built once a process, after the fork."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import Final

from backend.context import Context
from backend.db.engine import SyncDatabase
from backend.txm.fees import Fees, market
from backend.txm.nodes import NodeHealth
from backend.txm.rpc import Rpc
from backend.txm.signer import Keyring

MAX_IN_FLIGHT: Final = 16
"""Transactions without a receipt per key: what public pools keep for one account."""
BATCH: Final = 200
REBROADCAST_SECONDS: Final = 15


@dataclass(slots=True)
class Lists:
    """Until when (unix seconds) no node is asked for access lists, because one has refused."""

    paused_until: int = 0


@dataclass(slots=True)
class Watch:
    """What this process has told of nodes and contracts, and when."""

    contracts_checked: bool = False
    reported_at: dt.datetime | None = None
    reported: list[NodeHealth] = field(default_factory=list)
    forgiven: dict[str, dt.datetime] = field(default_factory=dict)
    """Which wish of an operator to ask a node again was carried out last."""


@dataclass(frozen=True, slots=True)
class Machine:
    """Network, database, nodes and keys."""

    ctx: Context
    db: SyncDatabase
    rpc: Rpc
    keys: Keyring
    lists: Lists = field(default_factory=Lists)
    watch: Watch = field(default_factory=Watch)

    def market_fees(self) -> Fees:
        """Return what to offer now. Raises NodeUnreachable or NodeError."""
        constants = self.ctx.constants
        head, tip = self.rpc.head_and_tip()
        return market(
            base_fee_wei=head.base_fee_wei,
            suggested_tip_wei=tip,
            floor_wei=constants.min_gas_price_wei,
            cap_wei=constants.max_fee_cap_wei,
        )
