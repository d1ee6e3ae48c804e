"""Which bid wins when the buyer leaves it to the rule: a pure function of signed bids and anchored scores.

Version 1. Source: docs/Rules.md, awards by the rule. Each bid gets, with the weights in basis points (together 10,000),

    points = price x (budget - amount) / budget + time x (allowed - promised) / allowed
             + reputation x score / 10000 + specialty x score / 10000

as one exact fraction: nothing is rounded, so a bid that is better in something weighed and worse in nothing always has
more. Every term is measured against the task, never against other bids, so no bid changes what another one gets, and
nobody gains by placing bids that are not meant. Equal points: the higher sum of the four terms at equal weights wins,
then the lowest bid hash. Bids that do not count are named with the reason; each reason can be seen from signatures.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

from aicp.rules.bids import bids_root
from aicp.rules.canonical import document_hash
from aicp.rules.fees import BPS
from aicp.rules.primitives import checksum, hex0x, parse_address, parse_hash, parse_units
from aicp.rules.reputation import FLOOR
from aicp.rules.scores import MAX_SCORE

RULE_VERSION: Final = 1

Exclusion = Literal["withdrawn", "unrevealed", "expired", "replaced", "lapsed", "above_budget", "too_slow"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """How much each term weighs, in basis points; together 10,000."""

    price: int = 4_000
    reputation: int = 3_000
    time: int = 1_500
    specialty: int = 1_500

    def __post_init__(self) -> None:
        values = (self.price, self.reputation, self.time, self.specialty)
        if min(values) < 0 or sum(values) != BPS:
            raise ValueError("weights are at least 0 and together 10,000 basis points")


DEFAULT_WEIGHTS: Final = Weights()
EQUAL_WEIGHTS: Final = Weights(price=2_500, reputation=2_500, time=2_500, specialty=2_500)


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """A receipted bid as it stands when the award is made.

    `bid_hash` is the hash under the root of all bids: the digest of the `Bid`, or of the `BidCommit` where bids are
    sealed; then `revealed` is false until the agent has shown the bid. `amount` is in base units, `eta_seconds` is the
    promised time, `seq` the number of the receipt. `reputation` and `specialty` are hundredths of the epoch the award
    names, 2,000 for who has none. `lapsed` is whether an earlier award of this bid ended unpaid: it is another's turn
    then, and the operator's earlier `Award` shows it.
    """

    bid_hash: bytes
    agent: bytes
    amount: int
    eta_seconds: int
    valid_until: int
    seq: int
    withdrawn: bool = False
    revealed: bool = True
    lapsed: bool = False
    reputation: int = FLOOR
    specialty: int = FLOOR

    def __post_init__(self) -> None:
        if len(self.bid_hash) != 32 or len(self.agent) != 20:
            raise ValueError("a bid hash has 32 bytes and an agent 20")
        if min(self.amount, self.eta_seconds) < 0 or self.seq < 1:
            raise ValueError("an offer has an amount, a promised time and a receipt")
        if not (0 <= self.reputation <= MAX_SCORE and 0 <= self.specialty <= MAX_SCORE):
            raise ValueError("scores are 0 to 10,000 hundredths")


@dataclass(frozen=True, slots=True, kw_only=True)
class Contest:
    """What a task fixes about its award: hash, limits in base units and seconds, weights, and when it is decided.

    `budget_units` is the reserve price where the task has one: what is above it is above the budget of the rule.
    `epoch` is the newest active epoch of scores at `decided_at`, 0 before there is one.
    """

    task_hash: bytes
    budget_units: int
    allowed_seconds: int
    weights: Weights
    epoch: int
    decided_at: int

    def __post_init__(self) -> None:
        if len(self.task_hash) != 32 or self.budget_units < 1 or self.allowed_seconds < 1:
            raise ValueError("a contest has a task hash, a budget and a time allowed")


@dataclass(frozen=True, slots=True)
class Ranked:
    """An offer with its points: a fraction of `scale(contest)`, the same for every offer of a contest."""

    offer: Offer
    points: int

    def hundredths(self, contest: Contest) -> int:
        """Return the points as 0 to 10,000 hundredths, rounded down, to be shown; never to compare."""
        return self.points * MAX_SCORE // scale(contest)


@dataclass(frozen=True, slots=True)
class Ranking:
    """The offers that count, best first, and why the others do not."""

    ranked: tuple[Ranked, ...]
    excluded: tuple[tuple[bytes, Exclusion], ...]

    @property
    def winner(self) -> Offer | None:
        """The best offer, None if none counts."""
        return self.ranked[0].offer if self.ranked else None


def weights_of(document: Mapping[str, Any]) -> Weights:
    """Return the weights that a task document names, the default if none. Raises ValueError for others."""
    named = document.get("award_weights")
    if named is None:
        return DEFAULT_WEIGHTS
    if not isinstance(named, Mapping) or set(named) != set(asdict(DEFAULT_WEIGHTS)):
        raise ValueError("award weights are price, reputation, time and specialty")
    if any(not isinstance(value, int) or isinstance(value, bool) for value in named.values()):
        raise ValueError("weights are integers")
    return Weights(**named)


def scale(contest: Contest) -> int:
    """Return what the points of a perfect offer are: free, at once, with both scores full."""
    return BPS * MAX_SCORE * contest.budget_units * contest.allowed_seconds


def points(offer: Offer, contest: Contest, weights: Weights) -> int:
    """Return the points of an offer within the task's limits, exactly, as a fraction of `scale(contest)`."""
    budget, allowed = contest.budget_units, contest.allowed_seconds
    return (
        weights.price * (budget - offer.amount) * allowed * MAX_SCORE
        + weights.time * (allowed - offer.eta_seconds) * budget * MAX_SCORE
        + (weights.reputation * offer.reputation + weights.specialty * offer.specialty) * budget * allowed
    )


def rank(contest: Contest, offers: Iterable[Offer]) -> Ranking:
    """Return the offers in the order in which they win; the order in which they are given says nothing.

    Raises ValueError when a bid hash or a receipt's number is given twice.
    """
    given = sorted(offers, key=lambda offer: offer.bid_hash)
    if len({offer.bid_hash for offer in given}) != len(given) or len({offer.seq for offer in given}) != len(given):
        raise ValueError("a bid is given twice")
    newest: dict[bytes, int] = {}
    for offer in given:
        newest[offer.agent] = max(newest.get(offer.agent, 0), offer.seq)
    excluded: list[tuple[bytes, Exclusion]] = []
    counting: list[Offer] = []
    for offer in given:
        reason = _exclusion(offer, contest, newest[offer.agent])
        if reason is None:
            counting.append(offer)
        else:
            excluded.append((offer.bid_hash, reason))

    def order(offer: Offer) -> tuple[int, int, bytes]:
        return (-points(offer, contest, contest.weights), -points(offer, contest, EQUAL_WEIGHTS), offer.bid_hash)

    best = sorted(counting, key=order)
    return Ranking(tuple(Ranked(offer, points(offer, contest, contest.weights)) for offer in best), tuple(excluded))


def _exclusion(offer: Offer, contest: Contest, newest: int) -> Exclusion | None:
    if offer.withdrawn:
        return "withdrawn"
    if offer.seq != newest:
        return "replaced"
    if offer.valid_until <= contest.decided_at:
        return "expired"
    if not offer.revealed:
        return "unrevealed"
    if offer.lapsed:
        return "lapsed"
    if offer.amount > contest.budget_units:
        return "above_budget"
    return "too_slow" if offer.eta_seconds > contest.allowed_seconds else None


def award_record(contest: Contest, offers: Iterable[Offer]) -> dict[str, Any]:
    """Return the document that says how a task was awarded by the rule: inputs, points, winner.

    Its hash is what the operator signs as `AwardInputs`; `Award` commits to the same root of all bids. Raises
    ValueError where no offer counts.
    """
    given = tuple(offers)
    ranking = rank(contest, given)
    if ranking.winner is None:
        raise ValueError("no offer counts, so nothing can be awarded")
    return {
        "rule": RULE_VERSION,
        "task_hash": hex0x(contest.task_hash),
        "budget_units": str(contest.budget_units),
        "allowed_seconds": contest.allowed_seconds,
        "weights": asdict(contest.weights),
        "epoch": str(contest.epoch),
        "decided_at": contest.decided_at,
        "bids_root": hex0x(bids_root([offer.bid_hash for offer in given])),
        "bids": [_offer_json(offer) for offer in sorted(given, key=lambda offer: offer.bid_hash)],
        "excluded": [[hex0x(bid_hash), reason] for bid_hash, reason in ranking.excluded],
        "ranking": [[hex0x(one.offer.bid_hash), str(one.points)] for one in ranking.ranked],
        "winner": hex0x(ranking.winner.bid_hash),
    }


def _offer_json(offer: Offer) -> dict[str, Any]:
    return {
        "bid_hash": hex0x(offer.bid_hash),
        "agent": checksum(offer.agent),
        "amount_units": str(offer.amount),
        "eta_seconds": offer.eta_seconds,
        "valid_until": offer.valid_until,
        "seq": offer.seq,
        "withdrawn": offer.withdrawn,
        "revealed": offer.revealed,
        "lapsed": offer.lapsed,
        "reputation": offer.reputation,
        "specialty": offer.specialty,
    }


def inputs_hash(record: Mapping[str, Any]) -> bytes:
    """Return keccak256 of the canonical record."""
    return document_hash(dict(record))


def read_record(record: Mapping[str, Any]) -> tuple[Contest, tuple[Offer, ...]]:
    """Return what a record says the rule looked at. Raises ValueError or KeyError for what is no record."""
    if record["rule"] != RULE_VERSION:
        raise ValueError("the record follows a rule that is not known here")
    contest = Contest(
        task_hash=parse_hash(record["task_hash"]),
        budget_units=parse_units(record["budget_units"]),
        allowed_seconds=int(record["allowed_seconds"]),
        weights=Weights(**record["weights"]),
        epoch=parse_units(record["epoch"]),
        decided_at=int(record["decided_at"]),
    )
    offers = tuple(
        Offer(
            bid_hash=parse_hash(one["bid_hash"]),
            agent=parse_address(one["agent"]),
            amount=parse_units(one["amount_units"]),
            eta_seconds=int(one["eta_seconds"]),
            valid_until=int(one["valid_until"]),
            seq=int(one["seq"]),
            withdrawn=bool(one["withdrawn"]),
            revealed=bool(one["revealed"]),
            lapsed=bool(one["lapsed"]),
            reputation=int(one["reputation"]),
            specialty=int(one["specialty"]),
        )
        for one in record["bids"]
    )
    return contest, offers


def follows(record: Mapping[str, Any]) -> bool:
    """Return whether a record's root, ranking and winner are what the rule makes of its own inputs."""
    try:
        return award_record(*read_record(record)) == dict(record)
    except (ValueError, KeyError, TypeError, AttributeError):
        return False
