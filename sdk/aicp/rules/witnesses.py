"""Whose word counts for a score: buyers as witnesses, weighed by the fees they have paid.

Source: docs/Rules.md, "Scores", under "Witnesses"; made to withstand rings. A wallet costs nothing, so wallets are
never counted. What cannot be made for nothing is a fee:

* Wallets that the same wallet gave their first USDC (since the contracts were deployed) are one **group**. A group
  that deals with itself counts nothing. Dust is no gift: who has given an account the least gift in all, before anybody
  else has, is its first funder. The deployment's own contracts pay everybody out and make no group.
* A group's **credit** as a buyer is the fees it has paid, less the bonuses its agents were paid back, per 100 USDC and
  at most 1. So all credit in a ring together is at most what it has paid, however many wallets it has.
* What two groups pay each other in both directions is netted.
* Groups that deal with each other only, and with nobody of the market's main part, are one witness at most.

Credit is in parts per million (ppm); a full witness is 1,000,000.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
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
    least_gift_units: int = 1_000_000
    """What a wallet must have given an account in all to be its first funder: 1 USDC. Less from a stranger is dust."""

    def __post_init__(self) -> None:
        if min(asdict(self).values()) < 1:
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


@dataclass(frozen=True, slots=True)
class Received:
    """What an account has got since the contracts were deployed, as far as its transfers were read.

    `funder` is who has first given it the least gift in all, the zero address where that was minted, None while nobody
    has. Until then `sums` are the base units by sender.
    """

    funder: bytes | None = None
    sums: Mapping[bytes, int] = field(default_factory=dict)


def read_on(
    before: Mapping[bytes, Received], transfers: Iterable[tuple[bytes, bytes, int]], least_units: int
) -> dict[bytes, Received]:
    """Return what the accounts in `before` have got after further transfers to them.

    `transfers` are (from, to, base units) in the order of the chain, from where `before` was read to. Whether they come
    at once or in parts, the same is found.
    """
    funders = {account: known.funder for account, known in before.items()}
    sums = {account: dict(known.sums) for account, known in before.items()}
    for sender, receiver, units in transfers:
        if receiver not in funders or funders[receiver] is not None or units == 0 or sender == receiver:
            continue
        given = sums[receiver]
        given[sender] = given.get(sender, 0) + units
        if given[sender] >= least_units:
            funders[receiver] = sender
            given.clear()
    return {account: Received(funder, sums[account]) for account, funder in funders.items()}


def first_funders(
    transfers: Iterable[tuple[bytes, bytes, int]], accounts: Iterable[bytes], least_units: int
) -> dict[bytes, bytes]:
    """Return who first gave each account so much USDC in all; minting is no gift of anybody. See `read_on`."""
    found = read_on({account: Received() for account in accounts}, transfers, least_units)
    return gifts_of({account: one.funder for account, one in found.items()})


def gifts_of(senders: Mapping[bytes, bytes | None]) -> dict[bytes, bytes]:
    """Return the first funders among first senders: without what was minted, and whom nobody has given enough."""
    return {account: sender for account, sender in senders.items() if sender is not None and sender != ZERO_ADDRESS}


def groups_of(
    accounts: Iterable[bytes], funders: Mapping[bytes, bytes], common: frozenset[bytes], max_funded: int
) -> dict[bytes, bytes]:
    """Return the group of each account.

    `funders` names who gave an account its first USDC, `common` who makes no group: exchanges, and our contracts.
    """
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
