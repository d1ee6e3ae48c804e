"""Charges of the x402 gateway: reserve before the agent is called, earn or void before the caller is answered.

Goals: a buyer pays a request once and only if it was answered; an agent is paid for every answer that was given.
Invariants: a ceiling pays at most one charge, and exactly its price above what the channel has earned, so whoever
relays a voucher can neither raise nor repeat it; one charge of a channel is in flight at a time; a charge is taken only
if the pool's conditional UPDATE passes, or the channel's own firm balance covers all it has earned with this price. In
both cases it counts in full in the pool, because any claim of its channel may draw from there. Lock order: pool,
channel, charge.
A crash after the reserve leaves a charge that is voided once its time is over, by a worker's round or by the channel's
next charge; a crash after the earn leaves the stored answer, which the same payment gets again.
"""

from __future__ import annotations

import datetime as dt
import uuid
from dataclasses import dataclass

from sqlalchemy import CursorResult
from sqlalchemy.orm import Session

from aicp.abi.typed_data import ChannelConfig, Voucher
from aicp.rules.constants import MARKETPLACE_SALT
from aicp.rules.ids import channel_id, pool_id, pool_key
from aicp.rules.primitives import ZERO_ADDRESS, Finality, hex0x
from backend.context import Context
from backend.db.ids import new_id
from backend.db.times import moment
from backend.domain.micro import available, claim_is_safe, need, utc_day
from backend.domain.signatures import require_key
from backend.errors import ChainBehind, Conflict, NotFound, VoucherAbovePool
from backend.outbox.service import emit
from backend.payments import charge_repo, ledger, repo
from backend.payments.charge_models import Charge
from backend.payments.errors import PoolClosing, RetiredOperator, SessionKeyCap
from backend.payments.models import Channel, Pool
from indexer import views


class CeilingMismatch(Conflict):
    """The ceiling is not what the channel has earned plus the price."""

    code, title = "ceiling_mismatch", "The voucher's ceiling is not the one this payment needs."


class ChannelBusy(Conflict):
    """Another request of this channel is being answered."""

    code, title, retryable = "channel_busy", "This channel pays another request just now.", True


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A price, and the voucher that is to pay it."""

    config: ChannelConfig
    ceiling_units: int
    signature: bytes
    price_units: int
    ends_at: dt.datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Reserved:
    """A charge; `fresh` unless this very ceiling had made it before."""

    charge_id: uuid.UUID
    fresh: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelState:
    """What both sides must know of a channel to go on: base units; `signature` belongs to the highest ceiling."""

    channel_id: bytes
    earned_units: int
    in_flight_units: int
    ceiling_units: int
    signature: bytes | None
    own_units: int
    """The channel's own balance at the newest block."""
    spendable_units: int
    """How high a ceiling can go now: by the own balance, or by what the pool still covers."""
    claimed_units: int


def ids_of(ctx: Context, config: ChannelConfig) -> tuple[bytes, bytes]:
    """Return the ids of a config's channel and of the pool behind it."""
    key = pool_key(config.payer, config.payer_authorizer, config.receiver_authorizer)
    return channel_id(config, ctx.domains.channel), pool_id(key, ctx.domains.channel)


def signer_of(config: ChannelConfig) -> bytes:
    """Return who signs the vouchers of a channel: its authorizer, or the payer where there is none."""
    return config.payer if config.payer_authorizer == ZERO_ADDRESS else config.payer_authorizer


def reserve(session: Session, ctx: Context, asked: Asked) -> Reserved:
    """Reserve the price under the voucher; the same ceiling again returns its charge, whatever has become of it.

    Raises InvalidSignature, RetiredOperator, CeilingMismatch, ChannelBusy, VoucherAbovePool, SessionKeyCap,
    PoolClosing, ChainBehind. Whatever it raises, nothing is stored by it.
    """
    config = asked.config
    if ctx.operator_of(config.receiver_authorizer) is None:
        raise RetiredOperator
    if config.salt == MARKETPLACE_SALT or config.token != ctx.deployment.usdc:
        raise Conflict("The gateway takes no vouchers of this channel.")
    ids = ids_of(ctx, config)
    message = Voucher(channel_id=ids[0], max_claimable_amount=asked.ceiling_units)
    require_key(message, ctx.domains.channel, asked.signature, signer_of(config))
    pool, channel = _open(session, ids, config)
    known = session.execute(charge_repo.of_ceiling(ids[0], asked.ceiling_units)).scalar_one_or_none()
    if known is not None and not _is_over(ctx, known):
        return Reserved(charge_id=known.id, fresh=False)
    if not ctx.takes(config.receiver_authorizer):
        raise RetiredOperator
    _require_idle(session, ctx, pool, channel)
    wanted = need(
        earned_units=channel.earned_units, in_flight_units=channel.in_flight_units, price_units=asked.price_units
    )
    if asked.ceiling_units != wanted:
        raise CeilingMismatch(need_units=str(wanted), ceiling_units=str(asked.ceiling_units))
    _check_chain(session, ctx)
    _raise_ceiling(session, channel, asked)
    _take(session, ctx, pool, channel, asked.price_units)
    charge = Charge(
        id=new_id(), channel_id=ids[0], pool_id=ids[1], payer=config.payer, ceiling_units=asked.ceiling_units,
        price_units=asked.price_units, earned_units=0, state="reserved", ends_at=asked.ends_at,
        created_at=moment(ctx.now()),
    )  # fmt: skip
    channel.in_flight_units += asked.price_units
    session.add(charge)
    session.flush()
    _post(session, ledger.Kind.RESERVE, charge, {ledger.available(ids[1]): -1, ledger.reserved(ids[1]): 1})
    return Reserved(charge_id=charge.id, fresh=True)


def _is_over(ctx: Context, charge: Charge) -> bool:
    return charge.state == "reserved" and charge.ends_at < moment(ctx.now())


def _open(session: Session, ids: tuple[bytes, bytes], config: ChannelConfig) -> tuple[Pool, Channel]:
    """Return our rows of pool and channel, made on first use, both locked."""
    channel_key, pool_key_ = ids
    session.execute(repo.new_pool(pool_key_, config.payer, config.payer_authorizer, config.receiver_authorizer))
    pool = session.execute(repo.pool_locked(pool_key_)).scalar_one()
    session.execute(charge_repo.new_channel(channel_key, pool_key_, config))
    channel = session.execute(repo.channel_locked(channel_key)).scalar_one()
    return pool, channel


def _require_idle(session: Session, ctx: Context, pool: Pool, channel: Channel) -> None:
    """Let only one charge of a channel be in flight; one whose time is over is voided on the way."""
    other = session.execute(charge_repo.in_flight(channel.channel_id)).scalar_one_or_none()
    if other is None:
        return
    if not _is_over(ctx, other):
        raise ChannelBusy
    _void(session, pool, channel, other)


def _check_chain(session: Session, ctx: Context) -> None:
    status = views.sync_status(session)
    now = ctx.now()
    if not claim_is_safe(evaluate_by=now, finalized_time=status.finalized_time, now=now, constants=ctx.constants):
        raise ChainBehind(finalized_age_seconds=now - status.finalized_time)


def _raise_ceiling(session: Session, channel: Channel, asked: Asked) -> None:
    if asked.ceiling_units <= channel.ceiling_units:
        return
    session.execute(repo.new_voucher(channel.channel_id, asked.ceiling_units, asked.signature))
    channel.ceiling_units = asked.ceiling_units
    channel.ceiling_signature = asked.signature


def _take(session: Session, ctx: Context, pool: Pool, channel: Channel, price_units: int) -> None:
    """Count the price in the pool: where its headroom covers it, or where the channel's own balance does."""
    session.flush()
    today, cap = utc_day(ctx.now()), ctx.settings.session_key_units_per_day
    spent = pool.spent_units if pool.spent_day == today else 0
    if spent + price_units > cap:
        raise SessionKeyCap(cap_units=str(cap), ordered_units=str(spent), price_units=str(price_units))
    seen = views.pool(session, pool.pool_id)
    closing = seen is not None and bool(seen.withdraw_units or seen.pending_withdraw_units)
    if seen is not None and not closing:
        statement = repo.reserve(pool.pool_id, price_units, today=today, cap_units=cap)
        if _changed(session, statement):
            session.refresh(pool)
            return
    wanted = channel.earned_units + channel.in_flight_units + price_units
    if own_firm(session, channel.channel_id) >= wanted:
        statement = charge_repo.reserve_on_own(pool.pool_id, price_units, today=today, cap_units=cap)
        if _changed(session, statement):
            session.refresh(pool)
            return
    if closing:
        raise PoolClosing
    raise VoucherAbovePool(
        what_to_do="Deposit into the channel, or top the pool up.", price_units=str(price_units),
        available_units=str(_left(session, pool)),
    )  # fmt: skip


def _changed(session: Session, statement: object) -> bool:
    result = session.execute(statement)  # type: ignore[call-overload]  # an UPDATE of one row
    assert isinstance(result, CursorResult)
    return bool(result.rowcount == 1)


def _left(session: Session, pool: Pool) -> int:
    headroom = int(session.execute(repo.headroom(pool.pool_id)).scalar_one())
    room = headroom + pool.own_paid_units
    return available(headroom_units=room, earned_units=pool.earned_units, reserved_units=pool.reserved_units)


def own_firm(session: Session, channel_key: bytes) -> int:
    """Return what a channel's own balance may be promised against, in base units, never below zero.

    The lower of the newest and the final balance, less any pending withdrawal and every refund ever signed that is not
    final: the contract may pay those out first.
    """
    seen = views.channel(session, channel_key, Finality.SEEN)
    final = views.channel(session, channel_key, Finality.FINAL)
    if seen is None or final is None:
        return 0
    leaving = max(seen.withdraw_units, final.withdraw_units)
    signed = int(session.execute(charge_repo.signed_refunds(channel_key)).scalar_one())
    return max(0, min(seen.balance_units, final.balance_units) - leaving - signed)


def _locked(session: Session, charge_id: uuid.UUID) -> tuple[Pool, Channel, Charge]:
    """Return a charge with its pool and channel, locked in that order. Raises NotFound."""
    found = session.execute(charge_repo.by_id(charge_id)).scalar_one_or_none()
    if found is None:
        raise NotFound
    pool = session.execute(repo.pool_locked(found.pool_id)).scalar_one()
    channel = session.execute(repo.channel_locked(found.channel_id)).scalar_one()
    return pool, channel, session.execute(charge_repo.by_id(charge_id)).scalar_one()


def earn(session: Session, charge_id: uuid.UUID, units: int | None = None) -> bool:
    """Give the receiver the price of a reserved charge, or less; the rest goes back. False where it is not reserved."""
    pool, channel, charge = _locked(session, charge_id)
    if charge.state != "reserved":
        return False
    earned = charge.price_units if units is None else units
    if not 0 < earned <= charge.price_units:
        raise AssertionError("a charge earns something, and no more than it has reserved")
    pool.reserved_units -= charge.price_units
    pool.earned_units += earned
    channel.in_flight_units -= charge.price_units
    channel.earned_units += earned
    charge.state, charge.earned_units = "earned", earned
    session.flush()
    rest = charge.price_units - earned
    ledger.post(
        session, ledger.Kind.EARN, str(charge.id),
        {
            ledger.reserved(pool.pool_id): -charge.price_units, ledger.owed(channel.channel_id): earned,
            ledger.available(pool.pool_id): rest,
        },
    )  # fmt: skip
    if rest:
        _unspend(session, pool, charge, rest)
    emit(session, "pool.changed", {"pool_id": hex0x(pool.pool_id)}, [pool.payer])
    return True


def void(session: Session, charge_id: uuid.UUID) -> bool:
    """Free what a charge has reserved; nothing is paid. False where it is not reserved."""
    pool, channel, charge = _locked(session, charge_id)
    if charge.state != "reserved":
        return False
    _void(session, pool, channel, charge)
    return True


def _void(session: Session, pool: Pool, channel: Channel, charge: Charge) -> None:
    pool.reserved_units -= charge.price_units
    channel.in_flight_units -= charge.price_units
    charge.state = "void"
    session.flush()
    _unspend(session, pool, charge, charge.price_units)
    places = {ledger.reserved(pool.pool_id): -1, ledger.available(pool.pool_id): 1}
    _post(session, ledger.Kind.VOID, charge, places)


def _unspend(session: Session, pool: Pool, charge: Charge, units: int) -> None:
    session.execute(repo.unspend(pool.pool_id, units, day=utc_day(int(charge.created_at.timestamp()))))
    session.refresh(pool)


def _post(session: Session, kind: ledger.Kind, charge: Charge, signs: dict[ledger.Place, int]) -> None:
    deltas = {place: sign * charge.price_units for place, sign in signs.items()}
    ledger.post(session, kind, str(charge.id), deltas)


def state(session: Session, ctx: Context, config: ChannelConfig) -> ChannelState:
    """Return where a channel stands, for an answer or for a client that has lost its way."""
    channel_key, pool_key_ = ids_of(ctx, config)
    channel = session.execute(repo.channel(channel_key)).scalar_one_or_none()
    pool = session.execute(repo.pool(pool_key_)).scalar_one_or_none()
    earned = 0 if channel is None else channel.earned_units
    in_flight = 0 if channel is None else channel.in_flight_units
    if pool is not None:
        left = _left(session, pool)
    else:
        left = max(0, int(session.execute(repo.headroom(pool_key_)).scalar_one()))
    seen = views.channel(session, channel_key, Finality.SEEN)
    return ChannelState(
        channel_id=channel_key,
        earned_units=earned,
        in_flight_units=in_flight,
        ceiling_units=0 if channel is None else channel.ceiling_units,
        signature=None if channel is None else channel.ceiling_signature,
        own_units=0 if seen is None else seen.balance_units,
        spendable_units=max(own_firm(session, channel_key), earned + in_flight + left),
        claimed_units=0 if seen is None else seen.total_claimed_units,
    )
