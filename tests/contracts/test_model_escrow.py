"""Escrow and Reputation against an independent model, step by step over random sequences of calls."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest

from tests.contracts.conftest import with_extension
from tests.contracts.model.escrow_ends import EscrowMachine
from tests.contracts.model.escrow_system import EscrowSystem, deploy
from tests.contracts.model.machine import LONG, Ground, run
from tests.fixtures.services import start_anvil

ROADS = {"fundWithAuthorization", "submit", "dispute", "respond", "giveRuling"}
KINDS = 15


@pytest.fixture(scope="module")
def ground(project: Any) -> Iterator[tuple[Ground, EscrowSystem]]:
    """Everything deployed on a chain of its own."""
    chain = start_anvil()
    found = deploy(chain, project, with_extension(project))
    yield found
    found[0].node.close()
    chain.close()


@pytest.mark.timeout(0)  # as long as its profile says
def test_escrow_and_reputation__do_what_the_model_says(ground):
    deployed, system = ground
    seen = run(lambda: EscrowMachine(deployed, copy.deepcopy(system)), deployed, examples=30, steps=25)
    if LONG:
        return  # it prints what it met, and its length is the caller's choice
    succeeded = {name.removesuffix("WithSignature") for name in seen if " " not in name}
    assert not ROADS - succeeded, "these calls never succeeded, so nothing was compared"
    errors = [name for name in seen if name.startswith("error ")]
    assert min(len(succeeded), len(errors)) >= KINDS, "too little was met to say anything"
