"""The pure chain view against a naive model that keeps every block of every chain it ever saw."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from indexer.core.chain_view import Block, ChainView, NotAChildError, TooDeepError, UnknownBlockError


def block(number: int, name: int, parent: Block | None) -> Block:
    parent_hash = bytes(32) if parent is None else parent.hash
    return Block(number=number, hash=name.to_bytes(32, "big"), parent_hash=parent_hash, time=number * 2)


class NodeAndView(RuleBasedStateMachine):
    """A node that extends, reorgs and finalises as it likes; the view follows it by what it can see."""

    def __init__(self) -> None:
        super().__init__()
        self.names = 1
        genesis = block(0, self.names, None)
        self.chain = [genesis]  # the model: the canonical chain, whole
        self.by_hash = {genesis.hash: genesis}
        self.final = 0
        self.view = ChainView(genesis)

    def _grow(self) -> None:
        self.names += 1
        parent = self.chain[-1]
        child = block(parent.number + 1, self.names, parent)
        self.chain.append(child)
        self.by_hash[child.hash] = child

    @rule(count=st.integers(1, 4))
    def mine(self, count: int) -> None:
        for _ in range(count):
            self._grow()

    @rule(depth=st.integers(1, 6), growth=st.integers(1, 6))
    def reorganise(self, depth: int, growth: int) -> None:
        keep = max(self.final + 1, len(self.chain) - depth)
        del self.chain[keep:]
        for _ in range(growth):
            self._grow()

    @rule()
    def follow(self) -> None:
        branch = [self.chain[-1]]
        if branch[0].number <= self.view.final.number:
            return  # the node is behind: nothing may be concluded
        while (ancestor := self.view.common_ancestor([branch[-1]])) is None:
            branch.append(self.by_hash[branch[-1].parent_hash])
        self.view = self.view.revert_to(ancestor)
        for new in reversed([b for b in branch if b.number > ancestor.number]):
            self.view = self.view.extend(new)
        assert self.view.head == self.chain[-1]

    @precondition(lambda self: self.view.head == self.chain[-1])
    @rule(data=st.data())
    def finalise(self, data: st.DataObject) -> None:
        self.final = data.draw(st.integers(self.final, len(self.chain) - 1))
        target = self.chain[self.final]
        self.view = self.view.finalise(target.number, target.hash)

    @invariant()
    def it_is_one_chain_above_the_finalised_block(self) -> None:
        window = [self.view.final, *self.view.tail]
        for parent, child in pairwise(window):
            assert (child.parent_hash, child.number) == (parent.hash, parent.number + 1)
        assert self.view.final == self.chain[self.view.final.number]
        for held in window:
            assert self.view.at(held.number) == held
            assert self.view.holds(held)
        assert self.view.at(self.view.head.number + 1) is None
        assert self.view.at(self.view.final.number - 1) is None


NodeAndView.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestNodeAndView = NodeAndView.TestCase


@pytest.fixture
def view() -> ChainView:
    genesis = block(10, 1, None)
    one = block(11, 2, genesis)
    return ChainView(genesis).extend(one).extend(block(12, 3, one))


def test_only_a_child_extends(view: ChainView) -> None:
    with pytest.raises(NotAChildError):
        view.extend(block(13, 9, view.final))
    with pytest.raises(NotAChildError):
        view.extend(block(14, 9, view.head))


def test_a_branch_below_the_finalised_block_is_too_deep(view: ChainView) -> None:
    stranger = block(10, 77, None)
    with pytest.raises(TooDeepError):
        view.common_ancestor([block(11, 78, stranger), stranger])


def test_a_branch_that_must_be_walked_further_has_no_ancestor_yet(view: ChainView) -> None:
    other = block(11, 50, view.final)
    assert view.common_ancestor([block(12, 51, other)]) is None
    assert view.common_ancestor([block(12, 51, other), other]) == view.final


def test_finalising_another_block_than_ours_is_refused(view: ChainView) -> None:
    with pytest.raises(NotAChildError):
        view.finalise(11, bytes(32))
    with pytest.raises(UnknownBlockError):
        view.finalise(13, bytes(32))
    assert view.finalise(9, bytes(32)) is view


def test_reverting_to_a_stranger_is_refused(view: ChainView) -> None:
    with pytest.raises(UnknownBlockError):
        view.revert_to(block(11, 99, view.final))
