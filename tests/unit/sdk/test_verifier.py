"""Who checks a result is named by the buyer alone: a task posted with another verifier is not taken for his."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import httpx
import pytest

from aicp.client import BuyerActions, Mismatch
from aicp.rules.documents import task_hash
from aicp.rules.primitives import ZERO_ADDRESS, checksum, hex0x
from tests.unit.sdk.builders import BUYER, document, key
from tests.unit.sdk.test_actions import Recorder, market, still_clock

__all__ = ["still_clock"]

VERIFIER = key("verifier").address


class Board(Recorder):
    """Posts what it is asked for, except that it names the verifier it likes."""

    def __init__(self, names: bytes) -> None:
        super().__init__()
        self.names = names

    def __call__(self, request: httpx.Request) -> httpx.Response:
        answer = super().__call__(request)
        if not request.url.path.endswith("/tasks/submit"):
            return answer
        asked: dict[str, Any] = self.posts[-1][1]
        made = document(verifier=self.names) | {"id": asked["id"], "input_files": []}
        made |= {name: asked[name] for name in ("title", "description", "capability", "budget_units", "escrow_only")}
        task = {
            "id": asked["id"], "buyer": checksum(BUYER.address), "task_hash": hex0x(task_hash(made)),
            "title": made["title"], "capability": made["capability"], "complexity": 1, "urgency": "1.0",
            "budget_units": made["budget_units"], "escrow_only": made["escrow_only"], "path_at_budget": "escrow",
            "deliver_within_seconds": 3600, "auction_ends_at": made["auction_ends_at"], "state": "open",
            "public_state": "open", "bid_count": 0, "best_bid_units": None, "deal_id": None, "input_summary": [],
            "created_at": "2026-11-21T04:30:00Z", "document": made,
            "verifier": None if self.names == ZERO_ADDRESS else checksum(self.names),
        }  # fmt: skip
        return httpx.Response(200, json=task)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("wished", "named", "honest"),
    [
        (VERIFIER, VERIFIER, True),
        (None, ZERO_ADDRESS, True),
        (None, VERIFIER, False),
        (VERIFIER, ZERO_ADDRESS, False),
        (VERIFIER, key("friend").address, False),
    ],
)
async def test_the_verifier_is_the_one_the_buyer_named(
    tmp_path: Path, wished: bytes | None, named: bytes, honest: bool
) -> None:
    board = Board(named)
    posting = BuyerActions(market(BUYER, board, tmp_path)).post_task(
        title="Profile", description="All.", capability="data_processing", budget_units=25_000_000, escrow_only=True,
        verifier=wished,
    )  # fmt: skip
    if honest:
        assert isinstance((await posting).id, uuid.UUID)
        assert board.posts[-1][1].get("verifier") == (None if wished is None else checksum(wished))
    else:
        with pytest.raises(Mismatch):
            await posting
