"""Who may do what about a disputed result, and until when: by the state of its escrow alone."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from backend.db.times import moment
from backend.deals.actions import ActionFacts, actions_of
from backend.deals.dispute_schemas import DisputeOut, RatingOut, SplitOfferOut
from backend.deals.making_actions import Who
from backend.deals.schemas import Action, EscrowOut, TermsOut
from backend.domain.task_states import TaskState

BUYER, AGENT, VERIFIER, ARBITER = (bytes([n]) * 20 for n in (1, 2, 3, 4))
MARGIN = 120
ENDS, RESPOND_BY, DECIDE_BY = 5_000, 6_000, 9_000


def escrow(chain_status: str, **changes: Any) -> EscrowOut:
    verifier = changes.get("verifier")
    terms = TermsOut(
        client=BUYER, provider=AGENT, verifier=verifier or bytes(20), arbiter=changes.pop("arbiter", ARBITER),
        amount_units=100, fee_bps=250, quorum=2, accept_by=1_000, deliver_by=2_000, challenge_period=600,
        dispute_timeout=900, job_hash=bytes(32), salt=bytes(32),
    )  # fmt: skip
    values: dict[str, Any] = {
        "escrow_id": bytes(32), "terms": terms, "acceptance_due": 60, "acceptance_valid_until": 900,
        "acceptance_signature": b"", "authorization_valid_before": 900, "payable_until": None,
        "chain_status": chain_status, "released_units": 0, "refunded_units": 0, "challenge_ends_at": ENDS,
        "deliverable_hash": bytes(32), "outcome": None, "quorum": 2, "verifier": None, "dispute_fee_units": 3,
        "arbiter_can_rule": True, "dispute": None, "split_offers": [], "release_signatures": [], "ratings": [],
        "chain": None,
    }  # fmt: skip
    return EscrowOut(**(values | changes))


def dispute(**changes: Any) -> DisputeOut:
    values: dict[str, Any] = {
        "arbiter": ARBITER, "arbiter_fee_units": 0, "bond_units": 3, "evidence_hash": bytes(32), "raised_at": 4_000,
        "respond_by": RESPOND_BY, "responded_at": None, "dispute_id": None, "arbiter_period": None,
        "arbiter_period_at": None, "arbiter_period_ends_at": None, "arbiter_round": None, "verdict": None, "rounds": [],
        "appeal": None, "buyer_credit_units": 0, "agent_credit_units": 0, "ruling": None, "decide_by": DECIDE_BY,
        "outcome": None, "evidence": [],
    }  # fmt: skip
    return DisputeOut(**(values | changes))


def allowed(state: TaskState, shown: EscrowOut, collectable_by: tuple[Who, ...] = ()) -> dict[tuple[str, str], Action]:
    facts = ActionFacts(
        state=state, live=True, escrow=shown, channel=None, payment_blocked=False, collectable_by=collectable_by,
        result_underway=False, dispute_margin_seconds=MARGIN,
    )  # fmt: skip
    return {(one.name, one.who): one for one in actions_of(facts) if one.allowed}


def test_a_submitted_result_can_be_paid_disputed_given_back_or_divided() -> None:
    found = allowed(TaskState.DELIVERED, escrow("submitted"))
    assert set(found) == {
        ("release", "buyer"), ("dispute", "buyer"), ("refund", "agent"), ("split", "buyer"), ("split", "agent"),
    }  # fmt: skip
    assert found["dispute", "buyer"].due == moment(ENDS - MARGIN), "the relayer promises nothing in the last minutes"
    assert found["release", "buyer"].due == moment(ENDS)
    assert ("dispute", "buyer") not in allowed(TaskState.DELIVERED, escrow("submitted", arbiter=bytes(20)))


@pytest.mark.parametrize("state", [TaskState.RUNNING, TaskState.DELIVERED])
def test_a_verifier_and_the_agent_can_sign_a_release(state: TaskState) -> None:
    status = "accepted" if state is TaskState.RUNNING else "submitted"
    found = allowed(state, escrow(status, verifier=VERIFIER))
    assert {("sign_release", "verifier"), ("sign_release", "agent")} <= set(found)
    assert not [name for name, _ in allowed(state, escrow(status)) if name == "sign_release"]


@pytest.mark.parametrize("state", [TaskState.ASSIGNED, TaskState.RUNNING, TaskState.DELIVERED, TaskState.DISPUTED])
def test_what_the_newest_block_says_of_a_dispute_comes_before_the_task(state: TaskState) -> None:
    found = allowed(state, escrow("challenged", dispute=dispute()))
    assert set(found) == {("respond", "agent"), ("refund", "agent"), ("split", "buyer"), ("split", "agent")}
    assert found["respond", "agent"].due == moment(RESPOND_BY - MARGIN)
    found = allowed(state, escrow("disputed", dispute=dispute(dispute_id="7")))
    assert set(found) == {("refund", "agent"), ("split", "buyer"), ("split", "agent")}
    assert allowed(state, escrow("ruled", dispute=dispute(dispute_id="7", ruling="buyer"))) == {}


def test_who_has_an_offer_to_answer_is_asked_first() -> None:
    offer = SplitOfferOut(
        id=uuid.UUID(int=1), offered_by=BUYER, role="buyer", to_provider_units=1, to_client_units=99,
        valid_until=9_000, state="open", signature=b"", created_at=moment(1),
    )  # fmt: skip
    shown = escrow("challenged", dispute=dispute(), split_offers=[offer])
    order = [who for name, who in allowed(TaskState.DISPUTED, shown) if name == "split"]
    assert order == ["agent", "buyer"]
    shown = escrow("challenged", dispute=dispute(), split_offers=[offer.model_copy(update={"state": "lapsed"})])
    assert [who for name, who in allowed(TaskState.DISPUTED, shown) if name == "split"] == ["buyer", "agent"]


def test_who_has_money_in_the_contracts_is_told_once_the_deal_is_over() -> None:
    both: tuple[Who, ...] = ("buyer", "agent")
    over = escrow("closed", outcome="lost")
    assert ("collect", "buyer") in allowed(TaskState.REFUNDED, over, ("buyer",))
    assert {("collect", "buyer"), ("collect", "agent")} <= set(allowed(TaskState.SPLIT, over, both))
    assert not [name for name, _ in allowed(TaskState.REFUNDED, over) if name == "collect"]
    assert not [name for name, _ in allowed(TaskState.DELIVERED, escrow("submitted"), both) if name == "collect"]


def test_each_side_of_a_deal_that_was_accepted_rates_once() -> None:
    rating = RatingOut(
        rater=BUYER, ratee=AGENT, role="buyer", score=90, comment=None, comment_hash=bytes(32), settled_units=100,
        chain={"block_number": 1, "block_hash": bytes(32), "tx_hash": bytes(32), "log_index": 0, "finality": "final"},
    )  # fmt: skip
    for state, outcome in ((TaskState.COMPLETED, "won"), (TaskState.SPLIT, "tie"), (TaskState.REFUNDED, "lost")):
        found = allowed(state, escrow("closed", outcome=outcome))
        assert set(found) == {("rate", "buyer"), ("rate", "agent")}
        assert set(allowed(state, escrow("closed", outcome=outcome, ratings=[rating]))) == {("rate", "agent")}
    assert allowed(TaskState.EXPIRED, escrow("closed", outcome="cancelled")) == {}
