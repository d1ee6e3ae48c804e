"""The demo jurors of the local chain: they stake test USDC and vote on every dispute by a published rule.

The rule is `aicp.client.juror.by_number`: the last bit of the dispute's number alone decides, even for the buyer, odd
for the agent. It says nothing about who is right; it lets a dispute really end.
Each juror has a key of the public test mnemonic, so this runs on the local chain only.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from pathlib import Path
from typing import Final

from aicp.client import ClientError, Wallet
from aicp.client.chain import Chain, chain_of_deployment
from aicp.client.juror import Juror, by_number
from aicp.rules.deployment import Deployment
from aicp.rules.primitives import checksum
from scripts.deployment.chain import Web3Chain
from scripts.devnet.keys import DevAccounts, dev_accounts

STAKE_UNITS: Final = 100_000_000
"""Base units each juror stakes: enough for ten seats at once."""
GAS_WEI: Final = 10**18
POLL_SECONDS: Final = 2.0
_log = logging.getLogger("aicp.jurors")


async def prepare(juror: Juror, funds: Web3Chain) -> None:
    """Give a juror gas, test USDC and its stake, where it lacks them. Raises ClientError or NodeError."""
    if funds.balance(juror.address) < GAS_WEI // 10:
        await asyncio.to_thread(funds.send, juror.address, b"", GAS_WEI)
    held = await juror.standing()
    missing = STAKE_UNITS - held.free_units - held.locked_units
    if missing <= STAKE_UNITS // 2:  # a little lost is left alone
        return
    await juror.faucet(missing)
    await juror.stake(missing)


async def serve(rpc_url: str, chain: Chain, accounts: DevAccounts, home: Path) -> None:
    """Stake, then vote until cancelled. Raises ClientError or NodeError where the stakes cannot be made."""
    # not the deployer's: tests and scripts send from it, and two senders of one account take each other's nonce
    funds = Web3Chain(rpc_url, accounts.guardian.key)
    jurors = [
        Juror(rpc_url, Wallet.from_key(account.key), chain, home / f"{account.address.lower()}.votes")
        for account in accounts.jurors
    ]
    for juror in jurors:
        await prepare(juror, funds)
    _log.info("ready: %s vote by the dispute's number", ", ".join(checksum(juror.address) for juror in jurors))
    while True:
        for juror in jurors:
            try:
                await juror.step(by_number, _log.info, claims=False)
            except ClientError as error:
                _log.warning("%s", error)
        await asyncio.sleep(POLL_SECONDS)


def main() -> None:
    """Read the settings every service gets, and serve."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)-7s %(message)s", stream=sys.stdout)
    _log.setLevel(logging.INFO)
    deployment = Deployment.load(Path(os.environ["AICP_DEPLOYMENT"]))
    rpc_url = os.environ["AICP_RPC_URLS"].split(",", 1)[0]
    accounts = dev_accounts(deployment.chain_id)
    home = Path(os.environ["AICP_STATE_DIR"]) / "agents" / "jurors"
    try:
        asyncio.run(serve(rpc_url, chain_of_deployment(deployment), accounts, home))
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
