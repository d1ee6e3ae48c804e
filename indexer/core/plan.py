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
    """Take blocks `first`..`last` one by one, each by its hash: they are not final yet."""

    first: int
    last: int


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
    """Return the next step.

    `head`, `safe` and `final` are one node's newest, safe and finalised blocks; `marks` is the (safe, finalised) pair
    already stored; a range has at most `range_size` blocks. Ranges are taken only up to the node's finalised block;
    above it every block is stored by hash.
    """
    ours = view.head
    if final.number > ours.number:
        return Backfill(ours.number + 1, min(final.number, ours.number + range_size))
    held = view.at(final.number)
    if held is not None and held.hash != final.hash:
        return Examine(final)
    if head.number > ours.number:
        return Follow(ours.number + 1, head.number)
    same = view.at(head.number)
    if same is None:
        return Behind(ours.number - head.number)
    if same.hash != head.hash:
        return Examine(head)
    safe_number = safe.number if view.holds(safe) else 0
    wanted = (max(marks[0], final.number, safe_number), max(marks[1], final.number))
    if wanted != marks and (held is not None or final.number < marks[1]):
        return Finalise(safe_number=wanted[0], final=final if held is not None else view.final)
    return Behind(ours.number - head.number) if head.number < ours.number else Idle()
