"""From broadcast bytes to a final receipt.

A receipt counts as final only when its block is at or under the `finalized` tag and the canonical chain has its hash at
that height. Until then it is looked up again; when a reorg has dropped it, which only another block at that height
shows, the transaction goes back to accepted and the same bytes are sent again. Receipts of every attempt are asked
for, whichever was sent last.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from functools import partial

import structlog
from sqlalchemy.orm import Session

from backend.db.times import moment
from backend.txm import repo, service
from backend.txm.machine import BATCH, Machine
from backend.txm.models import Attempt, Intent, Transaction
from backend.txm.reverts import explain
from backend.txm.rpc import NodeError, NodeUnreachable, TxReceipt
from backend.txm.states import UNFINAL, IntentState, TxState
from backend.wallet import budget

_log = structlog.get_logger("txm.confirm")


@dataclass(frozen=True, slots=True)
class Finding:
    """What the chain says of a transaction: its receipt, if any, and whether it can no longer change.

    `known_block` is the block we took it to be mined in when we asked, None where we knew of none.
    """

    known_block: bytes | None
    receipt: TxReceipt | None
    final: bool


def confirm(machine: Machine) -> int:
    """Look for the receipts of everything unfinal and write down what changed; return how many changed.

    First what has no receipt yet, then, page by page, what has one: however much waits for finality, nothing starves.
    """
    finalized = machine.rpc.finalized_number()
    rows = machine.db.read(partial(_unmined, machine=machine))
    changed = _look_up(machine, rows, finalized)
    after: tuple[int, uuid.UUID] | None = None
    while True:
        rows = machine.db.read(partial(_mined, machine=machine, after=after))
        changed += _look_up(machine, rows, finalized)
        if len(rows) < BATCH:
            return changed
        last = rows[-1]
        assert last.block_number is not None
        after = (last.block_number, last.id)


def _unmined(session: Session, *, machine: Machine) -> list[Transaction]:
    return list(session.execute(repo.unmined(machine.keys.chain_id, machine.keys.addresses)).scalars())


def _mined(session: Session, *, machine: Machine, after: tuple[int, uuid.UUID] | None) -> list[Transaction]:
    page = repo.mined(machine.keys.chain_id, machine.keys.addresses, after, BATCH)
    return list(session.execute(page).scalars())


def _look_up(machine: Machine, rows: list[Transaction], finalized: int | None) -> int:
    if not rows:
        return 0
    attempts = machine.db.read(lambda s: list(s.execute(repo.attempts_of([row.id for row in rows])).scalars()))
    found = machine.rpc.receipts([attempt.hash for attempt in attempts])
    by_tx: dict[uuid.UUID, list[Attempt]] = {}
    for attempt in attempts:
        by_tx.setdefault(attempt.tx_id, []).append(attempt)
    changed = 0
    for row in rows:
        receipt = next((found[a.hash] for a in by_tx.get(row.id, []) if a.hash in found), None)
        if receipt is None and not _may_be_gone(machine, row):
            continue
        finding = Finding(row.block_hash, receipt, receipt is not None and _is_final(machine, receipt, finalized))
        if _is_news(row, finding):
            detail = _why(machine, row, receipt) if receipt is not None and not receipt.succeeded else None
            changed += machine.db.write(partial(apply, machine=machine, tx_id=row.id, finding=finding, failure=detail))
    return changed


def _may_be_gone(machine: Machine, row: Transaction) -> bool:
    """Return whether a mined transaction without a receipt has left the chain, and not only nodes that lag.

    Only another block at its height says so; while no node shows one, the transaction stays mined.
    """
    if row.state != TxState.MINED.value:
        return False
    assert row.block_number is not None
    assert row.block_hash is not None
    return machine.rpc.shows_another_block(row.block_number, row.block_hash)


def _is_final(machine: Machine, receipt: TxReceipt, finalized: int | None) -> bool:
    if finalized is None or receipt.block_number > finalized:
        return False
    return machine.rpc.block_hash(receipt.block_number) == receipt.block_hash


def _is_news(row: Transaction, finding: Finding) -> bool:
    if finding.receipt is None:
        return True
    return finding.final or row.state != TxState.MINED.value or row.block_hash != finding.receipt.block_hash


def _why(machine: Machine, row: Transaction, receipt: TxReceipt) -> tuple[str, str]:
    """Return the decoded reason of a failed transaction, replayed on the block before; best effort."""
    intent_id = row.intent_id
    if intent_id is None:
        return "reverted", "The transaction failed."
    intent = machine.db.read(lambda s: service.get(s, intent_id))
    try:
        machine.rpc.eth_call(
            sender=row.account, to=intent.to, data=intent.data, tag=hex(max(0, receipt.block_number - 1))
        )
    except NodeError as error:
        return explain(error)
    except NodeUnreachable:
        return "reverted", "The transaction failed."
    return "reverted", "The transaction failed in its block; another transaction came first."


def apply(
    session: Session, machine: Machine, tx_id: uuid.UUID, finding: Finding, failure: tuple[str, str] | None
) -> bool:
    """Write a finding to the transaction and its intent, in one commit; return whether it still held.

    The finding is older than the lock: another worker may have ended the transaction, or seen it in another block.
    """
    row = session.execute(repo.transaction_locked(tx_id)).scalar_one_or_none()
    if row is None or row.state not in UNFINAL or row.block_hash != finding.known_block:
        return False
    intent = None
    if row.intent_id is not None:
        intent = session.execute(repo.intent_waited(row.intent_id)).scalar_one()
    row.updated_at = moment(machine.ctx.now())
    receipt = finding.receipt
    if receipt is None:
        _back_to_accepted(session, machine, row, intent)
        return True
    row.block_number, row.block_hash, row.mined_hash = receipt.block_number, receipt.block_hash, receipt.tx_hash
    if not finding.final:
        row.state = TxState.MINED.value
    else:
        row.state = TxState.FINAL.value if receipt.succeeded else TxState.FAILED_ONCHAIN.value
    if intent is not None:
        _tell_intent(session, machine, intent, finding, failure)
    return True


def _back_to_accepted(session: Session, machine: Machine, row: Transaction, intent: Intent | None) -> None:
    _log.warning("a mined transaction is no longer in the chain", tx=str(row.id), nonce=row.nonce)
    row.state = TxState.ACCEPTED.value
    row.block_number = row.block_hash = row.mined_hash = None
    for attempt in session.execute(repo.attempts_of([row.id])).scalars():
        attempt.last_broadcast_at = None
    if intent is not None:
        _count(session, machine, intent, None)
        service.set_state(
            session, machine.ctx, intent, IntentState.SENT, block_number=None, gas_used=None, error_code=None
        )


def _tell_intent(
    session: Session, machine: Machine, intent: Intent, finding: Finding, failure: tuple[str, str] | None
) -> None:
    receipt = finding.receipt
    assert receipt is not None
    code, detail = failure or (None, None)
    ended = IntentState.FINAL if receipt.succeeded else IntentState.FAILED
    state = ended if finding.final else IntentState.MINED
    _count(session, machine, intent, receipt.gas_used)
    service.set_state(
        session,
        machine.ctx,
        intent,
        state,
        tx_hash=receipt.tx_hash,
        block_number=receipt.block_number,
        gas_used=receipt.gas_used,
        error_code=code,
        error_detail=detail,
    )


def _count(session: Session, machine: Machine, intent: Intent, used: int | None) -> None:
    """Count the gas against whom the call is for, in the commit that writes it down."""
    budget.count(session, machine.ctx, intent.on_behalf_of, intent.kind, before=intent.gas_used, used=used)
