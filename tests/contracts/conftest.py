"""One deployment for all contract tests."""

from __future__ import annotations

from typing import Any

import pytest

from tests.contracts.world import USDC, ZERO, World


@pytest.fixture(scope="session")
def world(accounts: Any, project: Any, chain: Any) -> World:
    """Deploy everything, fund the wallets, give the agent a stake."""
    owner, guardian, treasury, client, provider, verifier, operator, session, stranger = accounts[:9]
    usdc = owner.deploy(project.MockUSDC, owner)
    bounds = (60, 14 * 86400, 7 * 86400, 180 * 86400, 180 * 86400, 14 * 86400)
    escrow = owner.deploy(project.Escrow, (usdc, owner, guardian, treasury, 250, 500, *bounds))
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
