"""An agent's own receipts against ceilings, signatures and claims, without anybody's database.

A file holds receipts as the SDK keeps them: its store itself (SQLite), or one JSON document a line. Of each channel the
receipts are taken in the order of their totals, whatever order the file has.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Final

import msgspec

from aicp.abi.typed_data import ChannelConfig, Domain, Voucher
from aicp.rules.ids import channel_id, pool_id, pool_key
from aicp.rules.primitives import ZERO_ADDRESS, parse_address, parse_bytes, parse_hash, parse_units
from indexer.audit.book import Book
from indexer.audit.receipts import item_of, row_digest
from indexer.audit.report import Item, Report
from indexer.audit.signed import Vouches, key_of, signer_of
from indexer.core.rows import Channel, Pool

_SQLITE: Final = b"SQLite format 3\0"
_SIGNED: Final = "receipts of the files against their signatures"
_ORDER: Final = "receipts of the files against each other"
_CLAIMS: Final = "channels of the files against their claims"


class VoucherFileError(Exception):
    """A file of receipts cannot be read. The message is one sentence."""


class _Config(msgspec.Struct):
    payer: str
    payer_authorizer: str
    receiver: str
    receiver_authorizer: str
    token: str
    withdraw_delay: int
    salt: str


class _Document(msgspec.Struct):
    channel_id: str
    config: _Config
    max_claimable_units: str
    voucher_signature: str
    total_claimed_units: str
    operator_signature: str
    price_units: str


@dataclass(frozen=True, slots=True)
class Receipt:
    """A receipt in bytes and base units, and in which file and line it stands."""

    place: str = field(compare=False)
    channel_id: bytes
    config: ChannelConfig
    ceiling: int
    voucher_signature: bytes
    total: int
    operator_signature: bytes
    price: int


_decoder: Final = msgspec.json.Decoder(_Document)


def check(path: Path) -> None:
    """Read a file to its end, so that a bad one is known before the chain is read. Raises VoucherFileError."""
    for _ in _read(path):
        pass


def keep(path: Path, book: Book) -> None:
    """Put the receipts of a file into the book. Raises VoucherFileError."""
    for receipt, text in _read(path):
        book.keep_receipt(receipt.channel_id, receipt.total, receipt.place, text)


def _read(path: Path) -> Iterator[tuple[Receipt, bytes]]:
    count = 0
    try:
        for line, text in _documents(path):
            yield _receipt(f"{path.name}:{line}", text), text
            count += 1
    except (OSError, sqlite3.Error) as error:
        raise VoucherFileError(f"{path} cannot be read: {error}.") from error
    except (msgspec.MsgspecError, ValueError, OverflowError) as error:
        number = count + 1
        raise VoucherFileError(f"{path}, number {number}, is no receipt as the SDK keeps it: {error}.") from error


def compare(book: Book, domain: Domain, operators: frozenset[bytes], vouches: Vouches, report: Report) -> None:
    """Check every receipt of the book. With `operators` only these may sign receipts.

    `claimed on chain` must be the total of a receipt, and what is not claimed yet must be covered by channel and pool.
    """
    receipts = (_receipt(place, document) for place, document in book.receipts())
    backing, rules = _Backing(book), _Rules(domain, operators, vouches)
    for one, group in groupby(receipts, key=lambda receipt: receipt.channel_id):
        _channel(one, group, rules, backing, report)
    backing.compare(report)


@dataclass(frozen=True, slots=True)
class _Rules:
    domain: Domain
    operators: frozenset[bytes]
    vouches: Vouches


@dataclass(slots=True)
class _Backing:
    """What the receipts of a pool's channels still want from it."""

    book: Book
    wanted: dict[bytes, int] = field(default_factory=dict)

    def want(self, pool: bytes, units: int) -> None:
        """Add what a channel cannot pay by itself."""
        if units > 0:
            self.wanted[pool] = self.wanted.get(pool, 0) + units

    def compare(self, report: Report) -> None:
        """A pool must hold what is wanted from it; what its payer is about to withdraw is still there to claim."""
        for key, units in sorted(self.wanted.items()):
            pool = self.book.find(Pool, key)
            place = (None, None) if pool is None else (pool.block_number, pool.tx_hash)
            item = Item(item_of(key, None).source, "receipts on pool", "0x" + key.hex(), *place)
            held = 0 if pool is None else pool.balance_units
            report.at_least("pools against the receipts on them", item, "balance_units", held, units)


def _channel(key: bytes, receipts: Iterator[Receipt], rules: _Rules, backing: _Backing, report: Report) -> None:
    channel = backing.book.find(Channel, key)
    claimed = 0 if channel is None else channel.total_claimed_units
    item, before, is_known = item_of(key, channel), None, False
    for receipt in receipts:
        if receipt == before:  # in two files
            continue
        name = f"receipt {receipt.place}"
        _signatures(receipt, item, rules, report)
        report.at_least(_ORDER, item, f"{name}: ceiling", receipt.ceiling, receipt.total)
        if before is not None:
            report.at_least(_ORDER, item, f"{name}: total", receipt.total, before.total + 1)
            report.at_least(_ORDER, item, f"{name}: total less price", receipt.total - receipt.price, before.total)
            report.at_least(_ORDER, item, f"{name}: ceiling after the one before", receipt.ceiling, before.ceiling)
        is_known |= receipt.total == claimed
        before = receipt
    if before is None:
        return
    report.compare(_CLAIMS, item, "total_claimed_units", claimed if is_known or not claimed else before.total, claimed)
    own = 0 if channel is None else max(0, channel.balance_units - claimed)
    config = before.config
    pool = pool_id(pool_key(config.payer, config.payer_authorizer, config.receiver_authorizer), rules.domain)
    backing.want(pool, before.total - claimed - own)


def _signatures(receipt: Receipt, item: Item, rules: _Rules, report: Report) -> None:
    name, config, domain = f"receipt {receipt.place}", receipt.config, rules.domain
    report.compare(_SIGNED, item, f"{name}: channel_id", channel_id(config, domain), receipt.channel_id)
    digest = Voucher(channel_id=receipt.channel_id, max_claimable_amount=receipt.ceiling).digest(domain)
    if config.payer_authorizer == ZERO_ADDRESS:
        payer, signer = config.payer, signer_of(config.payer, digest, receipt.voucher_signature, rules.vouches)
    else:  # no contract can be a session key
        payer, signer = config.payer_authorizer, key_of(digest, receipt.voucher_signature)
    report.compare(_SIGNED, item, f"{name}: signer of the voucher", signer, payer)
    operator = config.receiver_authorizer
    digest = row_digest(receipt.channel_id, receipt.ceiling, receipt.total, domain)
    signer = signer_of(operator, digest, receipt.operator_signature, rules.vouches)
    report.compare(_SIGNED, item, f"{name}: signer of the receipt", signer, operator)
    if rules.operators:
        report.compare(_SIGNED, item, f"{name}: operator of the deployment", operator in rules.operators, True)


def _documents(path: Path) -> Iterator[tuple[int, bytes]]:
    with path.open("rb") as file:
        is_store = file.read(len(_SQLITE)) == _SQLITE
        file.seek(0)
        if not is_store:
            yield from ((number, line) for number, line in enumerate(file, 1) if line.strip())
            return
    with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as db:
        for number, (text,) in enumerate(db.execute("SELECT document FROM receipt ORDER BY rowid"), 1):
            yield number, text.encode()


def _receipt(place: str, text: bytes) -> Receipt:
    raw = _decoder.decode(text)
    config = ChannelConfig(
        payer=parse_address(raw.config.payer),
        payer_authorizer=parse_address(raw.config.payer_authorizer),
        receiver=parse_address(raw.config.receiver),
        receiver_authorizer=parse_address(raw.config.receiver_authorizer),
        token=parse_address(raw.config.token),
        withdraw_delay=raw.config.withdraw_delay,
        salt=parse_hash(raw.config.salt),
    )
    return Receipt(
        place=place,
        channel_id=parse_hash(raw.channel_id),
        config=config,
        ceiling=parse_units(raw.max_claimable_units),
        voucher_signature=parse_bytes(raw.voucher_signature),
        total=parse_units(raw.total_claimed_units),
        operator_signature=parse_bytes(raw.operator_signature),
        price=parse_units(raw.price_units),
    )
