"""Signed bytes and the nonces they use, as rows: what is stored here may be sent by any worker, any number of times."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from backend.db.ids import new_id
from backend.db.times import moment
from backend.txm import repo
from backend.txm.eip1559 import Signed
from backend.txm.fees import Fees
from backend.txm.machine import Machine
from backend.txm.states import TxState


@dataclass(frozen=True, slots=True, kw_only=True)
class NewTransaction:
    """A nonce and the first bytes that use it; without an intent they spend it on nothing."""

    intent_id: uuid.UUID | None
    nonce: int
    fees: Fees
    signed: Signed


def store_transactions(session: Session, machine: Machine, new: Mapping[bytes, Sequence[NewTransaction]]) -> None:
    """Store transactions of keys with their signed bytes, before anybody sends them."""
    now = moment(machine.ctx.now())
    made = [(account, one) for account, signed in new.items() for one in signed]
    rows: list[dict[str, Any]] = [
        {
            "id": new_id(),
            "intent_id": one.intent_id,
            "chain_id": machine.keys.chain_id,
            "account": account,
            "nonce": one.nonce,
            "state": TxState.SIGNED.value,
            "created_at": now,
            "updated_at": now,
        }
        for account, one in made
    ]
    session.execute(repo.new_transactions(), rows)
    attempts = [
        _attempt(machine, row["id"], seq=0, signed=one.signed, fees=one.fees, nothing=one.intent_id is None)
        for row, (_, one) in zip(rows, made, strict=True)
    ]
    session.execute(repo.new_attempts(), attempts)


def store_attempt(
    session: Session, machine: Machine, tx_id: uuid.UUID, *, seq: int, signed: Signed, fees: Fees, nothing: bool
) -> None:
    """Store further bytes for a nonce, before anybody sends them; `nothing` where they only use it up."""
    session.execute(repo.new_attempts(), [_attempt(machine, tx_id, seq=seq, signed=signed, fees=fees, nothing=nothing)])


def _attempt(
    machine: Machine, tx_id: uuid.UUID, *, seq: int, signed: Signed, fees: Fees, nothing: bool
) -> dict[str, Any]:
    return {
        "tx_id": tx_id,
        "seq": seq,
        "raw": signed.raw,
        "hash": signed.tx_hash,
        "max_fee_wei": fees.max_fee_wei,
        "tip_wei": fees.tip_wei,
        "signed_at": moment(machine.ctx.now()),
        "spends_nothing": nothing,
    }
