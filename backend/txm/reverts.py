"""The name and arguments of a revert, over all contracts we call."""

from __future__ import annotations

from typing import Final

from aicp.abi import arbiter, escrow, payment_channel, reputation, usdc
from aicp.abi.runtime import BUILTIN_ERRORS, DecodeError, RevertReason, decode_error_from
from backend.txm.rpc import NodeError

_ERRORS: Final = {
    **usdc.ERRORS, **arbiter.ERRORS, **payment_channel.ERRORS, **reputation.ERRORS, **escrow.ERRORS, **BUILTIN_ERRORS,
}  # fmt: skip


def explain(error: NodeError) -> tuple[str, str]:
    """Return a stable code and a sentence for a revert: the contract's error name, or `reverted`."""
    try:
        decoded = decode_error_from(_ERRORS, error.data)
    except DecodeError:
        decoded = None
    if decoded is None:
        return "reverted", error.message
    if isinstance(decoded, RevertReason):
        return "reverted", decoded.reason
    return decoded.name, str(decoded)
