"""Settings of the indexer, from the environment, and what it needs of a deployment."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict
from sqlalchemy import URL, make_url

from aicp.abi.arbiter import ArbiterConfig
from aicp.abi.runtime import AbiError, Domain
from aicp.rules.deployment import Deployment, DeploymentFileError
from aicp.rules.primitives import ZERO_ADDRESS, keccak
from indexer.core.context import ArbiterTerms, Contracts


class Settings(BaseSettings):
    """`AICP_INDEXER_DATABASE_URL`, `AICP_RPC_URLS` (comma separated), `AICP_CHAIN_ID`, `AICP_DEPLOYMENT` (a file).

    With `AICP_WS_URL` new blocks are announced and not asked for. `AICP_WHOLE_RANGES=false` reads a long history of a
    public chain without the header and receipts of each block; see `indexer.chain.node`. `AICP_READ_BESIDE=false` reads
    ahead in a thread, not in a process beside this one; see `indexer.beside`.
    """

    model_config = SettingsConfigDict(env_prefix="AICP_")

    indexer_database_url: str
    rpc_urls: str
    chain_id: int
    deployment: Path
    ws_url: str | None = None
    poll_seconds: float = Field(default=0.05, gt=0)
    range_blocks: int = Field(default=2_000, gt=0)
    range_logs: int = Field(default=7_500, gt=0)
    whole_ranges: bool = True
    finality_alarm_seconds: float = Field(default=1_200.0, gt=0)
    read_beside: bool = True
    rpc_timeout_seconds: float = Field(default=15.0, gt=0)

    @property
    def urls(self) -> list[str]:
        """The RPC URLS, in order of preference."""
        return [url.strip() for url in self.rpc_urls.split(",") if url.strip()]

    @property
    def database(self) -> URL:
        """The database with the driver we use."""
        return psycopg_url(self.indexer_database_url)


def psycopg_url(url: str) -> URL:
    """Return a PostgreSQL URL with the synchronous driver, whatever driver it named."""
    return make_url(url).set(drivername="postgresql+psycopg")


def contracts_of(
    chain_id: int, escrow: bytes, payment_channel: bytes, reputation: bytes, arbiter: ArbiterTerms | None = None
) -> Contracts:
    """Return the reducer's context of these contracts."""
    domain = Domain("x402 Batch Settlement", "1", chain_id, payment_channel)
    return Contracts(
        escrow=escrow, payment_channel=payment_channel, reputation=reputation, channel_domain=domain, arbiter=arbiter
    )


def contracts_of_deployment(deployment: Deployment) -> Contracts:
    """Return the reducer's context of a deployment. Raises DeploymentFileError for an arbiter without terms."""
    addresses = (deployment.escrow, deployment.payment_channel, deployment.reputation)
    if deployment.arbiter == ZERO_ADDRESS:
        return contracts_of(deployment.chain_id, *addresses)
    try:
        config = ArbiterConfig.read(deployment.constructor_arguments["DisputeArbiter"])
    except (KeyError, AbiError) as error:
        raise DeploymentFileError("The deployment has an arbiter without its constructor arguments.") from error
    terms = ArbiterTerms(deployment.arbiter, config.fee_per_seat, config.stake_per_seat, config.sink)
    return contracts_of(deployment.chain_id, *addresses, terms)


def deployment_digest(contracts: Contracts) -> bytes:
    """Return the hash that names a set of contracts; a mirror of other ones is refused."""
    return keccak(b"".join(contracts.addresses))
