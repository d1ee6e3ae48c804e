from __future__ import annotations

import dataclasses
import datetime as dt
import json
import uuid
from typing import Any

import pytest

from aicp.rules.canonical import canonical_json, document_hash
from aicp.rules.documents import (
    FileEntry,
    comment_hash,
    deliverable_hash,
    evidence_document,
    evidence_hash,
    job_hash,
    manifest,
    named_verifier,
    rfc3339,
    task_document,
    task_hash,
)
from aicp.rules.primitives import ZERO_ADDRESS, ZERO_HASH, keccak

SALT = bytes(range(32))
A = FileEntry(name="a.csv", sha256=b"\x01" * 32, size=10, media_type="text/csv")
B = FileEntry(name="b.csv", sha256=b"\x02" * 32, size=11, media_type="text/csv")


def document(**changes: Any) -> dict[str, Any]:
    values: dict[str, Any] = {
        "task_id": uuid.UUID(int=7),
        "buyer": b"\x11" * 20,
        "title": "Profile sales",
        "description": "Überblick, please: 3 € a row",
        "capability": "data_processing",
        "complexity": 1,
        "urgency": "1.0",
        "budget_units": 25_000_000,
        "escrow_only": False,
        "deliver_within_seconds": 3600,
        "auction_ends_at": dt.datetime(2026, 11, 21, 4, 30, tzinfo=dt.UTC),
        "input_files": [A, B],
        "chain_id": 31337,
        "escrow": b"\x22" * 20,
        "salt": SALT,
    }
    return task_document(**(values | changes))


def test_canonical_json_sorts_keys_and_keeps_text() -> None:
    assert canonical_json({"b": 1, "a": "é", "c": [True, None]}) == '{"a":"é","b":1,"c":[true,null]}'.encode()


@pytest.mark.parametrize("value", [2**53, float("nan"), "\ud800", {"k": {1, 2}}])
def test_what_has_no_canonical_form_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="canonical form"):
        canonical_json(value)


def test_a_task_document_survives_json_and_keeps_its_hash() -> None:
    made = document()
    assert json.loads(json.dumps(made)) == made
    assert task_hash(json.loads(canonical_json(made))) == task_hash(made) == document_hash(made)
    assert made["budget_units"] == "25000000"
    assert made["auction_ends_at"] == "2026-11-21T04:30:00Z"


@pytest.mark.parametrize(
    "change",
    [
        {"title": "Profile sale"},
        {"budget_units": 25_000_001},
        {"escrow_only": True},
        {"chain_id": 137},
        {"escrow": b"\x23" * 20},
        {"salt": b"\x01" * 32},
        {"input_files": [A]},
        {"task_id": uuid.UUID(int=8)},
    ],
)
def test_every_field_moves_the_hash(change: dict[str, Any]) -> None:
    assert task_hash(document(**change)) != task_hash(document())


def test_the_order_of_files_does_not_matter_but_names_must_differ() -> None:
    assert task_hash(document(input_files=[B, A])) == task_hash(document())
    assert deliverable_hash(manifest([B, A], SALT)) == deliverable_hash(manifest([A, B], SALT))
    with pytest.raises(ValueError, match="same name"):
        manifest([A, dataclasses.replace(B, name="a.csv")], SALT)
    with pytest.raises(ValueError, match="at least one"):
        manifest([], SALT)


def test_files_sort_by_utf16_as_javascript_does() -> None:
    astral = dataclasses.replace(A, name="\U0001f600.csv")
    private = dataclasses.replace(B, name="\ufb01.csv")
    names = [entry["name"] for entry in manifest([private, astral], SALT)["files"]]
    assert names == [astral.name, private.name]


def test_file_entries_round_trip() -> None:
    assert FileEntry.from_json(A.to_json()) == A


def test_job_hash_is_the_keccak_of_the_three_in_order() -> None:
    task, bid, root = b"\x01" * 32, b"\x02" * 32, b"\x03" * 32
    assert job_hash(task, bid, root) == keccak(task + bid + root)
    assert job_hash(bid, task, root) != job_hash(task, bid, root)
    with pytest.raises(ValueError, match="32-byte"):
        job_hash(task, bid, root[:-1])


def test_a_naive_time_is_refused() -> None:
    with pytest.raises(ValueError, match="zone"):
        rfc3339(dt.datetime(2026, 1, 1))  # noqa: DTZ001


def test_a_verifier_is_in_the_document_only_where_one_is_named() -> None:
    assert "verifier" not in document()
    assert named_verifier(document()) == ZERO_ADDRESS
    named = document(verifier=b"\x33" * 20)
    assert named_verifier(named) == b"\x33" * 20
    assert task_hash(named) != task_hash(document())
    with pytest.raises(ValueError, match="address"):
        named_verifier({"verifier": "0x12"})


def said(**changes: Any) -> dict[str, Any]:
    values: dict[str, Any] = {
        "escrow": b"\x44" * 32, "party": b"\x55" * 20, "claim": "It is empty.", "files": [B, A], "salt": SALT,
    }  # fmt: skip
    return evidence_document(**(values | changes))


def test_evidence_commits_to_escrow_party_claim_files_and_salt() -> None:
    digest = evidence_hash(said())
    assert evidence_hash(said(files=[A, B])) == digest, "the order of files does not matter"
    assert evidence_hash(json.loads(json.dumps(said()))) == digest
    for change in (
        {"escrow": b"\x45" * 32}, {"party": b"\x56" * 20}, {"claim": "It is empty!"}, {"files": [A]},
        {"salt": bytes(32)},
    ):  # fmt: skip
        assert evidence_hash(said(**change)) != digest, change
    for wrong in ({"escrow": b"\x44"}, {"salt": b"\x44"}, {"claim": ""}, {"files": [A, A]}):
        with pytest.raises(ValueError, match=r"32 bytes|says something|same name"):
            said(**wrong)


def test_a_comment_is_hashed_as_its_bytes_and_none_is_zero() -> None:
    assert comment_hash("") == ZERO_HASH
    assert comment_hash("é") == keccak(b"\xc3\xa9")
    with pytest.raises(ValueError, match="surrogates"):
        comment_hash("\ud800")
