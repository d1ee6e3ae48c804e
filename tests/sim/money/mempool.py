"""What a public pool keeps for an account, as geth and bor do it and anvil does not.

At most 16 transactions of an account that could be mined now and 64 that wait for an earlier nonce; a replacement
offers 10% more in both fees; what is cheaper than the floor, beyond its sender's money or behind its nonce is refused.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

import rlp
from coincurve import PublicKey

from aicp.rules.primitives import keccak
from tests.sim.money.contract import Money
from tests.sim.node import RpcFailure
from tests.sim.turn import CHAIN_ID

EXECUTABLE: Final = 16
QUEUED: Final = 64
FLOOR_WEI: Final = 1_000_000_000
LARGEST: Final = 128 * 1024
BLOCK_GAS: Final = 30_000_000


@dataclass(frozen=True, slots=True)
class Sent:
    """A signed transaction."""

    hash: bytes
    sender: bytes
    nonce: int
    tip: int
    max_fee: int
    gas: int
    to: bytes
    data: bytes
    chain_id: int = CHAIN_ID
    raw: bytes = b""


@lru_cache(maxsize=10_000)
def decoded(raw: bytes) -> Sent:
    """Return a type 2 transaction. Raises RpcFailure for bytes that are none."""
    if raw[:1] != b"\x02":
        raise RpcFailure(-32000, "transaction type not supported")
    try:
        fields: Any = rlp.decode(raw[1:])
        chain_id, nonce, tip, max_fee, gas = (int.from_bytes(word) for word in fields[:5])
        signature = fields[10].rjust(32, b"\0") + fields[11].rjust(32, b"\0") + bytes([int.from_bytes(fields[9])])
        key = PublicKey.from_signature_and_message(signature, keccak(b"\x02" + rlp.encode(fields[:9])), hasher=None)
    except Exception as error:
        raise RpcFailure(-32000, f"rlp: {error}") from error
    sender = keccak(key.format(compressed=False)[1:])[12:]
    return Sent(keccak(raw), sender, nonce, tip, max_fee, gas, bytes(fields[5]), bytes(fields[7]), chain_id, raw)


@dataclass(slots=True)
class Mempool:
    """The pool of one node: transactions by sender and nonce. `refused` counts by reason."""

    waiting: dict[bytes, dict[int, Sent]] = field(default_factory=dict)
    refused: Counter[str] = field(default_factory=Counter)

    def add(self, sent: Sent, money: Money) -> None:
        """Take a transaction, as the state at the node's head allows. Raises RpcFailure."""
        problem = self._problem(sent, money)
        if problem is not None:
            self.refused[problem] += 1
            raise RpcFailure(-32000, problem)
        self.waiting.setdefault(sent.sender, {})[sent.nonce] = sent

    def _problem(self, sent: Sent, money: Money) -> str | None:
        mine, first = self.waiting.get(sent.sender, {}), money.nonces[sent.sender]
        if sent.chain_id != CHAIN_ID:
            return f"invalid chain id for signer: have {sent.chain_id} want {CHAIN_ID}"
        if sent.tip > sent.max_fee:
            return "max priority fee per gas higher than max fee per gas"
        if len(sent.raw) > LARGEST:
            return "oversized data"
        if sent.gas > BLOCK_GAS:
            return "exceeds block gas limit"
        if sent.gas < 21_000:
            return "intrinsic gas too low"
        if sent.nonce < first:
            return "nonce too low"
        old = mine.get(sent.nonce)
        if old is not None and old.hash == sent.hash:
            return "already known"
        if sent.tip < FLOOR_WEI:
            return "transaction underpriced"
        owed = sum(one.gas * one.max_fee for nonce, one in mine.items() if nonce != sent.nonce)
        if money.wei[sent.sender] < owed + sent.gas * sent.max_fee:
            return "insufficient funds for gas * price + value"
        if old is not None:
            dearer = sent.max_fee * 10 >= old.max_fee * 11 and sent.tip * 10 >= old.tip * 11
            return None if dearer else "replacement transaction underpriced"
        return self._full(sent, mine, first)

    @staticmethod
    def _full(sent: Sent, mine: dict[int, Sent], first: int) -> str | None:
        ready = first
        while ready in mine:
            ready += 1
        if sent.nonce > ready:
            return "txpool is full" if sum(1 for nonce in mine if nonce > ready) >= QUEUED else None
        return "txpool is full" if ready - first >= EXECUTABLE else None

    def prune(self, money: Money) -> None:
        """Forget what the state at the head has no use for any more."""
        for sender, mine in self.waiting.items():
            first = money.nonces[sender]
            for nonce in [nonce for nonce in mine if nonce < first]:
                del mine[nonce]
