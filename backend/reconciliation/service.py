"""Lets the ledger follow the chain's final blocks, and says where the two differ.

Goals: every deposit, finished withdrawal and claim of a final block is in the ledger exactly once; money that is
nowhere, or in two places, is found and told, never adjusted away.
Invariants: entries, the kept figures they explain and the operator's mark move in one transaction; only final blocks
are read, so nothing is ever taken back. Lock order: mark, pool, channel.
A crash before the COMMIT leaves the mark where it was and the same blocks are read again; after it they are done. Two
followers at once: the row lock lets one of them pass on.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import CursorResult
from sqlalchemy.orm import Session

from backend.context import Context
from backend.payments import ledger
from backend.payments import repo as payments
from backend.payments.ledger import Kind, Place
from backend.reconciliation import repo

EVENTS_AT_ONCE: Final = 500


@dataclass(frozen=True, slots=True)
class Difference:
    """Two figures that must be equal and are not, in base units."""

    what: str
    owner: bytes
    ledger_units: int
    other_units: int


def operators(session: Session, ctx: Context) -> list[bytes]:
    """Return the operators whose pools the ledger is about: ours, and those our pools name."""
    return sorted({*ctx.operators, *session.execute(repo.operators()).scalars()})


def follow(session: Session, ctx: Context, operator: bytes) -> int:
    """Write what the next stretch of final blocks says of an operator's pools; return how many blocks it went on.

    Returns 0 when there is nothing new, or another follower is at it.
    """
    if session.execute(repo.mark(operator)).scalar_one_or_none() is None:
        session.execute(repo.new_mark(operator))
    mark = session.execute(repo.mark_locked(operator)).scalar_one_or_none()
    final = session.execute(repo.finalized_number()).scalar_one_or_none()
    if mark is None or final is None or final <= mark.block_number:
        return 0
    after = mark.block_number
    found = session.execute(repo.nth_event_block(after, final, EVENTS_AT_ONCE)).scalar_one_or_none()
    upto = final if found is None else found
    _pools(session, ctx, session.execute(repo.pool_moves(operator, after, upto)).tuples().all())
    _channels(session, ctx, session.execute(repo.claimed_channels(operator, after, upto)).scalars().all(), upto)
    moved = session.execute(repo.move_mark(operator, after, upto))
    assert isinstance(moved, CursorResult)
    if moved.rowcount != 1:
        raise AssertionError("the mark of the ledger moved under its lock")
    return upto - after


def catch_up(session: Session, ctx: Context, operator: bytes) -> int:
    """Cover earnings that a claim had taken before they were earned; return how many channels it was about."""
    mark = session.execute(repo.mark_locked(operator)).scalar_one_or_none()
    if mark is None:
        return 0
    late = session.execute(repo.late_channels(operator, mark.block_number)).scalars().all()
    _channels(session, ctx, late, mark.block_number)
    return len(late)


def _pools(session: Session, ctx: Context, moves: Iterable[tuple[bytes, str, int, int, int]]) -> None:
    contract = ledger.chain(ctx.deployment.payment_channel)
    for pool_id, kind, units, block, index in moves:
        if not units:
            continue
        held, place = ledger.available(pool_id), f"{block}:{index}"
        if kind == "deposited":
            ledger.move(session, Kind.DEPOSIT, place, units, source=contract, target=held)
        else:
            ledger.move(session, Kind.WITHDRAWAL, place, units, source=held, target=contract)


def _channels(session: Session, ctx: Context, channel_ids: Sequence[bytes], upto: int) -> None:
    for channel_id in channel_ids:
        _claimed(session, ctx, channel_id, upto)


def _claimed(session: Session, ctx: Context, channel_id: bytes, upto: int) -> None:
    """Move what final claims cover from owed to claimed, and back to the pool what the channel itself has paid.

    A channel pays itself all that its pool was not drawn for.
    """
    pool = session.execute(repo.pool_of_locked(channel_id)).scalar_one()
    channel = session.execute(payments.channel_locked(channel_id)).scalar_one()
    total, drawn, block, index = session.execute(repo.claimed_upto(channel_id, upto)).tuples().one()
    covered = min(total, channel.earned_units)
    step = covered - channel.claimed_units
    if step <= 0:
        return
    own = max(0, covered - drawn) - channel.own_paid_units
    deltas: dict[Place, int] = {ledger.owed(channel_id): -step, ledger.claimed(channel_id): step}
    ledger.post(session, Kind.CLAIM, f"{block}:{index}", deltas)
    if own:
        contract = ledger.chain(ctx.deployment.payment_channel)
        ledger.move(session, Kind.OWN, f"{block}:{index}", own, source=contract, target=ledger.available(pool.pool_id))
    channel.claimed_units = covered
    channel.own_paid_units += own
    pool.own_paid_units += own
    session.flush()


def differences(session: Session) -> list[Difference]:
    """Compare the ledger with the mirror's final blocks and with the figures kept beside it; read in one snapshot."""
    found: list[Difference] = []
    for pool_id, held, balance, promised, kept, _ in session.execute(repo.pools_beside_chain()).tuples():
        _differs(found, "pool_balance", pool_id, int(held), int(balance))
        _differs(found, "pool_reserved", pool_id, int(promised), int(kept))
    for channel_id, owed, claimed, earned, kept, on_chain in session.execute(repo.channels_beside_chain()).tuples():
        _differs(found, "channel_earned", channel_id, int(owed) + int(claimed), int(earned))
        _differs(found, "channel_claimed", channel_id, int(claimed), int(kept))
        _differs(found, "channel_claimed_on_chain", channel_id, int(claimed), min(int(on_chain), int(earned)))
    return found


def _differs(found: list[Difference], what: str, owner: bytes, ledger_units: int, other_units: int) -> None:
    if ledger_units != other_units:
        found.append(Difference(what, owner, ledger_units, other_units))
