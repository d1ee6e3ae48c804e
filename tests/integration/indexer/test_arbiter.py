"""A dispute before the arbiter, with an appeal, a leak, a silent juror and strange evidence, in the mirror."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from eth_abi.abi import encode
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from aicp.abi import arbiter as abi
from aicp.abi import escrow as escrow_abi
from aicp.abi import usdc as usdc_abi
from aicp.abi.escrow import Terms
from aicp.abi.signing import sign
from aicp.abi.typed_data import ReceiveWithAuthorization, Vote, arbiter_domain, token_domain
from aicp.rules.primitives import Finality, checksum, keccak
from indexer import views
from indexer.audit.command import audit
from indexer.runner import Runner
from tests.fixtures.chainlab import BUYER_KEY, USDC, Lab, address_of, hex0
from tests.fixtures.services import CHAIN_ID, Anvil
from tests.integration.indexer.conftest import digest, settle

SALT = keccak(b"salt")
PRICE, STAKE, COST = 25 * USDC, 100 * USDC, 3 * USDC
EXCESS = 13 * USDC  # of the buyer's authorization over 20, where 7 were missing


@pytest.fixture
def lab(anvil: Anvil) -> Lab:
    return Lab(anvil, court=True)


@dataclass(slots=True)
class Trial:
    """One dispute of Escrow before the arbiter. Its steps are the contract's; anybody could take most of them."""

    lab: Lab
    arbiter: bytes
    jurors: list[bytes]
    terms: Terms
    number: int

    @classmethod
    def begin(cls, lab: Lab) -> Trial:
        """Stake four jurors and bring a deal before the arbiter."""
        assert lab.contracts.arbiter is not None
        arbiter, escrow = lab.contracts.arbiter.address, lab.contracts.escrow
        jurors = [address_of(account) for account in lab.chain.rpc("eth_accounts")[6:10]]
        for juror in jurors:
            lab.send(lab.owner, lab.usdc, usdc_abi.encode_mint(juror, STAKE))
            lab.send(juror, lab.usdc, usdc_abi.encode_approve(arbiter, STAKE))
            lab.send(juror, arbiter, abi.encode_stake(STAKE))
        for party in (lab.buyer, lab.agent):
            lab.send(party, lab.usdc, usdc_abi.encode_approve(arbiter, 2**255))
        lab.stake()
        lab.journey()
        lab.fund(back := lab.terms())
        lab.send(lab.buyer, escrow, escrow_abi.encode_cancel(back))
        lab.fund(terms := lab.terms(PRICE, arbiter))
        lab.accept(terms)
        lab.submit(terms)
        lab.send(lab.buyer, escrow, escrow_abi.encode_dispute(terms, keccak(b"evidence")))
        lab.send(lab.agent, escrow, escrow_abi.encode_respond(terms))
        answer = lab.call(escrow, escrow_abi.encode_disputes(lab.id_of(terms)))
        return cls(lab, arbiter, jurors, terms, escrow_abi.decode_disputes_result(answer).dispute_id)

    def call(self, data: bytes, sender: bytes | None = None) -> None:
        self.lab.send(sender or self.lab.other, self.arbiter, data)

    def draw(self) -> None:
        """Open a session and fill the panel."""
        self.lab.later(11)
        self.call(abi.encode_advance_session())
        self.lab.chain.mine(10)
        randomness = abi.decode_randomness_result(self.lab.call(self.arbiter, abi.encode_randomness()))
        self.lab.send(self.lab.other, randomness, keccak(b"poke()")[:4])
        self.call(abi.encode_advance_session())
        parties = [checksum(party) for party in (self.terms.client, self.terms.provider, self.terms.verifier)]
        extra = encode(["bytes32", "address", "address", "address"], [self.lab.id_of(self.terms), *parties])
        self.call(abi.encode_draw(self.number, extra, 15))

    def panel(self, number: int) -> list[bytes]:
        """Return the jurors of a round, each once, in the order of the seats."""
        answer = self.lab.call(self.arbiter, abi.encode_panel_of(self.number, number))
        return list(dict.fromkeys(abi.decode_panel_of_result(answer)))

    def commit(self, number: int, juror: bytes, choice: int) -> None:
        vote = Vote(dispute_id=self.number, round=number, juror=juror, choice=choice, salt=SALT)
        digest = vote.digest(arbiter_domain(CHAIN_ID, self.arbiter))
        self.call(abi.encode_commit(self.number, digest), juror)

    def reveal(self, juror: bytes, choice: int) -> None:
        self.call(abi.encode_reveal(self.number, juror, choice, SALT))

    def fund_with_excess(self, side: int, amount: int) -> None:
        """Fund an appeal by the buyer's authorization over more than is missing."""
        nonce = keccak(encode(["uint256", "uint8", "uint8", "uint256"], [self.number, 0, side, 5]))
        message = ReceiveWithAuthorization(
            from_=self.lab.buyer, to=self.arbiter, value=amount, valid_after=0, valid_before=2**40, nonce=nonce
        )
        signature = sign(message.digest(token_domain("USD Coin", "2", CHAIN_ID, self.lab.usdc)), BUYER_KEY)
        self.call(
            abi.encode_fund_appeal_with_authorization(self.number, side, self.lab.buyer, amount, 0, 2**40, 5, signature)
        )

    def balance(self, account: bytes) -> int:
        return abi.decode_balance_of_result(self.lab.call(self.arbiter, abi.encode_balance_of(account)))


def first_round(trial: Trial) -> None:
    """Evidence, a draw, and votes of 1, 1 and 2; then both sides fund an appeal."""
    extra = bytes.fromhex("20".zfill(64) + "03".zfill(64) + "ff0041".ljust(64, "0"))
    head = abi.encode_submit_evidence(trial.number, "")[:36]
    trial.call(head + bytes(31) + b"\x40" + extra[32:], trial.lab.buyer)
    trial.lab.later(61)
    trial.call(abi.encode_advance(trial.number))
    trial.draw()
    votes = dict(zip(trial.panel(0), (1, 1, 2), strict=True))
    for juror, choice in votes.items():
        trial.commit(0, juror, choice)
    for juror, choice in votes.items():
        trial.reveal(juror, choice)
    trial.call(abi.encode_fund_appeal(trial.number, 2, 14 * USDC), trial.lab.agent)
    trial.fund_with_excess(1, 20 * USDC)


def second_round(trial: Trial) -> None:
    """Seven seats: one juror's vote leaks, one stays silent, the others vote 1; nobody appeals."""
    trial.draw()
    leaky, _silent, *rest = trial.panel(1)
    for juror in (leaky, *rest):
        trial.commit(1, juror, 1)
    trial.call(abi.encode_report_leak(trial.number, leaky, 1, SALT))
    trial.lab.later(61)
    for juror in rest:
        trial.reveal(juror, 1)
    trial.lab.later(61)
    trial.call(abi.encode_advance(trial.number))
    trial.lab.later(121)


def settled(trial: Trial) -> None:
    """Execute the ruling and pay everything out that anybody is due."""
    lab = trial.lab
    trial.call(abi.encode_execute_ruling(trial.number))
    lab.send(lab.other, lab.contracts.escrow, escrow_abi.encode_execute(trial.terms))
    leaky = trial.panel(1)[0]
    for number in (0, 1):
        for juror in trial.panel(number):
            if (number, juror) != (1, leaky):
                trial.call(abi.encode_claim(trial.number, number, juror))
        trial.call(abi.encode_sweep(trial.number, number))
    trial.call(abi.encode_withdraw(EXCESS), lab.buyer)
    for party in (lab.buyer, lab.agent):
        trial.call(abi.encode_claim_contribution(trial.number, 0, party))
    trial.call(abi.encode_withdraw(trial.balance(lab.buyer)), lab.buyer)
    trial.call(abi.encode_request_unstake(30 * USDC), trial.jurors[0])
    trial.call(abi.encode_request_unstake(30 * USDC), trial.jurors[1])
    lab.later(61)
    trial.call(abi.encode_complete_unstake(trial.jurors[0]))


def test_a_trial_with_an_appeal(
    lab: Lab, engine: Engine, new_runner: Callable[[], Runner], agree: Callable[[], dict[str, Any]]
) -> None:
    trial, runner = Trial.begin(lab), new_runner()
    settle(runner)
    first_round(trial)
    settle(runner)
    agree()
    # the excess is told, so the balance is exact while it is there
    with Session(engine) as session:
        assert views.ledger_balance(session, trial.arbiter, lab.buyer, Finality.SEEN) == EXCESS
    assert trial.balance(lab.buyer) == EXCESS
    settle(runner)
    second_round(trial)
    settle(runner)
    checked = agree()["checked"]
    assert checked["arbiter_ballot values against the contracts"] == 5 * (3 + len(trial.panel(1)))
    settle(runner)
    settled(trial)
    settle(runner)
    agree()
    escrow_id = lab.id_of(trial.terms)
    with Session(engine) as session:
        row = views.escrow(session, escrow_id, Finality.SEEN)
        assert row is not None
        assert (row.status, row.outcome, row.ruling) == (views.EscrowStatus.CLOSED, "lost", 1)
        found = views.arbiter_dispute_of(session, lab.contracts.escrow, escrow_id)
        assert found is not None
        assert (found.period, found.round_number, found.ruling, found.delivered) == ("solved", 1, 1, True)
        assert int.from_bytes(found.dispute_id, "big") == trial.number
        one, two = views.rounds(session, found.dispute_id)
        assert (one.drawn, one.first_votes, one.second_votes) == (3, 2, 1)
        assert (one.appeal_first_units, one.appeal_second_units) == (7 * USDC, 14 * USDC)
        assert (two.drawn, two.drawn > two.committed > two.leaked > 0) == (7, True)
        assert {ballot.state for ballot in two.ballots} == {"revealed", "leaked", "none"}
        assert [ballot for juror in trial.jurors for ballot in views.ballots_of(session, juror)] == []
        [evidence] = [e for e in views.arbiter_events(session, found.dispute_id) if e.kind == "evidence"]
        assert (evidence.account, evidence.fields["evidence"]) == (lab.buyer, "\ufffd\ufffdA")
        rest = views.juror(session, trial.jurors[1])
        assert (rest.requested_units, rest.locked_units) == (30 * USDC, 0)
        for account in (*trial.jurors, lab.buyer, lab.agent):
            assert views.ledger_balance(session, trial.arbiter, account, Finality.SEEN) == trial.balance(account)
    with engine.connect() as connection:
        left = connection.execute(text("SELECT sum(pot_units), sum(appeal_left_units) FROM chain.arbiter_round"))
        assert tuple(left.one()) == (0, 0)
    held = usdc_abi.decode_balance_of_result(lab.call(lab.usdc, usdc_abi.encode_balance_of(trial.arbiter)))
    with engine.connect() as connection:
        owed = connection.execute(
            text(
                "SELECT (SELECT sum(free_units + locked_units) FROM chain.juror) + "
                "(SELECT sum(balance_units) FROM chain.ledger WHERE contract = :here)"
            ),
            {"here": trial.arbiter},
        ).scalar_one()
    assert held == owed


def test_money_missing_at_the_arbiter_is_found(lab: Lab, tmp_path: Path) -> None:
    (tmp_path / "deployment.json").write_text(json.dumps(lab.deployment().to_json()))
    trial = Trial.begin(lab)
    lab.chain.rpc("anvil_impersonateAccount", hex0(trial.arbiter))
    lab.chain.rpc("anvil_setBalance", hex0(trial.arbiter), hex(10**18))
    lab.send(trial.arbiter, lab.usdc, usdc_abi.encode_transfer(lab.other, 1))
    lab.chain.mine(2)
    arguments = ["--rpc", lab.chain.url, "--deployment", str(tmp_path / "deployment.json"), "--json"]
    answer = CliRunner().invoke(audit, arguments)
    assert answer.exit_code == 1
    [difference] = json.loads(answer.stdout)["differences"]
    assert (difference["source"], difference["table"]) == ("conservation", "arbiter")
    owed, held = int(difference["derived_value"]), int(difference["contract_value"])
    assert (owed, owed - held) == (4 * STAKE + COST, 1)


def test_a_reorg_takes_a_vote_back(lab: Lab, engine: Engine, new_runner: Callable[[], Runner]) -> None:
    trial, runner = Trial.begin(lab), new_runner()
    lab.later(61)
    trial.call(abi.encode_advance(trial.number))
    trial.draw()
    lab.chain.mine(3)  # the draw is final
    settle(runner)
    kept = digest(engine)
    snapshot = lab.chain.rpc("evm_snapshot")
    dispute_id, voter = trial.number.to_bytes(32), trial.panel(0)[0]
    trial.commit(0, voter, 2)
    settle(runner)
    with Session(engine) as session:
        for grade, committed in ((Finality.SEEN, True), (Finality.FINAL, False)):
            [row] = views.rounds(session, dispute_id, grade)
            [ballot] = [each for each in views.ballots_of(session, voter, grade) if each.dispute_id == dispute_id]
            assert (row.committed > 0, ballot.state == "committed") == (committed, committed), grade
            assert (
                any(event.kind == "commit_cast" for event in views.arbiter_events(session, dispute_id, grade))
                == committed
            )
            found = views.arbiter_dispute_by_id(session, dispute_id, grade)
            assert found == views.arbiter_dispute_of(session, lab.contracts.escrow, lab.id_of(trial.terms), grade)
            assert found is not None
            assert views.arbiter_periods(session, dispute_id, grade)[-1][0] == found.period
            assert views.juror(session, voter, grade).locked_units > 0
    assert digest(engine)["arbiter_ballot"] != kept["arbiter_ballot"]
    lab.chain.rpc("evm_revert", snapshot)
    lab.later(9)
    settle(runner)
    assert digest(engine) == kept
