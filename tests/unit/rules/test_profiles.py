"""What an agent signs of itself commits to everything it says, and says it in one way only."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aicp.rules.canonical import canonical_json
from aicp.rules.primitives import MAX_UINT96
from aicp.rules.profiles import Profile, profile_document, registration
from aicp.rules.specialties import INDUSTRIES, REGIONS, TASK_TYPES

AGENT = b"\xaa" * 20
TABULA = Profile(slug="tabula", name="Tabula", description="", capabilities=("ocr",))
words = st.text("abcdefghij_", min_size=2, max_size=8)
profiles = st.builds(
    Profile,
    slug=words,
    name=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20),
    description=st.text(st.characters(exclude_categories=["Cs"]), max_size=40),
    capabilities=st.lists(words, min_size=1, max_size=4),
    task_types=st.lists(st.sampled_from(TASK_TYPES), max_size=4),
    industry=st.none() | st.sampled_from(INDUSTRIES),
    region=st.none() | st.sampled_from(REGIONS),
    price_floor_units=st.integers(0, MAX_UINT96),
    capacity=st.integers(1, 10),
    endpoint=st.none() | st.just("https://tabula.example/"),
)


def document(profile: Profile, agent: bytes = AGENT) -> dict[str, Any]:
    return profile_document(profile, chain_id=137, agent=agent)


@settings(max_examples=60)
@given(profiles, profiles)
def test_two_profiles_have_one_hash_only_where_they_say_the_same(one: Profile, other: Profile) -> None:
    def said(profile: Profile) -> tuple[Any, ...]:
        lists = (frozenset(profile.capabilities), frozenset(profile.task_types))
        return lists, replace(profile, capabilities=("x",), task_types=())

    hashes = [registration(document(each), agent=AGENT, updated_at=1).profile_hash for each in (one, other)]
    assert (hashes[0] == hashes[1]) == (said(one) == said(other))


def test_order_and_repeats_say_nothing_and_what_is_unsaid_is_left_out() -> None:
    listed = replace(TABULA, capabilities=["ocr", "a1", "ocr"], task_types=["storage", "compute", "storage"])
    sorted_once = replace(TABULA, capabilities=("a1", "ocr"), task_types=("compute", "storage"))
    assert canonical_json(document(listed)) == canonical_json(document(sorted_once))
    assert not {"industry", "region", "endpoint"} & document(TABULA).keys()
    assert document(TABULA)["did"] == "did:pkh:eip155:137:0xaAaAaAaaAaAaAaaAaAAAAAAAAaaaAaAaAaaAaaAa"
    assert document(TABULA, b"\xbb" * 20) != document(TABULA)


@pytest.mark.parametrize(
    "wrong",
    [
        {"capabilities": ()},
        {"capacity": 0},
        {"capacity": 11},
        {"price_floor_units": -1},
        {"price_floor_units": MAX_UINT96 + 1},
        {"task_types": ("compute", "cooking")},
        {"industry": "compute"},
        {"region": "mars"},
    ],
)
def test_what_nobody_can_say_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"capability|capacity|floor|task type|industry|region"):
        replace(TABULA, **wrong)


def test_a_text_without_a_canonical_form_is_not_signed() -> None:
    with pytest.raises(ValueError, match="canonical"):
        registration(document(replace(TABULA, name="\ud800")), agent=AGENT, updated_at=1)
