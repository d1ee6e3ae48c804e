"""Raises the fees of transactions that wait too long: a new attempt on the same nonce, stored before it is sent."""

from __future__ import annotations

import datetime as dt
import uuid
from functools import partial

import structlog
from sqlalchemy.orm import Session

from backend.db.times import moment
from backend.txm import repo
from backend.txm.fees import Fees, bump
from backend.txm.machine import NOOP_GAS, Machine
from backend.txm.models import Attempt, Transaction
from backend.txm.signer import Call, access_list_of
from backend.txm.states import TxState

_log = structlog.get_logger("txm.replace")


def _waiting(session: Session, machine: Machine) -> list[tuple[Transaction, Attempt]]:
    """Return the unmined transactions with their newest attempt, in nonce order."""
    rows = session.execute(repo.unmined(machine.keys.chain_id, machine.keys.addresses)).scalars().all()
    newest: dict[uuid.UUID, Attempt] = {}
    for attempt in session.execute(repo.attempts_of([row.id for row in rows])).scalars():
        newest[attempt.tx_id] = attempt
    return [(row, newest[row.id]) for row in rows]


def bump_stuck(machine: Machine) -> int:
    """Replace what waits too long: the lowest nonce of each key, and whatever the base fee has overtaken."""
    waiting = machine.db.read(lambda s: _waiting(s, machine))
    old_before = moment(machine.ctx.now()) - dt.timedelta(seconds=machine.ctx.constants.bump_after_seconds)
    stale = [(row, attempt) for row, attempt in waiting if attempt.signed_at <= old_before]
    if not stale:
        return 0
    base_fee = machine.rpc.head().base_fee_wei
    market = machine.market_fees()
    lowest: dict[bytes, int] = {}
    for row, _ in waiting:
        lowest.setdefault(row.account, row.nonce)
    replaced = 0
    for row, attempt in stale:
        if row.nonce != lowest[row.account] and attempt.max_fee_wei >= base_fee:
            continue
        fees = bump(Fees(attempt.max_fee_wei, attempt.tip_wei), market, machine.ctx.constants.max_fee_cap_wei)
        if fees is None:
            _log.error("a transaction waits at the fee cap", tx=str(row.id), nonce=row.nonce)
            continue
        replaced += machine.db.write(partial(_replace, machine=machine, tx_id=row.id, seq=attempt.seq, fees=fees))
    return replaced


def _replace(session: Session, machine: Machine, tx_id: uuid.UUID, seq: int, fees: Fees) -> int:
    row = session.execute(repo.transaction_locked(tx_id)).scalar_one_or_none()
    if row is None or row.state not in {TxState.SIGNED.value, TxState.ACCEPTED.value}:
        return 0
    attempts = session.execute(repo.attempts_of([tx_id])).scalars().all()
    if attempts[-1].seq != seq:  # another worker has replaced it meanwhile
        return 0
    if row.intent_id is None:
        call = Call(to=row.account, data=b"", gas_limit=NOOP_GAS)
    else:
        intent = session.execute(repo.intent(row.intent_id)).scalar_one()
        assert intent.gas_limit is not None
        call = Call(
            to=intent.to, data=intent.data, gas_limit=intent.gas_limit, access_list=access_list_of(attempts[-1].raw)
        )
    signed = machine.keys.sign(row.account, row.nonce, call, fees)
    session.add(
        Attempt(
            tx_id=tx_id,
            seq=seq + 1,
            raw=signed.raw,
            hash=signed.tx_hash,
            max_fee_wei=fees.max_fee_wei,
            tip_wei=fees.tip_wei,
            signed_at=moment(machine.ctx.now()),
        )
    )
    session.flush()
    return 1
