"""What an agent sends by itself is mined, also when the fees rise while it waits."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from types import SimpleNamespace
from typing import Any

import pytest
from aiohttp import ClientResponseError, RequestInfo
from eth_account.typed_transactions.typed_transaction import TypedTransaction
from hexbytes import HexBytes
from multidict import CIMultiDict, CIMultiDictProxy
from web3.exceptions import TransactionNotFound, Web3RPCError
from yarl import URL

from aicp.client import transactions
from aicp.client.direct import DirectChain
from aicp.client.errors import Unreachable
from aicp.client.transactions import SENDS, Fees, Transactions
from aicp.rules.primitives import keccak
from tests.unit.sdk.builders import AGENT, address, chain

GWEI = 10**9


class Node:
    """A node that mines, one nonce after the other, what pays at least `price` wei of tip."""

    def __init__(self) -> None:
        self.tip = 50 * GWEI
        self.price = 0
        self.mined: dict[bytes, int] = {}
        self.queue: dict[int, tuple[bytes, Fees]] = {}
        self.taken: list[tuple[int, Fees]] = []

    @property
    def max_priority_fee(self) -> Awaitable[int]:
        async def tip() -> int:
            return self.tip

        return tip()

    async def estimate_gas(self, _: Any) -> int:
        return 100_000

    async def get_block(self, _: str) -> dict[str, int]:
        return {"baseFeePerGas": GWEI}

    async def get_balance(self, _: str) -> int:
        return 10**20

    async def get_transaction_count(self, _: str, block: str) -> int:
        return len(self.mined) + (len(self.queue) if block == "pending" else 0)

    async def send_raw_transaction(self, raw: bytes) -> bytes:
        one = TypedTransaction.from_bytes(HexBytes(raw)).as_dict()
        nonce, fees = int(one["nonce"]), Fees(int(one["maxPriorityFeePerGas"]), int(one["maxFeePerGas"]))
        before = self.queue.get(nonce)
        if before is not None and (fees.tip * 10 < before[1].tip * 11 or fees.most * 10 < before[1].most * 11):
            raise Web3RPCError("replacement transaction underpriced")
        self.queue[nonce] = (keccak(raw), fees)
        self.taken.append((nonce, fees))
        return keccak(raw)

    async def get_transaction_receipt(self, version: bytes) -> dict[str, Any]:
        while (found := self.queue.get(len(self.mined))) is not None and found[1].tip >= self.price:
            del self.queue[len(self.mined)]
            self.mined[found[0]] = 1
        if version not in self.mined:
            raise TransactionNotFound("not yet")
        return {"status": self.mined[version], "transactionHash": version}


def wallet(node: Node) -> Transactions:
    web3: Any = SimpleNamespace(eth=node, to_checksum_address=lambda text: text)
    return Transactions(web3, AGENT, chain())


@pytest.fixture(autouse=True)
def _hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transactions, "PATIENCE", 0.03)
    monkeypatch.setattr(transactions, "POLL", 0.01)


@pytest.mark.asyncio
async def test_a_transaction_too_cheap_is_sent_again_for_more_and_mined_once() -> None:
    node = Node()
    node.price = 60 * GWEI
    sent = await wallet(node).send(address("escrow"), b"\x01")
    assert list(node.mined) == [sent]
    assert [nonce for nonce, _ in node.taken] == [0, 0, 0]
    assert [fees.tip for _, fees in node.taken] == [50 * GWEI, 56_250_000_000, 63_281_250_000]


@pytest.mark.asyncio
async def test_fees_follow_the_market() -> None:
    node = Node()
    node.price = 300 * GWEI
    running = asyncio.create_task(wallet(node).send(address("escrow"), b"\x01"))
    await asyncio.sleep(0.01)
    node.tip = 300 * GWEI
    await running
    assert [fees.tip for _, fees in node.taken] == [50 * GWEI, 300 * GWEI]


@pytest.mark.asyncio
async def test_it_ends_with_a_clear_error_and_the_next_one_takes_the_blocked_place() -> None:
    node = Node()
    node.price = 200 * GWEI
    own = wallet(node)
    with pytest.raises(Unreachable, match=r"not mined after .* gwei"):
        await own.send(address("escrow"), b"\x01")
    assert len(node.taken) == SENDS
    node.price = 90 * GWEI
    sent = await own.send(address("escrow"), b"\x02")
    assert list(node.mined) == [sent]
    assert node.taken[SENDS][0] == 0
    node.price = 0
    assert await own.send(address("escrow"), b"\x03") in node.mined
    assert [nonce for nonce, _ in node.taken][SENDS:] == [0, 1]


@pytest.mark.asyncio
async def test_transactions_sent_at_once_have_a_nonce_each() -> None:
    node = Node()
    own = wallet(node)
    sent = await asyncio.gather(*(own.send(address("escrow"), bytes([number])) for number in range(3)))
    assert (sorted(node.mined), [nonce for nonce, _ in node.taken]) == (sorted(sent), [0, 1, 2])


@pytest.mark.asyncio
async def test_one_behind_another_process_s_says_what_it_waits_for() -> None:
    node = Node()
    node.price = 500 * GWEI
    node.queue[0] = (bytes(32), Fees(GWEI, GWEI))
    with pytest.raises(Unreachable, match="nonce 0"):
        await wallet(node).send(address("escrow"), b"\x01")


@pytest.mark.asyncio
async def test_a_node_that_answers_no_more_than_a_status_is_unreachable(monkeypatch: pytest.MonkeyPatch) -> None:
    own = DirectChain("http://localhost:8545", AGENT, chain())

    async def busy(*_: Any) -> Any:
        url = URL("http://localhost:8545")
        asked = RequestInfo(url, "POST", CIMultiDictProxy(CIMultiDict()), url)
        raise ClientResponseError(asked, (), status=429)

    monkeypatch.setattr(own._web3.provider, "make_request", busy)
    with pytest.raises(Unreachable):
        await own.call(address("escrow"), b"")
    monkeypatch.setattr(own, "_checked", True)
    with pytest.raises(Unreachable):
        await own.send(address("escrow"), b"")
