"""Moving a pool to another operator: a withdrawal and the deposit that follows it, signed together.

The deposit is sent as soon as the withdrawal has been paid, so a buyer signs twice and does nothing else. Its signature
commits to the new pool and is good for one deposit only, whoever sends it. A move ends with the deposit's intent or
with the reason why there is none; what was withdrawn is then in the buyer's wallet. A crash loses nothing: the next
round finds the same move, and the deposit's nonce names it for ever.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy.orm import Session

from aicp.abi.typed_data import ReceiveWithAuthorization
from aicp.rules.ids import pool_deposit_nonce, pool_id, pool_key
from aicp.rules.primitives import Finality, hex0x
from backend.context import Context
from backend.domain.signatures import require_signer
from backend.errors import Conflict, InvalidInput, LimitExceeded, NotFound, Problem
from backend.outbox.service import emit
from backend.payments import move_repo as repo
from backend.payments import pools
from backend.payments.errors import RetiredOperator
from backend.payments.move_models import PoolMove
from backend.payments.schemas import PoolDepositIn, PoolMoveIn, PoolMoveOut, PoolWithdrawIn
from backend.txm import service as txm
from backend.txm.states import NOT_CARRIED_OUT, IntentState
from backend.wallet.view import intent_out
from indexer import views

NONCES: Final = 2**24
"""The contract counts the nonces of a pool in 24 bits."""
FINALIZED: Final = "withdraw_finalized"
FAILED: Final = "withdrawal_failed"


def move(session: Session, ctx: Context, pool: bytes, payer: bytes, given: PoolMoveIn) -> PoolMoveOut:
    """Relay a withdrawal and keep the deposit that follows it. Repeating it changes nothing.

    A move whose withdrawal was not carried out gives way to the next one of the same nonce. Raises RetiredOperator,
    InvalidInput, InvalidSignature, Conflict for another move of the same withdrawal, and what a withdrawal raises.
    """
    out, back = given.withdrawal, given.deposit
    known = session.execute(repo.one_locked(pool, out.nonce)).scalar_one_or_none()
    if known is not None and known.payer == payer:
        if known.signature == back.signature and (known.ended_reason != FAILED or _withdraws(session, known, out)):
            return _out(session, known)
        if known.ended_reason != FAILED:
            raise Conflict("Another deposit follows this withdrawal already.")
    if not ctx.takes(back.operator):
        raise RetiredOperator("A pool moves to an operator who serves here.")
    target = pool_id(pool_key(payer, back.payer_authorizer, back.operator), ctx.domains.channel)
    if target == pool or out.cancel:
        raise InvalidInput("A move leaves one pool for another.")
    if not 0 < back.amount_units <= out.amount_units:
        raise InvalidInput("A move deposits at most what it withdraws, and more than nothing.")
    if back.valid_before <= ctx.now() + ctx.constants.pool_withdraw_delay_seconds:
        raise InvalidInput("The deposit's signature must outlive the longest wait for the withdrawal.")
    message = ReceiveWithAuthorization(
        from_=payer, to=ctx.deployment.payment_channel, value=back.amount_units, valid_after=back.valid_after,
        valid_before=back.valid_before, nonce=pool_deposit_nonce(target, back.salt),
    )  # fmt: skip
    require_signer(message, ctx.domains.token, back.signature, payer)
    withdrawal = pools.withdraw(session, ctx, pool, payer, out)
    if known is not None and withdrawal.id == known.withdrawal_id:
        raise Conflict("This withdrawal was not carried out; sign another one.")
    row = known or PoolMove(pool_id=pool, nonce=out.nonce, payer=payer)
    row.withdrawal_id, row.target_pool_id = withdrawal.id, target
    row.payer_authorizer, row.operator, row.amount_units = back.payer_authorizer, back.operator, back.amount_units
    row.valid_after, row.valid_before = back.valid_after, back.valid_before
    row.salt, row.signature = back.salt, back.signature
    row.deposit_id = row.ended_reason = None
    session.add(row)
    session.flush()
    return _out(session, row)


def _withdraws(session: Session, row: PoolMove, out: PoolWithdrawIn) -> bool:
    """Return whether a withdrawal is the one a move was asked for with."""
    return txm.get(session, row.withdrawal_id).idem_key.endswith(txm.key_of_signature(out.signature))


def read(session: Session, ctx: Context, pool: bytes, payer: bytes) -> PoolMoveOut:  # noqa: ARG001  # as all services
    """Return the newest move of a pool of the payer. Raises NotFound."""
    row = session.execute(repo.newest(pool, payer)).scalars().first()
    if row is None:
        raise NotFound("This pool has not been moved.")
    return _out(session, row)


def open_moves(session: Session) -> list[bytes]:
    """Return the pools that are on their way to another operator."""
    return list(session.execute(repo.open_pools()).scalars())


def go_on(session: Session, ctx: Context, pool: bytes) -> bool:
    """Take the next step of a pool's moves, where there is one; return whether anything changed."""
    rows = session.execute(repo.open_locked(pool)).scalars().all()
    return sum(_step(session, ctx, row) for row in rows) > 0


def _step(session: Session, ctx: Context, row: PoolMove) -> bool:
    ended = _ended(session, row)
    if ended is None:
        return False
    if ended != FINALIZED:
        row.ended_reason = ended
    else:
        try:
            # what it refuses leaves nothing behind, and the reason is kept
            with session.begin_nested():
                row.deposit_id = pools.relay(session, ctx, row.payer, _deposit(row)).id
        except LimitExceeded:
            return False  # tomorrow
        except Problem as problem:
            row.deposit_id, row.ended_reason = None, problem.code
    session.flush()
    emit(session, "pool.changed", {"pool_id": hex0x(row.pool_id)}, [row.payer])
    return True


def _ended(session: Session, row: PoolMove) -> str | None:
    """Return how the withdrawal ended, None while it has not."""
    last = (row.nonce + 2) % NONCES
    found = session.execute(repo.ends(row.pool_id, last, Finality.SAFE)).scalars().first()
    if found is not None:
        return FINALIZED if found == FINALIZED else "withdrawal_cancelled"
    intent = txm.get(session, row.withdrawal_id)
    pool = views.pool(session, row.pool_id)
    lost = IntentState(intent.state) in NOT_CARRIED_OUT and pool is not None and pool.nonce == row.nonce
    return FAILED if lost else None


def _deposit(row: PoolMove) -> PoolDepositIn:
    return PoolDepositIn(
        payer_authorizer=row.payer_authorizer, operator=row.operator, amount_units=row.amount_units,
        valid_after=row.valid_after, valid_before=row.valid_before, salt=row.salt, signature=row.signature,
    )  # fmt: skip


def _out(session: Session, row: PoolMove) -> PoolMoveOut:
    deposit = None if row.deposit_id is None else txm.get(session, row.deposit_id)
    return PoolMoveOut(
        pool_id=row.pool_id,
        nonce=row.nonce,
        target_pool_id=row.target_pool_id,
        operator=row.operator,
        amount_units=row.amount_units,
        state="ended" if row.ended_reason else "withdrawing" if deposit is None else "depositing",
        ended_reason=row.ended_reason,
        withdrawal=intent_out(session, txm.get(session, row.withdrawal_id)),
        deposit=None if deposit is None else intent_out(session, deposit),
    )
