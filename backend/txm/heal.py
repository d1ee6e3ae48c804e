"""What keeps the nonces of a key whole: no holes, no guesses about nonces somebody else has used.

Goal: every nonce below a key's next one is used in the end, by us, or by somebody whom a final block names. Invariants:
a nonce has one transaction of ours; a call that some node may hold is never said to have failed; a key's next nonce
only rises; a nonce counts as taken by others only when a final block shows what took it, and then the key is out of use
in the same commit that moves its intent.

Nodes and signers are asked outside of transactions, and what they said is checked again under the row's lock, or the
key's. So a crash before a commit has changed nothing, and the next round finds the same hole, the same rejection, the
same foreign use. After a commit that stored bytes, whoever comes next sends them. A new key's row is written once,
whoever asks first.
"""

from __future__ import annotations

import uuid
from functools import partial

import structlog
from sqlalchemy.orm import Session

from aicp.rules.primitives import hex0x
from backend.alarms import service as alarms
from backend.alarms.service import AlarmKind
from backend.db.times import moment
from backend.txm import repo, repo_sends, service
from backend.txm.eip1559 import Signed, nothing
from backend.txm.fees import Fees
from backend.txm.keys import SignerUnavailable
from backend.txm.machine import Machine
from backend.txm.models import RelayAccount, Transaction
from backend.txm.states import IntentState, TxState
from backend.txm.store import NewTransaction, store_attempt, store_transactions
from backend.txm.tell import tell

_log = structlog.get_logger("txm.heal")


def register_keys(machine: Machine) -> int:
    """Give every key of this process its row; a new key starts at the chain's count. Return how many had none.

    Raises NodeUnreachable.
    """
    chain_id = machine.keys.chain_id
    known = machine.db.read(
        lambda s: {a.address: a for a in s.execute(repo.accounts(chain_id, machine.keys.addresses)).scalars()}
    )
    new = [address for address in machine.keys.addresses if address not in known]
    for address in new:
        nonce = machine.rpc.highest_nonce(address)
        machine.db.write(partial(_register, chain_id=chain_id, address=address, nonce=nonce))
    return len(new)


def _register(session: Session, *, chain_id: int, address: bytes, nonce: int) -> None:
    session.execute(repo.new_account(chain_id, address, nonce))


def _sign_nothing(machine: Machine, account: bytes, nonce: int, fees: Fees) -> Signed | None:
    """Return bytes that only use a nonce up, None where the key's signer is silent; somebody is told of that."""
    try:
        return machine.keys.sign(account, nonce, nothing(account), fees)
    except SignerUnavailable as error:
        tell(machine, AlarmKind.SIGNER_FAILED, [], {account: f"A nonce is not freed: {error}."})
        return None


def replace_by_noop(machine: Machine, tx_id: uuid.UUID, reason: str) -> None:
    """Spend the nonce of a transaction every node rejects for good on nothing, so that later nonces can be mined.

    Not while some node may hold its bytes: the call could still happen after we have said that it failed.
    """
    found = machine.db.read(lambda s: s.execute(repo.transaction(tx_id)).scalar_one())
    fees = machine.market_fees()
    signed = _sign_nothing(machine, found.account, found.nonce, fees)
    if signed is None:
        return

    def run(session: Session) -> None:
        row = session.execute(repo.transaction_locked(tx_id)).scalar_one_or_none()
        if row is None or row.state != TxState.SIGNED.value or row.intent_id is None:
            return
        if session.execute(repo_sends.may_be_mined(row.id)).scalar_one():
            return
        intent = session.execute(repo.intent_waited(row.intent_id)).scalar_one()
        attempts = session.execute(repo.attempts_of([row.id])).scalars().all()
        store_attempt(session, machine, row.id, seq=attempts[-1].seq + 1, signed=signed, fees=fees, nothing=True)
        row.intent_id = None
        row.rejected_intent_id = intent.id
        row.updated_at = moment(machine.ctx.now())
        service.set_state(
            session, machine.ctx, intent, IntentState.FAILED, error_code="rejected", error_detail=reason, tx_hash=None
        )

    machine.db.write(run)


def fill_holes(machine: Machine) -> int:
    """Sign a no-op for every nonce below the account's next that no row uses; return how many.

    Only above the first nonce we have given out: what a node that lags does not count below it was used all the same.
    """
    fees: Fees | None = None
    filled = 0
    for account in _accounts(machine):
        mined = machine.rpc.nonce(account.address)
        if mined >= account.next_nonce:
            continue
        first = machine.db.read(partial(_first_nonce, machine=machine, account=account))
        if first is None:
            continue
        low = max(mined, first)
        used = machine.db.read(partial(_used_nonces, machine=machine, account=account, low=low))
        for nonce in sorted(set(range(low, account.next_nonce)) - used):
            fees = fees or machine.market_fees()
            _log.error("a nonce without a transaction is filled", sender="0x" + account.address.hex(), nonce=nonce)
            signed = _sign_nothing(machine, account.address, nonce, fees)
            if signed is None:
                break
            filler = NewTransaction(intent_id=None, nonce=nonce, fees=fees, signed=signed)
            filled += machine.db.write(partial(_fill, machine=machine, address=account.address, filler=filler))
    return filled


def _first_nonce(session: Session, *, machine: Machine, account: RelayAccount) -> int | None:
    nonce: int | None = session.execute(repo.lowest_nonce(machine.keys.chain_id, account.address)).scalar_one()
    return nonce


def _used_nonces(session: Session, *, machine: Machine, account: RelayAccount, low: int) -> set[int]:
    found = repo.nonces_between(machine.keys.chain_id, account.address, low, account.next_nonce)
    return set(session.execute(found).scalars())


def _fill(session: Session, *, machine: Machine, address: bytes, filler: NewTransaction) -> int:
    session.execute(repo.account_locked(machine.keys.chain_id, address)).scalar_one()
    around = repo.nonces_between(machine.keys.chain_id, address, filler.nonce, filler.nonce + 1)
    if session.execute(around).scalars().all():
        return 0
    store_transactions(session, machine, {address: [filler]})
    return 1


def _accounts(machine: Machine) -> list[RelayAccount]:
    return machine.db.read(
        lambda s: list(s.execute(repo.accounts(machine.keys.chain_id, machine.keys.addresses)).scalars())
    )


def find_foreign_use(machine: Machine) -> int:
    """Notice nonces of our keys that somebody else has used; return how many.

    What a node does not know proves nothing: it may lag behind the others. A nonce counts as taken only when a final
    block shows a transaction of our key with this nonce that none of our attempts is; then the key is quarantined and
    the intent goes back to the queue, once. A count at a final block above our own next nonce means the same.
    """
    finalized = machine.rpc.finalized_number()
    if finalized is None:
        return 0
    found = 0
    for account in _accounts(machine):
        count = machine.rpc.nonce_at(account.address, finalized)
        if count is None:
            continue
        if count > account.next_nonce:
            machine.db.write(partial(_skip_to, machine=machine, address=account.address, nonce=count))
        for row in machine.db.read(partial(_unmined, machine=machine, address=account.address)):
            if row.nonce < count:
                found += _check_superseded(machine, row, finalized)
    return found


def _unmined(session: Session, *, machine: Machine, address: bytes) -> list[Transaction]:
    return list(session.execute(repo.unmined(machine.keys.chain_id, [address])).scalars())


def _check_superseded(machine: Machine, row: Transaction, finalized: int) -> int:
    number = _block_that_used(machine, row, finalized)
    used_by = None if number is None else machine.rpc.sent_in_final(number, row.account).get(row.nonce)
    if used_by is None:
        _log.warning("a nonce is used and no node shows by what", sender="0x" + row.account.hex(), nonce=row.nonce)
        return 0
    return machine.db.write(lambda s: _supersede(s, machine, row.id, used_by))


def _block_that_used(machine: Machine, row: Transaction, finalized: int) -> int | None:
    """Return the block with the row's nonce, at or below `finalized` where it is used; None when no node knows.

    Goes back in growing steps, then halves: recent state is what every node keeps.
    """
    used, unused, step = finalized, finalized - 1, 1
    while unused >= 0:
        count = machine.rpc.nonce_at(row.account, unused)
        if count is None:
            return None
        if count <= row.nonce:
            break
        step *= 2
        used, unused = unused, max(unused - step, -1)
    while used - unused > 1:
        middle = (used + unused) // 2
        count = machine.rpc.nonce_at(row.account, middle)
        if count is None:
            return None
        if count > row.nonce:
            used = middle
        else:
            unused = middle
    return used


def _quarantine(session: Session, machine: Machine, address: bytes, reason: str) -> None:
    _log.error("a relayer key is quarantined", sender="0x" + address.hex(), reason=reason)
    session.execute(repo.quarantine(machine.keys.chain_id, address, reason))
    alarms.raise_alarm(session, AlarmKind.KEY_QUARANTINED, hex0x(address), f"The key is out of use: {reason}.")
    # what only this key may send would wait for ever; whoever asked asks again with another key
    for intent in session.execute(repo.queued_for(address)).scalars():
        service.set_state(session, machine.ctx, intent, IntentState.FAILED, error_code="key_quarantined")


def _skip_to(session: Session, machine: Machine, address: bytes, nonce: int) -> None:
    account = session.execute(repo.account_locked(machine.keys.chain_id, address)).scalar_one()
    if account.next_nonce < nonce:
        account.next_nonce = nonce
        if session.execute(repo.lowest_nonce(machine.keys.chain_id, address)).scalar_one() is None:
            return  # registered from a node that lagged, and nothing of it signed yet
        _quarantine(session, machine, address, "the chain counts more transactions of this key than we have signed")


def _supersede(session: Session, machine: Machine, tx_id: uuid.UUID, used_by: bytes) -> int:
    row = session.execute(repo.transaction_locked(tx_id)).scalar_one_or_none()
    if row is None or row.state not in {TxState.SIGNED.value, TxState.ACCEPTED.value}:
        return 0
    if used_by in {attempt.hash for attempt in session.execute(repo.attempts_of([row.id])).scalars()}:
        return 0  # our own, whose receipt some node does not show yet
    row.state = TxState.SUPERSEDED.value
    row.updated_at = moment(machine.ctx.now())
    session.flush()
    _quarantine(session, machine, row.account, f"nonce {row.nonce} was used by 0x{used_by.hex()}, not ours")
    if row.intent_id is None:
        return 1
    intent = session.execute(repo.intent_waited(row.intent_id)).scalar_one()
    again = session.execute(repo.superseded_count(intent.id)).scalar_one() < 2 and intent.account is None
    if again:
        service.set_state(session, machine.ctx, intent, IntentState.QUEUED, tx_hash=None)
    else:
        service.set_state(session, machine.ctx, intent, IntentState.FAILED, error_code="superseded")
    return 1
