"""Deals are read from the events of the contracts and from nothing else."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from aicp.abi import escrow as escrow_abi
from aicp.abi import reputation as reputation_abi
from aicp.abi.enums import Outcome
from aicp.abi.typed_data import EscrowTerms
from aicp.rules.facts import Deal, MicroDeal, deals_of, mark
from tests.unit.rules.markets import account, deal

ID, OTHER = b"\x01" * 32, b"\x02" * 32
CLIENT, PROVIDER = account("client"), account("provider")


def terms(amount: int = 1_000) -> EscrowTerms:
    return EscrowTerms(
        client=CLIENT,
        provider=PROVIDER,
        verifier=bytes(20),
        arbiter=bytes(20),
        amount=amount,
        fee_bps=250,
        quorum=0,
        accept_by=50,
        deliver_by=90,
        challenge_period=60,
        dispute_timeout=60,
        job_hash=bytes(32),
        salt=1,
    )


def funded(escrow_id: bytes = ID) -> tuple[Any, int]:
    return escrow_abi.EscrowFunded(id=escrow_id, client=CLIENT, provider=PROVIDER, terms=terms()), 10


def story() -> list[tuple[Any, int]]:
    return [
        funded(),
        (escrow_abi.EscrowAccepted(id=ID, stake=200), 20),
        funded(OTHER),
        (escrow_abi.WorkSubmitted(id=ID, deliverable_hash=bytes(32), challenge_ends_at=99), 80),
        (escrow_abi.EscrowReleased(id=ID, amount=600, fee=15), 90),
        (escrow_abi.EscrowRefunded(id=ID, amount=100), 91),
        (escrow_abi.EscrowReleased(id=ID, amount=300, fee=7), 100),
        (escrow_abi.EscrowClosed(id=ID), 100),
        (
            reputation_abi.OutcomeRecorded(
                agent=PROVIDER, escrow_id=ID, outcome=int(Outcome.COMPLETED), settled_value=900
            ),
            101,
        ),
        (reputation_abi.BonusPaid(agent=PROVIDER, escrow_id=ID, amount=9), 101),
        (rated(CLIENT, 80), 200),
        (rated(PROVIDER, 10), 201),
    ]


def rated(rater: bytes, score: int) -> escrow_abi.Rated:
    return escrow_abi.Rated(id=ID, rater=rater, ratee=bytes(20), score=score, comment_hash=bytes(32), settled_value=900)


def test_an_escrow_becomes_a_deal_when_its_outcome_is_recorded() -> None:
    assert deals_of(story()) == (
        Deal(
            escrow_id=ID,
            client=CLIENT,
            provider=PROVIDER,
            outcome=Outcome.COMPLETED,
            amount=1_000,
            released=900,
            refunded=100,
            fee=22,
            bonus=9,
            accepted_at=20,
            deliver_by=90,
            submitted_at=80,
            closed_at=101,
            rating=80,
        ),
    )
    assert deals_of(story()[:8]) == ()
    assert deals_of(story()[:9])[0].rating is None


def test_events_without_their_beginning_are_refused() -> None:
    with pytest.raises(ValueError, match="never funded"):
        deals_of(story()[1:])


@pytest.mark.parametrize(
    ("outcome", "refunded_bps", "expected"),
    [
        (Outcome.COMPLETED, 0, 10_000),
        (Outcome.WON, 0, 10_000),
        (Outcome.RETURNED, 10_000, 4_500),
        (Outcome.MISSED, 10_000, 2_500),
        (Outcome.LOST, 10_000, 0),
        (Outcome.LOST, 5_000, 5_000),
        (Outcome.RETURNED, 5_000, 7_250),
        (Outcome.SETTLED, 2_500, 7_500),
        (Outcome.TIE, 5_000, 5_000),
        (Outcome.STALLED, 10_000, 0),
        (Outcome.COMPLETED, 1_000, 9_000),
    ],
)
def test_marks(outcome: Outcome, refunded_bps: int, expected: int) -> None:
    assert mark(deal("b", "a", 40, outcome=outcome, refunded_bps=refunded_bps)) == expected


def test_a_small_deal_counts_with_the_signature_of_whom_it_burdens() -> None:
    base = MicroDeal(
        order_hash=ID,
        client=CLIENT,
        provider=PROVIDER,
        succeeded=True,
        ended_at=1,
        allowed_seconds=1,
        used_seconds=1,
        signed_by_client=True,
        signed_by_provider=False,
    )
    assert base.counts
    assert not dataclasses.replace(base, signed_by_client=False, signed_by_provider=True).counts
    failed = dataclasses.replace(base, succeeded=False)
    assert not failed.counts
    assert dataclasses.replace(failed, signed_by_provider=True).counts
