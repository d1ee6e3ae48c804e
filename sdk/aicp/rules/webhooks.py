"""The signature of a webhook: whoever holds its secret can tell that a message is ours, whole and fresh.

The header is `t=<unix seconds>,v1=<hex>`, the hex an HMAC-SHA256 of `<t>.<body>` under the secret's text in UTF-8.
Further `v1` parts and parts of other names may follow; one `v1` that fits is enough.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Final

HEADER: Final = "AICP-Signature"
ID_HEADER: Final = "AICP-Dispatch"
TOLERANCE_SECONDS: Final = 300


class WebhookError(ValueError):
    """A message that is not ours, was changed, or is too old."""


def _mac(secret: str, at: int, body: bytes) -> str:
    return hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()


def signature(secret: str, at: int, body: bytes) -> str:
    """Return the header's value for a body sent at `at` unix seconds."""
    return f"t={at},v1={_mac(secret, at, body)}"


def verify(secret: str, header: str, body: bytes, now: int, tolerance_seconds: int = TOLERANCE_SECONDS) -> int:
    """Return when the message was sent, in unix seconds. Raises WebhookError unless it is ours and fresh."""
    parts = [part.strip().partition("=") for part in header.split(",")]
    times = [value for name, _, value in parts if name == "t"]
    if len(times) != 1 or not (times[0].isascii() and times[0].isdigit() and len(times[0]) <= 12):
        raise WebhookError("the signature header names no time")
    at = int(times[0])
    wanted = _mac(secret, at, body).encode()
    given = [value.encode() for name, _, value in parts if name == "v1"]
    if not any(hmac.compare_digest(wanted, value) for value in given):
        raise WebhookError("the signature does not fit")
    if abs(now - at) > tolerance_seconds:
        raise WebhookError("the message is too old, or from the future")
    return at
