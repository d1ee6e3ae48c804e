"""Escrow's events as row changes. Pure: the rows an event needs are named by `keys`, changed by `apply`."""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from typing import Any, Final

from aicp.abi import escrow as abi
from aicp.rules.primitives import ZERO_ADDRESS
from indexer.core import disputes, ledger
from indexer.core.context import Contracts
from indexer.core.dispute_rows import Dispute, DisputeNumber, Rating
from indexer.core.rows import Escrow, EscrowConfig, EscrowEvent, Key, Ledger, Place
from indexer.core.states import RULED_OUTCOMES, EscrowStatus, Outcome
from indexer.core.workspace import ReducerError, Workspace

CONTRACT: Final = "escrow"
STAKE_SETTLED: Final = "stake_settled"
"""The kind of an escrow's event row that comes from a log of Reputation."""

_Keys = Callable[[Any, Workspace, Contracts], list[Key]]
_Rule = Callable[[Any, Place, Workspace, Contracts], None]


def keys(event: object, workspace: Workspace, contracts: Contracts) -> list[Key]:
    """Return the rows the event reads or changes, as far as they can be told from what is loaded so far."""
    rule = _KEYS.get(type(event))
    return [] if rule is None else rule(event, workspace, contracts)


def apply(event: object, place: Place, workspace: Workspace, contracts: Contracts) -> None:
    """Change the rows. Raises ReducerError when the event does not follow what we hold."""
    rule = _RULES.get(type(event))
    if rule is None:
        raise ReducerError(f"no rule for Escrow's {type(event).__name__}")
    rule(event, place, workspace, contracts)


def _funded_keys(event: abi.EscrowFunded, workspace: Workspace, contracts: Contracts) -> list[Key]:  # noqa: ARG001
    parties = [ledger.ledger_key(contracts.escrow, party) for party in (event.client, event.provider)]
    # a slash of this escrow credits the client in Reputation, maybe in the same batch
    return [(Escrow, event.id), *parties, ledger.ledger_key(contracts.reputation, event.client)]


def _account_keys(event: Any, workspace: Workspace, contracts: Contracts) -> list[Key]:  # noqa: ARG001
    return [ledger.ledger_key(contracts.escrow, event.account)]


def _fee_keys(event: Any, workspace: Workspace, contracts: Contracts) -> list[Key]:  # noqa: ARG001
    config: Key = (EscrowConfig, contracts.escrow)
    if isinstance(event, abi.FeeChanged):
        return [config]
    return [config, ledger.ledger_key(contracts.escrow, event.fee_recipient)]


def _move_keys(event: Any, workspace: Workspace, contracts: Contracts) -> list[Key]:
    here = contracts.escrow
    found: list[Key] = [(Escrow, event.id), (Dispute, event.id), (EscrowConfig, here)]
    row = workspace.peek(Escrow, event.id)
    if row is not None:
        found += ((Ledger, here + row.client), (Ledger, here + row.provider))
    fees = workspace.peek(EscrowConfig, here)
    if fees is not None:
        found.append((Ledger, here + fees.fee_recipient))
    return found


def _dispute_keys(event: Any, workspace: Workspace, contracts: Contracts) -> list[Key]:
    """A ruling names no escrow. Where its number is not stored, DisputeJoined of the same batch loads the rest."""
    match event:
        case abi.Ruling():
            kind, key = disputes.number_key(event.arbitrator, event.dispute_id)
            number = workspace.peek(DisputeNumber, key)
            rows: list[Key] = [] if number is None else [(Escrow, number.escrow_id), (Dispute, number.escrow_id)]
            return [(kind, key), *rows]
        case abi.BondReturned():
            return [(Escrow, event.id), (Dispute, event.id), ledger.ledger_key(contracts.escrow, event.account)]
        case _:
            return [(Escrow, event.id), (Dispute, event.id)]


def reported(escrow_id: bytes, outcome: Outcome, place: Place, workspace: Workspace) -> None:
    """Note that Reputation has taken the end of an escrow, at once or by a repeated report.

    Its word decides what Escrow's own events leave open: a provider's refund of the last base unit after the arbiter's
    time looks like the end of a stalled dispute over one base unit. Raises ReducerError for any other disagreement.
    """
    row = workspace.need(Escrow, escrow_id)
    if row.status != EscrowStatus.CLOSED:
        raise ReducerError(f"escrow 0x{escrow_id.hex()} was reported before it closed")
    if row.outcome == outcome and not row.stake_locked:
        return
    if row.outcome != outcome and {row.outcome, outcome} != {Outcome.LOST, Outcome.STALLED}:
        raise ReducerError(f"escrow 0x{escrow_id.hex()} was reported as {outcome}, we hold {row.outcome}")
    row.outcome, row.stake_locked = outcome, False
    _record(row, STAKE_SETTLED, place=place, workspace=workspace)


def _fees_changed(event: Any, place: Place, workspace: Workspace, contracts: Contracts) -> None:
    fees = workspace.find(EscrowConfig, contracts.escrow) or EscrowConfig(contract=contracts.escrow)
    if isinstance(event, abi.FeeChanged):
        fees.fee_bps = event.fee_bps
    else:
        fees.fee_recipient = event.fee_recipient
    workspace.put(fees, place)


def _funded(event: abi.EscrowFunded, place: Place, workspace: Workspace, contracts: Contracts) -> None:  # noqa: ARG001
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
    _record(row, "funded", amount=terms.amount, place=place, workspace=workspace)


def _bond_posted(event: abi.BondPosted, place: Place, workspace: Workspace, contracts: Contracts) -> None:  # noqa: ARG001
    disputes.moved(event, workspace.need(Escrow, event.id), place, workspace)


def _bond_returned(event: abi.BondReturned, place: Place, workspace: Workspace, contracts: Contracts) -> None:
    disputes.moved(event, workspace.need(Escrow, event.id), place, workspace)
    ledger.move(workspace, place, contracts.escrow, event.account, event.amount, "bond_returned", event.id)


def _spent(event: abi.BalanceSpent, place: Place, workspace: Workspace, contracts: Contracts) -> None:
    ledger.move(workspace, place, contracts.escrow, event.account, -event.amount, "spent", event.id)


def _withdrawn(event: abi.Withdrawn, place: Place, workspace: Workspace, contracts: Contracts) -> None:
    ledger.move(workspace, place, contracts.escrow, event.account, -event.amount, "withdrawn", None)
    workspace.note(place, (event.account, event.to), CONTRACT, "withdrawn", None, event.amount)


def _silent(event: object, place: Place, workspace: Workspace, contracts: Contracts) -> None:
    """Change nothing: the raw log says all there is."""


def _ruled(event: abi.Ruling, place: Place, workspace: Workspace, contracts: Contracts) -> None:  # noqa: ARG001
    """A ruling is recorded, or comes just before it is carried out in the same call."""
    row = workspace.need(Escrow, disputes.escrow_of(event, workspace))
    if row.status != EscrowStatus.DISPUTED or event.ruling not in RULED_OUTCOMES:
        raise ReducerError(f"escrow 0x{row.escrow_id.hex()} is {row.status} and ruled {event.ruling}")
    row.status, row.ruling = EscrowStatus.RULED, event.ruling
    disputes.moved(event, row, place, workspace)
    _record(row, "ruled", place=place, workspace=workspace)


def _moved(event: Any, place: Place, workspace: Workspace, contracts: Contracts) -> None:
    row = workspace.need(Escrow, event.id)
    amount = fee = 0
    match event:
        case abi.EscrowAccepted():
            kind = "accepted"
            row.status, row.stake_units, row.accepted_at = EscrowStatus.ACCEPTED, event.stake, place.block_time
            row.stake_locked = True
            amount = event.stake
        case abi.WorkSubmitted():
            kind = "submitted"
            row.status, row.deliverable_hash = EscrowStatus.SUBMITTED, event.deliverable_hash
            row.challenge_ends_at = event.challenge_ends_at
        case abi.EscrowReleased():
            kind, amount, fee = "released", event.amount, event.fee
            _release(row, event, place, workspace, contracts)
        case abi.EscrowRefunded():
            kind, amount = "refunded", event.amount
            row.refunded_units += amount
            row.ending = _ending_of_refund(row, place)
            ledger.move(workspace, place, contracts.escrow, row.client, amount, "refunded", row.escrow_id)
        case abi.EscrowSplit():
            kind, row.ending = "split", Outcome.SETTLED
        case abi.EscrowClosed():
            kind = "closed"
            _close(row, workspace)
        case abi.StakeSettlementFailed():
            kind, row.stake_locked = "stake_settlement_failed", True
        case abi.Rated():
            kind = "rated"
            _rated(row, event, place, workspace)
        case _:
            kind = _disputed(row, event, place, workspace)
    if row.released_units + row.refunded_units > row.amount_units:
        raise ReducerError(f"escrow 0x{row.escrow_id.hex()} moved more than its amount")
    _record(row, kind, amount=amount, fee=fee, place=place, workspace=workspace)


def _disputed(row: Escrow, event: Any, place: Place, workspace: Workspace) -> str:
    match event:
        case abi.DisputeRaised():
            row.status, row.respond_by = EscrowStatus.CHALLENGED, event.respond_by
            disputes.raised(event, row, place, workspace)
            return "dispute_raised"
        case abi.DisputeJoined():
            row.status, row.decide_by = EscrowStatus.DISPUTED, event.decide_by
            disputes.moved(event, row, place, workspace)
            return "dispute_joined"
        case _:
            row.ending = Outcome.LOST
            disputes.moved(event, row, place, workspace)
            return "dispute_defaulted"


def _close(row: Escrow, workspace: Workspace) -> None:
    if row.released_units + row.refunded_units != row.amount_units:
        raise ReducerError(f"escrow 0x{row.escrow_id.hex()} closed with money left")
    disputes.closed(row, workspace)
    row.status, row.outcome, row.stake_locked = EscrowStatus.CLOSED, row.ending, False


def _rated(row: Escrow, event: abi.Rated, place: Place, workspace: Workspace) -> None:
    if event.rater == row.client:
        row.rated_by_client = True
    else:
        row.rated_by_provider = True
    workspace.append(
        Rating(
            place=place,
            escrow_id=row.escrow_id,
            rater=event.rater,
            ratee=event.ratee,
            score=event.score,
            comment_hash=event.comment_hash,
            settled_units=event.settled_value,
        )
    )


def _release(row: Escrow, event: abi.EscrowReleased, place: Place, workspace: Workspace, contracts: Contracts) -> None:
    fees = workspace.find(EscrowConfig, contracts.escrow)
    if event.fee and (fees is None or fees.fee_recipient == ZERO_ADDRESS):
        raise ReducerError("a fee was paid before any fee recipient was named")
    row.released_units += event.amount
    row.fee_units += event.fee
    row.ending = _ending_of_release(row)
    escrow, recipient = contracts.escrow, fees.fee_recipient if fees is not None else ZERO_ADDRESS
    if recipient == row.provider:
        ledger.move(workspace, place, escrow, row.provider, event.amount, "released", row.escrow_id)
        return
    ledger.move(workspace, place, escrow, row.provider, event.amount - event.fee, "released", row.escrow_id)
    ledger.move(workspace, place, escrow, recipient, event.fee, "fee", row.escrow_id)


def _ending_of_release(row: Escrow) -> str:
    """Return how the escrow ends if this release closes it, by the contract's own table."""
    if row.ending == Outcome.SETTLED:
        return Outcome.SETTLED
    if row.status == EscrowStatus.RULED:
        return RULED_OUTCOMES[row.ruling or 0]
    # while an arbiter decides, nothing but a split or the end of his time releases anything
    return Outcome.STALLED if row.status == EscrowStatus.DISPUTED else Outcome.COMPLETED


def _ending_of_refund(row: Escrow, place: Place) -> str:
    """Return how the escrow ends if this refund closes it, by the contract's own table."""
    if row.ending == Outcome.SETTLED:
        return Outcome.SETTLED
    match EscrowStatus(row.status):
        case EscrowStatus.FUNDED:
            return Outcome.CANCELLED
        case EscrowStatus.ACCEPTED if place.block_time >= row.deliver_by:
            return Outcome.MISSED
        case EscrowStatus.CHALLENGED if row.ending == Outcome.LOST:
            return Outcome.LOST  # the default was claimed in this very call
        case EscrowStatus.DISPUTED:
            return Outcome.STALLED if row.ending == Outcome.STALLED else Outcome.LOST
        case EscrowStatus.RULED:
            return RULED_OUTCOMES[row.ruling or 0]
        case _:
            return Outcome.RETURNED


def _record(row: Escrow, kind: str, *, amount: int = 0, fee: int = 0, place: Place, workspace: Workspace) -> None:
    workspace.put(row, place)
    workspace.append(
        EscrowEvent(
            place=place,
            escrow_id=row.escrow_id,
            client=row.client,
            provider=row.provider,
            kind=kind,
            event_amount_units=amount,
            event_fee_units=fee,
            status=row.status,
            released_units=row.released_units,
            refunded_units=row.refunded_units,
            fee_units=row.fee_units,
            stake_units=row.stake_units,
            accepted_at=row.accepted_at,
            challenge_ends_at=row.challenge_ends_at,
            respond_by=row.respond_by,
            decide_by=row.decide_by,
            ruling=row.ruling,
            deliverable_hash=row.deliverable_hash,
            outcome=row.outcome,
            stake_locked=row.stake_locked,
        )
    )


_MOVES: Final[tuple[type[Any], ...]] = (
    abi.EscrowAccepted, abi.WorkSubmitted, abi.EscrowReleased, abi.EscrowRefunded, abi.EscrowSplit, abi.EscrowClosed,
    abi.StakeSettlementFailed, abi.DisputeRaised, abi.DisputeJoined, abi.DisputeDefaulted, abi.Rated,
)  # fmt: skip
_SILENT: Final[tuple[type[Any], ...]] = (
    abi.InflowsPaused, abi.InflowsUnpaused, abi.OwnershipTransferStarted, abi.OwnershipTransferred,
    abi.EIP712DomainChanged, abi.RowSkipped, abi.TokenRescued, abi.MetaEvidence, abi.Dispute, abi.Evidence,
)  # fmt: skip
SUBJECTS: Final[dict[type[Any], Callable[[Any], bytes]]] = dict.fromkeys(_MOVES, attrgetter("id"))
"""What alone tells the keys of an event: `_move_keys` looks at nothing else of it."""
_KEYS: Final[dict[type[Any], _Keys]] = {
    **dict.fromkeys(_MOVES, _move_keys),
    **dict.fromkeys((abi.BondPosted, abi.BondReturned, abi.Ruling), _dispute_keys),
    **dict.fromkeys((abi.BalanceSpent, abi.Withdrawn), _account_keys),
    **dict.fromkeys((abi.FeeRecipientChanged, abi.FeeChanged), _fee_keys),
    abi.EscrowFunded: _funded_keys,
}
_RULES: Final[dict[type[Any], _Rule]] = {
    **dict.fromkeys(_MOVES, _moved),
    **dict.fromkeys(_SILENT, _silent),
    **dict.fromkeys((abi.FeeRecipientChanged, abi.FeeChanged), _fees_changed),
    abi.EscrowFunded: _funded,
    abi.BalanceSpent: _spent,
    abi.Withdrawn: _withdrawn,
    abi.BondPosted: _bond_posted,
    abi.BondReturned: _bond_returned,
    abi.Ruling: _ruled,
}
