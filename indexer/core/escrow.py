"""Escrow's events as row changes. Pure: the rows an event needs are named by `keys`, changed by `apply`."""

from __future__ import annotations

from typing import Any, Final

from aicp.abi import escrow as abi
from aicp.rules.primitives import ZERO_ADDRESS
from indexer.core import ledger
from indexer.core.context import Contracts
from indexer.core.rows import Escrow, EscrowConfig, EscrowEvent, Key, Place
from indexer.core.states import EscrowStatus, Outcome
from indexer.core.workspace import ReducerError, Workspace, spelled

CONTRACT: Final = "escrow"

_MOVES = (
    abi.EscrowAccepted | abi.WorkSubmitted | abi.EscrowReleased | abi.EscrowRefunded | abi.EscrowSplit
    | abi.EscrowClosed | abi.StakeSettlementFailed
)  # fmt: skip
_SILENT = (
    abi.InflowsPaused | abi.InflowsUnpaused | abi.OwnershipTransferStarted | abi.OwnershipTransferred
    | abi.EIP712DomainChanged | abi.DisputeRaised | abi.DisputeJoined | abi.DisputeDefaulted | abi.Ruling
    | abi.BondPosted | abi.Rated | abi.RowSkipped | abi.TokenRescued
)  # fmt: skip


def keys(event: object, workspace: Workspace, contracts: Contracts) -> list[Key]:
    """Return the rows the event reads or changes, as far as they can be told from what is loaded so far."""
    config: Key = (EscrowConfig, contracts.escrow)
    match event:
        case abi.EscrowFunded():
            parties = [ledger.ledger_key(contracts.escrow, party) for party in (event.client, event.provider)]
            # a slash of this escrow credits the client in Reputation, maybe in the same batch
            return [(Escrow, event.id), *parties, ledger.ledger_key(contracts.reputation, event.client)]
        case abi.BalanceSpent() | abi.BondReturned():
            return [ledger.ledger_key(contracts.escrow, event.account)]
        case abi.Withdrawn():
            return [ledger.ledger_key(contracts.escrow, event.account)]
        case abi.FeeRecipientChanged():
            return [config, ledger.ledger_key(contracts.escrow, event.fee_recipient)]
        case abi.FeeChanged():
            return [config]
        case _ if isinstance(event, _MOVES):
            found: list[Key] = [(Escrow, event.id), config]
            row = workspace.peek(Escrow, event.id)
            if row is not None:
                found += [ledger.ledger_key(contracts.escrow, party) for party in (row.client, row.provider)]
            fees = workspace.peek(EscrowConfig, contracts.escrow)
            if fees is not None:
                found.append(ledger.ledger_key(contracts.escrow, fees.fee_recipient))
            return found
        case _:
            return []


def apply(event: object, place: Place, workspace: Workspace, contracts: Contracts) -> None:
    """Change the rows. Raises ReducerError when the event does not follow what we hold."""
    match event:
        case abi.EscrowFunded():
            _funded(event, place, workspace)
        case abi.BalanceSpent():
            ledger.move(workspace, place, contracts.escrow, event.account, -event.amount, "spent", event.id)
        case abi.BondReturned():
            ledger.move(workspace, place, contracts.escrow, event.account, event.amount, "bond_returned", event.id)
        case abi.Withdrawn():
            ledger.move(workspace, place, contracts.escrow, event.account, -event.amount, "withdrawn", None)
            workspace.note(place, (event.account, event.to), CONTRACT, "withdrawn", None, event.amount)
        case abi.FeeRecipientChanged():
            fees = _config(workspace, contracts)
            fees.fee_recipient = event.fee_recipient
            workspace.put(fees, place)
        case abi.FeeChanged():
            fees = _config(workspace, contracts)
            fees.fee_bps = event.fee_bps
            workspace.put(fees, place)
        case _ if isinstance(event, _MOVES):
            _moved(event, place, workspace, contracts)
        case _ if isinstance(event, _SILENT):
            return
        case _:
            raise ReducerError(f"no rule for Escrow's {type(event).__name__}")


def _config(workspace: Workspace, contracts: Contracts) -> EscrowConfig:
    return workspace.find(EscrowConfig, contracts.escrow) or EscrowConfig(contract=contracts.escrow)


def _funded(event: abi.EscrowFunded, place: Place, workspace: Workspace) -> None:
    if workspace.find(Escrow, event.id) is not None:
        raise ReducerError(f"escrow 0x{event.id.hex()} funded twice")
    terms = event.terms
    row = Escrow(
        escrow_id=event.id,
        client=terms.client,
        provider=terms.provider,
        verifier=terms.verifier,
        arbiter=terms.arbiter,
        amount_units=terms.amount,
        fee_bps=terms.fee_bps,
        quorum=terms.quorum,
        accept_by=terms.accept_by,
        deliver_by=terms.deliver_by,
        challenge_period=terms.challenge_period,
        dispute_timeout=terms.dispute_timeout,
        job_hash=terms.job_hash,
        salt=terms.salt,
        status=EscrowStatus.FUNDED,
    )
    _record(row, "funded", event, amount=terms.amount, place=place, workspace=workspace)


def _moved(event: Any, place: Place, workspace: Workspace, contracts: Contracts) -> None:
    row = workspace.need(Escrow, event.id)
    amount = 0
    match event:
        case abi.EscrowAccepted():
            kind = "accepted"
            row.status, row.stake_units, row.accepted_at = EscrowStatus.ACCEPTED, event.stake, place.block_time
            amount = event.stake
        case abi.WorkSubmitted():
            kind = "submitted"
            row.status, row.deliverable_hash = EscrowStatus.SUBMITTED, event.deliverable_hash
            row.challenge_ends_at = event.challenge_ends_at
        case abi.EscrowReleased():
            kind, amount = "released", event.amount
            _release(row, event, place, workspace, contracts)
        case abi.EscrowRefunded():
            kind, amount = "refunded", event.amount
            row.refunded_units += amount
            row.ending = _ending_of_refund(row, place)
            ledger.move(workspace, place, contracts.escrow, row.client, amount, "refunded", row.escrow_id)
        case abi.EscrowSplit():
            kind, row.ending = "split", Outcome.SETTLED
        case abi.EscrowClosed():
            kind, row.status, row.outcome = "closed", EscrowStatus.CLOSED, row.ending
            if row.released_units + row.refunded_units != row.amount_units:
                raise ReducerError(f"escrow 0x{row.escrow_id.hex()} closed with money left")
        case _:
            kind = "stake_settlement_failed"
    if row.released_units + row.refunded_units > row.amount_units:
        raise ReducerError(f"escrow 0x{row.escrow_id.hex()} moved more than its amount")
    _record(row, kind, event, amount=amount, place=place, workspace=workspace)


def _release(row: Escrow, event: abi.EscrowReleased, place: Place, workspace: Workspace, contracts: Contracts) -> None:
    fees = workspace.find(EscrowConfig, contracts.escrow)
    if event.fee and (fees is None or fees.fee_recipient == ZERO_ADDRESS):
        raise ReducerError("a fee was paid before any fee recipient was named")
    row.released_units += event.amount
    row.fee_units += event.fee
    if row.ending != Outcome.SETTLED:
        row.ending = Outcome.COMPLETED
    escrow, recipient = contracts.escrow, fees.fee_recipient if fees is not None else ZERO_ADDRESS
    if recipient == row.provider:
        ledger.move(workspace, place, escrow, row.provider, event.amount, "released", row.escrow_id)
        return
    ledger.move(workspace, place, escrow, row.provider, event.amount - event.fee, "released", row.escrow_id)
    ledger.move(workspace, place, escrow, recipient, event.fee, "fee", row.escrow_id)


def _ending_of_refund(row: Escrow, place: Place) -> str:
    """Return how the escrow ends if this refund closes it, by the contract's own table."""
    if row.ending == Outcome.SETTLED:
        return Outcome.SETTLED
    if row.status == EscrowStatus.FUNDED:
        return Outcome.CANCELLED
    if row.status == EscrowStatus.ACCEPTED and place.block_time >= row.deliver_by:
        return Outcome.MISSED
    return Outcome.RETURNED


def _record(row: Escrow, kind: str, event: object, *, amount: int, place: Place, workspace: Workspace) -> None:
    workspace.put(row, place)
    workspace.append(
        EscrowEvent(
            place=place,
            escrow_id=row.escrow_id,
            kind=kind,
            fields=spelled(event),
            status=row.status,
            released_units=row.released_units,
            refunded_units=row.refunded_units,
            fee_units=row.fee_units,
            stake_units=row.stake_units,
            accepted_at=row.accepted_at,
            challenge_ends_at=row.challenge_ends_at,
            deliverable_hash=row.deliverable_hash,
            outcome=row.outcome,
        )
    )
    workspace.note(place, (row.client, row.provider), CONTRACT, kind, row.escrow_id, amount)
