"""Disputes, bonds, pushes, batches, ratings and score epochs in the mirror, against what the contracts say."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from sqlalchemy import Engine, RowMapping, text
from sqlalchemy.orm import Session

from aicp.abi import escrow as abi
from aicp.abi import reputation as reputation_abi
from aicp.abi import typed_data
from aicp.abi import usdc as usdc_abi
from aicp.abi.enums import Outcome, Status
from aicp.abi.escrow import Terms
from aicp.abi.signing import sign
from aicp.rules.primitives import Finality, keccak
from indexer import views
from indexer.runner import Runner
from tests.fixtures.arbitrator import Arbitrator, arbitrator_code
from tests.fixtures.chainlab import BUYER_KEY, USDC, Lab, hex0
from tests.fixtures.services import CHAIN_ID
from tests.integration.indexer.conftest import digest, settle

__all__ = ["arbitrator_code"]

AGENT_KEY = bytes.fromhex("5de4111afa1a4b94908f83103eb1f1706367c2e68ca870fc3fb9a804cdab365a")  # account 2 of MNEMONIC
PRICE, FEE = 25 * USDC + 1, 2 * USDC + 1
FOREVER = 2**40 - 1


@dataclass(slots=True)
class Court:
    """A lab whose parties have money in Escrow and quarrel before one arbitrator."""

    lab: Lab
    arbitrator: Arbitrator
    disputes: int = 0
    ended: dict[str, bytes] = field(default_factory=dict)

    def submitted(self, amount: int = PRICE) -> Terms:
        terms = self.lab.terms(amount, self.arbitrator.address)
        self.lab.fund(terms)
        self.lab.accept(terms)
        self.lab.submit(terms)
        return terms

    def challenged(self) -> Terms:
        terms = self.submitted()
        self.buyer(abi.encode_dispute(terms, keccak(b"evidence")))
        return terms

    def disputed(self) -> tuple[Terms, int]:
        terms = self.challenged()
        self.agent(abi.encode_respond(terms))
        self.disputes += 1
        return terms, self.disputes - 1

    def buyer(self, data: bytes) -> None:
        self.lab.send(self.lab.buyer, self.lab.contracts.escrow, data)

    def agent(self, data: bytes) -> None:
        self.lab.send(self.lab.agent, self.lab.contracts.escrow, data)

    def split(self, terms: Terms, to_provider: int) -> None:
        escrow_id = self.lab.id_of(terms)
        to_client = terms.amount - to_provider
        message = typed_data.Split(
            escrow_id=escrow_id, to_provider=to_provider, to_client=to_client, valid_until=FOREVER
        )
        signed = message.digest(typed_data.escrow_domain(CHAIN_ID, self.lab.contracts.escrow))
        by_both = (sign(signed, BUYER_KEY), sign(signed, AGENT_KEY))
        self.buyer(abi.encode_split(terms, to_provider, to_client, FOREVER, *by_both))

    def end(self, name: str, terms: Terms) -> None:
        self.ended[name] = self.lab.id_of(terms)


@pytest.fixture
def court(lab: Lab, arbitrator_code: bytes) -> Court:
    court = Court(lab, Arbitrator.deploy(lab, arbitrator_code, FEE))
    lab.stake(2_000 * USDC)
    lab.fund(back := lab.terms(400 * USDC))
    court.buyer(abi.encode_cancel(back))
    for _ in range(2):
        lab.fund(paid := lab.terms(100 * USDC))
        lab.accept(paid)
        lab.release(paid, paid.amount)
    return court


def word_of(row: RowMapping) -> int:
    """Return the state word a row of the mirror stands for."""
    status = Status[row["status"].upper()]
    clock = row["decide_by"] or row["respond_by"] or row["challenge_ends_at"] or 0
    byte = 0
    if status is Status.RULED:
        byte = row["ruling"]
    elif status is Status.CLOSED:
        byte = Outcome[row["outcome"].upper()]
    flags = row["rated_by_client"] + 2 * row["rated_by_provider"] + 4 * row["stake_locked"]
    flags += 8 * (row["accepted_at"] is not None)
    parts = ((clock, 192), (status, 232), (byte, 240), (flags, 248))
    return int(row["released_units"]) | int(row["refunded_units"]) << 96 | sum(value << at for value, at in parts)


def compare_words(court: Court, engine: Engine) -> dict[bytes, RowMapping]:
    """Compare every escrow of the mirror with the word of the contract; return the rows."""
    with engine.connect() as connection:
        rows = {bytes(r["escrow_id"]): r for r in connection.execute(text("TABLE chain.escrow")).mappings()}
    assert rows
    names = {escrow_id: name for name, escrow_id in court.ended.items()}
    for escrow_id, row in rows.items():
        answer = court.lab.call(court.lab.contracts.escrow, abi.encode_state_of(escrow_id))
        word = int.from_bytes(abi.decode_state_of_result(answer).word, "big")
        assert hex(word_of(row)) == hex(word), names.get(escrow_id)
    return rows


def rulings(court: Court) -> dict[str, str]:
    """Take disputes to every end an arbiter gives them; return the outcome each must have."""
    for ruling in (0, 1, 2):
        terms, number = court.disputed()
        court.arbitrator.rule(number, ruling)
        court.buyer(abi.encode_execute(terms))
        court.end(f"ruled {ruling}", terms)
    terms, number = court.disputed()
    court.arbitrator.rule(number, 2)
    court.end("waits for execution", terms)
    terms, number = court.disputed()
    court.agent(abi.encode_refund(terms, 3 * USDC))
    court.arbitrator.decide(number, 2)
    court.buyer(abi.encode_execute(terms))
    court.end("fetched", terms)
    return {"ruled 0": "tie", "ruled 1": "lost", "ruled 2": "won", "waits for execution": "", "fetched": "won"}


def other_ends(court: Court) -> dict[str, str]:
    """Take disputes to every end without a ruling."""
    terms = court.challenged()
    court.lab.later(61)
    court.agent(abi.encode_claim_default(terms))
    court.end("default", terms)
    terms = court.challenged()
    court.agent(abi.encode_refund(terms, terms.amount))
    court.end("given back while challenged", terms)
    terms, _ = court.disputed()
    court.agent(abi.encode_refund(terms, terms.amount))
    court.end("given back while disputed", terms)
    terms, _ = court.disputed()
    court.split(terms, 7 * USDC)
    court.end("split", terms)
    terms, number = court.disputed()
    court.lab.later(3_601)
    court.arbitrator.decide(number, 0)
    court.agent(abi.encode_resolve_stalled(terms))
    court.end("late but ruled", terms)
    terms, _ = court.disputed()
    court.agent(abi.encode_refund(terms, USDC))
    court.lab.later(3_601)
    court.agent(abi.encode_resolve_stalled(terms))
    court.end("stalled", terms)
    return {
        "default": "lost", "given back while challenged": "returned", "given back while disputed": "lost",
        "split": "settled", "late but ruled": "tie", "stalled": "stalled",
    }  # fmt: skip


def last_units(court: Court) -> dict[str, str]:
    """End two disputes over one base unit after the arbiter's time, where Escrow's own events are the same."""
    court.arbitrator.set_fee(0)
    calls = {"last unit stalled": abi.encode_resolve_stalled, "last unit given back": None}
    for name, resolve in calls.items():
        terms, _ = court.disputed()
        court.agent(abi.encode_refund(terms, terms.amount - 1))
        court.lab.later(3_601)
        court.agent(resolve(terms) if resolve is not None else abi.encode_refund(terms, terms.amount))
        court.end(name, terms)
    return {"last unit stalled": "stalled", "last unit given back": "lost"}


def test_every_end_of_a_dispute_has_the_contracts_word(
    court: Court, engine: Engine, new_runner: Callable[[], Runner], agree: Callable[[], dict[str, Any]]
) -> None:
    court.end("challenged", court.challenged())
    court.end("disputed", court.disputed()[0])
    runner = new_runner()
    settle(runner)
    compare_words(court, engine)
    outcomes = rulings(court) | other_ends(court) | last_units(court)
    settle(runner)
    rows = compare_words(court, engine)
    assert {name: rows[court.ended[name]]["outcome"] or "" for name in outcomes} == outcomes
    assert rows[court.ended["waits for execution"]]["status"] == "ruled"
    assert rows[court.ended["challenged"]]["status"] == "challenged"
    assert rows[court.ended["disputed"]]["status"] == "disputed"
    report = agree()
    checked = report["checked"]
    assert checked["dispute values against the contracts"] == 2 * 15
    assert checked["dispute_number values against the contracts"] == court.disputes


def test_a_dispute_step_by_step(court: Court, engine: Engine, new_runner: Callable[[], Runner]) -> None:
    lab, runner = court.lab, new_runner()
    terms = court.challenged()
    raised_at, escrow_id = lab.now(), lab.id_of(terms)
    lab.chain.mine(3)
    settle(runner)
    court.agent(abi.encode_respond(terms))
    answered_at = lab.now()
    settle(runner)
    with Session(engine) as session:
        final = views.dispute(session, escrow_id, Finality.FINAL)
        assert final is not None
        assert (final.raised_by, final.evidence_hash, final.raised_at) == (lab.buyer, keccak(b"evidence"), raised_at)
        assert (final.respond_by, final.dispute_id, final.decide_by) == (raised_at + 60, None, None)
        assert (final.bond_units, final.bond_left_units, final.fee_units) == (FEE, FEE, 0)
        seen = views.dispute(session, escrow_id, Finality.SEEN)
        assert seen is not None
        assert (seen.dispute_id, seen.decide_by, seen.fee_units) == (0, answered_at + 3_600, FEE)
        before = views.ledger_balance(session, lab.contracts.escrow, lab.agent, Finality.SEEN)
    court.arbitrator.rule(0, 2)
    settle(runner)
    with Session(engine) as session:
        row = views.escrow(session, escrow_id, Finality.SEEN)
        assert row is not None
        assert (row.status, row.ruling, row.outcome) == (views.EscrowStatus.RULED, 2, None)
    court.buyer(abi.encode_execute(terms))
    settle(runner)
    with Session(engine) as session:
        row = views.escrow(session, escrow_id, Finality.SEEN)
        assert row is not None
        assert (row.status, row.outcome, row.stake_locked) == (views.EscrowStatus.CLOSED, "won", False)
        after = views.ledger_balance(session, lab.contracts.escrow, lab.agent, Finality.SEEN)
        assert after - before == PRICE - row.fee_units + FEE
        kinds = [event.kind for event in views.escrow_events(session, escrow_id)][3:]
        assert kinds == ["dispute_raised", "dispute_joined", "ruled", "released", "closed"]
        assert views.dispute(session, lab.id_of(lab.terms()), Finality.SEEN) is None


def test_a_reorg_takes_a_dispute_back(court: Court, engine: Engine, new_runner: Callable[[], Runner]) -> None:
    runner, terms = new_runner(), court.challenged()
    settle(runner)
    kept = digest(engine)
    snapshot = court.lab.chain.rpc("evm_snapshot")
    court.agent(abi.encode_respond(terms))
    court.arbitrator.rule(0, 1)
    settle(runner)
    assert digest(engine)["dispute_number"]
    court.lab.chain.rpc("evm_revert", snapshot)
    court.lab.later(9)
    settle(runner)
    assert digest(engine) == kept


def test_pushes_batches_and_waiting_fees(
    court: Court, engine: Engine, new_runner: Callable[[], Runner], agree: Callable[[], dict[str, Any]]
) -> None:
    lab, escrow = court.lab, court.lab.contracts.escrow
    balances = {account: balance(lab, account) for account in (lab.agent, lab.buyer, lab.fees, lab.operator)}
    court.buyer(abi.encode_release_and_pay(court.submitted(), PRICE))
    court.agent(abi.encode_refund_and_pay(court.submitted(), PRICE))
    assert {account: balance(lab, account) for account in (lab.agent, lab.buyer)} == {
        account: balances[account] for account in (lab.agent, lab.buyer)
    }
    lab.send(lab.owner, lab.usdc, usdc_abi.encode_blacklist(lab.agent))
    terms = court.submitted()
    court.buyer(abi.encode_release_and_pay(terms, PRICE))
    court.end("push refused", terms)
    assert balance(lab, lab.agent) > balances[lab.agent]
    lab.send(lab.owner, lab.usdc, usdc_abi.encode_un_blacklist(lab.agent))
    batch = [court.submitted() for _ in range(3)]
    lab.release(batch[1], PRICE)
    court.buyer(abi.encode_release_batch(batch))
    lab.send(lab.owner, escrow, abi.encode_set_fee_recipient(lab.operator))
    assert balance(lab, lab.fees) > balances[lab.fees]
    court.buyer(abi.encode_release_batch([court.submitted()]))
    lab.send(lab.operator, escrow, abi.encode_withdraw(1_000))
    settle(new_runner())
    compare_words(court, engine)
    with Session(engine) as session:
        for account in balances:
            assert views.ledger_balance(session, escrow, account, Finality.SEEN) == balance(lab, account)
    agree()


def balance(lab: Lab, account: bytes) -> int:
    return abi.decode_balance_of_result(lab.call(lab.contracts.escrow, abi.encode_balance_of(account)))


def test_a_report_repeated_later_and_ratings(
    court: Court, engine: Engine, new_runner: Callable[[], Runner], agree: Callable[[], dict[str, Any]]
) -> None:
    lab, runner = court.lab, new_runner()
    terms = court.submitted()
    reputation = hex0(lab.contracts.reputation)
    code = lab.chain.rpc("eth_getCode", reputation, "latest")
    lab.chain.rpc("anvil_setCode", reputation, "0x5f5ffd")
    lab.release(terms, PRICE)
    lab.chain.rpc("anvil_setCode", reputation, code)
    settle(runner)
    assert compare_words(court, engine)[lab.id_of(terms)]["stake_locked"]
    agree()
    court.buyer(abi.encode_settle_stake(terms))
    court.buyer(abi.encode_rate(terms, 90, keccak(b"good")))
    court.agent(abi.encode_rate(terms, 0, bytes(32)))
    settle(runner)
    compare_words(court, engine)
    agree()
    with Session(engine) as session:
        given = views.ratings(session, lab.id_of(terms))
        assert [(r.rater, r.ratee, r.score, r.settled_units) for r in given] == [
            (lab.buyer, lab.agent, 90, PRICE), (lab.agent, lab.buyer, 0, PRICE),
        ]  # fmt: skip
        assert given[0].comment_hash == keccak(b"good")
        assert [r.score for r in views.ratings_of(session, lab.agent, None, 10)] == [90]
        assert views.ratings_of(session, lab.agent, given[0].cursor, 10) == []
        row = views.escrow(session, lab.id_of(terms), Finality.SEEN)
        assert row is not None
        assert not row.stake_locked


def test_score_epochs(
    lab: Lab, engine: Engine, new_runner: Callable[[], Runner], agree: Callable[[], dict[str, Any]]
) -> None:
    here = lab.contracts.reputation
    lab.send(lab.owner, here, reputation_abi.encode_set_anchorer(lab.operator))
    lab.send(lab.operator, here, reputation_abi.encode_anchor_epoch(keccak(b"1"), 5, keccak(b"m"), "ipfs://one"))
    lab.send(lab.owner, here, reputation_abi.encode_veto_epoch(1))
    lab.send(lab.operator, here, reputation_abi.encode_anchor_epoch(keccak(b"2"), 6, keccak(b"m"), "ipfs://two"))
    anchored_at = lab.now()
    settle(new_runner())
    with Session(engine) as session:
        newest, vetoed = views.score_epochs(session, 10)
    assert (vetoed.epoch, vetoed.vetoed, vetoed.root, vetoed.leaf_count) == (1, True, keccak(b"1"), 5)
    assert (newest.epoch, newest.vetoed, newest.uri) == (2, False, "ipfs://two")
    assert (newest.anchored_at, newest.active_at > anchored_at) == (anchored_at, True)
    assert agree()["checked"]["score_epoch values against the contracts"] == 4
