"""What the indexer says of itself: told once, taken back when it is over."""

from __future__ import annotations

from indexer.watch import LAG_ALARM_SECONDS, Watch


class Said:
    def __init__(self) -> None:
        self.notes: list[tuple[str, str]] = []
        self.now = 0.0
        self.watch = Watch(
            lambda state, reason: self.notes.append((state, reason)), clock=lambda: self.now, finality_seconds=1_200
        )
        self.watch.working()

    @property
    def states(self) -> list[str]:
        return [state for state, _ in self.notes]


def test_finality_that_stalls_while_blocks_come_is_told_and_taken_back() -> None:
    said = Said()
    for second in range(0, 3_000, 100):
        said.now = second
        said.watch.finality(100 + second, 50, "the tag fails" if second > 0 else "")
    assert said.notes == [("ok", ""), ("stalled", "no block after 50 becomes final: the tag fails")]
    said.watch.finality(5_000, 51, "")
    assert said.states == ["ok", "stalled", "ok"]


def test_a_chain_without_new_blocks_has_nothing_to_finalise() -> None:
    said = Said()
    for second in (0, 10_000):
        said.now = second
        said.watch.finality(100, 50, "")
    assert said.states == ["ok"]


def test_trouble_that_passes_soon_is_not_told() -> None:
    said = Said()
    assert not said.watch.trouble("lag", "behind")
    said.now = LAG_ALARM_SECONDS - 1
    assert not said.watch.trouble("lag", "behind")
    said.watch.clear("lag")
    said.now = LAG_ALARM_SECONDS + 1
    assert not said.watch.trouble("lag", "behind")
    assert said.states == ["ok"]
    said.now *= 3
    assert said.watch.trouble("lag", "behind")
    assert not said.watch.trouble("lag", "behind")
    assert said.notes[-1] == ("stalled", "behind")


def test_several_troubles_are_told_together_and_end_one_by_one() -> None:
    said = Said()
    said.watch.tell("hole", "a hole")
    said.now = 1
    said.watch.trouble("node", "no node")
    said.now = 2 + LAG_ALARM_SECONDS
    said.watch.trouble("node", "no node")
    assert said.notes[-1] == ("stalled", "a hole; no node")
    said.watch.clear("hole")
    assert said.notes[-1] == ("stalled", "no node")
    said.watch.clear("node")
    assert said.notes[-1] == ("ok", "")
