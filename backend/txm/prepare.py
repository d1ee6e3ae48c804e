"""From a queued intent to a signed attempt in the database.

The call is simulated before a nonce is taken, so a call that would revert fails without burning one. Nonce, transaction
row and signed bytes are one commit: a crash before it leaves the intent queued, a crash after it leaves signed bytes
that the broadcast step sends as often as needed. No nonce is ever given out without bytes that use it.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from functools import partial

import structlog
from sqlalchemy.orm import Session

from backend.db.ids import new_id
from backend.db.times import moment
from backend.domain.gas import most_gas
from backend.txm import access, repo, service
from backend.txm.classify import SendOutcome, classify, is_out_of_gas, is_revert
from backend.txm.fees import Fees
from backend.txm.machine import BATCH, MAX_IN_FLIGHT, Machine
from backend.txm.models import Attempt, Intent, Transaction
from backend.txm.reverts import explain
from backend.txm.rpc import NodeError
from backend.txm.signer import Call
from backend.txm.states import IntentState, TxState

_log = structlog.get_logger("txm.prepare")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """A simulated call, waiting for a nonce."""

    intent_id: uuid.UUID
    call: Call
    account: bytes | None
    fees: Fees

    @property
    def most_wei(self) -> int:
        """What the key must own for it."""
        return self.call.gas_limit * self.fees.max_fee_wei


@dataclass(frozen=True, slots=True)
class Revert:
    """Why the call is not sent: the contract's error name and its arguments, or that it would need too much gas."""

    code: str
    detail: str


def expire(machine: Machine) -> int:
    """Give up queued intents whose signatures have expired; nothing has moved. Return how many."""

    def run(session: Session) -> int:
        found = session.execute(repo.expired(moment(machine.ctx.now()), BATCH)).scalars().all()
        for intent in found:
            service.set_state(session, machine.ctx, intent, IntentState.EXPIRED, error_code="signature_expired")
        return len(found)

    return machine.db.write(run)


def prepare(machine: Machine) -> int:
    """Simulate and sign what is queued, as far as keys have room; return how many were signed."""
    intents = machine.db.read(lambda s: list(s.execute(repo.ready(moment(machine.ctx.now()), BATCH)).scalars()))
    if not intents:
        return 0
    fees = machine.market_fees()
    # asked here, because no node is waited for while rows are locked
    balances = {
        address: machine.rpc.balance(address) for address in machine.db.read(lambda s: _usable(s, machine, None))
    }
    signed = 0
    for intent in intents:
        room, queued = machine.db.read(partial(_room_and_queued, machine=machine, intent_id=intent.id))
        if not room:
            break
        if not queued:  # another worker has taken it meanwhile; a simulation costs more than this question
            continue
        checked = simulate(machine, intent, fees)
        match checked:
            case Revert():
                _fail(machine, intent.id, checked)
            case Ready():
                payers = _payers(balances, checked)
                used = machine.db.write(partial(allocate, machine=machine, ready=checked, payers=payers))
                if used is not None:
                    balances[used] -= checked.most_wei
                    signed += 1
            case None:
                continue
    return signed


def _room_and_queued(session: Session, *, machine: Machine, intent_id: uuid.UUID) -> tuple[bool, bool]:
    """Return whether any usable key has less than 16 transactions in flight, and whether the intent still waits."""
    current = session.execute(repo.intent(intent_id)).scalar_one()
    return bool(_usable(session, machine, None)), current.state == IntentState.QUEUED.value


def _usable(session: Session, machine: Machine, fixed: bytes | None) -> list[bytes]:
    """Return the keys that may send now, the least busy first."""
    wanted = machine.keys.addresses if fixed is None else (fixed,)
    known = session.execute(repo.accounts(machine.keys.chain_id, wanted)).scalars().all()
    busy = dict(session.execute(repo.in_flight(machine.keys.chain_id, wanted)).tuples().all())
    free = [a.address for a in known if a.quarantined_reason is None and busy.get(a.address, 0) < MAX_IN_FLIGHT]
    return sorted(free, key=lambda address: busy.get(address, 0))


def _call(machine: Machine, sender: bytes, intent: Intent, tag: str) -> Call | Revert:
    machine.rpc.eth_call(sender=sender, to=intent.to, data=intent.data, tag=tag, gas=intent.gas_limit)
    needed: int | None = None
    most = most_gas(intent.kind)
    if intent.gas_limit is None:
        needed = machine.rpc.estimate_gas(sender=sender, to=intent.to, data=intent.data, tag=tag)
        if needed > most:
            return Revert(
                "gas_above_budget",
                f"The call needs {needed} gas; at most {most} are relayed. Send it from your wallet.",
            )
    listed = access.list_for(machine, sender=sender, to=intent.to, data=intent.data, tag=tag, needed=needed)
    # a wallet can answer more cheaply to a simulation than on the chain, so the limit itself stays within the budget
    limit = intent.gas_limit if needed is None else min(needed * 5 // 4 + 10_000, most)
    assert limit is not None
    return Call(to=intent.to, data=intent.data, gas_limit=limit, access_list=listed)


def simulate(machine: Machine, intent: Intent, fees: Fees) -> Ready | Revert | None:
    """Return the call with its gas limit, or why it is not sent; None when the node has no verdict.

    A call whose clock has just run out reverts in the newest block and passes in the next, so a revert counts only
    when the pending block agrees. Raises NodeUnreachable.
    """
    sender = intent.account or machine.keys.addresses[0]
    verdict: NodeError | None = None
    for tag in ("latest", "pending"):
        try:
            call = _call(machine, sender, intent, tag)
        except NodeError as error:
            verdict = error
            continue
        if isinstance(call, Revert):
            return call
        return Ready(intent_id=intent.id, call=call, account=intent.account, fees=fees)
    assert verdict is not None
    if classify(verdict) is SendOutcome.INSUFFICIENT_FUNDS:
        _log.error("a relayer key is out of funds", sender="0x" + sender.hex())
        return None
    if is_out_of_gas(verdict):
        return Revert("out_of_gas", str(verdict))
    if not is_revert(verdict):
        _log.warning("a simulation has no verdict", intent=str(intent.id), error=str(verdict))
        return None
    code, detail = explain(verdict)
    return Revert(code, detail)


def _fail(machine: Machine, intent_id: uuid.UUID, revert: Revert) -> None:
    def run(session: Session) -> None:
        intent = session.execute(repo.intent_locked(intent_id)).scalar_one_or_none()
        if intent is not None and intent.state == IntentState.QUEUED.value:
            service.set_state(
                session, machine.ctx, intent, IntentState.FAILED, error_code=revert.code, error_detail=revert.detail
            )

    machine.db.write(run)


def _payers(balances: dict[bytes, int], ready: Ready) -> frozenset[bytes]:
    """Return the keys that can pay for the call."""
    payers = frozenset(address for address, wei in balances.items() if wei >= ready.most_wei)
    for address in balances.keys() - payers:
        _log.error("a relayer key is out of funds", sender="0x" + address.hex(), needed_wei=ready.most_wei)
    return payers


def allocate(session: Session, machine: Machine, ready: Ready, payers: frozenset[bytes]) -> bytes | None:
    """Take a nonce of a key that can pay, sign, and store all of it.

    Return the key, None when the intent or no such key is ours to take now.
    """
    ctx, chain_id = machine.ctx, machine.keys.chain_id
    intent = session.execute(repo.intent_locked(ready.intent_id)).scalar_one_or_none()
    now = moment(ctx.now())
    if intent is None or intent.state != IntentState.QUEUED.value:
        return None
    if intent.expires_at is not None and intent.expires_at <= now:
        return None
    if intent.account != ready.account:
        return None  # moved to another key meanwhile
    for address in _usable(session, machine, ready.account):
        if address not in payers:
            continue
        account = session.execute(repo.account_locked(chain_id, address)).scalar_one()
        # counted again under the lock: another worker may have filled the key meanwhile
        busy = dict(session.execute(repo.in_flight(chain_id, [address])).tuples().all()).get(address, 0)
        if account.quarantined_reason is None and busy < MAX_IN_FLIGHT:
            break
    else:
        return None
    nonce = session.execute(repo.take_nonce(chain_id, address)).scalar_one()
    tx_hash = store_first_attempt(session, machine, intent.id, address, nonce=nonce, call=ready.call, fees=ready.fees)
    service.set_state(
        session, ctx, intent, IntentState.SENT, tx_hash=tx_hash, gas_limit=ready.call.gas_limit,
        error_code=None, error_detail=None,
    )  # fmt: skip
    return address


def store_first_attempt(
    session: Session,
    machine: Machine,
    intent_id: uuid.UUID | None,
    account: bytes,
    *,
    nonce: int,
    call: Call,
    fees: Fees,
) -> bytes:
    """Store a transaction row with its signed bytes, before anybody sends them; return the hash."""
    now = moment(machine.ctx.now())
    signed = machine.keys.sign(account, nonce, call, fees)
    row = Transaction(
        id=new_id(),
        intent_id=intent_id,
        chain_id=machine.keys.chain_id,
        account=account,
        nonce=nonce,
        state=TxState.SIGNED.value,
        created_at=now,
        updated_at=now,
    )
    session.add(row)
    session.flush()
    session.add(
        Attempt(
            tx_id=row.id,
            seq=0,
            raw=signed.raw,
            hash=signed.tx_hash,
            max_fee_wei=fees.max_fee_wei,
            tip_wei=fees.tip_wei,
            signed_at=now,
        )
    )
    session.flush()
    return signed.tx_hash
