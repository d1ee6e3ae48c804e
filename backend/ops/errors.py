"""Why a relayer key is not taken back into use."""

from __future__ import annotations

from backend.errors import Conflict


class QuarantineChanged(Conflict):
    """The key is quarantined for another reason than the one the operator has looked at."""

    code, title = "quarantine_changed", "The key is quarantined for another reason by now."


class KeyNotSettled(Conflict):
    """Transactions of the key are on their way to finality, or the workers have not taken note of all of them."""

    code, title, retryable = "key_not_settled", "What the chain has of this key is not final yet.", True


class KeyInForeignUse(Conflict):
    """A node holds a transaction of the key that is not ours."""

    code, title, retryable = "key_in_foreign_use", "Somebody else's transaction of this key waits for a block.", True
