"""A chain filled with the contracts' events, for whoever reads it."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final

from aicp.rules.deployment import Bounds, Deployment, OperatorEpoch
from aicp.rules.primitives import ZERO_ADDRESS, hex0x, keccak
from indexer.core.context import Contracts
from indexer.settings import contracts_of
from scripts.bench.emitter import calldata, runtime_code
from scripts.bench.servers import CHAIN_ID, Chain
from scripts.bench.traffic import ROUND, Event, first_events, rounds

_ROUNDS_A_BLOCK: Final = 12
"""About a hundred transactions, as a busy block of a public chain has."""
_GAS: Final = 20_000_000
_BLOCKS_PAST: Final = 40
"""More than any competitor wants between the last event and the head before it calls the event final."""


@dataclass(slots=True)
class ChainData:
    """Where the events are. `events` counts all of them, `last` is the last block that holds one.

    `packed` puts all events of a block that one contract says into one transaction.
    """

    chain: Chain
    contracts: Contracts
    packed: bool = False
    events: int = 0
    first: int = 0
    last: int = 0
    _stream: Iterator[list[list[Event]]] | None = None
    _sender: str = ""
    _nonce: int = 0

    @classmethod
    def on(cls, chain: Chain, *, packed: bool = False) -> ChainData:
        """Put the emitters in place."""
        escrow, channel, reputation = (
            keccak(name)[12:] for name in (b"bench escrow", b"bench channel", b"bench stake")
        )
        data = cls(chain, contracts_of(CHAIN_ID, escrow, channel, reputation), packed)
        for address in data.contracts.addresses:
            chain.rpc("anvil_setCode", hex0x(address), hex0x(runtime_code()))
        data._sender = chain.rpc("eth_accounts")[0]
        data._stream = rounds(data.contracts.channel_domain)
        data._send([first_events(keccak(b"bench fees")[12:])])
        data.first = data._mine(1)
        data.last = data.first
        return data

    def fill(self, events: int) -> None:
        """Add whole rounds until there are at least so many events, and empty blocks past them."""
        assert self._stream is not None
        while self.events < events:
            wanted = min(_ROUNDS_A_BLOCK, -(-(events - self.events) // ROUND))
            self._send([sent for made in islice(self._stream, wanted) for sent in made])
            self.last = self._mine(1)
        self._mine(_BLOCKS_PAST)

    def block(self) -> int:
        """Add one block with one round; return its number."""
        assert self._stream is not None
        self._send(next(self._stream))
        self.last = self._mine(1)
        return self.last

    def deployment(self) -> Deployment:
        """Return the contracts as a deployment file states them."""
        bounds = Bounds(
            max_fee_bps=500, min_challenge_period_seconds=60, max_challenge_period_seconds=86_400,
            max_accept_window_seconds=86_400, max_deliver_window_seconds=864_000,
            max_dispute_timeout_seconds=864_000, unbonding_seconds=60,
        )  # fmt: skip
        operator = OperatorEpoch(address=keccak(b"operator 0")[12:], from_time=dt.datetime(2026, 1, 1, tzinfo=dt.UTC))
        contracts = self.contracts
        return Deployment(
            chain_id=CHAIN_ID, usdc=keccak(b"token 0")[12:], escrow=contracts.escrow,
            payment_channel=contracts.payment_channel, reputation=contracts.reputation,
            erc3009_collector=keccak(b"collector")[12:], arbiter=ZERO_ADDRESS, deploy_block=self.first,
            token_name="USDC", token_version="2", fee_bps=250,  # noqa: S106  # a token of money
            fee_recipient=keccak(b"bench fees")[12:],
            admin=keccak(b"admin")[12:], guardian=keccak(b"guardian")[12:], bounds=bounds, operators=(operator,),
            constructor_arguments={},
        )  # fmt: skip

    def write_deployment(self, folder: Path) -> Path:
        """Write the deployment file; return its path."""
        path = folder / "deployment.json"
        path.write_text(json.dumps(self.deployment().to_json()), encoding="utf-8")
        return path

    def _send(self, transactions: list[list[Event]]) -> None:
        if self.packed:
            by_contract: dict[str, list[Event]] = {}
            for event in (event for events in transactions for event in events):
                by_contract.setdefault(event.contract, []).append(event)
            transactions = list(by_contract.values())
        calls: list[tuple[str, tuple[Any, ...]]] = []
        for events in transactions:
            to = self.contracts.escrow if events[0].contract == "Escrow" else self.contracts.payment_channel
            call = {"from": self._sender, "to": hex0x(to), "data": hex0x(calldata(events)), "gas": hex(_GAS),
                    "nonce": hex(self._nonce)}  # fmt: skip
            calls.append(("eth_sendTransaction", (call,)))
            self._nonce += 1
            self.events += len(events)
        self.chain.batch(calls)

    def _mine(self, blocks: int) -> int:
        self.chain.rpc("anvil_mine", hex(blocks))
        return int(self.chain.rpc("eth_blockNumber"), 16)
