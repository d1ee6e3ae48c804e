"""`aicp juror show` and `aicp deal appeal` against a recording service: what they print, save, and refuse."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner, Result

from aicp.abi.enums import DisputePeriod
from aicp.cli import options
from aicp.cli.main import cli
from aicp.client import Appeals, Wallet
from aicp.client.appeals import Standing
from aicp.client.verify import terms_message
from aicp.rules.appeals import appeal_of
from aicp.rules.ids import dispute_extra, dispute_id
from aicp.rules.primitives import hex0x
from tests.unit.sdk.builders import AGENT, BUYER, DEAL_ID, NOW, chain, key
from tests.unit.sdk.test_actions import market, still_clock
from tests.unit.sdk.test_dispute_actions import ARBITER, STEP, VERIFIER, Service, deal

__all__ = ["still_clock"]

JUROR = key("juror")


def number() -> int:
    escrow = deal().escrow
    assert escrow is not None
    extra = dispute_extra(escrow.escrow_id, terms_message(escrow.terms))
    return dispute_id(31337, ARBITER, chain().contracts.escrow, extra)


def judged() -> dict[str, Any]:
    """The deal's dispute before the arbiter, as the service shows the deal."""
    found = deal("disputed", dispute__dispute_id=str(number()), dispute__arbiter_period="commit",
                 dispute__arbiter_round=0)  # fmt: skip
    made: dict[str, Any] = found.model_dump(mode="json")
    return made


def case_json(**changes: Any) -> dict[str, Any]:
    """The same as a juror reads it; a change such as `dispute__evidence_hash` goes deep."""
    found = judged()
    escrow, names = found["escrow"], ("title", "buyer", "agent", "task_hash", "document", "input_files", "deliverable")
    made = copy.deepcopy({name: found[name] for name in names}) | {
        "dispute_id": str(number()), "deal_id": found["id"], "escrow_id": escrow["escrow_id"],
        "terms": escrow["terms"], "bid_hash": found["bid"]["bid_hash"], "bids_root": found["award"]["bids_root"],
        "deliverable_hash": escrow["deliverable_hash"], "dispute": escrow["dispute"],
    }  # fmt: skip
    for name, value in changes.items():
        target, path = made, name.split("__")
        for part in path[:-1]:
            target = target[part]
        target[path[-1]] = value
    return made


class Court(Service):
    """Has the case, and every file as other bytes than named."""

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if "/files/" in request.url.path:
            return httpx.Response(200, content=b"other bytes")
        return super().__call__(request)


@pytest.fixture
def court(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Court:
    service = Court(**{STEP: judged(), f"/disputes/{number()}": case_json()})
    monkeypatch.setattr(options, "Market", lambda _url, wallet, **_: market(wallet, service, tmp_path))
    return service


def run(wallet: Wallet, *arguments: str) -> Result:
    return CliRunner().invoke(cli, [*arguments, "--key", wallet.secret_key().hex()])


def test_a_juror_is_shown_the_checked_case_without_control_characters(court: Court) -> None:
    answer = run(JUROR, "juror", "show", hex0x(number().to_bytes(32)))
    assert answer.exit_code == 0, answer.output
    for words in ("The buyer says:\n  Half is missing.", "25.00 USDC", "commit of round 0", "result  "):
        assert words in answer.output
    for field, value in (("title", "Sales\x1b[2J"), ("dispute__arbiter_period", "commit")):
        court.answers[f"/disputes/{number()}"] = case_json(**{field: value})
        assert "\x1b" not in run(JUROR, "juror", "show", str(number())).output


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"dispute__evidence_hash": "0x" + "11" * 32}, "not the one the chain has the hash of"),
        ({"deliverable_hash": "0x" + "11" * 32}, "not the one on chain"),
        ({"bid_hash": "0x" + "11" * 32}, "commit to another job"),
        ({"document__title": "Something else"}, "does not match its hash"),
        ({"terms__amount_units": "1"}, "escrow id does not match"),
        ({"dispute_id": "7"}, "another dispute"),
        ({"input_files": [{"sha256": "0x" + "11" * 32, "name": "x", "size": 1, "media_type": "text/plain"}]},
         "input files are not those"),
        ({"buyer": hex0x(VERIFIER.address)}, "other parties"),
    ],
)  # fmt: skip
def test_a_case_that_does_not_fit_together_is_refused(court: Court, changes: dict[str, Any], words: str) -> None:
    court.answers[f"/disputes/{number()}"] = case_json(**changes)
    answer = run(JUROR, "juror", "show", str(number()))
    assert (answer.exit_code, words in answer.output) == (4, True), answer.output


def test_files_are_saved_only_with_the_bytes_their_hashes_name(court: Court, tmp_path: Path) -> None:
    assert case_json()["deliverable"]["manifest"]["files"], "there is a file to fetch"
    answer = run(JUROR, "juror", "show", str(number()), "--save", str(tmp_path / "case"))
    assert (answer.exit_code, "not those its hash names" in answer.output) == (4, True), answer.output
    assert [path.name for path in (tmp_path / "case").iterdir()] == ["task.json"]


class Arbiter:
    """Stands for the chain: an appeal of which the buyer's side has been paid in part."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.paid: list[tuple[int, int, int, int | None]] = []
        monkeypatch.setattr(Appeals, "standing", self.standing)
        monkeypatch.setattr(Appeals, "fund", self.fund)
        monkeypatch.setattr(Appeals, "collect", self.collect)
        self.period = DisputePeriod.APPEAL

    async def standing(self, found: int) -> Standing:
        assert found == number()
        appeal = appeal_of(0, 2, 1_000_000, (4_000_000, 0), NOW - 10, 600)
        return Standing(
            period=self.period, round_number=0, verdict=2, ruling=2, ends_at=0,
            appeal=appeal if self.period is DisputePeriod.APPEAL else None, contributed_units=4_000_000, credit_units=0,
        )  # fmt: skip

    async def fund(self, found: int, side: int, *, limit_units: int, units: int | None) -> int:
        self.paid.append((found, side, limit_units, units))
        return 10_000_000

    async def collect(self, found: int) -> int:
        assert found == number()
        return 4_000_000


def test_an_appeal_is_shown_paid_for_ones_own_side_and_collected(court: Court, monkeypatch: pytest.MonkeyPatch) -> None:
    arbiter = Arbiter(monkeypatch)
    rpc = ("--rpc", "http://127.0.0.1:9")
    answer = run(BUYER, "deal", "appeal", str(DEAL_ID), *rpc)
    assert answer.exit_code == 0, answer.output
    for words in (
        "votes so far  for the agent", "next panel    costs 7.00 USDC", "4.00 of 14.00 USDC paid, 10.00 to pay until",
        "0.00 of 7.00 USDC paid, 7.00 to pay until", "you paid in   4.00 USDC",
    ):  # fmt: skip
        assert words in answer.output, answer.output
    assert arbiter.paid == []
    assert "Paid 10.00 USDC for the buyer's side." in run(
        BUYER, "deal", "appeal", str(DEAL_ID), "--fund", "--direct", "--limit", "12", *rpc
    ).output  # fmt: skip
    run(AGENT, "deal", "appeal", str(DEAL_ID), "--fund", "--direct", "--amount", "1", *rpc)
    run(VERIFIER, "deal", "appeal", str(DEAL_ID), "--fund", "--side", "agent", *rpc)
    assert arbiter.paid == [
        (number(), 1, 12_000_000, None), (number(), 2, 50_000_000, 1_000_000), (number(), 2, 50_000_000, None),
    ]  # fmt: skip
    arbiter.period = DisputePeriod.SOLVED
    answer = run(BUYER, "deal", "appeal", str(DEAL_ID), "--collect", *rpc)
    assert "Paid out: 4.00 USDC." in answer.output
    assert "ruling        for the agent" in answer.output


@pytest.mark.parametrize(
    ("wallet", "arguments", "code", "words"),
    [
        (VERIFIER, ["--fund"], 1, "You are no party of this deal"),
        (BUYER, ["--fund", "--collect"], 2, "Either --fund or --collect"),
        (BUYER, ["--side", "agent"], 2, "belong to --fund"),
        (BUYER, ["--direct"], 2, "belong to --fund"),
        (BUYER, ["--fund"], 1, "Nothing can be paid for your side"),
    ],
)
def test_an_appeal_is_refused_in_one_sentence(  # noqa: PLR0917  # one parameter for each fact
    court: Court, monkeypatch: pytest.MonkeyPatch, wallet: Wallet, arguments: list[str], code: int, words: str
) -> None:
    arbiter = Arbiter(monkeypatch)
    answer = run(wallet, "deal", "appeal", str(DEAL_ID), *arguments, "--rpc", "http://127.0.0.1:9")
    assert (answer.exit_code, words in answer.output) == (code, True), answer.output
    assert arbiter.paid == []
    assert "Traceback" not in answer.output


def test_a_number_that_is_not_the_terms_own_is_never_paid_for(court: Court, monkeypatch: pytest.MonkeyPatch) -> None:
    arbiter = Arbiter(monkeypatch)
    found = judged()
    found["escrow"]["dispute"]["dispute_id"] = str(number() + 1)
    court.answers[STEP] = found
    answer = run(BUYER, "deal", "appeal", str(DEAL_ID), "--fund", "--rpc", "http://127.0.0.1:9")
    assert (answer.exit_code, "another dispute" in answer.output) == (4, True), answer.output
    assert arbiter.paid == []
