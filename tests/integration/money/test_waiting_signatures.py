"""What one side signs and the other has not answered stays small, lives for a bounded time, and hides nothing."""

from __future__ import annotations

import pytest

from aicp.abi.typed_data import Split
from backend.deals import agreements
from backend.deals.agreements import MAX_LIFETIME_SECONDS, MAX_OPEN
from backend.deals.dispute_schemas import SplitOfferIn
from backend.deals.dispute_view import OFFERS_SHOWN
from backend.deals.models import Deal
from backend.deals.schemas import EscrowOut
from backend.errors import InvalidInput, WrongState
from tests.fixtures.disputelab import Court
from tests.fixtures.moneylab import USDC, Person, World, stranger

PRICE = 11 * USDC
MANY = 3 * MAX_OPEN


@pytest.fixture(scope="module")
def court(world: World) -> Court:
    world.stake(world.agent, 150 * USDC)
    return Court(world)


@pytest.fixture(scope="module")
def deal(court: Court) -> Deal:
    return court.submitted(verifier=stranger().address, escrow_only=True)


def escrow(court: Court, deal: Deal) -> EscrowOut:
    found = court.out(deal).escrow
    assert found is not None
    return found


def signed(court: Court, deal: Deal, role: str) -> list[int]:
    return [one.cumulative_released_units for one in escrow(court, deal).release_signatures if one.role == role]


def offer(court: Court, deal: Deal, party: Person, to_provider: int, lifetime: int = 600) -> None:
    world = court.world
    message = Split(
        escrow_id=court.escrow_id(deal), to_provider=to_provider, to_client=PRICE - to_provider,
        valid_until=world.clock() + lifetime,
    )  # fmt: skip
    given = SplitOfferIn(
        escrow_id=message.escrow_id, to_provider_units=message.to_provider, to_client_units=message.to_client,
        valid_until=message.valid_until, signature=party.sign(message, world.ctx.domains.escrow),
    )  # fmt: skip
    world.write(lambda s: agreements.offer_split(s, world.ctx, deal.id, party.address, given))


def test_the_newest_releases_of_each_role_are_kept(court: Court, deal: Deal) -> None:
    world, until = court.world, court.world.clock() + 5_000
    court.sign_release(deal, stranger(), PRICE, until)
    for number in range(MANY):
        court.sign_release(deal, world.agent, USDC + number, until)
    assert signed(court, deal, "agent") == [USDC + number for number in range(MANY - MAX_OPEN, MANY)]
    assert signed(court, deal, "verifier") == [PRICE], "one role does not push out another's"
    stored = world.one("SELECT count(*) FROM app.release_signature WHERE deal_id = :d", d=deal.id)
    assert stored == MAX_OPEN + 1


def test_a_waiting_release_and_an_offer_live_thirty_days_at_most(court: Court, deal: Deal) -> None:
    world, before = court.world, signed(court, deal, "agent")
    with pytest.raises(InvalidInput, match="30 days"):
        court.sign_release(deal, world.agent, PRICE, world.clock() + MAX_LIFETIME_SECONDS + 10)
    with pytest.raises(InvalidInput, match="30 days"):
        offer(court, deal, world.agent, USDC, MAX_LIFETIME_SECONDS + 10)
    assert signed(court, deal, "agent") == before
    assert escrow(court, deal).split_offers == []
    court.sign_release(deal, world.agent, PRICE - 1, world.clock() + MAX_LIFETIME_SECONDS - 10)
    assert signed(court, deal, "agent")[-1] == PRICE - 1


def test_offers_again_and_again_do_not_hide_the_other_sides(court: Court, deal: Deal) -> None:
    world = court.world
    offer(court, deal, world.buyer, 4 * USDC)
    for number in range(MANY):
        offer(court, deal, world.agent, PRICE - number)
    shown = escrow(court, deal).split_offers
    assert len(shown) <= OFFERS_SHOWN
    waiting = [(one.role, one.to_provider_units) for one in shown if one.state == "open"]
    assert waiting == [("agent", PRICE - MANY + 1), ("buyer", 4 * USDC)]
    stored = world.one("SELECT count(*) FROM app.split_offer WHERE deal_id = :d", d=deal.id)
    assert stored == MAX_OPEN + 1


def test_a_release_by_several_needs_a_verifier_in_the_terms(court: Court) -> None:
    world = court.world
    alone = court.assigned()
    with pytest.raises(WrongState, match="several signatures"):
        court.sign_release(alone, world.agent, PRICE, world.clock() + 500)
    assert escrow(court, alone).release_signatures == []


def test_a_kept_release_is_paid_when_the_other_role_signs_it(court: Court, deal: Deal) -> None:
    world = court.world
    until = next(one.valid_until for one in escrow(court, deal).release_signatures if one.role == "verifier")
    court.sign_release(deal, world.agent, PRICE, until)
    world.until(lambda: world.state(deal) == "completed", "paid without the buyer")
    relayed = [one for one in escrow(court, deal).release_signatures if one.cumulative_released_units == PRICE]
    assert {one.role for one in relayed} == {"agent", "verifier"}
