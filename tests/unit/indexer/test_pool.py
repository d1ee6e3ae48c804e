"""Several providers as one: failover, rest, freshness, blame, second opinions. Time is a number here."""

from __future__ import annotations

import httpx
import pytest

from indexer.chain.breaker import LONGEST_REST_SECONDS, REST_SECONDS, Breaker
from indexer.chain.errors import InconsistentNodeError, RateLimitedError, TransportError, WrongChainError
from indexer.chain.node import Node
from indexer.chain.pool import FRESH_BLOCKS
from indexer.chain.rpc import Call, Provider, Providers
from tests.unit.indexer.fakechain import OURS, Chain, FakeNode, provider_of

HEAD = [Call("eth_getBlockByNumber", ("latest", False))]


class Pool:
    """Nodes at their heads, behind providers, with a clock."""

    def __init__(self, *heads: int) -> None:
        chain = Chain().mine(*[0] * 101)
        self.now = 0.0
        self.nodes = [FakeNode(chain, head=head) for head in heads]
        members = [provider_of(node, f"node{number}") for number, node in enumerate(self.nodes)]
        self.providers = Providers(members, clock=lambda: self.now)
        self.node = Node(self.providers, [OURS], finality_depth=2)

    def ask(self) -> int:
        """Ask once; return which node was asked last."""
        before = [node.batches for node in self.nodes]
        self.providers.batch(HEAD)
        asked = [number for number, node in enumerate(self.nodes) if node.batches > before[number]]
        return self.providers.members.index(self.providers.answered) if asked else -1

    def down(self, number: int, status: int = 503, headers: dict[str, str] | None = None) -> None:
        self.nodes[number].answer = lambda _: httpx.Response(status, headers=headers)


def test_failover_goes_to_the_next_provider_and_stays_there() -> None:
    pool = Pool(100, 100)
    pool.down(0)
    assert [pool.ask(), pool.ask()] == [1, 1]
    assert pool.nodes[0].batches == 1
    pool.nodes[0].answer = None
    pool.now = 1_000
    assert pool.ask() == 1
    pool.down(1)
    assert pool.ask() == 0


def test_when_all_fail_the_last_reason_is_raised_and_all_are_asked_again() -> None:
    pool = Pool(100, 100)
    pool.down(0)
    pool.down(1, 429)
    with pytest.raises(RateLimitedError):
        pool.ask()
    pool.nodes[0].answer = None
    assert pool.ask() == 0


def test_a_resting_provider_is_left_alone_until_its_rest_is_over() -> None:
    pool = Pool(100, 100, 100)
    pool.down(0)
    pool.down(1)
    assert pool.ask() == 2
    pool.down(2)
    with pytest.raises(TransportError):
        pool.ask()
    assert [node.batches for node in pool.nodes] == [1, 1, 2]
    pool.now = REST_SECONDS
    pool.nodes[1].answer = None
    assert pool.ask() == 1


def test_rests_double_and_a_success_ends_them() -> None:
    breaker = Breaker()
    assert breaker.allows(0)
    rests = []
    for _ in range(8):
        breaker.failed(100)
        rests.append((breaker.open_until or 0) - 100)
    assert rests == [min(LONGEST_REST_SECONDS, REST_SECONDS * 2**n) for n in range(8)]
    assert not breaker.allows(100 + LONGEST_REST_SECONDS - 1)
    assert breaker.allows(100 + LONGEST_REST_SECONDS)
    breaker.succeeded()
    assert breaker.allows(0)
    assert breaker.failures == 0


def test_the_wait_a_provider_asks_for_is_kept() -> None:
    pool = Pool(100, 100)
    pool.down(0, 429, {"retry-after": "33"})
    assert pool.ask() == 1
    assert not pool.providers.members[0].breaker.allows(32)
    assert pool.providers.members[0].breaker.allows(33)


def test_blame_falls_on_the_one_that_answered() -> None:
    pool = Pool(100, 100, 100)
    pool.down(0)
    assert pool.ask() == 1
    pool.node.distrust("lied")
    assert not pool.providers.members[1].breaker.allows(0)
    assert pool.ask() == 2
    pool.node.distrust("lied earlier", "node1.test")
    assert pool.ask() == 2


def test_providers_of_one_host_have_names_of_their_own() -> None:
    node = FakeNode(Chain().mine(0))
    pool = Providers([Provider("http://a.test/x", transport=node), Provider("http://a.test/y", transport=node)])
    assert len({member.name for member in pool.members}) == 2


def test_near_the_head_the_one_that_lags_is_not_asked_while_another_can_be() -> None:
    pool = Pool(100, 100 - FRESH_BLOCKS - 1)
    assert pool.node.tip().head.block.number == 100
    pool.down(0)
    assert pool.node.tip().head.block.number == 89
    pool.nodes[0].answer = None
    pool.now = REST_SECONDS
    assert pool.node.tip().head.block.number == 100
    assert pool.node.head().block.number == 100


def test_of_two_the_one_ahead_is_believed_as_soon_as_it_is_known() -> None:
    pool = Pool(80, 100)
    assert pool.node.tip().head.block.number == 80
    assert pool.node.providers.members[1].head == -1
    pool.down(0)
    assert pool.node.tip().head.block.number == 100
    pool.nodes[0].answer = None
    pool.now = REST_SECONDS
    pool.down(1)
    assert pool.node.tip().head.block.number == 80
    pool.nodes[1].answer = None
    pool.now += REST_SECONDS * 2
    assert pool.node.tip().head.block.number == 100


def test_a_little_behind_is_not_stale() -> None:
    pool = Pool(100, 100 - FRESH_BLOCKS)
    assert pool.node.tip().head.block.number == 100
    pool.down(0)
    pool.node.tip()
    pool.nodes[0].answer = None
    pool.now = REST_SECONDS
    assert pool.node.tip().head.block.number == 90


def test_a_second_opinion_comes_from_the_others_and_changes_nothing() -> None:
    pool = Pool(100, 90, 80, 70)
    pool.down(2)
    assert pool.ask() == 0
    heads = [head for head, _ in pool.node.opinions(60)]
    assert heads == [90, 70]
    assert pool.providers.answered is pool.providers.current is pool.providers.members[0]
    assert list(Pool(100).node.opinions(60)) == []
    assert [head for head, _ in pool.node.opinions(85)] == [90]


def test_a_provider_of_another_chain_is_never_asked_again() -> None:
    pool = Pool(100, 100)

    def test(provider: Provider) -> None:
        if provider.name == "node0.test":
            raise WrongChainError("another chain")

    errors = pool.providers.require(test)
    assert [type(error) for error in errors] == [WrongChainError]
    assert pool.ask() == 1
    pool.down(1)
    with pytest.raises(TransportError):
        pool.ask()
    assert pool.nodes[0].batches == 0
    pool.providers.members[1].banned = True
    with pytest.raises(WrongChainError):
        pool.ask()


def test_a_provider_is_tested_again_after_it_was_set_aside() -> None:
    pool = Pool(100, 100)
    tested: list[str] = []
    pool.providers.require(lambda provider: tested.append(provider.name))
    pool.ask()
    assert tested == ["node0.test", "node1.test"]
    pool.providers.distrust("lied", "node0.test")
    pool.now = REST_SECONDS
    pool.down(1)
    assert pool.ask() == 0
    assert tested[2:] == ["node0.test"]


def test_half_a_batch_is_asked_of_another_one() -> None:
    pool = Pool(100, 100)
    pool.nodes[0].answer = lambda _: httpx.Response(200, json=[])
    assert pool.ask() == 1
    pool.nodes[1].answer = pool.nodes[0].answer
    with pytest.raises(InconsistentNodeError) as caught:
        pool.ask()
    assert caught.value.provider is not None
