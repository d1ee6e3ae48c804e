"""Orders of a session key: reserve, deliver, judge, give back.

Invariants: receipts and reserves of a pool never exceed what the chain and the mirror say it holds (one conditional
UPDATE in the same commit); a session key orders no more than its daily cap (summed under the pool's lock); an order is
taken only under a ceiling that covers it and all before it; what was reserved ends as exactly one of a receipt or
nothing. Lock order: task, pool, channel.
"""

from __future__ import annotations

import uuid
from typing import Final

from sqlalchemy import CursorResult
from sqlalchemy.orm import Session

from aicp.abi.typed_data import MicroDelivery, MicroReturn, MicroVerdict, Voucher
from aicp.abi.typed_data import MicroOrder as OrderMessage
from aicp.rules.primitives import format_usdc, hex0x
from backend.context import Context
from backend.db.times import moment
from backend.deals import authorizations, failover
from backend.deals import repo as deals_repo
from backend.deals.escrow_steps import manifest_hash, store_deliverable
from backend.deals.models import Deal
from backend.deals.schemas import DeliveryIn, OrderIn, ReturnIn, VerdictIn
from backend.deals.service import end, lock, require_state
from backend.domain.micro import (
    OrderProblem,
    OrderTerms,
    available,
    claim_is_safe,
    need,
    order_problem,
    raised_ceiling,
    utc_day,
)
from backend.domain.signatures import require_key
from backend.domain.task_states import TaskState
from backend.errors import (
    CeilingTooLow,
    ChainBehind,
    NotFound,
    SignatureExpired,
    TermsMismatch,
    VoucherAbovePool,
    WrongState,
)
from backend.outbox.service import emit
from backend.payments import ledger, repo
from backend.payments.channels import Lane, lane
from backend.payments.errors import PoolClosing, RetiredOperator, SessionKeyCap
from backend.payments.models import Channel, MicroOrder, Pool
from backend.payments.receipts import earn, void
from backend.payments.schemas import VoucherIn
from backend.tasks import service as tasks
from backend.tasks.models import Task
from indexer import views

S = TaskState
_SENTENCES: Final[dict[OrderProblem, str]] = {
    OrderProblem.PRICE_DIFFERS: "The order's price is not the amount of the bid.",
    OrderProblem.BID_EXPIRED: "The bid is no longer valid.",
    OrderProblem.DELIVER_BY_TOO_EARLY: "The order gives the agent less time than its bid asks for.",
    OrderProblem.EVALUATE_BY_OUT_OF_RANGE: "The time to check the result is not the network's.",
    OrderProblem.TOO_LONG: "A pool cannot cover an order that lasts this long.",
}


def place(session: Session, ctx: Context, deal_id: uuid.UUID, buyer: bytes, given: OrderIn) -> Deal:
    """Take an order, raise the ceiling where a voucher comes with it, and reserve the price. A repeat changes nothing.

    Raises TermsMismatch, SignatureExpired, InvalidSignature, CeilingTooLow, VoucherAbovePool, SessionKeyCap,
    PoolClosing, RetiredOperator, ChainBehind, NotFound, WrongState. Whatever it raises, nothing is stored.
    """
    deal, task = lock(session, deal_id, buyer, "buyer")
    way = lane(
        ctx, payer=deal.buyer, payer_authorizer=given.payer_authorizer, receiver=deal.agent, operator=deal.operator
    )
    message = OrderMessage(
        channel_id=way.channel_id, bid_hash=deal.bid_hash, price=given.price_units, deliver_by=given.deliver_by,
        evaluate_by=given.evaluate_by,
    )  # fmt: skip
    stored = session.execute(repo.order_of_deal(deal.id)).scalar_one_or_none()
    if stored is not None and stored.signature == given.signature:
        return deal
    if deal.path != "channel":
        raise WrongState("This deal is paid by escrow.")
    require_state(deal, task, S.AWAITING_PAYMENT)
    # an escrow payment signed for an earlier bid of this task may still be carried out: never both
    authorizations.require_none_live(session, ctx, task.id, b"")
    order_hash = require_key(message, ctx.domains.marketplace, given.signature, way.voucher_signer)
    _check_terms(session, ctx, deal, given)
    _check_pool(session, ctx, deal, way, given)
    pool, channel = _open(session, deal, way)
    _check_cap(ctx, pool, given.price_units)
    _raise_ceiling(session, ctx, way, channel, given.voucher)
    needed = need(
        earned_units=channel.earned_units, in_flight_units=channel.in_flight_units, price_units=given.price_units
    )
    if channel.ceiling_units < needed:
        raise CeilingTooLow(need_units=str(needed), ceiling_units=str(channel.ceiling_units))
    _reserve(session, ctx, pool, given.price_units)
    ledger.move(
        session, ledger.Kind.RESERVE, hex0x(order_hash), given.price_units,
        source=ledger.available(way.pool_id), target=ledger.reserved(way.pool_id),
    )  # fmt: skip
    channel.in_flight_units += given.price_units
    session.add(
        MicroOrder(
            order_hash=order_hash,
            deal_id=deal.id,
            channel_id=way.channel_id,
            pool_id=way.pool_id,
            bid_hash=deal.bid_hash,
            price_units=given.price_units,
            deliver_by=given.deliver_by,
            evaluate_by=given.evaluate_by,
            signature=given.signature,
            state="reserved",
            created_at=moment(ctx.now()),
        )
    )
    session.flush()
    evidence = {
        "order_hash": hex0x(order_hash),
        "channel_id": hex0x(way.channel_id),
        "signature": hex0x(given.signature),
    }
    tasks.move(session, ctx, task, S.ASSIGNED, reason="ordered by the session key", evidence=evidence, deal_id=deal.id)
    emit(session, "pool.changed", {"pool_id": hex0x(way.pool_id)}, [deal.buyer])
    return deal


def _check_terms(session: Session, ctx: Context, deal: Deal, given: OrderIn) -> None:
    bid = session.execute(deals_repo.bid(deal.bid_hash)).scalar_one()
    problem = order_problem(
        OrderTerms(
            price_units=given.price_units,
            deliver_by=given.deliver_by,
            evaluate_by=given.evaluate_by,
            bid_amount_units=bid.amount_units,
            bid_valid_until=bid.valid_until,
            bid_eta_seconds=bid.eta_seconds,
        ),
        now=ctx.now(),
        constants=ctx.constants,
    )
    if problem is OrderProblem.BID_EXPIRED:
        raise SignatureExpired(_SENTENCES[problem], valid_until=bid.valid_until)
    if problem is not None:
        raise TermsMismatch(_SENTENCES[problem], problem=problem.value)


def _check_pool(session: Session, ctx: Context, deal: Deal, way: Lane, given: OrderIn) -> None:
    """Check the pool the deal's own parties name, and that a receipt could still be claimed from it in time."""
    if not ctx.takes(deal.operator):
        raise RetiredOperator(what_to_do="Move the pool to the operator who serves now, and award the work again.")
    pool = views.pool(session, way.pool_id)
    if pool is None:
        raise VoucherAbovePool("This session key has no pool.", what_to_do="Open a pool first.", available_units="0")
    if pool.withdraw_units or pool.pending_withdraw_units:
        raise PoolClosing(pending_withdraw_units=str(pool.pending_withdraw_units))
    status = views.sync_status(session)
    if not claim_is_safe(
        evaluate_by=given.evaluate_by, finalized_time=status.finalized_time, now=ctx.now(), constants=ctx.constants
    ):
        raise ChainBehind(finalized_age_seconds=ctx.now() - status.finalized_time)


def _open(session: Session, deal: Deal, way: Lane) -> tuple[Pool, Channel]:
    """Return our rows of pool and channel, made on first use, both locked."""
    config = way.config
    session.execute(repo.new_pool(way.pool_id, deal.buyer, config.payer_authorizer, config.receiver_authorizer))
    pool = session.execute(repo.pool_locked(way.pool_id)).scalar_one()
    session.execute(repo.new_channel(way.channel_id, way.pool_id, config.receiver))
    return pool, session.execute(repo.channel_locked(way.channel_id)).scalar_one()


def _check_cap(ctx: Context, pool: Pool, price_units: int) -> None:
    """Keep the session key within its cap for the UTC day; the caller holds the pool's lock."""
    ordered = pool.spent_units if pool.spent_day == utc_day(ctx.now()) else 0
    cap = ctx.settings.session_key_units_per_day
    if ordered + price_units > cap:
        raise SessionKeyCap(
            f"The session key may order {format_usdc(cap)} USDC a day; {format_usdc(ordered)} are ordered today.",
            what_to_do="Wait for the next day (UTC), or pay larger work by escrow.",
            cap_units=str(cap), ordered_units=str(ordered), price_units=str(price_units),
        )  # fmt: skip


def _raise_ceiling(session: Session, ctx: Context, way: Lane, channel: Channel, offered: VoucherIn | None) -> None:
    """Store a higher ceiling; an equal or lower one changes nothing, whatever its signature."""
    if offered is None or raised_ceiling(channel.ceiling_units, offered.max_claimable_units) == channel.ceiling_units:
        return
    message = Voucher(channel_id=way.channel_id, max_claimable_amount=offered.max_claimable_units)
    require_key(message, ctx.domains.channel, offered.signature, way.voucher_signer)
    session.execute(repo.new_voucher(way.channel_id, offered.max_claimable_units, offered.signature))
    channel.ceiling_units = offered.max_claimable_units
    channel.ceiling_signature = offered.signature


def _reserve(session: Session, ctx: Context, pool: Pool, price_units: int) -> None:
    session.flush()
    cap = ctx.settings.session_key_units_per_day
    result = session.execute(repo.reserve(pool.pool_id, price_units, today=utc_day(ctx.now()), cap_units=cap))
    assert isinstance(result, CursorResult)
    if result.rowcount != 1:
        headroom = int(session.execute(repo.headroom(pool.pool_id)).scalar_one())
        left = available(
            headroom_units=headroom + pool.own_paid_units, earned_units=pool.earned_units,
            reserved_units=pool.reserved_units,
        )  # fmt: skip
        raise VoucherAbovePool(what_to_do="Top the pool up.", available_units=str(left), price_units=str(price_units))
    session.refresh(pool)


def _order(session: Session, deal: Deal) -> MicroOrder:
    order = session.execute(repo.order_of_deal(deal.id)).scalar_one_or_none()
    if order is None:
        raise NotFound("The deal has no order.")
    return order


def deliver(session: Session, ctx: Context, deal_id: uuid.UUID, agent: bytes, given: DeliveryIn) -> Deal:
    """Take the agent's result. Raises InvalidSignature, SignatureExpired, UnknownFile, WrongState."""
    deal, task = lock(session, deal_id, agent, "agent")
    order = _order(session, deal)
    digest = manifest_hash(given.manifest)
    known = session.execute(deals_repo.deliverables(deal.id)).scalars().first()
    if known is not None and known.deliverable_hash == digest and known.signature == given.signature:
        return deal
    require_state(deal, task, S.ASSIGNED, S.RUNNING)
    if ctx.now() >= order.deliver_by:
        raise SignatureExpired("The delivery time is over.", deliver_by=order.deliver_by)
    message = MicroDelivery(order_hash=order.order_hash, deliverable_hash=digest)
    require_key(message, ctx.domains.marketplace, given.signature, deal.agent)
    store_deliverable(session, ctx, deal, given.manifest, signature=given.signature, valid_until=None, intent_id=None)
    order.state = "delivered"
    session.flush()
    evidence = {"deliverable_hash": hex0x(digest), "signature": hex0x(given.signature)}
    tasks.move(session, ctx, task, S.DELIVERED, reason="delivered by the agent", evidence=evidence, deal_id=deal.id)
    failover.handed_in(session, ctx, deal, task)
    return deal


def judge(session: Session, ctx: Context, deal_id: uuid.UUID, buyer: bytes, given: VerdictIn) -> Deal:
    """Take the session key's verdict: acceptance issues the receipt, rejection frees the reserve.

    Raises InvalidSignature, TermsMismatch, SignatureExpired (a rejection after `evaluate_by`), WrongState.
    """
    deal, task = lock(session, deal_id, buyer, "buyer")
    order = _order(session, deal)
    if order.verdict_signature == given.signature:
        return deal
    require_state(deal, task, S.DELIVERED)
    known = session.execute(deals_repo.deliverables(deal.id)).scalars().first()
    if known is None or known.deliverable_hash != given.deliverable_hash:
        raise TermsMismatch("The verdict is about another result.")
    if given.accepted != (given.reason == 0):
        raise TermsMismatch("An acceptance has reason 0, a rejection another one.")
    message = MicroVerdict(
        order_hash=order.order_hash, deliverable_hash=given.deliverable_hash, accepted=given.accepted,
        reason=given.reason,
    )  # fmt: skip
    pool = session.execute(repo.pool(order.pool_id)).scalar_one()
    way = lane(
        ctx, payer=pool.payer, payer_authorizer=pool.payer_authorizer, receiver=deal.agent, operator=pool.operator
    )
    require_key(message, ctx.domains.marketplace, given.signature, way.voucher_signer)
    if not given.accepted and ctx.now() >= order.evaluate_by:
        raise SignatureExpired("Silence has accepted the result.", evaluate_by=order.evaluate_by)
    order.verdict_accepted, order.verdict_reason = given.accepted, given.reason
    order.verdict_signature = given.signature
    evidence = {"reason": given.reason, "signature": hex0x(given.signature)}
    if given.accepted:
        complete(session, ctx, deal, task, order, reason="accepted by the session key", evidence=evidence)
        return deal
    void(session, order)
    tasks.move(session, ctx, task, S.REJECTED, reason="rejected by the session key", evidence=evidence, deal_id=deal.id)
    end(session, deal, "rejected")
    return deal


def complete(
    session: Session,
    ctx: Context,
    deal: Deal,
    task: Task,
    order: MicroOrder,
    *,
    reason: str,
    evidence: dict[str, object],
) -> None:
    """Issue the receipt of a delivered order and end its deal; the caller holds the task's lock."""
    receipt = earn(session, ctx, order)
    proof = {**evidence, "receipt_id": str(receipt.id), "total_claimed_units": str(receipt.total_claimed_units)}
    tasks.move(session, ctx, task, S.COMPLETED, reason=reason, evidence=proof, deal_id=deal.id)
    end(session, deal, "completed")


def give_back(session: Session, ctx: Context, deal_id: uuid.UUID, agent: bytes, given: ReturnIn) -> Deal:
    """Take an order back from its agent; nothing is paid. Raises InvalidSignature, WrongState.

    A task that the scheduler offers goes to the next agent, unless there is a result already.
    """
    deal, task = lock(session, deal_id, agent, "agent")
    order = _order(session, deal)
    if order.return_signature == given.signature:
        return deal
    state = require_state(deal, task, S.ASSIGNED, S.RUNNING, S.DELIVERED)
    message = MicroReturn(order_hash=order.order_hash)
    require_key(message, ctx.domains.marketplace, given.signature, deal.agent)
    order.return_signature = given.signature
    void(session, order)
    reason, evidence = "given back by the agent", {"signature": hex0x(given.signature)}
    if task.instant and state is not S.DELIVERED:
        failover.fail_over_now(session, ctx, deal, task, reason=reason, evidence=evidence, blamed=False)
        return deal
    tasks.move(session, ctx, task, S.FAILED, reason=reason, evidence=evidence, deal_id=deal.id)
    end(session, deal, reason)
    return deal
