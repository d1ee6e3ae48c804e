"""What is started, in which order, and what each service is told.

PostgreSQL, Redis and the chain come first (or are replaced by URLs), then the contracts and the tables, then the
indexer, the worker and the API, and last the demo. Every step can be repeated: contracts that are deployed stay, tables
that are migrated stay, wallets that hold test USDC get none.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cached_property
from pathlib import Path

from aicp.rules.deployment import Deployment
from scripts.deployment.api import ensure_deployment
from scripts.deployment.errors import DeploymentError
from scripts.devnet import frontend
from scripts.devnet.anchor import name_anchorer
from scripts.devnet.config import LOCAL_CHAIN_ID, ROOT, DevnetConfig
from scripts.devnet.embedded import chain_service, redis_service
from scripts.devnet.errors import DevnetError
from scripts.devnet.keys import DevAccount, DevAccounts, dev_accounts
from scripts.devnet.ports import free_port
from scripts.devnet.postgres import ensure_cluster, ensure_database, postgres_service
from scripts.devnet.probes import http_ok, log_says
from scripts.devnet.process import Service
from scripts.devnet.seed import fund_wallets
from scripts.devnet.supervisor import Supervisor


class Part(StrEnum):
    """A piece of the stack that a test may leave out."""

    POSTGRES = "postgres"
    REDIS = "redis"
    CHAIN = "chain"
    CONTRACTS = "contracts"
    WALLETS = "wallets"
    TABLES = "tables"
    INDEXER = "indexer"
    WORKER = "worker"
    API = "api"
    VOUCHERS = "vouchers"
    FRONTEND = "frontend"
    DEMO = "demo"
    JURORS = "jurors"


MIGRATE = "import os; from backend.db.migrate import upgrade; upgrade(os.environ['AICP_DATABASE_URL'])"

CHAIN_LEFT = 4
"""The indexer's exit code when the chain has left its finalised block."""
LOST_BLOCKS = (
    "The local chain was killed and has lost its last seconds, so it no longer fits the database; "
    "run `make clean`, then `make up`."
)

EVERYTHING = frozenset(Part)
BACKEND = EVERYTHING - {Part.FRONTEND, Part.DEMO, Part.JURORS}


@dataclass(slots=True)
class Urls:
    """Where the started (or replaced) parts are."""

    database: str = ""
    indexer_database: str = ""
    redis: str = ""
    rpc: tuple[str, ...] = ()


class Stack:
    """Starts the parts of one configuration under a supervisor."""

    def __init__(self, config: DevnetConfig, supervisor: Supervisor, parts: frozenset[Part]) -> None:
        self.config = config
        self.urls = Urls()
        self._supervisor = supervisor
        self._parts = parts

    @cached_property
    def accounts(self) -> DevAccounts:
        """The development accounts. Raises DevnetError on any chain but the local one."""
        return dev_accounts(self.config.chain_id)

    @property
    def deployment_path(self) -> Path:
        """Where the addresses of this chain's contracts are."""
        folder = self.config.state_dir if self.config.chain_id == LOCAL_CHAIN_ID else ROOT
        return folder / "deployments" / f"{self.config.chain_id}.json"

    def start(self) -> None:
        """Start every part. Raises DevnetError; what was started until then is the supervisor's to stop."""
        self._start_storage()
        self._start_chain()
        if Part.CONTRACTS in self._parts:
            self._ensure_contracts()
        if Part.WALLETS in self._parts and self.config.chain_id == LOCAL_CHAIN_ID:
            self._fund_wallets()
        if Part.TABLES in self._parts:
            self._migrate()
        if Part.FRONTEND in self._parts and self.config.frontend:
            self._build_pages()
        self._start_services()
        if Part.DEMO in self._parts and self.config.demo:
            self._start_demo()

    def start_jurors(self) -> None:
        """Start the demo jurors, after everything a person waits for: no dispute needs them at once."""
        if Part.JURORS in self._parts and self.config.demo:
            self._supervisor.launch(
                Service(
                    name="jurors",
                    label="demo jurors",
                    command=(sys.executable, "-m", "scripts.devnet.jurors"),
                    env=self.environment(),
                    ready=log_says(b"ready"),
                    cwd=ROOT,
                )
            )

    def environment(self) -> dict[str, str]:
        """Return the settings of every service, as environment variables."""
        config = self.config
        operator_key = config.operator_key or self.accounts.operator.key
        relayer_keys = config.relayer_keys
        if not config.has_own_relayers:
            relayer_keys = tuple(relayer.key for relayer in self.accounts.relayers)
        return {
            "AICP_DATABASE_URL": self.urls.database,
            "AICP_INDEXER_DATABASE_URL": self.urls.indexer_database,
            "AICP_REDIS_URL": self.urls.redis,
            "AICP_RPC_URLS": ",".join(self.urls.rpc),
            "AICP_CHAIN_ID": str(config.chain_id),
            "AICP_DEPLOYMENT": str(self.deployment_path),
            "AICP_OPERATOR_KEY": operator_key,
            "AICP_RETIRED_OPERATOR_KEYS": ",".join(config.retired_operator_keys),
            "AICP_RELAYER_KEYS": ",".join(relayer_keys),
            "AICP_STATE_DIR": str(config.state_dir),
            "AICP_PORT": str(config.api_port),
            "AICP_PUBLIC_URL": config.url,
            "AICP_VOUCHER_PORT": str(self.voucher_port),
            "AICP_VOUCHER_SHARDS": str(config.voucher_shards),
            "AICP_VOUCHER_URLS": ",".join(self.voucher_urls),
            "AICP_FILES_DIR": str(config.state_dir / "files"),
            "AICP_FRONTEND_DIST": str(frontend.DIST),
            "PYTHONUNBUFFERED": "1",
        }

    def write_environment(self) -> None:
        """Keep the settings where commands in another terminal find them (mode 0600: it holds keys)."""
        path = self.config.state_dir / "env"
        lines = [
            f"{name}={shlex.quote(value)}\n" for name, value in self.environment().items() if name.startswith("AICP_")
        ]
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.writelines(lines)

    def _start_storage(self) -> None:
        services: list[Service] = []
        config, supervisor = self.config, self._supervisor
        if config.database_url is not None:
            self.urls.database = config.database_url
            self.urls.indexer_database = config.indexer_database_url or config.database_url
        elif Part.POSTGRES in self._parts:
            with supervisor.step("PostgreSQL data"):
                cluster = ensure_cluster(config.state_dir, free_port())
            supervisor.start(postgres_service(cluster, durable=config.durable))
            ensure_database(cluster)
            self.urls.database, self.urls.indexer_database = cluster.url("aicp_app"), cluster.url("aicp_indexer")
        if config.redis_url is not None:
            self.urls.redis = config.redis_url
        elif Part.REDIS in self._parts:
            port = free_port()
            services.append(redis_service(config.state_dir, port))
            self.urls.redis = f"redis://127.0.0.1:{port}/0"
        supervisor.start(*services)

    def _start_chain(self) -> None:
        if self.config.rpc_urls:
            self.urls.rpc = self.config.rpc_urls
        elif Part.CHAIN in self._parts:
            self._supervisor.start(chain_service(self.config.state_dir, self.config.rpc_port))
            self.urls.rpc = (f"http://127.0.0.1:{self.config.rpc_port}",)

    def _ensure_contracts(self) -> None:
        if self.config.chain_id != LOCAL_CHAIN_ID:
            if not self.deployment_path.exists():
                raise DevnetError(
                    f"There are no contracts of ours on chain {self.config.chain_id} "
                    f"({self.deployment_path} is missing); deploy them with scripts/deploy.py first."
                )
            return
        with self._supervisor.step("contracts"):
            try:
                ensure_deployment(
                    rpc_url=self.urls.rpc[0],
                    chain_id=self.config.chain_id,
                    deployer_key=self.accounts.deployer.key,
                    out_dir=self.deployment_path.parent,
                )
            except DeploymentError as error:
                raise DevnetError(f"The contracts could not be deployed: {error}") from error

    def _fund_wallets(self) -> None:
        with self._supervisor.step("test USDC for the demo wallets"):
            try:
                deployment = Deployment.load(self.deployment_path)
                fund_wallets(self.urls.rpc[0], deployment, self.accounts)
                name_anchorer(self.urls.rpc[0], deployment, self.accounts)
            except DeploymentError as error:
                raise DevnetError(f"The demo wallets could not be given test USDC: {error}") from error

    def _migrate(self) -> None:
        with self._supervisor.step("database tables"):
            self._run_python(MIGRATE, "The database could not be migrated")

    def _build_pages(self) -> None:
        log = self.config.state_dir / "logs" / "frontend.log"
        with self._supervisor.step("pages"):
            frontend.build(log, self._supervisor.cancel.is_set)

    def _start_services(self) -> None:
        services = []
        if Part.INDEXER in self._parts:
            indexer = self._python_service("indexer", "indexer", "indexer")
            services.append(indexer if self.config.rpc_urls else replace(indexer, hopeless={CHAIN_LEFT: LOST_BLOCKS}))
        if Part.WORKER in self._parts:
            services.append(self._python_service("worker", "worker", "backend.worker"))
        if Part.API in self._parts:
            services.append(self._python_service("api", "API and pages", "backend.api"))
        if Part.VOUCHERS in self._parts:
            services.append(self._voucher_service())
        self._supervisor.start(*services)

    @cached_property
    def voucher_port(self) -> int:
        """The port of the first shard, with free ones after it for the others."""
        return free_port(self.config.voucher_shards)

    @property
    def voucher_urls(self) -> list[str]:
        """Where the shards are reached; none where they are not started."""
        if Part.VOUCHERS not in self._parts:
            return []
        return [f"http://127.0.0.1:{self.voucher_port + shard}" for shard in range(self.config.voucher_shards)]

    def _voucher_service(self) -> Service:
        service = self._python_service("vouchers", "voucher shards", "backend.vouchers")
        probes = [http_ok(f"{url}/health") for url in self.voucher_urls]
        return replace(service, ready=lambda process: all(probe(process) for probe in probes))

    def _python_service(self, name: str, label: str, module: str) -> Service:
        ready = http_ok(f"http://127.0.0.1:{self.config.api_port}/health") if name == "api" else log_says(b"ready")
        return Service(
            name=name,
            label=label,
            command=(sys.executable, "-m", module),
            env=self.environment(),
            ready=ready,
            cwd=ROOT,
            detail=self.config.url if name == "api" else "",
        )

    def _start_demo(self) -> None:
        agents = (("tabula", self.accounts.tabula), ("lexis", self.accounts.lexis))
        self._supervisor.start(*(self._demo_agent(name, account) for name, account in agents))

    def _demo_agent(self, name: str, account: DevAccount) -> Service:
        return Service(
            name=name,
            label=f"demo agent {name}",
            command=(sys.executable, "-m", "aicp.cli.main", "agent", "run", "--demo", name, "--url", self.config.url),
            env={"AICP_KEY": account.key, "AICP_HOME": str(self.config.state_dir / "agents" / name)},
            ready=log_says(b"is registered as"),
            cwd=ROOT,
        )

    def _run_python(self, code: str, failure: str) -> None:
        done = subprocess.run(
            [sys.executable, "-c", code],
            cwd=ROOT,
            env={**os.environ, **self.environment()},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            lines = (done.stderr or done.stdout).strip().splitlines() or ["no reason given"]
            raise DevnetError(f"{failure}: {lines[-1]}")
