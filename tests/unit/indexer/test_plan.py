"""What to do next: every answer of the planner, and the one it must never give for a lower head."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from indexer.core.chain_view import Block, ChainView
from indexer.core.plan import Backfill, Behind, Examine, Finalise, Follow, Idle, Step, plan


def chain(length: int, fork: int = 0, fork_at: int = 10_000) -> list[Block]:
    """Return blocks 0..length-1; from `fork_at` on they belong to another chain."""
    blocks: list[Block] = []
    for number in range(length):
        name = number + (fork * 1_000_000 if number >= fork_at else 0)
        parent = blocks[-1].hash if blocks else bytes(32)
        blocks.append(Block(number=number, hash=name.to_bytes(32, "big"), parent_hash=parent, time=number))
    return blocks


def view_of(blocks: list[Block], final: int, head: int) -> ChainView:
    return ChainView(blocks[final], tuple(blocks[final + 1 : head + 1]))


def next_step(view: ChainView, node: list[Block], head: int, safe: int, final: int, *, safe_mark: int = 0) -> Step:
    marks = (max(safe_mark, view.final.number), view.final.number)
    return plan(view, head=node[head], safe=node[safe], final=node[final], range_size=100, marks=marks)


BLOCKS = chain(1_000)


def test_far_behind_it_takes_finalised_ranges() -> None:
    assert next_step(view_of(BLOCKS, 0, 0), BLOCKS, 900, 899, 898) == Backfill(1, 100)
    assert next_step(view_of(BLOCKS, 850, 850), BLOCKS, 900, 899, 898) == Backfill(851, 898)


def test_near_the_head_it_takes_blocks_one_by_one() -> None:
    assert next_step(view_of(BLOCKS, 898, 898), BLOCKS, 900, 899, 898) == Follow(899, 900)


def test_caught_up_it_moves_the_marks_once() -> None:
    view = view_of(BLOCKS, 890, 900)
    assert next_step(view, BLOCKS, 900, 899, 898) == Finalise(safe_number=899, final=BLOCKS[898])
    assert next_step(view_of(BLOCKS, 898, 900), BLOCKS, 900, 899, 898, safe_mark=899) == Idle()


def test_a_safe_block_of_another_chain_is_not_a_mark() -> None:
    other = chain(1_000, fork=1, fork_at=899)
    view = view_of(BLOCKS, 898, 900)
    marks = (898, 898)
    step = plan(view, head=BLOCKS[900], safe=other[899], final=BLOCKS[898], range_size=100, marks=marks)
    assert step == Idle()


def test_another_block_at_our_height_is_examined() -> None:
    other = chain(1_000, fork=1, fork_at=899)
    assert next_step(view_of(BLOCKS, 890, 900), other, 900, 895, 894) == Examine(other[900])
    assert next_step(view_of(BLOCKS, 890, 900), other, 905, 901, 900) == Examine(other[900])


@given(head=st.integers(0, 899), lag=st.integers(0, 3))
def test_a_lower_head_on_our_chain_is_only_waited_out(head: int, lag: int) -> None:
    view = view_of(BLOCKS, 880, 900)
    final = max(0, head - lag)
    step = next_step(view, BLOCKS, head, final, final, safe_mark=899)
    assert step == Behind(900 - head) or (isinstance(step, Finalise) and step.final.number > 880)


@given(final=st.integers(0, 50), ours=st.integers(0, 60), head=st.integers(0, 120), depth=st.integers(0, 40))
def test_marks_never_go_back_nor_above_what_we_hold(final: int, ours: int, head: int, depth: int) -> None:
    ours = max(final, ours)
    view = view_of(BLOCKS, final, ours)
    node_final = max(0, head - depth)
    match next_step(view, BLOCKS, head, node_final, node_final):
        case Finalise(safe_number=safe, final=new):
            assert final <= new.number <= safe <= ours
        case Backfill(first=first, last=last):
            assert ours + 1 == first <= last <= node_final
        case Follow(first=first, last=last):
            assert ours + 1 == first <= last == head
        case Behind(by=by):
            assert by == ours - head > 0
        case other:
            assert other == Idle()
            assert head == ours
