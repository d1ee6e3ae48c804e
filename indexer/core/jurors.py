"""Stakes of jurors and the session of drawings, as row changes."""

from __future__ import annotations

from typing import Any

from aicp.abi import arbiter as abi
from aicp.abi.enums import SessionPhase
from indexer.core.arbiter_rows import ArbiterSession, Juror
from indexer.core.rows import Place
from indexer.core.workspace import ReducerError, Workspace

STAKES = abi.JurorStaked | abi.JurorUnstakeRequested | abi.JurorUnstaked | abi.JurorWeighted


def moved(event: Any, place: Place, workspace: Workspace) -> tuple[str, int]:
    """Change a juror's stake; return the kind of the event and its amount. Raises ReducerError for a contradiction."""
    row = workspace.find(Juror, event.juror) or Juror(juror=event.juror)
    match event:
        case abi.JurorStaked():
            kind, amount = "juror_staked", event.amount
            row.free_units += amount
            if row.free_units + row.locked_units != event.staked:
                raise ReducerError(f"juror 0x{row.juror.hex()}: {event.staked} staked, we hold {row.free_units} free")
        case abi.JurorUnstakeRequested():
            kind, amount = "juror_unstake_requested", event.amount
            row.requested_units, row.unbond_at = amount, event.unbond_at or None
        case abi.JurorUnstaked():
            kind, amount = "juror_unstaked", event.amount
            row.free_units -= amount
            row.requested_units, row.unbond_at = 0, None
        case _:
            kind, amount = "juror_weighted", event.weight
            row.weight_units = amount
    store(row, place, workspace)
    return kind, amount


def risk(juror: bytes, free: int, locked: int, place: Place, workspace: Workspace) -> None:
    """Add `free` and `locked` base units, either may be negative. Raises ReducerError below zero."""
    row = workspace.need(Juror, juror)
    row.free_units += free
    row.locked_units += locked
    store(row, place, workspace)


def store(row: Juror, place: Place, workspace: Workspace) -> None:
    """Keep the row. Raises ReducerError when a part of it is negative."""
    if row.free_units < 0 or row.locked_units < 0:
        raise ReducerError(f"juror 0x{row.juror.hex()}: {row.free_units} free, {row.locked_units} at risk")
    workspace.put(row, place)


def session(event: abi.SessionAdvanced, contract: bytes, place: Place, workspace: Workspace) -> None:
    """Note the phase; the end of a session counts as the beginning of the next."""
    phase = SessionPhase(event.phase).name.lower()
    row = ArbiterSession(contract=contract, number=event.number, phase=phase, since=place.block_time)
    workspace.put(row, place)
