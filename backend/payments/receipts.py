"""Receipts: the operator's one-row ClaimBatch signature over what a channel has earned.

Receipts of a channel are issued in order under its row lock, and stored in the same commit as the earning itself, so
none is ever told before it is kept, and a holder can always claim with `claimWithSignature` alone.
"""

from __future__ import annotations

import uuid

from sqlalchemy import CursorResult
from sqlalchemy.orm import Session

from aicp.abi.typed_data import ClaimBatch, ClaimEntry
from aicp.rules.primitives import Finality, hex0x
from backend.api.paging import after_moment, encode
from backend.api.types import Page
from backend.context import Context
from backend.db.ids import new_id
from backend.db.times import moment
from backend.domain.micro import utc_day
from backend.errors import NotFound
from backend.outbox.service import emit
from backend.payments import ledger, repo
from backend.payments.channels import config_of
from backend.payments.errors import RetiredOperator
from backend.payments.models import Channel, MicroOrder, Pool, Receipt
from backend.payments.schemas import ConfigOut, ReceiptOut
from indexer import views

Filter = repo.ReceiptFilter


def earn(session: Session, ctx: Context, order: MicroOrder) -> Receipt:
    """Turn a reserved or delivered order into a receipt; the caller holds the task's lock.

    Signed by the pool's own operator, of whichever epoch. Raises RetiredOperator when that key is not here.
    """
    pool = session.execute(repo.pool_locked(order.pool_id)).scalar_one()
    channel = session.execute(repo.channel_locked(order.channel_id)).scalar_one()
    operator = ctx.operator_of(pool.operator)
    if operator is None:
        raise RetiredOperator
    if channel.ceiling_signature is None:
        raise AssertionError("an order was taken without a voucher")
    pool.reserved_units -= order.price_units
    pool.earned_units += order.price_units
    channel.in_flight_units -= order.price_units
    channel.earned_units += order.price_units
    channel.receipted_units = channel.earned_units
    order.state = "earned"
    ledger.move(
        session, ledger.Kind.EARN, hex0x(order.order_hash), order.price_units,
        source=ledger.reserved(pool.pool_id), target=ledger.owed(channel.channel_id),
    )  # fmt: skip
    entry = ClaimEntry(
        channel_id=channel.channel_id,
        max_claimable_amount=channel.ceiling_units,
        total_claimed=channel.earned_units,
    )
    receipt = Receipt(
        id=new_id(),
        channel_id=channel.channel_id,
        order_hash=order.order_hash,
        total_claimed_units=channel.earned_units,
        ceiling_units=channel.ceiling_units,
        voucher_signature=channel.ceiling_signature,
        operator=operator.address,
        operator_signature=operator.sign(ClaimBatch(claims=(entry,)).digest(ctx.domains.channel)),
        created_at=moment(ctx.now()),
    )
    session.add(receipt)
    session.flush()
    payload = {"receipt_id": receipt.id, "deal_id": order.deal_id, "channel_id": hex0x(channel.channel_id)}
    emit(session, "receipt.issued", payload, [channel.receiver, pool.payer])
    emit(session, "pool.changed", {"pool_id": hex0x(pool.pool_id)}, [pool.payer])
    return receipt


def void(session: Session, order: MicroOrder) -> None:
    """Free what an order had reserved; nothing is paid for it. The caller holds the task's lock."""
    pool = session.execute(repo.pool_locked(order.pool_id)).scalar_one()
    channel = session.execute(repo.channel_locked(order.channel_id)).scalar_one()
    pool.reserved_units -= order.price_units
    channel.in_flight_units -= order.price_units
    order.state = "void"
    session.flush()
    session.execute(repo.unspend(pool.pool_id, order.price_units, day=utc_day(int(order.created_at.timestamp()))))
    session.refresh(pool)
    ledger.move(
        session, ledger.Kind.VOID, hex0x(order.order_hash), order.price_units,
        source=ledger.reserved(pool.pool_id), target=ledger.available(pool.pool_id),
    )  # fmt: skip
    emit(session, "pool.changed", {"pool_id": hex0x(pool.pool_id)}, [pool.payer])


def _out(  # noqa: PLR0917
    session: Session, ctx: Context, receipt: Receipt, order: MicroOrder | None, channel: Channel, pool: Pool
) -> ReceiptOut:
    config = config_of(ctx, pool, channel)
    chain = views.channel(session, channel.channel_id, Finality.FINAL)
    if order is None:
        before = int(session.execute(repo.total_before(channel.channel_id, receipt.total_claimed_units)).scalar_one())
        price = receipt.total_claimed_units - before
    else:
        price = order.price_units
    return ReceiptOut(
        id=receipt.id,
        channel_id=channel.channel_id,
        order_hash=receipt.order_hash,
        deal_id=None if order is None else order.deal_id,
        config=ConfigOut(
            payer=config.payer,
            payer_authorizer=config.payer_authorizer,
            receiver=config.receiver,
            receiver_authorizer=config.receiver_authorizer,
            token=config.token,
            withdraw_delay=config.withdraw_delay,
            salt=config.salt,
        ),
        max_claimable_units=receipt.ceiling_units,
        voucher_signature=receipt.voucher_signature,
        total_claimed_units=receipt.total_claimed_units,
        operator_signature=receipt.operator_signature,
        price_units=price,
        acknowledged=receipt.acknowledged_at is not None,
        claimed=chain is not None and chain.total_claimed_units >= receipt.total_claimed_units,
        created_at=receipt.created_at,
    )


def page(
    session: Session, ctx: Context, party: bytes, chosen: Filter, *, cursor: str | None, limit: int
) -> Page[ReceiptOut]:
    """Return a page of the party's receipts, oldest first. Raises InvalidInput for a foreign cursor."""
    rows = session.execute(repo.receipts(party, chosen, after_moment(cursor), limit + 1)).tuples().all()
    items = [_out(session, ctx, *row) for row in rows[:limit]]
    more = len(rows) > limit
    return Page(items=items, next_cursor=encode(items[-1].created_at, items[-1].id) if more else None)


def acknowledge(session: Session, ctx: Context, receipt_id: uuid.UUID, agent: bytes) -> ReceiptOut:
    """Note that the agent has stored a receipt; repeating it changes nothing. Raises NotFound."""
    receipt = session.execute(repo.receipt(receipt_id)).scalar_one_or_none()
    channel = None if receipt is None else session.execute(repo.channel(receipt.channel_id)).scalar_one()
    if receipt is None or channel is None or channel.receiver != agent:
        raise NotFound("There is no such receipt of yours.")
    receipt.acknowledged_at = receipt.acknowledged_at or moment(ctx.now())
    session.flush()
    order = None if receipt.order_hash is None else session.get_one(MicroOrder, receipt.order_hash)
    pool = session.execute(repo.pool(channel.pool_id)).scalar_one()
    return _out(session, ctx, receipt, order, channel, pool)


def acknowledge_many(session: Session, ctx: Context, receipt_ids: list[uuid.UUID], agent: bytes) -> int:
    """Note that the agent has stored these receipts; return how many of them are the agent's."""
    result = session.execute(repo.acknowledge(receipt_ids, agent, moment(ctx.now())))
    assert isinstance(result, CursorResult)
    return int(result.rowcount)
