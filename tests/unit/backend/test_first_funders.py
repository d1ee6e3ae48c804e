"""Who first funded an account, read over many rounds: sums are kept, and a node that lags behind is not believed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from aicp.abi import usdc
from aicp.abi.runtime import word_address
from aicp.rules.primitives import hex0x, keccak
from aicp.rules.witnesses import Received
from backend.reputation import chain
from backend.reputation.models import FirstFunder
from backend.txm.nodes import NodeError
from tests.unit.rules.markets import account

AGENT, FIRST, SECOND = account("agent"), account("first"), account("second")
USDC = 1_000_000
GIFT = USDC


def block_hash(number: int) -> bytes:
    return keccak(f"block {number}".encode())


def transfer(sender: bytes, block: int, units: int) -> dict[str, Any]:
    topics = (usdc.Transfer.TOPIC, word_address(sender), word_address(AGENT))
    return {
        "blockNumber": hex(block), "logIndex": "0x0", "data": hex0x(units.to_bytes(32)),
        "topics": [hex0x(topic) for topic in topics],
    }  # fmt: skip


@dataclass
class Node:
    """A node whose head is at a block; it stands for the machine too, with its rows instead of a database."""

    logs: list[dict[str, Any]]
    head: int
    rows: dict[bytes, FirstFunder] = field(default_factory=dict)
    refused: Callable[[int, int], bool] = lambda first, until: False
    asked: list[tuple[int, int]] = field(default_factory=list)

    def together(self, calls: list[tuple[str, tuple[Any, ...]]], read: Callable[[list[Any]], Any]) -> Any:
        return read([getattr(self, method)(*params) for method, params in calls])

    def eth_getBlockByNumber(self, number: str, full: bool) -> dict[str, str] | None:  # noqa: N802
        assert not full
        return {"hash": hex0x(block_hash(int(number, 16)))} if int(number, 16) <= self.head else None

    def eth_getLogs(self, question: dict[str, str]) -> Any:  # noqa: N802
        first, until = int(question["fromBlock"], 16), int(question["toBlock"], 16)
        self.asked.append((first, until))
        if self.refused(first, until):
            return NodeError(-32005, "too many")
        return [log for log in self.logs if first <= int(log["blockNumber"], 16) <= min(until, self.head)]


@pytest.fixture
def funders(monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[bytes, bytes] | None]:
    def write(session: Node, *, got: dict[bytes, Received], until: int) -> None:
        for of, found in got.items():
            sums = {hex0x(sender): str(units) for sender, units in found.sums.items()}
            session.rows[of] = FirstFunder(account=of, funder=found.funder, scanned_to=until, sums=sums)

    def read(node: Node, last: int) -> dict[bytes, bytes] | None:
        deployment = type("Deployment", (), {"deploy_block": 1, "usdc": account("usdc")})
        machine: Any = type("Machine", (), {"rpc": node})
        machine.ctx = type("Context", (), {"deployment": deployment})
        machine.db = type("Database", (), {"write": lambda fn: fn(node)})
        monkeypatch.setattr(chain, "_known", lambda _, accounts: [node.rows[a] for a in accounts if a in node.rows])
        return chain.first_funders(machine, [AGENT], (last, block_hash(last)), GIFT)

    monkeypatch.setattr(chain, "_write", write)
    return read


def test_a_node_that_lags_behind_is_not_believed_its_logs(funders: Callable[..., Any]) -> None:
    node = Node([transfer(FIRST, 100, GIFT), transfer(SECOND, 6_000, GIFT)], head=50)
    assert funders(node, 8_000) is None
    assert node.rows == {}, "what it does not know is asked again"
    node.head = 8_000
    assert funders(node, 8_000) == {AGENT: FIRST}


def test_a_node_of_another_branch_is_not_believed_either(
    funders: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    node = Node([], head=8_000)
    monkeypatch.setattr(node, "eth_getBlockByNumber", lambda number, full: {"hash": hex0x(block_hash(1))})
    assert funders(node, 8_000) is None
    assert node.rows == {}


def test_sums_go_on_in_the_next_range_and_the_next_round(funders: Callable[..., Any]) -> None:
    parts = [(FIRST, 10, 400_000), (SECOND, 20, 500_000), (SECOND, 7_000, 400_000), (FIRST, 12_000, 600_000)]
    node = Node([transfer(*part) for part in parts], head=20_000)
    assert funders(node, 8_000) == {}
    assert node.rows[AGENT].sums == {hex0x(FIRST): "400000", hex0x(SECOND): "900000"}
    node.refused = lambda first, until: until - first > 1_000
    assert funders(node, 20_000) == {AGENT: FIRST}
    assert (node.rows[AGENT].funder, node.rows[AGENT].sums) == (FIRST, {})
    asked = len(node.asked)
    assert funders(node, 20_000) == {AGENT: FIRST}
    assert len(node.asked) == asked, "who is found is not looked for again"


def test_what_was_minted_is_nobodys(funders: Callable[..., Any]) -> None:
    node = Node([transfer(bytes(20), 10, GIFT), transfer(FIRST, 20, GIFT)], head=100)
    assert funders(node, 100) == {}
    assert node.rows[AGENT].funder == bytes(20)
