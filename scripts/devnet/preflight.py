"""Everything that can be known to be wrong before anything is started."""

from __future__ import annotations

import errno
import socket
import tempfile
from pathlib import Path

import psutil
import psycopg
import redis

from scripts.devnet.config import LOCAL_CHAIN_ID, DevnetConfig, place_of
from scripts.devnet.errors import DevnetError
from scripts.devnet.probes import rpc_call


def check_state_dir(folder: Path) -> None:
    """Raise DevnetError unless files can be written in the folder (made when missing)."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise DevnetError(f"No permission to write in {folder} ({error.strerror}).") from error


def check(config: DevnetConfig) -> None:
    """Raise DevnetError with the first thing that would stop this run."""
    check_keys(config)
    check_port(config.api_port, "the web page", "choose another with `make up PORT=8001`")
    if not config.rpc_urls:
        check_port(config.rpc_port, "the local chain", "choose another with RPC_PORT=8546, or set RPC_URLS to use it")
    for url in config.rpc_urls:
        check_rpc(url, config.chain_id)
    for database in (config.database_url, config.indexer_database_url):
        if database is not None:
            check_database(database)
    if config.redis_url is not None:
        check_redis(config.redis_url)


def check_keys(config: DevnetConfig) -> None:
    """Raise DevnetError on a chain that is not the local one when the service has no keys of its own."""
    if config.chain_id != LOCAL_CHAIN_ID and not (config.operator_key and config.has_own_relayers):
        raise DevnetError(
            f"Chain {config.chain_id} needs AICP_OPERATOR_KEY and one of AICP_RELAYER_KEYS, AICP_RELAYER_KEYSTORES and "
            f"AICP_RELAYER_SERVICE_ADDRESSES: "
            f"the public development keys are refused outside chain {LOCAL_CHAIN_ID}."
        )


def check_port(port: int, purpose: str, remedy: str) -> None:
    """Raise DevnetError when somebody listens on the port, naming who."""
    for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        try:
            with socket.socket(family, socket.SOCK_STREAM) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind((host, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise DevnetError(f"Port {port} for {purpose} is taken{_owner_of(port)}; {remedy}.") from error
            if error.errno == errno.EACCES:
                raise DevnetError(f"Port {port} for {purpose} needs more permission; {remedy}.") from error


def _owner_of(port: int) -> str:
    try:
        for connection in psutil.net_connections("tcp"):
            listening = connection.status == psutil.CONN_LISTEN and connection.laddr.port == port
            if listening and connection.pid is not None:
                return f" by {psutil.Process(connection.pid).name()} (process {connection.pid})"
    except psutil.Error:
        return ""
    return ""


def check_rpc(url: str, chain_id: int) -> None:
    """Raise DevnetError unless the RPC answers and serves this chain."""
    try:
        answer = rpc_call(url, "eth_chainId")
    except OSError as error:
        reason = getattr(error, "reason", error)
        raise DevnetError(f"The RPC at {place_of(url)} (RPC_URLS) does not answer: {reason}.") from error
    except ValueError as error:
        raise DevnetError(f"The RPC at {place_of(url)} (RPC_URLS) does not speak JSON-RPC: {error}.") from error
    found = int(str(answer), 16)
    if found != chain_id:
        raise DevnetError(f"The RPC at {place_of(url)} serves chain {found}, but CHAIN_ID is {chain_id}.")


def check_database(url: str) -> None:
    """Raise DevnetError unless PostgreSQL accepts a connection within five seconds."""
    try:
        psycopg.connect(plain_database_url(url), connect_timeout=5).close()
    except psycopg.Error as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise DevnetError(f"PostgreSQL at {place_of(url)} (DATABASE_URL) is not reachable: {reason}.") from error


def check_redis(url: str) -> None:
    """Raise DevnetError unless Redis answers a PING within five seconds."""
    try:
        client = redis.Redis.from_url(url, socket_connect_timeout=5, socket_timeout=5)
        client.ping()
        client.close()
    except (redis.RedisError, ValueError, OSError) as error:
        raise DevnetError(f"Redis at {place_of(url)} (REDIS_URL) is not reachable: {error}.") from error


def plain_database_url(url: str) -> str:
    """Return a database URL without SQLAlchemy's driver suffix, as libpq wants it."""
    scheme, separator, rest = url.partition("://")
    return f"{scheme.split('+')[0]}{separator}{rest}"
