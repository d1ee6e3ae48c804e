"""People who use the contracts at random, and never in a way the contracts would refuse.

An intent is a number: the same one does the same on every branch whose state allows it, under the same transaction
hash. What was in blocks a reorg dropped waits and may enter other blocks, as a real mempool does it.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Final

from aicp.rules.primitives import keccak
from tests.sim import court, deals, payments
from tests.sim.chain import Chain, Emitted, Mined, State, Transaction, make_block
from tests.sim.events import Event, encode
from tests.sim.turn import ADDRESSES, FEES, OPERATOR, Turn, account

ACTIONS: Final[tuple[tuple[int, Callable[[Turn], None]], ...]] = (
    (9, deals.fund), (7, deals.accept), (5, deals.submit), (6, deals.release), (2, deals.refund), (1, deals.split),
    (4, deals.challenge), (4, deals.answer), (3, deals.decide), (1, deals.report_again), (2, deals.rate),
    (1, deals.change_fees), (2, lambda turn: turn.withdraw("escrow")), (1, lambda turn: turn.withdraw("reputation")),
    (1, lambda turn: turn.withdraw("arbiter")), (4, payments.deposit_pool), (3, payments.move_pool),
    (3, payments.open_channel), (2, payments.move_channel), (6, payments.claim), (2, payments.settle),
    (4, payments.stake), (1, payments.anchor), (4, court.stake), (11, court.proceed), (5, court.settle),
)  # fmt: skip
_WEIGHTS: Final = tuple(weight for weight, _ in ACTIONS)
_DEEDS: Final = tuple(deed for _, deed in ACTIONS)
_FIRST: Final = -1
_TRIES: Final = 4
STRANGER: Final = account("a contract of somebody else")


def fresh_state() -> State:
    """Return the world before the first transaction."""
    return {("config",): {"fee_bps": 250, "recipient": FEES[0]}, ("bonus",): 0}


class World:
    """Makes blocks for a chain. Everything random comes from `random`."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self.chain = Chain(fresh_state())
        self.waiting: list[int] = []
        self._intents = random.getrandbits(40)
        self._salt = 0
        self.start = self.build(self.chain.genesis, [_FIRST])
        self.chain.follow(self.start)
        self.chain.finalise(1, 1)  # everything after it counts on a fee recipient

    def mine(self, parent: Mined | None = None, *, most: int = 4, again: bool = True) -> Mined:
        """Make a block on `parent` (the head), with up to `most` transactions, and keep it; nobody follows it yet.

        With `again`, transactions of dropped blocks may come first.
        """
        parent = parent or self.chain.head
        intents: list[int] = []
        present = {transaction.intent for transaction in _recent(parent)}
        for _ in range(self._random.randint(0, most)):
            if again and self.waiting and self._random.random() < 0.6:
                intents.append(self.waiting.pop(self._random.randrange(len(self.waiting))))
            else:
                self._intents += 1
                intents.append(self._intents)
        return self.build(parent, [intent for intent in dict.fromkeys(intents) if intent not in present])

    def build(self, parent: Mined, intents: list[int]) -> Mined:
        """Make a block of exactly these intents, those that do nothing left out."""
        state = dict(parent.state)
        time = parent.time + self._random.choice((1, 2, 2, 2, 30))
        transactions = []
        for intent in intents:
            logs = perform(state, intent, time)
            if logs:
                transactions.append(Transaction(intent, keccak(f"transaction {intent}".encode()), logs))
        self._salt += 1
        block = make_block(parent, time, transactions, state, self._salt.to_bytes(8, "big"))
        self.chain.add(block)
        return block

    def follow(self, head: Mined) -> int:
        """Let the chain follow a branch; what it leaves waits for other blocks. Return the depth of the reorg."""
        before = self.chain.path
        depth = self.chain.follow(head)
        for block in before[len(before) - depth :] if depth else ():
            self.waiting += [t.intent for t in block.transactions if t.intent not in self.waiting]
        return depth


def perform(state: State, intent: int, time: int) -> tuple[Emitted, ...]:
    """Do what an intent wants in this state and return its logs, none where it can do nothing."""
    if intent == _FIRST:
        events = [
            Event("escrow", "FeeRecipientChanged", {"feeRecipient": FEES[0]}),
            Event("escrow", "FeeChanged", {"feeBps": 250}),
            Event("escrow", "OwnershipTransferred", {"previousOwner": bytes(20), "newOwner": OPERATOR}),
        ]
        return tuple(_written(event) for event in events)
    turn = Turn(state, Random(intent), time, intent)
    for deed in turn.random.choices(_DEEDS, _WEIGHTS, k=_TRIES):
        deed(turn)
        if turn.events:
            break
    logs = [_written(event) for event in turn.events]
    if logs and turn.random.random() < 0.3:  # a token's Transfer between ours: log indexes have gaps
        logs.insert(turn.random.randint(0, len(logs)), Emitted(STRANGER, (keccak(b"Transfer"),), b"\x01" * 32))
    return tuple(logs)


def _written(event: Event) -> Emitted:
    topics, data = encode(event)
    return Emitted(ADDRESSES[event.contract], topics, data)


def _recent(block: Mined) -> list[Transaction]:
    """Return the transactions of the last blocks: none may be mined twice on one branch."""
    found: list[Transaction] = []
    at: Mined | None = block
    while at is not None:
        found += at.transactions
        at = at.parent
    return found
