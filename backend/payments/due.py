"""Receipts of payments without an order: one for all that a channel has earned since its last, signed when needed.

Goals: an agent that asks holds the operator's signature over everything it has earned; what is earned is claimable
soon even if nobody asks; payments themselves wait for no signature.
Invariants: a receipt's total is what its channel has earned at that moment, read under the row's lock; the newest
total wins. Channels are found from the ledger, entry by entry up to the oldest transaction still running, so none is
passed over, and rows that do not change cost nothing. A channel whose operator's key is not here is put aside in the
commit that moves the mark past it, and taken up where the key is. Locked rows are left to a later transaction of their
own: no transaction waits here with a lock in its hand.
A crash repeats the stretch of the ledger since the last mark; a channel without anything new is signed for once only.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from sqlalchemy.orm import Session

from aicp.abi.typed_data import ClaimBatch, ClaimEntry
from aicp.rules.primitives import hex0x
from backend.context import Context
from backend.db.ids import new_id
from backend.db.times import moment
from backend.outbox.service import emit
from backend.payments import due_repo as repo
from backend.payments.models import Channel, Pool, Receipt

AT_ONCE: Final = 200
ENTRIES: Final = 500


def issue(session: Session, ctx: Context, channels: Iterable[bytes], *, wait: bool = False) -> list[Receipt]:
    """Sign for what these channels have earned beyond their last receipt.

    Rows that others hold are left out unless `wait` is set, which is for one channel at a time.
    """
    statement = repo.unsigned_locked(list(channels), wait=wait)
    found = [_sign(session, ctx, channel, pool) for channel, pool in session.execute(statement).tuples()]
    session.flush()
    return [receipt for receipt in found if receipt is not None]


def issue_for(session: Session, ctx: Context, receiver: bytes) -> int:
    """Sign for what a receiver's channels have earned; return for how many."""
    due = session.execute(repo.of_receiver(receiver, AT_ONCE)).scalars().all()
    return len(issue(session, ctx, due)) if due else 0


def _sign(session: Session, ctx: Context, channel: Channel, pool: Pool) -> Receipt | None:
    operator = ctx.operator_of(pool.operator)
    if operator is None or channel.ceiling_signature is None:
        return None  # its key is not here; whoever has it signs
    entry = ClaimEntry(
        channel_id=channel.channel_id,
        max_claimable_amount=channel.ceiling_units,
        total_claimed=channel.earned_units,
    )
    receipt = Receipt(
        id=new_id(),
        channel_id=channel.channel_id,
        order_hash=None,
        total_claimed_units=channel.earned_units,
        ceiling_units=channel.ceiling_units,
        voucher_signature=channel.ceiling_signature,
        operator=operator.address,
        operator_signature=operator.sign(ClaimBatch(claims=(entry,)).digest(ctx.domains.channel)),
        created_at=moment(ctx.now()),
    )
    channel.receipted_units = channel.earned_units
    session.add(receipt)
    payload = {"receipt_id": receipt.id, "deal_id": None, "channel_id": hex0x(channel.channel_id)}
    emit(session, "receipt.issued", payload, [channel.receiver, pool.payer])
    return receipt


class Stretch:
    """A piece of the ledger: the channels that earned in it, and where the next one begins."""

    __slots__ = ("channels", "end")

    def __init__(self, channels: Sequence[bytes], end: int) -> None:
        self.channels = channels
        self.end = end


def next_stretch(session: Session) -> Stretch | None:
    """Return the next piece of the ledger after the mark, None where there is none yet."""
    rows = session.execute(repo.next_entries(), {"most": ENTRIES}).one()
    return None if rows.until is None else Stretch(rows.channels or [], int(rows.until))


def close_stretch(session: Session, ctx: Context, stretch: Stretch) -> None:
    """Remember that the ledger is read up to here, and what could not be signed for; a mark never goes back."""
    for first in range(0, len(stretch.channels), AT_ONCE):
        part = stretch.channels[first : first + AT_ONCE]
        session.execute(repo.put_aside(part, ctx.operators))
    session.execute(repo.move_mark(stretch.end))


def put_aside(session: Session, ctx: Context, after: bytes) -> list[bytes]:
    """Return a page of the channels put aside whose operators' keys are here, those after a channel's id."""
    return list(session.execute(repo.aside(ctx.operators, after, AT_ONCE)).scalars())


def take_up(session: Session, ctx: Context, channels: Sequence[bytes]) -> int:
    """Sign for channels put aside; return for how many. Those that others hold stay where they are."""
    signed = issue(session, ctx, channels)
    session.execute(repo.drop_signed(channels))
    return len(signed)


def unsigned(session: Session, channels: Sequence[bytes]) -> list[bytes]:
    """Return those of some channels that still have earned more than is signed for."""
    return list(session.execute(repo.unsigned(channels)).scalars())
