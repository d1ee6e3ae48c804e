"""One paid request from its first row to its answer, whichever way it is paid.

Invariants: what was bought (endpoint, method, query, body) is fixed by the payment's first row; an identifier, a token
authorization and a voucher each pay one such request, and whoever repeats it gets the stored answer; money and answer
are one commit. Payments by transfer are carried out only after the agent has answered, and the answer is given only
when the transfer is mined: until then neither side has anything of the other.
The gas of a transfer is reserved before the agent is asked, in the commit that makes the payment, and given back in the
one that voids it unserved; a transfer that is asked for has used it, whatever becomes of it. A transfer counts as lost
only when nobody else has carried it out either, which the chain is asked before `decide`.
A crash leaves the payment open; `run_out` ends it: an open one is void, a served one follows its transfer.
"""

from __future__ import annotations

import datetime as dt
import uuid
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy.orm import Session

from aicp.rules.primitives import ZERO_ADDRESS
from backend.context import Context
from backend.db.ids import new_id
from backend.db.times import moment
from backend.payments import charges
from backend.payments.charge_models import Charge
from backend.txm import service as txm
from backend.txm.machine import Machine
from backend.x402 import relays, repo, wire
from backend.x402.elsewhere import Failure, Found, Move, failure_of, look_up
from backend.x402.models import X402Payment
from backend.x402.offers import channel_state, network_of
from backend.x402.reasons import PaymentIdUsed, Reason, Refused
from backend.x402.schemas import ExactPayload, SettleOut
from backend.x402.upstream import UpstreamAnswer

GRACE_SECONDS: Final = 15
"""Between the longest an agent may take and the moment its payment is void."""
KEEP_ANSWERS: Final = dt.timedelta(days=1)
AT_ONCE: Final = 200
DOUBTS: Final = 50
"""Payments the chain is asked about in one round."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bought:
    """What a payment is for."""

    endpoint_id: uuid.UUID
    price_units: int
    request_hash: bytes
    payment_id: str | None


@dataclass(frozen=True, slots=True)
class Fresh:
    """The request is paid for and its agent is to be called."""

    payment: uuid.UUID


@dataclass(frozen=True, slots=True)
class Stored:
    """The request was answered before."""

    answer: UpstreamAnswer
    response: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Pending:
    """The same request is being answered, or its transfer mined (`intent_id`)."""

    payment: uuid.UUID
    intent_id: uuid.UUID | None


Begun = Fresh | Stored | Pending


@dataclass(frozen=True, slots=True)
class Doubtful:
    """The transfer's transaction was lost; whether somebody else has moved the money is to be asked (`elsewhere`)."""

    payment: uuid.UUID
    move: Move
    failure: Failure


@dataclass(frozen=True, slots=True)
class Decided:
    """What the chain says of a doubtful payment."""

    payment: uuid.UUID
    found: Found


def begin_by_channel(
    session: Session, ctx: Context, bought: Bought, asked: charges.Asked, deposit: uuid.UUID | None
) -> Begun:
    """Reserve the price of a request under a voucher, or find what became of it before.

    Raises what `charges.reserve` raises, PaymentIdUsed.
    """
    named = _named(session, ctx, bought, asked.config.payer, charges.signer_of(asked.config))
    if named is not None:
        return named
    taken = charges.reserve(session, ctx, asked)
    if taken.fresh:
        return _insert(session, ctx, bought, scheme=wire.CHANNEL_SCHEME, payer=asked.config.payer,
                       charge_id=taken.charge_id, intent_id=deposit, ends_at=asked.ends_at)  # fmt: skip
    known = session.execute(repo.payment_of_charge(taken.charge_id)).scalar_one_or_none()
    if known is None or not _same(known, bought):
        charge = session.get_one(Charge, taken.charge_id)
        raise charges.ChannelBusy if charge.state == "reserved" else charges.CeilingMismatch
    found = _status(session, ctx, known)
    if found is None:
        raise charges.CeilingMismatch
    return found


def begin_by_transfer(
    session: Session, ctx: Context, bought: Bought, payment: ExactPayload, ends_at: dt.datetime
) -> Begun:
    """Note that a request is paid by one signed transfer, and reserve its gas.

    Raises Refused, PaymentIdUsed, LimitExceeded.
    """
    payer, nonce = payment.authorization.from_, payment.authorization.nonce
    known = session.execute(repo.payment_by_nonce(payer, nonce)).scalar_one_or_none()
    if known is not None:
        if not _same(known, bought):
            raise Refused(Reason.USED, "This authorization pays another request.", payer=payer)
        found = _status(session, ctx, known)
        if found is not None:
            return found
    named = _named(session, ctx, bought, payer, payer)
    if named is not None:
        return named
    if relays.known(session, "x402_exact", relays.exact_call(payment)) is not None:
        raise Refused(Reason.USED, "This authorization has been taken before.", payer=payer)
    made = _insert(
        session, ctx, bought, scheme=wire.EXACT_SCHEME, payer=payer, nonce=nonce, intent_id=None, ends_at=ends_at
    )
    relays.reserve_exact(session, ctx, payer)
    return made


def _same(known: X402Payment, bought: Bought) -> bool:
    return known.endpoint_id == bought.endpoint_id and known.request_hash == bought.request_hash


def _named(session: Session, ctx: Context, bought: Bought, payer: bytes, signer: bytes) -> Begun | None:
    """Return what became of the payment with this identifier.

    Raises PaymentIdUsed where it bought something else, and where another key has signed it: anybody may name a payer
    beside a key of his own.
    """
    if bought.payment_id is None:
        return None
    known = session.execute(repo.payment_named(payer, bought.payment_id)).scalar_one_or_none()
    if known is None:
        return None
    if _signer(session, known) != signer:
        raise PaymentIdUsed("This payment identifier was used under another key.")
    if not _same(known, bought):
        raise PaymentIdUsed
    found = _status(session, ctx, known)
    if found is None and known.state != "void":
        raise PaymentIdUsed("This payment was answered too long ago for its answer to be kept.")
    return found


def _signer(session: Session, known: X402Payment) -> bytes:
    """Return whose signature has made a payment."""
    if known.charge_id is None:
        return known.payer
    payer, authorizer = session.execute(repo.pool_of_charge(known.charge_id)).tuples().one()
    return payer if authorizer == ZERO_ADDRESS else authorizer


def _status(session: Session, ctx: Context, known: X402Payment) -> Begun | None:
    """Return a payment's answer, or that it is under way; None where it is void by now or its answer is dropped."""
    if known.state == "answered":
        return _stored(known)
    if known.ends_at < moment(ctx.now()) and _end(session, ctx, known):
        return None if known.state == "void" else _stored(known)
    if known.state == "void":
        return None
    return Pending(known.id, known.intent_id if known.state == "served" else None)


def _stored(known: X402Payment) -> Stored | None:
    if known.answer_body is None or known.answer_status is None or known.response is None:
        return None
    answer = UpstreamAnswer(status=known.answer_status, media_type=known.answer_type or "", body=known.answer_body)
    return Stored(answer, known.response)


def _insert(session: Session, ctx: Context, bought: Bought, **columns: Any) -> Fresh:
    values = {
        "id": new_id(), "endpoint_id": bought.endpoint_id, "request_hash": bought.request_hash,
        "payment_id": bought.payment_id, "price_units": bought.price_units, "state": "open",
        "created_at": moment(ctx.now()), **columns,
    }  # fmt: skip
    made = session.execute(repo.new_payment(values)).scalar_one_or_none()
    if made is None:
        raise PaymentIdUsed("This payment is being made in another request.")
    return Fresh(made)


def answer_by_channel(
    session: Session, ctx: Context, payment: uuid.UUID, asked: charges.Asked, answer: UpstreamAnswer,
    *, deposited: str = "",
) -> Stored | None:  # fmt: skip
    """Pay the agent and keep its answer; None where the payment was void by then.

    `deposited` is the transaction of a deposit that somebody else has carried out.
    """
    known = session.execute(repo.payment(payment)).scalar_one()
    if known.charge_id is None or not charges.earn(session, known.charge_id):
        known.state = "void"
        return None
    state = charges.state(session, ctx, asked.config)
    transaction = deposited
    if not deposited and known.intent_id is not None:
        transaction = relays.outcome_of(txm.get(session, known.intent_id)).transaction
    response = SettleOut(
        success=True, payer=known.payer, transaction=transaction, network=network_of(ctx), amount="",
        extra={"chargedAmount": str(known.price_units), "channelState": channel_state(state)},
    )  # fmt: skip
    _keep(known, answer, response.wire(), "answered")
    return Stored(answer, response.wire())


def _keep(known: X402Payment, answer: UpstreamAnswer, response: dict[str, Any], state: str) -> None:
    known.answer_status, known.answer_type, known.answer_body = answer.status, answer.media_type, answer.body
    known.response, known.state = response, state


def serve_by_transfer(
    session: Session, ctx: Context, payment: uuid.UUID, paid: ExactPayload, answer: UpstreamAnswer
) -> uuid.UUID | None:
    """Keep the agent's answer and ask for the transfer in one commit; None where the payment was void by then."""
    known = session.execute(repo.payment_locked(payment)).scalar_one()
    if known.state != "open":
        return None
    intent = relays.exact(session, ctx, paid, purse=None)
    _keep(known, answer, {}, "served")
    known.intent_id = intent.id
    # the transfer is given up with its authorization; until then its outcome is awaited
    known.ends_at = (intent.expires_at or moment(ctx.now())) + dt.timedelta(seconds=GRACE_SECONDS)
    return intent.id


def promised_by_transfer(session: Session, payer: bytes) -> int:
    """Return what a payer's transfers under way add up to, this one included, in base units."""
    return session.execute(repo.transfers_under_way(payer)).scalar_one()


def conclude_transfer(session: Session, ctx: Context, payment: uuid.UUID) -> Begun | Doubtful | None:
    """Give the answer out if the transfer is mined, else say if it is pending or in doubt; None where it is void."""
    known = session.execute(repo.payment_locked(payment)).scalar_one()
    if known.state == "served" and not _follow(session, ctx, known):
        doubt = _doubt(session, known)
        if doubt is not None:
            return doubt
    if known.state == "void":
        return None
    return _stored(known) if known.state == "answered" else Pending(known.id, known.intent_id)


def _follow(session: Session, ctx: Context, known: X402Payment) -> bool:
    """Let a served payment follow its transfer; return whether it has ended. Where that is lost, `decide` ends it."""
    assert known.intent_id is not None, "a served payment has asked for its transfer"
    outcome = relays.outcome_of(txm.get(session, known.intent_id))
    if outcome.mined:
        _answered(session, ctx, known, outcome.transaction)
    return outcome.mined


def _answered(session: Session, ctx: Context, known: X402Payment, transaction: str) -> None:
    response = SettleOut(
        success=True, payer=known.payer, transaction=transaction, network=network_of(ctx),
        amount=str(known.price_units),
    )  # fmt: skip
    known.response, known.state = response.wire(), "answered"
    session.flush()


def _doubt(session: Session, known: X402Payment) -> Doubtful | None:
    """Return what has to be asked of a served payment, None where its transfer is not lost."""
    assert known.intent_id is not None, "a served payment has asked for its transfer"
    assert known.nonce is not None, "a payment that was served is a transfer"
    intent = txm.get(session, known.intent_id)
    if not relays.outcome_of(intent).lost:
        return None
    receiver = session.execute(repo.receiver(known.endpoint_id)).scalar_one()
    move = Move(payer=known.payer, to=receiver, units=known.price_units, nonce=known.nonce)
    return Doubtful(known.id, move, failure_of(intent))


def decide(session: Session, ctx: Context, decided: Decided) -> bool:
    """End a doubtful payment by what the chain says; return whether it has ended just now."""
    known = session.execute(repo.payment_locked(decided.payment)).scalar_one()
    if known.state != "served" or _doubt(session, known) is None:
        return False
    if decided.found.mined:
        _answered(session, ctx, known, decided.found.transaction)
    elif decided.found.lost:
        known.state, known.answer_body = "void", None
        session.flush()
    return known.state != "served"


def doubtful(session: Session) -> list[Doubtful]:
    """Return payments in doubt."""
    found = session.execute(repo.in_doubt(DOUBTS)).scalars().all()
    return [doubt for doubt in (_doubt(session, one) for one in found) if doubt is not None]


def decisions(machine: Machine) -> list[Decided]:
    """Return what the chain says of the payments in doubt. Raises NodeUnreachable."""
    return [
        Decided(one.payment, look_up(machine.ctx, machine.rpc, one.move, one.failure))
        for one in machine.db.read(doubtful)
    ]


def fail(session: Session, payment: uuid.UUID) -> None:
    """End a payment whose agent has not answered; nothing is paid."""
    _void(session, session.execute(repo.payment(payment)).scalar_one())


def _void(session: Session, known: X402Payment) -> None:
    """Void an open payment with its charge. Charges are locked before payments, so its state is read again after."""
    if known.charge_id is not None:
        charges.void(session, known.charge_id)
    known = session.execute(repo.payment_locked(known.id)).scalar_one()
    if known.state == "open":  # had the charge been earned, its payment would be answered
        _close(session, known)


def _close(session: Session, known: X402Payment) -> None:
    """Void an open payment, and give back the gas its transfer would have taken."""
    known.state = "void"
    session.flush()
    if known.scheme == wire.EXACT_SCHEME:
        relays.free_exact(session, known.payer, known.created_at)


def _end(session: Session, ctx: Context, known: X402Payment) -> bool:
    """End a payment whose time is over; return whether it has ended."""
    if known.scheme == wire.CHANNEL_SCHEME:
        _void(session, known)
        return True
    known = session.execute(repo.payment_locked(known.id)).scalar_one()
    if known.state == "served":
        return _follow(session, ctx, known)
    if known.state == "open":
        _close(session, known)
    return True


def due(session: Session, ctx: Context) -> list[uuid.UUID]:
    """Return payments whose time is over without an end."""
    return list(session.execute(repo.overdue(moment(ctx.now()), AT_ONCE)).scalars())


def run_out(session: Session, ctx: Context, payment: uuid.UUID) -> bool:
    """End one payment whose time is over; return whether anything changed."""
    known = session.execute(repo.payment(payment)).scalar_one()
    if known.state not in {"open", "served"} or known.ends_at >= moment(ctx.now()):
        return False
    return _end(session, ctx, known)


def tidy(session: Session, ctx: Context) -> int:
    """Drop answers older than a day and sign-ins whose lifetime is long over."""
    before = moment(ctx.now()) - KEEP_ANSWERS
    session.execute(repo.forget_answers(before))
    session.execute(repo.forget_sign_ins(before))
    return 0
