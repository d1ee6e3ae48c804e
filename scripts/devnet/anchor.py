"""Who anchors scores on the local chain: its first relayer, named by the admin."""

from __future__ import annotations

from aicp.abi import reputation
from aicp.rules.deployment import Deployment
from aicp.rules.primitives import ZERO_ADDRESS, parse_address
from scripts.deployment.chain import Web3Chain
from scripts.devnet.keys import DevAccounts


def name_anchorer(rpc_url: str, deployment: Deployment, accounts: DevAccounts) -> bool:
    """Name the first relayer where nobody is named; return whether that was needed.

    Raises NodeError when the chain does not take the transaction.
    """
    chain = Web3Chain(rpc_url, accounts.guardian.key)
    found = chain.call(deployment.reputation, reputation.encode_anchorer())
    if reputation.decode_anchorer_result(found) != ZERO_ADDRESS:
        return False
    relayer = parse_address(accounts.relayers[0].address)
    chain.send(deployment.reputation, reputation.encode_set_anchorer(relayer))
    return True
