"""What the storage and account accesses of a transaction cost under a price list. Pure.

Standard prices are those of EIP-2929, EIP-2200 and EIP-3529; Polygon's differ by PIP-88, which splits the price of a
cold slot in two, and by nothing else that these contracts use. Everything here is gas.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

Slot: TypeAlias = tuple[bytes, int]
"""A contract's address and a storage key."""

WARM = 100
SET = 20_000
RESET_WITH_COLD = 5_000
COLD_ACCOUNT = 2_600
LISTED_ACCOUNT = 2_400
LISTED_SLOT = 1_900
_BASE = 21_000
_FLOOR_PER_TOKEN = 10


class UnpriceableError(Exception):
    """What was recorded cannot be priced exactly, or the node charged something else."""


@dataclass(frozen=True, slots=True)
class Prices:
    """A price list: a slot's first access costs `cold_load` if it is read, `cold_store` on top if it is written."""

    cold_load: int
    cold_store: int

    @property
    def reset(self) -> int:
        """Price of the first change of a used slot."""
        return RESET_WITH_COLD - self.cold_store

    @property
    def clear_refund(self) -> int:
        """Refund for a used slot that ends as zero."""
        return self.reset + LISTED_SLOT


EVM = Prices(cold_load=2_100, cold_store=2_100)
POLYGON = Prices(cold_load=5_460, cold_store=2_940)


@dataclass(frozen=True, slots=True)
class Load:
    """A slot was read. `charged` is what the node took for it."""

    slot: Slot
    charged: int


@dataclass(frozen=True, slots=True)
class Store:
    """A slot was written."""

    slot: Slot
    value: int
    charged: int


@dataclass(frozen=True, slots=True)
class Touch:
    """An account was called or its code looked at."""

    account: bytes


Access: TypeAlias = Load | Store | Touch


@dataclass(frozen=True, slots=True)
class AccessList:
    """Accounts and slots a transaction names beforehand (EIP-2930)."""

    slots: frozenset[Slot] = frozenset()
    accounts: frozenset[bytes] = frozenset()

    @property
    def cost(self) -> int:
        """What naming them costs."""
        return LISTED_ACCOUNT * len(self.accounts) + LISTED_SLOT * len(self.slots)


NOTHING_LISTED = AccessList()


@dataclass(frozen=True, slots=True)
class Transaction:
    """One transaction that succeeded: what its receipt says and every access in order.

    `before` holds the slots' values before it, `warm` the accounts that are warm from the start (sender, receiver,
    precompiled contracts, the block's proposer).
    """

    gas_used: int
    data: bytes
    accesses: tuple[Access, ...]
    before: Mapping[Slot, int]
    warm: frozenset[bytes]


@dataclass(slots=True)
class _State:
    prices: Prices
    before: Mapping[Slot, int]
    slots: set[Slot]
    accounts: set[bytes]
    now: dict[Slot, int] = field(default_factory=dict)
    gas: int = 0
    refund: int = 0

    def load(self, slot: Slot) -> int:
        if slot in self.slots:
            return WARM
        self.slots.add(slot)
        return self.prices.cold_load

    def store(self, slot: Slot, value: int) -> int:
        cold = 0 if slot in self.slots else self.prices.cold_store
        self.slots.add(slot)
        original = self.before[slot]
        current = self.now.get(slot, original)
        self.now[slot] = value
        if value == current:
            return cold + WARM
        if current == original:
            if original == 0:
                return cold + SET
            if value == 0:
                self.refund += self.prices.clear_refund
            return cold + self.prices.reset
        self._change_again(original, current, value)
        return cold + WARM

    def _change_again(self, original: int, current: int, value: int) -> None:
        if original != 0:
            if current == 0:
                self.refund -= self.prices.clear_refund
            elif value == 0:
                self.refund += self.prices.clear_refund
        if original == value:
            self.refund += (SET if original == 0 else self.prices.reset) - WARM

    def touch(self, account: bytes) -> int:
        if account in self.accounts:
            return WARM
        self.accounts.add(account)
        return COLD_ACCOUNT


def _run(transaction: Transaction, prices: Prices, listed: AccessList) -> tuple[list[int], int]:
    """Return the price of every access and the refund."""
    state = _State(prices, transaction.before, set(listed.slots), set(transaction.warm | listed.accounts))
    costs = []
    for access in transaction.accesses:
        match access:
            case Load(slot):
                costs.append(state.load(slot))
            case Store(slot, value):
                costs.append(state.store(slot, value))
            case Touch(account):
                costs.append(state.touch(account))
    return costs, state.refund


def floor_of(data: bytes) -> int:
    """Return the least a transaction with this calldata pays (EIP-7623)."""
    zeros = data.count(0)
    return _BASE + _FLOOR_PER_TOKEN * (zeros + 4 * (len(data) - zeros))


def reprice(transaction: Transaction, prices: Prices, listed: AccessList = NOTHING_LISTED) -> int:
    """Return what the transaction would have used under other prices, or with an access list.

    Raises UnpriceableError when the standard prices do not explain what the node charged access by access, or when
    the calldata floor or the cap on refunds hides the gas that was burnt.
    """
    standard, refund = _run(transaction, EVM, NOTHING_LISTED)
    for access, cost in zip(transaction.accesses, standard, strict=True):
        if isinstance(access, Load | Store) and access.charged != cost:
            raise UnpriceableError(f"the node charged {access.charged} for {access}, the price list says {cost}")
    burnt = transaction.gas_used + refund
    if refund > burnt // 5 or transaction.gas_used <= floor_of(transaction.data):
        raise UnpriceableError("the refund or the calldata alone decides what this transaction used")
    costs, other_refund = _run(transaction, prices, listed)
    burnt += sum(costs) - sum(standard) + listed.cost
    return max(burnt - min(other_refund, burnt // 5), floor_of(transaction.data))


def best_list(transaction: Transaction, prices: Prices) -> AccessList:
    """Return the access list that saves most: an account is on it when its slots save more than naming it costs."""
    saved: dict[Slot, int] = {}
    accounts: set[bytes] = set()
    for access in transaction.accesses:
        match access:
            case Load(slot):
                saved.setdefault(slot, prices.cold_load - WARM - LISTED_SLOT)
            case Store(slot):
                saved.setdefault(slot, prices.cold_store - LISTED_SLOT)
            case Touch(account):
                accounts.add(account)
    chosen = {slot: gain for slot, gain in saved.items() if gain > 0}
    worthy = set()
    for account in accounts | {slot[0] for slot in chosen}:
        gain = sum(gain for slot, gain in chosen.items() if slot[0] == account) - LISTED_ACCOUNT
        gain += 0 if account in transaction.warm else COLD_ACCOUNT - WARM
        if gain > 0:
            worthy.add(account)
    return AccessList(frozenset(slot for slot in chosen if slot[0] in worthy), frozenset(worthy))


@dataclass(frozen=True, slots=True)
class Figures:
    """Gas of one operation: on a standard chain, on Polygon, and on Polygon with the best access list."""

    evm: int
    polygon: int
    listed: int


def figures(transaction: Transaction) -> Figures:
    """Return the figures of one transaction. Raises UnpriceableError."""
    return Figures(
        evm=transaction.gas_used,
        polygon=reprice(transaction, POLYGON),
        listed=reprice(transaction, POLYGON, best_list(transaction, POLYGON)),
    )


def marginal(few: Figures, many: Figures, rows: int) -> Figures:
    """Return what one of the `rows` by which two batches differ costs, rounded to the nearest unit."""
    evm, polygon, listed = (
        (2 * (more - less) + rows) // (2 * rows)
        for more, less in ((many.evm, few.evm), (many.polygon, few.polygon), (many.listed, few.listed))
    )
    return Figures(evm, polygon, listed)


def slots_of(accesses: Sequence[Access] | Iterable[Access]) -> list[Slot]:
    """Return every slot that was accessed, once, in the order of the first access."""
    return list(dict.fromkeys(access.slot for access in accesses if not isinstance(access, Touch)))
