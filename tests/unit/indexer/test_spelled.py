"""How decoded values are spelled in the rows people read."""

from __future__ import annotations

from aicp.abi.escrow import EVENTS, EscrowFunded, Terms
from indexer.core.spelling import spelled


def test_a_struct_is_its_fields_and_none_of_its_constants() -> None:
    values = dict.fromkeys(Terms.__struct_fields__, 7)
    terms = Terms(**values)
    assert spelled(terms) == dict.fromkeys(values, "7")


def test_every_event_is_spelled_by_its_own_fields() -> None:
    assert EscrowFunded in EVENTS.values()
    for kind in EVENTS.values():
        names = list(kind.__struct_fields__)
        event = kind(**dict.fromkeys(names, 7))
        assert list(spelled(event)) == names, kind
