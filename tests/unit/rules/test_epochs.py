"""Epochs: the manifest says all that is not in the events, and whoever has both comes to the anchored root."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from aicp.rules.canonical import canonical_json, document_hash
from aicp.rules.decay import DAY
from aicp.rules.epochs import (
    epoch_end,
    facts_hash,
    inputs_of,
    leaves,
    manifest,
    parameters_of,
    root_and_manifest_hash,
    score_cards,
    score_file,
)
from aicp.rules.primitives import keccak
from aicp.rules.scores import epoch_root, score_proof, verify_score
from aicp.rules.witnesses import DEVNET, PUBLIC
from indexer.audit.scores import load
from tests.unit.rules.market_vectors import golden_market
from tests.unit.rules.markets import END, account, deal


def test_a_manifest_is_read_back_as_it_was_written() -> None:
    given, deals, _, _ = golden_market()
    document = manifest(given, deals)
    again = inputs_of(json.loads(canonical_json(document)))
    assert root_and_manifest_hash(again, deals) == root_and_manifest_hash(given, deals)
    assert manifest(again, deals[::-1]) == document
    for wrong in ({"version": 2}, {"rule": 2}):
        with pytest.raises(ValueError, match="not known"):
            inputs_of(document | wrong)


def test_a_manifest_names_every_parameter_and_no_other() -> None:
    given, deals, _, _ = golden_market()
    document = manifest(given, deals)
    named = document["parameters"]
    for wrong in ({**named, "another": "1"}, {name: named[name] for name in named if name != "least_gift_units"}):
        with pytest.raises(ValueError, match="other parameters"):
            inputs_of(document | {"parameters": wrong})


@pytest.mark.parametrize(
    "changes",
    [
        {"epoch": 2},
        {"end": END + DAY},
        {"block_hash": keccak(b"another")},
        {"parameters": DEVNET},
        {"funders": {}},
        {"common": frozenset()},
        {"vouches": ()},
        {"free_stake": {}},
        {"escrow": account("another")},
    ],
)
def test_the_manifest_commits_to_every_input(changes: dict[str, Any]) -> None:
    given, deals, _, _ = golden_market()
    changed = dataclasses.replace(given, **changes)
    assert document_hash(manifest(changed, deals)) != document_hash(manifest(given, deals))


def test_every_score_is_proven_against_the_root() -> None:
    given, deals, _, _ = golden_market()
    anchored = leaves(score_cards(given, deals), given.epoch)
    root, _ = root_and_manifest_hash(given, deals)
    assert root == epoch_root(anchored)
    for leaf in anchored:
        assert verify_score(root, leaf, score_proof(anchored, leaf))


def test_the_published_file_is_what_the_audit_reads(tmp_path: Path) -> None:
    given, deals, _, _ = golden_market()
    path = tmp_path / "1.json"
    path.write_text(json.dumps(score_file(given, deals)), encoding="utf-8")
    read = load(path)
    assert (read.root, read.manifest_hash) == root_and_manifest_hash(given, deals)
    assert (read.epoch, read.count) == (given.epoch, len(score_cards(given, deals)))


def test_the_order_of_the_deals_says_nothing() -> None:
    given, deals, _, _ = golden_market()
    assert score_cards(given, deals[::-1]) == score_cards(given, deals)
    assert facts_hash(deals[::-1]) == facts_hash(deals)
    assert facts_hash(deals[1:]) != facts_hash(deals)


def test_later_deals_belong_to_the_next_epoch() -> None:
    given, deals, _, _ = golden_market()
    later = [*deals, deal("buyer 1", "agent 1", 50, days_ago=-1)]
    assert root_and_manifest_hash(given, later) == root_and_manifest_hash(given, deals)


def test_epochs_end_at_midnight() -> None:
    assert [epoch_end(END + n) for n in (-1, 0, 1, DAY - 1)] == [END - DAY, END, END, END]
    given, _, _, _ = golden_market()
    with pytest.raises(ValueError, match="midnight"):
        dataclasses.replace(given, end=END + 1)


def test_only_a_local_chain_believes_witnesses_sooner() -> None:
    assert parameters_of(31337) == DEVNET
    assert {parameters_of(chain_id) for chain_id in (1, 137, 80002, 11155111)} == {PUBLIC}
