"""What the devnet runs: its folders, ports, and which parts are replaced by a URL of the user."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from scripts.devnet.errors import DevnetError

ROOT = Path(__file__).resolve().parents[2]
LOCAL_CHAIN_ID = 31337
API_PORT = 8000
RPC_PORT = 8545
MAX_PORT = 65_535
VOUCHER_SHARDS = 2
MAX_VOUCHER_SHARDS = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class DevnetConfig:
    """One run. A URL that is None means that the embedded part is started instead."""

    state_dir: Path
    api_port: int = API_PORT
    rpc_port: int = RPC_PORT
    database_url: str | None = None
    indexer_database_url: str | None = None
    redis_url: str | None = None
    rpc_urls: tuple[str, ...] = ()
    chain_id: int = LOCAL_CHAIN_ID
    operator_key: str | None = None
    retired_operator_keys: tuple[str, ...] = ()
    relayer_keys: tuple[str, ...] = ()
    relayer_keystores: tuple[str, ...] = ()
    relayer_service_addresses: tuple[str, ...] = ()
    voucher_shards: int = VOUCHER_SHARDS
    public_url: str | None = None
    demo: bool = True
    frontend: bool = True
    durable: bool = True
    """False lets the embedded database skip fsync: faster, and safe against a killed process but not a power cut."""

    @property
    def has_own_relayers(self) -> bool:
        """Whether somebody else than the public test keys pays the gas."""
        return bool(self.relayer_keys or self.relayer_keystores or self.relayer_service_addresses)

    @property
    def url(self) -> str:
        """Return the address people open."""
        return self.public_url or f"http://localhost:{self.api_port}"


def config_from_environment(environ: Mapping[str, str], *, state_dir: Path, port: int, demo: bool) -> DevnetConfig:
    """Read what replaces embedded parts and public keys. Raises DevnetError for contradictions and wrong numbers."""
    rpc_urls = _list(environ, "RPC_URLS")
    chain_id = _integer(environ, "CHAIN_ID", LOCAL_CHAIN_ID)
    if chain_id != LOCAL_CHAIN_ID and not rpc_urls:
        raise DevnetError(f"CHAIN_ID is {chain_id} but RPC_URLS is not set; name at least one RPC of that chain.")
    return DevnetConfig(
        state_dir=state_dir,
        api_port=port,
        rpc_port=port_of(environ.get("RPC_PORT") or str(RPC_PORT), "RPC_PORT"),
        database_url=_text(environ, "DATABASE_URL"),
        indexer_database_url=_text(environ, "INDEXER_DATABASE_URL"),
        redis_url=_text(environ, "REDIS_URL"),
        rpc_urls=rpc_urls,
        chain_id=chain_id,
        operator_key=_text(environ, "AICP_OPERATOR_KEY"),
        retired_operator_keys=_list(environ, "AICP_RETIRED_OPERATOR_KEYS"),
        relayer_keys=_list(environ, "AICP_RELAYER_KEYS"),
        relayer_keystores=_list(environ, "AICP_RELAYER_KEYSTORES"),
        relayer_service_addresses=_list(environ, "AICP_RELAYER_SERVICE_ADDRESSES"),
        voucher_shards=_voucher_shards(environ),
        public_url=_text(environ, "AICP_PUBLIC_URL"),
        demo=demo and chain_id == LOCAL_CHAIN_ID,
    )


def _text(environ: Mapping[str, str], name: str) -> str | None:
    return environ.get(name) or None


def _list(environ: Mapping[str, str], name: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in environ.get(name, "").split(",") if part.strip())


def _integer(environ: Mapping[str, str], name: str, default: int) -> int:
    text = _text(environ, name)
    if text is None:
        return default
    if not text.isdigit():
        raise DevnetError(f"{name} must be a whole number and is {text!r}.")
    return int(text)


def _voucher_shards(environ: Mapping[str, str]) -> int:
    shards = _integer(environ, "AICP_VOUCHER_SHARDS", VOUCHER_SHARDS)
    if not 1 <= shards <= MAX_VOUCHER_SHARDS:
        raise DevnetError(f"AICP_VOUCHER_SHARDS must be from 1 to {MAX_VOUCHER_SHARDS} and is {shards}.")
    return shards


def port_of(text: str, name: str) -> int:
    """Return a TCP port. Raises DevnetError, naming the setting, when the text is none."""
    if text.isascii() and text.isdigit() and 1 <= int(text) <= MAX_PORT:
        return int(text)
    raise DevnetError(f"{name} must be a whole number from 1 to {MAX_PORT} and is {text!r}.")


def place_of(url: str) -> str:
    """Return host and port of a URL for a message: paths and passwords may hold secrets."""
    parts = urlsplit(url)
    return f"{parts.hostname or 'localhost'}:{parts.port}" if parts.port else parts.hostname or "localhost"
