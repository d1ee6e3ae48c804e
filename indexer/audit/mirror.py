"""Every row of the mirror against the rows the logs give."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any

from indexer.audit.derive import Stretch
from indexer.audit.report import Difference, Report, Source
from indexer.core.registry import EVENT_ROWS, STATE_ROWS
from indexer.core.rows import EventRow, Place, PoolWithdrawSeen, StateRow
from indexer.core.workspace import spelled
from indexer.store.readback import Snapshot

Values = Mapping[str, Any]
COMPARED_EVENTS = tuple(kind for kind in EVENT_ROWS if kind is not PoolWithdrawSeen)
"""Announced withdrawals are a memory of unfinalised and orphaned blocks, which no later reader can derive."""


def compare_state(derived: Iterable[StateRow], snapshot: Snapshot, report: Report) -> None:
    """Compare every state table with the rows of the same block."""
    ours: dict[type[StateRow], dict[str, Values]] = defaultdict(dict)
    for row in derived:
        kind = type(row)
        ours[kind]["0x" + getattr(row, row.KEY).hex()] = {f.name: getattr(row, f.name) for f in fields(kind)}
    for kind in STATE_ROWS:
        theirs = {"0x" + row[kind.KEY].hex(): row for row in snapshot.state_rows(kind)}
        _compare_table(kind.TABLE, ours[kind], theirs, report)


def compare_events(stretch: Stretch, snapshot: Snapshot, report: Report) -> None:
    """Compare every append-only table with the rows of a stretch of blocks."""
    ours: dict[type[EventRow], dict[str, Values]] = defaultdict(dict)
    for row in stretch.rows:
        values = {f.name: getattr(row, f.name) for f in fields(row) if f.name != "place"}
        values.update((f.name, getattr(row.place, f.name)) for f in fields(Place))
        ours[type(row)][_event_key(values)] = values
    for kind in COMPARED_EVENTS:
        theirs = {_event_key(row): row for row in snapshot.event_rows(kind, stretch.first, stretch.last)}
        _compare_table(kind.TABLE, ours[kind], theirs, report)


def _event_key(values: Values) -> str:
    parts = [f"{values['block_number']}-{values['log_index']}"]
    parts += [str(spelled(values[name])) for name in ("ledger_id", "account") if name in values]
    return "/".join(parts)


def _compare_table(table: str, ours: Mapping[str, Values], theirs: Mapping[str, Values], report: Report) -> None:
    for key in sorted(ours.keys() | theirs.keys()):
        report.checked[f"{table} rows against the mirror"] += 1
        derived, found = ours.get(key), theirs.get(key)
        if derived is None or found is None:
            known = derived or found or {}
            _add(report, table, key, "(row)", _presence(found), _presence(derived), known)
            continue
        for column, value in derived.items():
            if found[column] != value:
                _add(report, table, key, column, found[column], value, derived)


def _presence(row: Values | None) -> str:
    return "absent" if row is None else "present"


def _add(  # noqa: PLR0917  # the parts of a difference
    report: Report, table: str, key: str, column: str, found: Any, derived: Any, row: Values
) -> None:
    report.differences.append(
        Difference(
            source=Source.MIRROR,
            table=table,
            key=key,
            column=column,
            found=found,
            derived=derived,
            block_number=row.get("block_number"),
            tx_hash=row.get("tx_hash"),
        )
    )
