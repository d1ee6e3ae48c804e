"""`aicp deal` against a recording service: what it prints, what it signs, and its one sentence where it refuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from aicp.abi.signing import recover
from aicp.abi.typed_data import Cancellation
from aicp.cli import options
from aicp.cli.main import cli
from aicp.client import Wallet
from aicp.rules.documents import evidence_hash
from aicp.rules.primitives import hex0x
from tests.unit.sdk.builders import AGENT, BUYER, DEAL_ID, NOW, TASK_ID, address, chain, deal_json
from tests.unit.sdk.onchain import OnChain
from tests.unit.sdk.test_actions import market, still_clock
from tests.unit.sdk.test_dispute_actions import STEP, VERIFIER, Service, deal, offer, signed_json

__all__ = ["still_clock"]

FILE_TEXT = "not what was asked"


def stored(found: Any) -> dict[str, Any]:
    """The deal as the service would answer it."""
    answer: dict[str, Any] = found.model_dump(mode="json")
    return answer


class Desk:
    """Runs a command as somebody."""

    def __init__(self, service: Service, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.service = service
        monkeypatch.setattr(options, "Market", lambda _url, wallet, **_: market(wallet, service, folder))

    def run(self, wallet: Wallet, *arguments: str) -> Result:
        return CliRunner().invoke(cli, ["deal", *arguments, "--key", wallet.secret_key().hex()])


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    return Desk(Service(**{STEP: stored(deal())}), tmp_path, monkeypatch)


def test_a_dispute_says_what_it_puts_up(desk: Desk, tmp_path: Path) -> None:
    file = tmp_path / "shot.txt"
    file.write_text(FILE_TEXT)
    answer = desk.run(BUYER, "dispute", str(DEAL_ID), "Half is missing.", str(file), "--bond-limit", "3")
    assert answer.exit_code == 0, answer.output
    assert "Disputed, with a bond of 3.00 USDC." in answer.output
    assert [path for path, _ in desk.service.posts] == [f"{STEP}/dispute"]


def test_a_deal_paid_from_a_pool_cannot_be_disputed(desk: Desk) -> None:
    desk.service.answers[STEP] = deal_json("channel", 400_000, state="delivered")
    answer = desk.run(BUYER, "dispute", str(DEAL_ID), "Half is missing.")
    assert (answer.exit_code, "paid from a pool" in answer.output) == (1, True), answer.output
    assert desk.service.posts == []


def test_the_money_of_an_escrow_nobody_accepted_is_taken_back_by_a_signature(desk: Desk) -> None:
    funded = deal("funded")
    desk.service.answers[STEP] = desk.service.answers[f"{STEP}/cancellation"] = stored(funded)
    answer = desk.run(BUYER, "cancel", str(DEAL_ID))
    assert answer.exit_code == 0, answer.output
    assert "Cancelled: 25.00 USDC come back to you." in answer.output
    [(path, body)] = desk.service.posts
    assert funded.escrow is not None
    message = Cancellation(escrow_id=funded.escrow.escrow_id, valid_until=body["valid_until"])
    assert (path, body["escrow_id"]) == (f"{STEP}/cancellation", hex0x(message.escrow_id))
    assert recover(message.digest(chain().escrow), bytes.fromhex(body["signature"][2:])) == BUYER.address
    refused = desk.run(AGENT, "cancel", str(DEAL_ID))
    assert (refused.exit_code, "Only the buyer" in refused.output) == (4, True), refused.output
    assert len(desk.service.posts) == 1


@pytest.mark.parametrize(
    ("wallet", "arguments", "code", "words"),
    [
        (BUYER, ["cancel", ""], 1, "Only a funded escrow that nobody has accepted"),
        (BUYER, ["dispute", "", "Bad.", "--bond-limit", "2.99"], 1, "at most 2.99 are allowed"),
        (AGENT, ["dispute", "", "Bad."], 4, "Only the buyer"),
        (AGENT, ["respond", "", "Good."], 1, "There is no dispute to answer. The escrow is submitted."),
        (BUYER, ["split", "", "--accept"], 1, "The other side has no open offer."),
        (BUYER, ["split", ""], 2, "Either name --to-agent"),
        (BUYER, ["split", "", "--to-agent", "25.000001"], 1, "Only 25.00 USDC are left"),
        (BUYER, ["sign-release", ""], 4, "Only agent and verifier"),
        (BUYER, ["rate", "", "90"], 1, "Only the parties of a deal that is over"),
        (BUYER, ["rate", "", "101"], 2, "0<=x<=100"),
    ],
)
def test_refusals_are_one_sentence_and_sign_nothing(
    desk: Desk, wallet: Wallet, arguments: list[str], code: int, words: str
) -> None:
    command, _, *rest = arguments
    answer = desk.run(wallet, command, str(DEAL_ID), *rest)
    assert (answer.exit_code, words in answer.output) == (code, True), answer.output
    assert "Traceback" not in answer.output
    assert desk.service.posts == []


def test_a_deal_is_found_by_its_task_and_shown_with_everything(desk: Desk) -> None:
    found = deal("challenged", release_signatures=[signed_json(AGENT, "agent")])
    assert found.escrow is not None
    found = found.model_copy(update={"escrow": found.escrow.model_copy(update={"split_offers": [offer()]})})
    desk.service.answers[STEP] = stored(found)
    answer = desk.run(BUYER, "show", str(DEAL_ID))
    assert answer.exit_code == 0, answer.output
    for words in (
        "buyer says    Half is missing.",
        "its hash fits",
        "no, the agent has until",
        "bond 3.00 USDC",
        "agent offers  20.00 USDC to the agent, 5.00 USDC to the buyer; open",
        "agent signed  release up to 25.00 USDC",
    ):
        assert words in answer.output, answer.output
    desk.service.answers[STEP] = stored(deal("challenged", dispute__evidence_hash=hex0x(bytes(32))))
    assert "NOT TO BE TRUSTED" in desk.run(BUYER, "show", str(DEAL_ID)).output
    answer = desk.run(BUYER, "show", str(TASK_ID))
    assert (answer.exit_code, "no deal" in answer.output or "404" in answer.output) == (1, True), answer.output


def test_the_other_sides_offer_is_taken_only_for_enough(desk: Desk) -> None:
    found = deal()
    assert found.escrow is not None
    escrow = found.escrow.model_copy(update={"split_offers": [offer()]})
    desk.service.answers[STEP] = stored(found.model_copy(update={"escrow": escrow}))
    answer = desk.run(BUYER, "split", str(DEAL_ID), "--accept", "--at-least", "5.01")
    assert (answer.exit_code, "Only 5.00 USDC of the offer are yours" in answer.output) == (1, True), answer.output
    assert desk.service.posts == []
    answer = desk.run(BUYER, "split", str(DEAL_ID), "--accept", "--at-least", "5")
    assert "Accepted: 20.00 USDC to the agent, 5.00 USDC to the buyer." in answer.output
    assert len(desk.service.posts) == 1


def test_offers_signatures_and_ratings_are_sent(desk: Desk) -> None:
    assert (
        "8.00 USDC to the agent, 17.00 USDC to the buyer, for 2 h"
        in desk.run(BUYER, "split", str(DEAL_ID), "--to-agent", "8", "--hours", "2").output
    )
    answer = desk.run(VERIFIER, "sign-release", str(DEAL_ID), "--hours", "1")
    assert "once the agent has signed the same" in answer.output
    desk.service.answers[STEP] = stored(deal("closed"))
    assert "Rated 90 of 100." in desk.run(BUYER, "rate", str(DEAL_ID), "90", "--comment", "Exact.").output
    bodies = [body for _, body in desk.service.posts]
    assert [bodies[0]["valid_until"], bodies[1]["valid_until"]] == [NOW + 7200, NOW + 3600]
    assert (bodies[2]["score"], bodies[2]["comment"]) == (90, "Exact.")


def test_a_dispute_and_its_answer_can_be_sent_past_the_service(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    seen = OnChain().install(monkeypatch)
    file = tmp_path / "shot.txt"
    file.write_text(FILE_TEXT)
    found = deal()
    assert found.escrow is not None
    answer = desk.run(BUYER, "dispute", str(DEAL_ID), "Half is missing.", str(file), "--rpc", "http://localhost:8545")
    assert answer.exit_code == 0, answer.output
    [kept] = tmp_path.glob("dispute-*.json")
    document = json.loads(kept.read_text())
    assert (document["claim"], [one["name"] for one in document["files"]]) == ("Half is missing.", ["shot.txt"])
    [(to, data)] = seen.sent
    assert (to, evidence_hash(document) in data) == (address("escrow"), True)
    above = desk.run(AGENT, "respond", str(DEAL_ID), "--rpc", "http://localhost:8545", "--bond-limit", "2.99")
    assert (above.exit_code, "at most 2.99 are allowed" in above.output) == (1, True)
    answered = desk.run(AGENT, "respond", str(DEAL_ID), "--rpc", "http://localhost:8545")
    assert answered.exit_code == 0, answered.output
    assert len(seen.sent) == 2
    assert desk.service.posts == []
