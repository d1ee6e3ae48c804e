"""Pools: reading them, and relaying signed deposits and withdrawals.

Goal: what a payer signed reaches the chain once, and nothing else does. Invariants: the signature is checked before
anything is stored, and names pool and amount, so nobody can redirect it; the same deposit, or the same withdrawal under
the pool's nonce, is the same intent and is charged to the payer's day once; our row of the pool, the intent and the gas
reserved for it are one commit. Balances are never written here: a deposit counts once the mirror has it in a final
block, and a withdrawal from the moment the mirror has seen it.

A crash before the caller's commit leaves nothing, and the same signature sent again does it all. After it the
transaction manager carries the intent out; a repeat of the request is answered with that intent.
"""

from __future__ import annotations

from functools import partial

from sqlalchemy.orm import Session

from aicp.abi import payment_channel as abi
from aicp.abi.typed_data import PoolWithdraw, ReceiveWithAuthorization
from aicp.rules.ids import pool_deposit_nonce, pool_id, pool_key
from aicp.rules.primitives import format_usdc, hex0x
from backend.context import Context
from backend.db.times import moment
from backend.domain.signatures import require_signer
from backend.errors import Conflict, InvalidInput, NotFound, SignatureExpired, TermsMismatch
from backend.payments import repo
from backend.payments.errors import DepositTooSmall, RetiredOperator
from backend.payments.schemas import PoolDepositIn, PoolOut, PoolWithdrawIn
from backend.payments.view import pool_out
from backend.txm import service as txm
from backend.wallet.budget import charge
from backend.wallet.schemas import IntentOut
from backend.wallet.view import intent_out
from indexer import views


def of_payer(session: Session, ctx: Context, payer: bytes) -> list[PoolOut]:
    """Return the payer's pools, the most recently changed first."""
    return [pool_out(session, ctx, pool) for pool in views.pools_of(session, payer)]


def own(session: Session, pool: bytes, payer: bytes) -> views.PoolRow:
    """Return a pool of the payer as the chain has it. Raises NotFound."""
    row = views.pool(session, pool)
    if row is None or row.payer != payer:
        raise NotFound("There is no such pool of yours.")
    return row


def read(session: Session, ctx: Context, pool: bytes, payer: bytes) -> PoolOut:
    """Return one pool of the payer. Raises NotFound."""
    return pool_out(session, ctx, own(session, pool, payer))


def deposit(session: Session, ctx: Context, payer: bytes, given: PoolDepositIn) -> IntentOut:
    """Relay a deposit that is worth its gas. Raises DepositTooSmall and what `relay` raises."""
    if not ctx.takes(given.operator):
        raise RetiredOperator("A deposit names an operator who serves here.")
    least = ctx.settings.min_deposit_units
    if given.amount_units < least:
        raise DepositTooSmall(
            f"A relayed deposit is {format_usdc(least)} USDC or more.",
            what_to_do="Deposit more, or send it yourself from your wallet.", min_units=str(least),
        )  # fmt: skip
    return relay(session, ctx, payer, given)


def relay(session: Session, ctx: Context, payer: bytes, given: PoolDepositIn) -> IntentOut:
    """Relay a deposit signed by the payer; its signature commits to the pool, so nobody can redirect it.

    Raises InvalidSignature, SignatureExpired, RetiredOperator, LimitExceeded.
    """
    if not ctx.takes(given.operator):
        raise RetiredOperator("A deposit names an operator who serves here.")
    if given.amount_units == 0:
        raise InvalidInput("A deposit is more than nothing.")
    if given.valid_before <= ctx.now():
        raise SignatureExpired(valid_before=given.valid_before)
    pool = pool_id(pool_key(payer, given.payer_authorizer, given.operator), ctx.domains.channel)
    message = ReceiveWithAuthorization(
        from_=payer, to=ctx.deployment.payment_channel, value=given.amount_units, valid_after=given.valid_after,
        valid_before=given.valid_before, nonce=pool_deposit_nonce(pool, given.salt),
    )  # fmt: skip
    require_signer(message, ctx.domains.token, given.signature, payer)
    session.execute(repo.new_pool(pool, payer, given.payer_authorizer, given.operator))
    data = abi.encode_deposit_pool_with_authorization(
        payer, given.payer_authorizer, given.operator, given.amount_units, given.valid_after, given.valid_before,
        int.from_bytes(given.salt, "big"), given.signature,
    )  # fmt: skip
    call = txm.intent_hash(ctx.deployment.payment_channel, data, None)
    intent = txm.enqueue(
        session,
        ctx,
        idem_key=f"pool_deposit:{message.nonce.hex()}:{call.hex()}",
        kind="pool_deposit",
        on_behalf_of=payer,
        to=ctx.deployment.payment_channel,
        data=data,
        expires_at=moment(given.valid_before),
        reference={
            "pool_id": hex0x(pool), "amount_units": str(given.amount_units), "nonce": hex0x(message.nonce),
        },
        when_new=partial(charge, session, ctx, payer, "pool_deposit"),
    )  # fmt: skip
    return intent_out(session, intent)


def withdraw(session: Session, ctx: Context, pool: bytes, payer: bytes, given: PoolWithdrawIn) -> IntentOut:
    """Relay the payer's request to withdraw, or to cancel one.

    Raises TermsMismatch for a stale nonce, Conflict for more than the pool holds, and others.
    """
    row = own(session, pool, payer)
    if given.valid_until <= ctx.now():
        raise SignatureExpired(valid_until=given.valid_until)
    if given.nonce != row.nonce:
        raise TermsMismatch("The pool's nonce is another one.", nonce=row.nonce)
    if given.cancel != (given.amount_units == 0):
        raise InvalidInput("A withdrawal names an amount above 0; cancelling one carries 0.")
    if given.amount_units > row.balance_latest_units:
        raise Conflict("The pool holds less than that.", balance_units=str(row.balance_latest_units))
    message = PoolWithdraw(
        pool_id=pool, amount=given.amount_units, cancel=given.cancel, nonce=given.nonce, valid_until=given.valid_until
    )
    require_signer(message, ctx.domains.channel, given.signature, payer)
    # a pool opened past us has no row of ours yet
    session.execute(repo.new_pool(pool, payer, row.payer_authorizer, row.operator))
    if given.cancel:
        data = abi.encode_cancel_pool_withdraw_with_signature(
            payer, row.payer_authorizer, row.operator, given.nonce, given.valid_until, given.signature
        )
    else:
        data = abi.encode_initiate_pool_withdraw_with_signature(
            payer, row.payer_authorizer, row.operator, given.amount_units, given.nonce, given.valid_until,
            given.signature,
        )  # fmt: skip
    kind = "pool_withdraw_cancel" if given.cancel else "pool_withdraw"
    intent = txm.enqueue(
        session,
        ctx,
        idem_key=f"{kind}:{pool.hex()}:{given.nonce}:{txm.key_of_signature(given.signature)}",
        kind=kind,
        on_behalf_of=payer,
        to=ctx.deployment.payment_channel,
        data=data,
        expires_at=moment(given.valid_until),
        reference={"pool_id": hex0x(pool), "amount_units": str(given.amount_units)},
        when_new=partial(charge, session, ctx, payer, kind),
    )
    return intent_out(session, intent)
