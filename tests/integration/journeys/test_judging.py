"""Judging by the SDK over the real API: who may read a case and its files, and an appeal paid from wallets."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from aicp.abi import arbiter as arbiter_abi
from aicp.abi import usdc as usdc_abi
from aicp.cli.case import save_files
from aicp.client import Appeals, BondAboveLimit, Market, Mismatch, NotDue, ProblemError, Wallet, models
from aicp.client.juror import Choice
from aicp.client.verify_dispute import check_case, number_of
from aicp.rules.ids import dispute_extra
from aicp.rules.primitives import hex0x
from backend.deals import terms
from backend.deals.models import Deal
from tests.fixtures.disputelab import FEE, Court
from tests.fixtures.journeys import Town
from tests.fixtures.moneylab import USDC, Person, World, stranger
from tests.fixtures.services import create_database, start_anvil

PRICE = 11 * USDC
COST = 7 * USDC


@pytest.fixture(scope="module")
def town(postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    chain = start_anvil()
    world = World(chain, create_database(postgres), tmp_path_factory.mktemp("deployment"))
    world.stake(world.agent, 150 * USDC)
    # everybody signs in from one machine, and anew whenever the clock has jumped
    busy = world.ctx.settings.model_copy(update={"anonymous_per_minute": 1_000, "siwe_nonces_per_minute": 1_000})
    world.ctx = replace(world.ctx, settings=busy)
    court = Court(world)
    court.seat(4)
    made = Town(world, tmp_path_factory.mktemp("town"), court)
    yield made
    made.close()
    world.close()
    chain.close()


def row(town: Town, deal: models.Deal) -> Deal:
    """The deal as the service's own helpers want it."""
    found = town.world.read(lambda session: session.get(Deal, deal.id))
    assert found is not None
    return found


def answered(town: Town) -> tuple[models.Deal, int]:
    """Bring a deal before the arbiter, with words and a file of either side; return it and the dispute's number."""
    buyer, agent = town.world.buyer, town.world.agent
    deal = town.submitted(PRICE)
    shot = town.file("shot.txt", f"Half is missing of {deal.id}.")
    town.dispute(buyer, deal, lambda own, seen: own.dispute(seen, "Half.", [shot], bond_limit_units=FEE))
    town.until_on_chain(deal, "challenged")
    proof = town.file("proof.txt", f"Both columns are there in {deal.id}.")
    town.dispute(agent, deal, lambda own, seen: own.respond(seen, "All.", [proof], bond_limit_units=FEE))
    town.until_on_chain(deal, "disputed")
    return deal, town.act(buyer, lambda market: numbered(market, deal))


async def numbered(market: Market, deal: models.Deal) -> int:
    return number_of(await market.deal(deal.id), await market.chain())


async def checked(market: Market, number: int) -> models.Case:
    case = await market.case(number)
    check_case(case, number, await market.chain())
    return case


def refused(town: Town, who: Person, case: models.Case, folder: Path, judges: models.Case | None = None) -> None:
    """Assert that neither the case nor any of its files exists for somebody, but for files he judges elsewhere."""
    known = set() if judges is None else {file.sha256 for _, file in judges.files()}
    with pytest.raises(ProblemError) as found:
        town.act(who, lambda market: market.case(int(case.dispute_id)))
    assert (found.value.status, found.value.code) == (404, "not_found")
    files = [file for _, file in case.files() if file.sha256 not in known]
    assert len(files) >= 2, "the statements' files at least"
    for file in files:
        with pytest.raises(ProblemError) as found:
            town.act(who, lambda market, f=file: market.download(f, folder / "nothing"))
        assert (found.value.status, found.value.code) == (404, "not_found")
    with pytest.raises(ProblemError) as found:
        town.act(who, lambda market: market.deal(case.deal_id))
    assert found.value.status == 404


def test_only_the_drawn_jurors_of_a_dispute_read_it_and_only_until_the_ruling(town: Town, tmp_path: Path) -> None:
    world, court, contracts = town.world, town.court, town.world.ctx.deployment
    (first, number), (second, other_number) = answered(town), answered(town)
    case, other_case = (town.act(world.buyer, lambda m, n=n: checked(m, n)) for n in (number, other_number))
    refused(town, court.jurors[2], case, tmp_path)  # nobody is drawn yet
    # of four jurors one cannot sit in the first dispute, another one not in the second, so all others sit in each
    only_second, only_first, *both = court.jurors
    disclose(town, first, number, only_second)
    disclose(town, second, other_number, only_first)
    world.later(61)
    court.keep_until(row(town, second), "commit")
    court.keep_until(row(town, first), "commit")
    assert {one.address for one in court.panel(row(town, first))} == {one.address for one in (only_first, *both)}
    for reader in (only_first, *both, world.buyer, world.agent):
        seen = town.act(reader, lambda market: checked(market, number))
        assert seen.document == case.document
        assert {(said.role, said.claim) for said in seen.dispute.evidence} == {("buyer", "Half."), ("agent", "All.")}
    saved = town.act(only_first, lambda market: save_files(market, case, tmp_path / "case"))
    assert [path.name for path in saved] == [
        "task.json", "00-result-result.csv", "01-buyer-shot.txt", "02-agent-proof.txt"
    ]  # fmt: skip
    assert saved[1].read_text() == "column,mean\nunits,4\n"
    assert saved[2].read_text() == f"Half is missing of {first.id}."
    assert saved[3].read_text() == f"Both columns are there in {first.id}."
    for other in (world.rival, stranger()):
        refused(town, other, case, tmp_path)
    refused(town, only_second, case, tmp_path, other_case)
    refused(town, only_first, other_case, tmp_path, case)
    assert check_refuses(town, only_second, case, other_number)

    # a dispute of somebody's own contract about the same escrow, with the same juror drawn, opens nothing
    change = "UPDATE chain.arbiter_dispute SET arbitrable = :a WHERE dispute_id = :d RETURNING 1"
    world.sql(change, a=world.rival.address, d=number.to_bytes(32))
    refused(town, only_first, case, tmp_path)
    world.sql(change, a=contracts.escrow, d=number.to_bytes(32))
    court.vote(row(town, first), 1)
    world.later(61)
    for _ in range(3):
        court.keep()
    world.until(lambda: town.state(first) == "refunded", "ruled")
    refused(town, only_first, case, tmp_path)
    town.act(world.agent, lambda market: checked(market, number))


def disclose(town: Town, deal: models.Deal, number: int, juror: Person) -> None:
    """Let a juror say that he is related to the buyer, so that he cannot sit in a dispute."""
    world, held = town.world, town.world.terms_row(row(town, deal))
    extra = dispute_extra(held.escrow_id, terms.from_json(held.terms))
    data = arbiter_abi.encode_disclose(number, extra, world.buyer.address, juror.address, b"")
    world.send(juror.address, world.ctx.deployment.arbiter, data)


def check_refuses(town: Town, reader: Person, case: models.Case, number: int) -> bool:
    """Whether the client refuses one dispute's case under another's number."""

    async def step(market: Market) -> bool:
        with pytest.raises(Mismatch, match="another dispute"):
            check_case(case, number, await market.chain())
        return True

    return town.act(reader, step)


def appeals(town: Town, market_chain: object, who: Person) -> Appeals:
    return Appeals(town.world.chain.url, Wallet(who.key), market_chain)  # type: ignore[arg-type]


def test_an_appeal_is_paid_answered_and_collected_from_wallets(town: Town) -> None:
    world, court, buyer, agent = town.world, town.court, town.world.buyer, town.world.agent
    for party in (buyer, agent):
        world.chain.rpc("anvil_setBalance", hex0x(party.address), hex(10**20))
        world.chain.rpc("anvil_impersonateAccount", hex0x(party.address))
        world.send(party.address, world.ctx.deployment.usdc, usdc_abi.encode_faucet(party.address, 100 * USDC))
    deal, number = answered(town)

    def now(who: Person) -> Appeals:
        return appeals(town, town.act(who, lambda market: market.chain()), who)

    with pytest.raises(NotDue):
        town.runner.run(now(buyer).fund(number, 1, limit_units=100 * USDC))
    world.later(61)
    court.keep_until(row(town, deal), "commit")
    town.vote(deal, Choice.AGENT)
    standing = town.runner.run(now(buyer).standing(number))
    assert standing.appeal is not None
    assert (standing.verdict, standing.appeal.first.missing_units, standing.appeal.second.missing_units) == (
        2, 2 * COST, COST,
    )  # fmt: skip
    shown = town.escrow(buyer, deal).dispute
    assert shown is not None
    assert shown.appeal is not None
    assert (shown.appeal.ends_at, shown.appeal.challenge_by) == (standing.appeal.ends_at, standing.appeal.challenge_by)
    held = world.usdc_of(buyer.address)
    with pytest.raises(BondAboveLimit):
        town.runner.run(now(buyer).fund(number, 1, limit_units=2 * COST - 1))
    assert town.runner.run(now(buyer).fund(number, 1, limit_units=2 * COST, units=4 * USDC)) == 4 * USDC
    assert town.runner.run(now(buyer).fund(number, 1, limit_units=2 * COST)) == 2 * COST - 4 * USDC
    assert world.usdc_of(buyer.address) == held - 2 * COST
    with pytest.raises(NotDue):
        town.runner.run(now(buyer).fund(number, 1, limit_units=100 * USDC))
    with pytest.raises(NotDue, match="not decided"):
        town.runner.run(now(buyer).collect(number))
    world.turn(rounds=1)
    shown = town.escrow(agent, deal).dispute
    assert shown is not None
    assert shown.appeal is not None
    assert shown.appeal.challenged
    # the agent does not answer: the buyer has won, and gets all of it back
    world.later(61)
    for _ in range(3):
        court.keep()
    world.until(lambda: town.state(deal) == "refunded", "the buyer has won by default")
    assert town.runner.run(now(buyer).collect(number)) == 2 * COST
    assert world.usdc_of(buyer.address) == held
    assert town.runner.run(now(agent).collect(number)) == 0
