"""Extension `payment-identifier`: the caller names its payment, so that asking again never pays again."""

from __future__ import annotations

import re
from typing import Any, Final

from backend.x402.reasons import PaymentIdRequired, PaymentMalformed
from backend.x402.schemas import PaymentPayload

NAME: Final = "payment-identifier"
_ID: Final = re.compile(r"[A-Za-z0-9_-]{16,128}")


def declare(*, required: bool) -> dict[str, Any]:
    """Return the extension as an offer carries it."""
    return {
        NAME: {
            "info": {"required": required},
            "schema": {
                "$schema": "https://json-schema.org/draft/2020-12/schema",
                "type": "object",
                "properties": {
                    "required": {"type": "boolean"},
                    "id": {"type": "string", "minLength": 16, "maxLength": 128, "pattern": "^[a-zA-Z0-9_-]+$"},
                },
                "required": ["required"],
            },
        }
    }


def read(payment: PaymentPayload, *, required: bool) -> str | None:
    """Return the payment's identifier, None without one. Raises PaymentMalformed, PaymentIdRequired."""
    declared = (payment.extensions or {}).get(NAME)
    info = declared.get("info") if isinstance(declared, dict) else None
    given = info.get("id") if isinstance(info, dict) else None
    if given is None:
        if required:
            raise PaymentIdRequired(what_to_do=f"Put an id of 16 to 128 characters into extensions.{NAME}.info.id.")
        return None
    if not isinstance(given, str) or not _ID.fullmatch(given):
        raise PaymentMalformed("A payment identifier has 16 to 128 letters, digits, hyphens and underscores.")
    return given
