"""RFC 8785 JSON: one byte string per document, the same in every language, so that a hash commits to it."""

from __future__ import annotations

from typing import Any

import rfc8785

from aicp.rules.primitives import keccak


def canonical_json(document: Any) -> bytes:
    """Return the RFC 8785 bytes of a JSON value.

    Raises ValueError for what has no canonical form: integers beyond 2**53 - 1, NaN, lone surrogates, other types.
    """
    try:
        return bytes(rfc8785.dumps(document))
    except (rfc8785.CanonicalizationError, UnicodeEncodeError) as error:
        raise ValueError(f"the document has no canonical form: {error}") from error


def document_hash(document: Any) -> bytes:
    """Return keccak256 of the canonical JSON."""
    return keccak(canonical_json(document))
