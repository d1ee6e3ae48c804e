"""Row classes and tables say the same, and every event of our contracts has a rule."""

from __future__ import annotations

import inspect
import re
from types import ModuleType
from typing import Any

import pytest

from aicp.abi import arbiter as arbiter_abi
from aicp.abi import escrow as escrow_abi
from aicp.abi import payment_channel as channel_abi
from aicp.abi import reputation as reputation_abi
from aicp.rules.primitives import Finality, keccak
from indexer.core import arbiter, escrow, jurors, payment_channel, reputation
from indexer.core.logs import RawLog
from indexer.core.reducer import Reducer, UndecodableError
from indexer.core.registry import EVENT_ROWS, STATE_ROWS
from indexer.core.rows import Channel, Escrow, EventRow, Place, StateRow, names_of
from indexer.core.spelling import spelled
from indexer.core.workspace import Workspace
from indexer.projections import table_of
from indexer.settings import contracts_of
from indexer.store.columns import metadata
from indexer.views.sync import bound

CONTRACTS = contracts_of(31337, b"\x01" * 20, b"\x02" * 20, b"\x03" * 20)
OWN = {"meta", "cursor", "block", "log", "undo", "missing_range", "health", "dead_letter"}


@pytest.mark.parametrize("kind", [*STATE_ROWS, *EVENT_ROWS], ids=lambda kind: kind.TABLE)
def test_fields_are_columns(kind: type[StateRow | EventRow]) -> None:
    names = set(names_of(kind)) - {"place"}
    if issubclass(kind, EventRow):
        names |= set(names_of(Place))
    assert names == {column.name for column in table_of(kind).columns}


def test_every_table_belongs_to_a_row_class_or_to_the_store() -> None:
    assert {table.name for table in metadata.sorted_tables} == OWN | {k.TABLE for k in (*STATE_ROWS, *EVENT_ROWS)}


def rules(module: ModuleType) -> set[type]:
    """Return the event classes a reducer module names."""
    source = inspect.getsource(module)
    return {kind for kind in module.abi.EVENTS.values() if re.search(rf"\babi\.{kind.__name__}\b", source)}


@pytest.mark.parametrize(
    ("modules", "abi"),
    [
        ((escrow,), escrow_abi),
        ((payment_channel,), channel_abi),
        ((reputation,), reputation_abi),
        ((arbiter, jurors), arbiter_abi),
    ],
    ids=["escrow", "payment_channel", "reputation", "arbiter"],
)
def test_every_event_has_a_rule(modules: tuple[ModuleType, ...], abi: ModuleType) -> None:
    assert set().union(*map(rules, modules)) == set(abi.EVENTS.values())


def raw(address: bytes, topics: tuple[bytes, ...], data: bytes = b"") -> RawLog:
    return RawLog(
        block_number=1, block_hash=bytes(32), tx_hash=bytes(32), log_index=0, address=address, topics=topics,
        data=data, block_time=0,
    )  # fmt: skip


@pytest.mark.parametrize(
    "log",
    [
        raw(CONTRACTS.escrow, ()),
        raw(CONTRACTS.escrow, (keccak(b"Unknown()"),)),
        raw(CONTRACTS.escrow, (escrow_abi.EscrowClosed.TOPIC,)),
        raw(CONTRACTS.escrow, (escrow_abi.EscrowAccepted.TOPIC, bytes(32)), b"\xff" * 32),
        raw(CONTRACTS.reputation, (escrow_abi.EscrowClosed.TOPIC, bytes(32))),
    ],
    ids=["no topic", "unknown topic", "missing topic", "uint96 too large", "another contract's event"],
)
def test_what_cannot_be_decoded_stops(log: RawLog) -> None:
    with pytest.raises(UndecodableError):
        Reducer(CONTRACTS).decode([log])


def test_an_event_without_its_escrow_stops() -> None:
    reducer = Reducer(CONTRACTS)
    decoded = reducer.decode([raw(CONTRACTS.escrow, (escrow_abi.EscrowClosed.TOPIC, bytes(32)))])
    workspace = Workspace()
    for key in reducer.keys(decoded, workspace):
        workspace.load(key, None)
    with pytest.raises(UndecodableError, match="no escrow"):
        reducer.apply(decoded, workspace)


@pytest.mark.parametrize("kind", [*escrow.SUBJECTS, *payment_channel.SUBJECTS], ids=lambda kind: kind.__name__)
def test_nothing_but_its_subject_tells_the_keys_of_an_event(kind: Any) -> None:
    module = escrow if kind in escrow.SUBJECTS else payment_channel
    subject = module.SUBJECTS[kind]
    twins = [other for other, by in module.SUBJECTS.items() if by is subject]
    workspace = Workspace()
    for row in (Escrow, Channel):
        values: dict[str, Any] = dict.fromkeys(names_of(row), b"\2" * 32)
        workspace.load((row, b"\1" * 32), row(**values))
    told = set()
    for number, twin in enumerate((*twins, kind)):
        names = names_of(twin)
        event = twin(**{name: b"\1" * 32 if name in {"id", "channel_id", "pool_id"} else number for name in names})
        assert subject(event) == b"\1" * 32
        told.add(tuple(module.keys(event, workspace, CONTRACTS)))
    assert len(told) == 1


def test_spelling() -> None:
    assert spelled(2**255) == str(2**255)
    assert spelled(True) is True
    assert spelled((b"\x01" * 32, None)) == ["0x" + "01" * 32, None]


def test_each_grade_has_its_bound() -> None:
    assert {str(bound(grade)) for grade in Finality} == {
        f"(SELECT chain.cursor.{name} \nFROM chain.cursor)" for name in ("number", "safe_number", "finalized_number")
    }
