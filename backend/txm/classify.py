"""What a node's answer to a broadcast or a call means, by what to do about it.

The order matters: a revert text is chosen by a contract and may contain any other wording, so it is matched first;
"unknown transaction type" contains "known transaction", so what the wrong node says comes next.
Wordings are those of geth, bor, erigon, nethermind and anvil.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from backend.txm.rpc import NodeError, NodeUnreachable, WrongChain


class SendOutcome(StrEnum):
    """Accepted and known are success; unknown and wrong node say nothing about the transaction.

    Wrong node: it has another chain or other rules than ours, for it cannot read what we sign.
    """

    ACCEPTED = "accepted"
    REVERTED = "reverted"
    KNOWN = "known"
    NONCE_TOO_LOW = "nonce_too_low"
    INSUFFICIENT_FUNDS = "insufficient_funds"
    UNDERPRICED = "underpriced"
    WRONG_NODE = "wrong_node"
    REJECTED = "rejected"
    UNKNOWN = "unknown"


_WORDINGS: Final[tuple[tuple[SendOutcome, tuple[str, ...]], ...]] = (
    (SendOutcome.REVERTED, ("execution reverted", "revert", "vm exception")),
    (
        SendOutcome.WRONG_NODE,
        (
            "invalid chain id",
            "invalid chainid",
            "invalidtxchainid",
            "incorrect chain id",
            "wrong chain id",
            "chain id mismatch",
            "invalid sender",
            "invalid transaction v, r, s",
            "unknown transaction type",
            "transaction type not supported",
            "unsupported transaction type",
        ),
    ),
    (
        SendOutcome.KNOWN,
        ("already known", "already imported", "known transaction", "alreadyknown", "transaction already exists"),
    ),
    (SendOutcome.NONCE_TOO_LOW, ("nonce too low", "nonce is too low", "old nonce", "oldnonce", "invalid nonce")),
    (
        SendOutcome.INSUFFICIENT_FUNDS,
        ("insufficient funds", "insufficient balance", "insufficientfunds", "doesn't have enough funds"),
    ),
    (
        SendOutcome.UNDERPRICED,
        (
            "underpriced",
            "fee too low",
            "feetoolow",
            "max fee per gas less than block base fee",
            "could not replace existing",
            "replacement transaction",
        ),
    ),
    (
        SendOutcome.REJECTED,
        (
            "exceeds block gas limit",
            "intrinsic gas too low",
            "intrinsic gas too high",
            "gas limit too high",
            "oversized data",
            "max initcode size exceeded",
            "exceeds the configured cap",
            "tip higher than fee cap",
            "max priority fee per gas higher than max fee per gas",
        ),
    ),
)  # fmt: skip
GETH_REVERT_CODE: Final = 3


def classify(error: NodeError | NodeUnreachable | None) -> SendOutcome:
    """Return what the answer of one node to a broadcast means."""
    if error is None:
        return SendOutcome.ACCEPTED
    if isinstance(error, WrongChain):
        return SendOutcome.WRONG_NODE
    if isinstance(error, NodeUnreachable):
        return SendOutcome.UNKNOWN
    if error.code == GETH_REVERT_CODE:
        return SendOutcome.REVERTED
    text = error.message.lower()
    for outcome, wordings in _WORDINGS:
        if any(wording in text for wording in wordings):
            return outcome
    return SendOutcome.UNKNOWN


_BEST: Final = (
    SendOutcome.ACCEPTED,
    SendOutcome.KNOWN,
    SendOutcome.NONCE_TOO_LOW,
    SendOutcome.UNDERPRICED,
    SendOutcome.INSUFFICIENT_FUNDS,
    SendOutcome.UNKNOWN,
    SendOutcome.WRONG_NODE,
    SendOutcome.REVERTED,
    SendOutcome.REJECTED,
)


def combined(outcomes: list[SendOutcome]) -> SendOutcome:
    """Return the meaning over all nodes: one acceptance is acceptance, a rejection counts only if all reject."""
    return min(outcomes, key=_BEST.index, default=SendOutcome.UNKNOWN)


_REFUSALS: Final = frozenset(
    {SendOutcome.REJECTED, SendOutcome.INSUFFICIENT_FUNDS, SendOutcome.UNDERPRICED, SendOutcome.WRONG_NODE}
)


def refused_by_all(outcomes: list[SendOutcome]) -> bool:
    """Return whether no node can have kept the bytes it was sent."""
    return _REFUSALS.issuperset(outcomes)


def is_revert(error: NodeError) -> bool:
    """Return whether a call failed by revert, and not because the node would not run it."""
    return classify(error) is SendOutcome.REVERTED or bool(error.data)


def is_out_of_gas(error: NodeError) -> bool:
    """Return whether a call with a limit of its own needed more gas than that."""
    text = error.message.lower().replace(" ", "")
    return not is_revert(error) and any(
        word in text for word in ("outofgas", "gasrequiredexceeds", "intrinsicgastoolow", "callgascosttoohigh")
    )
