"""The pull ledger that Escrow and Reputation share: credits, debits and withdrawals by account."""

from __future__ import annotations

from indexer.core.rows import Key, Ledger, LedgerEntry, Place
from indexer.core.workspace import ReducerError, Workspace


def ledger_key(contract: bytes, account: bytes) -> Key:
    """Return the key of an account's balance in a contract."""
    return (Ledger, contract + account)


def move(  # noqa: PLR0917  # what a ledger line says
    workspace: Workspace, place: Place, contract: bytes, account: bytes, delta: int, kind: str, escrow_id: bytes | None
) -> None:
    """Change a balance by `delta` base units and add the entry. Raises ReducerError if it would fall below zero."""
    if delta == 0:
        return
    row = workspace.find(Ledger, contract + account)
    if row is None:
        row = Ledger(ledger_id=contract + account, contract=contract, account=account)
    row.balance_units += delta
    if row.balance_units < 0:
        raise ReducerError(f"ledger of 0x{account.hex()} would fall to {row.balance_units}")
    if delta > 0:
        row.credited_units += delta
    elif kind == "withdrawn":
        row.withdrawn_units -= delta
    workspace.put(row, place)
    workspace.append(
        LedgerEntry(
            place=place,
            ledger_id=row.ledger_id,
            kind=kind,
            escrow_id=escrow_id,
            delta_units=delta,
            balance_units=row.balance_units,
        )
    )
