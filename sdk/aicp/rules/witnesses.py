"""Whose word counts for a score: buyers as witnesses, weighed by the fees they have paid.

Source: contracts 2.5 and feature X7 (ratings only from the parties of a settled payment, weighted by its value), made
to withstand rings. A wallet costs nothing, so wallets are never counted. What cannot be made for nothing is a fee:

* Wallets that the same wallet gave their first USDC (since the contracts were deployed) are one **group**. A group
  that deals with itself counts nothing.
* A group's **credit** as a buyer is the fees it has paid, less the bonuses its agents were paid back, per 100 USDC and
  at most 1. So all credit in a ring together is at most what it has paid, however many wallets it has.
* What two groups pay each other in both directions is netted.
* Groups that deal with each other only, and with nobody of the market's main part, are one witness at most.

Credit is in parts per million (ppm); a full witness is 1,000,000.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from aicp.rules.facts import Deal
from aicp.rules.primitives import ZERO_ADDRESS

PPM: Final = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """The published numbers of the rule, base units. They are part of every epoch's manifest."""

    full_credit_units: int = 100_000_000
    """Fees that make a full witness: 100 USDC."""
    full_release_units: int = 10_000_000
    """What a witness must have paid this agent to count in full: 10 USDC."""
    pair_cap_units: int = 100_000_000
    """The most that the deals of one witness weigh in the score of one agent: 100 USDC."""
    max_funded: int = 50
    """A wallet that funded more accounts than this is an exchange or a bridge and makes no group."""

    def __post_init__(self) -> None:
        if min(self.full_credit_units, self.full_release_units, self.pair_cap_units, self.max_funded) < 1:
            raise ValueError("every parameter is at least 1")


PUBLIC: Final = Parameters()
DEVNET: Final = Parameters(full_credit_units=1_000_000)
"""On a local chain nobody pays 100 USDC of fees before seeing a score move: one is enough."""


@dataclass(frozen=True, slots=True)
class Market:
    """What is known about all wallets at the end of an epoch; see `survey`."""

    parameters: Parameters
    group: Mapping[bytes, bytes]
    credit: Mapping[bytes, int]
    paid: Mapping[tuple[bytes, bytes], int]
    """Base units released, by (group of the buyer, group of the agent)."""
    main: frozenset[bytes]

    def group_of(self, account: bytes) -> bytes:
        """Return the group of an account; one that nobody knows is alone."""
        return self.group.get(account, account)

    def net_paid(self, buyer: bytes, agent: bytes) -> int:
        """Return what one group paid another, less what came back the same way; at least 0."""
        return max(0, self.paid.get((buyer, agent), 0) - self.paid.get((agent, buyer), 0))


class _Groups:
    """Union-find; the lowest member stands for its group."""

    def __init__(self) -> None:
        self._parent: dict[bytes, bytes] = {}

    def find(self, member: bytes) -> bytes:
        self._parent.setdefault(member, member)
        while self._parent[member] != member:
            self._parent[member] = self._parent[self._parent[member]]
            member = self._parent[member]
        return member

    def join(self, one: bytes, other: bytes) -> None:
        low, high = sorted((self.find(one), self.find(other)))
        self._parent[high] = low

    def all(self) -> dict[bytes, bytes]:
        return {member: self.find(member) for member in list(self._parent)}


def first_senders(transfers: Iterable[tuple[bytes, bytes, int]], accounts: Iterable[bytes]) -> dict[bytes, bytes]:
    """Return from where each account that has got any USDC got its first: the zero address where it was minted.

    `transfers` are (from, to, base units) in the order of the chain, since the contracts were deployed.
    """
    wanted = set(accounts)
    found: dict[bytes, bytes] = {}
    for sender, receiver, units in transfers:
        if receiver in wanted and receiver not in found and units > 0 and sender != receiver:
            found[receiver] = sender
    return found


def first_funders(transfers: Iterable[tuple[bytes, bytes, int]], accounts: Iterable[bytes]) -> dict[bytes, bytes]:
    """Return who gave each account its first USDC; minting is no gift of anybody. See `first_senders`."""
    return {account: sender for account, sender in first_senders(transfers, accounts).items() if sender != ZERO_ADDRESS}


def groups_of(
    accounts: Iterable[bytes], funders: Mapping[bytes, bytes], common: frozenset[bytes], max_funded: int
) -> dict[bytes, bytes]:
    """Return the group of each account. `funders` names who gave an account its first USDC, `common` exchanges."""
    groups = _Groups()
    wanted = set(accounts)
    funded = Counter(funder for account, funder in funders.items() if account in wanted)
    for account in wanted:
        groups.find(account)
        funder = funders.get(account)
        if funder is not None and funder not in common and funded[funder] <= max_funded:
            groups.join(account, funder)
    found = groups.all()
    names: dict[bytes, bytes] = {}
    for account in sorted(wanted):
        names.setdefault(found[account], account)
    return {account: names[found[account]] for account in wanted}


def survey(
    deals: Iterable[Deal],
    funders: Mapping[bytes, bytes],
    *,
    common: frozenset[bytes] = frozenset(),
    parameters: Parameters = PUBLIC,
) -> Market:
    """Return groups, credit, payments and the main part of a market, from every settled escrow of it."""
    known = tuple(deals)
    accounts = {account for deal in known for account in (deal.client, deal.provider)}
    group = groups_of(accounts, funders, common, parameters.max_funded)
    fees: defaultdict[bytes, int] = defaultdict(int)
    paid: defaultdict[tuple[bytes, bytes], int] = defaultdict(int)
    parts = _Groups()
    for deal in known:
        buyer, agent = group[deal.client], group[deal.provider]
        fees[buyer] += max(0, deal.fee - deal.bonus)
        paid[buyer, agent] += deal.released
        parts.join(buyer, agent)
    full = parameters.full_credit_units
    credit = {buyer: min(PPM, units * PPM // full) for buyer, units in fees.items()}
    return Market(parameters, group, credit, dict(paid), _main_part(parts.all(), fees))


def _main_part(part_of: Mapping[bytes, bytes], fees: Mapping[bytes, int]) -> frozenset[bytes]:
    """Return the groups connected by deals that have paid the most fees; the lowest name where two are equal."""
    total: defaultdict[bytes, int] = defaultdict(int)
    for group, part in part_of.items():
        total[part] += fees.get(group, 0)
    if not total:
        return frozenset()
    main = min(total, key=lambda part: (-total[part], part))
    return frozenset(group for group, part in part_of.items() if part == main)
