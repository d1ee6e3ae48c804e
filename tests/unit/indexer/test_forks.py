"""When another chain is a reorg: the evidence that is asked for, and what is never believed."""

from __future__ import annotations

from typing import Any

import pytest

from indexer.chain.errors import InconsistentNodeError
from indexer.core.chain_view import ChainView, TooDeepError
from indexer.forks import EVIDENCE, Forks
from tests.unit.indexer.fakechain import Chain, FakeNode, node_of

OURS = Chain().mine(*[0] * 11)
FORK = OURS.fork(5, "fork").mine(*[0] * 8)
VIEW = ChainView(OURS.blocks[2], tuple(OURS.blocks[3:11]))


def second_read_says_ours(fake: FakeNode) -> None:
    """Answer by number from our chain, by hash from the fork."""

    def fault(method: str, params: list[Any], result: Any) -> Any:
        return OURS.header(OURS.blocks[int(params[0], 16)]) if method == "eth_getBlockByNumber" else result

    fake.fault = fault


def test_a_branch_as_high_as_ours_is_followed_after_a_second_read() -> None:
    fake = FakeNode(FORK)
    forks = Forks(node_of(fake))
    assert forks.examine(VIEW, FORK.blocks[10]) == OURS.blocks[4]
    assert fake.asked.count("eth_getBlockByNumber") == 1


@pytest.mark.parametrize("tip", [7, 10, 12])
def test_without_a_second_read_that_shows_other_parents_nothing_is_undone(tip: int) -> None:
    fake = FakeNode(FORK)
    second_read_says_ours(fake)
    forks = Forks(node_of(fake))
    for _ in range(2 * EVIDENCE):
        with pytest.raises(InconsistentNodeError, match="changed while"):
            forks.examine(VIEW, FORK.blocks[tip])


def test_a_shorter_branch_of_one_node_must_be_shown_again_and_again() -> None:
    forks = Forks(node_of(FakeNode(FORK, head=7)))
    for _ in range(EVIDENCE - 1):
        assert forks.examine(VIEW, FORK.blocks[7]) is None
        assert forks.doubtful
    assert forks.examine(VIEW, FORK.blocks[7]) == OURS.blocks[4]


def test_evidence_is_forgotten_when_our_chain_is_shown_or_another_branch() -> None:
    other = OURS.fork(6, "other").mine(0, 0)
    fake = FakeNode(FORK, head=7)
    forks = Forks(node_of(fake))
    for _ in range(EVIDENCE - 1):
        assert forks.examine(VIEW, FORK.blocks[7]) is None
    forks.forget()
    assert not forks.doubtful
    assert forks.examine(VIEW, FORK.blocks[7]) is None
    fake.chain = other
    assert forks.examine(VIEW, other.blocks[7]) is None
    fake.chain = FORK
    for _ in range(EVIDENCE - 1):
        assert forks.examine(VIEW, FORK.blocks[7]) is None


@pytest.mark.parametrize("tip", [7, 10])
def test_a_branch_is_not_believed_while_another_provider_as_high_shows_ours(tip: int) -> None:
    forks = Forks(node_of(FakeNode(FORK, head=tip), FakeNode(OURS)))
    for _ in range(2 * EVIDENCE):
        with pytest.raises(InconsistentNodeError, match="another provider has our block 5") as caught:
            forks.examine(VIEW, FORK.blocks[tip])
    assert caught.value.provider in (None, "node0.test")


def test_a_branch_another_provider_confirms_is_followed_at_once() -> None:
    forks = Forks(node_of(FakeNode(FORK, head=7), FakeNode(FORK, head=8), FakeNode(OURS)))
    assert forks.examine(VIEW, FORK.blocks[7]) == OURS.blocks[4]


def test_another_provider_that_is_lower_says_nothing_against_a_higher_branch() -> None:
    forks = Forks(node_of(FakeNode(FORK), FakeNode(OURS, head=9)))
    assert forks.examine(VIEW, FORK.blocks[12]) == OURS.blocks[4]


def test_a_lower_head_on_our_chain_is_nothing() -> None:
    forks = Forks(node_of(FakeNode(OURS, head=6)))
    for _ in range(2 * EVIDENCE):
        with pytest.raises(InconsistentNodeError, match="changed while"):
            forks.examine(VIEW, OURS.blocks[6])


DEEP = OURS.fork(1, "deep").mine(*[0] * 12)


def test_a_chain_that_leaves_below_the_finalised_block_must_be_shown_again_and_again() -> None:
    forks = Forks(node_of(FakeNode(DEEP)))
    for _ in range(EVIDENCE - 1):
        assert forks.examine(VIEW, DEEP.blocks[12]) is None
    with pytest.raises(TooDeepError):
        forks.examine(VIEW, DEEP.blocks[12])


def test_one_provider_alone_does_not_end_it_while_another_has_our_finalised_block() -> None:
    forks = Forks(node_of(FakeNode(DEEP), FakeNode(OURS, head=4)))
    for _ in range(2 * EVIDENCE):
        with pytest.raises(InconsistentNodeError, match="our finalised block 2"):
            forks.examine(VIEW, DEEP.blocks[12])


def test_a_node_that_shows_two_chains_at_once_is_not_believed() -> None:
    fake = FakeNode(DEEP)
    second_read_says_ours(fake)
    with pytest.raises(InconsistentNodeError, match="two chains"):
        Forks(node_of(fake)).examine(VIEW, DEEP.blocks[12])
