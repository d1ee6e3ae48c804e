"""Answers of a service, signed with real keys, for the client's unit tests."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import uuid
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from aicp.abi.typed_data import (
    Acceptance,
    Award,
    Bid,
    BidReceipt,
    ClaimBatch,
    ClaimEntry,
    MicroOrder,
    Voucher,
)
from aicp.client import models
from aicp.client.chain import Chain, chain_of
from aicp.client.service import Network
from aicp.client.wallet import Wallet
from aicp.rules.bids import bids_root
from aicp.rules.constants import MARKETPLACE_SALT, network
from aicp.rules.documents import FileEntry, deliverable_hash, job_hash, manifest, task_document, task_hash
from aicp.rules.ids import channel_id, escrow_id, marketplace_config
from aicp.rules.primitives import ZERO_ADDRESS, checksum, hex0x, keccak
from aicp.rules.terms import compose_terms

NOW = 1_795_235_400
TASK_ID = uuid.UUID("0197f3a0-0000-7000-8000-000000000001")
DEAL_ID = uuid.UUID("0197f3a0-0000-7000-8000-000000000002")


def key(name: str) -> Wallet:
    return Wallet(keccak(name.encode()))


def address(name: str) -> bytes:
    return keccak(name.encode())[12:]


BUYER, AGENT, OPERATOR, SESSION = key("buyer"), key("agent"), key("operator"), key("session")
FILE = FileEntry(name="sales.csv", sha256=keccak(b"sales"), size=120, media_type="text/csv")


def network_json() -> dict[str, Any]:
    known = network(31337)
    constants: dict[str, Any] = {
        name: str(value) if name.endswith("_units") else value
        for name, value in dataclasses.asdict(known.constants).items()
    }
    constants["marketplace_salt"] = hex0x(MARKETPLACE_SALT)
    moment = dt.datetime.now(dt.UTC).isoformat()
    return {
        "chain_id": 31337,
        "name": known.name,
        "currency": known.currency,
        "rpc_url": "http://127.0.0.1:8545",
        "explorer": None,
        "public": False,
        "contracts": {
            "escrow": checksum(address("escrow")),
            "payment_channel": checksum(address("payment channel")),
            "reputation": checksum(address("reputation")),
            "usdc": checksum(address("usdc")),
            "erc3009_collector": checksum(address("collector")),
            "arbiter": checksum(ZERO_ADDRESS),
            "deploy_block": 1,
        },
        "token": {"symbol": "USDC", "name": known.token_name, "version": known.token_version, "decimals": 6},
        "operators": [{"address": checksum(OPERATOR.address), "from_time": moment, "until": None}],
        "constants": constants,
        "server_time": moment,
    }


def chain() -> Chain:
    return chain_of(Network.read(network_json()))


def document(budget_units: int = 25_000_000, verifier: bytes = ZERO_ADDRESS) -> dict[str, Any]:
    return task_document(
        task_id=TASK_ID,
        buyer=BUYER.address,
        title="Profile the sales",
        description="All columns, please.",
        capability="data_processing",
        complexity=1,
        urgency="1.0",
        budget_units=budget_units,
        escrow_only=False,
        deliver_within_seconds=3600,
        auction_ends_at=dt.datetime.fromtimestamp(NOW, dt.UTC),
        input_files=[FILE],
        chain_id=31337,
        escrow=address("escrow"),
        salt=keccak(b"task salt"),
        verifier=verifier,
    )


def bid_json(
    made: Chain, units: int = 25_000_000, agent: Wallet = AGENT, verifier: bytes = ZERO_ADDRESS
) -> dict[str, Any]:
    message = Bid(
        task_hash=task_hash(document(verifier=verifier)),
        agent=agent.address,
        amount=units,
        eta_seconds=600,
        escrow_only=False,
        valid_until=NOW + 7200,
        salt=keccak(b"bid salt"),
    )
    digest = message.digest(made.marketplace)
    receipt = BidReceipt(bid_hash=digest, seq=1).digest(made.marketplace)
    return {
        "bid_hash": hex0x(digest),
        "agent": checksum(agent.address),
        "agent_name": "Tabula",
        "amount_units": str(units),
        "eta_seconds": 600,
        "escrow_only": False,
        "valid_until": message.valid_until,
        "salt": hex0x(message.salt),
        "signature": hex0x(agent.sign_digest(digest)),
        "seq": 1,
        "receipt_signature": hex0x(OPERATOR.sign_digest(receipt)),
        "operator": checksum(OPERATOR.address),
        "received_at": "2026-11-21T04:30:00Z",
        "withdrawn": False,
        "live": True,
    }


def award_json(made: Chain, bid: dict[str, Any], verifier: bytes = ZERO_ADDRESS) -> dict[str, Any]:
    digest = bytes.fromhex(bid["bid_hash"][2:])
    task = task_hash(document(verifier=verifier))
    message = Award(task_hash=task, bid_hash=digest, bids_root=bids_root([digest]), bid_count=1)
    return {
        "task_hash": hex0x(message.task_hash),
        "bid_hash": bid["bid_hash"],
        "bids_root": hex0x(message.bids_root),
        "bid_count": 1,
        "operator": checksum(OPERATOR.address),
        "signature": hex0x(OPERATOR.sign_digest(message.digest(made.marketplace))),
        "deal_id": str(DEAL_ID),
    }


def deal_json(
    path: str,
    units: int = 25_000_000,
    state: str = "awaiting_acceptance",
    *,
    arbiter: bytes = ZERO_ADDRESS,
    verifier: bytes = ZERO_ADDRESS,
) -> dict[str, Any]:
    made = chain()
    bid = bid_json(made, units, verifier=verifier)
    award = award_json(made, bid, verifier)
    return {
        "id": str(DEAL_ID),
        "task_id": str(TASK_ID),
        "task_hash": award["task_hash"],
        "title": "Profile the sales",
        "path": path,
        "state": state,
        "public_state": state,
        "buyer": checksum(BUYER.address),
        "agent": checksum(AGENT.address),
        "agent_name": "Tabula",
        "verifier": None,
        "price_units": str(units),
        "fee_units": "0",
        "currency": "USDC",
        "live": True,
        "current": True,
        "ended_reason": None,
        "bid": bid,
        "award": award,
        "description": "All columns, please.",
        "document": document(verifier=verifier),
        "input_files": [FILE.to_json()],
        "escrow": escrow_json(made, award, units, arbiter, verifier) if path == "escrow" else None,
        "channel": channel_json(made, bid, units) if path == "channel" else None,
        "deliverable": None,
        "actions": [],
        "last_intent": None,
        "created_at": "2026-11-21T04:30:00Z",
    }


def escrow_json(made: Chain, award: dict[str, Any], units: int, arbiter: bytes, verifier: bytes) -> dict[str, Any]:
    job = job_hash(*(bytes.fromhex(award[name][2:]) for name in ("task_hash", "bid_hash", "bids_root")))
    terms = compose_terms(
        client=BUYER.address,
        provider=AGENT.address,
        amount_units=units,
        deliver_within_seconds=3600,
        job_hash=job,
        arbiter=arbiter,
        now=NOW,
        salt=7,
        constants=made.constants,
        verifier=verifier,
    )
    found = escrow_id(terms, made.escrow)
    acceptance = Acceptance(escrow_id=found, valid_until=NOW + 800)
    return {
        "escrow_id": hex0x(found),
        "terms": {
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
            "job_hash": hex0x(job),
            "salt": hex0x(terms.salt.to_bytes(32)),
        },
        "acceptance_due": NOW + 60,
        "acceptance_valid_until": acceptance.valid_until,
        "acceptance_signature": hex0x(AGENT.sign_digest(acceptance.digest(made.escrow))),
        "authorization_valid_before": None,
        "payable_until": None,
        "chain_status": "none",
        "released_units": "0",
        "refunded_units": "0",
        "challenge_ends_at": None,
        "deliverable_hash": None,
        "outcome": None,
        "quorum": terms.quorum,
        "verifier": None,
        "dispute_fee_units": None,
        "arbiter_can_rule": None,
        "dispute": None,
        "split_offers": [],
        "release_signatures": [],
        "ratings": [],
        "chain": None,
    }


def channel_of(made: Chain) -> bytes:
    config = marketplace_config(
        BUYER.address, SESSION.address, AGENT.address, OPERATOR.address, made.contracts.usdc, made.constants
    )
    return channel_id(config, made.channel)


def channel_json(made: Chain, bid: dict[str, Any], units: int) -> dict[str, Any]:
    order = MicroOrder(
        channel_id=channel_of(made),
        bid_hash=bytes.fromhex(bid["bid_hash"][2:]),
        price=units,
        deliver_by=NOW + 3600,
        evaluate_by=NOW + 3600 + 21_600,
    )
    digest = order.digest(made.marketplace)
    return {
        "pool_id": None,
        "channel_id": hex0x(order.channel_id),
        "earned_units": "0",
        "in_flight_units": "0",
        "ceiling_units": "0",
        "need_units": str(units),
        "available_units": "5000000",
        "order": {
            "order_hash": hex0x(digest),
            "channel_id": hex0x(order.channel_id),
            "bid_hash": bid["bid_hash"],
            "price_units": str(units),
            "deliver_by": order.deliver_by,
            "evaluate_by": order.evaluate_by,
            "payer_authorizer": checksum(SESSION.address),
            "signature": hex0x(SESSION.sign_digest(digest)),
            "state": "reserved",
            "verdict_accepted": None,
            "verdict_reason": None,
        },
    }


def receipt_json(total: int = 400_000, ceiling: int = 400_000, price: int = 400_000, **changes: Any) -> dict[str, Any]:
    made = chain()
    channel = channel_of(made)
    voucher = Voucher(channel_id=channel, max_claimable_amount=ceiling).digest(made.channel)
    entry = ClaimEntry(channel_id=channel, max_claimable_amount=ceiling, total_claimed=total)
    claim = ClaimBatch(claims=(entry,)).digest(made.channel)
    return {
        "id": str(uuid.UUID(int=total)),
        "channel_id": hex0x(channel),
        "order_hash": hex0x(keccak(b"order %d" % total)),
        "deal_id": str(DEAL_ID),
        "config": {
            "payer": checksum(BUYER.address),
            "payer_authorizer": checksum(SESSION.address),
            "receiver": checksum(AGENT.address),
            "receiver_authorizer": checksum(OPERATOR.address),
            "token": checksum(made.contracts.usdc),
            "withdraw_delay": 86_400,
            "salt": hex0x(MARKETPLACE_SALT),
        },
        "max_claimable_units": str(ceiling),
        "voucher_signature": hex0x(SESSION.sign_digest(voucher)),
        "total_claimed_units": str(total),
        "operator_signature": hex0x(OPERATOR.sign_digest(claim)),
        "price_units": str(price),
        "acknowledged": False,
        "claimed": False,
        "created_at": "2026-11-21T04:30:00Z",
    } | changes


def deal(path: str, units: int = 25_000_000, **changes: Any) -> models.Deal:
    """Return a deal; a change such as `escrow__terms__fee_bps=0` replaces one value deep inside."""
    made = json.loads(json.dumps(deal_json(path, units)))
    for name, value in changes.items():
        place, *rest = name.split("__")
        target = made
        for part in rest:
            target, place = target[place], part
        target[place] = value
    return models.Deal.read(made)


RESULT = b"column,mean\nunits,4\n"


def delivered_json(
    on_chain: bytes | None = None, files: Mapping[str, bytes] | None = None, **roles: bytes
) -> dict[str, Any]:
    """Return an escrow deal with `RESULT`, or other files, handed in; the chain names it, or `on_chain`."""
    entries = [
        FileEntry(name=name, sha256=sha256(content).digest(), size=len(content), media_type="text/csv")
        for name, content in (files or {"result.csv": RESULT}).items()
    ]
    made = manifest(entries, keccak(b"result salt"))
    digest = deliverable_hash(made)
    delivered = deal_json("escrow", state="delivered", **roles)
    delivered["escrow"] |= {"chain_status": "submitted", "deliverable_hash": hex0x(on_chain or digest)}
    delivered["deliverable"] = {
        "deliverable_hash": hex0x(digest),
        "manifest": made,
        "signature": "0x",
        "files": [entry.to_json() for entry in entries],
    }
    return delivered
