"""Escrow terms: how the service composes them, and the policy every signer applies before signing.

The wallet shows an amount and a hash, not the terms behind it; so the SDK, the page and the backend all run
`check_terms` over what was agreed, and sign only when it finds nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from aicp.abi.typed_data import EscrowTerms
from aicp.rules.constants import Constants
from aicp.rules.primitives import MAX_UINT96, ZERO_ADDRESS

QUORUM: Final = 2
"""Signatures of distinct roles that release without the client alone or the clock; the provider alone never can."""

PROBLEMS: Final[Mapping[str, str]] = {
    "client_differs": "The terms name another buyer.",
    "provider_differs": "The terms name another agent.",
    "self_deal": "Buyer and agent are the same account.",
    "verifier_differs": "The terms name a verifier that was not agreed.",
    "arbiter_unknown": "The terms name an arbiter this network does not know.",
    "party_is_judge": "The verifier or the arbiter is one of the two parties.",
    "amount_differs": "The amount is not the price of the bid.",
    "amount_out_of_range": "The amount is below the minimum price or too large for the contract.",
    "fee_differs": "The fee is not the network's fee.",
    "quorum_differs": "The number of signatures that release is not the agreed one.",
    "accept_window": "The time to accept and pay has passed or is longer than the network allows.",
    "deliver_window": "The delivery time is shorter than the bid's or longer than the task's or the network's.",
    "challenge_period": "The time to check the result is not the network's, or out of its bounds.",
    "dispute_timeout": "The time after which a dispute is settled without a ruling is not the network's.",
    "job_hash_differs": "The terms commit to another task, bid or auction.",
}
"""One sentence for each code that `check_terms` returns."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreed:
    """What both sides agreed before any terms existed. Units are base units, times unix seconds, windows seconds."""

    client: bytes
    provider: bytes
    amount_units: int
    eta_seconds: int
    deliver_within_seconds: int
    job_hash: bytes
    arbiters: frozenset[bytes]
    """Arbiters this network knows; the zero address (no arbitration) is always allowed."""
    now: int
    verifier: bytes = ZERO_ADDRESS
    """Only what the buyer named himself."""


def compose_terms(
    *,
    client: bytes,
    provider: bytes,
    amount_units: int,
    deliver_within_seconds: int,
    job_hash: bytes,
    arbiter: bytes,
    now: int,
    salt: int,
    constants: Constants,
    verifier: bytes = ZERO_ADDRESS,
) -> EscrowTerms:
    """Return the terms of an awarded bid.

    The agent has the task's whole delivery time even when the buyer pays at the last moment, so it counts from
    `accept_by`. `salt` is random below 2**256 and makes each composition a new escrow.
    """
    accept_by = now + constants.accept_window_seconds
    return EscrowTerms(
        client=client,
        provider=provider,
        verifier=verifier,
        arbiter=arbiter,
        amount=amount_units,
        fee_bps=constants.fee_bps,
        quorum=QUORUM,
        accept_by=accept_by,
        deliver_by=accept_by + deliver_within_seconds,
        challenge_period=constants.challenge_period_seconds,
        dispute_timeout=constants.dispute_timeout_seconds,
        job_hash=job_hash,
        salt=salt,
    )


def _party_problems(terms: EscrowTerms, agreed: Agreed) -> list[tuple[str, bool]]:
    parties = {terms.client, terms.provider}
    judges = {terms.verifier, terms.arbiter} - {ZERO_ADDRESS}
    return [
        ("client_differs", terms.client != agreed.client),
        ("provider_differs", terms.provider != agreed.provider),
        ("self_deal", terms.client == terms.provider),
        ("verifier_differs", terms.verifier != agreed.verifier),
        ("arbiter_unknown", terms.arbiter != ZERO_ADDRESS and terms.arbiter not in agreed.arbiters),
        ("party_is_judge", bool(parties & judges)),
    ]


def _money_problems(terms: EscrowTerms, agreed: Agreed, constants: Constants) -> list[tuple[str, bool]]:
    return [
        ("amount_differs", terms.amount != agreed.amount_units),
        ("amount_out_of_range", not constants.minimum_price_units <= terms.amount <= MAX_UINT96),
        ("fee_differs", terms.fee_bps != constants.fee_bps or terms.fee_bps > constants.max_fee_bps),
        ("quorum_differs", terms.quorum != QUORUM),
    ]


def _clock_problems(terms: EscrowTerms, agreed: Agreed, constants: Constants) -> list[tuple[str, bool]]:
    work = terms.deliver_by - terms.accept_by
    challenge_bounded = (
        constants.min_challenge_period_seconds <= terms.challenge_period <= constants.max_challenge_period_seconds
    )
    return [
        # the network's own window would refuse honest terms when two clocks differ by a second; what a signature
        # may cost is bounded by its own validity, so the contract's bound is enough here
        ("accept_window", not agreed.now < terms.accept_by <= agreed.now + constants.max_accept_window_seconds),
        (
            "deliver_window",
            not agreed.eta_seconds <= work <= agreed.deliver_within_seconds
            or work <= 0
            or terms.deliver_by > agreed.now + constants.max_deliver_window_seconds,
        ),
        ("challenge_period", terms.challenge_period != constants.challenge_period_seconds or not challenge_bounded),
        ("dispute_timeout", terms.dispute_timeout != constants.dispute_timeout_seconds),
    ]


def check_terms(terms: EscrowTerms, agreed: Agreed, constants: Constants) -> list[str]:
    """Return the codes (keys of `PROBLEMS`) of everything in the terms that was not agreed; empty means sign."""
    findings = [
        *_party_problems(terms, agreed),
        *_money_problems(terms, agreed, constants),
        *_clock_problems(terms, agreed, constants),
        ("job_hash_differs", terms.job_hash != agreed.job_hash),
    ]
    return [code for code, wrong in findings if wrong]
