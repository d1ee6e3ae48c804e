"""The money chain of a story: blocks of executed transactions on a tree, two nodes' pools, time and base fee.

Everything random comes from `random`. What a reorg drops goes back to the pools, or is forgotten with them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Final

from aicp.rules.primitives import keccak
from tests.sim.chain import GENESIS_TIME, Chain, Emitted, Mined, State, Transaction, branch, make_block
from tests.sim.events import Event, encode
from tests.sim.money.contract import Money, perform
from tests.sim.money.mempool import Mempool, Sent
from tests.sim.node import RpcFailure
from tests.sim.turn import ADDRESSES, FEES, OPERATOR

BASE_FEE: Final = 10_000_000_000
_FIRST: Final = -1


@dataclass(frozen=True, slots=True)
class Executed:
    """A transaction in its block."""

    sent: Sent
    index: int
    succeeded: bool
    gas: int
    error: str


class Ground:
    """See the module's docstring. `now` is the true time; services may think otherwise."""

    def __init__(self, random: Random, money: Money) -> None:
        self._random = random
        self.now = GENESIS_TIME
        self.base_fee = BASE_FEE
        self.pools: list[Mempool] = [Mempool(), Mempool()]
        self.executed: dict[bytes, tuple[Executed, ...]] = {}
        """By block hash."""
        self.homes: dict[bytes, list[Mined]] = {}
        """Every block a transaction was ever mined in."""
        self._salt = 0
        self._numbers: dict[bytes, int] = {}
        self._strangers = 0
        self.chain = Chain({"money": money, "base_fee": BASE_FEE})
        self.executed[self.chain.genesis.hash] = ()
        self.chain.follow(self._block(self.chain.genesis, [Transaction(_FIRST, keccak(b"first"), _setup())], ()))
        self.chain.finalise(1, 1)

    @property
    def money(self) -> Money:
        """The state at the head."""
        return money_at(self.chain.head)

    # blocks

    def mine(self, parent: Mined | None = None, *, share: float = 1.0, again: bool = True) -> Mined:
        """Make a block on `parent` (the head) of a share of what waits; nobody follows it yet.

        Without `again` it is empty.
        """
        parent = parent or self.chain.head
        self.now = max(self.now, parent.time + 1)
        money = money_at(parent).copy()
        done: list[Executed] = []
        transactions: list[Transaction] = []
        for sent in self._chosen(money, share) if again else ():
            money, executed, logs = self._execute(money, sent, len(done))
            done.append(executed)
            number = self._numbers.setdefault(sent.hash, len(self._numbers))
            transactions.append(Transaction(number, sent.hash, logs))
        return self._block(parent, transactions, tuple(done), money)

    def _chosen(self, money: Money, share: float) -> list[Sent]:
        """Return what a miner takes: each sender's nonces in order, the best of what the pools hold of each."""
        found: list[Sent] = []
        for sender in sorted({sender for pool in self.pools for sender in pool.waiting}):
            nonce = money.nonces[sender]
            while True:
                offers = [pool.waiting[sender][nonce] for pool in self.pools if nonce in pool.waiting.get(sender, {})]
                good = [offer for offer in offers if offer.max_fee >= self.base_fee]
                if not good or self._random.random() >= share:
                    break
                found.append(max(good, key=lambda offer: (offer.tip, offer.hash)))
                nonce += 1
        return self._shuffled(found)

    def _shuffled(self, found: list[Sent]) -> list[Sent]:
        """Mix the senders, and leave each one's nonces in order."""
        order = list(found)
        self._random.shuffle(order)
        mine = {sender: iter([one for one in found if one.sender == sender]) for sender in {s.sender for s in found}}
        return [next(mine[one.sender]) for one in order]

    def _execute(self, money: Money, sent: Sent, index: int) -> tuple[Money, Executed, tuple[Emitted, ...]]:
        money, done = perform(money, sent.sender, sent.to, sent.data, self.now)
        money = money.copy() if done.revert is not None or not sent.data else money
        gas, succeeded, error = done.gas, done.revert is None, done.error
        if gas > sent.gas:
            raise AssertionError("the gas of these calls is within every limit the service sets")
        money.nonces[sent.sender] += 1
        money.wei[sent.sender] -= gas * min(sent.max_fee, self.base_fee + sent.tip)
        return money, Executed(sent, index, succeeded, gas, error), done.logs if succeeded else ()

    def _block(
        self,
        parent: Mined,
        transactions: Sequence[Transaction],
        done: tuple[Executed, ...],
        money: Money | None = None,
    ) -> Mined:
        state: State = {"money": money or money_at(parent), "base_fee": self.base_fee}
        self._salt += 1
        block = make_block(parent, max(self.now, parent.time + 1), transactions, state, self._salt.to_bytes(8, "big"))
        self.chain.add(block)
        self.executed[block.hash] = done
        for one in done:
            self.homes.setdefault(one.sent.hash, []).append(block)
        return block

    def follow(self, head: Mined, *, forget: float = 0.0) -> int:
        """Let the chain follow a branch; what it leaves goes back to the pools or is forgotten. Return the depth."""
        before = self.chain.path
        depth = self.chain.follow(head)
        kept = {one.sent.hash for block in branch(head)[-64:] for one in self.executed[block.hash]}
        for pool in self.pools:
            pool.prune(self.money)
        for block in before[len(before) - depth :] if depth else ():
            for one in self.executed[block.hash]:
                if one.sent.hash not in kept and self._random.random() >= forget:
                    self._back(one.sent)
        return depth

    def put_back(self, blocks: Sequence[Mined]) -> None:
        """Put what is in blocks back into the pools, before they are left: miners of a new branch know it."""
        for block in blocks:
            for one in self.executed[block.hash]:
                for pool in self.pools:
                    pool.waiting.setdefault(one.sent.sender, {}).setdefault(one.sent.nonce, one.sent)

    def _back(self, sent: Sent) -> None:
        for pool in self.pools:
            try:
                pool.add(sent, self.money)
            except RpcFailure:
                continue  # a replacement of it, or its nonce, is there already

    # people who send for themselves

    def send_of(self, sender: bytes, to: bytes, data: bytes, *, nonce: int | None = None) -> Sent:
        """Put a transaction from somebody's own wallet into the pools."""
        self._strangers += 1
        mine = [*self.pools[0].waiting.get(sender, ()), *self.pools[1].waiting.get(sender, ())]
        number = max([self.money.nonces[sender] - 1, *mine]) + 1 if nonce is None else nonce
        name = keccak(f"a wallet's transaction {self._strangers}".encode())
        sent = Sent(name, sender, number, 10**12, 10**13, 2_000_000, to, data)
        for pool in self.pools:
            pool.waiting.setdefault(sender, {})[number] = sent
        return sent

    def receipt(self, tx_hash: bytes, path: Sequence[Mined]) -> tuple[Mined, Executed] | None:
        """Return where a transaction is on a branch."""
        for block in self.homes.get(tx_hash, ()):
            if block.number < len(path) and path[block.number].hash == block.hash:
                return block, next(one for one in self.executed[block.hash] if one.sent.hash == tx_hash)
        return None


def money_at(block: Mined) -> Money:
    """Return the state after a block."""
    found: Money = block.state["money"]
    return found


def _setup() -> tuple[Emitted, ...]:
    events = [
        Event("escrow", "FeeRecipientChanged", {"feeRecipient": FEES[0]}),
        Event("escrow", "FeeChanged", {"feeBps": 250}),
        Event("escrow", "OwnershipTransferred", {"previousOwner": bytes(20), "newOwner": OPERATOR}),
    ]
    return tuple(Emitted(ADDRESSES["escrow"], *encode(event)) for event in events)
