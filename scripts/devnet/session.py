"""The whole stack as a context manager: what `aicp up` runs, and what integration and end-to-end tests use.

    with Devnet(tmp_path, parts=BACKEND) as devnet:
        devnet.restart("worker", signal=SIGKILL)

A start that fails, is cancelled or is interrupted stops everything it had started before the error leaves this module.
`complete` is written after the first whole start; state without it belongs to a first start that died half way and is
thrown away, because a chain and a database that were created at different times do not fit each other.
"""

from __future__ import annotations

import atexit
import contextlib
import shutil
import signal as signals
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from aicp.rules.deployment import Deployment
from scripts.devnet.config import DevnetConfig
from scripts.devnet.errors import AlreadyRunningError, DevnetError
from scripts.devnet.keys import DevAccounts
from scripts.devnet.ports import free_port
from scripts.devnet.preflight import check, check_state_dir
from scripts.devnet.runfile import RunFile, end_orphans
from scripts.devnet.stack import BACKEND, EVERYTHING, Part, Stack
from scripts.devnet.supervisor import Report, Supervisor


class Session:
    """One run of a configuration."""

    def __init__(self, config: DevnetConfig, parts: frozenset[Part] = EVERYTHING, report: Report = print) -> None:
        """Check the machine and take the state directory. Raises DevnetError, AlreadyRunningError."""
        self.config = config
        self._report = report
        check_state_dir(config.state_dir)
        self._runfile = RunFile(config.state_dir)
        if not self._runfile.acquire():
            raise AlreadyRunningError(f"AICP is already running in {config.state_dir}.")
        try:
            self._end_orphans()
            self._check_state(parts)
            check(config)
            self.supervisor = Supervisor(config.state_dir, report, self._runfile)
        except BaseException:
            self._runfile.release()
            raise
        self.supervisor.url, self.supervisor.port = config.url, config.api_port
        self.stack = Stack(config, self.supervisor, parts)
        atexit.register(self.close)

    def start(self) -> None:
        """Start everything; on any error stop what was started, then raise."""
        try:
            self.stack.start()
            self.stack.write_environment()
            (self.config.state_dir / "complete").touch()
            self.supervisor.watch()
            self.stack.start_jurors()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Stop everything in reverse order and free the state directory. Safe to call twice."""
        atexit.unregister(self.close)
        try:
            self.supervisor.close()
        finally:
            (self.config.state_dir / "env").unlink(missing_ok=True)
            self._runfile.release()

    def _end_orphans(self) -> None:
        left = self._runfile.read()
        if left is not None and (ended := end_orphans(left.services)):
            self._report(f"  ended what a killed run had left: {', '.join(ended)}")

    def _check_state(self, parts: frozenset[Part]) -> None:
        folder = self.config.state_dir
        started = {Part.POSTGRES, Part.CHAIN} <= parts
        embedded = started and self.config.database_url is None and not self.config.rpc_urls
        chain, cluster = folder / "chain.json", folder / "cluster.json"
        if not (folder / "complete").exists():
            for path in (chain, cluster):
                path.unlink(missing_ok=True)
            shutil.rmtree(folder / "deployments", ignore_errors=True)
        elif embedded and chain.exists() != cluster.exists():
            missing = cluster if chain.exists() else chain
            raise DevnetError(f"{missing} is missing, so chain and database no longer fit; run `make clean` first.")


class Devnet:
    """The stack on free ports, for tests. Everything of it lives in `state_dir`."""

    def __init__(
        self,
        state_dir: Path,
        *,
        parts: frozenset[Part] = BACKEND,
        report: Report | None = None,
        config: DevnetConfig | None = None,
    ) -> None:
        self.config = config or DevnetConfig(
            state_dir=state_dir, api_port=free_port(), rpc_port=free_port(), durable=False
        )
        self._parts = parts
        self._report = report or (lambda _: None)
        self._session: Session | None = None

    def __enter__(self) -> Self:
        self._session = Session(self.config, self._parts, self._report)
        self._session.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._session is not None:
            self._session.close()
            self._session = None

    @property
    def session(self) -> Session:
        """The running session. Raises RuntimeError outside the `with` block."""
        if self._session is None:
            raise RuntimeError("the devnet is not running")
        return self._session

    @property
    def url(self) -> str:
        """The API and the pages."""
        return self.config.url

    @property
    def chain_id(self) -> int:
        """The chain everything runs on."""
        return self.config.chain_id

    @property
    def rpc_url(self) -> str:
        """The first RPC of the chain."""
        return self.session.stack.urls.rpc[0]

    @property
    def database_url(self) -> str:
        """PostgreSQL as the service's role; `postgresql://` without a driver."""
        return self.session.stack.urls.database

    @property
    def indexer_database_url(self) -> str:
        """PostgreSQL as the indexer's role."""
        return self.session.stack.urls.indexer_database

    @property
    def redis_url(self) -> str:
        """The broker."""
        return self.session.stack.urls.redis

    @property
    def accounts(self) -> DevAccounts:
        """The funded development accounts and their keys."""
        return self.session.stack.accounts

    @property
    def environment(self) -> Mapping[str, str]:
        """The settings every service got."""
        return self.session.stack.environment()

    @property
    def deployment(self) -> Mapping[str, Any]:
        """The deployment file: `["contracts"]["escrow"]` is an address in EIP-55."""
        return Deployment.load(self.session.stack.deployment_path).to_json()

    def restart(self, name: str, signal: signals.Signals = signals.SIGTERM) -> None:
        """End a service with a signal and wait until it is ready again."""
        self.session.supervisor.restart(name, signal)

    def stop(self, name: str, signal: signals.Signals | None = None) -> None:
        """Stop a service and leave it stopped."""
        self.session.supervisor.stop(name, signal)

    def resume(self, name: str) -> None:
        """Start a stopped service again."""
        self.session.supervisor.resume(name)

    def pid(self, name: str) -> int:
        """Return the process id of a service, for a test that kills it itself."""
        return self.session.supervisor.process(name).pid

    def log(self, name: str) -> str:
        """Return everything a service has written."""
        with contextlib.suppress(FileNotFoundError):
            return (self.config.state_dir / "logs" / f"{name}.log").read_text(encoding="utf-8", errors="replace")
        return ""
