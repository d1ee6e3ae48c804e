"""The double-entry ledger of payments below the threshold.

Goals: whoever reads the two tables alone knows where every base unit is; what is kept elsewhere (`pool.reserved_units`,
`channel.earned_units`) can be computed from them.
Invariants, kept by the database: the postings of an entry add up to zero (checked at COMMIT); postings join only
entries of their own transaction; nothing is changed or deleted. An entry is written in the commit of what it records,
so a crash leaves both or neither.

Accounts and their owners (a posting above zero increases what the account holds):
    chain      the PaymentChannel contract: minus what pools were given, plus what they gave back
    available  a pool: what it can still promise; below zero where channels pay from their own balance
    reserved   a pool: prices of orders and charges in flight
    owed       a channel: earned by its receiver, not yet claimed in a final block
    claimed    a channel: earned, and claimed in a final block
For every pool at a final block: available + reserved + owed of its channels = the pool's balance in the contract.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy.orm import Session

from backend.payments import repo


class Account(StrEnum):
    """Where money can be."""

    CHAIN = "chain"
    AVAILABLE = "available"
    RESERVED = "reserved"
    OWED = "owed"
    CLAIMED = "claimed"


class Kind(StrEnum):
    """Why money moves."""

    OPENING = "opening"
    RESERVE = "reserve"
    EARN = "earn"
    VOID = "void"
    PAY = "pay"
    DEPOSIT = "deposit"
    WITHDRAWAL = "withdrawal"
    OWN = "own"
    CLAIM = "claim"


@dataclass(frozen=True, slots=True)
class Place:
    """An account and whose it is."""

    account: Account
    owner: bytes


class UnbalancedError(AssertionError):
    """The postings of an entry do not add up to zero: a fault of ours, found before the database finds it."""


def available(pool_id: bytes) -> Place:
    """What a pool can still promise."""
    return Place(Account.AVAILABLE, pool_id)


def reserved(pool_id: bytes) -> Place:
    """What a pool has promised to work in flight."""
    return Place(Account.RESERVED, pool_id)


def owed(channel_id: bytes) -> Place:
    """What a channel's receiver has earned and no final claim has covered."""
    return Place(Account.OWED, channel_id)


def claimed(channel_id: bytes) -> Place:
    """What final claims have covered of a channel's earnings."""
    return Place(Account.CLAIMED, channel_id)


def chain(contract: bytes) -> Place:
    """The contract that holds the pools."""
    return Place(Account.CHAIN, contract)


def post(session: Session, kind: Kind, reference: str | None, deltas: Mapping[Place, int]) -> int:
    """Write one entry with its postings, in base units, and return its id; deltas of 0 are left out.

    Raises UnbalancedError. The entry counts with the caller's commit.
    """
    if sum(deltas.values()) != 0:
        raise UnbalancedError(f"{kind} {reference}: {deltas}")
    entry_id: int = session.execute(repo.new_entry(kind.value, reference)).scalar_one()
    rows = [
        {"entry_id": entry_id, "account": place.account.value, "owner": place.owner, "delta_units": delta}
        for place, delta in deltas.items()
        if delta
    ]
    if rows:
        session.execute(repo.new_postings(rows))
    return entry_id


def move(session: Session, kind: Kind, reference: str | None, units: int, *, source: Place, target: Place) -> int:
    """Write the entry that takes `units` from one account to another, and return its id."""
    return post(session, kind, reference, {source: -units, target: units})
