"""The documents that hashes on chain commit to: task, deliverable manifest, job, evidence, comment of a rating.

Every document carries 32 random bytes (`salt`), so that a hash on a public chain reveals nothing that could be guessed.
A rating's comment is public itself and needs none.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from aicp.rules.canonical import document_hash
from aicp.rules.primitives import ZERO_ADDRESS, ZERO_HASH, checksum, hex0x, keccak, parse_address, parse_hash

TASK_DOCUMENT_VERSION: Final = 1
EVIDENCE_VERSION: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class FileEntry:
    """A file as documents name it: its SHA-256, its size in bytes, and the type its content was found to have."""

    name: str
    sha256: bytes
    size: int
    media_type: str

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object that documents hold."""
        return {"name": self.name, "sha256": hex0x(self.sha256), "size": self.size, "media_type": self.media_type}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> FileEntry:
        """Read what `to_json` wrote. Raises ValueError or KeyError."""
        return cls(
            name=str(value["name"]),
            sha256=parse_hash(value["sha256"]),
            size=int(value["size"]),
            media_type=str(value["media_type"]),
        )


def _files_json(files: Iterable[FileEntry]) -> list[dict[str, Any]]:
    # UTF-16 code units are how JavaScript compares strings, and how RFC 8785 orders keys
    ordered = sorted(files, key=lambda entry: entry.name.encode("utf-16-be"))
    names = [entry.name for entry in ordered]
    if len(set(names)) != len(names):
        raise ValueError("two files have the same name")
    for entry in ordered:
        if len(entry.sha256) != 32 or entry.size < 0:
            raise ValueError(f"not a file entry: {entry.name!r}")
    return [entry.to_json() for entry in ordered]


def rfc3339(moment: dt.datetime) -> str:
    """Return an aware time as RFC 3339 in UTC with a Z; microseconds only where there are any."""
    if moment.tzinfo is None:
        raise ValueError("a time needs its zone")
    return moment.astimezone(dt.UTC).isoformat().replace("+00:00", "Z")


def task_document(
    *,
    task_id: uuid.UUID,
    buyer: bytes,
    title: str,
    description: str,
    capability: str,
    complexity: int,
    urgency: str,
    budget_units: int,
    escrow_only: bool,
    deliver_within_seconds: int,
    auction_ends_at: dt.datetime,
    input_files: Sequence[FileEntry],
    chain_id: int,
    escrow: bytes,
    salt: bytes,
    verifier: bytes = ZERO_ADDRESS,
    auction: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the task document that `task_hash` commits to. Raises ValueError for equal file names or a short salt.

    A document names a `verifier` only where the buyer named one. `auction` are the fields of
    `auctions.AuctionOptions.to_json`.
    """
    if len(salt) != 32:
        raise ValueError("a salt has 32 bytes")
    named: dict[str, Any] = {} if verifier == ZERO_ADDRESS else {"verifier": checksum(verifier)}
    return {
        "version": TASK_DOCUMENT_VERSION,
        "id": str(task_id),
        "chain_id": chain_id,
        "escrow": checksum(escrow),
        "buyer": checksum(buyer),
        "title": title,
        "description": description,
        "capability": capability,
        "complexity": complexity,
        "urgency": urgency,
        "budget_units": str(budget_units),
        "currency": "USDC",
        "escrow_only": escrow_only,
        "deliver_within_seconds": deliver_within_seconds,
        "auction_ends_at": rfc3339(auction_ends_at),
        "input_files": _files_json(input_files),
        "salt": hex0x(salt),
        **named,
        **(auction or {}),
    }


def named_verifier(document: Mapping[str, Any]) -> bytes:
    """Return the verifier a task document names, the zero address if none. Raises ValueError for what is no address."""
    named = document.get("verifier")
    return ZERO_ADDRESS if named is None else parse_address(str(named))


def task_hash(document: Mapping[str, Any]) -> bytes:
    """Return keccak256 of the canonical task document."""
    return document_hash(dict(document))


def manifest(files: Sequence[FileEntry], salt: bytes) -> dict[str, Any]:
    """Return the manifest of a deliverable, files sorted by name. Raises ValueError for none, or equal names."""
    if not files:
        raise ValueError("a deliverable has at least one file")
    if len(salt) != 32:
        raise ValueError("a salt has 32 bytes")
    return {"files": _files_json(files), "salt": hex0x(salt)}


def deliverable_hash(document: Mapping[str, Any]) -> bytes:
    """Return keccak256 of the canonical manifest."""
    return document_hash(dict(document))


def evidence_document(
    *, escrow: bytes, party: bytes, claim: str, files: Sequence[FileEntry], salt: bytes
) -> dict[str, Any]:
    """Return what a party says in a dispute over an escrow (its id), with its files sorted by name.

    Raises ValueError for equal file names, an empty claim, or ids of another length.
    """
    if len(escrow) != 32 or len(salt) != 32:
        raise ValueError("an escrow id and a salt have 32 bytes each")
    if not claim:
        raise ValueError("evidence says something")
    return {
        "version": EVIDENCE_VERSION,
        "escrow_id": hex0x(escrow),
        "party": checksum(party),
        "claim": claim,
        "files": _files_json(files),
        "salt": hex0x(salt),
    }


def evidence_hash(document: Mapping[str, Any]) -> bytes:
    """Return keccak256 of the canonical evidence document."""
    return document_hash(dict(document))


def comment_hash(comment: str) -> bytes:
    """Return keccak256 of a rating's comment in UTF-8, the zero hash for none.

    Raises ValueError for lone surrogates.
    """
    return keccak(comment.encode()) if comment else ZERO_HASH


def job_hash(task: bytes, bid: bytes, bids_root: bytes) -> bytes:
    """Return keccak256(task hash ‖ bid hash ‖ bids root): what an escrow's terms commit to."""
    if not len(task) == len(bid) == len(bids_root) == 32:
        raise ValueError("a job hash joins three 32-byte hashes")
    return keccak(task + bid + bids_root)
