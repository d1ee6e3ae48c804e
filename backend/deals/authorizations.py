"""A buyer's payment authorizations: at most one of a task may still be used, whatever became of the deals before.

An authorization leaves `live` only by a fact of a final block: its escrow was funded (used), or a final block is at or
past its `validBefore` while its escrow is unfunded (lapsed), or its escrow was funded and cancelled (lapsed).
"""

from __future__ import annotations

import uuid

from sqlalchemy.orm import Session

from aicp.rules.primitives import Finality, hex0x
from backend.context import Context
from backend.db.ids import new_id
from backend.db.times import moment
from backend.deals import repo
from backend.deals.models import Authorization, Deal
from backend.deals.schemas import AuthorizationIn
from backend.errors import AuthorizationLive, ChainBehind
from backend.txm.models import Intent
from indexer import views


def was_cancelled(escrow: views.EscrowRow) -> bool:
    """Return whether an escrow has given its money back without the agent ever having accepted."""
    return escrow.status is views.EscrowStatus.CLOSED and escrow.outcome in {None, "none", "cancelled"}


def settle(session: Session, task_id: uuid.UUID) -> Authorization | None:
    """Bring the task's live authorization up to date with the newest final block; return it if it stays live."""
    live = session.execute(repo.live_authorization(task_id)).scalar_one_or_none()
    if live is None:
        return None
    try:
        finalized_time = views.sync_status(session).finalized_time
    except views.MirrorEmptyError:
        return live
    escrow = views.escrow(session, live.escrow_id, Finality.FINAL)
    if escrow is None:
        if finalized_time < live.valid_before:
            return live
        live.state = "lapsed"
    elif was_cancelled(escrow):
        live.state = "lapsed"
    elif escrow.status is views.EscrowStatus.FUNDED:
        return live
    else:
        live.state = "used"
    session.flush()
    return None


def require_none_live(session: Session, ctx: Context, task_id: uuid.UUID, escrow_id: bytes) -> None:
    """Raise AuthorizationLive while an authorization of another escrow of this task may still be used.

    Another authorization of the same escrow is harmless: both carry the escrow id as nonce, the token takes one.
    """
    live = settle(session, task_id)
    if live is None or live.escrow_id == escrow_id:
        return
    seen = views.escrow(session, live.escrow_id, Finality.SEEN)
    if seen is not None:
        todo = "Cancel the funded escrow first; its money comes back to you."
    else:
        todo = "Wait until a final block is past its expiry, or cancel it in the token contract."
    if ctx.now() > live.valid_before and seen is None:
        raise ChainBehind("An earlier payment has expired, but no final block is past its expiry yet.")
    raise AuthorizationLive(what_to_do=todo, escrow_id=hex0x(live.escrow_id), valid_before=live.valid_before)


def store(session: Session, ctx: Context, deal: Deal, escrow_id: bytes, given: AuthorizationIn, intent: Intent) -> None:  # noqa: PLR0917
    """Keep the authorization as the task's live one; of the same escrow the later expiry stays."""
    live = session.execute(repo.live_authorization(deal.task_id)).scalar_one_or_none()
    if live is None:
        live = Authorization(
            id=new_id(), task_id=deal.task_id, deal_id=deal.id, escrow_id=escrow_id, valid_before=given.valid_before,
            state="live", created_at=moment(ctx.now()),
        )  # fmt: skip
        session.add(live)
    live.valid_before = max(live.valid_before, given.valid_before)
    live.signature = given.signature
    live.intent_id = intent.id
    session.flush()
