"""Raises the fees of transactions that wait too long: a new attempt on the same nonce, stored before it is sent.

Fees rise to the network's cap, or to what the intent's budget allows. There an alarm is raised, and the same bytes go
on being sent: prices fall again, and a nonce that is given up would hold up all later ones.

Goal: no nonce waits because its fees were too low, or because its call is wanted no more. Invariants: all attempts of a
transaction use its nonce, so one of them at most is ever mined; they do the intent's call or nothing, and once one does
nothing, so do all after it; a new one is stored under the row's lock and on the newest one only, so of two workers one
does it.

A crash between signing and the commit loses bytes nobody has seen. After the commit whoever comes next sends them.
Alarms have commits of their own; a round that dies before one leaves it to the next round.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from sqlalchemy.orm import Session

from backend.alarms import service as alarms
from backend.alarms.service import AlarmKind
from backend.db.times import moment
from backend.txm import repo
from backend.txm.eip1559 import Call, Signed, access_list_of, nothing
from backend.txm.fees import Fees, affordable, bump
from backend.txm.keys import SignerUnavailable
from backend.txm.machine import Machine
from backend.txm.models import Attempt, Intent, Transaction
from backend.txm.states import TxState
from backend.txm.store import store_attempt
from backend.txm.tell import tell


@dataclass(frozen=True, slots=True)
class Waiting:
    """An unmined transaction with its newest attempt and the intent it carries, if it carries one."""

    row: Transaction
    attempt: Attempt
    intent: Intent | None

    @property
    def is_to_be_cancelled(self) -> bool:
        """Whether its owner has asked for that and no attempt tries it yet."""
        return self.intent is not None and self.intent.cancel_asked_at is not None and not self.attempt.spends_nothing

    @property
    def call(self) -> Call:
        """What its next attempt does."""
        if self.intent is None or self.attempt.spends_nothing:
            return nothing(self.row.account)
        assert self.intent.gas_limit is not None
        listed = access_list_of(self.attempt.raw)
        return Call(to=self.intent.to, data=self.intent.data, gas_limit=self.intent.gas_limit, access_list=listed)


def _waiting(session: Session, machine: Machine) -> list[Waiting]:
    """Return the unmined transactions with their newest attempt, in nonce order."""
    rows = session.execute(repo.unmined(machine.keys.chain_id, machine.keys.addresses)).scalars().all()
    newest: dict[uuid.UUID, Attempt] = {}
    for attempt in session.execute(repo.attempts_of([row.id for row in rows])).scalars():
        newest[attempt.tx_id] = attempt
    wanted = [row.intent_id for row in rows if row.intent_id is not None]
    intents = {intent.id: intent for intent in session.execute(repo.intents(wanted)).scalars()}
    return [Waiting(row, newest[row.id], None if row.intent_id is None else intents[row.intent_id]) for row in rows]


def bump_stuck(machine: Machine) -> int:
    """Replace what waits too long: the lowest nonce of each key, and whatever the base fee has overtaken."""
    waiting = machine.db.read(lambda s: _waiting(s, machine))
    old_before = moment(machine.ctx.now()) - dt.timedelta(seconds=machine.ctx.constants.bump_after_seconds)
    stale = [one for one in waiting if one.attempt.signed_at <= old_before]
    if not stale:
        _tell_of_caps(machine, [])
        return 0
    base_fee = machine.rpc.head().base_fee_wei
    market = machine.market_fees()
    lowest: dict[bytes, int] = {}
    for one in waiting:
        lowest.setdefault(one.row.account, one.row.nonce)
    capped: list[Waiting] = []
    silent: dict[bytes, str] = {}
    replaced = 0
    for one in stale:
        if one.row.nonce != lowest[one.row.account] and one.attempt.max_fee_wei >= base_fee:
            continue
        fees = _raised(machine, one, market)
        if fees is None:
            capped.append(one)
            continue
        try:
            signed = machine.keys.sign(one.row.account, one.row.nonce, one.call, fees)
        except SignerUnavailable as error:
            silent[one.row.account] = f"A fee is not raised: {error}."
            continue
        replaced += machine.db.write(partial(_replace, machine=machine, old=one, signed=signed, fees=fees))
    _tell_of_caps(machine, capped)
    if silent:
        tell(machine, AlarmKind.SIGNER_FAILED, [], silent)
    return replaced


def _raised(machine: Machine, one: Waiting, market: Fees) -> Fees | None:
    """Return the fees of a replacement, None where the cap or the budget forbids it."""
    cap = Fees(machine.ctx.constants.max_fee_cap_wei, 0)
    if one.intent is not None and not one.attempt.spends_nothing:
        cap = affordable(cap, one.call.gas_limit, one.intent.budget_wei)
    return bump(Fees(one.attempt.max_fee_wei, one.attempt.tip_wei), market, cap.max_fee_wei)


def _tell_of_caps(machine: Machine, capped: Sequence[Waiting]) -> None:
    """Raise an alarm for each transaction that waits at its cap, and clear those of all others."""

    def run(session: Session) -> None:
        for one in capped:
            detail = f"Nonce {one.row.nonce} of 0x{one.row.account.hex()} waits at the fee cap or its budget."
            alarms.raise_alarm(session, AlarmKind.FEE_CAP, str(one.row.id), detail)
        alarms.clear_others(session, AlarmKind.FEE_CAP, [str(one.row.id) for one in capped])

    machine.db.write(run)


def cancel_asked(machine: Machine) -> int:
    """Try to spend the nonces of sent intents whose owners asked to cancel them on nothing; return how many.

    Whichever of its attempts is mined decides. The fees are a replacement's, or no pool would take it.
    """
    found = [one for one in machine.db.read(lambda s: _waiting(s, machine)) if one.is_to_be_cancelled]
    if not found:
        return 0
    market = machine.market_fees()
    tried = 0
    for one in found:
        old = Fees(one.attempt.max_fee_wei, one.attempt.tip_wei)
        fees = bump(old, market, machine.ctx.constants.max_fee_cap_wei)
        if fees is None:
            continue  # it waits at the cap, of which somebody is told
        try:
            signed = machine.keys.sign(one.row.account, one.row.nonce, nothing(one.row.account), fees)
        except SignerUnavailable as error:
            tell(machine, AlarmKind.SIGNER_FAILED, [], {one.row.account: f"Nothing is cancelled: {error}."})
            continue
        cancel = partial(_replace, machine=machine, old=one, signed=signed, fees=fees, cancels=True)
        tried += machine.db.write(cancel)
    return tried


def _replace(
    session: Session, *, machine: Machine, old: Waiting, signed: Signed, fees: Fees, cancels: bool = False
) -> int:
    row = session.execute(repo.transaction_locked(old.row.id)).scalar_one_or_none()
    if row is None or row.state not in {TxState.SIGNED.value, TxState.ACCEPTED.value}:
        return 0
    attempts = session.execute(repo.attempts_of([row.id])).scalars().all()
    if attempts[-1].seq != old.attempt.seq:  # another worker has replaced it meanwhile
        return 0
    empty = cancels or old.intent is None or old.attempt.spends_nothing
    store_attempt(session, machine, row.id, seq=old.attempt.seq + 1, signed=signed, fees=fees, nothing=empty)
    return 1
