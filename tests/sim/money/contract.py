"""The money contracts in this process: state that can be copied, calls by their ABI, events, reverts, gas.

The rules are those of `tests/contracts/model`, which are compared with the deployed contracts elsewhere. Signatures are
recovered here and digests are made from the standard's text, so the chain of these stories owes nothing to the code
under test.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any, Final

import eth_abi
from coincurve import PublicKey

from aicp.rules.primitives import keccak
from tests.contracts.model.channel_model import CollectorData
from tests.contracts.model.channel_types import Book, Claim, Config, Rows
from tests.contracts.model.node import Event as ModelEvent
from tests.contracts.model.outcome import OneOf, Refused, Tx
from tests.contracts.model.pool_model import PooledChannelModel
from tests.contracts.model.token_model import TokenModel
from tests.contracts.model.typed import ORDER, Domain, Sig
from tests.sim.chain import Emitted
from tests.sim.events import Event, encode
from tests.sim.turn import ADDRESSES, CHAIN_ID, TOKEN, account

CHANNEL: Final = ADDRESSES["payment_channel"]
COLLECTOR: Final = account("the collector")
_ROW: Final = 108


def text(address: bytes) -> str:
    """Return an address as the models and eth_abi spell it."""
    return "0x" + address.hex()


@lru_cache(maxsize=100_000)
def _digest(domain: Domain, type_string: str, values: tuple[Any, ...]) -> bytes:
    return Domain.digest(domain, type_string, *values)


class _Domain(Domain):
    """A domain that makes each digest once."""

    __slots__ = ()

    def digest(self, type_string: str, *values: Any) -> bytes:
        return _digest(self, type_string, tuple(tuple(value) if isinstance(value, list) else value for value in values))


@lru_cache(maxsize=100_000)
def recovered(digest: bytes, raw: bytes) -> str | None:
    """Return whose signature it is as ecrecover sees it, None where the contracts refuse it: only low s, v 27 or 28."""
    if len(raw) != 65 or raw[64] not in {27, 28} or not 0 < int.from_bytes(raw[32:64]) <= ORDER // 2:
        return None
    try:
        key = PublicKey.from_signature_and_message(raw[:64] + bytes([raw[64] - 27]), digest, hasher=None)
    except Exception:  # noqa: BLE001  # the library names no class of its own
        return None
    return "0x" + keccak(key.format(compressed=False)[1:])[12:].hex()


class Given(Sig):
    """A signature as it came, of whoever it recovers to."""

    __slots__ = ()

    def by(self, account: str, digest: bytes) -> bool:
        return recovered(digest, self.raw) == account


def given(raw: bytes) -> Given:
    """Return raw bytes as a signature."""
    return Given(None, b"", raw)


CHANNEL_DOMAIN: Final = _Domain("x402 Batch Settlement", "1", CHAIN_ID, text(CHANNEL))
TOKEN_DOMAIN: Final = _Domain("USD Coin", "2", CHAIN_ID, text(TOKEN))


@dataclass(slots=True)
class Money:
    """What the chain knows of money at one block. `copy` before changing it."""

    channel: PooledChannelModel
    nonces: dict[bytes, int] = field(default_factory=lambda: defaultdict(int))
    wei: dict[bytes, int] = field(default_factory=lambda: defaultdict(int))

    @classmethod
    def fresh(cls) -> Money:
        """Return the state of the first block."""
        guardian = text(account("guardian"))
        token = TokenModel(TOKEN_DOMAIN, guardian)
        return cls(PooledChannelModel(text(CHANNEL), text(COLLECTOR), token, CHANNEL_DOMAIN, guardian))

    @property
    def token(self) -> TokenModel:
        """The token."""
        return self.channel.token

    @property
    def book(self) -> Book:
        """Pools, channels and receivers."""
        return self.channel.book

    def copy(self) -> Money:
        """Return a state that shares nothing that changes."""
        old, token = self.book, self.token
        book = Book(
            {key: replace(one) for key, one in old.channels.items()},
            {key: replace(one) for key, one in old.pools.items()},
            {key: replace(one) for key, one in old.receivers.items()},
        )
        twin = replace(
            token, balances=token.balances.copy(), allowances=token.allowances.copy(), nonces=token.nonces.copy(),
            used=token.used.copy(), blacklisted=token.blacklisted.copy(),
        )  # fmt: skip
        channel = replace(self.channel, token=twin, book=book)
        return Money(channel, self.nonces.copy(), self.wei.copy())

    def supply(self) -> int:
        """Return all USDC there is."""
        return sum(self.token.balances.values())

    def kept(self) -> int:
        """Return what the contract owes to pools, channels and receivers."""
        book = self.book
        owed = sum(one.claimed - one.settled for one in book.receivers.values())
        free = sum(one.free for one in book.channels.values())
        return owed + free + sum(one.balance for one in book.pools.values())


@dataclass(frozen=True, slots=True)
class Done:
    """What a call did: its logs, the gas it took; `revert` is the revert data of one that failed."""

    logs: tuple[Emitted, ...]
    gas: int
    revert: bytes | None = None
    error: str = ""


class Unknown(Exception):
    """Nobody here has this function."""


def perform(money: Money, sender: bytes, to: bytes, data: bytes, now: int) -> tuple[Money, Done]:
    """Return the state after a call, and what it did; a call that reverts leaves the state it found."""
    if not data:
        return money, Done((), 21_000)
    after = money.copy()
    functions = _functions(to)
    if data[:4] not in functions:
        raise Unknown(f"{to.hex()} {data[:4].hex()}")
    name, kinds = functions[data[:4]]
    arguments = eth_abi.decode(kinds, data[4:])
    try:
        events = _CALLS[name](after, Tx(text(sender), now), *arguments)
    except Refused as refused:
        error, values = refused.errors[0]
        return money, Done((), 45_000, _revert(error, values), error)
    return after, Done(tuple(_emitted(event) for event in events), _gas(name, arguments))


def _gas(name: str, arguments: Sequence[Any]) -> int:
    match name:
        case "claimBatch":
            return 60_000 + 30_000 * sum(len(group[4]) // _ROW for group in arguments[1])
        case "settleMany":
            return 50_000 + 30_000 * len(arguments[0])
        case _:
            return 90_000


def _claims(money: Money, tx: Tx, claims: Sequence[Any], signature: bytes) -> list[ModelEvent]:
    rows = [Claim(Config(*config), ceiling, given(voucher), total) for (config, ceiling), voucher, total in claims]
    return money.channel.claimWithSignature(tx, rows, given(signature))


def _batch(money: Money, tx: Tx, operator: str, groups: Sequence[Any], signature: bytes) -> list[ModelEvent]:
    found = [_group(operator, group) for group in groups]
    return money.channel.claimBatch(tx, operator, found, given(signature))


def _group(operator: str, group: Sequence[Any]) -> Rows:
    payer, authorizer, delay, salt, packed = group
    whole = len(packed) // _ROW * _ROW
    claims = []
    for at in range(0, whole, _ROW):
        row = packed[at : at + _ROW]
        config = Config(payer, authorizer, "0x" + row[:20].hex(), operator, text(TOKEN), delay, salt)
        total, ceiling = int.from_bytes(row[20:32]), int.from_bytes(row[32:44])
        vs = int.from_bytes(row[76:108])
        s = (vs & ((1 << 255) - 1)).to_bytes(32)
        claims.append(Claim(config, ceiling, given(row[44:76] + s + bytes([27 + (vs >> 255)])), total))
    return Rows(payer, authorizer, delay, salt, tuple(claims), packed[whole:])


def _deposit(money: Money, tx: Tx, *arguments: Any) -> list[ModelEvent]:
    config, amount, collector, data = arguments
    after, before, salt, raw = eth_abi.decode(["uint256", "uint256", "uint256", "bytes"], data)
    return money.channel.deposit(tx, Config(*config), amount, collector, CollectorData(after, before, salt, given(raw)))


def _plain(name: str) -> Callable[..., list[ModelEvent]]:
    """Return a call whose arguments the model takes as they are, bytes at the end being a signature."""

    def call(money: Money, tx: Tx, *arguments: Any) -> list[ModelEvent]:
        words = [given(value) if isinstance(value, bytes) and len(value) != 32 else value for value in arguments]
        words = [list(value) if isinstance(value, tuple) else value for value in words]
        found: list[ModelEvent] = getattr(money.channel, name)(tx, *words)
        return found

    return call


def _refund(money: Money, tx: Tx, *arguments: Any) -> list[ModelEvent]:
    config, amount, nonce, raw = arguments
    return money.channel.refundWithSignature(tx, Config(*config), amount, nonce, given(raw))


def _multicall(money: Money, tx: Tx, parts: Sequence[bytes]) -> list[ModelEvent]:
    """All of them or none: who calls leaves a state behind that a refusal has spoilt."""
    found: list[ModelEvent] = []
    for data in parts:
        name, kinds = _functions(CHANNEL)[data[:4]]
        found += _CALLS[name](money, tx, *eth_abi.decode(kinds, data[4:]))
    return found


_PLAIN: Final = (
    "depositPoolWithAuthorization", "initiatePoolWithdraw", "initiatePoolWithdrawWithSignature", "cancelPoolWithdraw",
    "cancelPoolWithdrawWithSignature", "finalizePoolWithdraw", "releasePool", "releasePoolWithSignature", "settle",
    "settleMany",
)  # fmt: skip
_CALLS: Final[dict[str, Callable[..., list[ModelEvent]]]] = {
    **{name: _plain(name) for name in _PLAIN},
    "claimWithSignature": _claims,
    "claimBatch": _batch,
    "deposit": _deposit,
    "refundWithSignature": _refund,
    "multicall": _multicall,
}


@cache
def _abi() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(
        files("aicp.abi").joinpath("artifacts", "PaymentChannel.json").read_text(encoding="utf-8")
    )["abi"]
    return found


def _spelled(part: Mapping[str, Any]) -> str:
    if not part["type"].startswith("tuple"):
        return str(part["type"])
    inner = ",".join(_spelled(component) for component in part["components"])
    return f"({inner}){part['type'].removeprefix('tuple')}"


@cache
def _functions(to: bytes) -> dict[bytes, tuple[str, list[str]]]:
    if to != CHANNEL:
        return {}
    found = {}
    for entry in _abi():
        if entry["type"] == "function" and entry["name"] in _CALLS:
            kinds = [_spelled(part) for part in entry["inputs"]]
            found[keccak(f"{entry['name']}({','.join(kinds)})".encode())[:4]] = (entry["name"], kinds)
    return found


def calldata(name: str, *arguments: Any) -> bytes:
    """Return the data of a call somebody makes from a wallet of his own."""
    for selector, (known, kinds) in _functions(CHANNEL).items():
        if known == name:
            return selector + eth_abi.encode(kinds, arguments)
    raise Unknown(name)


@cache
def _errors() -> dict[str, list[str]]:
    return {entry["name"]: [_spelled(part) for part in entry["inputs"]] for entry in _abi() if entry["type"] == "error"}


def _revert(error: str, values: tuple[Any, ...]) -> bytes:
    if error not in _errors():
        return keccak(b"Error(string)")[:4] + eth_abi.encode(["string"], [f"the token refuses: {error}"])
    kinds = _errors()[error]
    return keccak(f"{error}({','.join(kinds)})".encode())[:4] + eth_abi.encode(kinds, values[: len(kinds)])


def _emitted(event: ModelEvent) -> Emitted:
    topics, data = encode(
        Event("payment_channel", event.name, {name: _told(value) for name, value in event.values.items()})
    )
    return Emitted(CHANNEL, topics, data)


def _told(value: Any) -> Any:
    """Return a value of a model as events take it."""
    if isinstance(value, OneOf):
        return min(value.values)
    if isinstance(value, str):
        return bytes.fromhex(value[2:])
    if isinstance(value, tuple):
        return tuple(_told(item) for item in value)
    return value
