"""The service's ledger, vouchers and kept figures, against each other and against the chain.

Every entry of the ledger must add up to zero; what a channel has earned must be owed or claimed in the ledger, and
covered by receipts up to the newest one and by signed vouchers beyond; what the ledger calls claimed must be claimed on
chain; and what it says a pool holds must be the pool's balance, where the ledger has followed the chain so far.
"""

from __future__ import annotations

from typing import Any, Final

from aicp.abi.typed_data import Domain, Voucher
from aicp.rules.primitives import ZERO_ADDRESS
from indexer.audit.book import Book
from indexer.audit.report import Item, Report, Source
from indexer.audit.signed import Vouches, key_of, signer_of
from indexer.core.rows import Channel, Pool
from indexer.store.readback import Snapshot

_ENTRIES: Final = "entries of the ledger"
_CHANNELS: Final = "channels of the service against its ledger"
_POOLS: Final = "pools of the service against its ledger"
_CHAIN: Final = "the ledger against the chain"
_VOUCHERS: Final = "vouchers of the service against their signatures"


def compare(book: Book, snapshot: Snapshot, domain: Domain, vouches: Vouches, report: Report) -> None:
    """Compare the whole ledger; does nothing in a database without one."""
    if not snapshot.has_ledger():
        return
    for entry_id, units in snapshot.ledger_entries():
        report.compare(_ENTRIES, Item(Source.RECEIPTS, "ledger entry", str(entry_id)), "sum_units", int(units), 0)
    for row in snapshot.ledger_channels():
        _channel(book, row, report)
    for row in snapshot.ledger_pools():
        _pool(book, row, report)
    for row in snapshot.service_vouchers():
        _voucher(row, domain, vouches, report)


def _channel(book: Book, row: Any, report: Report) -> None:
    key, owed, claimed = bytes(row.channel_id), int(row.owed), int(row.claimed)
    channel = book.find(Channel, key)
    place = (None, None) if channel is None else (channel.block_number, channel.tx_hash)
    item = Item(Source.RECEIPTS, "ledger of channel", "0x" + key.hex(), *place)
    report.compare(_CHANNELS, item, "earned_units", int(row.earned_units), owed + claimed)
    report.compare(_CHANNELS, item, "claimed_units", int(row.claimed_units), claimed)
    report.at_least(_CHANNELS, item, "ceiling_units", int(row.ceiling_units), owed + claimed)
    on_chain = 0 if channel is None else channel.total_claimed_units
    report.at_least(_CHAIN, item, "total_claimed_units", on_chain, claimed)


def _pool(book: Book, row: Any, report: Report) -> None:
    key = bytes(row.pool_id)
    pool = book.find(Pool, key)
    place = (None, None) if pool is None else (pool.block_number, pool.tx_hash)
    item = Item(Source.RECEIPTS, "ledger of pool", "0x" + key.hex(), *place)
    reserved = int(row.reserved)
    report.compare(_POOLS, item, "reserved_units", int(row.reserved_units), reserved)
    if pool is None or row.mark is None or pool.block_number > row.mark:
        return
    held = int(row.available) + reserved + int(row.owed)
    report.compare(_CHAIN, item, "balance_units", held, pool.balance_units)


def _voucher(row: Any, domain: Domain, vouches: Vouches, report: Report) -> None:
    key, ceiling = bytes(row.channel_id), int(row.ceiling_units)
    payer, authorizer = bytes(row.payer), bytes(row.payer_authorizer)
    signature = bytes(row.signature)
    digest = Voucher(channel_id=key, max_claimable_amount=ceiling).digest(domain)
    item = Item(Source.RECEIPTS, "vouchers of channel", "0x" + key.hex())
    if authorizer == ZERO_ADDRESS:
        report.compare(_VOUCHERS, item, f"signer of {ceiling}", signer_of(payer, digest, signature, vouches), payer)
    else:  # no contract can be a session key
        report.compare(_VOUCHERS, item, f"signer of {ceiling}", key_of(digest, signature), authorizer)
