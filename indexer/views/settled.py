"""Settled escrows as the events tell them, and the logs that anchored epochs of scores.

Both are read from the raw logs: what a score follows from is then exactly what anybody reads from a node.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Select, exists, or_, select
from sqlalchemy.orm import Session

from aicp.abi import reputation as reputation_abi
from aicp.rules.facts import Deal, deals_of, sources
from indexer.store.tables import log, missing_range
from indexer.views.sync import marks, origin_of
from indexer.views.types import Origin


class MirrorGapError(LookupError):
    """Blocks below the one asked for are missing in the mirror, so nothing that needs all of them can be said."""


def any_settled(s: Session, reputation: bytes, last_block: int) -> bool:
    """Return whether an escrow was settled in a block up to this one."""
    topic = reputation_abi.OutcomeRecorded.TOPIC
    found = (log.c.address == reputation, log.c.topics[1] == topic, log.c.block_number <= last_block)
    return s.execute(select(log.c.log_index).where(*found).limit(1)).first() is not None


def settled_deals(s: Session, escrow: bytes, reputation: bytes, last_block: int) -> tuple[Deal, ...]:
    """Return every escrow whose outcome is recorded in a block up to this one, by escrow id.

    The caller sees to it that the block is final. Raises MirrorGapError where the mirror lacks blocks below it.
    """
    if s.execute(select(exists().where(missing_range.c.first <= last_block))).scalar():
        raise MirrorGapError(f"the mirror lacks blocks below {last_block}")
    wanted = sources(escrow, reputation)
    statement = (
        select(log.c.address, log.c.topics, log.c.data, log.c.block_time)
        .where(
            log.c.block_number <= last_block,
            or_(*((log.c.address == at) & log.c.topics[1].in_(list(events)) for at, events in wanted.items())),
        )
        .order_by(log.c.block_number, log.c.log_index)
        .execution_options(yield_per=5_000)
    )
    return deals_of(_decoded(s, statement, wanted))


def _decoded(s: Session, statement: Select[Any], wanted: dict[bytes, dict[bytes, Any]]) -> Any:
    for address, topics, data, time in s.execute(statement):
        words = tuple(bytes(topic) for topic in topics)
        yield wanted[bytes(address)][words[0]].decode(words, bytes(data)), time


def anchorings(s: Session, reputation: bytes, epochs: Sequence[int]) -> dict[int, Origin]:
    """Return where on the chain each of these epochs was anchored, vetoed ones included."""
    statement = select(log, *marks()).where(
        log.c.address == reputation,
        log.c.topics[1] == reputation_abi.EpochAnchored.TOPIC,
        log.c.topics[2].in_([number.to_bytes(32, "big") for number in epochs]),
    )
    rows = s.execute(statement).mappings()
    return {int.from_bytes(row["topics"][1], "big"): origin_of(row) for row in rows}
