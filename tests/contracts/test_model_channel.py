"""The payment channel against an independent model, step by step over random sequences of calls."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest

from tests.contracts.model.channel_machine import ChannelMachine
from tests.contracts.model.channel_system import ChannelSystem, deploy
from tests.contracts.model.machine import LONG, Ground, run
from tests.fixtures.services import start_anvil

ROADS = {"deposit", "depositPool", "claim", "initiateWithdraw", "initiatePoolWithdraw"}
KINDS = 15


@pytest.fixture(scope="module")
def ground(project: Any) -> Iterator[tuple[Ground, ChannelSystem]]:
    """Everything deployed on a chain of its own."""
    chain = start_anvil()
    found = deploy(chain, project)
    yield found
    found[0].node.close()
    chain.close()


@pytest.mark.timeout(0)  # as long as its profile says
def test_payment_channel__does_what_the_model_says(ground):
    deployed, system = ground
    seen = run(lambda: ChannelMachine(deployed, copy.deepcopy(system)), deployed, examples=40, steps=25)
    if LONG:
        return  # it prints what it met, and its length is the caller's choice
    succeeded = {name.removesuffix("WithSignature") for name in seen if " " not in name}
    assert not ROADS - succeeded, "these calls never succeeded, so nothing was compared"
    errors = [name for name in seen if name.startswith("error ")]
    assert min(len(succeeded), len(errors)) >= KINDS, "too little was met to say anything"
