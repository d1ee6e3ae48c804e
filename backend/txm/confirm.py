"""From broadcast bytes to a final receipt.

A receipt counts as final only when its block is at or under the `finalized` tag and the canonical chain has its hash at
that height. Until then it is looked up again; when a reorg has dropped it, which only another block at that height
shows, the transaction goes back to accepted and the same bytes are sent again. Receipts of every attempt are asked
for, whichever was sent last.

Goal: every transaction ends as the chain has it, and its intent says the same. Invariants: what has ended stays ended;
transaction, intent, event and the gas that is counted change in one commit; a finding is written only where the row
still is what it was when the nodes were asked.

A crash while nodes are asked, or before the commit, has changed nothing: the next round of any worker asks again. After
the commit nothing is left to do. Each page of what is mined has a commit of its own.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import structlog
from sqlalchemy.orm import Session

from backend.db.times import moment
from backend.failpoints import failpoint
from backend.txm import repo, repo_sends, service
from backend.txm.machine import BATCH, Machine
from backend.txm.models import Intent, Transaction
from backend.txm.reverts import explain
from backend.txm.rpc import NodeError, NodeUnreachable, TxReceipt
from backend.txm.states import UNFINAL, IntentState, TxState
from backend.wallet import budget

_log = structlog.get_logger("txm.confirm")


@dataclass(frozen=True, slots=True)
class Finding:
    """What the chain says of a transaction: its receipt, if any, and whether it can no longer change.

    `known_block` is the block we took it to be mined in when we asked, None where we knew of none. `nothing` where
    what is mined only uses the nonce up; `failure` is why it failed, code and detail.
    """

    known_block: bytes | None
    receipt: TxReceipt | None
    final: bool
    nothing: bool = False
    failure: tuple[str, str] | None = None


@dataclass(slots=True)
class _Heights:
    """Canonical block hashes, asked for once a round."""

    machine: Machine
    finalized: int | None
    hashes: dict[int, bytes] = field(default_factory=dict)

    def learn(self, numbers: Iterable[int]) -> None:
        """Ask for the hashes at heights that were not asked for yet."""
        new = sorted(set(numbers) - self.hashes.keys())
        if new:
            self.hashes |= self.machine.rpc.block_hashes(new)

    def is_final(self, number: int, block_hash: bytes) -> bool:
        """Return whether a block is canonical and at or under the finalised one."""
        if self.finalized is None or number > self.finalized:
            return False
        self.learn([number])
        return self.hashes.get(number) == block_hash


def confirm(machine: Machine) -> int:
    """Look for the receipts of everything unfinal and write down what changed; return how many changed.

    First what has no receipt yet, then, page by page, what has one: however much waits for finality, nothing starves.
    """
    changed = confirm_unmined(machine)
    heights = _Heights(machine, machine.rpc.finalized_number())
    after: tuple[int, uuid.UUID] | None = None
    while True:
        rows = machine.db.read(partial(_mined, machine=machine, after=after))
        changed += _look_up(machine, _in_doubt(rows, heights), heights)
        if len(rows) < BATCH:
            return changed
        last = rows[-1]
        assert last.block_number is not None
        after = (last.block_number, last.id)


def confirm_unmined(machine: Machine) -> int:
    """Look for the receipts of what has none; return how many changed."""
    rows = machine.db.read(partial(_unmined, machine=machine))
    return _look_up(machine, rows, _Heights(machine, machine.rpc.finalized_number())) if rows else 0


def _unmined(session: Session, *, machine: Machine) -> list[Transaction]:
    return list(session.execute(repo.unmined(machine.keys.chain_id, machine.keys.addresses)).scalars())


def _mined(session: Session, *, machine: Machine, after: tuple[int, uuid.UUID] | None) -> list[Transaction]:
    page = repo.mined(machine.keys.chain_id, machine.keys.addresses, after, BATCH)
    return list(session.execute(page).scalars())


def _in_doubt(rows: Sequence[Transaction], heights: _Heights) -> list[Transaction]:
    """Leave out what is mined above the finalised block, where the chain still has its block at that height."""
    young = [row for row in rows if heights.finalized is None or (row.block_number or 0) > heights.finalized]
    heights.learn(row.block_number for row in young if row.block_number is not None)
    same = {row.id for row in young if heights.hashes.get(row.block_number or 0) == row.block_hash}
    return [row for row in rows if row.id not in same]


def _look_up(machine: Machine, rows: Sequence[Transaction], heights: _Heights) -> int:
    if not rows:
        return 0
    attempts = machine.db.read(lambda s: s.execute(repo_sends.attempt_hashes([row.id for row in rows])).tuples().all())
    found = machine.rpc.receipts([tx_hash for _, tx_hash, _ in attempts])
    mined = {tx_id: (found[tx_hash], empty) for tx_id, tx_hash, empty in attempts if tx_hash in found}
    heights.learn(r.block_number for r, _ in mined.values() if r.block_number <= (heights.finalized or -1))
    news: dict[uuid.UUID, Finding] = {}
    for row in rows:
        receipt, empty = mined.get(row.id, (None, False))
        if receipt is None and not _may_be_gone(machine, row):
            continue
        final = receipt is not None and heights.is_final(receipt.block_number, receipt.block_hash)
        failure = None
        if _is_news(row, receipt, final=final):
            if receipt is not None and not receipt.succeeded:
                failure = _why(machine, row, receipt)
            news[row.id] = Finding(row.block_hash, receipt, final, nothing=empty, failure=failure)
    if not news:
        return 0
    return machine.db.write(partial(apply, machine=machine, findings=news))


def _may_be_gone(machine: Machine, row: Transaction) -> bool:
    """Return whether a mined transaction without a receipt has left the chain, and not only nodes that lag.

    Only another block at its height says so; while no node shows one, the transaction stays mined.
    """
    if row.state != TxState.MINED.value:
        return False
    assert row.block_number is not None
    assert row.block_hash is not None
    return machine.rpc.shows_another_block(row.block_number, row.block_hash)


def _is_news(row: Transaction, receipt: TxReceipt | None, *, final: bool) -> bool:
    if receipt is None:
        return True
    return final or row.state != TxState.MINED.value or row.block_hash != receipt.block_hash


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


def apply(session: Session, *, machine: Machine, findings: Mapping[uuid.UUID, Finding]) -> int:
    """Write findings to transactions and their intents, in one commit; return how many still held.

    They are older than the locks: another worker may have ended a transaction, or seen it in another block.
    """
    held = [
        row
        for row in session.execute(repo.transactions_locked(list(findings))).scalars()
        if row.state in UNFINAL and row.block_hash == findings[row.id].known_block
    ]
    wanted = [row.intent_id for row in held if row.intent_id is not None]
    intents = {one.id: one for one in session.execute(repo.intents_waited(wanted)).scalars()} if wanted else {}
    changed: list[Intent] = []
    for row in held:
        intent = None if row.intent_id is None else intents[row.intent_id]
        if _write(session, machine, row, intent, findings[row.id]):
            assert intent is not None
            changed.append(intent)
    session.flush()
    service.announce(session, *changed)
    failpoint("txm.confirming")
    return len(held)


def _write(session: Session, machine: Machine, row: Transaction, intent: Intent | None, finding: Finding) -> bool:
    """Write one finding; return whether its intent has changed."""
    row.updated_at = moment(machine.ctx.now())
    receipt = finding.receipt
    if receipt is None:
        _log.warning("a mined transaction is no longer in the chain", tx=str(row.id), nonce=row.nonce)
        row.state = TxState.ACCEPTED.value
        row.block_number = row.block_hash = row.mined_hash = None
        session.execute(repo_sends.send_again(row.id))
        return intent is not None and _back_to_sent(session, machine, intent)
    row.block_number, row.block_hash, row.mined_hash = receipt.block_number, receipt.block_hash, receipt.tx_hash
    if not finding.final:
        row.state = TxState.MINED.value
    elif not receipt.succeeded:
        row.state = TxState.FAILED_ONCHAIN.value
    else:
        row.state = TxState.CANCELLED.value if finding.nothing and intent is not None else TxState.FINAL.value
    return intent is not None and _tell_intent(session, machine, intent, finding)


def _back_to_sent(session: Session, machine: Machine, intent: Intent) -> bool:
    _count(session, machine, intent, None)
    return service.change(
        machine.ctx, intent, IntentState.SENT, block_number=None, gas_used=None, error_code=None, error_detail=None
    )


def _tell_intent(session: Session, machine: Machine, intent: Intent, finding: Finding) -> bool:
    receipt = finding.receipt
    assert receipt is not None
    if finding.nothing:  # its call never happens on this nonce; certain only once that is final
        if not finding.final:
            return False
        return service.change(
            machine.ctx, intent, IntentState.CANCELLED, tx_hash=receipt.tx_hash, block_number=receipt.block_number,
            error_code="cancelled",
        )  # fmt: skip
    code, detail = finding.failure or (None, None)
    ended = IntentState.FINAL if receipt.succeeded else IntentState.FAILED
    _count(session, machine, intent, receipt.gas_used)
    return service.change(
        machine.ctx,
        intent,
        ended if finding.final else IntentState.MINED,
        tx_hash=receipt.tx_hash,
        block_number=receipt.block_number,
        gas_used=receipt.gas_used,
        error_code=code,
        error_detail=detail,
    )


def _count(session: Session, machine: Machine, intent: Intent, used: int | None) -> None:
    """Count the gas against whom the call is for, in the commit that writes it down."""
    budget.count(session, machine.ctx, intent.on_behalf_of, intent.kind, before=intent.gas_used, used=used)
