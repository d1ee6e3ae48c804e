"""Golden vectors of the published rules, for every language that implements them.

`python tests/unit/rules` writes them anew; `test_vectors.py` fails when they are stale.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import uuid
from pathlib import Path
from typing import Any

import msgspec

from aicp.abi.typed_data import Bid, EscrowTerms, channel_domain, escrow_domain, marketplace_domain
from aicp.rules.bids import bids_proof, bids_root
from aicp.rules.canonical import canonical_json, document_hash
from aicp.rules.constants import MARKETPLACE_SALT, network
from aicp.rules.documents import (
    FileEntry,
    comment_hash,
    deliverable_hash,
    evidence_document,
    evidence_hash,
    job_hash,
    manifest,
    task_document,
    task_hash,
)
from aicp.rules.fees import fee, required_stake
from aicp.rules.ids import (
    appeal_nonce,
    bond_nonce,
    channel_id,
    escrow_id,
    marketplace_config,
    pool_deposit_nonce,
    pool_id,
    pool_key,
    stake_nonce,
)
from aicp.rules.primitives import ZERO_ADDRESS, checksum, hex0x, keccak
from aicp.rules.profiles import Profile, profile_document
from aicp.rules.route import choose_path
from aicp.rules.sealed import sealed_bid_document
from aicp.rules.terms import PROBLEMS, Agreed, check_terms, compose_terms
from scripts.abi.golden import digests, solidity
from tests.unit.rules.golden_rules import solidity_rules, typescript_decay
from tests.unit.rules.market_vectors import market_vectors

FOLDER = Path(__file__).parents[3] / "sdk" / "aicp" / "rules" / "vectors"
SOLIDITY = Path(__file__).parents[2] / "forge" / "utils" / "Golden.sol"
SOLIDITY_RULES = SOLIDITY.with_name("GoldenRules.sol")
TYPESCRIPT_DECAY = Path(__file__).parents[3] / "frontend" / "src" / "chain" / "decayTable.ts"
CHAIN_ID = 31337
CONSTANTS = network(CHAIN_ID).constants
NOW = 1_795_235_400
DISPUTE = 0xA1B2C3D4E5F60718293A4B5C6D7E8F90A1B2C3D4


def address(name: str) -> bytes:
    return keccak(name.encode())[12:]


def word(name: str) -> bytes:
    return keccak(name.encode())


BUYER, AGENT, OPERATOR, SESSION = (address(name) for name in ("buyer", "agent", "operator", "session key"))
ESCROW, CHANNEL, USDC, ARBITER = (address(name) for name in ("escrow", "channel", "usdc", "arbiter"))


def routes() -> list[dict[str, Any]]:
    cases = [
        (price, task, bid, seconds)
        for price in (0, 400_000, 9_999_999, 10_000_000, 10_000_001)
        for task, bid, seconds in (
            (False, False, 3600),
            (True, False, 3600),
            (False, True, 3600),
            (False, False, 43_200),
            (False, False, 43_201),
        )
    ]
    return [
        {
            "price_units": str(price),
            "task_escrow_only": task,
            "bid_escrow_only": bid,
            "duration_seconds": seconds,
            "path": choose_path(
                price, task_escrow_only=task, bid_escrow_only=bid, duration_seconds=seconds, constants=CONSTANTS
            ),
        }
        for price, task, bid, seconds in cases
    ]


def fees() -> list[dict[str, Any]]:
    amounts = (0, 1, 39, 40, 41, 10_000_000, 25_000_000, 123_456_789, 2**96 - 1)
    return [
        {
            "units": str(units),
            "fee_bps": 250,
            "fee_units": str(fee(units, 250)),
            "stake_units": str(required_stake(units)),
        }
        for units in amounts
    ]


def documents() -> dict[str, Any]:
    files = [
        FileEntry(name="zahlen.csv", sha256=word("file 1"), size=1234, media_type="text/csv"),
        FileEntry(name="Ärger \U0001f600.txt", sha256=word("file 2"), size=0, media_type="text/plain"),
        FileEntry(name="ﬁnal.txt", sha256=word("file 3"), size=7, media_type="text/plain"),
    ]
    task = task_document(
        task_id=uuid.UUID("0197f3a0-0000-7000-8000-000000000001"),
        buyer=BUYER,
        title="Profile the sales of March",
        description='Column types, missing values.\nSeparator is ";", numbers are like 1.234,56 €.',
        capability="data_processing",
        complexity=3,
        urgency="1.25",
        budget_units=25_000_000,
        escrow_only=False,
        deliver_within_seconds=3600,
        auction_ends_at=dt.datetime.fromtimestamp(NOW, dt.UTC),
        input_files=files,
        chain_id=CHAIN_ID,
        escrow=ESCROW,
        salt=word("salt"),
    )
    made = manifest(files, word("manifest salt"))
    said = evidence_document(
        escrow=word("escrow id"),
        party=BUYER,
        claim='Row 3 is "missing" — ärgerlich.\nSee the file.',
        files=files,
        salt=word("evidence salt"),
    )
    profile = profile_document(
        Profile(
            slug="tabula",
            name="Tabula ärgerlich",
            description='Profiles "tables".\nAlso €.',
            capabilities=["table_profile", "ocr", "ocr"],
            task_types=["storage", "analytics"],
            industry="finance",
            price_floor_units=250_000,
            capacity=3,
            endpoint="https://tabula.example/",
        ),
        chain_id=CHAIN_ID,
        agent=AGENT,
    )
    return {
        "task": {"document": task, "canonical": canonical_json(task).decode(), "task_hash": hex0x(task_hash(task))},
        "manifest": {
            "document": made,
            "canonical": canonical_json(made).decode(),
            "deliverable_hash": hex0x(deliverable_hash(made)),
        },
        "evidence": {
            "document": said,
            "unsorted_files": [file.to_json() for file in files],
            "canonical": canonical_json(said).decode(),
            "evidence_hash": hex0x(evidence_hash(said)),
        },
        "comments": [
            {"comment": comment, "comment_hash": hex0x(comment_hash(comment))}
            for comment in ("", "Fast and exact.", "Ärger \U0001f600\n")
        ],
        "profile": {
            "document": profile,
            "canonical": canonical_json(profile).decode(),
            "profile_hash": hex0x(document_hash(profile)),
        },
        "sealed_bid": sealed_bid_document(
            Bid(
                task_hash=word("task"),
                agent=AGENT,
                amount=24_500_000,
                eta_seconds=600,
                escrow_only=True,
                valid_until=1_795_240_000,
                salt=word("bid salt"),
            ),
            uuid.UUID("0197f3a0-0000-7000-8000-000000000001"),
            marketplace_domain(CHAIN_ID, ESCROW),
        ),
        "job": {
            "task_hash": hex0x(word("task")),
            "bid_hash": hex0x(word("bid")),
            "bids_root": hex0x(word("root")),
            "job_hash": hex0x(job_hash(word("task"), word("bid"), word("root"))),
        },
    }


def bids() -> list[dict[str, Any]]:
    cases = []
    for count in (0, 1, 2, 3, 5, 8):
        hashes = [word(f"bid {n}") for n in range(count)]
        proofs = {hex0x(value): [hex0x(node) for node in bids_proof(hashes, value)] for value in hashes}
        cases.append(
            {"bid_hashes": [hex0x(value) for value in hashes], "root": hex0x(bids_root(hashes)), "proofs": proofs}
        )
    return cases


def ids() -> dict[str, Any]:
    domain = channel_domain(CHAIN_ID, CHANNEL)
    config = marketplace_config(BUYER, SESSION, AGENT, OPERATOR, USDC, CONSTANTS)
    pool = pool_id(pool_key(BUYER, SESSION, OPERATOR), domain)
    terms = base_terms()
    return {
        "chain_id": CHAIN_ID,
        "escrow": checksum(ESCROW),
        "payment_channel": checksum(CHANNEL),
        "marketplace_salt": hex0x(MARKETPLACE_SALT),
        "channel": {
            "payer": checksum(BUYER),
            "payer_authorizer": checksum(SESSION),
            "receiver": checksum(AGENT),
            "receiver_authorizer": checksum(OPERATOR),
            "token": checksum(USDC),
            "withdraw_delay": config.withdraw_delay,
            "channel_id": hex0x(channel_id(config, domain)),
            "pool_id": hex0x(pool),
        },
        "escrow_terms": {
            "terms": terms_json(terms),
            "escrow_id": hex0x(escrow_id(terms, escrow_domain(CHAIN_ID, ESCROW))),
        },
        "nonces": {
            "salt": hex0x(word("deposit salt")),
            "pool_deposit_nonce": hex0x(pool_deposit_nonce(pool, word("deposit salt"))),
            "agent": checksum(AGENT),
            "stake_nonce": hex0x(stake_nonce(AGENT, word("deposit salt"))),
            "bond_nonce": hex0x(bond_nonce(word("escrow id"), AGENT)),
            "escrow_id": hex0x(word("escrow id")),
            "dispute": str(DISPUTE),
            "appeal_nonces": [
                [number, side, hex0x(appeal_nonce(DISPUTE, number, side, word("deposit salt")))]
                for number in (0, 2)
                for side in (1, 2)
            ],
        },
    }


def base_terms() -> EscrowTerms:
    return compose_terms(
        client=BUYER,
        provider=AGENT,
        amount_units=25_000_000,
        deliver_within_seconds=3600,
        job_hash=word("job"),
        arbiter=ZERO_ADDRESS,
        now=NOW,
        salt=int.from_bytes(word("terms salt")),
        constants=CONSTANTS,
    )


def base_agreed() -> Agreed:
    return Agreed(
        client=BUYER,
        provider=AGENT,
        amount_units=25_000_000,
        eta_seconds=600,
        deliver_within_seconds=3600,
        job_hash=word("job"),
        arbiters=frozenset({ARBITER}),
        now=NOW,
    )


def terms_json(terms: EscrowTerms) -> dict[str, Any]:
    return {
        "client": checksum(terms.client),
        "provider": checksum(terms.provider),
        "verifier": checksum(terms.verifier),
        "arbiter": checksum(terms.arbiter),
        "amount_units": str(terms.amount),
        "fee_bps": terms.fee_bps,
        "quorum": terms.quorum,
        "accept_by": terms.accept_by,
        "deliver_by": terms.deliver_by,
        "challenge_period": terms.challenge_period,
        "dispute_timeout": terms.dispute_timeout,
        "job_hash": hex0x(terms.job_hash),
        "salt": hex0x(terms.salt.to_bytes(32)),
    }


def agreed_json(agreed: Agreed) -> dict[str, Any]:
    return {
        "client": checksum(agreed.client),
        "provider": checksum(agreed.provider),
        "verifier": checksum(agreed.verifier),
        "amount_units": str(agreed.amount_units),
        "eta_seconds": agreed.eta_seconds,
        "deliver_within_seconds": agreed.deliver_within_seconds,
        "job_hash": hex0x(agreed.job_hash),
        "arbiters": sorted(checksum(value) for value in agreed.arbiters),
        "now": agreed.now,
    }


def tampered() -> dict[str, tuple[dict[str, Any], dict[str, Any]]]:
    """Return name -> (changes of the terms, changes of what was agreed)."""
    terms = base_terms()
    return {
        "as agreed": ({}, {}),
        "known arbiter": ({"arbiter": ARBITER}, {}),
        "named verifier": ({"verifier": word("v")[12:]}, {"verifier": word("v")[12:]}),
        "unknown arbiter": ({"arbiter": address("mallory")}, {}),
        "verifier nobody named": ({"verifier": OPERATOR}, {}),
        "arbiter is the agent": ({"arbiter": AGENT}, {"arbiters": frozenset({AGENT})}),
        "another buyer": ({"client": address("mallory")}, {}),
        "another agent": ({"provider": address("mallory")}, {}),
        "self deal": ({"provider": BUYER}, {"provider": BUYER}),
        "amount one above": ({"amount": terms.amount + 1}, {}),
        "amount one below": ({"amount": terms.amount - 1}, {}),
        "amount below the minimum": ({"amount": 9_999}, {"amount_units": 9_999}),
        "fee raised": ({"fee_bps": 251}, {}),
        "fee dropped": ({"fee_bps": 0}, {}),
        "quorum of one": ({"quorum": 1}, {}),
        "accept by is over": ({"accept_by": NOW}, {}),
        "accept by in eight days": ({"accept_by": NOW + 8 * 86_400, "deliver_by": NOW + 8 * 86_400 + 3600}, {}),
        "delivery shorter than the bid": ({"deliver_by": terms.accept_by + 599}, {}),
        "delivery exactly the bid": ({"deliver_by": terms.accept_by + 600}, {}),
        "delivery longer than the task": ({"deliver_by": terms.deliver_by + 1}, {}),
        "delivery before acceptance": ({"deliver_by": terms.accept_by - 1}, {"eta_seconds": 0}),
        "challenge period shortened": ({"challenge_period": 599}, {}),
        "challenge period prolonged": ({"challenge_period": 601}, {}),
        "dispute timeout changed": ({"dispute_timeout": terms.dispute_timeout + 1}, {}),
        "another job": ({"job_hash": word("other job")}, {}),
        "everything else": (
            {"client": AGENT, "amount": 1, "fee_bps": 500, "quorum": 0, "job_hash": word("other job")},
            {},
        ),
    }


def terms() -> dict[str, Any]:
    cases = []
    for name, (term_changes, agreed_changes) in tampered().items():
        changed = msgspec.structs.replace(base_terms(), **term_changes)
        agreed = dataclasses.replace(base_agreed(), **agreed_changes)
        cases.append(
            {
                "name": name,
                "terms": terms_json(changed),
                "agreed": agreed_json(agreed),
                "problems": check_terms(changed, agreed, CONSTANTS),
            }
        )
    return {"chain_id": CHAIN_ID, "problems": dict(PROBLEMS), "cases": cases}


def all_vectors() -> dict[str, Any]:
    return {
        "route": routes(),
        "fees": fees(),
        "documents": documents(),
        "bids": bids(),
        "ids": ids(),
        "terms": terms(),
        "digests": digests(ids()),
        **market_vectors(),
    }


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    everything = all_vectors()
    for name, vectors in everything.items():
        text = json.dumps(vectors, indent=1, ensure_ascii=False)
        (FOLDER / f"{name}.json").write_text(text + "\n", encoding="utf-8")
    SOLIDITY.write_text(solidity(everything["digests"]), encoding="utf-8")
    SOLIDITY_RULES.write_text(solidity_rules(everything), encoding="utf-8")
    TYPESCRIPT_DECAY.write_text(typescript_decay(), encoding="utf-8")
