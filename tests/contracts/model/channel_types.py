"""Configs, messages and rows of the payment channel, as `IPaymentChannel.sol` and `ChannelTypes.sol` write them."""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.contracts.model.typed import Domain, Sig, struct_hash

CONFIG = (
    "ChannelConfig(address payer,address payerAuthorizer,address receiver,address receiverAuthorizer,address token,"
    "uint40 withdrawDelay,bytes32 salt)"
)
ENTRY = "ClaimEntry(bytes32 channelId,uint128 maxClaimableAmount,uint128 totalClaimed)"
BATCH = f"ClaimBatch(ClaimEntry[] claims){ENTRY}"
VOUCHER = "Voucher(bytes32 channelId,uint128 maxClaimableAmount)"
REFUND = "Refund(bytes32 channelId,uint256 nonce,uint128 amount)"
POOL_KEY = "PoolKey(address payer,address payerAuthorizer,address operator)"
POOL_WITHDRAW = "PoolWithdraw(bytes32 poolId,uint96 amount,bool cancel,uint24 nonce,uint40 validUntil)"
POOL_RELEASE = "PoolRelease(bytes32 poolId,uint24 nonce,uint40 validUntil)"
SHORTEST, LONGEST = 15 * 60, 30 * 86_400
POOL_DELAY, RELEASE_DELAY = 86_400, 15 * 60
STALE, ABOVE_CEILING, BAD_SIGNATURE, INSUFFICIENT, BAD_CHANNEL, TRAILING = range(1, 7)

PoolKey = tuple[str, str, str]
Entry = tuple[bytes, int, int]


@dataclass(frozen=True, slots=True)
class Config:
    """A channel."""

    payer: str
    authorizer: str
    receiver: str
    receiver_authorizer: str
    token: str
    delay: int
    salt: bytes

    def tuple(self) -> tuple[str | int | bytes, ...]:
        """In the order of the type string."""
        return (
            *(self.payer, self.authorizer, self.receiver, self.receiver_authorizer),
            *(self.token, self.delay, self.salt),
        )

    def id(self, domain: Domain) -> bytes:
        """Its id."""
        return domain.digest(CONFIG, *self.tuple())

    @property
    def signer(self) -> str:
        """Whose vouchers count."""
        return self.payer if int(self.authorizer, 16) == 0 else self.authorizer

    @property
    def pool(self) -> PoolKey:
        """The pool its receiver authorizer may draw from."""
        return self.payer, self.authorizer, self.receiver_authorizer


@dataclass(frozen=True, slots=True)
class Claim:
    """A voucher with what was earned under it."""

    config: Config
    ceiling: int
    sig: Sig
    total: int

    def tuple(self) -> tuple[object, ...]:
        """As `claim` takes it."""
        return ((self.config, self.ceiling), self.sig, self.total)

    def entry(self, domain: Domain) -> Entry:
        """What a receiver authorizer signs about it."""
        return self.config.id(domain), self.ceiling, self.total


@dataclass(frozen=True, slots=True)
class Rows:
    """A group of `claimBatch`: rows of one payer, and perhaps bytes that are no row."""

    payer: str
    authorizer: str
    delay: int
    salt: bytes
    claims: tuple[Claim, ...]
    tail: bytes = b""

    def tuple(self) -> tuple[object, ...]:
        """In packed form."""
        packed = b"".join(
            bytes.fromhex(claim.config.receiver[2:]) + claim.total.to_bytes(12, "big")
            + claim.ceiling.to_bytes(12, "big") + compact(claim.sig.raw)
            for claim in self.claims
        )  # fmt: skip
        return self.payer, self.authorizer, self.delay, self.salt, packed + self.tail


def compact(raw: bytes) -> bytes:
    """EIP-2098 form of r, s, v."""
    parity = (raw[64] - 27) << 7
    return raw[:32] + bytes([raw[32] | parity]) + raw[33:64]


def batch_digest(domain: Domain, entries: list[Entry]) -> bytes:
    """What a receiver authorizer signs over claims in order."""
    return domain.digest(BATCH, [struct_hash(ENTRY, *entry) for entry in entries])


@dataclass(slots=True)
class ChannelDeal:
    """State of one channel."""

    config: Config
    balance: int = 0
    claimed: int = 0
    asked: int = 0
    asked_at: int = 0
    refund_nonce: int = 0

    @property
    def free(self) -> int:
        """Base units not claimed."""
        return self.balance - self.claimed


@dataclass(slots=True)
class PoolDeal:
    """State of one pool."""

    balance: int = 0
    asked: int = 0
    finalize_at: int = 0
    nonce: int = 0


@dataclass(slots=True)
class Receiver:
    """Totals of one receiver."""

    claimed: int = 0
    settled: int = 0


@dataclass(slots=True)
class Book:
    """Everything the contract stores."""

    channels: dict[bytes, ChannelDeal] = field(default_factory=dict)
    pools: dict[PoolKey, PoolDeal] = field(default_factory=dict)
    receivers: dict[str, Receiver] = field(default_factory=dict)
