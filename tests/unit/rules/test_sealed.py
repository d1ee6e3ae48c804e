from __future__ import annotations

import json
import uuid
from typing import Any

import pytest

from aicp.abi.typed_data import Bid, BidCommit, marketplace_domain
from aicp.rules.primitives import hex0x
from aicp.rules.sealed import commit_of, read_sealed_bid, sealed_bid_document

DOMAIN = marketplace_domain(31337, b"\x22" * 20)
TASK = uuid.UUID(int=7)
BID = Bid(
    task_hash=b"\x01" * 32,
    agent=b"\x11" * 20,
    amount=24_500_000,
    eta_seconds=600,
    escrow_only=False,
    valid_until=1_795_240_000,
    salt=b"\x03" * 32,
)


def test_a_file_gives_back_the_bid_its_commit_hides() -> None:
    document = json.loads(json.dumps(sealed_bid_document(BID, TASK, DOMAIN)))
    assert read_sealed_bid(document, DOMAIN) == (TASK, BID)
    message = BidCommit(task_hash=BID.task_hash, commitment=BID.digest(DOMAIN), valid_until=BID.valid_until)
    assert commit_of(BID, DOMAIN) == message
    assert document["bid_hash"] == hex0x(message.digest(DOMAIN))


@pytest.mark.parametrize(
    "change",
    [
        {"amount_units": "24500001"},
        {"salt": hex0x(b"\x04" * 32)},
        {"valid_until": 1},
        {"kind": "something"},
        {"chain_id": 137},
        {"agent": None},
        {"eta_seconds": "soon"},
        {"more": 1},
    ],
)
def test_a_file_that_was_changed_is_refused(change: dict[str, Any]) -> None:
    document = sealed_bid_document(BID, TASK, DOMAIN) | change
    with pytest.raises(ValueError, match=r"file|eta|invalid|address"):
        read_sealed_bid(document, DOMAIN)


@pytest.mark.parametrize("field", ["task_id", "task_hash", "agent", "salt", "bid_hash"])
def test_a_file_that_lacks_something_is_refused(field: str) -> None:
    document = sealed_bid_document(BID, TASK, DOMAIN)
    del document[field]
    with pytest.raises(ValueError, match="file"):
        read_sealed_bid(document, DOMAIN)
