"""What keeps the nonces of a key whole: no holes, no guesses about nonces somebody else has used."""

from __future__ import annotations

import uuid
from functools import partial

import structlog
from sqlalchemy.orm import Session

from backend.db.times import moment
from backend.txm import repo, service
from backend.txm.fees import Fees
from backend.txm.machine import BATCH, NOOP_GAS, Machine
from backend.txm.models import Attempt, RelayAccount, Transaction
from backend.txm.prepare import store_first_attempt
from backend.txm.signer import Call
from backend.txm.states import IntentState, TxState

_log = structlog.get_logger("txm.heal")


def register_keys(machine: Machine) -> None:
    """Give every key of this process its row; a new key starts at the chain's count. Raises NodeUnreachable."""
    chain_id = machine.keys.chain_id
    known = machine.db.read(
        lambda s: {a.address: a for a in s.execute(repo.accounts(chain_id, machine.keys.addresses)).scalars()}
    )
    for address in machine.keys.addresses:
        if address not in known:
            nonce = machine.rpc.nonce(address)
            machine.db.write(partial(_register, chain_id=chain_id, address=address, nonce=nonce))


def _register(session: Session, *, chain_id: int, address: bytes, nonce: int) -> None:
    session.execute(repo.new_account(chain_id, address, nonce))


def _noop(account: bytes) -> Call:
    return Call(to=account, data=b"", gas_limit=NOOP_GAS)


def replace_by_noop(machine: Machine, tx_id: uuid.UUID, reason: str) -> None:
    """Spend the nonce of a transaction every node rejects for good on nothing, so that later nonces can be mined."""
    fees = machine.market_fees()

    def run(session: Session) -> None:
        row = session.execute(repo.transaction_locked(tx_id)).scalar_one_or_none()
        if row is None or row.state != TxState.SIGNED.value or row.intent_id is None:
            return
        intent = session.execute(repo.intent_waited(row.intent_id)).scalar_one()
        attempts = session.execute(repo.attempts_of([row.id])).scalars().all()
        signed = machine.keys.sign(row.account, row.nonce, _noop(row.account), fees)
        now = moment(machine.ctx.now())
        session.add(
            Attempt(
                tx_id=row.id,
                seq=attempts[-1].seq + 1,
                raw=signed.raw,
                hash=signed.tx_hash,
                max_fee_wei=fees.max_fee_wei,
                tip_wei=fees.tip_wei,
                signed_at=now,
            )
        )
        row.intent_id = None
        row.updated_at = now
        service.set_state(
            session, machine.ctx, intent, IntentState.FAILED, error_code="rejected", error_detail=reason, tx_hash=None
        )

    machine.db.write(run)


def fill_holes(machine: Machine) -> int:
    """Sign a no-op for every nonce below the account's next that no row uses; return how many."""
    fees: Fees | None = None
    filled = 0
    for account in _accounts(machine):
        mined = machine.rpc.nonce(account.address)
        if mined >= account.next_nonce:
            continue
        used = machine.db.read(partial(_used_nonces, machine=machine, account=account, low=mined))
        for nonce in sorted(set(range(mined, account.next_nonce)) - used):
            fees = fees or machine.market_fees()
            _log.error("a nonce without a transaction is filled", sender="0x" + account.address.hex(), nonce=nonce)
            filled += machine.db.write(partial(_fill, machine=machine, address=account.address, nonce=nonce, fees=fees))
    return filled


def _used_nonces(session: Session, *, machine: Machine, account: RelayAccount, low: int) -> set[int]:
    found = repo.nonces_between(machine.keys.chain_id, account.address, low, account.next_nonce)
    return set(session.execute(found).scalars())


def _fill(session: Session, machine: Machine, address: bytes, nonce: int, fees: Fees) -> int:
    session.execute(repo.account_locked(machine.keys.chain_id, address)).scalar_one()
    taken = session.execute(repo.nonces_between(machine.keys.chain_id, address, nonce, nonce + 1)).scalars().all()
    if taken:
        return 0
    store_first_attempt(session, machine, None, address, nonce=nonce, call=_noop(address), fees=fees)
    return 1


def _accounts(machine: Machine) -> list[RelayAccount]:
    return machine.db.read(
        lambda s: list(s.execute(repo.accounts(machine.keys.chain_id, machine.keys.addresses)).scalars())
    )


def find_foreign_use(machine: Machine) -> int:
    """Notice nonces of our keys that somebody else has used; return how many.

    A nonce below the finalised count, with no receipt for any of our attempts, was used by an outsider: the key is
    quarantined and the intent goes back to the queue, once. A count above our own next nonce means the same.
    """
    found = 0
    for account in _accounts(machine):
        final_count = machine.rpc.nonce(account.address, "finalized")
        if final_count > account.next_nonce:
            machine.db.write(partial(_skip_to, machine=machine, address=account.address, nonce=final_count))
        rows = machine.db.read(partial(_unfinal, machine=machine, address=account.address))
        for row in rows:
            if row.nonce < final_count and row.state != TxState.MINED.value:
                found += _check_superseded(machine, row)
    return found


def _unfinal(session: Session, *, machine: Machine, address: bytes) -> list[Transaction]:
    return list(session.execute(repo.unfinal(machine.keys.chain_id, [address], BATCH)).scalars())


def _check_superseded(machine: Machine, row: Transaction) -> int:
    hashes = machine.db.read(lambda s: [a.hash for a in s.execute(repo.attempts_of([row.id])).scalars()])
    if machine.rpc.receipts(hashes):
        return 0
    machine.db.write(lambda s: _supersede(s, machine, row.id))
    return 1


def _quarantine(session: Session, machine: Machine, address: bytes, reason: str) -> None:
    _log.error("a relayer key is quarantined", sender="0x" + address.hex(), reason=reason)
    session.execute(repo.quarantine(machine.keys.chain_id, address, reason))
    # what only this key may send would wait for ever; whoever asked asks again with another key
    for intent in session.execute(repo.queued_for(address)).scalars():
        service.set_state(session, machine.ctx, intent, IntentState.FAILED, error_code="key_quarantined")


def _skip_to(session: Session, machine: Machine, address: bytes, nonce: int) -> None:
    account = session.execute(repo.account_locked(machine.keys.chain_id, address)).scalar_one()
    if account.next_nonce < nonce:
        account.next_nonce = nonce
        _quarantine(session, machine, address, "the chain counts more transactions of this key than we have signed")


def _supersede(session: Session, machine: Machine, tx_id: uuid.UUID) -> None:
    row = session.execute(repo.transaction_locked(tx_id)).scalar_one_or_none()
    if row is None or row.state not in {TxState.SIGNED.value, TxState.ACCEPTED.value}:
        return
    row.state = TxState.SUPERSEDED.value
    row.updated_at = moment(machine.ctx.now())
    session.flush()
    _quarantine(session, machine, row.account, f"nonce {row.nonce} was used by somebody else")
    if row.intent_id is None:
        return
    intent = session.execute(repo.intent_waited(row.intent_id)).scalar_one()
    again = session.execute(repo.superseded_count(intent.id)).scalar_one() < 2 and intent.account is None
    if again:
        service.set_state(session, machine.ctx, intent, IntentState.QUEUED, tx_hash=None)
    else:
        service.set_state(session, machine.ctx, intent, IntentState.FAILED, error_code="superseded")
