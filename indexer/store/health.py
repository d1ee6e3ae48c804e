"""What the indexer says of itself: the one row of `health`."""

from __future__ import annotations

from typing import Literal

from sqlalchemy import Connection, func
from sqlalchemy.dialects.postgresql import insert

from indexer.store.tables import health

HealthState = Literal["ok", "stalled", "stopped"]


def note_health(connection: Connection, state: HealthState, reason: str) -> None:
    """Write the state and its reason; `since` moves only when the state changes."""
    row = insert(health).values(id=1, state=state, reason=reason)
    changed = row.on_conflict_do_update(
        index_elements=[health.c.id],
        set_={"state": state, "reason": reason, "since": func.now()},
        where=health.c.state != state,
    )
    connection.execute(changed)
    connection.execute(health.update().where(health.c.state == state).values(reason=reason))
