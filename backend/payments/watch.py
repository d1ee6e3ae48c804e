"""Watching pools: a payer hears when less is free than he wants, and when a pool no longer covers his deals.

Once a fall: what was told is written down with the telling, and told again only after the pool has risen in between.
"""

from __future__ import annotations

from sqlalchemy.orm import Session

from backend.context import Context
from backend.domain.micro import pool_level
from backend.domain.notices import NoticeKind
from backend.notifications.service import Notice, tell
from backend.payments import pools, repo, watch_repo
from backend.payments.schemas import PoolOut


def set_threshold(session: Session, ctx: Context, pool: bytes, payer: bytes, below_units: int | None) -> PoolOut:
    """Tell the payer from now on when less is free in his pool; None for never. Raises NotFound."""
    row = pools.own(session, pool, payer)
    # a pool opened past us has no row of ours yet
    session.execute(repo.new_pool(pool, payer, row.payer_authorizer, row.operator))
    session.execute(watch_repo.set_threshold(pool, below_units))
    return pools.read(session, ctx, pool, payer)


def watch(session: Session) -> int:
    """Look at the pools whose level may have changed, and tell the payers of those that fell; return how many."""
    told = []
    for pool, payer, room, waiting, below, low, short in session.execute(watch_repo.watched_pools()).tuples():
        level = pool_level(room_units=int(room), waiting_units=int(waiting), below_units=below)
        if (level.low, level.short) == (bool(low), bool(short)):
            continue
        falls = session.execute(watch_repo.note_level(pool, low=level.low, short=level.short)).scalar_one_or_none()
        if falls is None:
            continue
        facts: dict[NoticeKind, dict[str, str]] = {}
        if level.low and not low:
            facts[NoticeKind.POOL_LOW] = {"available_units": str(max(0, int(room))), "below_units": str(below)}
        if level.short and not short:
            facts[NoticeKind.POOL_SHORT] = {"missing_units": str(int(waiting) - int(room))}
        told += [
            Notice(account=payer, event=f"{kind}:{pool.hex()}:{falls}", kind=kind, facts=said)
            for kind, said in facts.items()
        ]
    return tell(session, told)
