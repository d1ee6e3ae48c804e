"""How an escrow ends, told from its events alone; what contradicts them stops; strangers' words never do."""

from __future__ import annotations

from typing import Any

import pytest

from aicp.abi import arbiter as arbiter_abi
from aicp.abi import escrow as abi
from aicp.abi import reputation as reputation_abi
from aicp.abi.enums import DisputePeriod
from aicp.abi.enums import Outcome as OutcomeCode
from aicp.abi.escrow import Terms
from indexer.core.arbiter_rows import ArbiterEvent
from indexer.core.context import ArbiterTerms
from indexer.core.dispute_rows import Dispute
from indexer.core.logs import RawLog
from indexer.core.reducer import Decoded, Reducer, UndecodableError
from indexer.core.rows import Escrow, Ledger, ScoreEpoch
from indexer.core.workspace import Workspace
from indexer.settings import contracts_of

ESCROW, REPUTATION, ARBITER = b"\x01" * 20, b"\x03" * 20, b"\x04" * 20
CLIENT, PROVIDER, SINK = b"\x0c" * 20, b"\x0d" * 20, b"\x0e" * 20
CONTRACTS = contracts_of(31337, ESCROW, b"\x02" * 20, REPUTATION, ArbiterTerms(ARBITER, 1, 10, SINK))
ID, AMOUNT, BOND, DELIVER_BY, DECIDE_BY = b"\x11" * 32, 101, 7, 100, 1_000
TERMS = Terms(
    client=CLIENT, provider=PROVIDER, verifier=bytes(20), arbiter=ARBITER, amount=AMOUNT, fee_bps=0, quorum=0,
    accept_by=50, deliver_by=DELIVER_BY, challenge_period=60, dispute_timeout=500, job_hash=bytes(32), salt=1,
)  # fmt: skip

FUNDED = abi.EscrowFunded(id=ID, client=CLIENT, provider=PROVIDER, terms=TERMS)
ACCEPTED = [
    FUNDED,
    abi.EscrowAccepted(id=ID, stake=10),
    reputation_abi.Staked(agent=PROVIDER, amount=10, staked=10),
    reputation_abi.StakeLocked(agent=PROVIDER, escrow_id=ID, amount=10),
]
SUBMITTED = [*ACCEPTED, abi.WorkSubmitted(id=ID, deliverable_hash=bytes(32), challenge_ends_at=200)]
CHALLENGED = [
    *SUBMITTED,
    abi.DisputeRaised(id=ID, by=CLIENT, evidence_hash=bytes(32), respond_by=300),
    abi.BondPosted(id=ID, party=CLIENT, amount=BOND),
]
DISPUTED = [
    *CHALLENGED,
    abi.BondPosted(id=ID, party=PROVIDER, amount=3),
    abi.DisputeJoined(id=ID, dispute_id=9, decide_by=DECIDE_BY),
]
CLOSED = abi.EscrowClosed(id=ID)


def ruled(ruling: int) -> abi.Ruling:
    return abi.Ruling(arbitrator=ARBITER, dispute_id=9, ruling=ruling)


def released(amount: int) -> abi.EscrowReleased:
    return abi.EscrowReleased(id=ID, amount=amount, fee=0)


def refunded(amount: int) -> abi.EscrowRefunded:
    return abi.EscrowRefunded(id=ID, amount=amount)


def bond_to(account: bytes, amount: int = BOND) -> abi.BondReturned:
    return abi.BondReturned(id=ID, account=account, amount=amount)


def recorded(outcome: OutcomeCode) -> reputation_abi.OutcomeRecorded:
    return reputation_abi.OutcomeRecorded(agent=PROVIDER, escrow_id=ID, outcome=outcome, settled_value=0)


def run(events: list[Any], *, time: int = 0) -> Workspace:
    """Apply events as one batch at one time, each from the contract whose class it is."""
    homes = {abi.__name__: ESCROW, reputation_abi.__name__: REPUTATION, arbiter_abi.__name__: ARBITER}
    decoded = [
        Decoded(
            RawLog(
                block_number=1, block_hash=bytes(32), tx_hash=bytes(32), log_index=index,
                address=homes[type(event).__module__], topics=(), data=b"", block_time=time,
            ),
            event,
        )
        for index, event in enumerate(events)
    ]  # fmt: skip
    reducer, workspace = Reducer(CONTRACTS), Workspace()
    while missing := workspace.missing(reducer.keys(decoded, workspace)):
        for key in missing:
            workspace.load(key, None)
    reducer.apply(decoded, workspace)
    return workspace


HALVES = [bond_to(PROVIDER, BOND // 2), bond_to(CLIENT, BOND - BOND // 2)]
SPLIT = abi.EscrowSplit(id=ID, to_provider=1, to_client=AMOUNT - 1)
DEFAULTED = abi.DisputeDefaulted(id=ID, winner=CLIENT)
ENDS: dict[str, tuple[list[Any], int, str]] = {
    "cancelled": ([FUNDED, refunded(AMOUNT)], 0, "cancelled"),
    "given back at work": ([*ACCEPTED, refunded(AMOUNT)], DELIVER_BY - 1, "returned"),
    "missed": ([*ACCEPTED, refunded(AMOUNT)], DELIVER_BY, "missed"),
    "part missed": ([*ACCEPTED, released(1), refunded(AMOUNT - 1)], DELIVER_BY, "missed"),
    "completed": ([*SUBMITTED, refunded(1), released(AMOUNT - 1)], 0, "completed"),
    "split": ([*DISPUTED, SPLIT, released(1), refunded(AMOUNT - 1), *HALVES], 0, "settled"),
    "split after a part": ([*DISPUTED, refunded(1), SPLIT, released(1), refunded(AMOUNT - 2), *HALVES], 0, "settled"),
    "default": ([*CHALLENGED, DEFAULTED, refunded(AMOUNT), bond_to(CLIENT)], 400, "lost"),
    "given back while challenged": ([*CHALLENGED, refunded(AMOUNT), bond_to(CLIENT)], 0, "returned"),
    "given back while disputed": ([*DISPUTED, refunded(AMOUNT), bond_to(CLIENT)], 0, "lost"),
    "ruled for the client": ([*DISPUTED, ruled(1), refunded(AMOUNT), bond_to(CLIENT)], 0, "lost"),
    "ruled for the provider": ([*DISPUTED, ruled(2), released(AMOUNT), bond_to(PROVIDER)], 0, "won"),
    "tie": ([*DISPUTED, ruled(0), released(50), refunded(51), *HALVES], 0, "tie"),
    "ruled after a part": ([*DISPUTED, refunded(1), ruled(2), released(AMOUNT - 1), bond_to(PROVIDER)], 0, "won"),
    "stalled": ([*DISPUTED, refunded(1), released(50), refunded(50), *HALVES], DECIDE_BY, "stalled"),
}


@pytest.mark.parametrize("name", ENDS)
def test_the_ending_follows_from_the_events(name: str) -> None:
    events, time, outcome = ENDS[name]
    workspace = run([*events, CLOSED], time=time)
    row = workspace.need(Escrow, ID)
    assert (row.status, row.outcome, row.stake_locked) == ("closed", outcome, False)
    paid = {a: workspace.peek(Ledger, ESCROW + a) for a in (CLIENT, PROVIDER)}
    bond = BOND if workspace.peek(Dispute, ID) else 0
    assert sum(held.balance_units for held in paid.values() if held is not None) == AMOUNT + bond


def test_reputation_tells_the_two_ends_of_a_last_unit_apart() -> None:
    events = [*DISPUTED, refunded(AMOUNT - 1), refunded(1), bond_to(CLIENT), CLOSED]
    unlocked = reputation_abi.StakeUnlocked(agent=PROVIDER, escrow_id=ID, amount=10)
    assert run([*events, unlocked, recorded(OutcomeCode.STALLED)]).need(Escrow, ID).outcome == "stalled"
    assert run([*events, unlocked, recorded(OutcomeCode.LOST)]).need(Escrow, ID).outcome == "lost"


@pytest.mark.parametrize(
    ("events", "reason"),
    [
        ([*ACCEPTED, released(AMOUNT), CLOSED, recorded(OutcomeCode.WON)], "reported as won"),
        ([*ACCEPTED, recorded(OutcomeCode.COMPLETED)], "before it closed"),
        ([*DISPUTED, abi.Ruling(arbitrator=ARBITER, dispute_id=8, ruling=1)], "no dispute_number"),
        ([*DISPUTED, ruled(3)], "ruled 3"),
        ([*DISPUTED, ruled(1), ruled(1)], "is ruled"),
        ([*DISPUTED, refunded(AMOUNT), CLOSED], "with a bond of 7"),
        ([*DISPUTED, bond_to(CLIENT, BOND + 1)], "more than its bond"),
        ([*CHALLENGED, CHALLENGED[-2]], "disputed twice"),
        ([*SUBMITTED, DEFAULTED], "no dispute"),
    ],
)
def test_contradictions_stop(events: list[Any], reason: str) -> None:
    with pytest.raises(UndecodableError, match=reason):
        run(events)


def test_evidence_of_any_bytes_goes_on() -> None:
    text = b"\xff\x00ok"
    words = (32).to_bytes(32, "big") + len(text).to_bytes(32, "big") + text.ljust(32, b"\0")
    topics = (arbiter_abi.Evidence.TOPIC, ARBITER.rjust(32, b"\0"), (5).to_bytes(32, "big"), CLIENT.rjust(32, b"\0"))
    log = RawLog(
        block_number=1, block_hash=bytes(32), tx_hash=bytes(32), log_index=0, address=ARBITER, topics=topics,
        data=words, block_time=0,
    )  # fmt: skip
    [evidence] = Reducer(CONTRACTS).decode([log])
    workspace = run([arbiter_abi.DisputeCreation(dispute_id=5, arbitrable=ESCROW), evidence.event])
    [row] = [row for row in workspace.appended if isinstance(row, ArbiterEvent) and row.kind == "evidence"]
    assert (row.account, row.fields["evidence"]) == (CLIENT, "\ufffd\ufffdok")


def test_an_epoch_at_any_bytes_goes_on() -> None:
    uri = b"\xff\x00x"
    words = [b"\x07" * 32, (5).to_bytes(32, "big"), b"\x08" * 32, (9).to_bytes(32, "big"), (160).to_bytes(32, "big")]
    data = b"".join([*words, len(uri).to_bytes(32, "big"), uri.ljust(32, b"\0")])
    log = RawLog(
        block_number=1, block_hash=bytes(32), tx_hash=bytes(32), log_index=0, address=REPUTATION,
        topics=(reputation_abi.EpochAnchored.TOPIC, (3).to_bytes(32, "big")), data=data, block_time=0,
    )  # fmt: skip
    [anchored] = Reducer(CONTRACTS).decode([log])
    row = run([anchored.event]).need(ScoreEpoch, (3).to_bytes(8, "big"))
    assert (row.epoch, row.root, row.leaf_count, row.manifest_hash) == (3, b"\x07" * 32, 5, b"\x08" * 32)
    assert (row.active_at, row.uri) == (9, "\ufffd\ufffdx")


def test_an_excess_is_booked_before_it_is_withdrawn() -> None:
    excess = arbiter_abi.ExcessCredited(dispute_id=5, account=CLIENT, amount=13)
    withdrawn = arbiter_abi.Withdrawn(account=CLIENT, to=CLIENT, amount=13)
    created = arbiter_abi.DisputeCreation(dispute_id=5, arbitrable=ESCROW)
    assert run([created, excess]).need(Ledger, ARBITER + CLIENT).balance_units == 13
    assert run([created, excess, withdrawn]).need(Ledger, ARBITER + CLIENT).balance_units == 0
    with pytest.raises(UndecodableError, match="would fall to -13"):
        run([withdrawn])


def test_a_vote_needs_a_seat() -> None:
    created = arbiter_abi.DisputeCreation(dispute_id=5, arbitrable=ESCROW)
    drawing = arbiter_abi.NewPeriod(dispute_id=5, period=DisputePeriod.DRAWING)
    vote = arbiter_abi.VoteCast(dispute_id=5, juror=CLIENT, choice=1, seats=1)
    with pytest.raises(UndecodableError, match="no arbiter_ballot"):
        run([created, drawing, vote])
