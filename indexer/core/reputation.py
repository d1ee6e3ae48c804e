"""Reputation's events as row changes: stakes, locks, records of outcomes, the bonus pool and its own pull ledger."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from aicp.abi import reputation as abi
from aicp.abi.runtime import decode_dynamic, expect_topics, read_uint
from indexer.core import escrow, ledger
from indexer.core.context import Contracts
from indexer.core.rows import AgentRecord, BonusPool, Escrow, Key, Place, ScoreEpoch, Stake, StakeEvent, StakeLock
from indexer.core.spelling import spelled
from indexer.core.states import LockState, Outcome
from indexer.core.workspace import ReducerError, Workspace

CONTRACT: Final = "reputation"
OUTCOME_KIND: Final = "outcome_"
"""What the kind of an outcome's line begins with; the outcome follows."""

_STAKE = (
    abi.Staked | abi.UnstakeRequested | abi.Unstaked | abi.StakeLocked | abi.StakeUnlocked | abi.StakeSlashed
)  # fmt: skip
_SILENT = (
    abi.InflowsPaused | abi.InflowsUnpaused | abi.EIP712DomainChanged
    | abi.AnchorerChanged | abi.TokenRescued
)  # fmt: skip


class _EpochAnchored:
    """Reads an epoch whatever bytes its address is made of: no key may stop the stream with a text."""

    @staticmethod
    def decode(topics: Sequence[bytes], data: bytes) -> abi.EpochAnchored:
        expect_topics(topics, abi.EpochAnchored.TOPIC, 2)
        values = decode_dynamic(("bytes32", "uint32", "bytes32", "uint40", "bytes"), data)
        root, leaf_count, manifest_hash, active_at, uri = values
        return abi.EpochAnchored(
            epoch=read_uint(topics[1], 0, 64),
            root=root,
            leaf_count=leaf_count,
            manifest_hash=manifest_hash,
            active_at=active_at,
            uri=uri.decode("utf-8", "replace"),
        )


EVENTS: Final[dict[bytes, Any]] = {**abi.EVENTS, abi.EpochAnchored.TOPIC: _EpochAnchored}
_DISPUTED = (Outcome.LOST, Outcome.WON, Outcome.TIE, Outcome.STALLED)


def keys(event: object, workspace: Workspace, contracts: Contracts) -> list[Key]:
    """Return the rows the event reads or changes, as far as they can be told from what is loaded so far."""
    here = contracts.reputation
    match event:
        case abi.StakeLocked() | abi.StakeUnlocked():
            return [(Stake, event.agent), (StakeLock, event.escrow_id)]
        case abi.StakeSlashed():
            found: list[Key] = [(Stake, event.agent), (StakeLock, event.escrow_id), (Escrow, event.escrow_id)]
            row = workspace.peek(Escrow, event.escrow_id)
            if row is not None:
                found.append(ledger.ledger_key(here, row.client))
            return [*found, (BonusPool, here)]
        case abi.BonusPaid():
            return [(BonusPool, here), ledger.ledger_key(here, event.agent)]
        case abi.BonusPoolFunded():
            return [(BonusPool, here)]
        case abi.OutcomeRecorded():
            return [(AgentRecord, event.agent), (Escrow, event.escrow_id)]
        case abi.EpochAnchored() | abi.EpochVetoed():
            return [(ScoreEpoch, _epoch_id(event.epoch))]
        case abi.Withdrawn():
            return [ledger.ledger_key(here, event.account)]
        case _ if isinstance(event, _STAKE):
            return [(Stake, event.agent)]
        case _:
            return []


def apply(event: object, place: Place, workspace: Workspace, contracts: Contracts) -> None:
    """Change the rows. Raises ReducerError when the event does not follow what we hold."""
    here = contracts.reputation
    match event:
        case abi.BonusPaid():
            _bonus(workspace, place, here, -event.amount)
            ledger.move(workspace, place, here, event.agent, event.amount, "bonus", event.escrow_id)
            workspace.note(place, (event.agent,), CONTRACT, "bonus_paid", event.escrow_id, event.amount)
        case abi.BonusPoolFunded():
            _bonus(workspace, place, here, event.amount)
            workspace.note(place, (event.from_,), CONTRACT, "bonus_pool_funded", None, event.amount)
        case abi.OutcomeRecorded():
            _outcome(event, place, workspace)
        case abi.EpochAnchored():
            _anchored(event, place, workspace)
        case abi.EpochVetoed():
            epoch = workspace.need(ScoreEpoch, _epoch_id(event.epoch))
            epoch.vetoed = True
            workspace.put(epoch, place)
        case abi.Withdrawn():
            ledger.move(workspace, place, here, event.account, -event.amount, "withdrawn", None)
            workspace.note(place, (event.account, event.to), CONTRACT, "withdrawn", None, event.amount)
        case _ if isinstance(event, _STAKE):
            _moved(event, place, workspace, contracts)
        case _ if isinstance(event, _SILENT):
            return
        case _:
            raise ReducerError(f"no rule for Reputation's {type(event).__name__}")


def _moved(event: Any, place: Place, workspace: Workspace, contracts: Contracts) -> None:
    row = workspace.find(Stake, event.agent) or Stake(agent=event.agent)
    match event:
        case abi.Staked():
            kind = "staked"
            row.staked_units += event.amount
            if row.staked_units != event.staked:
                raise ReducerError(f"stake of 0x{row.agent.hex()} says {event.staked}, we hold {row.staked_units}")
        case abi.UnstakeRequested():
            kind = "unstake_requested"
            row.unbonding_units, row.unbond_at = event.amount, event.unbond_at
        case abi.Unstaked():
            kind = "unstaked"
            row.staked_units -= event.amount
            row.unbonding_units, row.unbond_at = 0, None
        case abi.StakeLocked():
            kind = "locked"
            row.locked_units += event.amount
            _lock(event, place, workspace)
        case abi.StakeUnlocked():
            kind = "unlocked"
            row.locked_units -= event.amount
            _close_lock(event.escrow_id, LockState.UNLOCKED, 0, place, workspace)
        case _:
            kind = "slashed"
            _slash(row, event, place, workspace, contracts)
    if not 0 <= row.locked_units <= row.staked_units:
        raise ReducerError(f"stake of 0x{row.agent.hex()}: {row.locked_units} locked of {row.staked_units}")
    workspace.put(row, place)
    workspace.append(
        StakeEvent(
            place=place,
            agent=row.agent,
            kind=kind,
            fields=spelled(event),
            staked_units=row.staked_units,
            locked_units=row.locked_units,
            unbonding_units=row.unbonding_units,
            unbond_at=row.unbond_at,
            slashed_units=row.slashed_units,
        )
    )
    workspace.note(place, (row.agent,), CONTRACT, kind, getattr(event, "escrow_id", None), event.amount)


def _lock(event: abi.StakeLocked, place: Place, workspace: Workspace) -> None:
    if workspace.find(StakeLock, event.escrow_id) is not None:
        raise ReducerError(f"escrow 0x{event.escrow_id.hex()} locks stake twice")
    lock = StakeLock(escrow_id=event.escrow_id, agent=event.agent, amount_units=event.amount, state=LockState.LOCKED)
    workspace.put(lock, place)


def _close_lock(escrow_id: bytes, state: LockState, slashed: int, place: Place, workspace: Workspace) -> StakeLock:
    lock = workspace.need(StakeLock, escrow_id)
    if lock.state != LockState.LOCKED:
        raise ReducerError(f"the lock of escrow 0x{escrow_id.hex()} is already {lock.state}")
    lock.state, lock.slashed_units = state, slashed
    workspace.put(lock, place)
    return lock


def _slash(row: Stake, event: abi.StakeSlashed, place: Place, workspace: Workspace, contracts: Contracts) -> None:
    lock = _close_lock(event.escrow_id, LockState.SLASHED, event.amount, place, workspace)
    row.locked_units -= lock.amount_units
    row.staked_units -= event.amount
    row.slashed_units += event.amount
    client = workspace.need(Escrow, event.escrow_id).client
    ledger.move(workspace, place, contracts.reputation, client, event.to_client, "slash", event.escrow_id)
    _bonus(workspace, place, contracts.reputation, event.to_pool)


def _bonus(workspace: Workspace, place: Place, contract: bytes, delta: int) -> None:
    if delta == 0:
        return
    pool = workspace.find(BonusPool, contract) or BonusPool(contract=contract)
    pool.balance_units += delta
    if pool.balance_units < 0:
        raise ReducerError(f"the bonus pool would fall to {pool.balance_units}")
    workspace.put(pool, place)


def _outcome(event: abi.OutcomeRecorded, place: Place, workspace: Workspace) -> None:
    row = workspace.find(AgentRecord, event.agent) or AgentRecord(agent=event.agent)
    outcome = Outcome.of_code(event.outcome)
    row.completed += outcome in {Outcome.COMPLETED, Outcome.WON}
    row.failed += outcome in {Outcome.RETURNED, Outcome.MISSED}
    row.lost += outcome == Outcome.LOST
    row.disputed += outcome in _DISPUTED
    row.settled_units += event.settled_value
    row.last_outcome_at = place.block_time
    workspace.put(row, place)
    workspace.note(place, (event.agent,), CONTRACT, f"{OUTCOME_KIND}{outcome}", event.escrow_id, event.settled_value)
    escrow.reported(event.escrow_id, outcome, place, workspace)


def _epoch_id(epoch: int) -> bytes:
    return epoch.to_bytes(8, "big")


def _anchored(event: abi.EpochAnchored, place: Place, workspace: Workspace) -> None:
    if workspace.find(ScoreEpoch, _epoch_id(event.epoch)) is not None:
        raise ReducerError(f"epoch {event.epoch} anchored twice")
    row = ScoreEpoch(
        epoch_id=_epoch_id(event.epoch),
        epoch=event.epoch,
        root=event.root,
        leaf_count=event.leaf_count,
        manifest_hash=event.manifest_hash,
        uri=spelled(event.uri),
        anchored_at=place.block_time,
        active_at=event.active_at,
    )
    workspace.put(row, place)
