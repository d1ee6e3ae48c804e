"""An endless stream of the contracts' events that follow from each other, as a busy marketplace makes them.

One round is twenty events of eight transactions: the whole life of an escrow (funded, accepted, work submitted,
released and closed, withdrawn) and a pool's deposit, one batch of claims that makes two channels, pays them eight times
and draws on the pool, and the settlement.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, Final

from aicp.abi.typed_data import ChannelConfig, Domain
from aicp.rules.ids import channel_id, pool_id, pool_key
from aicp.rules.primitives import ZERO_ADDRESS, keccak

ROUND: Final = 20
"""Events of one round."""

_FEE_BPS: Final = 250
_AMOUNT: Final = 25_000_000
_CLAIM: Final = 1_500_000


@dataclass(frozen=True, slots=True)
class Event:
    """A log without its place."""

    contract: str
    topics: tuple[bytes, ...]
    data: bytes


def first_events(fee_recipient: bytes) -> list[Event]:
    """Return what a deployment itself says: who gets fees."""
    escrow = _Encoder("Escrow")
    return [escrow("FeeChanged", _FEE_BPS), escrow("FeeRecipientChanged", fee_recipient)]


def rounds(domain: Domain, accounts: int = 1_000) -> Iterator[list[list[Event]]]:
    """Yield round after round, each as its transactions; parties are drawn in turn from `accounts` of each kind."""
    escrow, channel = _Encoder("Escrow"), _Encoder("PaymentChannel")
    number = 0
    while True:
        buyer, agent, other = (_account(kind, number % accounts) for kind in ("buyer", "agent", "other"))
        yield [*_deal(escrow, number, buyer, agent), *_pool(channel, domain, number, (buyer, agent, other))]
        number += 1


def _deal(encode: _Encoder, number: int, buyer: bytes, agent: bytes) -> list[list[Event]]:
    terms = (
        buyer, agent, ZERO_ADDRESS, ZERO_ADDRESS, _AMOUNT, _FEE_BPS, 0, 2_000_000_000, 2_000_000_000, 3_600, 86_400,
        _hash("job", number), number,
    )  # fmt: skip
    escrow_id, fee = _hash("escrow", number), _AMOUNT * _FEE_BPS // 10_000
    return [
        [encode("EscrowFunded", escrow_id, buyer, agent, terms)],
        [encode("EscrowAccepted", escrow_id, _AMOUNT // 5)],
        [encode("WorkSubmitted", escrow_id, _hash("work", number), 2_000_000_000)],
        [encode("EscrowReleased", escrow_id, _AMOUNT, fee), encode("EscrowClosed", escrow_id)],
        [encode("Withdrawn", agent, agent, _AMOUNT - fee)],
    ]


def _pool(encode: _Encoder, domain: Domain, number: int, parties: tuple[bytes, bytes, bytes]) -> list[list[Event]]:
    buyer, agent, other = parties
    authorizer, operator = _account("session", number), _account("operator", 0)
    pool = pool_id(pool_key(buyer, authorizer, operator), domain)
    deposit = encode("PoolDeposited", pool, buyer, authorizer, operator, 8 * _CLAIM, 8 * _CLAIM)
    found: list[Event] = []
    for receiver in (agent, other):
        config = (buyer, authorizer, receiver, operator, _account("token", 0), 86_400, _hash("salt", number))
        channel = channel_id(ChannelConfig(*config), domain)
        found.append(encode("ChannelCreated", channel, config))
        found += [encode("Claimed", channel, operator, _CLAIM, claim * _CLAIM) for claim in range(1, 5)]
        found.append(encode("PoolDrawn", pool, 4 * _CLAIM))
    return [[deposit], found, [encode("Settled", agent, _account("token", 0), operator, 4 * _CLAIM)]]


class _Encoder:
    """Turns names and values into topics and data; every type here is static, one word a value."""

    def __init__(self, name: str) -> None:
        artifact = json.loads(files("aicp.abi").joinpath("artifacts", f"{name}.json").read_text(encoding="utf-8"))
        self._contract = name
        self._events = {entry["name"]: _shape(entry) for entry in artifact["abi"] if entry["type"] == "event"}

    def __call__(self, name: str, *values: Any) -> Event:
        topic, indexed = self._events[name]
        topics, data = [topic], list[bytes]()
        for value, is_topic in zip(values, indexed, strict=True):
            if is_topic:
                topics.append(_word(value))
            else:
                data.extend(map(_word, value) if isinstance(value, tuple) else (_word(value),))
        return Event(self._contract, tuple(topics), b"".join(data))


def _shape(entry: dict[str, Any]) -> tuple[bytes, tuple[bool, ...]]:
    signature = f"{entry['name']}({','.join(map(_type, entry['inputs']))})"
    return keccak(signature.encode()), tuple(item["indexed"] for item in entry["inputs"])


def _type(item: dict[str, Any]) -> str:
    if item["type"].startswith("tuple"):
        return f"({','.join(map(_type, item['components']))}){item['type'].removeprefix('tuple')}"
    return str(item["type"])


def _word(value: int | bytes) -> bytes:
    if isinstance(value, int):
        return value.to_bytes(32, "big")
    return value.rjust(32, b"\0") if len(value) == 20 else value


def _hash(kind: str, number: int) -> bytes:
    return keccak(f"{kind} {number}".encode())


def _account(kind: str, number: int) -> bytes:
    return _hash(kind, number)[12:]
