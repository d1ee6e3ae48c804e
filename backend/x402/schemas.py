"""x402 version 2 on the wire: camel case, amounts as decimal strings, addresses and hashes as 0x-hex.

Unknown members are ignored, as the specification asks; what is missing or of another shape is a typed refusal.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer
from pydantic.alias_generators import to_camel

from aicp.rules.primitives import checksum, hex0x, parse_bytes, parse_hash
from backend.api.types import MAX_SIGNATURE_BYTES

VERSION: Final = 2
UINT256: Final = 2**256
UINT128: Final = 2**128
UINT40: Final = 2**40
MAX_CLAIMS: Final = 200
"""Rows of a claim we relay in one transaction."""


def _address(value: object) -> object:
    """Read an address however it is spelled; clients do not all keep the checksum."""
    if isinstance(value, str):
        found = bytes.fromhex(value[2:]) if len(value) == 42 and value.startswith("0x") else b""
        if len(found) != 20:  # spaces between digits are passed over
            raise ValueError("not an address")
        return found
    return value


def _hash(value: object) -> object:
    return parse_hash(value) if isinstance(value, str) else value


def _bytes(value: object) -> object:
    if isinstance(value, str):
        if len(value) > 2 + 2 * MAX_SIGNATURE_BYTES:
            raise ValueError("too long")
        return parse_bytes(value)
    return value


def _number(value: object) -> object:
    if isinstance(value, bool | float):
        raise ValueError("a decimal string")  # noqa: TRY004  # what pydantic collects
    if isinstance(value, str):
        if not value.isascii() or not value.isdigit() or len(value) > 78:
            raise ValueError("a decimal string")
        return int(value)
    return value


def _salt(value: object) -> object:
    """Read 32 bytes given as hex of any length or as a decimal string."""
    if isinstance(value, str) and not value.startswith("0x"):
        number = _number(value)
        return number.to_bytes(32, "big") if isinstance(number, int) and number < UINT256 else value
    if isinstance(value, str) and len(value) <= 66:
        return bytes.fromhex(value[2:].rjust(64, "0"))
    return value


Address = Annotated[bytes, BeforeValidator(_address), PlainSerializer(checksum, return_type=str)]
Hash = Annotated[bytes, BeforeValidator(_hash), PlainSerializer(hex0x, return_type=str)]
Salt = Annotated[bytes, BeforeValidator(_salt), Field(min_length=32, max_length=32), PlainSerializer(hex0x)]
Signature = Annotated[bytes, BeforeValidator(_bytes), PlainSerializer(hex0x, return_type=str)]
Amount = Annotated[int, BeforeValidator(_number), Field(ge=0, lt=UINT256), PlainSerializer(str, return_type=str)]
Units = Annotated[int, BeforeValidator(_number), Field(ge=0, lt=UINT128), PlainSerializer(str, return_type=str)]
Seconds = Annotated[int, BeforeValidator(_number), Field(ge=0, lt=UINT40)]
SecondsText = Annotated[int, BeforeValidator(_number), Field(ge=0, lt=UINT256), PlainSerializer(str, return_type=str)]
Text = Annotated[str, Field(max_length=2048)]


class Wire(BaseModel):
    """Base of all messages."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, frozen=True, extra="ignore")

    def wire(self) -> dict[str, Any]:
        """Return the message as JSON has it, without what is not there."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


class ResourceInfo(Wire):
    """What is paid for."""

    url: Text
    description: Text | None = None
    mime_type: Text | None = None


class Requirements(Wire):
    """One way to pay."""

    scheme: Annotated[str, Field(max_length=64)]
    network: Annotated[str, Field(max_length=64)]
    amount: Amount
    asset: Address
    pay_to: Address
    max_timeout_seconds: Annotated[int, Field(ge=0, lt=UINT40)]
    extra: dict[str, Any] = Field(default_factory=dict)


class PaymentRequired(Wire):
    """The offer that comes with status 402."""

    x402_version: Literal[2] = 2
    error: str | None = None
    resource: ResourceInfo
    accepts: list[Requirements]
    extensions: dict[str, Any] | None = None


class PaymentPayload(Wire):
    """What a client sends: the way it chose, and the signed message of that way."""

    x402_version: int
    resource: ResourceInfo | None = None
    accepted: Requirements
    payload: dict[str, Any]
    extensions: dict[str, Any] | None = None


class Config(Wire):
    """A channel's config; its EIP-712 digest is the channel's id."""

    payer: Address
    payer_authorizer: Address
    receiver: Address
    receiver_authorizer: Address
    token: Address
    withdraw_delay: Seconds
    salt: Hash


class VoucherFields(Wire):
    """A signed cumulative ceiling."""

    channel_id: Hash
    max_claimable_amount: Units
    signature: Signature


class Erc3009(Wire):
    """The token authorization of a deposit; `to`, `value` and nonce follow from the channel."""

    valid_after: SecondsText
    valid_before: SecondsText
    salt: Salt
    signature: Signature


class DepositAuthorization(Wire):
    """How the tokens of a deposit move. Only ERC-3009 is taken here."""

    erc3009_authorization: Annotated[Erc3009 | None, Field(alias="erc3009Authorization")] = None


class DepositFields(Wire):
    """How much goes into the channel."""

    amount: Units
    authorization: DepositAuthorization


class VoucherPayload(Wire):
    """A payment by voucher."""

    type: Literal["voucher"]
    channel_config: Config
    voucher: VoucherFields


class DepositPayload(Wire):
    """A payment by voucher with a deposit before it."""

    type: Literal["deposit"]
    channel_config: Config
    voucher: VoucherFields
    deposit: DepositFields


class ClaimVoucher(Wire):
    """The voucher inside a claim."""

    channel: Config
    max_claimable_amount: Units


class Claim(Wire):
    """One row of a claim: a voucher, and how much of it is earned."""

    voucher: ClaimVoucher
    signature: Signature
    total_claimed: Units


class RefundPayload(Wire):
    """A wish for unclaimed money back; a server adds the rest before it asks a facilitator."""

    type: Literal["refund"]
    channel_config: Config
    voucher: VoucherFields
    amount: Units | None = None
    refund_nonce: Amount | None = None
    claims: Annotated[list[Claim], Field(max_length=MAX_CLAIMS)] | None = None
    refund_authorizer_signature: Signature | None = None
    claim_authorizer_signature: Signature | None = None


class ClaimPayload(Wire):
    """Claims a server wants on chain."""

    type: Literal["claim"]
    claims: Annotated[list[Claim], Field(min_length=1, max_length=MAX_CLAIMS)]
    claim_authorizer_signature: Signature | None = None


class SettlePayload(Wire):
    """Pay a receiver what was claimed for it."""

    type: Literal["settle"]
    receiver: Address
    token: Address


class ExactAuthorization(Wire):
    """`TransferWithAuthorization` of the token."""

    from_: Annotated[Address, Field(alias="from")]
    to: Address
    value: Amount
    valid_after: SecondsText
    valid_before: SecondsText
    nonce: Hash


class ExactPayload(Wire):
    """A payment by one signed transfer."""

    signature: Signature
    authorization: ExactAuthorization


class FacilitatorIn(Wire):
    """Body of `/verify` and `/settle`."""

    x402_version: int = VERSION
    payment_payload: PaymentPayload
    payment_requirements: Requirements


class VerifyOut(Wire):
    """Answer of `/verify`."""

    is_valid: bool
    invalid_reason: str | None = None
    invalid_message: str | None = None
    payer: Address | None = None
    extra: dict[str, Any] | None = None


class SettleOut(Wire):
    """Answer of `/settle`, and of a paid request in PAYMENT-RESPONSE. `transaction` is empty where none was sent."""

    success: bool
    error_reason: str | None = None
    error_message: str | None = None
    payer: Address | None = None
    transaction: str = ""
    network: str
    amount: str | None = None
    extra: dict[str, Any] | None = None


class SupportedKind(Wire):
    """A scheme on a network this facilitator serves."""

    x402_version: Literal[2] = 2
    scheme: str
    network: str
    extra: dict[str, Any] | None = None


class SupportedOut(Wire):
    """What this facilitator serves."""

    kinds: list[SupportedKind]
    extensions: list[str]
    signers: dict[str, list[str]]


class DiscoveredOut(Wire):
    """One paid resource."""

    resource: str
    type: Literal["http"] = "http"
    x402_version: Literal[2] = 2
    accepts: list[Requirements]
    last_updated: str
    metadata: dict[str, Any]


class PaginationOut(Wire):
    """Where a page of resources begins, and how many there are."""

    limit: int
    offset: int
    total: int


class DiscoveryOut(Wire):
    """A page of paid resources."""

    x402_version: Literal[2] = 2
    items: list[DiscoveredOut]
    pagination: PaginationOut
