"""From settled escrows to an anchored epoch that anybody computes again, on real contracts and the mirror."""

from __future__ import annotations

import asyncio
import json
import re
import secrets
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import inspect
from sqlalchemy.exc import DBAPIError

from aicp.abi import reputation as abi
from aicp.abi.typed_data import Vouch
from aicp.cli.main import cli
from aicp.client.models import EpochFile
from aicp.client.score_chain import ScoreChain
from aicp.client.verify_award import DecidedByRule, check_epoch, check_scores
from aicp.client.verify_quote import SignedQuote
from aicp.rules.awarding import rank, read_record
from aicp.rules.canonical import canonical_json, document_hash
from aicp.rules.decay import DAY
from aicp.rules.epochs import Inputs, inputs_of, root_and_manifest_hash, score_file
from aicp.rules.primitives import ZERO_ADDRESS, Finality, checksum, hex0x
from aicp.rules.profiles import Profile
from aicp.rules.specialties import MEASURES
from aicp.rules.witnesses import DEVNET, Received
from backend.api.types import Page
from backend.auctions import service as auctions
from backend.errors import Conflict, InvalidInput, InvalidSignature, NotFound
from backend.pricing import service as pricing
from backend.pricing.schemas import EstimateIn
from backend.reputation import epochs, repo, service, vouches
from backend.reputation.anchored import all_anchored
from backend.reputation.errors import StakeTooLow
from backend.reputation.schemas import HistoryOut, ReputationOut, VouchIn, VouchOut
from backend.txm.signer import Keyring
from backend.worker import sweeps
from indexer import views
from scripts.devnet.anchor import name_anchorer
from scripts.devnet.keys import dev_accounts
from tests.fixtures.moneylab import USDC, Person, World, person
from tests.fixtures.services import CHAIN_ID


@pytest.fixture(scope="module", autouse=True)
def _anchorer(world: World) -> None:
    """The local chain names its anchorer, once."""
    accounts = dev_accounts(CHAIN_ID)
    assert name_anchorer(world.chain.url, world.ctx.deployment, accounts)
    assert not name_anchorer(world.chain.url, world.ctx.deployment, accounts)


def settle(world: World, agent: Person, units: int) -> None:
    """Carry one escrow through to its release."""
    deal = world.deal(units, agent, escrow_only=True)
    world.accept(deal, agent)
    world.pay(deal)
    world.until(lambda: world.state(deal) == "assigned", "the escrow is accepted")
    world.submit(deal, agent)
    world.until(lambda: world.state(deal) == "delivered", "the result is handed in")
    world.release(deal)
    world.until(lambda: world.state(deal) == "completed", "the escrow is released")


def past_midnight(world: World) -> None:
    """Let the next midnight UTC become final."""
    now = world.clock()
    world.later(DAY - now % DAY + 60)
    world.turn()


def computed(world: World) -> list[tuple[int, int]]:
    """Return id and number of every computed epoch."""
    return [(row[0], row[1]) for row in world.sql("SELECT id, epoch FROM app.score_epoch ORDER BY id")]


def intents(world: World) -> list[str]:
    """Return the states of all anchorings."""
    return [row[0] for row in world.sql("SELECT state FROM txm.intent WHERE kind = 'anchor_epoch' ORDER BY created_at")]


def anchored(world: World, number: int) -> None:
    """Let rounds go on until an epoch is final on the chain."""
    world.until(
        lambda: (
            sweeps.score(world.machine) >= 0
            and any(row.epoch == number for row in world.read(lambda s: views.score_epochs(s, 5, Finality.FINAL)))
        ),
        f"epoch {number} is anchored",
    )


def verify(world: World, agent: bytes, scores: Path, epoch: int = 1) -> Result:
    world.folder.joinpath("score-deployment.json").write_text(json.dumps(world.ctx.deployment.to_json()))
    arguments = ["reputation", "verify", checksum(agent), "--rpc", world.chain.url, "--scores", str(scores)]
    return CliRunner().invoke(
        cli, [*arguments, "--deployment", str(world.folder / "score-deployment.json"), "--epoch", str(epoch)]
    )


def published(world: World, number: int) -> dict[str, object]:
    """Return the file of an epoch as the API serves it."""
    made: dict[str, object] = world.read(lambda s: service.score_file(s, number)).model_dump(mode="json")
    return made


def test_nothing_is_computed_while_nothing_is_settled(world: World) -> None:
    past_midnight(world)
    assert sweeps.score(world.machine) == 0
    assert computed(world) == []
    shown = world.read(lambda s: service.leaderboard(s, ALL, cursor=None, limit=10, finality=Finality.SEEN))
    assert (shown.items, shown.next_cursor) == ([], None)
    with pytest.raises(NotFound):
        world.read(lambda s: service.reputation(s, world.ctx, checksum(world.agent.address), Finality.SEEN))


ALL = service.Wanted(specialty=None, tier=None, min_jobs=0, capability=None)


def test_a_key_that_is_not_here_raises_an_alarm_and_does_nothing_else(world: World) -> None:
    for agent in (world.agent, world.rival):
        world.stake(agent)
    settle(world, world.agent, 60 * USDC)
    settle(world, world.rival, 40 * USDC)
    past_midnight(world)
    assert sweeps.score(replace(world.machine, keys=Keyring(CHAIN_ID, []))) == 0
    assert computed(world) == []
    opened = "SELECT count(*) FROM app.alarm WHERE kind = 'anchor_key_missing' AND cleared_at IS NULL"
    assert world.one(opened) == 1
    assert sweeps.score(world.machine) == 1
    assert world.one(opened) == 0


def test_the_mirror_and_a_node_give_the_same_bytes(world: World) -> None:
    [(_, number)] = computed(world)
    manifest = world.one("SELECT manifest FROM app.score_epoch")
    inputs = inputs_of(manifest)

    async def read() -> Inputs:
        chain = ScoreChain(world.chain.url, world.ctx.deployment)
        block = await chain.block(inputs.block_number)
        following = await chain.block(inputs.block_number + 1)
        assert block is not None
        assert following is not None
        assert block.time <= inputs.end < following.time
        people = {world.buyer.address, world.agent.address, world.rival.address}
        return Inputs(
            epoch=number, end=inputs.end, chain_id=CHAIN_ID, escrow=world.ctx.deployment.escrow,
            reputation=world.ctx.deployment.reputation, block_number=block.number, block_hash=block.hash,
            parameters=DEVNET, funders=await chain.funders(people, block.number, DEVNET.least_gift_units),
            common=world.ctx.deployment.paying_contracts,
        )  # fmt: skip

    from_node = asyncio.run(read())
    deals = asyncio.run(ScoreChain(world.chain.url, world.ctx.deployment).deals(inputs.block_number))
    assert len(deals) == 2
    assert canonical_json(published(world, 1)) == canonical_json(score_file(from_node, deals))
    stored = world.sql("SELECT root, manifest_hash FROM app.score_epoch")[0]
    assert tuple(map(bytes, stored)) == root_and_manifest_hash(from_node, deals)
    assert document_hash(manifest) == bytes(stored[1])


def test_a_computed_epoch_cannot_be_changed(world: World) -> None:
    for statement in ("UPDATE app.score SET score = 9999", "DELETE FROM app.score_epoch"):
        with pytest.raises(DBAPIError, match="never changed"):
            world.sql(statement)


def test_a_round_that_dies_before_its_commit_leaves_nothing_and_repeats_send_once(world: World) -> None:
    before = computed(world)

    def dies(session: object) -> None:
        assert epochs._send(session, ctx=world.ctx, sender=world.machine.keys.addresses[0])  # type: ignore[arg-type]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        world.write(dies)
    assert intents(world) == []
    other = world.new_machine()
    try:
        assert [sweeps.score(machine) for machine in (world.machine, other, world.machine)] == [1, 0, 0]
    finally:
        other.db.close()
    assert len(intents(world)) == 1
    anchored(world, 1)
    assert computed(world) == before
    assert intents(world) == ["final"]
    assert sweeps.score(world.machine) == 0


def test_the_score_is_shown_with_its_proof_and_computed_again_by_the_command(world: World, tmp_path: Path) -> None:
    world.later(12 * 3600 + 60)
    world.turn()
    shown = world.read(lambda s: service.reputation(s, world.ctx, checksum(world.agent.address), Finality.FINAL))
    anchor = shown.anchor
    assert anchor is not None
    assert anchor.counts
    assert anchor.chain.finality is Finality.FINAL
    leaf = abi.ScoreLeaf(shown.agent, shown.score, shown.settled_value_units, shown.jobs, 1)
    call = abi.encode_verify_score(1, leaf, anchor.proof)
    answer = world.machine.rpc.eth_call(sender=ZERO_ADDRESS, to=world.ctx.deployment.reputation, data=call)
    assert abi.decode_verify_score_result(answer) == shown.score > 2_000
    assert shown.forecast[0].score == shown.score > shown.forecast[-1].score >= 2_000
    page = world.read(lambda s: service.leaderboard(s, ALL, cursor=None, limit=1, finality=Finality.SEEN))
    rest = world.read(lambda s: service.leaderboard(s, ALL, cursor=page.next_cursor, limit=1, finality=Finality.SEEN))
    assert {page.items[0].agent, rest.items[0].agent} == {world.agent.address, world.rival.address}
    assert page.items[0].score >= rest.items[0].score
    assert rest.next_cursor is None
    both = replace(ALL, specialty="task_type:compute", by="speed")
    for wrong in (replace(ALL, specialty="task_type:cooking"), both):
        with pytest.raises(InvalidInput):
            world.read(lambda s, w=wrong: service.leaderboard(s, w, cursor=None, limit=1, finality=Finality.SEEN))
    for by in MEASURES:
        chosen = replace(ALL, by=by)
        board = world.read(lambda s, c=chosen: service.leaderboard(s, c, cursor=None, limit=9, finality=Finality.SEEN))
        assert [one.value for one in board.items] == [getattr(one, by) for one in board.items]
        assert [one.value for one in board.items] == sorted((one.value for one in board.items), reverse=True)
        assert getattr(shown, by) in {one.value for one in board.items}

    file, right = tmp_path / "1.json", published(world, 1)
    file.write_text(json.dumps(right))
    said = verify(world, world.agent.address, file)
    assert said.exit_code == 0, said.output
    assert "the contract finds the score proven" in said.output
    for name in MEASURES:
        value = getattr(shown, name)
        assert re.search(rf"{name} +{value // 100}[.]{value % 100:02d}", said.output), said.output
    measures: Any = right["measures"]
    file.write_text(json.dumps(right | {"measures": [measures[0] | {"speed": 9_999}, *measures[1:]]}))
    said = verify(world, world.agent.address, file)
    assert (said.exit_code, "not those that follow from the events" in said.output) == (4, True), said.output


def test_a_second_reader_makes_no_tree_and_nobody_reads_a_manifest(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def shown() -> ReputationOut:
        name = checksum(world.agent.address)
        return world.read(lambda s: service.reputation(s, world.ctx, name, Finality.FINAL))

    first = shown()
    monkeypatch.setattr(service, "_leaves", None)
    assert shown() == first
    computed_epoch = world.read(lambda s: next(all_anchored(s, Finality.FINAL)).computed)
    assert "manifest" in inspect(computed_epoch).unloaded


def test_what_was_read_further_of_an_account_stays(world: World) -> None:
    account, sender = secrets.token_bytes(20), secrets.token_bytes(20)
    for got, to in ((Received(sums={sender: 2**200}), 50), (Received(sums={sender: 1}), 40), (Received(), 50)):
        world.write(lambda s, got=got, to=to: s.execute(repo.scanned({account: got}, to)))
    [row] = world.read(lambda s: list(s.execute(repo.funders([account])).scalars()))
    assert (row.funder, row.scanned_to, row.sums) == (None, 50, {hex0x(sender): str(2**200)})
    world.write(lambda s: s.execute(repo.scanned({account: Received(sender)}, 60)))
    [row] = world.read(lambda s: list(s.execute(repo.funders([account])).scalars()))
    assert (row.funder, row.scanned_to, row.sums) == (sender, 60, {})


def signed_vouch(world: World, by: Person, agent: bytes, *, signer: Person | None = None, **changes: int) -> VouchIn:
    """Return a vouch for 30 days."""
    now = world.clock()
    said = {"at_risk": 50 * USDC, "valid_from": now, "valid_until": now + 30 * DAY} | changes
    message = Vouch(voucher=by.address, agent=agent, salt=secrets.token_bytes(32), **said)
    return VouchIn(
        at_risk_units=message.at_risk, valid_from=message.valid_from, valid_until=message.valid_until,
        salt=message.salt, signature=(signer or by).sign(message, world.ctx.domains.marketplace),
    )  # fmt: skip


def test_a_vouch_binds_who_has_signed_it_and_nobody_else(world: World) -> None:
    world.register(world.rival, Profile(slug="rival", name="Rival", description="", capabilities=["ocr"]))
    rival, agent, now = world.rival.address, world.agent, world.clock()

    def take(given: VouchIn, by: bytes = agent.address, name: str = "rival") -> VouchOut:
        return world.write(lambda s: vouches.vouch(s, world.ctx, by, name, given))

    with pytest.raises(InvalidSignature):
        take(signed_vouch(world, agent, rival, signer=world.buyer))
    with pytest.raises(InvalidSignature):
        take(signed_vouch(world, agent, rival), by=world.buyer.address)
    with pytest.raises(InvalidInput, match="itself"):
        take(signed_vouch(world, world.rival, rival), by=rival)
    with pytest.raises(NotFound):
        take(signed_vouch(world, agent, world.buyer.address), name="nobody-here")
    for wrong in (
        {"valid_from": now - DAY}, {"valid_from": now + 2 * DAY}, {"valid_until": now + 60},
        {"valid_until": now + 91 * DAY + 1},
    ):  # fmt: skip
        with pytest.raises(InvalidInput):
            take(signed_vouch(world, agent, rival, **wrong))
    for by, units in ((agent, 201 * USDC), (world.buyer, 1)):
        with pytest.raises(StakeTooLow):
            take(signed_vouch(world, by, rival, at_risk=units), by=by.address)
    assert world.one("SELECT count(*) FROM app.vouch") == 0

    good = signed_vouch(world, agent, rival)
    first, again = take(good), take(good)
    assert first == again
    assert (first.voucher, first.agent, first.open) == (agent.address, rival, True)
    with pytest.raises(Conflict):
        take(signed_vouch(world, agent, rival))
    assert world.read(lambda s: vouches.of_agent(s, world.ctx, "rival")) == [first]
    told = world.sql("SELECT sentence FROM app.notification WHERE account = :a AND kind = 'vouched'", a=rival)
    assert len(told) == 1
    assert "vouches for you with 50.00 USDC" in told[0][0]
    with pytest.raises(DBAPIError, match="never changed"):
        world.sql("DELETE FROM app.vouch")


def test_an_award_by_the_rule_goes_by_the_scores_that_count(world: World) -> None:
    weights = {"price": 0, "reputation": 10_000, "time": 0, "specialty": 0}
    board = world.read(lambda s: service.leaderboard(s, ALL, cursor=None, limit=2, finality=Finality.FINAL)).items
    newcomer = person(dev_accounts(CHAIN_ID).guardian.key)
    task = world.post(20 * USDC, award_weights=weights)
    for who, units in ((world.agent, 20 * USDC), (world.rival, 19 * USDC), (newcomer, USDC)):
        world.bid(task, who, units)
    _, award, deal = world.write(lambda s: auctions.award(s, world.ctx, world.buyer.address, task.id, None))
    assert award.record is not None
    contest, offers = read_record(award.record)
    # equal scores: the cheaper of the two, and never the newcomer, however cheap
    first = world.rival.address if board[0].score == board[1].score else board[0].agent
    assert (contest.epoch, deal.agent) == (1, first)
    known = {one.agent: one.score for one in board} | {newcomer.address: 2_000}
    assert {offer.agent: offer.reputation for offer in offers} == known
    decided = DecidedByRule(contest, offers, rank(contest, offers))
    chain = ScoreChain(world.chain.url, world.ctx.deployment)
    newest = asyncio.run(chain.newest_at(contest.decided_at))
    assert newest is not None
    check_epoch(decided, newest)
    check_scores(decided, EpochFile.read({"epoch": 1, **published(world, 1)}), newest.root)
    assert asyncio.run(chain.newest_at(newest.active_at)) == newest
    assert asyncio.run(chain.newest_at(newest.active_at - 1)) is None


def taken_back_once(world: World) -> None:
    """Let the anchoring be mined and read, and then a reorg take its block away."""
    sweeps.sweep_transactions(world.machine)
    sweeps.sweep_transactions(world.machine)
    world.mirror()
    assert [row.epoch for row in world.read(lambda s: views.score_epochs(s, 1))] == [2]
    assert sweeps.score(world.machine) == 0  # not final, so nothing further
    world.chain.rpc("anvil_reorg", 1, [])
    world.chain.mine(1)
    world.mirror()
    assert [row.epoch for row in world.read(lambda s: views.score_epochs(s, 1))] == [1]
    assert sweeps.score(world.machine) == 0  # its intent goes on


@pytest.mark.parametrize("change", [{"score": 9_999}, {"jobs": 7}, {"settled_value_units": "1"}])
def test_a_changed_leaf_is_found(world: World, tmp_path: Path, change: dict[str, object]) -> None:
    right = published(world, 1)
    leaves = right["leaves"]
    assert isinstance(leaves, list)
    file = tmp_path / "changed.json"
    file.write_text(json.dumps(right | {"leaves": [leaves[0] | change, *leaves[1:]]}))
    said = verify(world, world.agent.address, file)
    assert (said.exit_code, "not those that follow" in said.output) == (4, True), said.output
    file.write_text(json.dumps(right | {"leaves": leaves[1:]}))
    assert verify(world, world.agent.address, file).exit_code == 4


def test_a_vetoed_epoch_gives_no_score_and_the_next_day_has_the_next_number(world: World) -> None:
    past_midnight(world)
    assert [sweeps.score(world.machine) for _ in range(2)] == [1, 1]
    taken_back_once(world)
    anchored(world, 2)
    assert intents(world) == ["final"] * 2
    guardian = person(dev_accounts(CHAIN_ID).guardian.key).address
    world.send(guardian, world.ctx.deployment.reputation, abi.encode_veto_epoch(2))
    world.turn()
    assert sweeps.score(world.machine) == 0  # what the guardian has refused is not sent again
    shown = world.read(lambda s: service.reputation(s, world.ctx, checksum(world.agent.address), Finality.SEEN))
    assert shown.anchor is not None
    assert shown.anchor.epoch == 1
    listed = world.read(lambda s: service.epochs(s, world.ctx, cursor=None, limit=10, finality=Finality.SEEN))
    assert [(one.epoch, one.state) for one in listed.items] == [(2, "vetoed"), (1, "counts")]
    past_midnight(world)
    anchored(world, 3)
    assert [number for _, number in computed(world)] == [1, 2, 3]
    assert intents(world) == ["final"] * 3


def test_a_vouch_is_in_the_epochs_after_it_and_the_command_finds_its_stake_on_the_chain(
    world: World, tmp_path: Path
) -> None:
    right = published(world, 3)
    given = inputs_of(right["manifest"])  # type: ignore[arg-type]  # a document of JSON
    [signed] = given.vouches
    assert (signed.vouch.voucher, signed.vouch.agent) == (world.agent.address, world.rival.address)
    assert given.free_stake == {world.agent.address: 200 * USDC}
    assert inputs_of(published(world, 1)["manifest"]).vouches == ()  # type: ignore[arg-type]
    file = tmp_path / "3.json"
    file.write_text(json.dumps(right))
    said = verify(world, world.rival.address, file, epoch=3)
    assert said.exit_code == 0, said.output
    assert "1 vouches, with the free stakes of 1 vouchers" in said.output


def test_the_history_has_every_epoch_that_gives_a_score(world: World) -> None:
    def page(cursor: str | None, limit: int = 1) -> Page[HistoryOut]:
        name = checksum(world.agent.address)
        return world.read(
            lambda s: service.history(s, world.ctx, name, cursor=cursor, limit=limit, finality=Finality.SEEN)
        )

    whole = page(None, 10)
    assert [(one.epoch, one.state) for one in whole.items] == [(3, "pending"), (1, "counts")], "epoch 2 was vetoed"
    shown = world.read(lambda s: service.reputation(s, world.ctx, checksum(world.agent.address), Finality.SEEN))
    assert shown.anchor is not None
    newest = whole.items[0]
    assert (newest.score, newest.speed, newest.root) == (shown.score, shown.speed, shown.anchor.root)
    first = page(None)
    second = page(first.next_cursor)  # the vetoed one is left out, so this page is short
    third = page(second.next_cursor)
    assert (first.items, second.items, third.items) == ([newest], [], [whole.items[1]])
    assert third.next_cursor is None
    with pytest.raises(InvalidInput):
        page("x")
    with pytest.raises(NotFound):
        world.read(lambda s: service.history(
            s, world.ctx, checksum(world.buyer.address), cursor=None, limit=1, finality=Finality.SEEN
        ))  # fmt: skip


def test_a_quote_is_computed_again_from_the_record_of_a_node(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aicp.client.transport._DELAYS", ())  # no service is there, on purpose
    world.register(world.agent, Profile(slug="quoted", name="Quoted", description="", capabilities=["ocr"]))
    asked = EstimateIn(base_units=USDC, agent="quoted")
    told = world.read(lambda s: pricing.estimate(s, world.ctx, asked)).model_dump(mode="json")
    assert (told["quote"]["successes"], told["quote"]["decided"], told["price_units"]) == (1, 1, "1500000")
    deployment, file = tmp_path / "deployment.json", tmp_path / "quote.json"
    deployment.write_text(json.dumps(world.ctx.deployment.to_json()))

    def check(told: dict[str, Any], **changes: int) -> Result:
        quote = SignedQuote.found_in({**told["quote"], **changes})
        signature = world.ctx.operator.sign(quote.message().digest(world.ctx.domains.marketplace))
        file.write_text(json.dumps({**told["quote"], **changes, "signature": hex0x(signature)}))
        offline = ["--url", "http://127.0.0.1:9", "--deployment", str(deployment)]
        return CliRunner().invoke(cli, ["quote", "verify", str(file), "--rpc", world.chain.url, *offline])

    same = check(told)
    assert same.exit_code == 0, same.output
    assert f"the record on chain at block {told['quote']['as_of_block']}" in same.output
    for lie in ({"successes": 0}, {"decided": 2}):
        refused = check(told, **lie)
        assert (refused.exit_code, "the chain says" in refused.output) == (4, True), refused.output
