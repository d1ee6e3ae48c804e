"""The dispute rows behind Escrow's events: who raised it, what the arbiter calls it, and where the bond is."""

from __future__ import annotations

from typing import Any

from aicp.abi import escrow as abi
from indexer.core.dispute_rows import Dispute, DisputeEvent, DisputeNumber
from indexer.core.rows import Escrow, Key, Place
from indexer.core.spelling import spelled
from indexer.core.workspace import ReducerError, Workspace


def number_key(arbiter: bytes, dispute_id: int) -> Key:
    """Return the key that finds an arbiter's dispute."""
    return (DisputeNumber, arbiter + dispute_id.to_bytes(32, "big"))


def escrow_of(event: abi.Ruling, workspace: Workspace) -> bytes:
    """Return the escrow a ruling is about. Raises ReducerError when nothing was ever brought before that arbiter."""
    _, key = number_key(event.arbitrator, event.dispute_id)
    return workspace.need(DisputeNumber, key).escrow_id


def raised(event: abi.DisputeRaised, escrow: Escrow, place: Place, workspace: Workspace) -> None:
    """Add the dispute of an escrow. Raises ReducerError for a second one."""
    if workspace.find(Dispute, escrow.escrow_id) is not None:
        raise ReducerError(f"escrow 0x{escrow.escrow_id.hex()} is disputed twice")
    row = Dispute(
        escrow_id=escrow.escrow_id,
        raised_by=event.by,
        evidence_hash=event.evidence_hash,
        raised_at=place.block_time,
        respond_by=event.respond_by,
        arbiter=escrow.arbiter,
    )
    _record(row, "raised", event, place, workspace)


def moved(event: Any, escrow: Escrow, place: Place, workspace: Workspace) -> None:
    """Change the dispute of an escrow. Raises ReducerError when the event does not follow what we hold."""
    row = workspace.need(Dispute, escrow.escrow_id)
    match event:
        case abi.DisputeJoined():
            kind = "joined"
            row.dispute_id, row.decide_by = event.dispute_id, event.decide_by
            _, key = number_key(row.arbiter, event.dispute_id)
            number = DisputeNumber(
                number_id=key, arbiter=row.arbiter, dispute_id=event.dispute_id, escrow_id=row.escrow_id
            )
            workspace.put(number, place)
        case abi.DisputeDefaulted():
            kind, row.defaulted = "defaulted", True
        case abi.Ruling():
            kind, row.ruling = "ruled", event.ruling
        case abi.BondPosted():
            kind = "bond_posted"
            if event.party == escrow.client:
                row.bond_units = row.bond_left_units = event.amount
            else:
                row.fee_units = event.amount
        case _:
            kind = "bond_returned"
            row.bond_left_units -= event.amount
            if row.bond_left_units < 0:
                raise ReducerError(f"escrow 0x{row.escrow_id.hex()} returns more than its bond")
    _record(row, kind, event, place, workspace)


def closed(escrow: Escrow, workspace: Workspace) -> None:
    """Check that nothing of the bond stays behind. Raises ReducerError."""
    row = workspace.find(Dispute, escrow.escrow_id)
    if row is not None and row.bond_left_units:
        raise ReducerError(f"escrow 0x{escrow.escrow_id.hex()} closed with a bond of {row.bond_left_units}")


def _record(row: Dispute, kind: str, event: object, place: Place, workspace: Workspace) -> None:
    workspace.put(row, place)
    workspace.append(
        DisputeEvent(
            place=place,
            escrow_id=row.escrow_id,
            kind=kind,
            fields=spelled(event),
            dispute_id=row.dispute_id,
            decide_by=row.decide_by,
            ruling=row.ruling,
            defaulted=row.defaulted,
            bond_units=row.bond_units,
            bond_left_units=row.bond_left_units,
            fee_units=row.fee_units,
        )
    )
