"""Lets withdrawals go early that leave enough behind: the operator's signature shortens the wait of a pool's payer.

Whatever leaves early can no longer be claimed, so a release needs all of these:
- the withdrawal is in a final block. The signature names the pool's nonce and not the amount: before that, another
  withdrawal of the same nonce could take this one's place and be let go instead;
- what stays covers everything reserved and everything earned and not claimed in a final block, by the very figures
  that new payments are held against, in the transaction that asks for the release;
- it was first found so long ago that every process that takes payments from the pool has seen the withdrawal too.
A pending withdrawal stops new payments from its pool, so what was covered stays covered.

Released are withdrawals asked for through us, once each. A crash loses nothing: the next round finds the same ones.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy.orm import Session

from aicp.abi import payment_channel as abi
from aicp.abi.typed_data import PoolRelease
from aicp.rules.primitives import hex0x
from backend.context import Context
from backend.db.times import moment
from backend.keeper import repo
from backend.keeper.service import AT_ONCE, DueCall, Place, ask

SEEN_SECONDS: Final = 30
"""Longer than any process goes on by what it knew of a pool before a withdrawal was announced."""
SIGNED_SECONDS: Final = 3600


def due_releases(session: Session, ctx: Context, after: Place | None) -> list[DueCall]:
    """Return the next page of calls that let withdrawals go early."""
    latest = ctx.now() + ctx.constants.pool_release_seconds
    found: list[DueCall] = []
    for columns in session.execute(repo.releasable(ctx.operators, latest, after, AT_ONCE)).tuples():
        row = repo.Withdrawal(*columns)
        signer = ctx.operator_of(row.operator)
        assert signer is not None, "only pools of operators whose keys are here are asked for"
        until = ctx.now() + SIGNED_SECONDS
        message = PoolRelease(pool_id=row.pool_id, nonce=row.nonce, valid_until=until)
        data = abi.encode_release_pool_with_signature(
            row.payer, row.payer_authorizer, row.operator, row.nonce, until,
            signer.sign(message.digest(ctx.domains.channel)),
        )  # fmt: skip
        found.append(
            DueCall(
                place=(row.finalize_at, row.pool_id), key=f"keep:pool_release:{row.pool_id.hex()}:{row.nonce}",
                kind="pool_release", to=ctx.deployment.payment_channel, data=data, beneficiary=row.payer,
                reference={"pool_id": hex0x(row.pool_id), "nonce": row.nonce}, expires_at=until,
            )
        )  # fmt: skip
    return found


def release(session: Session, ctx: Context, call: DueCall) -> bool:
    """Ask for a release that is still due once it has been known for a while; return whether it was asked for now."""
    _, pool_id = call.place
    nonce = int(call.reference["nonce"])
    if session.execute(repo.covered_locked(pool_id)).scalar_one_or_none() is None:
        return False
    session.execute(repo.seen(pool_id, nonce, moment(ctx.now())))
    known = session.execute(repo.seen_before(pool_id, nonce, moment(ctx.now() - SEEN_SECONDS))).first()
    return known is not None and ask(session, ctx, call)
