"""What an account has paid for an appeal and not taken back: money of the arbiter the mirror keeps no row of."""

from __future__ import annotations

from indexer.core.rows import StateRow


class Contribution(StateRow, kw_only=True, gc=False):
    """`contribution_id` is the dispute's id, the round's number in one byte and the account."""

    TABLE = "contribution"
    KEY = "contribution_id"

    contribution_id: bytes
    dispute_id: bytes
    round_number: int
    account: bytes
    first_units: int = 0
    second_units: int = 0
