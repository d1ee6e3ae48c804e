"""The file of a sealed bid: what a commit hides, as the page and the command line hand it to each other."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any, Final

from aicp.abi.runtime import Domain
from aicp.abi.typed_data import Bid, BidCommit
from aicp.rules.primitives import checksum, hex0x, parse_address, parse_hash, parse_units

KIND: Final = "aicp sealed bid"


def commit_of(bid: Bid, domain: Domain) -> BidCommit:
    """Return the commit to a bid in the marketplace's domain; its digest is the hash the bid is receipted under."""
    return BidCommit(task_hash=bid.task_hash, commitment=bid.digest(domain), valid_until=bid.valid_until)


def sealed_bid_document(bid: Bid, task_id: uuid.UUID, domain: Domain) -> dict[str, Any]:
    """Return a sealed bid as its file holds it."""
    return {
        "kind": KIND,
        "chain_id": domain.chain_id,
        "escrow": checksum(domain.verifying_contract),
        "task_id": str(task_id),
        "task_hash": hex0x(bid.task_hash),
        "bid_hash": hex0x(commit_of(bid, domain).digest(domain)),
        "agent": checksum(bid.agent),
        "amount_units": str(bid.amount),
        "eta_seconds": bid.eta_seconds,
        "escrow_only": bid.escrow_only,
        "valid_until": bid.valid_until,
        "salt": hex0x(bid.salt),
    }


def read_sealed_bid(document: Mapping[str, Any], domain: Domain) -> tuple[uuid.UUID, Bid]:
    """Return the task's id and the bid that a file holds.

    Raises ValueError unless it is a sealed bid of this deployment whose hash is the one its own fields give.
    """
    try:
        task_id = uuid.UUID(document["task_id"])
        bid = Bid(
            task_hash=parse_hash(document["task_hash"]),
            agent=parse_address(document["agent"]),
            amount=parse_units(document["amount_units"]),
            eta_seconds=int(document["eta_seconds"]),
            escrow_only=bool(document["escrow_only"]),
            valid_until=int(document["valid_until"]),
            salt=parse_hash(document["salt"]),
        )
        same = sealed_bid_document(bid, task_id, domain) == dict(document)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError("the file holds no sealed bid") from error
    if not same:
        raise ValueError("the file was changed, or is of another deployment")
    return task_id, bid
