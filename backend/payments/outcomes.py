"""What becomes of a voucher: taken, or refused for one stated reason.

Shared by the process that takes vouchers at speed and by the API, so that a refusal has the same code, status and
words wherever it is told.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

import msgspec


class Code(StrEnum):
    """Why a voucher is refused; stable, for programs."""

    MALFORMED = "voucher_malformed"
    HIGH_S = "voucher_high_s"
    BAD_V = "voucher_bad_v"
    WRONG_SIGNER = "voucher_wrong_signer"
    STALE = "voucher_stale"
    DIFFERS = "voucher_differs"
    ABOVE_POOL = "voucher_above_pool"
    CHANNEL_UNKNOWN = "channel_unknown"
    NOT_BARE = "channel_not_bare"
    POOL_UNKNOWN = "pool_unknown"
    POOL_CLOSING = "pool_closing"
    CHAIN_BEHIND = "chain_behind"
    SESSION_KEY_CAP = "session_key_cap"
    OPERATOR_RETIRED = "operator_retired"
    OVERLOADED = "overloaded"
    UNAVAILABLE = "unavailable"


STATUS: Final[dict[Code, int]] = {
    Code.MALFORMED: 422,
    Code.HIGH_S: 400,
    Code.BAD_V: 400,
    Code.WRONG_SIGNER: 400,
    Code.STALE: 409,
    Code.DIFFERS: 409,
    Code.ABOVE_POOL: 402,
    Code.CHANNEL_UNKNOWN: 404,
    Code.NOT_BARE: 409,
    Code.POOL_UNKNOWN: 404,
    Code.POOL_CLOSING: 409,
    Code.CHAIN_BEHIND: 503,
    Code.SESSION_KEY_CAP: 403,
    Code.OPERATOR_RETIRED: 409,
    Code.OVERLOADED: 503,
    Code.UNAVAILABLE: 503,
}
TITLE: Final[dict[Code, str]] = {
    Code.MALFORMED: "This is not a voucher: a channel, a ceiling above zero and a signature of 65 bytes.",
    Code.HIGH_S: "The signature's s is in the upper half of the order; the contract takes the lower one only.",
    Code.BAD_V: "The signature's v is neither 27 nor 28.",
    Code.WRONG_SIGNER: "The signature is not by the key that signs this channel's vouchers, or of another message.",
    Code.STALE: "A higher voucher of this channel is stored.",
    Code.DIFFERS: "Another signature over this ceiling is stored.",
    Code.ABOVE_POOL: "The pool does not cover this payment.",
    Code.CHANNEL_UNKNOWN: "This channel has had no payment yet; name its payer, session key, receiver and operator.",
    Code.NOT_BARE: "Vouchers of this channel pay for charges of the gateway and are sent there.",
    Code.POOL_UNKNOWN: "The chain knows no such pool, or nothing of it is final.",
    Code.POOL_CLOSING: "A withdrawal from this pool is pending; it takes no new payments.",
    Code.CHAIN_BEHIND: "The newest final block is too old for this.",
    Code.SESSION_KEY_CAP: "The session key has spent all it may in a day.",
    Code.OPERATOR_RETIRED: "The operator of this pool no longer serves here.",
    Code.OVERLOADED: "More payments are waiting than are taken; try again.",
    Code.UNAVAILABLE: "Whether this payment was stored is not known; send the same voucher again.",
}
RETRYABLE: Final = frozenset({Code.CHAIN_BEHIND, Code.OVERLOADED, Code.UNAVAILABLE})


class Accepted(msgspec.Struct, frozen=True, gc=False):
    """A stored voucher, in base units. `repeated` is true where it was stored before and nothing has moved now."""

    channel_id: str
    ceiling_units: int
    price_units: int
    repeated: bool


@dataclass(frozen=True, slots=True)
class Refused:
    """A voucher nothing was stored for. `extra` is JSON-ready."""

    code: Code
    extra: dict[str, Any] = field(default_factory=dict)

    def body(self) -> dict[str, Any]:
        """Return the RFC 9457 document."""
        return {
            "type": f"/docs/problems#{self.code.value}",
            "title": TITLE[self.code],
            "status": STATUS[self.code],
            "code": self.code.value,
            "detail": TITLE[self.code],
            "retryable": self.code in RETRYABLE,
            **self.extra,
        }


Outcome = Accepted | Refused
