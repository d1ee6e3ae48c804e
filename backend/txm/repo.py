"""Statements over accounts, intents, transactions and attempts."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Sequence
from typing import Any, Final, cast

from sqlalchemy import (
    ColumnElement,
    Insert,
    Select,
    Table,
    Update,
    and_,
    case,
    exists,
    func,
    insert,
    literal,
    or_,
    select,
    text,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.orm import aliased

from backend.txm.models import Attempt, Intent, RelayAccount, Transaction
from backend.txm.patience import LONGEST_PAUSE, NEAR
from backend.txm.states import IN_FLIGHT, IntentState, Priority, TxState

BELL: Final = "aicp_txm"
"""The channel on which committed intents are told of."""
URGENT: Final = int(Priority.URGENT)


def new_intent(values: dict[str, Any]) -> Insert:
    """Insert an intent unless its key is taken; waits for a concurrent insert of the same key."""
    return pg_insert(Intent).values(**values).on_conflict_do_nothing(index_elements=["idem_key"])


def intent_by_key(idem_key: str) -> Select[Intent]:
    """The intent under an idempotency key."""
    return select(Intent).where(Intent.idem_key == idem_key)


def intents_like(prefix: str) -> Select[Intent]:
    """Intents whose key begins with `prefix`, newest first."""
    return select(Intent).where(Intent.idem_key.startswith(prefix, autoescape=True)).order_by(Intent.created_at.desc())


def intent(intent_id: uuid.UUID) -> Select[Intent]:
    """One intent."""
    return select(Intent).where(Intent.id == intent_id)


def intents(intent_ids: Sequence[uuid.UUID]) -> Select[Intent]:
    """Several intents."""
    return select(Intent).where(Intent.id.in_(intent_ids))


def intent_locked(intent_id: uuid.UUID) -> Select[Intent]:
    """One intent with its row locked, or nothing while another worker holds it."""
    return intent(intent_id).with_for_update(skip_locked=True).execution_options(populate_existing=True)


def intent_waited(intent_id: uuid.UUID) -> Select[Intent]:
    """One intent with its row locked, waiting for another holder."""
    return intent(intent_id).with_for_update().execution_options(populate_existing=True)


def intents_of(address: bytes, after: tuple[Any, uuid.UUID] | None, limit: int) -> Select[Intent]:
    """Intents on behalf of an account, newest first."""
    statement = select(Intent).where(Intent.on_behalf_of == address).limit(limit)
    if after is not None:
        there = tuple_(literal(after[0], Intent.created_at.type), literal(after[1], Intent.id.type))
        statement = statement.where(tuple_(Intent.created_at, Intent.id) < there)
    return statement.order_by(Intent.created_at.desc(), Intent.id.desc())


def expired(now: dt.datetime, limit: int) -> Select[Intent]:
    """Queued intents whose signatures have expired, locked; held ones are skipped."""
    return (
        select(Intent)
        .where(Intent.state == IntentState.QUEUED.value, Intent.expires_at <= now)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )


def ready(now: dt.datetime, limit: int) -> Select[Intent]:
    """Queued intents whose time has come, urgent ones first, then the oldest; with a fixed sender only its first."""
    first, other = _turn(Intent, now), aliased(Intent)
    behind = exists().where(
        other.account == Intent.account,
        other.state == IntentState.QUEUED.value,
        tuple_(*_turn(other, now)) < tuple_(*first),
    )
    return (
        select(Intent)
        .where(
            Intent.state == IntentState.QUEUED.value,
            _due(now),
            or_(Intent.account.is_(None), ~behind),
        )
        .order_by(*first)
        .limit(limit)
    )


def any_queued(now: dt.datetime) -> Select[bool]:
    """Whether an intent waits whose time has come."""
    return select(exists().where(Intent.state == IntentState.QUEUED.value, _due(now)))


def _due(now: dt.datetime) -> ColumnElement[bool]:
    """Whether the time of an intent has come; one further away than any pause is a clock that went back."""
    return or_(Intent.not_before.is_(None), Intent.not_before <= now, Intent.not_before > now + LONGEST_PAUSE)


def _turn(row: Any, now: dt.datetime) -> tuple[Any, ...]:
    """By what intents are ordered; a claim and its settlement share the first term and follow each other."""
    return case((row.expires_at <= now + NEAR, -URGENT), else_=-row.priority), row.created_at, row.id


def intents_locked(intent_ids: Sequence[uuid.UUID]) -> Select[Intent]:
    """Intents with their rows locked, without those another worker holds."""
    found = select(Intent).where(Intent.id.in_(intent_ids)).order_by(Intent.id).with_for_update(skip_locked=True)
    return found.execution_options(populate_existing=True)


def intents_waited(intent_ids: Sequence[uuid.UUID]) -> Select[Intent]:
    """Intents with their rows locked in one order, waiting for other holders."""
    found = select(Intent).where(Intent.id.in_(intent_ids)).order_by(Intent.id).with_for_update()
    return found.execution_options(populate_existing=True)


def intents_sent(sent: Sequence[tuple[uuid.UUID, bytes, int]], now: dt.datetime) -> Any:
    """Write down that intents are signed: id, hash and gas limit of each."""
    return text(
        "UPDATE txm.intent i SET state = 'sent', tx_hash = v.hash, gas_limit = v.gas, error_code = NULL, "
        "error_detail = NULL, updated_at = :now "
        "FROM unnest(CAST(:ids AS uuid[]), CAST(:hashes AS bytea[]), CAST(:gas AS bigint[])) AS v(id, hash, gas) "
        "WHERE i.id = v.id"
    ).bindparams(now=now, ids=[one[0] for one in sent], hashes=[one[1] for one in sent], gas=[one[2] for one in sent])


def new_account(chain_id: int, address: bytes, nonce: int) -> Insert:
    """Insert a relayer account unless it is known."""
    return (
        pg_insert(RelayAccount)
        .values(chain_id=chain_id, address=address, next_nonce=nonce)
        .on_conflict_do_nothing(index_elements=["chain_id", "address"])
    )


def accounts(chain_id: int, addresses: Sequence[bytes]) -> Select[RelayAccount]:
    """The relayer accounts of our keys."""
    return select(RelayAccount).where(RelayAccount.chain_id == chain_id, RelayAccount.address.in_(addresses))


def account_locked(chain_id: int, address: bytes) -> Select[RelayAccount]:
    """One account with its row locked, waiting for another holder."""
    return accounts(chain_id, [address]).with_for_update().execution_options(populate_existing=True)


def in_flight(chain_id: int, addresses: Sequence[bytes]) -> Select[bytes, int]:
    """Accounts with transactions of which no receipt is known, and how many."""
    return (
        select(Transaction.account, func.count())
        .where(
            Transaction.chain_id == chain_id,
            Transaction.account.in_(addresses),
            Transaction.state.in_(IN_FLIGHT),
        )
        .group_by(Transaction.account)
    )


def take_nonces(chain_id: int, address: bytes, first: int, count: int) -> Any:
    """Move an account's nonce on by `count`, if it still is `first` and the key in use; return the next one."""
    return (
        update(RelayAccount)
        .where(
            RelayAccount.chain_id == chain_id,
            RelayAccount.address == address,
            RelayAccount.next_nonce == first,
            RelayAccount.quarantined_reason.is_(None),
        )
        .values(next_nonce=RelayAccount.next_nonce + count, updated_at=func.now())
        .returning(RelayAccount.next_nonce)
    )


def quarantine(chain_id: int, address: bytes, reason: str) -> Update:
    """Take a key out of use until an operator has looked at it."""
    return (
        update(RelayAccount)
        .where(
            RelayAccount.chain_id == chain_id,
            RelayAccount.address == address,
            RelayAccount.quarantined_reason.is_(None),
        )
        .values(quarantined_reason=reason, updated_at=func.now())
    )


def queued_for(address: bytes) -> Select[Intent]:
    """Queued intents that only this key may send, locked."""
    return (
        select(Intent)
        .where(Intent.account == address, Intent.state == IntentState.QUEUED.value)
        .with_for_update(skip_locked=True)
    )


def unmined(chain_id: int, addresses: Sequence[bytes]) -> Select[Transaction]:
    """Transactions without a receipt, in the order of their nonces; at most 16 a key, so no limit is needed."""
    return (
        select(Transaction)
        .where(
            Transaction.chain_id == chain_id,
            Transaction.account.in_(addresses),
            Transaction.state.in_(IN_FLIGHT),
        )
        .order_by(Transaction.account, Transaction.nonce)
    )


def mined(
    chain_id: int, addresses: Sequence[bytes], after: tuple[int, uuid.UUID] | None, limit: int
) -> Select[Transaction]:
    """A page of the transactions with a receipt that is not final, oldest block first; `after` is (block, id)."""
    statement = (
        select(Transaction)
        .where(
            Transaction.chain_id == chain_id,
            Transaction.account.in_(addresses),
            Transaction.state == TxState.MINED.value,
        )
        .order_by(Transaction.block_number, Transaction.id)
        .limit(limit)
    )
    if after is not None:
        place = tuple_(literal(after[0], Transaction.block_number.type), literal(after[1], Transaction.id.type))
        statement = statement.where(tuple_(Transaction.block_number, Transaction.id) > place)
    return statement


def transaction(tx_id: uuid.UUID) -> Select[Transaction]:
    """One transaction."""
    return select(Transaction).where(Transaction.id == tx_id)


def transaction_locked(tx_id: uuid.UUID) -> Select[Transaction]:
    """One transaction with its row locked, or nothing while another worker holds it."""
    return (
        select(Transaction)
        .where(Transaction.id == tx_id)
        .with_for_update(skip_locked=True)
        .execution_options(populate_existing=True)
    )


def transactions_locked(tx_ids: Sequence[uuid.UUID]) -> Select[Transaction]:
    """Transactions with their rows locked, without those another worker holds."""
    found = select(Transaction).where(Transaction.id.in_(tx_ids)).order_by(Transaction.id)
    return found.with_for_update(skip_locked=True).execution_options(populate_existing=True)


def transactions_waited(tx_ids: Sequence[uuid.UUID]) -> Select[uuid.UUID, str]:
    """Ids and states of transactions with their rows locked in one order, waiting for other holders."""
    found = select(Transaction.id, Transaction.state).where(Transaction.id.in_(tx_ids))
    return found.order_by(Transaction.id).with_for_update()


def attempts_of(tx_ids: Sequence[uuid.UUID]) -> Select[Attempt]:
    """The attempts of transactions, oldest first."""
    return select(Attempt).where(Attempt.tx_id.in_(tx_ids)).order_by(Attempt.tx_id, Attempt.seq)


def new_transactions() -> Insert:
    """Store transactions; executed with a list of their columns."""
    return insert(cast(Table, Transaction.__table__))  # without the ORM's work for each row


def new_attempts() -> Insert:
    """Store signed attempts; executed with a list of their columns."""
    return insert(cast(Table, Attempt.__table__))


def transactions_of(intent_ids: Sequence[uuid.UUID]) -> Select[Transaction]:
    """The transactions of intents, oldest first, with those that spend the nonce of a rejected call on nothing."""
    return (
        select(Transaction)
        .where(or_(Transaction.intent_id.in_(intent_ids), Transaction.rejected_intent_id.in_(intent_ids)))
        .order_by(Transaction.created_at, Transaction.nonce)
    )


def superseded_count(intent_id: uuid.UUID) -> Select[int]:
    """How many nonces of an intent were taken by somebody else."""
    return select(func.count()).where(Transaction.intent_id == intent_id, Transaction.state == TxState.SUPERSEDED.value)


def lowest_nonce(chain_id: int, address: bytes) -> Select[Any]:
    """The first nonce of the account we have given out; what is below it was used before our time."""
    return select(func.min(Transaction.nonce)).where(Transaction.chain_id == chain_id, Transaction.account == address)


def nonces_between(chain_id: int, address: bytes, low: int, high: int) -> Select[int]:
    """The nonces with low <= nonce < high that have a row."""
    return select(Transaction.nonce).where(
        and_(
            Transaction.chain_id == chain_id,
            Transaction.account == address,
            Transaction.nonce >= low,
            Transaction.nonce < high,
        )
    )


def ring() -> Any:
    """Tell the workers, at commit, that an intent is waiting."""
    return text("SELECT pg_notify(:bell, '')").bindparams(bell=BELL)
