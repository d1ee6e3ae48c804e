"""What parties sign together, on a real chain: splits both ways, releases by agent and verifier, ratings."""

from __future__ import annotations

import os

import pytest

from aicp.rules.documents import comment_hash, named_verifier
from backend.deals.errors import StepUnderway
from backend.deals.models import Deal
from backend.errors import (
    Forbidden,
    InvalidInput,
    InvalidSignature,
    NotFound,
    SignatureExpired,
    TermsMismatch,
    WrongState,
)
from backend.files import service as files
from backend.txm import prepare
from tests.fixtures.disputelab import Court
from tests.fixtures.moneylab import USDC, Person, World, stranger

PRICE = 11 * USDC


@pytest.fixture(scope="module")
def court(world: World) -> Court:
    world.stake(world.agent, 150 * USDC)
    return Court(world)


@pytest.fixture(scope="module")
def verifier() -> Person:
    return stranger()


def verified(court: Court, verifier: Person) -> Deal:
    """A deal with a verifier whose result is on chain."""
    return court.submitted(verifier=verifier.address, escrow_only=True)


def kinds(court: Court, deal: Deal, kind: str) -> list[str]:
    return [
        row[0]
        for row in court.world.sql(
            "SELECT state FROM txm.intent WHERE kind = :k AND reference->>'deal_id' = :d", k=kind, d=str(deal.id)
        )
    ]


def offers(court: Court, deal: Deal) -> list[tuple[str, str]]:
    escrow = court.out(deal).escrow
    assert escrow is not None
    return [(one.role, one.state) for one in escrow.split_offers]


def test_a_split_offered_by_the_agent_and_taken_by_the_buyer(court: Court) -> None:
    world = court.world
    deal = court.assigned()
    with pytest.raises(TermsMismatch):
        court.offer(deal, world.agent, PRICE, 1)
    first = court.offer(deal, world.agent, 5 * USDC, PRICE - 5 * USDC)
    second = court.offer(deal, world.agent, 4 * USDC, PRICE - 4 * USDC)
    assert offers(court, deal) == [("agent", "open"), ("agent", "replaced")]
    with pytest.raises(WrongState):
        court.take(deal, first, world.buyer)
    with pytest.raises(NotFound):
        court.take(deal, second, world.agent)
    with pytest.raises(InvalidSignature):
        court.take(deal, second, world.buyer, court.split_in(deal, world.buyer, 5 * USDC, PRICE - 5 * USDC).signature)
    assert kinds(court, deal, "split") == []
    held = world.ledger_of(world.buyer.address)
    court.take(deal, second, world.buyer)
    court.take(deal, second, world.buyer)
    assert len(kinds(court, deal, "split")) == 1
    with pytest.raises(StepUnderway):
        court.offer(deal, world.buyer, 0, PRICE)
    world.until(lambda: world.state(deal) == "split", "split")
    assert world.ledger_of(world.buyer.address) - held == PRICE - 4 * USDC
    with pytest.raises(WrongState):
        court.offer(deal, world.buyer, 0, PRICE)


def test_a_split_offered_by_the_buyer_lapses_when_less_is_left(court: Court) -> None:
    world = court.world
    deal = court.submitted()
    offered = court.offer(deal, world.buyer, 6 * USDC, PRICE - 6 * USDC)
    world.release(deal, 1 * USDC)
    world.turn()
    assert offers(court, deal) == [("buyer", "lapsed")]
    with pytest.raises(TermsMismatch):
        court.take(deal, offered, world.agent)
    offered = court.offer(deal, world.buyer, 6 * USDC, PRICE - 7 * USDC)
    world.clock.added += 601
    with pytest.raises(SignatureExpired):
        court.take(deal, offered, world.agent)
    assert kinds(court, deal, "split") == []
    offered = court.offer(deal, world.buyer, 6 * USDC, PRICE - 7 * USDC)
    court.take(deal, offered, world.agent)
    world.until(lambda: world.state(deal) in {"split", "completed"}, "over")


def test_a_worker_that_dies_before_the_broadcast_splits_once(court: Court) -> None:
    world = court.world
    deal = court.assigned()
    offered = court.offer(deal, world.agent, PRICE, 0)
    held = world.ledger_of(world.agent.address)
    court.take(deal, offered, world.buyer)
    child = os.fork()
    if child == 0:
        prepare.prepare(world.new_machine())
        os._exit(9)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    assert kinds(court, deal, "split") == ["sent"]
    world.until(lambda: world.state(deal) == "split", "split")
    assert world.ledger_of(world.agent.address) - held == PRICE - PRICE * 250 // 10_000
    assert kinds(court, deal, "split") == ["final"]


def test_agent_and_verifier_release_without_the_buyer(court: Court, verifier: Person) -> None:
    world = court.world
    deal = verified(court, verifier)
    out = court.out(deal, verifier.address)
    assert out.escrow is not None
    assert (out.verifier, out.escrow.verifier, out.escrow.quorum) == (verifier.address, verifier.address, 2)
    assert named_verifier(out.document) == verifier.address
    assert ("sign_release", "verifier") in {(one.name, one.who) for one in out.actions}
    assert out.deliverable is not None
    sha = out.deliverable.files[0].sha256
    assert world.read(lambda s: files.readable(s, world.ctx, verifier.address, sha)).sha256 == sha
    until = world.clock() + 500
    court.sign_release(deal, world.agent, PRICE, until)
    court.sign_release(deal, world.agent, PRICE, until)
    assert kinds(court, deal, "release_quorum") == [], "the agent alone never suffices"
    court.sign_release(deal, verifier, PRICE, until + 1)
    court.sign_release(deal, verifier, PRICE - 1, until)
    assert kinds(court, deal, "release_quorum") == [], "another time, another total: not the same release"
    with pytest.raises(NotFound):
        court.sign_release(deal, world.rival, PRICE, until)
    with pytest.raises(TermsMismatch):
        court.sign_release(deal, verifier, PRICE + 1, until)
    court.sign_release(deal, world.agent, PRICE - 1, until)
    world.until(lambda: kinds(court, deal, "release_quorum") == ["final"], "all but one base unit")
    court.sign_release(deal, verifier, PRICE, until)
    court.sign_release(deal, verifier, PRICE, until)
    assert len(kinds(court, deal, "release_quorum")) == 2
    world.until(lambda: world.state(deal) == "completed", "paid without the buyer")
    signatures = court.out(deal).escrow.release_signatures  # type: ignore[union-attr]
    assert {(one.role, one.cumulative_released_units) for one in signatures} == {
        ("agent", PRICE), ("agent", PRICE - 1), ("verifier", PRICE), ("verifier", PRICE - 1),
    }  # fmt: skip


def test_a_verifier_is_named_in_the_document_and_takes_no_part_in_the_auction(court: Court, verifier: Person) -> None:
    world = court.world
    for wrong in (
        {"verifier": world.buyer.address, "escrow_only": True},
        {"verifier": world.ctx.deployment.arbiter, "escrow_only": True},
        {"verifier": verifier.address, "escrow_only": False},
    ):
        with pytest.raises(InvalidInput):
            world.post(PRICE, **wrong)
    task = world.post(PRICE, verifier=verifier.address, escrow_only=True)
    with pytest.raises(Forbidden):
        world.bid(task, verifier, PRICE)
    assert "verifier" not in world.post(PRICE).document
    plain = court.assigned()
    with pytest.raises(NotFound):
        court.out(plain, verifier.address)
    with pytest.raises(NotFound):
        court.sign_release(plain, verifier, PRICE, world.clock() + 100)


def test_each_side_rates_once_with_its_comment(court: Court) -> None:
    world = court.world
    deal = court.submitted()
    with pytest.raises(WrongState):
        court.rate(deal, world.buyer, 90)
    world.release(deal)
    world.until(lambda: world.state(deal) == "completed", "completed")
    with pytest.raises(InvalidSignature):
        court.rate(deal, world.buyer, 90, signer=world.agent)
    court.rate(deal, world.buyer, 90, "Fast and exact.")
    with pytest.raises(StepUnderway):
        court.rate(deal, world.buyer, 10)
    court.rate(deal, world.agent, 70)
    world.until(lambda: kinds(court, deal, "rate") == ["final", "final"], "both are on chain")
    world.turn()
    court.rate(deal, world.buyer, 90, "Fast and exact.")
    with pytest.raises(WrongState):
        court.rate(deal, world.buyer, 10)
    assert len(kinds(court, deal, "rate")) == 2
    shown = {one.role: one for one in court.out(deal).escrow.ratings}  # type: ignore[union-attr]
    assert (shown["buyer"].score, shown["buyer"].comment) == (90, "Fast and exact.")
    assert shown["buyer"].comment_hash == comment_hash("Fast and exact.")
    assert (shown["agent"].score, shown["agent"].comment, shown["agent"].comment_hash) == (70, None, bytes(32))
    assert not [one for one in court.out(deal).actions if one.name == "rate"]
