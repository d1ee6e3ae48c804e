"""The order of a deal's history."""

from __future__ import annotations

import datetime as dt

from aicp.rules.primitives import Finality
from backend.api.types import ChainRef
from backend.deals.schemas import TimelineItem
from backend.deals.timeline import in_order

NOW = dt.datetime(2026, 11, 22, 11, 0, tzinfo=dt.UTC)


def event(kind: str, seconds: int, block: int, log_index: int) -> TimelineItem:
    place = ChainRef(
        block_number=block, block_hash=bytes(32), tx_hash=bytes(32), log_index=log_index, finality=Finality.FINAL
    )
    at = NOW + dt.timedelta(seconds=seconds)
    return TimelineItem(at=at, source="chain", kind=kind, sentence="", fields={}, chain=place, finality=Finality.FINAL)


def test_blocks_of_one_second_come_in_their_order() -> None:
    """Only the place in the block was compared, so a later block's first event came before an earlier block's third."""
    asked = TimelineItem(at=NOW, source="app", kind="asked", sentence="", fields={})
    items = [event("later", 1, 8, 0), event("second", 0, 7, 0), event("first", 0, 6, 3), event("third", 0, 7, 1), asked]
    assert [item.kind for item in in_order(items)] == ["asked", "first", "second", "third", "later"]
