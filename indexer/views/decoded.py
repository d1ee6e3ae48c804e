"""The decoded event behind an event row: the raw log is its only copy, so it is decoded when somebody asks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import RowMapping, Select, Table, and_

from aicp.abi import escrow as escrow_abi
from aicp.abi import payment_channel as channel_abi
from aicp.abi.reputation import OutcomeRecorded
from indexer.core.spelling import spelled
from indexer.store.tables import log

ESCROW_EVENTS: Final[Mapping[bytes, Any]] = {**escrow_abi.EVENTS, OutcomeRecorded.TOPIC: OutcomeRecorded}
"""What an escrow's event row may come from; Reputation's word can end an escrow too."""
CHANNEL_EVENTS: Final[Mapping[bytes, Any]] = channel_abi.EVENTS


def with_log(statement: Select[Any], events: Table) -> Select[Any]:
    """Return a statement over event rows with what `fields_of` reads added to it."""
    same = and_(log.c.block_number == events.c.block_number, log.c.log_index == events.c.log_index)
    return statement.add_columns(log.c.topics, log.c.data).join(log, same)


def fields_of(row: RowMapping, kinds: Mapping[bytes, Any]) -> dict[str, Any]:
    """Return the decoded event in JSON spelling, of a row selected by `with_log`.

    Raises KeyError or aicp.abi.runtime.AbiError for a log no event row can come from.
    """
    topics = tuple(row["topics"])
    fields: dict[str, Any] = spelled(kinds[topics[0]].decode(topics, row["data"]))
    return fields
