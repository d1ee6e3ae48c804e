"""The pure rules that decide about money: orders, escrow steps, settlement, fees, error classes."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import get_args

import pytest

from aicp.client import models
from aicp.rules.constants import known_chain_ids, network
from backend.deals.reconcile import LIVE_STATES
from backend.deals.schemas import EscrowOut
from backend.domain.escrow_deal import (
    BEFORE_WORK,
    ChainFact,
    DealFacts,
    FailOver,
    GoBackToBids,
    Move,
    SendAcceptance,
    next_step,
)
from backend.domain.micro import (
    OrderProblem,
    OrderTerms,
    available,
    claim_is_safe,
    need,
    order_problem,
    pool_level,
    raised_ceiling,
)
from backend.domain.settlement import (
    MAX_BATCH_BYTES,
    MAX_BATCH_GAS,
    MAX_ROWS,
    Claimable,
    ClaimReason,
    batch_limit,
    claim_gas,
    claim_reason,
    fits,
    gas_cost_units,
    settle_gas,
)
from backend.domain.task_states import TaskState, may_move
from backend.txm.classify import SendOutcome, classify, combined, is_out_of_gas
from backend.txm.fees import Fees, bump, market
from backend.txm.rpc import NodeError, NodeUnreachable, WrongChain
from indexer.core.states import EscrowStatus

LOCAL, POLYGON = network(31337).constants, network(137).constants
NOW = 1_800_000_000
ORDER = OrderTerms(
    price_units=400_000,
    deliver_by=NOW + 300,
    evaluate_by=NOW + 600,
    bid_amount_units=400_000,
    bid_valid_until=NOW,
    bid_eta_seconds=300,
)


def test_need_is_everything_earned_in_flight_and_asked_for() -> None:
    assert need(earned_units=5, in_flight_units=7, price_units=11) == 23


@pytest.mark.parametrize(("stored", "offered", "counts"), [(5, None, 5), (5, 4, 5), (5, 5, 5), (5, 6, 6), (0, 1, 1)])
def test_only_a_higher_ceiling_replaces_the_stored_one(stored, offered, counts) -> None:
    assert raised_ceiling(stored, offered) == counts


@pytest.mark.parametrize(("headroom", "expected"), [(10, 3), (7, 0), (6, 0), (-5, 0)])
def test_available_is_never_negative(headroom, expected) -> None:
    assert available(headroom_units=headroom, earned_units=4, reserved_units=3) == expected


@pytest.mark.parametrize(
    ("room", "waiting", "below", "low", "short"),
    [
        (0, 0, None, False, False), (5, 0, 5, False, False), (4, 0, 5, True, False), (4, 5, None, False, True),
        (5, 5, 6, True, False), (-1, 0, None, False, True), (-1, 0, 1, True, True),
    ],
)  # fmt: skip
def test_a_pool_is_low_below_its_threshold_and_short_below_what_deals_need(
    room: int, waiting: int, below: int | None, low: bool, short: bool
) -> None:
    level = pool_level(room_units=room, waiting_units=waiting, below_units=below)
    assert (level.low, level.short) == (low, short)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({}, None),
        ({"price_units": 399_999}, OrderProblem.PRICE_DIFFERS),
        ({"price_units": 400_001}, OrderProblem.PRICE_DIFFERS),
        ({"bid_valid_until": NOW - 1}, OrderProblem.BID_EXPIRED),
        ({"deliver_by": NOW + 299}, OrderProblem.DELIVER_BY_TOO_EARLY),
        ({"evaluate_by": NOW + 300}, OrderProblem.EVALUATE_BY_OUT_OF_RANGE),
        ({"evaluate_by": NOW + 301 + LOCAL.evaluation_seconds}, OrderProblem.EVALUATE_BY_OUT_OF_RANGE),
        ({"deliver_by": NOW + 43_200, "evaluate_by": NOW + 43_201}, OrderProblem.TOO_LONG),
        ({"deliver_by": NOW + 43_199, "evaluate_by": NOW + 43_200}, None),
    ],
)
def test_an_order_keeps_to_its_bid(changes, problem) -> None:
    assert order_problem(replace(ORDER, **changes), now=NOW, constants=LOCAL) is problem


@pytest.mark.parametrize(
    ("lasts", "age", "safe"),
    [(43_200, 28_800, True), (43_200, 28_801, False), (0, 28_800, True), (0, 28_801, False), (43_201, 28_800, False)],
)
def test_a_receipt_must_be_claimable_before_an_unseen_withdrawal(lasts, age, safe) -> None:
    found = claim_is_safe(evaluate_by=NOW + lasts, finalized_time=NOW - age, now=NOW, constants=POLYGON)
    assert found is safe


def _facts():
    chain = [None, *(ChainFact(status=s) for s in EscrowStatus if s is not EscrowStatus.CLOSED)]
    outcomes = ("completed", "settled", "returned", "missed", "cancelled", "won", "lost", "tie", "stalled")
    chain += [ChainFact(status=EscrowStatus.CLOSED, outcome=o) for o in outcomes]
    for state, seen, settled in itertools.product(TaskState, chain, chain):
        for usable, failed, unpaid in itertools.product((True, False), (True, False), (None, "expired")):
            yield DealFacts(
                state=state, seen=seen, settled=settled, acceptance_usable=usable, acceptance_failed=failed,
                payment_failed=unpaid,
            )  # fmt: skip


LIVE = {*BEFORE_WORK, TaskState.ASSIGNED, TaskState.RUNNING, TaskState.DELIVERED, TaskState.DISPUTED}


def test_every_step_is_a_path_of_the_task_table() -> None:
    checked = 0
    for facts in _facts():
        step = next_step(facts) if facts.state in LIVE else None
        if isinstance(step, Move):
            states = (facts.state, *step.path)
            for source, target in itertools.pairwise(states):
                if source is TaskState.DELIVERED and target is TaskState.EXPIRED:
                    raise AssertionError("a delivered task cannot miss its delivery")
                assert may_move(source, target), (facts, step)
            checked += 1
    assert checked > 1000


def test_nothing_is_assigned_on_what_the_newest_block_alone_says() -> None:
    accepted = ChainFact(status=EscrowStatus.ACCEPTED)
    for state in BEFORE_WORK:
        facts = DealFacts(
            state=state, seen=accepted, settled=None, acceptance_usable=True, acceptance_failed=False,
            payment_failed=None,
        )  # fmt: skip
        assert next_step(facts) is None
        step = next_step(replace(facts, settled=accepted))
        assert isinstance(step, Move)
        assert step.path[-1] is TaskState.ASSIGNED


@pytest.mark.parametrize("status", [EscrowStatus.CHALLENGED, EscrowStatus.DISPUTED, EscrowStatus.RULED])
def test_a_dispute_on_chain_is_a_dispute_here_until_the_escrow_closes(status: EscrowStatus) -> None:
    disputed = ChainFact(status=status)
    facts = DealFacts(
        state=TaskState.RUNNING, seen=disputed, settled=disputed, acceptance_usable=False, acceptance_failed=False,
        payment_failed=None,
    )  # fmt: skip
    step = next_step(facts)
    assert isinstance(step, Move)
    assert step.path == (TaskState.DELIVERED, TaskState.DISPUTED)
    assert next_step(replace(facts, state=TaskState.DELIVERED)) == Move((TaskState.DISPUTED,), step.reason)
    facts = replace(facts, state=TaskState.DISPUTED)
    assert next_step(facts) is None
    ends = {"won": "completed", "lost": "refunded", "tie": "split", "stalled": "split", "returned": "refunded"}
    for outcome, state in ends.items():
        closed = ChainFact(status=EscrowStatus.CLOSED, outcome=outcome)
        assert next_step(replace(facts, seen=closed, settled=closed)) == Move(
            (TaskState(state),), f"escrow closed: {outcome}"
        )
    assert TaskState.DISPUTED in LIVE_STATES


def test_a_deal_can_be_shown_in_every_state_of_its_escrow() -> None:
    words = {"none", *EscrowStatus}
    for model in (EscrowOut, models.EscrowSide):
        assert set(get_args(model.model_fields["chain_status"].annotation)) == words


def test_a_payment_that_failed_asks_again_only_while_no_money_has_moved() -> None:
    facts = DealFacts(
        state=TaskState.FUNDING, seen=None, settled=None, acceptance_usable=True, acceptance_failed=False,
        payment_failed="expired",
    )  # fmt: skip
    assert next_step(facts) == Move((TaskState.AWAITING_PAYMENT,), "expired")
    funded = ChainFact(status=EscrowStatus.FUNDED)
    assert isinstance(next_step(replace(facts, seen=funded)), SendAcceptance)
    assert next_step(replace(facts, seen=funded, acceptance_failed=True)) is None
    gone = ChainFact(status=EscrowStatus.CLOSED, outcome="cancelled")
    assert isinstance(next_step(replace(facts, seen=gone, settled=gone)), GoBackToBids)


def test_an_agent_that_failed_ends_only_a_task_that_nobody_else_is_asked_about() -> None:
    facts = DealFacts(
        state=TaskState.RUNNING, seen=None, settled=None, acceptance_usable=False, acceptance_failed=False,
        payment_failed=None, instant=True,
    )  # fmt: skip
    for outcome, missed in (("missed", True), ("returned", False)):
        closed = ChainFact(status=EscrowStatus.CLOSED, outcome=outcome)
        for state in (*BEFORE_WORK, TaskState.ASSIGNED, TaskState.RUNNING):
            step = next_step(replace(facts, state=state, settled=closed))
            assert isinstance(step, FailOver)
            assert step.missed is missed
            path = (state, *step.path, TaskState.OPEN)
            assert all(may_move(source, target) for source, target in itertools.pairwise(path))
        paid = replace(closed, released=True)
        for change in ({"instant": False, "settled": closed}, {"settled": paid}):
            assert isinstance(next_step(replace(facts, **change)), Move)
        for state in (TaskState.DELIVERED, TaskState.DISPUTED):
            step = next_step(replace(facts, state=state, settled=closed))
            assert step == Move((TaskState.REFUNDED,), f"escrow closed: {outcome}")


def _row(units: int, *, age: int = 0, pending: bool = False, number: int = 1) -> Claimable:
    return Claimable(
        channel_id=number.to_bytes(32, "big"), unclaimed_units=units, oldest_receipt_at=NOW - age,
        withdrawal_pending=pending,
    )  # fmt: skip


def test_gas_is_priced_exactly_and_rounded_up() -> None:
    # 25,000 gas at 100 gwei and $0.40 a coin are 0.0025 coins, one tenth of a cent
    assert gas_cost_units(25_000, 100 * 10**9, 400_000) == 1_000
    assert gas_cost_units(1, 1, 1) == 1


@pytest.mark.parametrize("chain_id", known_chain_ids())
def test_gas_is_priced_in_the_networks_own_coin(chain_id) -> None:
    prices = {"POL": 500_000, "ETH": 3_000_000_000}
    known = network(chain_id)
    assert known.constants.native_price_units == prices[known.currency]
    # 25,000 gas at 1 gwei are 0.000025 coins
    assert (
        gas_cost_units(25_000, 10**9, known.constants.native_price_units) == {"POL": 13, "ETH": 75_000}[known.currency]
    )


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (_row(0, pending=True), None),
        (_row(1_250, pending=True), ClaimReason.WITHDRAWAL),
        (_row(1_249, pending=True), ClaimReason.DUST),
        (_row(1, pending=True), ClaimReason.DUST),
        (_row(1, age=10_000), None),
        (_row(3_750, age=599), None),
        (_row(3_750, age=600), ClaimReason.AGE),
        (_row(3_749, age=600), None),
        (_row(37_500), ClaimReason.VALUE),
        (_row(37_499), None),
    ],
)
def test_a_row_is_claimed_when_it_is_worth_its_gas(row, reason) -> None:
    # 100 gwei at $0.50 a coin: a row costs 1,250 units, three times that is 3,750
    assert claim_reason(row, now=NOW, gas_price_wei=100 * 10**9, constants=POLYGON) is reason


def test_a_batch_is_bounded_and_halved_with_every_failure() -> None:
    assert settle_gas(MAX_ROWS) <= MAX_BATCH_GAS < 2**25, "Polygon caps a transaction's gas"
    assert [batch_limit(tries) for tries in (0, 1, 2, 7, 8, 9, 100)] == [400, 200, 100, 3, 1, 1, 1]


def test_a_batch_fits_up_to_its_gas_and_bytes() -> None:
    most = (MAX_BATCH_GAS - 50_000) * 4 // 5
    assert claim_gas(most) <= MAX_BATCH_GAS < claim_gas(most + 2)
    assert fits(calldata_bytes=MAX_BATCH_BYTES, estimated_gas=most)
    assert not fits(calldata_bytes=MAX_BATCH_BYTES, estimated_gas=most + 2)
    assert not fits(calldata_bytes=MAX_BATCH_BYTES + 1, estimated_gas=most)


def test_a_bump_raises_both_fees_by_an_eighth_or_to_the_market() -> None:
    old, cap = Fees(100, 10), 10**6
    assert bump(old, Fees(1, 1), cap) == Fees(113, 12)
    assert bump(old, Fees(1000, 50), cap) == Fees(1000, 50)
    assert bump(old, Fees(1, 1), 112) is None
    for value in range(1, 2_000, 7):
        new = bump(Fees(value * 100, value), Fees(0, 0), 10**9)
        assert new is not None
        assert new.max_fee_wei * 1000 >= value * 100 * 1125
        assert new.tip_wei * 10 >= value * 11, "every pool's replacement rule"


def test_the_floor_and_the_cap_hold() -> None:
    assert market(base_fee_wei=0, suggested_tip_wei=0, floor_wei=25, cap_wei=100) == Fees(25, 25)
    assert market(base_fee_wei=90, suggested_tip_wei=30, floor_wei=25, cap_wei=100) == Fees(100, 30)


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (None, SendOutcome.ACCEPTED),
        (NodeUnreachable("timeout"), SendOutcome.UNKNOWN),
        (NodeError(3, "execution reverted: nonce too low"), SendOutcome.REVERTED),
        (NodeError(-32000, "execution reverted: already known"), SendOutcome.REVERTED),
        (NodeError(-32000, "already known"), SendOutcome.KNOWN),
        (NodeError(-32003, "transaction already imported"), SendOutcome.KNOWN),
        (NodeError(-32000, "nonce too low: next nonce 5, tx nonce 4"), SendOutcome.NONCE_TOO_LOW),
        (NodeError(-32003, "nonce too low"), SendOutcome.NONCE_TOO_LOW),
        (NodeError(-32000, "insufficient funds for gas * price + value"), SendOutcome.INSUFFICIENT_FUNDS),
        (NodeError(-32003, "Insufficient funds for gas * price + value"), SendOutcome.INSUFFICIENT_FUNDS),
        (NodeError(-32000, "replacement transaction underpriced"), SendOutcome.UNDERPRICED),
        (NodeError(-32000, "transaction underpriced"), SendOutcome.UNDERPRICED),
        (NodeError(-32003, "max fee per gas less than block base fee"), SendOutcome.UNDERPRICED),
        (NodeError(-32000, "intrinsic gas too low"), SendOutcome.REJECTED),
        (NodeError(-32000, "invalid chain id for signer: have 1 want 137"), SendOutcome.WRONG_NODE),
        (NodeError(-32000, "invalid sender: invalid chain id for signer: have 1 want 137"), SendOutcome.WRONG_NODE),
        (NodeError(-32000, "unknown transaction type"), SendOutcome.WRONG_NODE),
        (NodeError(-32000, "transaction type not supported: type 2 rejected"), SendOutcome.WRONG_NODE),
        (NodeError(-32000, "known transaction: 6f1e"), SendOutcome.KNOWN),
        (WrongChain("chain 1"), SendOutcome.WRONG_NODE),
        (NodeError(-32000, "the tide is out"), SendOutcome.UNKNOWN),
    ],
)
def test_answers_are_classified_reverts_first(answer, outcome) -> None:
    assert classify(answer) is outcome


def test_one_acceptance_is_acceptance_and_rejection_takes_all() -> None:
    assert combined([SendOutcome.REJECTED, SendOutcome.ACCEPTED]) is SendOutcome.ACCEPTED
    assert combined([SendOutcome.REJECTED, SendOutcome.UNKNOWN]) is SendOutcome.UNKNOWN
    assert combined([SendOutcome.REJECTED, SendOutcome.WRONG_NODE]) is SendOutcome.WRONG_NODE
    assert combined([SendOutcome.REJECTED, SendOutcome.REJECTED]) is SendOutcome.REJECTED


@pytest.mark.parametrize(
    ("error", "out_of_gas"),
    [
        (NodeError(-32000, "out of gas"), True),
        (NodeError(-32003, "EVM error OutOfGas"), True),
        (NodeError(-32000, "intrinsic gas too low: have 20000, want 21000"), True),
        (NodeError(-32000, "gas required exceeds allowance (50000)"), True),
        (NodeError(3, "execution reverted: out of gas"), False),
        (NodeError(-32000, "header not found"), False),
    ],
)
def test_a_call_that_needs_more_than_its_limit_is_known_by_its_wording(error: NodeError, out_of_gas: bool) -> None:
    assert is_out_of_gas(error) is out_of_gas
