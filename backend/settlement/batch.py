"""Claim batches: rows in order, packed as the contract reads them, and the operator's signature over all of them. Pure.

A row is receiver 20, total claimed 12, ceiling 12, r 32, vs 32 bytes. Groups of one payer follow each other, and the
digest is over all rows in exactly that order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from aicp.abi.payment_channel import Group, Voucher, VoucherClaim
from aicp.abi.signing import to_compact
from aicp.abi.typed_data import ChannelConfig, ClaimBatch, ClaimEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One channel's newest receipt."""

    channel_id: bytes
    config: ChannelConfig
    total_claimed_units: int
    ceiling_units: int
    voucher_signature: bytes
    operator_signature: bytes

    def packed(self) -> bytes:
        """Return the row's 108 bytes."""
        return (
            self.config.receiver
            + self.total_claimed_units.to_bytes(12, "big")
            + self.ceiling_units.to_bytes(12, "big")
            + to_compact(self.voucher_signature)
        )

    def as_claim(self) -> VoucherClaim:
        """Return the row as `claimWithSignature` takes it."""
        voucher = Voucher(channel=self.config, max_claimable_amount=self.ceiling_units)
        return VoucherClaim(voucher=voucher, signature=self.voucher_signature, total_claimed=self.total_claimed_units)


def _group_key(row: Row) -> tuple[bytes, bytes, int, bytes]:
    config = row.config
    return config.payer, config.payer_authorizer, config.withdraw_delay, config.salt


def grouped(rows: Sequence[Row]) -> tuple[list[Row], list[Group]]:
    """Return the rows in batch order and the groups that hold them."""
    ordered = sorted(rows, key=lambda row: (*_group_key(row), row.channel_id))
    packed: dict[tuple[bytes, bytes, int, bytes], bytes] = {}
    for row in ordered:
        packed[_group_key(row)] = packed.get(_group_key(row), b"") + row.packed()
    return ordered, [Group(*key, rows=data) for key, data in packed.items()]


def batch_message(ordered: Sequence[Row]) -> ClaimBatch:
    """Return what the operator signs over rows in batch order."""
    return ClaimBatch(
        claims=tuple(
            ClaimEntry(
                channel_id=row.channel_id,
                max_claimable_amount=row.ceiling_units,
                total_claimed=row.total_claimed_units,
            )
            for row in ordered
        )
    )
