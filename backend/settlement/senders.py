"""Which relayer key sends a claim and its settlement: one with room and gas, and another one once that has changed.

A claim and the settlement that pays it share a key, whose nonces keep their order. A key may run dry or full after they
were built and before they are signed; as long as nothing of them is signed, they move to another key together.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import structlog
from sqlalchemy.orm import Session

from backend.alarms import service as alarms
from backend.alarms.service import AlarmKind
from backend.db.times import moment
from backend.domain.settlement import claim_gas, settle_gas
from backend.settlement import repo
from backend.txm import repo as txm_repo
from backend.txm import service as txm
from backend.txm.machine import MAX_IN_FLIGHT, Machine
from backend.txm.models import Intent
from backend.txm.states import IntentState

CLAIMS: Final = "claims"

_log = structlog.get_logger("settlement.senders")


@dataclass(slots=True)
class Sender:
    """A key that may send: how many more transactions it takes now, and what it can spend on gas."""

    address: bytes
    room: int
    balance_wei: int


@dataclass(slots=True)
class Senders:
    """The keys as of the beginning of a round, with what the round has already asked of them."""

    keys: list[Sender]
    max_fee_wei: int
    tell: Callable[[int], None]
    """Told what a claim costs that no key can send, in wei."""

    def take(self, gas: int, transactions: int) -> bytes | None:
        """Return the key with the most room that can pay so much gas, None if there is none, and count it as spent."""
        cost = gas * self.max_fee_wei
        able = [key for key in self.keys if key.room >= transactions and key.balance_wei >= cost]
        if not able:
            _log.error("no relayer key has room and gas for a claim", needed_wei=cost, keys=len(self.keys))
            self.tell(cost)
            return None
        chosen = max(able, key=lambda key: key.room)
        chosen.room -= transactions
        chosen.balance_wei -= cost
        return chosen.address


def senders(machine: Machine) -> Senders:
    """Return the keys that are not quarantined, in the order of the settings. Raises NodeUnreachable or NodeError."""
    chain_id, addresses = machine.keys.chain_id, machine.keys.addresses

    def load(session: Session) -> dict[bytes, int]:
        known = session.execute(txm_repo.accounts(chain_id, addresses)).scalars()
        usable = [account.address for account in known if account.quarantined_reason is None]
        busy = dict(session.execute(txm_repo.in_flight(chain_id, usable)).tuples().all())
        queued = dict(session.execute(repo.queued_for_keys(usable)).tuples().all())
        return {address: busy.get(address, 0) + queued.get(address, 0) for address in usable}

    loads = machine.db.read(load)
    keys = [
        Sender(address, MAX_IN_FLIGHT - loads[address], machine.rpc.balance(address))
        for address in addresses
        if address in loads
    ]
    price = machine.market_fees().max_fee_wei
    smallest = (claim_gas(1) + settle_gas(1)) * price
    if any(key.room >= 2 and key.balance_wei >= smallest for key in keys):
        machine.db.write(lambda s: alarms.clear(s, AlarmKind.CLAIM_WITHOUT_KEY, CLAIMS))

    def tell(needed_wei: int) -> None:
        detail = (
            f"A claim that costs up to {needed_wei} wei waits: no relayer key has as much and room for two more "
            "transactions."
        )
        machine.db.write(lambda s: alarms.raise_alarm(s, AlarmKind.CLAIM_WITHOUT_KEY, CLAIMS, detail))

    return Senders(keys, price, tell)


def move_stuck(machine: Machine) -> int:
    """Give queued claims and settlements whose key cannot send them to one that can; return how many intents moved.

    Raises NodeUnreachable or NodeError.
    """
    if not machine.db.read(lambda s: s.execute(repo.waiting_for_their_key()).scalars().first()):
        return 0
    found = senders(machine)

    def run(session: Session) -> int:
        if not session.execute(repo.try_lock()).scalar_one():
            return 0
        waiting = list(session.execute(repo.waiting_for_their_key()).scalars())
        busy = dict(session.execute(txm_repo.in_flight(machine.keys.chain_id, machine.keys.addresses)).tuples().all())
        batches: dict[str, list[Intent]] = {}
        for intent in waiting:
            batches.setdefault(str(intent.reference["batch"]), []).append(intent)
        moved = 0
        for batch, intents in batches.items():
            gas = sum(intent.gas_limit or 0 for intent in intents)
            if _can_send(found, intents[0].account, gas, busy) or not _may_move(session, batch, intents):
                continue
            address = found.take(gas, len(intents))
            if address is not None:
                moved += _move(session, machine, [intent.id for intent in intents], address)
        return moved

    return machine.db.write(run)


def _can_send(found: Senders, address: bytes | None, gas: int, busy: dict[bytes, int]) -> bool:
    key = next((key for key in found.keys if key.address == address), None)
    full = address is not None and busy.get(address, 0) >= MAX_IN_FLIGHT
    return key is not None and not full and key.balance_wei >= gas * found.max_fee_wei


def _may_move(session: Session, batch: str, intents: list[Intent]) -> bool:
    """Whether nothing of the batch is on its way under the old key's nonces, so that the order is kept."""
    if any(intent.kind == "claim" for intent in intents):
        return True
    claim = session.execute(repo.claim_of(batch)).scalar_one_or_none()
    return claim != IntentState.SENT.value


def _move(session: Session, machine: Machine, ids: list[uuid.UUID], address: bytes) -> int:
    rows = [session.execute(txm_repo.intent_locked(intent_id)).scalar_one_or_none() for intent_id in ids]
    queued = [row for row in rows if row is not None and row.state == IntentState.QUEUED.value]
    if len(queued) < len(ids):
        return 0  # a worker is signing one of them
    for row in queued:
        _log.warning("a claim moves to another key", intent=str(row.id), kind=row.kind, sender="0x" + address.hex())
        row.account = address
        row.intent_hash = txm.intent_hash(row.to, row.data, address)
        row.updated_at = moment(machine.ctx.now())
    session.flush()
    return len(queued)
