"""What the mirror must hold: a second, small model that replays the logs of one branch into plain dictionaries.

It knows nothing of `indexer.core`. Tables and columns have the mirror's names; what it leaves out (spelled event fields
and the like) is not compared. The comparison is made by PostgreSQL: each table against the replayed rows, both ways.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, text

from indexer.core.context import Contracts
from indexer.store.schema import PHYSICAL
from tests.sim.chain import PlacedLog
from tests.sim.events import decode
from tests.sim.oracle_base import Row
from tests.sim.oracle_court import CourtRules
from tests.sim.oracle_escrow import EscrowRules
from tests.sim.oracle_payments import PaymentRules

_QUIET: Final = {
    "InflowsPaused", "InflowsUnpaused", "OwnershipTransferStarted", "OwnershipTransferred", "EIP712DomainChanged",
    "RowSkipped", "TokenRescued", "MetaEvidence", "Dispute", "SettleSkipped", "AnchorerChanged",
}  # fmt: skip
_STATE: Final = (
    "escrow", "escrow_config", "dispute", "dispute_number", "ledger", "channel", "pool", "receiver", "stake",
    "stake_lock", "agent_record", "bonus_pool", "score_epoch", "arbiter_dispute", "arbiter_round", "arbiter_ballot",
    "juror", "arbiter_session",
)  # fmt: skip
_ADDED: Final = (
    "escrow_event", "dispute_event", "rating", "ledger_entry", "channel_event", "pool_event", "receiver_event",
    "stake_event", "arbiter_event", "activity",
)  # fmt: skip
TABLES: Final = (*_STATE, *_ADDED, "log")


@dataclass
class Replay(EscrowRules, PaymentRules, CourtRules):
    """See the module's docstring."""

    def take(self, logs: Iterable[PlacedLog]) -> None:
        """Replay logs in order; those of other contracts are left out."""
        names = {address: name for name, address in self.contracts.items()}
        for log in logs:
            name = names.get(log.address)
            if name is None:
                continue
            self.place = {
                "block_number": log.block_number, "log_index": log.log_index, "block_hash": log.block_hash,
                "tx_hash": log.tx_hash,
            }  # fmt: skip
            self.time, self.here = log.block_time, name
            self.add("log", address=log.address, topics=list(log.topics), data=log.data)
            event = decode(name, log.topics, log.data)
            if event.name not in _QUIET and (name, event.name) != ("escrow", "Evidence"):
                getattr(self, f"{name}_{event.name}")(dict(event.args))

    def table(self, name: str) -> list[Row]:
        """Return the rows the mirror's table must hold."""
        return list(self.rows[name].values()) if name in _STATE else self.added[name]


def replay(contracts: Contracts, logs: Iterable[PlacedLog]) -> Replay:
    """Return the model after these logs."""
    arbiter = contracts.arbiter
    terms = () if arbiter is None else (arbiter.fee_per_seat, arbiter.stake_per_seat, arbiter.sink)
    model = Replay(contracts.named, *terms)
    model.take(logs)
    return model


def differences(connection: Connection, model: Replay, tables: Sequence[str] = TABLES) -> list[str]:
    """Return one line for every row the mirror lacks or has too much, at most ten a table.

    Raw logs held above the cursor, because blocks before them could not be read, are no part of the mirror yet.
    """
    filled = [name for name in tables if model.table(name)]
    parts = [_compared(name, tuple(model.table(name)[0])) for name in filled]
    parts += [
        f"SELECT '{name}', 'too much', x FROM (SELECT to_jsonb(t) x FROM {_held(name)} t LIMIT 10) e"
        for name in tables
        if name not in filled
    ]
    rows = {f"rows_{name}": json.dumps([_spelled(row) for row in model.table(name)]) for name in filled}
    found = connection.execute(text(" UNION ALL ".join(parts)), rows)
    return [f"{name}: {what}: {json.dumps(row)}" for name, what, row in found]


def _compared(name: str, columns: tuple[str, ...]) -> str:
    listed = ", ".join(columns)
    held = f"SELECT {listed} FROM {_held(name)} h"
    wanted = f"SELECT {listed} FROM jsonb_populate_recordset(NULL::{PHYSICAL}.{name}, CAST(:rows_{name} AS jsonb))"
    both = (("missing", wanted, held), ("too much", held, wanted))
    return " UNION ALL ".join(
        f"SELECT '{name}', '{what}', x FROM (SELECT to_jsonb(d) x FROM ({one} EXCEPT ALL {other}) d LIMIT 10) e"
        for what, one, other in both
    )


def _held(name: str) -> str:
    table = f"{PHYSICAL}.{name}"
    if name != "log":
        return table
    return f"(SELECT * FROM {table} WHERE block_number <= (SELECT number FROM {PHYSICAL}.cursor))"


def _spelled(value: Any) -> Any:
    if isinstance(value, bytes):
        return "\\x" + value.hex()
    if isinstance(value, dict):
        return {name: _spelled(item) for name, item in value.items()}
    return [_spelled(item) for item in value] if isinstance(value, list | tuple) else value
