"""Terms, messages and states of an escrow, as `IEscrow.sol` and `EscrowTypes.sol` write them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from eth_utils import keccak

from tests.contracts.model.outcome import ZERO, Checks
from tests.contracts.model.typed import Domain

TERMS = (
    "EscrowTerms(address client,address provider,address verifier,address arbiter,uint96 amount,uint16 feeBps,"
    "uint8 quorum,uint40 acceptBy,uint40 deliverBy,uint32 challengePeriod,uint32 disputeTimeout,bytes32 jobHash,"
    "uint256 salt)"
)
MESSAGES = {
    "Acceptance": "Acceptance(bytes32 escrowId,uint40 validUntil)",
    "Fund": "Fund(bytes32 escrowId,uint40 validUntil)",
    "Cancellation": "Cancellation(bytes32 escrowId,uint40 validUntil)",
    "Response": "Response(bytes32 escrowId,uint40 validUntil)",
    "Dispute": "Dispute(bytes32 escrowId,bytes32 evidenceHash,uint40 validUntil)",
    "Rating": "Rating(bytes32 escrowId,uint8 score,bytes32 commentHash,uint40 validUntil)",
    "Submission": "Submission(bytes32 escrowId,bytes32 deliverableHash,uint40 validUntil)",
    "Release": "Release(bytes32 escrowId,uint96 cumulativeReleased,uint40 validUntil)",
    "Refund": "Refund(bytes32 escrowId,uint96 cumulativeRefunded,uint40 validUntil)",
    "Split": "Split(bytes32 escrowId,uint96 toProvider,uint96 toClient,uint40 validUntil)",
}
HOUR, DAY = 3_600, 86_400


class Status(IntEnum):
    """Life of an escrow."""

    NONE, FUNDED, ACCEPTED, SUBMITTED, CHALLENGED, DISPUTED, RULED, CLOSED = range(8)


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a deployment fixes for ever."""

    max_fee_bps: int = 500
    min_challenge: int = 60
    max_challenge: int = 14 * DAY
    max_accept: int = 7 * DAY
    max_deliver: int = 180 * DAY
    max_dispute: int = 180 * DAY
    unbonding: int = 14 * DAY


@dataclass(frozen=True, slots=True)
class Terms:
    """Everything both parties agree on."""

    client: str
    provider: str
    verifier: str
    arbiter: str
    amount: int
    fee_bps: int
    quorum: int
    accept_by: int
    deliver_by: int
    challenge_period: int
    dispute_timeout: int
    job_hash: bytes
    salt: int

    def tuple(self) -> tuple[str | int | bytes, ...]:
        """In the order of the type string."""
        return (
            *(self.client, self.provider, self.verifier, self.arbiter, self.amount, self.fee_bps, self.quorum),
            *(self.accept_by, self.deliver_by, self.challenge_period, self.dispute_timeout, self.job_hash, self.salt),
        )

    def id(self, domain: Domain) -> bytes:
        """The digest that is the escrow."""
        return domain.digest(TERMS, *self.tuple())

    def check(self, checks: Checks, bounds: Bounds, fee_bps: int, now: int) -> None:
        """What sound terms are."""
        parties = {self.client, self.provider}
        checks.refuse(ZERO in parties, "Escrow_ZeroAddress")
        checks.refuse(len(parties) == 1 or bool({self.verifier, self.arbiter} & parties), "Escrow_SelfDeal")
        checks.refuse(self.amount == 0, "Escrow_AmountZero")
        checks.refuse(self.fee_bps != fee_bps, "Escrow_FeeMismatch", self.fee_bps, fee_bps)
        roles = 2 if self.verifier == ZERO else 3
        checks.refuse(self.quorum > roles, "Escrow_QuorumOutOfRange", self.quorum, roles)
        windows = (
            now < self.accept_by <= now + bounds.max_accept
            and self.accept_by < self.deliver_by <= now + bounds.max_deliver
            and bounds.min_challenge <= self.challenge_period <= bounds.max_challenge
            and self.dispute_timeout <= bounds.max_dispute
        )
        checks.refuse(not windows, "Escrow_InvalidWindow")


@dataclass(slots=True)
class Deal:
    """State of one escrow."""

    id: bytes
    terms: Terms
    status: Status = Status.NONE
    released: int = 0
    refunded: int = 0
    clock: int = 0
    ruling: int = 0
    rated_by_client: bool = False
    rated_by_provider: bool = False
    stake_locked: bool = False
    accepted: bool = False
    bond: int = 0
    dispute_id: int = 0

    @property
    def left(self) -> int:
        """Base units neither released nor refunded."""
        return self.terms.amount - self.released - self.refunded

    @property
    def fee(self) -> int:
        """Fee of all that was released so far."""
        return self.released * self.terms.fee_bps // 10_000

    @property
    def flags(self) -> int:
        """The byte of flags."""
        bits = (self.rated_by_client, self.rated_by_provider, self.stake_locked, self.accepted)
        return sum(1 << place for place, bit in enumerate(bits) if bit)


def selector(signature: str) -> bytes:
    """First four bytes of an error."""
    return keccak(text=signature)[:4]
