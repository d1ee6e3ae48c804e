"""What is signed when sides disagree, divide, release by several and rate; and what a dishonest answer never gets."""

from __future__ import annotations

import copy
import hashlib
import uuid
from pathlib import Path
from typing import Any

import httpx
import pytest

from aicp.abi.signing import recover
from aicp.abi.typed_data import Dispute, Rating, ReceiveWithAuthorization, Release, Response, Split
from aicp.client import BondAboveLimit, ClientError, DisputeActions, Mismatch, NotDue, NotEnough, Wallet, models
from aicp.client.chain import chain_of
from aicp.client.service import Network
from aicp.client.verify_dispute import check_evidence
from aicp.rules.documents import FileEntry, comment_hash, evidence_document, evidence_hash
from aicp.rules.ids import bond_nonce
from aicp.rules.primitives import ZERO_HASH, checksum, hex0x, keccak
from tests.unit.sdk.builders import AGENT, BUYER, DEAL_ID, NOW, address, chain, delivered_json, key, network_json
from tests.unit.sdk.test_actions import Recorder, balances, market, still_clock

__all__ = ["still_clock"]

ARBITER, VERIFIER = address("arbiter"), key("verifier")
FEE, PRICE = 3_000_000, 25_000_000
STEP = f"/deals/{DEAL_ID}"
ENDS = NOW + 600
OFFER_ID = uuid.UUID(int=12)


def deal(status: str = "submitted", **changes: Any) -> models.Deal:
    """A deal with a submitted result, an arbiter and a verifier; a change such as `terms__amount_units` goes deep."""
    made = copy.deepcopy(delivered_json(arbiter=ARBITER, verifier=VERIFIER.address))
    escrow = made["escrow"]
    escrow |= {"chain_status": status, "dispute_fee_units": str(FEE), "challenge_ends_at": ENDS}
    if status != "submitted":
        escrow["dispute"] = dispute_json(bytes.fromhex(escrow["escrow_id"][2:]))
    for name, value in changes.items():
        place, *rest = name.split("__")
        target = escrow
        for part in rest:
            target, place = target[place], part
        target[place] = value
    return models.Deal.read(made)


def dispute_json(escrow_id: bytes) -> dict[str, Any]:
    document = evidence_document(
        escrow=escrow_id, party=BUYER.address, claim="Half is missing.", files=[], salt=keccak(b"evidence")
    )
    digest = hex0x(evidence_hash(document))
    said = {
        "party": checksum(BUYER.address), "role": "buyer", "claim": "Half is missing.", "files": [],
        "salt": hex0x(keccak(b"evidence")), "hash": digest, "created_at": "2026-11-21T04:30:00Z",
    }  # fmt: skip
    return {
        "arbiter": checksum(ARBITER), "arbiter_fee_units": "0", "bond_units": str(FEE), "evidence_hash": digest,
        "raised_at": NOW - 10, "respond_by": ENDS, "responded_at": None, "dispute_id": None, "arbiter_period": None,
        "arbiter_period_at": None, "arbiter_period_ends_at": None, "arbiter_round": None, "verdict": None, "rounds": [],
        "appeal": None, "buyer_credit_units": "0", "agent_credit_units": "0", "ruling": None, "decide_by": None,
        "outcome": None, "evidence": [said],
    }  # fmt: skip


def escrow_id() -> bytes:
    found = deal().escrow
    assert found is not None
    return found.escrow_id


def signed_json(signer: Wallet, role: str, total: int = PRICE, until: int = NOW + 500) -> dict[str, Any]:
    message = Release(escrow_id=escrow_id(), cumulative_released=total, valid_until=until)
    return {
        "role": role, "signer": checksum(signer.address), "cumulative_released_units": str(total), "valid_until": until,
        "signature": hex0x(signer.sign_digest(message.digest(chain().escrow))), "created_at": "2026-11-21T04:30:00Z",
    }  # fmt: skip


def offer(signer: Wallet = AGENT, to_provider: int = 20_000_000, **changes: Any) -> models.SplitOffer:
    parts = {"to_provider": to_provider, "to_client": PRICE - to_provider, "valid_until": NOW + 500}
    message = Split(escrow_id=escrow_id(), **parts)
    return models.SplitOffer.read(
        {
            "id": str(OFFER_ID), "offered_by": checksum(AGENT.address), "role": "agent", "state": "open",
            "to_provider_units": str(parts["to_provider"]), "to_client_units": str(parts["to_client"]),
            "valid_until": parts["valid_until"], "created_at": "2026-11-21T04:30:00Z",
            "signature": hex0x(signer.sign_digest(message.digest(chain().escrow))),
        } | changes
    )  # fmt: skip


class Service(Recorder):
    """Answers every step of a deal, and stores files under the hash of their bytes."""

    def __init__(self, **answers: Any) -> None:
        super().__init__(**answers)
        network = network_json()
        network["contracts"]["arbiter"] = checksum(ARBITER)
        self.answers["/network"] = network
        for name in ("dispute", "response", "split-offers", f"split-offers/{OFFER_ID}/acceptance",
                     "release-signatures", "rating"):  # fmt: skip
            self.answers.setdefault(f"{STEP}/{name}", delivered_json(arbiter=ARBITER, verifier=VERIFIER.address))

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/files"):
            return httpx.Response(200, json=SHOT.to_json())
        return super().__call__(request)


BYTES = b"not what was asked"
SHOT = FileEntry(name="shot.txt", sha256=hashlib.sha256(BYTES).digest(), size=18, media_type="text/plain")


def actions(wallet: Wallet, service: Service, folder: Path) -> DisputeActions:
    return DisputeActions(market(wallet, service, folder))


def signer_of(body: dict[str, Any], message: Any) -> bytes:
    return recover(message.digest(chain().escrow), bytes.fromhex(body["signature"][2:]))


@pytest.mark.asyncio
async def test_a_dispute_signs_the_hash_of_what_is_said_and_a_bond_of_exactly_the_fee(tmp_path: Path) -> None:
    service = Service()
    file = tmp_path / "shot.txt"
    file.write_bytes(BYTES)
    await actions(BUYER, service, tmp_path).dispute(deal(), "Half is missing.", [file], bond_limit_units=FEE)
    [(path, body)] = service.posts
    assert path == f"{STEP}/dispute"
    said = body["evidence"]
    document = evidence_document(
        escrow=escrow_id(), party=BUYER.address, claim="Half is missing.", files=[SHOT],
        salt=bytes.fromhex(said["salt"][2:]),
    )  # fmt: skip
    assert body["evidence_hash"] == hex0x(evidence_hash(document))
    assert body["valid_until"] == ENDS, "no longer than the time to dispute"
    message = Dispute(escrow_id=escrow_id(), evidence_hash=evidence_hash(document), valid_until=ENDS)
    assert signer_of(body, message) == BUYER.address
    bond = ReceiveWithAuthorization(
        from_=BUYER.address, to=address("escrow"), value=FEE, valid_after=0, valid_before=ENDS,
        nonce=bond_nonce(escrow_id(), BUYER.address),
    )  # fmt: skip
    assert body["bond"]["value_units"] == str(FEE)
    assert recover(bond.digest(chain().token), bytes.fromhex(body["bond"]["signature"][2:])) == BUYER.address


@pytest.mark.asyncio
async def test_an_answer_without_a_claim_and_from_the_balance_signs_only_itself(tmp_path: Path) -> None:
    service = Service()
    await actions(AGENT, service, tmp_path).respond(deal("challenged"), bond_limit_units=FEE, from_balance=True)
    [(path, body)] = service.posts
    assert (path, body["evidence"], body["bond"]) == (f"{STEP}/response", None, None)
    assert signer_of(body, Response(escrow_id=escrow_id(), valid_until=ENDS)) == AGENT.address


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("refused", "limit", "changes"),
    [
        (BondAboveLimit, FEE - 1, {}),
        (ClientError, FEE, {"dispute_fee_units": None}),
        (NotEnough, 10**9, {"dispute_fee_units": "30000001"}),
        (NotDue, FEE, {"challenge_ends_at": NOW}),
        (NotDue, FEE, {"chain_status": "accepted"}),
        (Mismatch, FEE, {"terms__amount_units": "25000001"}),
        (Mismatch, FEE, {"escrow_id": hex0x(keccak(b"another"))}),
    ],
)
async def test_a_dispute_that_is_not_what_it_seems_gets_no_signature(
    tmp_path: Path, refused: type[ClientError], limit: int, changes: dict[str, Any]
) -> None:
    service = Service()
    with pytest.raises(refused):
        await actions(BUYER, service, tmp_path).dispute(deal(**changes), "Bad.", bond_limit_units=limit)
    assert service.posts == []


@pytest.mark.asyncio
@pytest.mark.parametrize("shown", ["no files", "other files"])
async def test_a_hash_whose_files_nobody_shows_can_be_disputed(tmp_path: Path, shown: str) -> None:
    """An agent may submit any hash on chain, past the service; that is just what disputes are for."""
    service = Service()
    made = deal(deliverable_hash=hex0x(keccak(b"another")))
    if shown == "no files":
        made = made.model_copy(update={"deliverable": None})
    await actions(BUYER, service, tmp_path).dispute(made, "There is no result.", bond_limit_units=FEE)
    assert [path for path, _ in service.posts] == [f"{STEP}/dispute"]


@pytest.mark.asyncio
async def test_only_the_sides_they_belong_to_dispute_and_answer(tmp_path: Path) -> None:
    service = Service()
    with pytest.raises(Mismatch, match="Only the buyer"):
        await actions(AGENT, service, tmp_path).dispute(deal(), "Bad.", bond_limit_units=FEE)
    with pytest.raises(Mismatch, match="Only the agent"):
        await actions(BUYER, service, tmp_path).respond(deal("challenged"), bond_limit_units=FEE)
    with pytest.raises(NotDue, match="no dispute"):
        await actions(AGENT, service, tmp_path).respond(deal(), bond_limit_units=FEE)
    assert service.posts == []


@pytest.mark.asyncio
async def test_an_arbiter_the_network_does_not_know_gets_no_bond(tmp_path: Path) -> None:
    service = Service()
    service.answers["/network"]["contracts"]["arbiter"] = checksum(address("another arbiter"))
    with pytest.raises(Mismatch, match="arbiter"):
        await actions(BUYER, service, tmp_path).dispute(deal(), "Bad.", bond_limit_units=FEE)
    assert service.posts == []


def test_evidence_is_what_its_hash_says() -> None:
    network = Service().answers["/network"]

    made = chain_of(Network.read(network))
    honest = deal("challenged")
    assert honest.escrow is not None
    assert honest.escrow.dispute is not None
    [said] = honest.escrow.dispute.evidence
    check_evidence(said, honest, made)
    for change in ({"claim": "All is well."}, {"party": AGENT.address}, {"hash": keccak(b"other")}):
        with pytest.raises(Mismatch):
            check_evidence(said.model_copy(update=change), honest, made)
    elsewhere = deal("challenged", dispute__evidence_hash=hex0x(keccak(b"other")))
    with pytest.raises(Mismatch, match="the one the chain has"):
        check_evidence(said, elsewhere, made)


@pytest.mark.asyncio
async def test_an_offer_divides_exactly_what_is_left(tmp_path: Path) -> None:
    service = Service()
    own = actions(BUYER, service, tmp_path)
    await own.offer_split(deal(released_units="5000000"), 8_000_000, valid_seconds=600)
    [(_, body)] = service.posts
    parts = {"to_provider": 8_000_000, "to_client": 12_000_000, "valid_until": NOW + 600}
    assert signer_of(body, Split(escrow_id=escrow_id(), **parts)) == BUYER.address
    for units, seconds, changes in (
        (25_000_001, 600, {}),
        (-1, 600, {}),
        (1, 8 * 86_400, {}),
        (1, 600, {"chain_status": "ruled"}),
        (1, 600, {"released_units": "26000000"}),
    ):
        with pytest.raises(ClientError):
            await own.offer_split(deal(**changes), units, valid_seconds=seconds)
    assert len(service.posts) == 1


@pytest.mark.asyncio
async def test_an_offer_is_accepted_as_it_was_signed_or_not_at_all(tmp_path: Path) -> None:
    service = Service()
    own = actions(BUYER, service, tmp_path)
    await own.accept_split(deal("challenged"), offer())
    [(path, body)] = service.posts
    assert path == f"{STEP}/split-offers/{OFFER_ID}/acceptance"
    message = Split(escrow_id=escrow_id(), to_provider=20_000_000, to_client=5_000_000, valid_until=NOW + 500)
    assert signer_of(body, message) == BUYER.address
    for wrong, changes in (
        (offer(BUYER), {}),
        (offer(to_client_units="4999999"), {}),
        (offer(to_provider_units="20000001", to_client_units="4999999"), {}),
        (offer(state="lapsed"), {}),
        (offer(valid_until=NOW), {}),
        (offer(valid_until=NOW + 8 * 86_400), {}),
        (offer(offered_by=checksum(BUYER.address)), {}),
        (offer(), {"released_units": "1000000"}),
    ):
        with pytest.raises(ClientError):
            await own.accept_split(deal(**changes), wrong)
    with pytest.raises(Mismatch, match="not the other side's"):
        await actions(AGENT, service, tmp_path).accept_split(deal(), offer())
    assert len(service.posts) == 1


@pytest.mark.asyncio
async def test_the_verifier_joins_the_signature_of_the_agent(tmp_path: Path) -> None:
    service = Service()
    signed = [
        signed_json(AGENT, "agent", until=NOW + 300),
        signed_json(AGENT, "agent"),
        signed_json(AGENT, "agent", total=PRICE - 1, until=NOW + 900),
        signed_json(BUYER, "agent", until=NOW + 901),
        signed_json(VERIFIER, "verifier", until=NOW + 902),
    ]
    await actions(VERIFIER, service, tmp_path).sign_release(deal(release_signatures=signed))
    [(_, body)] = service.posts
    message = Release(escrow_id=escrow_id(), cumulative_released=PRICE, valid_until=NOW + 500)
    assert signer_of(body, message) == VERIFIER.address, "the valid one of the agent that lasts longest"


@pytest.mark.asyncio
async def test_who_signs_a_release_first_names_total_and_time(tmp_path: Path) -> None:
    service = Service()
    own = actions(AGENT, service, tmp_path)
    await own.sign_release(deal(refunded_units="5000000"), valid_seconds=100)
    [(_, body)] = service.posts
    message = Release(escrow_id=escrow_id(), cumulative_released=20_000_000, valid_until=NOW + 100)
    assert signer_of(body, message) == AGENT.address
    verifier = actions(VERIFIER, service, tmp_path)
    for who, changes in (
        (verifier, {"chain_status": "accepted"}),
        (verifier, {"deliverable_hash": hex0x(keccak(b"other"))}),
        (own, {"chain_status": "challenged"}),
        (own, {"released_units": str(PRICE)}),
        (actions(BUYER, service, tmp_path), {}),
        (actions(key("stranger"), service, tmp_path), {}),
    ):
        with pytest.raises(ClientError):
            await who.sign_release(deal(**changes))
    assert len(service.posts) == 1


@pytest.mark.asyncio
async def test_a_rating_is_signed_once_over_its_comment(tmp_path: Path) -> None:
    service = Service()
    own = actions(BUYER, service, tmp_path)
    await own.rate(deal("closed"), 90, "Exact.")
    await own.rate(deal("closed"), 0)
    for (_, body), score, digest in zip(service.posts, (90, 0), (comment_hash("Exact."), ZERO_HASH), strict=True):
        message = Rating(escrow_id=escrow_id(), score=score, comment_hash=digest, valid_until=NOW + 900)
        assert signer_of(body, message) == BUYER.address
        assert body["comment_hash"] == hex0x(digest)
    done = {
        "rater": checksum(BUYER.address), "ratee": checksum(AGENT.address), "role": "buyer", "score": 90,
        "comment": None, "comment_hash": hex0x(ZERO_HASH), "settled_units": str(PRICE),
    }  # fmt: skip
    for refused, score, comment in (
        (deal("closed", ratings=[done]), 90, ""),
        (deal(), 90, ""),
        (deal("closed"), 101, ""),
        (deal("closed"), 50, "\ud800"),
    ):
        with pytest.raises(ClientError):
            await own.rate(refused, score, comment)
    assert len(service.posts) == 2


@pytest.mark.asyncio
async def test_an_empty_wallet_puts_up_no_bond(tmp_path: Path) -> None:
    service = Service(**{f"/accounts/{checksum(BUYER.address)}/balances": balances(usdc_units=str(FEE - 1))})
    with pytest.raises(NotEnough):
        await actions(BUYER, service, tmp_path).dispute(deal(), "Bad.", bond_limit_units=FEE)
    assert service.posts == []
