"""Relayed transactions into anvil: from queued intents to receipts, through the transaction manager as it is.

A worker process simulates, signs, stores, sends and confirms; anvil makes a block every tenth of a second. Every call
is one of ours with its own state: a mint of the test token for a receiver of its own.
"""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import httpx
from pydantic import SecretStr
from sqlalchemy import URL, text
from sqlalchemy.orm import Session

from aicp.abi import usdc
from aicp.abi.signing import address_of
from aicp.rules.primitives import hex0x
from backend.context import Context, load_context
from backend.db import migrate
from backend.settings import Settings
from backend.txm import service as txm
from backend.txm.machine import Machine
from backend.worker.runtime import build_machine, close_machine
from scripts.bench.servers import CHAIN_ID, BenchError, Chain, anvil, database, postgres
from scripts.deployment.api import ensure_deployment
from scripts.devnet.keys import dev_accounts

BLOCK_SECONDS: Final = 0.1
GAS_LIMIT: Final = 120_000
_DEADLINE_SECONDS: Final = 300


@dataclass(frozen=True, slots=True)
class Rate:
    """What was relayed, by how many keys, and how long it took until the last receipt was written down."""

    transactions: int
    keys: int
    seconds: float

    @property
    def per_second(self) -> float:
        """Transactions a second."""
        return self.transactions / self.seconds


class _Blocks(AbstractContextManager[None]):
    """Blocks at a steady pace, as a chain makes them, on a connection of their own."""

    def __init__(self, chain: Chain) -> None:
        self._url = chain.url
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="blocks")

    def _run(self) -> None:
        with httpx.Client(timeout=60.0) as client:
            while not self._stop.wait(BLOCK_SECONDS):
                client.post(self._url, json={"jsonrpc": "2.0", "id": 1, "method": "evm_mine", "params": []})

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()


def relayed(transactions: int, keys: int, *, estimated: bool) -> Rate:
    """Relay so many transactions over so many keys; `estimated` asks the node for the gas of each.

    Raises BenchError when they are not all mined in five minutes.
    """
    with anvil() as chain, postgres() as server, database(server) as url, tempfile.TemporaryDirectory() as folder:
        settings = _settled_ground(chain, url, Path(folder), keys)
        ctx = load_context(settings)
        machine = build_machine(settings, ctx)
        try:
            migrate.upgrade(settings.database_url)
            _ask(machine, ctx, transactions, estimated=estimated)
            with _Blocks(chain):
                return Rate(transactions, keys, _carry(machine, settings, transactions))
        finally:
            close_machine(machine)


def _settled_ground(chain: Chain, url: URL, folder: Path, keys: int) -> Settings:
    """Deploy the contracts and fund new keys; return the settings of a worker."""
    accounts = dev_accounts(CHAIN_ID)
    chain.rpc("evm_setAutomine", True)
    ensure_deployment(chain.url, CHAIN_ID, accounts.deployer.key, folder)
    chain.rpc("evm_setAutomine", False)
    secret_keys = [secrets.token_bytes(32) for _ in range(keys)]
    for key in secret_keys:
        chain.rpc("anvil_setBalance", hex0x(address_of(key)), hex(10**22))
    return Settings(
        _env_file=None,
        database_url=url.render_as_string(hide_password=False),
        redis_url="",
        rpc_urls=[chain.url],
        chain_id=CHAIN_ID,
        deployment=folder / f"{CHAIN_ID}.json",
        operator_key=SecretStr(accounts.operator.key),
        relayer_keys=[SecretStr(hex0x(key)) for key in secret_keys],
    )


def _ask(machine: Machine, ctx: Context, transactions: int, *, estimated: bool) -> None:
    for start in range(0, transactions, 500):
        receivers = [secrets.token_bytes(20) for _ in range(min(500, transactions - start))]
        machine.db.write(partial(_enqueue, ctx=ctx, receivers=receivers, gas_limit=None if estimated else GAS_LIMIT))


def _enqueue(session: Session, *, ctx: Context, receivers: list[bytes], gas_limit: int | None) -> None:
    for receiver in receivers:
        txm.enqueue(
            session, ctx, idem_key=f"bench:{receiver.hex()}", kind="faucet", on_behalf_of=receiver,
            to=ctx.deployment.usdc, data=usdc.encode_faucet(receiver, 1), expires_at=None, reference={},
            gas_limit=gas_limit,
        )  # fmt: skip


def _carry(machine: Machine, settings: Settings, transactions: int) -> float:
    """Let a worker of its own carry all of it; return the seconds from its first round to the last receipt."""
    environment = os.environ | {
        "AICP_DATABASE_URL": settings.database_url,
        "AICP_REDIS_URL": settings.redis_url,
        "AICP_RPC_URLS": ",".join(settings.rpc_urls),
        "AICP_CHAIN_ID": str(settings.chain_id),
        "AICP_DEPLOYMENT": str(settings.deployment),
        "AICP_OPERATOR_KEY": settings.operator_key.get_secret_value(),
        "AICP_RELAYER_KEYS": ",".join(key.get_secret_value() for key in settings.relayer_keys),
    }
    command = [sys.executable, "-m", "scripts.bench.settlement"]
    worker = subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert worker.stdin is not None
        assert worker.stdout is not None
        if worker.stdout.readline().strip() != "ready":
            raise BenchError("the worker did not start")
        started = time.monotonic()
        worker.stdin.write("go\n")
        worker.stdin.flush()
        while (mined := _mined(machine)) < transactions:
            if time.monotonic() - started > _DEADLINE_SECONDS or worker.poll() is not None:
                raise BenchError(f"{mined} of {transactions} transactions were mined")
            time.sleep(0.1)
        return time.monotonic() - started
    finally:
        worker.kill()
        worker.wait()


def _mined(machine: Machine) -> int:
    with machine.db.engine.connect() as connection:
        found = connection.execute(text("SELECT count(*) FROM txm.intent WHERE state IN ('mined', 'final')"))
        return int(found.scalar_one())


def _work() -> None:
    """Be the worker: say ready, and make rounds until killed."""
    from backend.txm.sweep import sweep  # the parent does not need it

    settings = Settings()
    machine = build_machine(settings, load_context(settings))
    print("ready", flush=True)
    sys.stdin.readline()
    while True:
        sweep(machine)


if __name__ == "__main__":
    _work()
