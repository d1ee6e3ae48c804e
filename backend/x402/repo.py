"""Statements over paid endpoints, payments and used sign-ins."""

from __future__ import annotations

import datetime as dt
import uuid

from sqlalchemy import ColumnElement, Delete, Insert, Select, Update, delete, func, or_, select, type_coerce, update
from sqlalchemy.dialects.postgresql import insert as pg_insert

from backend.agents.models import Agent
from backend.agents.repo import suspended
from backend.breakers.repo import resting
from backend.db.base import Units
from backend.payments.charge_models import Charge
from backend.payments.models import Pool
from backend.txm.models import Intent
from backend.txm.states import NOT_CARRIED_OUT
from backend.x402.models import PaidEndpoint, UsedSignIn, X402Payment

_LOST = [state.value for state in NOT_CARRIED_OUT]


def endpoint(agent: bytes, slug: str) -> Select[PaidEndpoint]:
    """One endpoint of an agent."""
    return select(PaidEndpoint).where(PaidEndpoint.agent == agent, PaidEndpoint.slug == slug)


def endpoint_at(name: str, address: bytes | None, slug: str) -> Select[PaidEndpoint, Agent, bool]:
    """An endpoint by its agent's alias or address, with its agent and whether that is suspended."""
    return (
        select(PaidEndpoint, Agent, suspended(Agent.address))
        .join(Agent, Agent.address == PaidEndpoint.agent)
        .where(or_(Agent.slug == name, Agent.address == address), PaidEndpoint.slug == slug, PaidEndpoint.active)
    )


def endpoints_of(agent: bytes, *, active_only: bool) -> Select[PaidEndpoint]:
    """The endpoints of an agent, by name."""
    statement = select(PaidEndpoint).where(PaidEndpoint.agent == agent).order_by(PaidEndpoint.slug)
    return statement.where(PaidEndpoint.active) if active_only else statement


def count_endpoints(agent: bytes) -> Select[int]:
    """How many endpoints an agent has."""
    return select(func.count()).select_from(PaidEndpoint).where(PaidEndpoint.agent == agent)


def count_active(now_ms: int) -> Select[int]:
    """How many endpoints can be bought."""
    return select(func.count()).select_from(PaidEndpoint).where(*_served(now_ms))


def _served(now_ms: int) -> tuple[ColumnElement[bool], ...]:
    well = (~resting(PaidEndpoint.agent, now_ms), ~suspended(PaidEndpoint.agent))
    return PaidEndpoint.active.is_(True), *well


def discovered(limit: int, offset: int, now_ms: int) -> Select[PaidEndpoint, Agent]:
    """Endpoints that can be bought with their agents, the most recently changed first; not those of who rests or is
    suspended."""
    return (
        select(PaidEndpoint, Agent)
        .join(Agent, Agent.address == PaidEndpoint.agent)
        .where(*_served(now_ms))
        .order_by(PaidEndpoint.updated_at.desc(), PaidEndpoint.id)
        .limit(limit)
        .offset(offset)
    )


def payment_locked(payment: uuid.UUID) -> Select[X402Payment]:
    """One payment, read anew, its row locked."""
    return (
        select(X402Payment)
        .where(X402Payment.id == payment)
        .with_for_update()
        .execution_options(populate_existing=True)
    )  # fmt: skip


def payment(payment_id: uuid.UUID) -> Select[X402Payment]:
    """One payment, read anew."""
    return select(X402Payment).where(X402Payment.id == payment_id).execution_options(populate_existing=True)


def payment_of_charge(charge_id: uuid.UUID) -> Select[X402Payment]:
    """The payment a charge belongs to."""
    return select(X402Payment).where(X402Payment.charge_id == charge_id)


def payment_named(payer: bytes, name: str) -> Select[X402Payment]:
    """The payment a payer has given an identifier."""
    return select(X402Payment).where(
        X402Payment.payer == payer, X402Payment.payment_id == name, X402Payment.state != "void"
    )


def pool_of_charge(charge_id: uuid.UUID) -> Select[bytes, bytes]:
    """Payer and voucher key of the pool a charge counts in."""
    return (
        select(Pool.payer, Pool.payer_authorizer)
        .join(Charge, Charge.pool_id == Pool.pool_id)
        .where(Charge.id == charge_id)
    )  # fmt: skip


def payment_by_nonce(payer: bytes, nonce: bytes) -> Select[X402Payment]:
    """The payment a token authorization makes."""
    return select(X402Payment).where(
        X402Payment.payer == payer, X402Payment.nonce == nonce, X402Payment.state != "void"
    )


def transfers_under_way(payer: bytes) -> Select[int]:
    """What a payer's payments by transfer that have not ended add up to."""
    total = func.coalesce(func.sum(X402Payment.price_units), 0)
    return select(type_coerce(total, Units)).where(
        X402Payment.payer == payer, X402Payment.nonce.is_not(None), X402Payment.state.in_(["open", "served"])
    )


def new_payment(values: dict[str, object]) -> Insert:
    """Insert a payment unless its identifier or its nonce pays another one."""
    return pg_insert(X402Payment).values(**values).on_conflict_do_nothing().returning(X402Payment.id)


def paid_since(endpoint_id: uuid.UUID, payer: bytes, since: dt.datetime) -> Select[uuid.UUID]:
    """A payment of the payer at an endpoint that was answered after a moment."""
    return (
        select(X402Payment.id)
        .where(
            X402Payment.endpoint_id == endpoint_id, X402Payment.payer == payer, X402Payment.state == "answered",
            X402Payment.created_at > since,
        )
        .limit(1)
    )  # fmt: skip


def overdue(now: dt.datetime, limit: int) -> Select[uuid.UUID]:
    """Payments whose request has not ended in its time, the longest overdue first; not those in doubt."""
    return (
        select(X402Payment.id)
        .outerjoin(Intent, Intent.id == X402Payment.intent_id)
        .where(
            X402Payment.state.in_(["open", "served"]), X402Payment.ends_at < now,
            or_(X402Payment.state == "open", Intent.state.not_in(_LOST)),
        )
        .order_by(X402Payment.ends_at)
        .limit(limit)
    )  # fmt: skip


def in_doubt(limit: int) -> Select[X402Payment]:
    """Served payments whose transfer's transaction was lost, the first to end first."""
    return (
        select(X402Payment)
        .join(Intent, Intent.id == X402Payment.intent_id)
        .where(X402Payment.state == "served", Intent.state.in_(_LOST))
        .order_by(X402Payment.ends_at)
        .limit(limit)
    )


def receiver(endpoint_id: uuid.UUID) -> Select[bytes]:
    """Who is paid at an endpoint."""
    return select(PaidEndpoint.agent).where(PaidEndpoint.id == endpoint_id)


def forget_answers(before: dt.datetime) -> Update:
    """Drop the bodies of answers given before a moment."""
    return (
        update(X402Payment)
        .where(X402Payment.answer_body.is_not(None), X402Payment.created_at < before, X402Payment.state == "answered")
        .values(answer_body=None)
        .execution_options(synchronize_session=False)
    )


def use_sign_in(nonce: str, now: dt.datetime) -> Insert:
    """Take a nonce; one row, or none where it is used."""
    return pg_insert(UsedSignIn).values(nonce=nonce, used_at=now).on_conflict_do_nothing().returning(UsedSignIn.nonce)


def forget_sign_ins(before: dt.datetime) -> Delete:
    """Forget nonces used before a moment, whose lifetime is over."""
    return delete(UsedSignIn).where(UsedSignIn.used_at < before)
