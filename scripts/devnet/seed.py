"""Test USDC for the demo wallets, from the faucet of the local chain's token."""

from __future__ import annotations

from typing import Final

from aicp.abi import usdc
from aicp.rules.deployment import Deployment
from aicp.rules.primitives import parse_address
from scripts.deployment.chain import Web3Chain
from scripts.devnet.keys import DevAccount, DevAccounts

BUYER_UNITS: Final = 1_000_000_000
AGENT_UNITS: Final = 200_000_000
"""Base units each wallet starts with; an agent needs them for its stake."""


def fund_wallets(rpc_url: str, deployment: Deployment, accounts: DevAccounts) -> int:
    """Give buyer and demo agents what they lack of their start; return how many wallets got something.

    Raises NodeError when the chain does not take a transaction.
    """
    chain = Web3Chain(rpc_url, accounts.deployer.key)
    wanted = ((accounts.buyer, BUYER_UNITS), (accounts.tabula, AGENT_UNITS), (accounts.lexis, AGENT_UNITS))
    return sum(_fund(chain, deployment.usdc, account, units) for account, units in wanted)


def _fund(chain: Web3Chain, token: bytes, account: DevAccount, units: int) -> bool:
    """A wallet that spent a little is left alone; it is filled up below a tenth of its start."""
    address = parse_address(account.address)
    held = usdc.decode_balance_of_result(chain.call(token, usdc.encode_balance_of(address)))
    if held >= units // 10:
        return False
    chain.send(token, usdc.encode_faucet(address, units - held))
    return True
