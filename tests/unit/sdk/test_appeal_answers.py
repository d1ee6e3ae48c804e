"""What an agent does when the buyer appeals: it pays its side once a round, or tells loudly why not."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner

from aicp.abi.enums import DisputePeriod, Status
from aicp.abi.escrow import EscrowState
from aicp.abi.signing import recover
from aicp.abi.typed_data import ReceiveWithAuthorization
from aicp.agent import Agent, AppealCase, FundAppeal, Options
from aicp.agent.appeals import AppealAnswers, answer_appeals, appeal_salt
from aicp.agent.driver import Driver
from aicp.cli import options
from aicp.cli.main import cli
from aicp.client import AgentActions, Appeals, BondAboveLimit, NotDue, NotEnough, Unreachable, Wallet, models
from aicp.client import chain as chain_module
from aicp.client.appeals import Standing
from aicp.rules.appeals import appeal_of
from aicp.rules.ids import appeal_nonce
from aicp.rules.primitives import checksum, hex0x
from tests.unit.sdk.builders import AGENT, BUYER, DEAL_ID, NOW, chain, delivered_json
from tests.unit.sdk.test_actions import balances, market, still_clock
from tests.unit.sdk.test_cli_judging import number
from tests.unit.sdk.test_dispute_actions import ARBITER, PRICE, STEP, VERIFIER, Service, actions, deal

__all__ = ["still_clock"]

COST, SEAT = 7_000_000, 1_000_000
ENDS, STAKE = NOW + 300, PRICE // 5
RPC = "http://localhost:8545"
NAMES = ("neither", "buyer", "agent")


def appeal_json(raised: tuple[int, int] = (2 * COST, 0), verdict: int = 2, round_number: int = 0) -> dict[str, Any]:
    found = appeal_of(round_number, verdict, SEAT, raised, ENDS - 590, 590)
    sides = [
        {
            "role": NAMES[one.side], "required_units": str(one.required_units), "paid_units": str(one.paid_units),
            "missing_units": str(one.missing_units), "payable_until": one.payable_until,
        }
        for one in (found.first, found.second)
    ]  # fmt: skip
    return {
        "round": round_number, "verdict": NAMES[verdict], "cost_units": str(found.cost_units),
        "challenge_by": found.challenge_by, "ends_at": found.ends_at, "challenged": found.challenged, "sides": sides,
    }  # fmt: skip


def appealed(appeal: dict[str, Any] | None = None, **changes: Any) -> models.Deal:
    told = appeal_json() if appeal is None else appeal
    return deal(
        "disputed", dispute__dispute_id=str(number()), dispute__arbiter_period="appeal", dispute__arbiter_round=0,
        dispute__appeal=told or None, **changes,
    )  # fmt: skip


class Relay(Service):
    """Takes payments into appeals, or refuses them as it is told."""

    def __init__(self, usdc: int = 30_000_000) -> None:
        super().__init__()
        self.hold(usdc)
        self.refuses: str | None = None
        self.answers[f"{STEP}/appeal"] = delivered_json(arbiter=ARBITER, verifier=VERIFIER.address)

    def hold(self, usdc: int) -> None:
        for who in (AGENT, BUYER):
            self.answers[f"/accounts/{checksum(who.address)}/balances"] = balances(usdc_units=str(usdc))

    def __call__(self, request: httpx.Request) -> httpx.Response:
        answer = super().__call__(request)
        if self.refuses and request.url.path.endswith("/appeal"):
            return httpx.Response(409, json={"code": self.refuses, "detail": "Refused."})
        return answer

    @property
    def paid(self) -> list[dict[str, Any]]:
        return [body for path, body in self.posts if path == f"{STEP}/appeal"]


def answers(service: Relay, folder: Path, handler: Any = None, *, rpc: bool = False) -> AppealAnswers:
    agent = Agent("Tabula", ["data_processing"])
    if handler is not None:
        agent.on("appeal")(handler)
    own = market(AGENT, service, folder, rpc_url=RPC if rpc else None)
    return AppealAnswers(agent, own, Options(rpc_url=RPC if rpc else None))


def signer_of(body: dict[str, Any], payer: Wallet, side: int, round_number: int = 0) -> bytes:
    message = ReceiveWithAuthorization(
        from_=payer.address, to=ARBITER, value=int(body["amount_units"]), valid_after=0,
        valid_before=body["valid_before"],
        nonce=appeal_nonce(number(), round_number, side, bytes.fromhex(body["salt"][2:])),
    )  # fmt: skip
    return recover(message.digest(chain().token), bytes.fromhex(body["signature"][2:]))


@pytest.mark.asyncio
async def test_either_party_signs_exactly_what_its_side_is_short_of(tmp_path: Path) -> None:
    service = Relay()
    await actions(AGENT, service, tmp_path).fund_appeal(appealed(), limit_units=COST)
    await actions(BUYER, service, tmp_path).fund_appeal(appealed(appeal_json((COST, 0))), 1, limit_units=COST)
    first, second = service.paid
    assert (first["amount_units"], first["round"], first["valid_before"]) == (str(COST), 0, ENDS)
    assert signer_of(first, AGENT, 2) == AGENT.address
    assert second["amount_units"] == "1"
    assert signer_of(second, BUYER, 1) == BUYER.address
    assert first["salt"] != second["salt"]


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("appeal", "usdc", "refusal"),
    [
        (appeal_json(), COST - 1, NotEnough),
        (appeal_json((2 * COST, COST)), COST, NotDue),
        ({}, COST, NotDue),
        (appeal_json(round_number=1, raised=(30 * SEAT, 0)), 15 * SEAT, BondAboveLimit),
    ],
)
async def test_no_payment_is_signed_that_does_not_fit(
    tmp_path: Path, appeal: dict[str, Any], usdc: int, refusal: type[Exception]
) -> None:
    service = Relay(usdc)
    with pytest.raises(refusal):
        await actions(AGENT, service, tmp_path).fund_appeal(appealed(appeal), limit_units=COST)
    assert service.posts == []


@pytest.mark.asyncio
async def test_an_open_challenge_is_answered_and_the_log_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "aicp.agent")
    service = Relay()
    own = answers(service, tmp_path)
    for raised in ((0, 0), (2 * COST - 1, 0), (2 * COST, COST)):
        await own.step(appealed(appeal_json(raised)))
    await own.step(appealed({}))
    assert service.paid == []
    await own.step(appealed())
    [body] = service.paid
    assert (body["amount_units"], signer_of(body, AGENT, 2)) == (str(COST), AGENT.address)
    assert "paid 7.00 USDC for our side" in caplog.text


@pytest.mark.asyncio
async def test_a_restart_signs_the_same_nonce_so_that_it_is_paid_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = Relay()
    own = answers(service, tmp_path)
    await own.step(appealed())
    await own.step(appealed())
    assert len(service.paid) == 1, "not signed again at once"
    await answers(service, tmp_path).step(appealed())
    monkeypatch.setattr(chain_module.Chain, "now", lambda _: NOW + 120)
    await own.step(appealed())
    assert len(service.paid) == 3, "tried again until it is on chain"
    assert {body["salt"] for body in service.paid} == {hex0x(appeal_salt(number(), 0))}
    assert appeal_salt(number(), 0) != appeal_salt(number(), 1) != appeal_salt(number() + 1, 1)


@pytest.mark.asyncio
async def test_a_payment_under_way_is_waited_for(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "aicp.agent")
    service = Relay()
    service.refuses = "step_underway"
    await answers(service, tmp_path).step(appealed())
    assert "is on its way" in caplog.text


@pytest.mark.asyncio
async def test_without_the_money_it_warns_loudly_and_pays_once_it_is_there(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    service = Relay(COST - 1)
    own = answers(service, tmp_path)
    await own.step(appealed())
    assert service.paid == []
    [told] = [one for one in caplog.records if one.levelno == logging.ERROR]
    assert "IS NOT ANSWERED" in told.message
    assert checksum(AGENT.address) in told.message
    service.hold(COST)
    await own.step(appealed())
    assert len(service.paid) == 1


def case(cost: int, at_stake: int) -> AppealCase:
    return AppealCase(
        deal_id=DEAL_ID, title="Sales", round_number=0, verdict="agent", cost_units=cost, at_stake_units=at_stake,
        answer_by=ENDS,
    )  # fmt: skip


@pytest.mark.asyncio
async def test_what_costs_more_than_is_lost_without_it_is_not_paid(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert answer_appeals(case(COST, COST)) == FundAppeal()
    assert answer_appeals(case(COST, COST - 1)) is None
    service = Relay()
    # 15 against 10 left and 5 of stake, then one unit less
    third = appeal_json((30 * SEAT, 0), round_number=1)
    await answers(service, tmp_path).step(appealed(third, released_units=str(PRICE - 10 * SEAT)))
    assert len(service.paid) == 1
    await answers(service, tmp_path).step(appealed(third, released_units=str(PRICE - 10 * SEAT + 1)))
    assert len(service.paid) == 1
    assert "more than is at stake" in caplog.text


@pytest.mark.asyncio
async def test_a_tie_is_answered_and_a_lost_vote_is_only_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    service = Relay()
    seen: list[AppealCase] = []
    own = answers(service, tmp_path, lambda given: seen.append(given) or FundAppeal())
    await own.step(appealed(appeal_json((2 * COST, 0), verdict=0)))
    assert [body["amount_units"] for body in service.paid] == [str(2 * COST)]
    assert [(one.verdict, one.at_stake_units) for one in seen] == [("neither", PRICE // 2 + STAKE)]
    for raised in ((0, 0), (COST, 0)):
        await answers(service, tmp_path).step(appealed(appeal_json(raised, verdict=1)))
    assert len(service.paid) == 1
    assert "the votes over 'Profile the sales' are for the buyer" in caplog.text


@pytest.mark.asyncio
@pytest.mark.parametrize(("handler", "paid"), [(lambda _: FundAppeal(), 1), (lambda _: None, 0), (lambda _: 1 // 0, 1)])
async def test_the_handler_decides_once_a_round(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, handler: Any, paid: int
) -> None:
    asked: list[AppealCase] = []

    def counted(given: AppealCase) -> Any:
        asked.append(given)
        return handler(given)

    service = Relay()
    own = answers(service, tmp_path, counted)
    for _ in range(2):
        await own.step(appealed())
    assert (len(asked), len(service.paid)) == (1, paid)
    assert asked[0].at_stake_units == PRICE + STAKE
    assert (paid == 0) == ("IS NOT ANSWERED" in caplog.text)


class Court:
    """The arbiter as an RPC of our own shows it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, raised: tuple[int, int] | None, *, gas: bool = True) -> None:
        self.raised, self.gas, self.down = raised, gas, False
        self.paid: list[tuple[int, int, int]] = []
        monkeypatch.setattr(Appeals, "standing", self.standing)
        monkeypatch.setattr(Appeals, "fund", self.fund)

        async def held(_: object, account: bytes) -> int:
            return 30_000_000

        async def state(_: object, escrow_id: bytes) -> EscrowState:
            return EscrowState(
                released=0, refunded=0, clock=ENDS, status=self.status, ruling=0, flags=0, word=bytes(32)
            )  # fmt: skip

        self.status = Status.DISPUTED
        monkeypatch.setattr("aicp.client.direct.DirectChain.usdc_units", held)
        monkeypatch.setattr("aicp.client.direct.DirectChain.state_of", state)

    async def standing(self, found: int) -> Standing:
        assert found == number()
        if self.down:
            raise Unreachable("The RPC did not answer.")
        appeal = None if self.raised is None else appeal_of(0, 2, SEAT, self.raised, ENDS - 590, 590)
        return Standing(
            period=DisputePeriod.DRAWING if appeal is None else DisputePeriod.APPEAL, round_number=0, verdict=2,
            ruling=0, ends_at=ENDS, appeal=appeal, contributed_units=0, credit_units=0,
        )  # fmt: skip

    async def fund(self, found: int, side: int, *, limit_units: int) -> int:
        if not self.gas:
            raise Unreachable("The transaction could not be sent.")
        self.paid.append((found, side, limit_units))
        return limit_units


@pytest.mark.asyncio
async def test_the_chain_is_believed_and_late_it_is_paid_directly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    service, court = Relay(), Court(monkeypatch, None)
    with pytest.raises(NotDue, match="the chain does not have"):
        await answers(service, tmp_path, rpc=True).step(appealed())
    court.raised = (2 * COST, 0)
    await answers(service, tmp_path, rpc=True).step(appealed())
    assert (len(service.paid), court.paid) == (1, [])
    monkeypatch.setattr(chain_module.Chain, "now", lambda _: ENDS - 1)
    await answers(service, tmp_path, rpc=True).step(appealed({}))
    await answers(service, tmp_path, rpc=True).answer_directly_if_late(appealed({}))
    assert (len(service.paid), court.paid) == (1, [(number(), 2, COST)] * 2), "also where the service hides it"
    court.gas = False
    await answers(service, tmp_path, rpc=True).step(appealed())
    assert len(service.paid) == 2, "without gas the service is still asked"
    court.down = True
    await answers(service, tmp_path, rpc=True).step(appealed())
    assert len(service.paid) == 3, "without the chain the service's word bounds it"


@pytest.mark.asyncio
async def test_the_driver_answers_the_appeal_of_its_deal(tmp_path: Path) -> None:
    service = Relay()
    service.answers[STEP] = appealed().model_copy(update={"state": "disputed"}).model_dump(mode="json")
    driver = Driver(
        DEAL_ID, agent=Agent("Tabula", ["data_processing"]), actions=AgentActions(market(AGENT, service, tmp_path)),
        options=Options(), folder=tmp_path, slots=asyncio.Semaphore(1),
    )  # fmt: skip
    assert not await driver.step()
    assert len(service.paid) == 1


@pytest.mark.parametrize(
    ("arguments", "units", "words"),
    [
        ([], 10_000_000, "Paid 10.00 USDC for the buyer's side."),
        (["--amount", "1"], 1_000_000, "Paid 1.00 USDC for the buyer's side."),
        (["--side", "buyer"], 10_000_000, "Paid 10.00 USDC"),
        (["--limit", "9"], None, "at most 9.00 are allowed"),
    ],
)
def test_the_command_line_pays_for_ones_own_side_without_gas(  # one parameter for each fact
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], units: int | None, words: str
) -> None:
    service, court = Relay(), Court(monkeypatch, (4_000_000, 0))
    service.answers[STEP] = appealed(appeal_json((4_000_000, 0))).model_dump(mode="json")
    monkeypatch.setattr(options, "Market", lambda _url, wallet, **_: market(wallet, service, tmp_path))
    command = ["deal", "appeal", str(DEAL_ID), "--fund", *arguments, "--rpc", RPC, "--key", BUYER.secret_key().hex()]
    answer = CliRunner().invoke(cli, command)
    assert (answer.exit_code, words in answer.output) == (int(units is None), True), answer.output
    assert [body["amount_units"] for body in service.paid] == ([] if units is None else [str(units)])
    assert court.paid == [], "the wallet has sent nothing"


@pytest.mark.asyncio
@pytest.mark.parametrize("shown", [{"state": "delivered"}, {"state": "refunded", "live": False}])
async def test_a_service_that_hides_the_dispute_does_not_keep_the_agent_from_its_appeal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shown: dict[str, Any]
) -> None:
    service, court = Relay(), Court(monkeypatch, (2 * COST, 0))
    service.answers[STEP] = deal("submitted").model_copy(update=shown).model_dump(mode="json")
    driver = Driver(
        DEAL_ID, agent=Agent("Tabula", ["data_processing"]),
        actions=AgentActions(market(AGENT, service, tmp_path, rpc_url=RPC)), options=Options(rpc_url=RPC),
        folder=tmp_path, slots=asyncio.Semaphore(1),
    )  # fmt: skip
    monkeypatch.setattr(chain_module.Chain, "now", lambda _: ENDS - 1)
    assert not await driver.step()
    assert court.paid == [(number(), 2, COST)]
    court.raised, court.status = None, Status.CLOSED
    assert await driver.step() is not shown.get("live", True)
    assert len(court.paid) == 1
