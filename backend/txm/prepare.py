"""From queued intents to signed attempts in the database.

Calls are simulated before a nonce is taken, so a call that would revert fails without burning one, and one of which no
node says what it would do lets others go first for a while. A key's transactions
are signed for the nonces that follow its row, and then stored in one commit with them: it takes the nonces only if they
are still the key's next ones. A crash, or a signer that fails, before that commit leaves the intents queued and the
nonces free; after it there are signed bytes for every nonce, which the broadcast step sends as often as needed. No
nonce is ever given out without bytes that use it.

Workers lease keys, so that two of them do not sign for the same nonces in vain. Nothing but time depends on the lease.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import uuid
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from sqlalchemy.orm import Session

from backend.alarms.service import AlarmKind
from backend.db.times import moment
from backend.failpoints import failpoint
from backend.txm import repo, service
from backend.txm.eip1559 import NOOP_GAS, Call
from backend.txm.fees import Fees, affordable
from backend.txm.keys import SignerUnavailable
from backend.txm.machine import BATCH, MAX_IN_FLIGHT, Machine
from backend.txm.models import Intent
from backend.txm.patience import pause
from backend.txm.simulate import Revert, simulate
from backend.txm.states import IntentState, Priority
from backend.txm.store import NewTransaction, store_transactions
from backend.txm.tell import open_for, tell

_FUNDS: Final = AlarmKind.KEY_OUT_OF_FUNDS
_SIGNER: Final = AlarmKind.SIGNER_FAILED
OUT_OF_FUNDS: Final = "The relayer key cannot pay for what waits. Nothing is lost; it goes on after a top-up."


@dataclass(slots=True)
class Key:
    """A key of ours that may send: its next nonce, how many more it takes, what it owns, what it will send."""

    address: bytes
    next_nonce: int
    room: int
    balance_wei: int = 0
    short: bool = False
    """Whether it cannot pay for something it should send."""
    load: list[Ready] = field(default_factory=list)
    signed: list[NewTransaction] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """A simulated call with the fees it offers, waiting for a nonce."""

    intent_id: uuid.UUID
    account: bytes | None
    call: Call
    fees: Fees

    @property
    def most_wei(self) -> int:
        """What the key must own for it."""
        return self.call.gas_limit * self.fees.max_fee_wei


class _Gone(Exception):  # noqa: N818  # not an error: somebody else was first
    """Something has changed since it was read; `left` is what may still be sent with the key."""

    def __init__(self, left: frozenset[uuid.UUID]) -> None:
        super().__init__()
        self.left = left


def expire(machine: Machine) -> int:
    """Give up queued intents whose signatures have expired; nothing has moved. Return how many."""

    def run(session: Session) -> int:
        found = session.execute(repo.expired(moment(machine.ctx.now()), BATCH)).scalars().all()
        for intent in found:
            service.change(machine.ctx, intent, IntentState.EXPIRED, error_code="signature_expired")
        session.flush()
        service.announce(session, *found)
        return len(found)

    return machine.db.write(run)


def lease_of(chain_id: int, address: bytes) -> int:
    """Return the advisory lock that stands for a key's lease."""
    return int.from_bytes(hashlib.sha256(b"txm" + chain_id.to_bytes(32) + address).digest()[:8], signed=True)


def prepare(machine: Machine) -> int:
    """Simulate and sign what is queued, as far as keys nobody else works with have room; return how many."""
    by_lease = {lease_of(machine.keys.chain_id, address): address for address in machine.keys.addresses}
    with machine.db.holding(list(by_lease)) as leases:
        mine = [by_lease[lease] for lease in leases]
        return _prepare(machine, mine) if mine else 0


def _prepare(machine: Machine, mine: list[bytes]) -> int:
    keys, intents, open_alarms = machine.db.read(partial(_waiting, machine=machine, mine=mine))
    if not keys or not intents:
        return 0
    fees = machine.market_fees()
    balances = machine.rpc.balances([key.address for key in keys])
    for key in keys:
        key.balance_wei = balances[key.address]
        key.short = key.balance_wei < NOOP_GAS * fees.max_fee_wei
    able = [key for key in keys if not key.short]
    chosen = _sendable(intents, able)
    verdicts = simulate(machine, chosen) if chosen else []
    failed = {i.id: verdict for i, verdict in zip(chosen, verdicts, strict=True) if isinstance(verdict, Revert)}
    if failed:
        machine.db.write(partial(_fail, machine=machine, failed=failed))
    unclear = [i.id for i, verdict in zip(chosen, verdicts, strict=True) if verdict is None and _may_wait(i)]
    if unclear:
        machine.db.write(partial(_put_off, machine=machine, unclear=unclear))
    for intent, call in zip(chosen, verdicts, strict=True):
        if isinstance(call, Call):
            offer = affordable(fees, call.gas_limit, intent.budget_wei)
            _load(able, Ready(intent_id=intent.id, account=intent.account, call=call, fees=offer))
    checked = [key.address for key in keys]
    tell(machine, _FUNDS, checked, {key.address: OUT_OF_FUNDS for key in keys if key.short}, open_alarms[_FUNDS])
    loaded = [key for key in able if key.load]
    silent = _sign(machine, loaded)
    tell(machine, _SIGNER, [key.address for key in loaded], silent, open_alarms[_SIGNER])
    return _store(machine, [key for key in loaded if key.address not in silent])


def _waiting(
    session: Session, *, machine: Machine, mine: list[bytes]
) -> tuple[list[Key], list[Intent], dict[AlarmKind, set[str]]]:
    """Return those of the keys that have room, the intents whose turn it is, and which keys there are alarms of."""
    chain_id = machine.keys.chain_id
    busy = dict(session.execute(repo.in_flight(chain_id, mine)).tuples().all())
    keys = [
        Key(account.address, account.next_nonce, MAX_IN_FLIGHT - busy.get(account.address, 0))
        for account in session.execute(repo.accounts(chain_id, mine)).scalars()
        if account.quarantined_reason is None
    ]
    keys = [key for key in keys if key.room > 0]
    if not keys:
        return [], [], {}
    intents = list(session.execute(repo.ready(moment(machine.ctx.now()), BATCH)).scalars())
    return keys, intents, {kind: open_for(session, kind) for kind in (_FUNDS, _SIGNER)} if intents else {}


def _sendable(intents: Sequence[Intent], keys: Sequence[Key]) -> list[Intent]:
    """Return the first intents for which keys have room, so that nothing is simulated only to wait."""
    room = Counter({key.address: key.room for key in keys})
    anywhere = sum(room.values())
    chosen: list[Intent] = []
    for intent in intents:
        if len(chosen) == anywhere:
            break
        if intent.account is not None:
            if room[intent.account] <= 0:
                continue
            room[intent.account] -= 1
        chosen.append(intent)
    return chosen


def _load(keys: Sequence[Key], ready: Ready) -> None:
    """Give a call to the key with the most room among those that may send it and can pay."""
    fit = [key for key in keys if ready.account in {None, key.address} and len(key.load) < key.room]
    payers = [key for key in fit if key.balance_wei >= ready.most_wei]
    for key in fit:
        key.short = key.short or key.balance_wei < ready.most_wei
    if payers:
        key = max(payers, key=lambda one: one.room - len(one.load))
        key.load.append(ready)
        key.balance_wei -= ready.most_wei


def _fail(session: Session, *, machine: Machine, failed: dict[uuid.UUID, Revert]) -> None:
    ended: list[Intent] = []
    for intent in session.execute(repo.intents_locked(list(failed))).scalars():
        revert = failed[intent.id]
        if intent.state == IntentState.QUEUED.value and service.change(
            machine.ctx, intent, IntentState.FAILED, error_code=revert.code, error_detail=revert.detail
        ):
            ended.append(intent)
    session.flush()
    service.announce(session, *ended)


def _may_wait(intent: Intent) -> bool:
    """Return whether others may go first: not where order matters, nor where somebody loses money if it comes late."""
    return intent.account is None and intent.priority < Priority.URGENT


def _put_off(session: Session, *, machine: Machine, unclear: Sequence[uuid.UUID]) -> None:
    """Let intents wait of which no node says what they would do: others have their places meanwhile."""
    now = moment(machine.ctx.now())
    for intent in session.execute(repo.intents_locked(unclear)).scalars():
        if intent.state == IntentState.QUEUED.value:
            last = dt.timedelta(0) if intent.not_before is None else intent.not_before - intent.updated_at
            left = None if intent.expires_at is None else intent.expires_at - now
            intent.not_before, intent.updated_at = now + pause(last, left), now


def _sign(machine: Machine, keys: Sequence[Key]) -> dict[bytes, str]:
    """Sign what each key is to send, for the nonces that follow; return the keys whose signers are silent, and why."""
    silent: dict[bytes, str] = {}
    for key in keys:
        try:
            key.signed = [
                NewTransaction(
                    intent_id=ready.intent_id,
                    nonce=key.next_nonce + at,
                    fees=ready.fees,
                    signed=machine.keys.sign(key.address, key.next_nonce + at, ready.call, ready.fees),
                )
                for at, ready in enumerate(key.load)
            ]
        except SignerUnavailable as error:
            silent[key.address] = f"Nothing is signed with the key: {error}."
    return silent


def _store(machine: Machine, keys: Sequence[Key]) -> int:
    """Store what was signed, all in one commit, or key by key where something has changed; return how much."""
    if not keys:
        return 0
    try:
        machine.db.write(partial(allocate, machine=machine, keys=keys))
    except _Gone as gone:
        if len(keys) > 1:
            return sum(_store(machine, [key]) for key in keys)
        [key] = keys
        key.load = [ready for ready in key.load if ready.intent_id in gone.left]
        return _store(machine, keys) if key.load and not _sign(machine, keys) else 0
    failpoint("txm.stored")
    return sum(len(key.load) for key in keys)


def allocate(session: Session, *, machine: Machine, keys: Sequence[Key]) -> None:
    """Take the nonces that were signed for, and store all of it. Raises _Gone when anything has changed meanwhile."""
    ctx, chain_id = machine.ctx, machine.keys.chain_id
    now = moment(ctx.now())
    wanted = {ready.intent_id: ready for key in keys for ready in key.load}
    held = {i.id: i for i in session.execute(repo.intents_locked(list(wanted))).scalars()}
    ours = frozenset(i for i, ready in wanted.items() if i in held and _still_waits(held[i], ready, now))
    if len(ours) < len(wanted):
        raise _Gone(ours)
    for key in sorted(keys, key=lambda one: one.address):
        if session.execute(repo.take_nonces(chain_id, key.address, key.next_nonce, len(key.load))).first() is None:
            raise _Gone(frozenset())  # the key has moved on or is quarantined; the next round sees how far
    failpoint("txm.nonces_taken")
    # counted again under the accounts' locks: a reorg may have filled a key meanwhile
    busy = dict(session.execute(repo.in_flight(chain_id, [key.address for key in keys])).tuples().all())
    if any(busy.get(key.address, 0) + len(key.load) > MAX_IN_FLIGHT for key in keys):
        raise _Gone(frozenset())
    store_transactions(session, machine, {key.address: key.signed for key in keys})
    sent = [(one, ready) for key in keys for one, ready in zip(key.signed, key.load, strict=True)]
    service.mark_sent(
        session, ctx, [(held[ready.intent_id], one.signed.tx_hash, ready.call.gas_limit) for one, ready in sent]
    )


def _still_waits(intent: Intent, ready: Ready, now: dt.datetime) -> bool:
    expired = intent.expires_at is not None and intent.expires_at <= now
    return intent.state == IntentState.QUEUED.value and not expired and intent.account == ready.account
