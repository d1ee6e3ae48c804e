"""What the oracle's rules share: rows, append-only rows, activity lines and the pull ledgers. See `oracle.py`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

Row = dict[str, Any]


@dataclass
class Rows:
    """`rows` holds state tables by key, `added` the append-only ones; `here` is the contract whose log is replayed.

    `contracts` are addresses by name; fee, stake and sink are the arbiter's terms.
    """

    contracts: Mapping[str, bytes]
    fee_per_seat: int = 0
    stake_per_seat: int = 0
    sink: bytes = b""
    rows: dict[str, dict[bytes, Row]] = field(default_factory=lambda: defaultdict(dict))
    added: dict[str, list[Row]] = field(default_factory=lambda: defaultdict(list))
    told: list[Row] = field(default_factory=list)
    """Every line of activity, with and without a row of its own."""
    place: Row = field(default_factory=dict)
    time: int = 0
    here: str = ""

    def put(self, table: str, key: bytes, row: Row) -> Row:
        """Store a state row as changed by this log."""
        row.update(self.place)
        self.rows[table][key] = row
        return row

    def add(self, table: str, **values: Any) -> None:
        """Add an append-only row of this log."""
        self.added[table].append({**self.place, "block_time": self.time, **values})

    def note(self, accounts: Iterable[bytes], kind: str, subject: bytes | None, amount: int) -> None:
        """Add an activity line for each different account but nobody's."""
        for line in self.tell(accounts, kind, subject, amount):
            self.add("activity", **line)

    def tell(self, accounts: Iterable[bytes], kind: str, subject: bytes | None, amount: int) -> list[Row]:
        """Remember what each different account but nobody is told of this log, and return it."""
        shared = {"contract": self.here, "kind": kind, "subject": subject, "amount_units": amount}
        lines = [{"account": account, **shared} for account in dict.fromkeys(accounts) if account != bytes(20)]
        self.told += [{**self.place, **line} for line in lines]
        return lines

    def move(self, account: bytes, delta: int, kind: str, escrow_id: bytes | None = None) -> None:
        """Change what an account may take out of this contract."""
        if not delta:
            return
        contract = self.contracts[self.here]
        key = contract + account
        row = self.rows["ledger"].get(key) or {
            "ledger_id": key, "contract": contract, "account": account, "balance_units": 0, "credited_units": 0,
            "withdrawn_units": 0,
        }  # fmt: skip
        row["balance_units"] += delta
        row["credited_units"] += max(delta, 0)
        row["withdrawn_units"] -= delta if kind == "withdrawn" else 0
        self.put("ledger", key, row)
        balance = row["balance_units"]
        self.add(
            "ledger_entry", ledger_id=key, kind=kind, escrow_id=escrow_id, delta_units=delta, balance_units=balance
        )
