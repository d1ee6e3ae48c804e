"""The words for where an intent and a transaction stand."""

from __future__ import annotations

from enum import IntEnum, StrEnum
from typing import Final


class IntentState(StrEnum):
    """What became of a call somebody's signature asked for."""

    QUEUED = "queued"
    SENT = "sent"
    MINED = "mined"
    FINAL = "final"
    FAILED = "failed"
    EXPIRED = "expired"
    CANCELLED = "cancelled"


class Priority(IntEnum):
    """What goes first when keys have less room than there is to send. A near deadline counts as urgent by itself."""

    NORMAL = 0
    URGENT = 10
    """Somebody loses money if it comes late: claims of a pool that is being withdrawn."""


class TxState(StrEnum):
    """What became of one nonce."""

    SIGNED = "signed"
    ACCEPTED = "accepted"
    MINED = "mined"
    FINAL = "final"
    FAILED_ONCHAIN = "failed_onchain"
    SUPERSEDED = "superseded"
    CANCELLED = "cancelled"


ENDED_INTENTS: Final = frozenset({IntentState.FINAL, IntentState.FAILED, IntentState.EXPIRED, IntentState.CANCELLED})
"""Nothing more will happen to these."""
NOT_CARRIED_OUT: Final = frozenset({IntentState.FAILED, IntentState.EXPIRED, IntentState.CANCELLED})
IN_FLIGHT: Final = (TxState.SIGNED.value, TxState.ACCEPTED.value)
UNFINAL: Final = (TxState.SIGNED.value, TxState.ACCEPTED.value, TxState.MINED.value)
