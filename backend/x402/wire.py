"""Headers of x402 version 2: base64 of JSON. Whatever arrives, reading it gives a message or a typed refusal."""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any, Final, TypeVar

from pydantic import ValidationError

from aicp.abi.typed_data import ChannelConfig
from backend.x402.reasons import PaymentMalformed, Reason, Refused
from backend.x402.schemas import (
    VERSION,
    ClaimPayload,
    Config,
    DepositPayload,
    ExactPayload,
    PaymentPayload,
    RefundPayload,
    SettlePayload,
    VoucherPayload,
    Wire,
)

PAYMENT_SIGNATURE: Final = "PAYMENT-SIGNATURE"
PAYMENT_REQUIRED: Final = "PAYMENT-REQUIRED"
PAYMENT_RESPONSE: Final = "PAYMENT-RESPONSE"
CHANNEL_SCHEME: Final = "batch-settlement"
EXACT_SCHEME: Final = "exact"
MAX_HEADER: Final = 64 * 1024
W = TypeVar("W", bound=Wire)

ChannelPayload = VoucherPayload | DepositPayload | RefundPayload | ClaimPayload | SettlePayload
_TYPES: Final[dict[str, type[ChannelPayload]]] = {
    "voucher": VoucherPayload,
    "deposit": DepositPayload,
    "refund": RefundPayload,
    "claim": ClaimPayload,
    "settle": SettlePayload,
}


def encode(document: dict[str, Any]) -> str:
    """Return a document as a header value."""
    return base64.b64encode(json.dumps(document, separators=(",", ":"), sort_keys=True).encode()).decode()


def decode(value: str) -> dict[str, Any]:
    """Return the document in a header value. Raises PaymentMalformed."""
    if len(value) > MAX_HEADER:
        raise PaymentMalformed("The header is too long.")
    try:
        document = json.loads(base64.b64decode(value, validate=True))
    except (binascii.Error, ValueError, RecursionError) as error:
        raise PaymentMalformed("The header is not base64 of JSON.") from error
    if not isinstance(document, dict):
        raise PaymentMalformed("The header holds no JSON object.")
    return document


def complaint(error: ValidationError) -> str:
    """Return the first thing wrong with a message, in words that name its place and never quote its content."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    place = ".".join(str(part) for part in first["loc"]) or "message"
    return f"{place}: {first['msg']}"


def read_payment(value: str) -> PaymentPayload:
    """Return the payment in a PAYMENT-SIGNATURE header. Raises PaymentMalformed."""
    document = decode(value)
    if document.get("x402Version") != VERSION:
        raise PaymentMalformed("Only version 2 of x402 is spoken here.", reason=Reason.VERSION.value)
    try:
        return PaymentPayload.model_validate(document)
    except (ValidationError, RecursionError) as error:
        text = complaint(error) if isinstance(error, ValidationError) else "too deep"
        raise PaymentMalformed(f"The payment does not read: {text}.") from error


def read_channel_payload(payload: dict[str, Any]) -> ChannelPayload:
    """Return the typed payload of `batch-settlement`. Raises Refused."""
    kind = payload.get("type")
    model = _TYPES.get(kind) if isinstance(kind, str) else None
    if model is None:
        raise Refused(Reason.TYPE, "The payload's type is unknown.")
    return _validated(model, payload)


def read_exact_payload(payload: dict[str, Any]) -> ExactPayload:
    """Return the typed payload of `exact` by ERC-3009. Raises Refused."""
    if "permit2Authorization" in payload:
        raise Refused(Reason.PAYLOAD, "Payments by Permit2 are not taken here; use ERC-3009.")
    return _validated(ExactPayload, payload)


def _validated(model: type[W], payload: dict[str, Any]) -> W:
    try:
        return model.model_validate(payload)
    except ValidationError as error:
        raise Refused(Reason.PAYLOAD, f"The payload does not read: {complaint(error)}.") from error


def config_of(config: Config) -> ChannelConfig:
    """Return the contract's struct."""
    return ChannelConfig(
        payer=config.payer,
        payer_authorizer=config.payer_authorizer,
        receiver=config.receiver,
        receiver_authorizer=config.receiver_authorizer,
        token=config.token,
        withdraw_delay=config.withdraw_delay,
        salt=config.salt,
    )
