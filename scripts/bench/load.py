"""How fast the market answers under load: the whole stack, and users in an open loop beside it.

The stack is that of `make up` without the demo: PostgreSQL (durable), Redis, a chain that mines every second, indexer,
worker, voucher shards and one process of the API. Two processes make the load: `loadusers` sends requests by a Poisson
process of fixed rates, `loadsockets` holds the WebSockets. All of it shares the machine's cores.

A bid's way to the screen is measured from the moment its agent was due to send it until its event has reached a socket,
for every socket; what a browser then takes to paint is not in it. An answer's time counts from the moment the request
was due, so that what waits in front of a stalled service counts as well. Limits by address are as deployed; those by IP
are lifted, because everybody comes from this machine.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import httpx
import msgspec
import psutil

from aicp.abi.typed_data import marketplace_domain
from aicp.client.service import Nonce
from aicp.client.siwe import sign_in_text
from aicp.client.wallet import Wallet
from aicp.rules.deployment import Deployment
from aicp.rules.primitives import hex0x
from aicp.rules.profiles import Profile, profile_document, registration
from scripts.bench import loadhistory
from scripts.bench.loadplan import Load, User, arrivals
from scripts.bench.loadsockets import Seen
from scripts.bench.loadusers import Taken
from scripts.bench.results import Figure
from scripts.bench.servers import BenchError
from scripts.devnet.config import DevnetConfig
from scripts.devnet.ports import free_port
from scripts.devnet.session import Devnet
from scripts.devnet.stack import EVERYTHING, Part
from scripts.suites.model import ROOT

_BUYERS: Final = 40
_AGENTS: Final = 60
_SHOWN: Final = 3
_SETTLE: Final = 3.0
"""Seconds the sockets go on listening after the last answer."""
_LIFTED: Final = {
    "AICP_ANONYMOUS_SOCKETS_PER_IP": "2000",
    "AICP_SIWE_NONCES_PER_MINUTE": "100000",
    "AICP_ANONYMOUS_PER_MINUTE": "100000",
}
_PARTS: Final = EVERYTHING - {Part.FRONTEND, Part.DEMO, Part.JURORS, Part.WALLETS}


@dataclass(frozen=True, slots=True)
class Size:
    """How much load; times in seconds, rates as their names say."""

    seconds: float = 300.0
    warm_up: float = 40.0
    """As long as an auction lives, so that every kind of request is there when it is measured."""
    auctions_per_hour: int = 1_200
    bids: int = 4
    reads_per_s: float = 40.0
    sockets: int = 1_000
    past_tasks: int = 20_000


QUICK: Final = Size(seconds=60.0, sockets=200, past_tasks=2_000)


def measure(size: Size) -> list[Figure]:
    """Return the figures. Raises BenchError when anything was refused, lost or not answered."""
    with tempfile.TemporaryDirectory(prefix="aicp-load-") as folder:
        place = Path(folder)
        with _stack(place) as devnet:
            buyers, agents = _people(devnet)
            made = Deployment.load(devnet.session.stack.deployment_path)
            loadhistory.write(
                devnet.database_url, [one.address for one, _ in buyers], [one.address for one, _ in agents],
                made.operators[0].address, size.past_tasks,
            )  # fmt: skip
            load = Load(
                port=devnet.config.api_port, chain_id=devnet.chain_id, escrow=made.escrow,
                buyers=[user for _, user in buyers], agents=[user for _, user in agents],
                seconds=size.seconds, warm_up=size.warm_up, auctions_per_hour=size.auctions_per_hour, bids=size.bids,
                reads_per_s=size.reads_per_s, sockets=size.sockets,
            )  # fmt: skip
            taken, seen = _run(devnet, load, place)
            _say_failures(devnet)
    return _figures(load, taken, seen)


@contextmanager
def _stack(folder: Path) -> Iterator[Devnet]:
    before = dict(os.environ)
    os.environ.update(_LIFTED)
    try:
        config = DevnetConfig(state_dir=folder / "stack", api_port=free_port(), rpc_port=free_port(), durable=True)
        with Devnet(folder / "stack", parts=_PARTS, config=config) as devnet:
            yield devnet
    finally:
        os.environ.clear()
        os.environ.update(before)


def _people(devnet: Devnet) -> tuple[list[tuple[Wallet, User]], list[tuple[Wallet, User]]]:
    """Sign everybody in, and register the agents."""
    domain = marketplace_domain(devnet.chain_id, Deployment.load(devnet.session.stack.deployment_path).escrow)
    people = [Wallet.random() for _ in range(_BUYERS + _AGENTS)]
    with httpx.Client(base_url=f"{devnet.url}/api/v1", timeout=30) as http:
        users = [(one, User(key=one.secret_key(), token=_signed_in(http, one))) for one in people]
        for number, (wallet, user) in enumerate(users[_BUYERS:]):
            profile = Profile(slug=f"bencher-{number}", name=f"Bencher {number}", description="",
                              capabilities=["data_analysis"])  # fmt: skip
            document = profile_document(profile, chain_id=devnet.chain_id, agent=wallet.address)
            message = registration(document, agent=wallet.address, updated_at=int(time.time()))
            said = {name: value for name, value in document.items() if name not in {"version", "did"}}
            signature = hex0x(wallet.sign_digest(message.digest(domain)))
            body = {**said, "updated_at": message.updated_at, "signature": signature}
            _posted(http, "/agents", body, user.token)
    return users[:_BUYERS], users[_BUYERS:]


def _signed_in(http: httpx.Client, wallet: Wallet) -> str:
    text = sign_in_text(Nonce.read(_posted(http, "/auth/nonce", None)), wallet.address)
    body = {"message": text, "signature": hex0x(wallet.sign_text(text)), "use": "bearer"}
    return str(_posted(http, "/auth/verify", body)["token"])


def _posted(http: httpx.Client, path: str, body: object, token: str = "") -> dict[str, object]:
    answer = http.post(path, json=body, headers={"Authorization": f"Bearer {token}"} if token else {})
    if answer.is_error:
        raise BenchError(f"{path}: {answer.status_code} {answer.text[:300]}")
    return dict(answer.json())


def _run(devnet: Devnet, load: Load, folder: Path) -> tuple[Taken, Seen]:
    job, told, heard = folder / "load", folder / "taken", folder / "seen"
    job.write_bytes(msgspec.msgpack.encode(load))
    command = (sys.executable, "-m")
    with subprocess.Popen(
        [*command, "scripts.bench.loadsockets", str(job), str(heard)], cwd=ROOT, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    ) as sockets:  # fmt: skip
        assert sockets.stdout is not None
        if sockets.stdout.readline() != "ready\n":
            raise BenchError("the WebSockets could not be opened")
        before = _cpu(devnet)
        subprocess.run([*command, "scripts.bench.loadusers", str(job), str(told)], cwd=ROOT, check=True)
        time.sleep(_SETTLE)
        _say_cpu(before, _cpu(devnet))
        sockets.communicate()
    return (
        msgspec.msgpack.decode(told.read_bytes(), type=Taken),
        msgspec.msgpack.decode(heard.read_bytes(), type=Seen),
    )


def _cpu(devnet: Devnet) -> dict[str, float]:
    """Return the processor seconds of each service and its children."""
    found = {}
    for name in ("postgres", "chain", "indexer", "worker", "api", "vouchers"):
        process = psutil.Process(devnet.pid(name))
        whole = [process, *process.children(recursive=True)]
        found[name] = 0.0
        for one in whole:
            try:
                used = one.cpu_times()
            except psutil.NoSuchProcess:
                continue
            found[name] += used.user + used.system
    return found


def _say_cpu(before: dict[str, float], after: dict[str, float]) -> None:
    used = ", ".join(f"{name} {after[name] - before[name]:.1f}" for name in before)
    print(f"  processor seconds: {used}")


def _say_failures(devnet: Devnet) -> None:
    """Print the first lines in which the API says that something went wrong."""
    failures = [line for line in devnet.log("api").splitlines() if '"level":"error"' in line or "failed" in line]
    for line in failures[:_SHOWN]:
        print(f"  api: {line[:2_000]}")


def _figures(load: Load, taken: Taken, seen: Seen) -> list[Figure]:
    every = sorted(value for values in taken.routes.values() for value in values)
    print(f"  {len(every):,} requests over {taken.connections} connections, of {len(arrivals(load)):,} planned; "
          f"they left {_quantile(sorted(taken.late_ms), 0.99):.1f} ms late (p99); the load generators took "
          f"{taken.cpu_s:.1f} and {seen.cpu_s:.1f} s of processor")  # fmt: skip
    print(f"  {'route':48}{'requests':>10}{'p50 ms':>9}{'p95 ms':>9}{'p99 ms':>9}{'worst':>9}")
    for route, values in sorted(taken.routes.items(), key=lambda item: -len(item[1])):
        ordered = sorted(values)
        quantiles = "".join(f"{_quantile(ordered, share):9.1f}" for share in (0.5, 0.95, 0.99, 1.0))
        print(f"  {route:48}{len(ordered):10,}{quantiles}")
    screens = sorted(
        (at - due) * 1e3 for salt, due in taken.bids.items() for at in seen.bids.get(salt, ())
    )  # fmt: skip
    missing = len(taken.bids) * load.sockets - len(screens)
    print(f"  {len(taken.bids):,} bids reached {load.sockets:,} sockets each, {missing} did not; "
          f"p50 {_quantile(screens, 0.5):.1f} ms, p95 {_quantile(screens, 0.95):.1f} ms, "
          f"p99 {_quantile(screens, 0.99):.1f} ms; {seen.messages:,} messages, {seen.lost} sockets lost")  # fmt: skip
    wrong = sum(taken.errors.values()) + missing + seen.lost
    if wrong:
        raise BenchError(f"{wrong} errors: {taken.errors}, {missing} missing events, {seen.lost} sockets lost")
    said = f"ms, {load.sockets:,} sockets"
    return [
        Figure("api.p50_ms", round(_quantile(every, 0.5), 1), "ms"),
        Figure("api.p99_ms", round(_quantile(every, 0.99), 1), "ms"),
        Figure("bid_to_screen.p50_ms", round(_quantile(screens, 0.5), 1), said),
        Figure("bid_to_screen.p95_ms", round(_quantile(screens, 0.95), 1), said),
        Figure("load.errors", 0, f"of {len(every):,} requests"),
    ]


def _quantile(ordered: list[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else float("nan")


def sized(options: Mapping[str, float], *, quick: bool) -> Size:
    """Return the load of a run; options that are zero are left out."""
    size = QUICK if quick else Size()
    return replace(
        size,
        seconds=options["seconds"] or size.seconds,
        auctions_per_hour=int(options["auctions_per_hour"]) or size.auctions_per_hour,
        reads_per_s=options["reads_per_s"] or size.reads_per_s,
        sockets=int(options["sockets"]) or size.sockets,
    )
