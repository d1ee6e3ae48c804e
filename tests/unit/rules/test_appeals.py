"""Appeals as the contract counts them: costs, verdicts, who has to pay until when, and clocks from late notes."""

from __future__ import annotations

import pytest
from eth_abi import encode

from aicp.abi.typed_data import EscrowTerms
from aicp.rules.appeals import Periods, appeal_of, clock_of, seats_of, verdict_of
from aicp.rules.ids import appeal_nonce, dispute_extra, dispute_id
from aicp.rules.primitives import keccak
from tests.unit.rules.vectors import AGENT, BUYER, OPERATOR, address, word

USDC = 1_000_000
PERIODS = Periods(evidence=100, commit=20, reveal=10, appeal=7)


def test_rounds_grow_and_the_newest_votes_decide() -> None:
    assert [seats_of(number) for number in range(3)] == [3, 7, 15]
    assert verdict_of([]) == 0
    assert verdict_of([(0, 2, 1)]) == 1
    assert verdict_of([(0, 1, 2)]) == 2
    assert verdict_of([(1, 1, 1)]) == 0, "a tie of all"
    assert verdict_of([(1, 1, 0)]) == 0, "as many refuse"
    assert verdict_of([(3, 2, 2)]) == 0
    assert verdict_of([(0, 2, 1), (0, 0, 0)]) == 1, "a round nobody voted in decides nothing"
    assert verdict_of([(0, 2, 1), (0, 1, 6)]) == 2


def test_the_side_that_lost_pays_double_in_the_first_half_and_is_answered_until_the_end() -> None:
    fresh = appeal_of(0, 1, USDC, (0, 0), 1_000, 61)
    assert (fresh.cost_units, fresh.challenge_by, fresh.ends_at) == (7 * USDC, 1_031, 1_061)
    assert (fresh.first.required_units, fresh.second.required_units) == (7 * USDC, 14 * USDC)
    assert (fresh.first.payable_until, fresh.second.payable_until) == (1_031, 1_031)
    assert fresh.is_open(1_030)
    assert not fresh.is_open(1_031), "the verdict stands"
    challenged = appeal_of(0, 1, USDC, (USDC, 14 * USDC), 1_000, 61)
    assert challenged.challenged
    assert challenged.is_open(1_060)
    assert (challenged.first.payable_until, challenged.first.missing_units) == (1_061, 6 * USDC)
    assert (challenged.second.payable_until, challenged.second.missing_units) == (None, 0)
    only_winner = appeal_of(0, 1, USDC, (7 * USDC, 0), 1_000, 61)
    assert not only_winner.challenged
    assert only_winner.second.payable_until == 1_031, "the verdict stands at half time all the same"
    tie = appeal_of(1, 0, USDC, (30 * USDC, 0), 0, 10)
    assert (tie.first.required_units, tie.second.required_units) == (30 * USDC, 30 * USDC)
    assert tie.challenged
    assert tie.side(2).missing_units == 30 * USDC
    with pytest.raises(ValueError, match="sides 1 and 2"):
        tie.side(0)


@pytest.mark.parametrize(
    ("entered", "clock"),
    [
        ([("evidence", 5)], (5, 105)),
        ([("evidence", 5), ("drawing", 200)], None),
        ([("evidence", 5), ("drawing", 200), ("commit", 250)], (250, 270)),
        ([("commit", 250), ("reveal", 260)], (260, 270)),
        ([("commit", 250), ("reveal", 275)], (270, 280)),
        ([("commit", 250), ("reveal", 275), ("appeal", 277)], (277, 284)),
        ([("commit", 250), ("reveal", 275), ("appeal", 300)], (280, 287)),
        ([("commit", 250), ("appeal", 275)], (275, 282)),
        ([("commit", 250), ("appeal", 300)], (280, 287)),
        ([("commit", 250), ("appeal", 300), ("drawing", 301), ("commit", 310)], (310, 330)),
        ([("commit", 250), ("reveal", 260), ("solved", 300)], None),
        ([], None),
    ],
)
def test_a_period_written_down_late_began_when_the_one_before_was_over(
    entered: list[tuple[str, int]], clock: tuple[int, int] | None
) -> None:
    assert clock_of(entered, PERIODS) == clock


def test_a_dispute_is_named_by_who_asked_what() -> None:
    terms = EscrowTerms(
        client=BUYER, provider=AGENT, verifier=bytes(20), arbiter=OPERATOR, amount=1, fee_bps=0, quorum=0, accept_by=0,
        deliver_by=0, challenge_period=0, dispute_timeout=0, job_hash=bytes(32), salt=0,
    )  # fmt: skip
    extra = dispute_extra(word("escrow"), terms)
    assert extra == encode(["bytes32", "address", "address", "address"], [word("escrow"), BUYER, AGENT, bytes(20)])
    arbiter, escrow = address("arbiter"), address("escrow")
    whole = keccak(encode(["uint256", "address", "address", "bytes"], [31337, arbiter, escrow, extra]))
    assert dispute_id(31337, arbiter, escrow, extra) == int.from_bytes(whole) % 2**160
    for refused in ((arbiter + b"\0", escrow, extra), (arbiter, escrow, extra + b"\0")):
        with pytest.raises(ValueError, match="whole words"):
            dispute_id(31337, *refused)
    with pytest.raises(ValueError, match="32 bytes"):
        dispute_extra(b"", terms)


def test_the_nonce_of_a_payment_names_dispute_round_and_side() -> None:
    salt = keccak(b"salt")
    encoded = encode(["uint256", "uint8", "uint8", "uint256"], [2**159 + 1, 1, 2, int.from_bytes(salt)])
    assert appeal_nonce(2**159 + 1, 1, 2, salt) == keccak(encoded)
    with pytest.raises(ValueError, match="32 bytes"):
        appeal_nonce(1, 0, 1, salt[1:])
