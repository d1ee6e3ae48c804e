"""What the indexer takes from a deployment."""

from __future__ import annotations

import dataclasses

import msgspec
import pytest

from aicp.abi.arbiter import ArbiterConfig
from aicp.rules.deployment import Bounds, Deployment, DeploymentFileError
from indexer.settings import contracts_of_deployment, deployment_digest

BOUNDS = Bounds(**{field.name: 1 for field in dataclasses.fields(Bounds)})
CONFIG = ArbiterConfig(
    **{f.name: b"\x0a" * 20 if f.type is bytes else 7 for f in msgspec.structs.fields(ArbiterConfig)}
)
WITHOUT = Deployment(
    chain_id=31337, usdc=b"\1" * 20, escrow=b"\2" * 20, payment_channel=b"\3" * 20, reputation=b"\4" * 20,
    erc3009_collector=bytes(20), arbiter=bytes(20), deploy_block=1, token_name="", token_version="", fee_bps=0,
    fee_recipient=bytes(20), admin=bytes(20), guardian=bytes(20), bounds=BOUNDS, operators=(), constructor_arguments={},
)  # fmt: skip


def test_the_arbiter_is_taken_where_there_is_one() -> None:
    assert contracts_of_deployment(WITHOUT).addresses == (b"\2" * 20, b"\3" * 20, b"\4" * 20)
    made = {"DisputeArbiter": CONFIG.encode()}
    contracts = contracts_of_deployment(dataclasses.replace(WITHOUT, arbiter=b"\5" * 20, constructor_arguments=made))
    assert contracts.addresses[-1] == b"\5" * 20
    assert contracts.arbiter is not None
    assert (contracts.arbiter.fee_per_seat, contracts.arbiter.stake_per_seat) == (7, 7)
    assert contracts.arbiter.sink == b"\x0a" * 20
    assert deployment_digest(contracts) != deployment_digest(contracts_of_deployment(WITHOUT))


@pytest.mark.parametrize("made", [{}, {"DisputeArbiter": b"\1" * 31}], ids=["missing", "malformed"])
def test_an_arbiter_without_its_terms_is_refused(made: dict[str, bytes]) -> None:
    with pytest.raises(DeploymentFileError, match="constructor arguments"):
        contracts_of_deployment(dataclasses.replace(WITHOUT, arbiter=b"\5" * 20, constructor_arguments=made))
