"""The relayer keys, nodes and alarms as operators see them."""

from __future__ import annotations

from pydantic import Field

from backend.alarms.schemas import OperatorAlarmOut
from backend.api.types import AddressText, Model, UtcTime


class KeyOut(Model):
    """A relayer key. Balances in wei, as decimal strings."""

    address: AddressText
    next_nonce: int
    in_flight: int
    """Transactions without a receipt; at most 16 are sent at a time."""
    oldest_nonce: int | None
    """The lowest nonce without a receipt; null where there is none."""
    balance_wei: str | None
    balance_at: UtcTime | None
    quarantined_reason: str | None


class LiftIn(Model):
    """An operator's word that he has looked at why a key is quarantined."""

    reason: str = Field(min_length=1, max_length=500)
    """The key's `quarantined_reason` as he has read it; another one by now is refused."""


class OperatorNodeOut(Model):
    """A node as the workers found it lately."""

    name: str
    answers: bool
    failures: int
    last_error: str | None
    updated_at: UtcTime


class KeysReportOut(Model):
    """Everything that sends, and the alarms that are open or were lately."""

    keys: list[KeyOut]
    nodes: list[OperatorNodeOut]
    alarms: list[OperatorAlarmOut]
    queued: int
    """Intents that wait for a key."""
