from __future__ import annotations

import dataclasses

import msgspec
import pytest

from aicp.rules.constants import network
from aicp.rules.terms import PROBLEMS, check_terms
from tests.unit.rules.vectors import CONSTANTS, NOW, base_agreed, base_terms, tampered

EXPECTED = {
    "as agreed": [],
    "known arbiter": [],
    "named verifier": [],
    "unknown arbiter": ["arbiter_unknown"],
    "verifier nobody named": ["verifier_differs"],
    "arbiter is the agent": ["party_is_judge"],
    "another buyer": ["client_differs"],
    "another agent": ["provider_differs"],
    "self deal": ["self_deal"],
    "amount one above": ["amount_differs"],
    "amount one below": ["amount_differs"],
    "amount below the minimum": ["amount_out_of_range"],
    "fee raised": ["fee_differs"],
    "fee dropped": ["fee_differs"],
    "quorum of one": ["quorum_differs"],
    "accept by is over": ["accept_window", "deliver_window"],
    "accept by in eight days": ["accept_window"],
    "delivery shorter than the bid": ["deliver_window"],
    "delivery exactly the bid": [],
    "delivery longer than the task": ["deliver_window"],
    "delivery before acceptance": ["deliver_window"],
    "challenge period shortened": ["challenge_period"],
    "challenge period prolonged": ["challenge_period"],
    "dispute timeout changed": ["dispute_timeout"],
    "another job": ["job_hash_differs"],
    "everything else": [
        "client_differs",
        "self_deal",
        "amount_differs",
        "amount_out_of_range",
        "fee_differs",
        "quorum_differs",
        "job_hash_differs",
    ],
}


@pytest.mark.parametrize("name", tampered())
def test_tampered_terms_are_named(name: str) -> None:
    term_changes, agreed_changes = tampered()[name]
    terms = msgspec.structs.replace(base_terms(), **term_changes)
    agreed = dataclasses.replace(base_agreed(), **agreed_changes)
    assert check_terms(terms, agreed, CONSTANTS) == EXPECTED[name]


def test_every_problem_has_a_case() -> None:
    assert {code for codes in EXPECTED.values() for code in codes} == set(PROBLEMS)


def test_composed_terms_pass_until_their_acceptance_time() -> None:
    terms = base_terms()
    for now in (NOW, terms.accept_by - 1):
        assert check_terms(terms, dataclasses.replace(base_agreed(), now=now), CONSTANTS) == []
    late = dataclasses.replace(base_agreed(), now=terms.accept_by)
    assert check_terms(terms, late, CONSTANTS) == ["accept_window"]


def test_the_windows_are_those_of_the_network() -> None:
    assert check_terms(base_terms(), base_agreed(), network(137).constants) == ["challenge_period"]
