"""What a score is made of: settled escrows as the events of the contracts tell them, and small deals both sides signed.

An escrow enters a score when Reputation records its outcome, at the second of that block. Everything in a `Deal` is
from events, so that anybody with an RPC comes to the same deals.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from aicp.abi import escrow as escrow_abi
from aicp.abi import reputation as reputation_abi
from aicp.abi.enums import Outcome
from aicp.abi.typed_data import EscrowTerms
from aicp.rules.stakes import SEVERITY_BPS, severity_bps

MAX_MARK: Final = 10_000
ESCROW_EVENTS: Final[tuple[Any, ...]] = (
    escrow_abi.EscrowFunded,
    escrow_abi.EscrowAccepted,
    escrow_abi.WorkSubmitted,
    escrow_abi.EscrowReleased,
    escrow_abi.EscrowRefunded,
    escrow_abi.Rated,
)
REPUTATION_EVENTS: Final[tuple[Any, ...]] = (reputation_abi.OutcomeRecorded, reputation_abi.BonusPaid)
"""The events of Escrow and Reputation that `deals_of` needs, and all it looks at."""
BURDENS: Final = frozenset(SEVERITY_BPS)
"""Outcomes that cost the agent stake: given back, missed, lost. They count whoever the buyer is."""
SUCCESSES: Final = frozenset({Outcome.COMPLETED, Outcome.WON})


@dataclass(frozen=True, slots=True, kw_only=True)
class Deal:
    """An escrow whose outcome is recorded. Amounts in base units, times in unix seconds.

    `rating` is its buyer's, 0 to 100; `bonus` is what the agent got out of the bonus pool; `submitted_at` is None where
    nothing was delivered.
    """

    escrow_id: bytes
    client: bytes
    provider: bytes
    outcome: Outcome
    amount: int
    released: int
    refunded: int
    fee: int
    bonus: int
    accepted_at: int
    deliver_by: int
    submitted_at: int | None
    closed_at: int
    rating: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MicroDeal:
    """A deal paid by channel. It counts for speed and reliability only, and only with the signature of whom it burdens.

    A failure burdens the agent, a success the buyer who pays. `used_seconds` is None where nothing was delivered.
    """

    order_hash: bytes
    client: bytes
    provider: bytes
    succeeded: bool
    ended_at: int
    allowed_seconds: int
    used_seconds: int | None
    signed_by_client: bool
    signed_by_provider: bool

    @property
    def counts(self) -> bool:
        """Whether the party that it burdens signed it."""
        return self.signed_by_client if self.succeeded else self.signed_by_provider


def sources(escrow: bytes, reputation: bytes) -> dict[bytes, dict[bytes, Any]]:
    """Return the events to read for `deals_of`: by contract, then by their first topic."""
    return {
        escrow: {event.TOPIC: event for event in ESCROW_EVENTS},
        reputation: {event.TOPIC: event for event in REPUTATION_EVENTS},
    }


def mark(deal: Deal) -> int:
    """Return how well a deal went, in hundredths.

    What was released counts 10,000; what went back counts half of what the outcome's severity leaves of 10,000 where
    the agent failed (4,500 given back, 2,500 missed, 0 lost), else nothing.
    """
    rest = (MAX_MARK - severity_bps(deal.outcome)) // 2 if deal.outcome in BURDENS else 0
    return (MAX_MARK * deal.released + rest * deal.refunded) // deal.amount


@dataclass(slots=True)
class _Open:
    terms: EscrowTerms
    accepted_at: int = 0
    submitted_at: int | None = None
    released: int = 0
    refunded: int = 0
    fee: int = 0
    bonus: int = 0
    rating: int | None = None
    outcome: Outcome = Outcome.NONE
    closed_at: int = 0


@dataclass(slots=True)
class _Book:
    escrows: dict[bytes, _Open] = field(default_factory=dict)

    def apply(self, event: Any, at: int) -> None:
        match event:
            case escrow_abi.EscrowFunded():
                self.escrows[event.id] = _Open(event.terms)
            case escrow_abi.EscrowAccepted():
                self._of(event.id).accepted_at = at
            case escrow_abi.WorkSubmitted():
                self._of(event.id).submitted_at = at
            case escrow_abi.EscrowReleased():
                found = self._of(event.id)
                found.released += event.amount
                found.fee += event.fee
            case escrow_abi.EscrowRefunded():
                self._of(event.id).refunded += event.amount
            case escrow_abi.Rated():
                found = self._of(event.id)
                if event.rater == found.terms.client:
                    found.rating = event.score
            case reputation_abi.OutcomeRecorded():
                found = self._of(event.escrow_id)
                found.outcome, found.closed_at = Outcome(event.outcome), at
            case reputation_abi.BonusPaid():
                self._of(event.escrow_id).bonus += event.amount
            case _:
                return

    def _of(self, escrow_id: bytes) -> _Open:
        found = self.escrows.get(escrow_id)
        if found is None:
            raise ValueError(f"escrow 0x{escrow_id.hex()} was never funded in these events")
        return found


def deals_of(events: Iterable[tuple[Any, int]]) -> tuple[Deal, ...]:
    """Return the settled escrows that events tell of, by escrow id; other events are passed over.

    `events` are decoded events of Escrow and Reputation in the order of the chain, each with its block's unix second.
    Raises ValueError where the funding of an escrow is missing.
    """
    book = _Book()
    for event, at in events:
        book.apply(event, at)
    return tuple(
        Deal(
            escrow_id=escrow_id,
            client=found.terms.client,
            provider=found.terms.provider,
            outcome=found.outcome,
            amount=found.terms.amount,
            released=found.released,
            refunded=found.refunded,
            fee=found.fee,
            bonus=found.bonus,
            accepted_at=found.accepted_at,
            deliver_by=found.terms.deliver_by,
            submitted_at=found.submitted_at,
            closed_at=found.closed_at,
            rating=found.rating,
        )
        for escrow_id, found in sorted(book.escrows.items())
        if found.outcome is not Outcome.NONE
    )
