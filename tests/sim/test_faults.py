"""The fault layer: each kind is injected where it fits, is counted, and stops when healed."""

from __future__ import annotations

from random import Random

import httpx
import pytest

from tests.sim.faults import KINDS, Faulty
from tests.sim.node import SimNode
from tests.sim.turn import CHAIN_ID, CONTRACTS
from tests.sim.world import World


def _ask(transport: httpx.BaseTransport, world: World) -> object:
    head = world.chain.head
    named = [{"method": "eth_getBlockByNumber", "params": [tag, False]} for tag in ("latest", "safe", "finalized")]
    by_hash = {"blockHash": "0x" + head.hash.hex()}
    by_range = {"fromBlock": "0x0", "toBlock": hex(head.number)}
    calls = [
        *named,
        {"method": "eth_getLogs", "params": [by_hash]},
        {"method": "eth_getLogs", "params": [by_range]},
        {"method": "eth_getBlockReceipts", "params": [by_hash["blockHash"]]},
        {"method": "eth_getTransactionReceipt", "params": ["0x" + head.transactions[-1].hash.hex()]},
    ]
    body = [{"jsonrpc": "2.0", "id": number, **call} for number, call in enumerate(calls)]
    with httpx.Client(transport=transport) as client:
        try:
            answer = client.post("http://node", json=body)
        except httpx.HTTPError as error:
            return type(error)
    return answer.status_code, answer.text


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_spoils_an_answer_and_is_counted(kind: str) -> None:
    world = World(Random(2))
    while len(world.chain.head.logs) < 4:
        world.follow(world.mine(most=6))
    node = SimNode(world.chain, CONTRACTS.addresses, chain_id=CHAIN_ID)
    right = _ask(node, world)
    faulty = Faulty(node, Random(2), (kind,), 1.0)
    answers = [_ask(faulty, world) for _ in range(4)]
    assert faulty.counts[kind]
    assert any(answer != right for answer in answers)
    faulty.healed = True
    assert _ask(faulty, world) == right
