"""The service's receipts against the claims on chain, where the mirror's database holds them too.

Three things must agree: what a channel has claimed on chain is the total of one of its receipts, the highest receipt is
what the service says it has given receipts for, and the operator has signed every receipt.
"""

from __future__ import annotations

from itertools import groupby

from aicp.abi.typed_data import ClaimBatch, ClaimEntry, Domain
from indexer.audit.book import Book
from indexer.audit.report import Item, Report, Source
from indexer.audit.signed import Vouches, signer_of
from indexer.core.rows import Channel
from indexer.store.readback import Snapshot


def compare(book: Book, snapshot: Snapshot, domain: Domain, vouches: Vouches, report: Report) -> None:
    """Compare every receipt and every channel of the service; does nothing in a database without them."""
    if not snapshot.has_service():
        return
    for channel_id, rows in groupby(snapshot.service_receipts(), key=lambda row: bytes(row.channel_id)):
        channel = book.find(Channel, channel_id)
        on_chain = 0 if channel is None else channel.total_claimed_units
        item = item_of(channel_id, channel)
        highest, newest, is_known = 0, 0, False
        for row in rows:
            newest = int(row.receipted_units)
            if row.id is None:
                continue
            highest = int(row.total_claimed_units)
            is_known |= highest == on_chain
            digest, operator = row_digest(channel_id, int(row.ceiling_units), highest, domain), bytes(row.operator)
            signer = signer_of(operator, digest, bytes(row.operator_signature), vouches)
            what = "receipts against their signatures"
            report.compare(what, item, f"signer of receipt {row.id}", signer, operator)
        what = "channel totals of the service against their receipts"
        report.compare(what, item, "receipted_units", newest, highest)
        claimed = on_chain if is_known or not on_chain else highest
        report.compare(what, item, "total_claimed_units", claimed, on_chain)


def item_of(channel_id: bytes, channel: Channel | None) -> Item:
    """Return what the receipts of a channel are compared under; its place is the channel's last change on chain."""
    number, tx_hash = (None, None) if channel is None else (channel.block_number, channel.tx_hash)
    return Item(Source.RECEIPTS, "receipts of channel", "0x" + channel_id.hex(), number, tx_hash)


def row_digest(channel_id: bytes, ceiling: int, total: int, domain: Domain) -> bytes:
    """Return what the operator of a channel signs with a receipt."""
    entry = ClaimEntry(channel_id=channel_id, max_claimable_amount=ceiling, total_claimed=total)
    return ClaimBatch(claims=(entry,)).digest(domain)
