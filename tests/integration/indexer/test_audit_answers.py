"""Contracts that lie: each word a contract answers is falsified once, and the audit must name the column it stands for.

The chain is built once, its answers are kept, and each audit runs against the kept answers with one of them changed.
`CASES` must be all columns the audit compares with a contract, so neither side can lose one unnoticed.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from aicp.abi import arbiter as arbiter_abi
from aicp.abi import escrow as escrow_abi
from aicp.abi import payment_channel as channel_abi
from aicp.abi import reputation as reputation_abi
from aicp.abi import usdc as usdc_abi
from aicp.abi.typed_data import ChannelConfig
from aicp.rules.primitives import ZERO_ADDRESS, keccak
from indexer.audit import onchain
from indexer.audit.book import Book, Identity
from indexer.audit.derive import History
from indexer.audit.patience import Patient
from indexer.audit.progress import Silent
from indexer.audit.question import Ground
from indexer.audit.report import Lines, Report, Source
from indexer.audit.run import Audit, Subject
from indexer.chain.node import Node
from indexer.chain.rpc import Provider, Providers
from indexer.core.arbiter_rows import ArbiterBallot, ArbiterRound, Juror
from indexer.core.reducer import Reducer
from indexer.core.rows import AgentRecord, Channel, Escrow, Pool, Stake, StakeLock, StateRow
from tests.fixtures.chainlab import USDC, Lab, address_of, hex0
from tests.fixtures.services import CHAIN_ID, start_anvil
from tests.integration.indexer.test_arbiter import Trial, first_round, second_round

DOCS = Path(__file__).resolve().parents[3] / "docs/operations/audit.md"
NOBODY, NOTHING = ZERO_ADDRESS, bytes(32)
Falsify = Callable[[bytes, bytes, bytes], bytes]


@dataclass(slots=True)
class Tape(httpx.BaseTransport):
    """Passes calls on to a node once and answers them from memory ever after."""

    url: str
    kept: dict[str, Any] = field(default_factory=dict)
    falsify: Falsify = lambda _to, _data, answer: answer

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Answer a batch."""
        calls = json.loads(request.read())
        fresh = [call for call in calls if self._name(call) not in self.kept]
        if fresh:
            answers = {answer["id"]: answer for answer in httpx.post(self.url, json=fresh, timeout=20).json()}
            self.kept.update({self._name(call): answers[call["id"]]["result"] for call in fresh})
        return httpx.Response(200, content=json.dumps([self._answer(call) for call in calls]).encode())

    def _answer(self, call: dict[str, Any]) -> dict[str, Any]:
        result = self.kept[self._name(call)]
        if call["method"] == "eth_call":
            to, data = (address_of(call["params"][0][name]) for name in ("to", "data"))
            result = hex0(self.falsify(to, data, address_of(result)))
        return {"jsonrpc": "2.0", "id": call["id"], "result": result}

    @staticmethod
    def _name(call: dict[str, Any]) -> str:
        return json.dumps([call["method"], call["params"]])


@dataclass(slots=True)
class Scene:
    """A chain with every kind of row on it, and its answers."""

    lab: Lab
    tape: Tape

    @property
    def addresses(self) -> dict[str, bytes]:
        """The contracts by name, the token with them."""
        return {**self.lab.contracts.named, "usdc": self.lab.usdc}

    def patient(self) -> Patient:
        provider = Provider("http://kept", transport=self.tape)
        return Patient(Node(Providers([provider]), self.lab.contracts.addresses, finality_depth=2), ())

    def book(self, directory: Path) -> Book:
        identity = Identity(chain_id=CHAIN_ID, genesis_hash=NOTHING, deployment_digest=NOTHING)
        return Book(directory / "book.sqlite", identity, "")

    def audit(self, directory: Path, falsify: Falsify | None = None, lines: Path | None = None) -> Report:
        """Run the audit, with answers changed on the way."""
        self.tape.falsify = falsify or (lambda _to, _data, answer: answer)
        report = Report(chain_id=CHAIN_ID, lines=None if lines is None else Lines(lines, None))
        book = self.book(directory)
        subject = Subject(token=self.lab.usdc, first=1)
        Audit(self.patient(), Reducer(self.lab.contracts), subject, book, report, Silent()).run()
        book.close(finished=True)
        if report.lines is not None:
            report.lines.close()
        return report


@pytest.fixture(scope="module")
def scene() -> Iterator[Scene]:
    chain = start_anvil()
    lab = Lab(chain, court=True)
    escrow, reputation = lab.contracts.escrow, lab.contracts.reputation
    lab.stake()
    lab.fund(missed := lab.terms())
    lab.accept(missed)
    lab.later(7_201)
    lab.send(lab.other, escrow, escrow_abi.encode_reclaim(missed))
    lab.deposit_pool(5 * USDC)
    lab.claim(total=400_000)
    asked = channel_abi.encode_initiate_pool_withdraw(ZERO_ADDRESS, lab.operator, 2 * USDC)
    lab.send(lab.buyer, lab.contracts.payment_channel, asked)
    lab.send(lab.owner, reputation, reputation_abi.encode_set_anchorer(lab.operator))
    lab.send(lab.operator, reputation, reputation_abi.encode_anchor_epoch(keccak(b"1"), 5, keccak(b"m"), "ipfs://one"))
    trial = Trial.begin(lab)
    first_round(trial)
    second_round(trial)
    trial.call(arbiter_abi.encode_execute_ruling(trial.number))
    lab.send(lab.agent, reputation, reputation_abi.encode_request_unstake(10 * USDC))
    chain.mine(3)
    yield Scene(lab, Tape(chain.url))
    chain.close()


@dataclass(frozen=True, slots=True)
class Case:
    """One word of one view, and the columns whose comparison it must break. `becomes` replaces the word."""

    contract: str
    calldata: bytes
    word: int
    columns: frozenset[str]
    becomes: Callable[[int], int] = lambda value: value ^ 1

    def falsify(self, addresses: dict[str, bytes]) -> Falsify:
        """Return what changes this word of every answer of the view."""

        def change(to: bytes, data: bytes, answer: bytes) -> bytes:
            if (to, data[:4]) != (addresses[self.contract], self.calldata[:4]):
                return answer
            at = 32 * self.word
            value = self.becomes(int.from_bytes(answer[at : at + 32], "big"))
            return answer[:at] + value.to_bytes(32, "big") + answer[at + 32 :]

        return change


def cases(contract: str, calldata: bytes, *columns: str | None, **other: Any) -> list[Case]:
    """Return a case for each word of a view; None for one that stands for no column of ours."""
    return [
        Case(contract, calldata, word, frozenset(column.split()), **other)
        for word, column in enumerate(columns)
        if column is not None
    ]


def first_byte(value: int) -> int:
    """Change bytes that end in zeros."""
    return value ^ 1 << 248


CONFIG = ChannelConfig(
    payer=NOBODY, payer_authorizer=NOBODY, receiver=NOBODY, receiver_authorizer=NOBODY, token=NOBODY,
    withdraw_delay=0, salt=NOTHING,
)  # fmt: skip
TERMS = escrow_abi.Terms(
    client=NOBODY, provider=NOBODY, verifier=NOBODY, arbiter=NOBODY, amount=0, fee_bps=0, quorum=0, accept_by=0,
    deliver_by=0, challenge_period=0, dispute_timeout=0, job_hash=NOTHING, salt=0,
)  # fmt: skip
CASES = [
    *cases(
        "escrow", escrow_abi.encode_state_of(NOTHING),
        "escrow.released_units", "escrow.refunded_units", "escrow.clock", "escrow.status", "escrow.ruling",
        "escrow.flags", None,
    ),
    *cases("escrow", escrow_abi.encode_escrow_id(TERMS), "escrow.escrow_id"),
    *cases("reputation", reputation_abi.encode_required_stake(0), "escrow.stake_units"),
    *cases("escrow", escrow_abi.encode_disputes(NOTHING), "dispute.bond_left_units", "dispute.dispute_id"),
    *cases("escrow", escrow_abi.encode_escrow_of_dispute(NOBODY, 0), "dispute_number.escrow_id"),
    *cases("escrow", escrow_abi.encode_fee_recipient(), "escrow_config.fee_recipient"),
    *cases("escrow", escrow_abi.encode_fee_bps(), "escrow_config.fee_bps"),
    *cases("escrow", escrow_abi.encode_balance_of(NOBODY), "ledger.balance_units"),
    *cases("reputation", reputation_abi.encode_balance_of(NOBODY), "ledger.balance_units"),
    *cases("arbiter", arbiter_abi.encode_balance_of(NOBODY), "ledger.balance_units"),
    *cases("payment_channel", channel_abi.encode_channels(NOTHING),
           "channel.balance_units", "channel.total_claimed_units"),
    *cases("payment_channel", channel_abi.encode_pending_withdrawals(NOTHING),
           "channel.withdraw_units", "channel.withdraw_finalize_at"),
    *cases("payment_channel", channel_abi.encode_get_channel_id(CONFIG), "channel.channel_id"),
    *cases("payment_channel", channel_abi.encode_get_pool_id(NOBODY, NOBODY, NOBODY), "channel.pool_id pool.pool_id"),
    *cases("payment_channel", channel_abi.encode_pools(NOTHING),
           "pool.balance_units", "pool.withdraw_units", "pool.finalize_at", "pool.nonce"),
    *cases("payment_channel", channel_abi.encode_receivers(NOBODY, NOBODY),
           "receiver.claimed_units", "receiver.settled_units"),
    *cases("reputation", reputation_abi.encode_stake_of(NOBODY),
           "stake.staked_units", "stake.locked_units", "stake.unbond_at", None),
    *cases("reputation", reputation_abi.encode_unstake_request(NOBODY), "stake.unbonding_units"),
    *cases(
        "reputation", reputation_abi.encode_record_of(NOBODY),
        "agent_record.completed", "agent_record.failed", "agent_record.disputed", "agent_record.lost",
        "agent_record.settled_units", "agent_record.last_outcome_at",
    ),
    *cases("reputation", reputation_abi.encode_root_of(0), "score_epoch.root"),
    *cases("reputation", reputation_abi.encode_is_active(0), "score_epoch.active"),
    *cases("reputation", reputation_abi.encode_bonus_pool(), "bonus_pool.balance_units"),
    *cases("reputation", reputation_abi.encode_latest_epoch(), "reputation.latest_epoch"),
    *cases("reputation", reputation_abi.encode_latest_active_at(), "reputation.latest_active_at"),
    *cases(
        "arbiter", arbiter_abi.encode_dispute_of(0),
        "arbiter_dispute.arbitrable", None, "arbiter_dispute.period", "arbiter_dispute.round_number", None,
        "arbiter_dispute.ruling", "arbiter_dispute.executed",
    ),
    *cases("arbiter", arbiter_abi.encode_dispute_id_of(NOBODY, b""), "arbiter_dispute.dispute_id"),
    *cases(
        "arbiter", arbiter_abi.encode_round_of(0, 0),
        None, "arbiter_round.seats", "arbiter_round.drawn", "arbiter_round.committed", "arbiter_round.refused_votes",
        "arbiter_round.first_votes", "arbiter_round.second_votes", "arbiter_round.leaked", "arbiter_round.swept",
    ),
    *cases("arbiter", arbiter_abi.encode_appeal_of(0, 0),
           "arbiter_round.appeal_first_units", "arbiter_round.appeal_second_units"),
    *cases("arbiter", arbiter_abi.encode_ballot_of(0, 0, NOBODY), "arbiter_ballot.commitment", becomes=first_byte),
    *cases(
        "arbiter", arbiter_abi.encode_ballot_of(0, 0, NOBODY),
        None, "arbiter_ballot.seats", "arbiter_ballot.choice", "arbiter_ballot.state", "arbiter_ballot.settled",
    ),
    *cases("arbiter", arbiter_abi.encode_contribution_of(0, 0, NOBODY),
           "contribution.first_units", "contribution.second_units"),
    *cases(
        "arbiter", arbiter_abi.encode_juror_of(NOBODY),
        "juror.free_units", "juror.locked_units", None, "juror.weight_units", "juror.requested_units",
        "juror.unbond_at",
    ),
    *cases(
        "arbiter", arbiter_abi.encode_session(),
        "arbiter_session.number", "arbiter_session.phase", "arbiter_session.since", None, None,
        "arbiter.jurors", "arbiter.seats_at_risk",
    ),
    *cases("arbiter", arbiter_abi.encode_total_weight(), "arbiter.total_weight"),
]  # fmt: skip


def named(case: Case) -> str:
    return f"{case.contract}-{'-'.join(sorted(case.columns)).replace(' ', '_')}"


@pytest.mark.timeout(300)
def test_an_honest_chain_agrees_and_every_comparison_has_a_case(scene: Scene, tmp_path: Path) -> None:
    report = scene.audit(tmp_path, lines=tmp_path / "all.csv")
    assert [str(difference) for difference in report.lowest] == []
    with (tmp_path / "all.csv").open(encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    assert len(lines) == sum(report.checked.values())
    summed = {"usdc_units", "agent_amount_locked", "drawn_units", "slashed_units", "fee_units"}
    compared = {f"{line['kind']}.{line['field']}" for line in lines if line["field"] not in summed}
    assert compared == {column for case in CASES for column in case.columns}


def test_the_docs_list_what_is_compared() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (.+) \| .*`.*\|$", DOCS.read_text(encoding="utf-8"), re.MULTILINE)
    listed = {f"{table}.{column}" for table, columns in rows for column in re.findall(r"`(\w+)`", columns)}
    assert listed == {column for case in CASES for column in case.columns}


@pytest.mark.timeout(300)
@pytest.mark.parametrize("case", CASES, ids=named)
def test_a_falsified_answer_is_named(scene: Scene, tmp_path: Path, case: Case) -> None:
    report = scene.audit(tmp_path, case.falsify(scene.addresses))
    found = {f"{one.table}.{one.column}" for one in report.lowest if one.source is Source.CHAIN}
    assert found == case.columns
    assert all(one.block_number is not None for one in report.lowest if one.table != "bonus_pool")


@pytest.mark.parametrize("name", ["escrow", "payment_channel", "reputation", "arbiter"])
def test_each_contract_must_hold_what_it_owes(scene: Scene, tmp_path: Path, name: str) -> None:
    asked = usdc_abi.encode_balance_of(scene.addresses[name])
    owed: dict[str, int] = {}

    def take(to: bytes, data: bytes, answer: bytes) -> bytes:
        if (to, data) != (scene.lab.usdc, asked):
            return answer
        owed["held"] = int.from_bytes(answer, "big")
        return (owed["held"] - 1).to_bytes(32, "big")

    report = scene.audit(tmp_path, take)
    [difference] = report.lowest
    assert (difference.source, difference.table) == (Source.CONSERVATION, name)
    assert int(difference.derived) - int(difference.found) == 1

    def give(to: bytes, data: bytes, answer: bytes) -> bytes:
        return (owed["held"] + 5).to_bytes(32, "big") if (to, data) == (scene.lab.usdc, asked) else answer

    more = scene.audit(tmp_path, give)
    assert (more.ok, more.surplus[name]) == (True, 5)


def test_a_view_that_refuses_or_talks_nonsense_is_a_difference_of_its_row(scene: Scene, tmp_path: Path) -> None:
    selector = reputation_abi.encode_record_of(NOBODY)[:4]
    report = scene.audit(tmp_path, lambda _to, data, raw: b"\x01" if data[:4] == selector else raw)
    assert {(one.table, one.column) for one in report.lowest} == {("agent_record", "(answer)")}


SUMS: list[tuple[type[StateRow], str, str, str]] = [
    (Channel, "drawn_units", "pool", "drawn_units"),
    (StakeLock, "slashed_units", "stake", "slashed_units"),
    (StakeLock, "amount_units", "stake_lock", "agent_amount_locked"),
    (Escrow, "fee_units", "escrow", "fee_units"),
    (AgentRecord, "failed", "agent_record", "failed"),
    (AgentRecord, "completed", "agent_record", "completed"),
    (AgentRecord, "lost", "agent_record", "lost"),
    (AgentRecord, "disputed", "agent_record", "disputed"),
    (Stake, "locked_units", "stake", "locked_units"),
    (Pool, "drawn_units", "pool", "drawn_units"),
    (ArbiterRound, "drawn", "arbiter_round", "drawn"),
    (ArbiterBallot, "seats", "arbiter", "seats_at_risk"),
    (Juror, "weight_units", "arbiter", "total_weight"),
]


@pytest.mark.parametrize(("kind", "column", "table", "named_column"), SUMS)
def test_reducers_that_lie_to_each_other_are_found(  # noqa: PLR0917
    scene: Scene, tmp_path: Path, kind: type[StateRow], column: str, table: str, named_column: str
) -> None:
    scene.tape.falsify = lambda _to, _data, answer: answer
    chain, book, report = scene.patient(), scene.book(tmp_path), Report()
    final = chain.tip().final.block
    for _ in History(chain, Reducer(scene.lab.contracts), book, 1).advance(final):
        pass
    row = [row for row in book.rows(kind) if not getattr(row, "settled", False)][-1]
    setattr(row, column, getattr(row, column) + 1)
    book.put([row])
    ground = Ground(scene.lab.contracts, scene.lab.usdc, final.time)
    onchain.compare(chain, book, ground, final, report, Silent())
    book.close(finished=True)
    other = {
        (one.table, one.column) for one in report.lowest if one.source is Source.CONSERVATION or table == "arbiter"
    }
    assert (table, named_column) in other
