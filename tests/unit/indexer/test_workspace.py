"""What a workspace says without asking the database: never that a row is absent which is there."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from indexer.core.forgotten import Forgotten
from indexer.core.rows import Key, Place, Receiver
from indexer.core.workspace import Workspace

PLACE = Place(block_number=1, log_index=0, block_hash=b"", tx_hash=b"", block_time=0)
RECEIVERS = st.integers(0, 40).map(lambda number: number.to_bytes(20, "big"))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.lists(RECEIVERS, max_size=8), st.lists(RECEIVERS, max_size=3)), max_size=25))
def test_begun_empty_it_asks_for_what_it_has_forgotten_and_for_nothing_else(
    stretches: list[tuple[list[bytes], list[bytes]]],
) -> None:
    stored: dict[Key, Receiver] = {}
    workspace = Workspace(complete=True)
    for looked_at, raised in stretches:
        keys: list[Key] = [(Receiver, receiver) for receiver in (*looked_at, *raised)]
        missing = workspace.missing(keys)
        assert set(missing) <= stored.keys()
        for key in missing:
            workspace.load(key, stored[key])
        for key in keys:
            assert workspace.find(Receiver, key[1]) == stored.get(key)
        for receiver in raised:
            row = workspace.find(Receiver, receiver) or Receiver(receiver=receiver)
            row.claimed_units += 1
            workspace.put(row, PLACE)
        assert {key for key in workspace.changed if key not in stored} == workspace.created
        stored.update({key: row for key, row in workspace.changed.items() if isinstance(row, Receiver)})
        workspace.settle(4)


def test_one_that_was_not_begun_empty_asks_for_everything() -> None:
    assert Workspace().missing([(Receiver, b"\1" * 20)]) == [(Receiver, b"\1" * 20)]


def test_what_was_forgotten_is_never_denied_and_hardly_anything_else_is_claimed() -> None:
    forgotten = Forgotten()
    keys = [(Receiver, number.to_bytes(20, "big")) for number in range(20_000)]
    forgotten.add(keys[:10_000])
    assert all(key in forgotten for key in keys[:10_000])
    assert sum(key in forgotten for key in keys[10_000:]) < 10
