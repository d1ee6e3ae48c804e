"""What the service is told from outside. Every name is an environment variable with the prefix `AICP_`."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AliasChoices, Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict


def _split(value: object) -> object:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


class Settings(BaseSettings):
    """Settings of the API and the workers. Keys and URLs may also come from files through the usual dotenv."""

    model_config = SettingsConfigDict(env_prefix="AICP_", env_file=".env", extra="ignore")

    database_url: str
    redis_url: str
    """Holds the counters of the limits; nothing that may not be lost."""
    broker_url: str = ""
    """Redis for the workers' messages; the next database of `redis_url` where empty."""
    broker_visibility_seconds: int = 900
    """After so long a message somebody took and did not finish is given to another; longer than any round may last."""
    rpc_urls: Annotated[list[str], NoDecode]
    chain_id: int
    deployment: Path
    """The `deployments/<chainId>.json` that names the contracts and the operators."""

    operator_key: SecretStr
    """Signs bid receipts, awards and claim batches; cannot move money by itself."""
    retired_operator_keys: Annotated[list[SecretStr], NoDecode] = Field(default_factory=list)
    """Further operator keys. The deployment says until when each serves; past that it only signs receipts and claims
    of the pools that name it. A key the deployment does not list never takes anything new."""
    relayer_keys: Annotated[list[SecretStr], NoDecode] = Field(default_factory=list)
    """Send transactions and pay gas; hold no rights in any contract. Here, in files, or behind a service."""
    relayer_keystores: Annotated[list[Path], NoDecode] = Field(default_factory=list)
    """Encrypted key files (Web3 Secret Storage), all of one password."""
    relayer_keystore_password: SecretStr = SecretStr("")
    relayer_service_addresses: Annotated[list[str], NoDecode] = Field(default_factory=list)
    """Addresses whose keys the signing service holds."""
    signing_service_url: str = ""
    signing_service_token: SecretStr = SecretStr("")
    signing_service_timeout_seconds: float = 5.0
    operators: Annotated[list[str], NoDecode] = Field(default_factory=list)
    """Addresses with the operator role in the API (operations pages, suspension)."""

    files_dir: Path = Path(".aicp/files")
    frontend_dist: Path = Path("frontend/dist")
    host: str = "127.0.0.1"
    port: int = 8000
    voucher_port: int = 8010
    """The port of the first shard that takes vouchers; the others follow."""
    voucher_shards: int = Field(default=2, ge=1, le=64)
    """Processes that take vouchers; a pool's first byte modulo this number is its shard."""
    voucher_urls: Annotated[list[str], NoDecode] = Field(default_factory=list)
    """Where clients reach the shards, in their order; empty where only the API takes vouchers."""
    public_url: str = "http://localhost:8000"
    public_rpc_url: str | None = Field(
        default=None, validation_alias=AliasChoices("AICP_PUBLIC_RPC_URL", "public_rpc_url")
    )
    """The RPC a buyer's wallet is offered; the first of `rpc_urls` where unset."""
    allowed_origins: Annotated[list[str], NoDecode] = Field(default_factory=list)
    """Origins besides `public_url` that unsafe requests and WebSockets may come from."""

    session_seconds: int = 12 * 3600
    bearer_seconds: int = 3600
    siwe_nonce_seconds: int = 300
    writes_per_minute: int = 60
    reads_per_minute: int = 600
    anonymous_per_minute: int = 20
    siwe_nonces_per_minute: int = 10
    anonymous_reads_per_minute: int = 600
    anonymous_sockets: int = 2_000
    """WebSockets without a ticket that one process holds open, and how many of them one IP may have."""
    anonymous_sockets_per_ip: int = 50
    sockets_per_account: int = 20
    """WebSockets of one account that one process holds open."""
    max_body_bytes: int = 1 << 20
    max_upload_bytes: int = 25 << 20
    max_files_per_task: int = 20
    max_bytes_per_address: int = 1 << 30
    relayed_gas_per_day: int = 5_000_000
    """Gas units an address may have relayed in a day; past it the answer is 429 with "send it yourself"."""
    min_deposit_units: int = 100_000
    """Base units of USDC a relayed deposit into a pool has at least; less is not worth the gas it takes."""
    facilitated_gas_per_day: int = 200_000_000
    """Gas units the facilitator relays in a day for all who are no users of this service together, and as much again
    for payments at agents' endpoints. Addresses cost nothing, so a limit for each of them alone would be none."""
    session_key_units_per_day: int = 50_000_000
    """Base units of USDC one session key may order in a UTC day, so that a stolen one costs no more than that."""
    newcomer_share_bps: int = Field(default=1_000, ge=0, le=10_000)
    """The least share of assignments, of those a newcomer would do for, that newcomers get, in basis points."""
    buyer_places: int = Field(default=5, ge=1)
    """So many offers and unpaid deals one buyer who leaves the choice to the scheduler has at once; one fewer for each
    deal he left unpaid in the last 24 hours, and one at least."""
    gateway_timeout_seconds: float = 30.0
    """How long an agent may take for a paid request at the x402 gateway."""
    gateway_wait_seconds: float = 25.0
    """How long a paid request waits for its deposit or transfer, or for another one of its channel."""
    gateway_max_bytes: int = 1 << 20
    gateway_local_upstreams: bool = False
    """Whether agents' URLs and webhooks may name this machine, and webhooks be http: for a devnet only."""
    smtp_host: str = ""
    """Whose mail server takes notifications for people's mailboxes; no mail is sent where empty."""
    smtp_port: int = 587
    smtp_security: Literal["starttls", "tls", "none"] = "starttls"
    """`none` is for a server on this machine."""
    smtp_user: str = ""
    smtp_password: SecretStr = SecretStr("")
    smtp_from: str = "AICP <no-reply@localhost>"
    smtp_timeout_seconds: float = 10.0
    rpc_timeout_seconds: float = 10.0
    sweep_seconds: float = 1.0

    @field_validator(
        "rpc_urls", "retired_operator_keys", "relayer_keys", "relayer_keystores", "relayer_service_addresses",
        "operators", "allowed_origins", "voucher_urls", mode="before",
    )  # fmt: skip
    @classmethod
    def _comma_separated(cls, value: object) -> object:
        return _split(value)


@cache
def settings() -> Settings:
    """Return the process-wide settings. Raises pydantic's ValidationError when one is missing."""
    return Settings()
