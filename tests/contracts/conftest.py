"""One deployment for all contract tests."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from ape.contracts import ContractContainer
from ape_ethereum.trace import Trace
from ethpm_types import ContractType

from scripts.gen_abi import union_abi
from tests.contracts.court import Court, open_court
from tests.contracts.spared import spare
from tests.contracts.world import USDC, ZERO, World

spare()


def with_extension(project: Any) -> ContractContainer:
    """Escrow with the functions of its second code body, as callers see it at its address."""
    main, extension = project.Escrow.contract_type, project.EscrowExtension.contract_type
    document = main.model_dump(mode="json", by_alias=True)
    document["abi"] = union_abi(document["abi"], extension.model_dump(mode="json", by_alias=True)["abi"])
    return ContractContainer(ContractType.model_validate(document))


@pytest.fixture(scope="session", autouse=True)
def quiet_reverts(pytestconfig: Any) -> Iterator[None]:
    """Ape draws the call tree of every revert, which takes longer than the call; with `-s` it still does."""
    with pytest.MonkeyPatch.context() as patch:
        if pytestconfig.getoption("capture") != "no":
            patch.setattr(Trace, "show", lambda *_, **__: None)
        yield


@pytest.fixture(scope="session")
def world(accounts: Any, project: Any, chain: Any) -> World:
    """Deploy everything, fund the wallets, give the agent a stake."""
    owner, guardian, treasury, client, provider, verifier, operator, session, stranger = accounts[:9]
    usdc = owner.deploy(project.MockUSDC, owner)
    bounds = (60, 14 * 86400, 7 * 86400, 180 * 86400, 180 * 86400, 14 * 86400)
    config = (usdc, owner, guardian, treasury, 250, 500, *bounds)
    extension = owner.deploy(project.EscrowExtension, config)
    escrow = owner.deploy(with_extension(project), config, extension)
    reputation = project.Reputation.at(escrow.reputation())
    channel = owner.deploy(project.PaymentChannel, usdc, guardian, ZERO, ZERO)
    collector = project.ERC3009DepositCollector.at(channel.erc3009Collector())
    for account in (client, provider):
        usdc.faucet(account, 10_000 * USDC, sender=account)
        for spender in (escrow, reputation, channel):
            usdc.approve(spender, 2**256 - 1, sender=account)
    reputation.stake(1_000 * USDC, sender=provider)
    return World(
        *(chain, usdc, escrow, reputation, channel, collector),
        *(owner, guardian, treasury, client, provider, verifier, operator, session, stranger),
    )


@pytest.fixture(scope="module")
def court(world: World, accounts: Any, project: Any) -> Court:
    """An arbiter with five jurors."""
    return open_court(world, accounts, project)
