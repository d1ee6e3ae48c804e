"""Whom moves are told, what notifications say, when tries are repeated, and the signature of a webhook."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aicp.rules.webhooks import TOLERANCE_SECONDS, WebhookError, signature, verify
from backend.domain.notices import (
    MAX_TRIES,
    NoticeKind,
    Role,
    is_award,
    lead_seconds,
    outbids,
    pause_seconds,
    told_of_move,
)
from backend.domain.task_states import TRANSITIONS
from backend.domain.task_states import TaskState as S
from backend.notifications.sentences import sentence_of

FACTS = {
    "title": "A {title} of\nmany words " + "x" * 200, "amount_units": "1500000", "price_units": "20000000",
    "agent": "0x" + "Ab" * 20, "reason": "the agent did not accept in time", "until": "1800000000",
    "dispute": "7", "ruling": "for the agent", "before": "8005", "score": "7499", "epoch": "3", "tier": "fair",
    "seconds": "15", "transaction": "release", "sentence": "A node is away.", "alarm": "node_down", "subject": "one",
    "available_units": "1", "below_units": "2000000", "missing_units": "3",
}  # fmt: skip


@pytest.mark.parametrize("kind", list(NoticeKind))
def test_every_kind_says_one_whole_sentence(kind: NoticeKind) -> None:
    said = sentence_of(kind, FACTS)
    assert re.fullmatch(r"\S.*[.)”]", said), said
    assert "_units" not in said
    assert len(said) < 260
    without = {name: value for name, value in FACTS.items() if name not in {"title", "sentence"}}
    if "A {title} of many words" in said or "A node is away." in said:
        with pytest.raises(KeyError):
            sentence_of(kind, without)


def test_amounts_scores_and_times_are_spelled_for_people() -> None:
    assert sentence_of(NoticeKind.SCORE_DROPPED, FACTS) == "Your score fell from 80.05 to 74.99 in epoch 3."
    assert "bids 1.50 USDC for" in sentence_of(NoticeKind.BID_RECEIVED, FACTS)
    assert "2027-01-15 08:00 UTC" in sentence_of(NoticeKind.ANSWER_WANTED, FACTS)


MOVES = [(source, target) for source, targets in TRANSITIONS.items() for target in sorted(targets)]


def test_moves_that_end_or_hand_over_are_told() -> None:
    def kinds(
        source: S | None, target: S, *, escrow: bool = True, by_chain: bool = False
    ) -> set[tuple[Role, NoticeKind]]:
        return set(told_of_move(source, target, escrow=escrow, by_chain=by_chain))

    assert kinds(None, S.OPEN) == set()
    assert kinds(S.AWARDED, S.AWAITING_ACCEPTANCE) == {
        (Role.AGENT, NoticeKind.AWARDED), (Role.AGENT, NoticeKind.ACCEPTANCE_WANTED),
    }  # fmt: skip
    assert kinds(S.AWARDED, S.AWAITING_PAYMENT, escrow=False) == {
        (Role.AGENT, NoticeKind.AWARDED), (Role.BUYER, NoticeKind.PAYMENT_WANTED),
    }  # fmt: skip
    assert kinds(S.FUNDING, S.AWAITING_PAYMENT) == {(Role.BUYER, NoticeKind.PAYMENT_FAILED)}
    assert kinds(S.AWAITING_ACCEPTANCE, S.AWAITING_PAYMENT, by_chain=True) == set(), "it is paid already"
    assert kinds(S.AWAITING_PAYMENT, S.ASSIGNED, escrow=False) == {(Role.AGENT, NoticeKind.FUNDED)}
    for source, target in MOVES:
        told = told_of_move(source, target, escrow=True, by_chain=False)
        assert len(told) == len(set(told))
        ends = not TRANSITIONS[target]
        assert bool(told) or not ends, f"{source} -> {target} ends a task and nobody hears of it"


def test_only_what_hands_a_task_to_a_bid_is_an_award() -> None:
    awards = {(source, target) for source, target in MOVES if is_award(source, target)}
    assert awards == {(S.AWARDED, S.AWAITING_ACCEPTANCE), (S.AWARDED, S.AWAITING_PAYMENT)}
    assert not is_award(None, S.OPEN)


@given(
    amount=st.integers(1, 100), before=st.none() | st.integers(1, 100), best=st.none() | st.integers(1, 100)
)  # fmt: skip
@settings(max_examples=60)
def test_the_lead_is_lost_once(amount: int, before: int | None, best: int | None) -> None:
    led_before = best is not None and (before is None or before >= best)
    assert outbids(amount, before, best) == (led_before and best is not None and amount < best)


def test_pauses_grow_and_end() -> None:
    pauses = [pause_seconds(tries) for tries in range(1, MAX_TRIES + 1)]
    assert pauses[:3] == [15, 60, 240]
    assert pauses == sorted(pauses)
    assert max(pauses) == 6 * 3600
    assert (lead_seconds(86_400), lead_seconds(60)) == (3600, 15)


@given(secret=st.text(min_size=1), body=st.binary(), at=st.integers(0, 2**39), late=st.integers(-300, 300))
@settings(max_examples=60)
def test_a_signature_fits_its_message_and_no_other(secret: str, body: bytes, at: int, late: int) -> None:
    secret = secret.encode("utf-8", "replace").decode()
    header = signature(secret, at, body)
    assert verify(secret, header, body, at + late) == at
    assert verify(secret, f"{header},v1=00,v2=x", body, at) == at
    for wrong in (body + b" ", b"." + body):
        with pytest.raises(WebhookError):
            verify(secret, header, wrong, at)
    with pytest.raises(WebhookError):
        verify(secret + "x", header, body, at)
    with pytest.raises(WebhookError):
        verify(secret, header, body, at + TOLERANCE_SECONDS + 1)
    with pytest.raises(WebhookError):
        verify(secret, header.replace(f"t={at}", f"t={at + 1}"), body, at)


@pytest.mark.parametrize(
    "header", ["", "v1=00", "t=,v1=00", "t=1,t=2,v1=00", "t=-1,v1=00", "t=\u0661,v1=00", "t=1,v1=é"]
)
def test_other_headers_are_refused(header: str) -> None:
    with pytest.raises(WebhookError):
        verify("secret", header, b"", 1)
