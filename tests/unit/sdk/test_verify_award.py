"""An award is verified from signatures; whatever a lying service changes is found."""

from __future__ import annotations

import copy
import dataclasses
import datetime as dt
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from aicp.abi.reputation import EpochAnchored, ScoreLeaf
from aicp.abi.typed_data import Award, AwardInputs, Bid, BidReceipt, BidWithdrawal, TaskOrder
from aicp.cli.main import cli
from aicp.client import Market, models
from aicp.client.errors import Mismatch
from aicp.client.score_chain import ScoreChain
from aicp.client.verify_award import check_bids, check_choice, check_order_award, check_record, check_scores
from aicp.rules.awarding import DEFAULT_WEIGHTS, Contest, Offer, award_record, follows, inputs_hash, read_record
from aicp.rules.bids import bids_root
from aicp.rules.documents import task_hash
from aicp.rules.primitives import checksum, hex0x, keccak
from aicp.rules.reputation import FLOOR
from aicp.rules.scores import epoch_root
from tests.fixtures.apihost import deployment
from tests.unit.sdk.builders import BUYER, DEAL_ID, NOW, OPERATOR, TASK_ID, chain, document, key

CHAIN = dataclasses.replace(chain(), clock_offset=NOW + 3_600 - int(time.time()))
DOCUMENT = document() | {"award_weights": dataclasses.asdict(DEFAULT_WEIGHTS)}
TASK = task_hash(DOCUMENT)
OFFERS = ((20_000_000, 600, 9_000), (12_000_000, 1_200, 2_000), (19_000_000, 600, 9_500))


def bid_json(seq: int, units: int, eta: int) -> dict[str, Any]:
    agent = key(f"agent {seq}")
    message = Bid(
        task_hash=TASK,
        agent=agent.address,
        amount=units,
        eta_seconds=eta,
        escrow_only=False,
        valid_until=NOW + 7_200,
        salt=keccak(bytes([seq])),
    )
    digest = message.digest(CHAIN.marketplace)
    receipt = BidReceipt(bid_hash=digest, seq=seq).digest(CHAIN.marketplace)
    return {
        "bid_hash": hex0x(digest),
        "agent": checksum(agent.address),
        "agent_name": None,
        "amount_units": str(units),
        "eta_seconds": eta,
        "escrow_only": False,
        "valid_until": message.valid_until,
        "salt": hex0x(message.salt),
        "signature": hex0x(agent.sign_digest(digest)),
        "seq": seq,
        "receipt_signature": hex0x(OPERATOR.sign_digest(receipt)),
        "operator": checksum(OPERATOR.address),
        "received_at": "2026-11-21T04:30:00Z",
        "withdrawn": False,
        "live": True,
    }


BIDS = [bid_json(n + 1, units, eta) for n, (units, eta, _) in enumerate(OFFERS)]
READ = [models.Bid.read(one) for one in BIDS]


def task_json(**changes: Any) -> dict[str, Any]:
    return {
        "id": str(TASK_ID),
        "buyer": checksum(BUYER.address),
        "task_hash": hex0x(TASK),
        "title": "Profile the sales",
        "capability": "data_processing",
        "complexity": 1,
        "urgency": "1.0",
        "budget_units": "25000000",
        "escrow_only": False,
        "path_at_budget": "escrow",
        "deliver_within_seconds": 3_600,
        "auction_ends_at": dt.datetime.fromtimestamp(NOW, dt.UTC).isoformat(),
        "state": "awarded",
        "public_state": "awarded",
        "bid_count": 3,
        "best_bid_units": None,
        "deal_id": str(DEAL_ID),
        "created_at": "2026-11-21T04:30:00Z",
        "verifier": None,
        "input_summary": [],
        "award_weights": DOCUMENT["award_weights"],
        "document": DOCUMENT,
    } | changes


def award_json(winner: int, bids: list[models.Bid] = READ, **changes: Any) -> dict[str, Any]:
    hashes = [bid.bid_hash for bid in bids]
    message = Award(task_hash=TASK, bid_hash=READ[winner].bid_hash, bids_root=bids_root(hashes), bid_count=len(hashes))
    return {
        "task_hash": hex0x(TASK),
        "bid_hash": hex0x(message.bid_hash),
        "bids_root": hex0x(message.bids_root),
        "bid_count": message.bid_count,
        "operator": checksum(OPERATOR.address),
        "signature": hex0x(OPERATOR.sign_digest(message.digest(CHAIN.marketplace))),
        "deal_id": str(DEAL_ID),
    } | changes


def record(**changes: Any) -> dict[str, Any]:
    plain: dict[str, Any] = {
        "task_hash": TASK,
        "budget_units": 25_000_000,
        "allowed_seconds": 3_600,
        "weights": DEFAULT_WEIGHTS,
        "epoch": 4,
        "decided_at": NOW,
    }
    offers = [
        Offer(
            bid_hash=bid.bid_hash,
            agent=bid.agent,
            amount=bid.amount_units,
            eta_seconds=bid.eta_seconds,
            valid_until=bid.valid_until,
            seq=bid.seq,
            reputation=reputation,
        )
        for bid, (_, _, reputation) in zip(READ, OFFERS, strict=True)
    ]
    return award_record(Contest(**(plain | changes)), offers)


def signed(made: dict[str, Any], winner: bytes | None = None) -> dict[str, Any]:
    message = AwardInputs(
        task_hash=TASK,
        bid_hash=winner or bytes.fromhex(made["winner"][2:]),
        inputs_hash=inputs_hash(made),
        rule=1,
    )
    signature = OPERATOR.sign_digest(message.digest(CHAIN.marketplace))
    return {"record": made, "operator": checksum(OPERATOR.address), "signature": hex0x(signature)}


def task(**changes: Any) -> models.Task:
    return models.Task.read(task_json(**changes))


def award(winner: int, **changes: Any) -> models.Award:
    return models.Award.read(award_json(winner, **changes))


def test_the_rule_gives_the_award() -> None:
    check_bids(task(), READ, award(2), CHAIN)
    decided = check_record(task(), READ, award(2), CHAIN, signed(record()))
    assert [one.offer.seq for one in decided.ranking.ranked] == [3, 1, 2]
    assert check_record(task(document=None), READ, award(2), CHAIN, signed(record())) == decided


def test_a_bid_that_is_left_out_is_found() -> None:
    with pytest.raises(Mismatch, match="other bids"):
        check_bids(task(), READ[:2], award(0), CHAIN)
    with pytest.raises(Mismatch, match="have holes"):
        check_bids(task(), [READ[0], READ[2]], award(2, bids=[READ[0], READ[2]]), CHAIN)
    with pytest.raises(Mismatch, match="none of those"):
        check_bids(task(), READ[:2], award(2, bids=READ[:2]), CHAIN)
    with pytest.raises(Mismatch, match="award is not the operator's"):
        check_bids(task(), READ, award(2, bid_hash=hex0x(READ[0].bid_hash)), CHAIN)
    forged = models.Bid.read(BIDS[0] | {"amount_units": "1"})
    with pytest.raises(Mismatch, match="does not match its hash"):
        check_bids(task(), [forged, *READ[1:]], award(2), CHAIN)


def changed(change: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    made = copy.deepcopy(record())
    change(made)
    return made


@pytest.mark.parametrize(
    ("made", "sentence"),
    [
        (record(task_hash=keccak(b"other")), "of another task"),
        (record(budget_units=25_000_001), "limits"),
        (record(allowed_seconds=3_601), "limits"),
        (record(weights=type(DEFAULT_WEIGHTS)(price=3_999, reputation=3_001)), "weighs otherwise"),
        (changed(lambda made: made["bids"].pop()), "not those that the agents signed"),
        (changed(lambda made: made["bids"][0].update(amount_units="1")), "not those that the agents signed"),
        (changed(lambda made: made["bids"][1].update(withdrawn=True)), "withdrawn that was not"),
        (changed(lambda made: made["bids"][1].update(reputation=10_000, specialty=10_000)), "does not follow"),
        (changed(lambda made: made["ranking"].reverse()), "does not follow"),
        (changed(lambda made: made.update(extra=1)), "does not follow"),
        (changed(lambda made: made.update(rule=2)), "no record"),
        ({}, "no record"),
    ],
)
def test_a_record_that_was_changed_is_found_though_it_is_signed(made: dict[str, Any], sentence: str) -> None:
    with pytest.raises(Mismatch, match=sentence):
        check_record(task(), READ, award(2), CHAIN, signed(made, READ[2].bid_hash))


def lapsed(winner: int, passed_over: int) -> dict[str, Any]:
    made = record()
    contest, offers = read_record(made)
    gone = READ[passed_over].bid_hash
    again = [dataclasses.replace(offer, lapsed=offer.bid_hash == gone) for offer in offers]
    return signed(award_record(contest, again), READ[winner].bid_hash)


def test_a_bid_passed_over_as_lapsed_was_awarded_before() -> None:
    published = lapsed(winner=0, passed_over=2)
    with pytest.raises(Mismatch, match="never awarded"):
        check_record(task(), READ, award(0), CHAIN, published)
    with pytest.raises(Mismatch, match="never awarded"):
        check_record(task(), READ, award(0), CHAIN, published, earlier=[award(1)])
    decided = check_record(task(), READ, award(0), CHAIN, published, earlier=[award(2)])
    assert decided.ranking.excluded == ((READ[2].bid_hash, "lapsed"),)


def order(units: int, **changes: Any) -> models.TaskOrder:
    message = TaskOrder(
        task_hash=TASK, buyer=BUYER.address, max_amount=units, valid_until=NOW + 9_000, salt=keccak(b"order")
    )
    digest = message.digest(CHAIN.marketplace)
    told: dict[str, Any] = {
        "order_hash": hex0x(digest),
        "max_units": str(units),
        "valid_until": message.valid_until,
        "salt": hex0x(message.salt),
        "signature": hex0x(BUYER.sign_digest(digest)),
        "created_at": dt.datetime.fromtimestamp(NOW, dt.UTC).isoformat(),
    }
    return models.TaskOrder.read(told | changes)


def bids_with(changes: dict[int, dict[str, Any]]) -> list[models.Bid]:
    return [models.Bid.read(one | changes.get(place, {})) for place, one in enumerate(BIDS)]


def test_the_first_bid_within_the_signed_price_has_won() -> None:
    check_order_award(task(), READ, award(1), CHAIN, order(19_000_000))
    check_order_award(task(), READ, award(0), CHAIN, order(20_000_000))
    with pytest.raises(Mismatch, match="came earlier and was within"):
        check_order_award(task(), READ, award(2), CHAIN, order(19_000_000))
    with pytest.raises(Mismatch, match="above the price"):
        check_order_award(task(), READ, award(0), CHAIN, order(19_000_000))
    with pytest.raises(Mismatch, match="not signed by the buyer"):
        check_order_award(task(), READ, award(1), CHAIN, order(19_000_000, max_units="20000000"))


def test_an_earlier_bid_that_did_not_count_is_no_ground() -> None:
    asked = order(19_000_000)
    expired = dt.datetime.fromtimestamp(NOW + 7_200, dt.UTC).isoformat()
    for reason in ({1: {"withdrawn": True}}, {2: {"agent": BIDS[1]["agent"]}}, {2: {"received_at": expired}}):
        check_order_award(task(), bids_with(reason), award(2), CHAIN, asked)


def test_a_bid_that_was_awarded_before_has_had_its_turn() -> None:
    check_order_award(task(), READ, award(2), CHAIN, order(19_000_000), earlier=[award(1)])
    with pytest.raises(Mismatch):
        check_order_award(task(), READ, award(2), CHAIN, order(19_000_000), earlier=[award(1, bid_count=2)])


def epoch_file(**scores: int) -> models.EpochFile:
    leaves = [
        {"agent": checksum(bid.agent), "score": score, "settled_value_units": "5", "jobs": 1}
        for bid, (_, _, score) in zip(READ, OFFERS, strict=True)
        if score != 2_000
    ]
    return models.EpochFile.read({"epoch": 4, "leaves": leaves} | scores)


def test_scores_are_those_of_the_epoch_and_its_root() -> None:
    decided = check_record(task(), READ, award(2), CHAIN, signed(record()))
    file = epoch_file()
    leaves = [ScoreLeaf(agent=leaf.agent, score=leaf.score, settled_value=5, jobs=1, epoch=4) for leaf in file.leaves]
    check_scores(decided, file, epoch_root(leaves))
    with pytest.raises(Mismatch, match="whose root"):
        check_scores(decided, file, bytes(32))
    with pytest.raises(Mismatch, match="another epoch"):
        check_scores(decided, epoch_file(epoch=5), None)
    with pytest.raises(Mismatch, match="another score"):
        check_scores(decided, models.EpochFile(epoch=4, leaves=file.leaves[:1]), None)


def test_nobody_has_a_score_before_there_is_an_epoch() -> None:
    with pytest.raises(Mismatch, match="nobody can have had"):
        check_record(task(), READ, award(2), CHAIN, signed(record(epoch=0)))


def test_a_withdrawal_is_signed_by_the_agent() -> None:
    bid = BIDS[1] | {"withdrawn": True, "live": False}
    digest = BidWithdrawal(bid_hash=READ[1].bid_hash).digest(CHAIN.marketplace)
    proved = models.Bid.read(bid | {"withdrawal_signature": hex0x(key("agent 2").sign_digest(digest))})
    check_bids(task(), [READ[0], proved, READ[2]], award(2), CHAIN)
    for wrong in (None, hex0x(key("agent 1").sign_digest(digest))):
        claimed = models.Bid.read(bid | {"withdrawal_signature": wrong})
        with pytest.raises(Mismatch, match="has not signed that"):
            check_bids(task(), [READ[0], claimed, READ[2]], award(2), CHAIN)


def test_another_winner_than_the_rule_gives_is_found() -> None:
    with pytest.raises(Mismatch, match="another bid has won"):
        check_record(task(), READ, award(0), CHAIN, signed(record(), READ[0].bid_hash))
    with pytest.raises(Mismatch, match="not signed by the operator"):
        check_record(task(), READ, award(0), CHAIN, signed(record()))
    mallory = signed(record()) | {"operator": checksum(key("mallory").address)}
    with pytest.raises(Mismatch, match="The record names an unknown operator"):
        check_record(task(), READ, award(2), CHAIN, mallory)
    assert not follows({})
    assert follows(record())


def test_the_rule_awards_only_a_task_that_names_weights() -> None:
    plain = document()
    unweighed = task(task_hash=hex0x(task_hash(plain)), award_weights=None, document=None)
    made = signed(record(task_hash=task_hash(plain)))
    message = AwardInputs(
        task_hash=task_hash(plain), bid_hash=READ[2].bid_hash, inputs_hash=inputs_hash(made["record"]), rule=1
    )
    made["signature"] = hex0x(OPERATOR.sign_digest(message.digest(CHAIN.marketplace)))
    with pytest.raises(Mismatch, match="names no weights"):
        check_record(unweighed, READ, award(2, task_hash=hex0x(task_hash(plain))), CHAIN, made)
    for told in ({"award_weights": None}, {"instant": True, "buy_now_units": "1", "award_weights": None}):
        with pytest.raises(Mismatch, match="another way of awarding"):
            check_record(task(**told), READ, award(2), CHAIN, signed(record()))
    for limit in ({"budget_units": "25000001"}, {"deliver_within_seconds": 3_601}):
        with pytest.raises(Mismatch, match="other limits of the task"):
            check_record(task(**limit), READ, award(2), CHAIN, signed(record()))


def test_a_buyer_chooses_only_where_no_bid_counts_for_the_rule() -> None:
    for document_shown in (DOCUMENT, None):
        with pytest.raises(Mismatch, match="needs the rule's record"):
            check_choice(task(document=document_shown), READ, award(1), CHAIN)
    assigned = task(instant=True, buy_now_units="20000000", award_weights=None, document=None)
    with pytest.raises(Mismatch, match="scheduler assigns"):
        check_choice(assigned, READ, award(1), CHAIN)
    check_choice(task(award_weights=None, document=None), READ, award(1), CHAIN)
    reserved = task(reserve_units="11999999", document=None)
    check_choice(reserved, READ, award(1), CHAIN)
    with pytest.raises(Mismatch, match="needs the rule's record"):
        check_choice(task(reserve_units="12000000", document=None), READ, award(0), CHAIN)
    every = [award(2), award(0), award(1)]
    check_choice(task(), READ, award(1), CHAIN, earlier=every)
    with pytest.raises(Mismatch, match="needs the rule's record"):
        check_choice(task(), READ, award(1), CHAIN, earlier=every[:2])
    with pytest.raises(Mismatch, match="not the operator's"):
        check_choice(task(), READ, award(1), CHAIN, earlier=[*every[:2], award(1, bid_count=2)])


def test_a_bid_that_may_have_run_out_before_the_choice_does_not_contradict_it() -> None:
    longer = {0: {"valid_until": NOW + 7_201}}
    reserved = task(reserve_units="19500000", document=None)
    # 12 and 19 may have run out before the buyer took the one of 20, which is above the reserve
    check_choice(reserved, bids_with(longer), award(0), CHAIN)
    with pytest.raises(Mismatch, match="needs the rule's record"):
        check_choice(reserved, READ, award(0), CHAIN)


def commit(bid: models.Bid, **changes: Any) -> models.Commit:
    told = {name: getattr(bid, name) for name in ("bid_hash", "agent", "valid_until", "seq", "operator", "withdrawn")}
    unread: dict[str, Any] = dict.fromkeys(("signature", "receipt_signature"), bytes(65))
    fields = told | unread | {"commitment": bytes(32), "revealed": False, "withdrawal_signature": None, "live": True}
    return models.Commit.model_construct(**(fields | changes))


def test_no_award_is_decided_while_sealed_bids_may_come_or_be_shown() -> None:
    sealed = task(reveal_ends_at=dt.datetime.fromtimestamp(NOW + 600, dt.UTC).isoformat())
    check_record(sealed, READ, award(2), CHAIN, signed(record()))
    with pytest.raises(Mismatch, match="sealed bids"):
        check_record(sealed, READ, award(2), CHAIN, signed(record(decided_at=NOW - 1)))
    hidden = commit(READ[0])

    def kept_back(decided_at: int) -> dict[str, Any]:
        contest, offers = read_record(record(decided_at=decided_at))
        unseen: dict[str, Any] = {"amount": 0, "eta_seconds": 0, "revealed": False}
        return signed(
            award_record(contest, [dataclasses.replace(one, **unseen) if one.seq == 1 else one for one in offers])
        )

    check_record(sealed, READ[1:], award(2), CHAIN, kept_back(NOW + 600), commits=[hidden])
    with pytest.raises(Mismatch, match="sealed bids"):
        check_record(sealed, READ[1:], award(2), CHAIN, kept_back(NOW + 599), commits=[hidden])


def test_a_sealed_bid_that_nobody_showed_counts_for_no_rule() -> None:
    reserved = task(reserve_units="11999999", document=None)
    check_choice(reserved, READ[1:], award(1), CHAIN, commits=[commit(bid) for bid in READ])


Run = Callable[..., Result]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    """The command, with what the service tells of the task by name, beside what an award by the rule has."""

    async def answer(_: Market, *_arguments: object) -> Any:
        return CHAIN

    monkeypatch.setattr(Market, "chain", answer)

    def invoke(*options: str, **changes: Any) -> Result:
        usual = {
            "task": task(),
            "bids": READ,
            "awards": [award(2, decided_by="rule")],
            "award_record": signed(record()),
            "epoch_file": epoch_file(),
        }
        for name, value in (usual | changes).items():

            async def told(_: Market, _task: object, value: Any = value) -> Any:
                return value

            monkeypatch.setattr(Market, name, told)
        return CliRunner().invoke(cli, ["award", "verify", str(TASK_ID), *options])

    return invoke


def test_the_command_says_who_won_and_why(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    path.write_text(json.dumps(signed(record())), encoding="utf-8")
    for options in ((), ("--record", str(path))):
        ruled = run(*options)
        assert ruled.exit_code == 0, ruled.output
        assert "gives this winner" in ruled.output
        assert "the scores are those of epoch 4" in ruled.output
        assert "believed      that epoch 4 was the newest that counted then, and its file" in ruled.output
        assert "before the auction's end" not in ruled.output
        assert checksum(key("agent 3").address) in ruled.output
    path.write_text(json.dumps(signed(changed(lambda made: made["ranking"].reverse()))), encoding="utf-8")
    assert run("--record", str(path)).exit_code == 4
    for wrong in ("{", "[]"):
        path.write_text(wrong, encoding="utf-8")
        assert run("--record", str(path)).exit_code == 1


def test_the_command_believes_a_choice_only_where_the_task_leaves_it(run: Run) -> None:
    chosen = [award(1, decided_by="buyer")]
    left = run(task=task(award_weights=None, document=None), awards=chosen)
    assert left.exit_code == 0, left.output
    assert "as the buyer chose" in left.output
    assert "believed      that the buyer chose this bid, which nobody signs" in left.output
    assert "believed      who decides, weights and limits of the task" in left.output
    nobody_counts = run(task=task(reserve_units="10000000", document=None), awards=chosen)
    assert nobody_counts.exit_code == 0, nobody_counts.output
    assert "same          no bid that was valid as long as this one counted for the rule" in nobody_counts.output
    assert "wins at once" not in left.output + nobody_counts.output
    priced = run(task=task(award_weights=None, buy_now_units="1", document=None), awards=chosen)
    assert (priced.exit_code, "believed      that no price at which a bid wins at once" in priced.output) == (0, True)
    ruled = run(task=task(document=None), awards=chosen)
    assert (ruled.exit_code, "needs the rule's record" in ruled.output) == (4, True), ruled.output
    assigned = task(instant=True, buy_now_units="20000000", award_weights=None, document=None)
    told = run(task=assigned, awards=chosen)
    assert (told.exit_code, "scheduler assigns" in told.output) == (4, True), told.output


def test_the_command_names_the_moments_it_cannot_know(run: Run) -> None:
    early = run(award_record=signed(record(decided_at=NOW - 1)))
    assert early.exit_code == 0, early.output
    assert "believed      that the buyer asked for the award before the auction's end" in early.output
    ahead = run(award_record=signed(record(decided_at=NOW + 7_100)))
    assert (ahead.exit_code, "still to be decided" in ahead.output) == (4, True), ahead.output


def anchored(epoch: int, active_at: int, root: bytes = bytes(32)) -> EpochAnchored:
    return EpochAnchored(
        epoch=epoch, root=root, leaf_count=2, manifest_hash=bytes(32), active_at=active_at, uri="file:scores"
    )  # fmt: skip


def root_of(file: models.EpochFile) -> bytes:
    return epoch_root(
        [
            ScoreLeaf(agent=leaf.agent, score=leaf.score, settled_value=5, jobs=1, epoch=file.epoch)
            for leaf in file.leaves
        ]
    )


@pytest.fixture
def node(monkeypatch: pytest.MonkeyPatch) -> Callable[[dict[int, EpochAnchored], set[int]], None]:
    """A node with these epochs, and these of them vetoed."""

    def serve(epochs: dict[int, EpochAnchored], vetoed: set[int]) -> None:
        async def matches(_: ScoreChain) -> None:
            return

        async def logged(_: ScoreChain) -> tuple[dict[int, EpochAnchored], set[int]]:
            return epochs, vetoed

        monkeypatch.setattr(ScoreChain, "check", matches)
        monkeypatch.setattr(ScoreChain, "epochs", logged)
        monkeypatch.setattr(Market, "published", property(lambda _: deployment()))

    return serve


def test_the_scores_are_those_of_the_newest_epoch_that_counted_then(
    run: Run, node: Callable[[dict[int, EpochAnchored], set[int]], None]
) -> None:
    root = root_of(epoch_file())
    ask = ("--rpc", "http://127.0.0.1:9")
    before = {3: anchored(3, NOW - 90_000), 4: anchored(4, NOW - 10, root)}
    # one that was vetoed, and one that has counted only since, change nothing
    node(before | {5: anchored(5, NOW - 5), 6: anchored(6, NOW + 1)}, {5})
    told = run(*ask)
    assert told.exit_code == 0, told.output
    assert "same          by the chain, epoch 4 was the newest that counted then" in told.output
    assert "same          the scores are those of epoch 4, whose root the chain has" in told.output
    node(before | {5: anchored(5, NOW)}, set())
    old = run(*ask)
    assert (old.exit_code, "the newest epoch that counted then is 5" in old.output) == (4, True), old.output
    node({4: anchored(4, NOW + 1, root)}, set())
    early = run(*ask)
    assert (early.exit_code, "the newest epoch that counted then is none" in early.output) == (4, True), early.output
    node({4: anchored(4, NOW - 10, bytes([1]) * 32)}, set())
    assert "not the one whose root" in run(*ask).output


def test_no_scores_count_only_where_the_chain_had_none(
    run: Run, node: Callable[[dict[int, EpochAnchored], set[int]], None]
) -> None:
    contest, offers = read_record(record(epoch=0))
    floored = [dataclasses.replace(offer, reputation=FLOOR) for offer in offers]
    made = award_record(contest, floored)
    winner = next(place for place, bid in enumerate(READ) if hex0x(bid.bid_hash) == made["winner"])
    unscored = {"award_record": signed(made), "awards": [award(winner, decided_by="rule")]}
    believed = run(**unscored)
    assert believed.exit_code == 0, believed.output
    assert "believed      no epoch of scores counted then" in believed.output
    node({1: anchored(1, NOW + 1)}, set())
    asked = run("--rpc", "http://127.0.0.1:9", **unscored)
    assert asked.exit_code == 0, asked.output
    assert "same          by the chain, no epoch of scores counted then" in asked.output
    node({1: anchored(1, NOW - 1)}, set())
    hidden = run("--rpc", "http://127.0.0.1:9", **unscored)
    assert (hidden.exit_code, "goes by no scores" in hidden.output) == (4, True), hidden.output
