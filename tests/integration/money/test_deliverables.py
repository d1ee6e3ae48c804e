"""One result of an escrow deal at a time, and the buyer sees the one the chain names."""

from __future__ import annotations

import pytest

from aicp.abi import escrow as escrow_abi
from aicp.abi.typed_data import Submission
from backend.deals import escrow_steps, terms
from backend.deals.errors import SubmissionUnderway
from backend.deals.models import Deal
from backend.deals.schemas import DealOut, SubmissionIn
from backend.deals.view import deal_out
from backend.files.schemas import Manifest
from tests.fixtures.moneylab import USDC, World


@pytest.fixture(scope="module", autouse=True)
def staked(world: World) -> None:
    world.stake(world.agent, 100 * USDC)


def assigned(world: World) -> Deal:
    deal = world.deal(12 * USDC)
    world.accept(deal)
    world.pay(deal)
    world.until(lambda: world.state(deal) == "assigned", "assigned")
    return deal


def hand_in(world: World, deal: Deal, manifest: Manifest, lifetime: int = 900) -> bytes:
    row, digest = world.terms_row(deal), world.hash_of(manifest)
    message = Submission(escrow_id=row.escrow_id, deliverable_hash=digest, valid_until=world.clock() + lifetime)
    given = SubmissionIn(
        escrow_id=row.escrow_id, manifest=manifest, valid_until=message.valid_until,
        signature=world.agent.sign(message, world.ctx.domains.escrow),
    )  # fmt: skip
    world.write(lambda s: escrow_steps.submit(s, world.ctx, deal.id, world.agent.address, given))
    return digest


def shown(world: World, deal: Deal) -> DealOut:
    return world.read(lambda s: deal_out(s, world.ctx, s.get_one(Deal, deal.id)))


def submit_directly(world: World, deal: Deal, digest: bytes) -> None:
    agreed = terms.from_json(world.terms_row(deal).terms)
    world.send(world.agent.address, world.ctx.deployment.escrow, escrow_abi.encode_submit(agreed, digest))
    world.until(lambda: world.state(deal) == "delivered", "delivered")


def drop_intents(world: World, deal: Deal) -> None:
    statement = "UPDATE txm.intent SET state = 'cancelled' WHERE kind = 'submit' AND reference->>'deal_id' = :id"
    world.sql(statement, id=str(deal.id))


def test_another_result_is_refused_while_one_is_on_its_way(world: World) -> None:
    deal = assigned(world)
    first = hand_in(world, deal, world.result())
    with pytest.raises(SubmissionUnderway) as refused:
        hand_in(world, deal, world.result())
    assert (refused.value.status, refused.value.code) == (409, "submission_underway")
    out = shown(world, deal)
    assert out.deliverable is not None
    assert out.deliverable.deliverable_hash == first
    assert out.escrow is not None
    assert out.escrow.deliverable_hash is None, "not on chain yet"
    world.until(lambda: world.state(deal) == "delivered", "delivered")
    out = shown(world, deal)
    assert out.escrow is not None
    assert out.deliverable is not None
    assert out.escrow.deliverable_hash == out.deliverable.deliverable_hash == first
    assert [file.name for file in out.deliverable.files] == ["result.json"]


def test_a_result_the_relayer_lost_is_handed_in_again_under_another_signature(world: World) -> None:
    deal, manifest = assigned(world), world.result()
    digest = hand_in(world, deal, manifest)
    drop_intents(world, deal)
    assert hand_in(world, deal, manifest, lifetime=901) == digest
    world.until(lambda: world.state(deal) == "delivered", "delivered")
    out = shown(world, deal)
    assert out.deliverable is not None
    assert out.deliverable.deliverable_hash == digest


def test_the_deal_shows_the_result_the_chain_names_not_the_newest(world: World) -> None:
    deal, first = assigned(world), world.result()
    named = hand_in(world, deal, first)
    drop_intents(world, deal)
    hand_in(world, deal, world.result())
    submit_directly(world, deal, named)
    out = shown(world, deal)
    assert out.deliverable is not None
    assert out.deliverable.deliverable_hash == named
    hand_in(world, deal, first)
    again = shown(world, deal).deliverable
    assert again is not None
    assert [file.sha256 for file in again.files] == [file.sha256 for file in first.files], "attached again"


def test_a_result_on_chain_nobody_has_the_files_of_is_not_covered_by_another(world: World) -> None:
    deal = assigned(world)
    hand_in(world, deal, world.result())
    drop_intents(world, deal)
    submit_directly(world, deal, bytes([7]) * 32)
    out = shown(world, deal)
    assert out.deliverable is None
    assert out.escrow is not None
    assert out.escrow.deliverable_hash == bytes([7]) * 32
