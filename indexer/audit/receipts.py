"""The service's receipts against the claims on chain, where the mirror's database holds them too.

Three things must agree: what a channel has claimed on chain is the total of one of its receipts, the highest receipt is
what the service says the agent has earned, and the operator has signed every receipt.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any, Final

from sqlalchemy import Connection, text

from aicp.abi.signing import SignatureError, recover
from aicp.abi.typed_data import ClaimBatch, ClaimEntry, Domain
from indexer.audit.report import Difference, Report, Source
from indexer.core.rows import Channel, StateRow
from indexer.store.readback import Snapshot

_READABLE: Final = text(
    "SELECT count(*) = 2 FROM information_schema.tables "
    "WHERE table_schema = 'app' AND table_name IN ('channel', 'receipt')"
)
_CHANNELS: Final = text("SELECT channel_id, earned_units FROM app.channel")
_RECEIPTS: Final = text(
    "SELECT id, channel_id, total_claimed_units, ceiling_units, operator, operator_signature FROM app.receipt"
)


def compare(derived: Iterable[StateRow], snapshot: Snapshot, domain: Domain, report: Report) -> None:
    """Compare every receipt and every channel of the service; does nothing in a database without them."""
    connection = snapshot.connection
    if not connection.execute(_READABLE).scalar_one():
        return
    receipts = _check_receipts(connection, domain, report)
    service = {bytes(row.channel_id): int(row.earned_units) for row in connection.execute(_CHANNELS)}
    claimed = {row.channel_id: row.total_claimed_units for row in derived if isinstance(row, Channel)}
    for channel_id, earned in sorted(service.items()):
        totals = receipts.get(channel_id, set())
        highest, on_chain = max(totals, default=0), claimed.get(channel_id, 0)
        report.checked["channels of the service against their receipts"] += 1
        if earned != highest:
            _add(report, channel_id, "earned_units", earned, highest)
        if on_chain and on_chain not in totals:
            _add(report, channel_id, "total_claimed_units", highest, on_chain)


def _check_receipts(connection: Connection, domain: Domain, report: Report) -> dict[bytes, set[int]]:
    """Check the operator's signature of every receipt; return the totals by channel."""
    totals: dict[bytes, set[int]] = defaultdict(set)
    for row in connection.execute(_RECEIPTS):
        channel_id, total = bytes(row.channel_id), int(row.total_claimed_units)
        totals[channel_id].add(total)
        entry = ClaimEntry(channel_id=channel_id, max_claimable_amount=int(row.ceiling_units), total_claimed=total)
        try:
            signer = recover(ClaimBatch(claims=(entry,)).digest(domain), bytes(row.operator_signature))
        except SignatureError:
            signer = None
        report.checked["receipts against their signatures"] += 1
        if signer != bytes(row.operator):
            _add(report, channel_id, f"signer of receipt {row.id}", bytes(row.operator), signer)
    return totals


def _add(report: Report, channel_id: bytes, column: str, found: Any, derived: Any) -> None:
    report.differences.append(
        Difference(
            source=Source.RECEIPTS,
            table="receipts of channel",
            key="0x" + channel_id.hex(),
            column=column,
            found=found,
            derived=derived,
        )
    )
