"""What a juror reads of the dispute he sits in."""

from __future__ import annotations

import uuid
from typing import Any

from backend.api.types import AddressText, HashText, Model
from backend.deals.dispute_schemas import DisputeOut
from backend.deals.schemas import DeliverableOut, TermsOut
from backend.files.schemas import FileOut


class CaseOut(Model):
    """A dispute before the arbiter with all it is about: what was agreed, what was handed in, what both sides say.

    `terms` hash to `escrow_id`, which with the parties names the dispute at the arbiter; `document` hashes to
    `task_hash`, which with `bid_hash` and `bids_root` is the terms' job hash. Offers to divide are not among it.
    """

    dispute_id: str
    """The arbiter's number, decimal."""
    deal_id: uuid.UUID
    title: str
    buyer: AddressText
    agent: AddressText
    escrow_id: HashText
    terms: TermsOut
    task_hash: HashText
    document: dict[str, Any]
    bid_hash: HashText
    bids_root: HashText
    input_files: list[FileOut]
    deliverable_hash: HashText | None
    """Of the result on chain."""
    deliverable: DeliverableOut | None
    """That result, null while we lack it."""
    dispute: DisputeOut
