"""What to do next, given what we hold and what a node announces. A lower head alone is never a reorg."""

from __future__ import annotations

from dataclasses import dataclass

from indexer.core.chain_view import Block, ChainView


@dataclass(frozen=True, slots=True)
class Backfill:
    """Take finalised blocks `first`..`last` by range."""

    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Follow:
    """Take the block at this height, one by one, near the head."""

    number: int


@dataclass(frozen=True, slots=True)
class Examine:
    """The node shows other blocks than ours: walk back from `tip` by parent hash and decide on that evidence."""

    tip: Block


@dataclass(frozen=True, slots=True)
class Finalise:
    """Nothing to take; move the marks of finality."""

    safe_number: int
    final: Block


@dataclass(frozen=True, slots=True)
class Behind:
    """The node is behind what we hold, on the same chain as far as one can see. Wait or ask another one."""

    by: int


@dataclass(frozen=True, slots=True)
class Idle:
    """We hold what the node has."""


Step = Backfill | Follow | Examine | Finalise | Behind | Idle


def plan(view: ChainView, *, head: Block, safe: Block, final: Block, range_size: int, marks: tuple[int, int]) -> Step:
    """Return the next step. `marks` is the (safe, finalised) pair already stored; `range_size` blocks at most a range.

    Ranges are taken only up to the node's finalised block; above it every block is stored by hash.
    """
    ours = view.head
    if final.number > ours.number:
        return Backfill(ours.number + 1, min(final.number, ours.number + range_size))
    held = view.at(final.number)
    if held is not None and held.hash != final.hash:
        return Examine(final)
    if head.number > ours.number:
        return Follow(ours.number + 1)
    same = view.at(head.number)
    if same is None:
        return Behind(ours.number - head.number)
    if same.hash != head.hash:
        return Examine(head)
    wanted = (max(marks[0], final.number, min(safe.number, ours.number)), max(marks[1], final.number))
    if wanted != marks and view.holds(final):
        return Finalise(safe_number=wanted[0], final=final)
    return Behind(ours.number - head.number) if head.number < ours.number else Idle()
