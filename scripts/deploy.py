"""Deploy the contracts with Ape.

    ape run deploy --network ethereum:local:foundry
    ape run deploy --network polygon:amoy:node --chain 80002 --account my-account

Accounts of the deployment come from AICP_ADMIN, AICP_GUARDIAN, AICP_FEE_RECIPIENT and AICP_OPERATORS; on the local
chain (31337) they default to the public test accounts. On a public network the contracts belong to a timelock of 48
hours: AICP_ADMIN proposes to it, AICP_EXECUTORS (AICP_ADMIN if not set) execute. The result is
`deployments/<chain id>.json`, with the same addresses as `make up` gets on the same chain with the same accounts.
"""

from __future__ import annotations

import os
from pathlib import Path

import click
from ape import accounts, networks
from ape.api import AccountAPI
from ape.cli import ConnectedProviderCommand, network_option
from ape.exceptions import ApeException

from aicp.rules.primitives import checksum
from scripts.deployment.chain import Web3Reads
from scripts.deployment.config import LOCAL_CHAIN_ID, config_from
from scripts.deployment.deploy import deploy
from scripts.deployment.errors import DeploymentError, NodeError

ROOT = Path(__file__).resolve().parents[1]


class ApeChain(Web3Reads):
    """A node Ape is connected to, and an account Ape holds."""

    def __init__(self, account: AccountAPI) -> None:
        super().__init__(networks.active_provider.web3)
        self._account = account

    def send(self, to: bytes, data: bytes, value: int = 0) -> int:
        transaction = networks.active_provider.network.ecosystem.create_transaction(
            sender=self._account.address, receiver=checksum(to), data=data, value=value
        )
        return int(self._guard("transaction", lambda: self._receipt(transaction)))

    def _receipt(self, transaction: object) -> int:
        try:
            receipt = self._account.call(transaction)
        except ApeException as error:
            raise NodeError(f"The transaction was not accepted: {error}") from error
        if receipt.failed:
            raise NodeError(f"The transaction {receipt.txn_hash} was mined and reverted.")
        return int(receipt.block_number)


@click.command(cls=ConnectedProviderCommand)
@network_option()
@click.option("--account", help="Alias of the Ape account that pays; a test account on the local chain.")
@click.option("--chain", "chain_id", type=int, help="Chain id you mean to deploy to; the local one if not given.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), default=ROOT / "deployments")
def cli(account: str | None, chain_id: int | None, out: Path) -> None:
    """Deploy the contracts, or say that they are there."""
    expected = LOCAL_CHAIN_ID if chain_id is None else chain_id
    try:
        config = config_from(os.environ, expected)
        if account is None and expected != LOCAL_CHAIN_ID:
            raise click.UsageError("Name the account that pays with --account.")
        payer = accounts.test_accounts[0] if account is None else accounts.load(account)
        deployment = deploy(ApeChain(payer), expected, config, out, click.echo)
    except DeploymentError as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"chain {deployment.chain_id}, block {deployment.deploy_block}, {out / f'{expected}.json'}")
    names = ("usdc", "escrow", "payment_channel", "reputation", "erc3009_collector", "permit2_collector", "arbiter")
    for name in (*names, "admin"):
        click.echo(f"{name:18} {checksum(getattr(deployment, name))}")
