"""`aicp up`, `aicp down`, `aicp status`."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import click

from scripts.devnet.config import API_PORT, LOCAL_CHAIN_ID, ROOT, DevnetConfig, config_from_environment
from scripts.devnet.errors import AlreadyRunningError, DevnetCancelledError, DevnetError
from scripts.devnet.process import is_same_process
from scripts.devnet.runfile import RunFile, end_orphans
from scripts.devnet.supervisor import Supervisor, show_states

if TYPE_CHECKING:
    from scripts.devnet.session import Session

STOP_TIMEOUT = 90.0
NOT_RUNNING = 3

state_dir_option = click.option(
    "--state-dir",
    type=click.Path(path_type=Path, file_okay=False),
    default=ROOT / ".aicp",
    show_default=".aicp",
    envvar="AICP_STATE_DIR",
    help="Where chain, database, files and logs are kept.",
)


@click.command()
@click.option("--port", default=API_PORT, show_default=True, help="Port of the web page and the API.")
@click.option("--detach", is_flag=True, help="Return once everything runs; stop it with `aicp down`.")
@click.option("--no-demo", is_flag=True, help="Start without the demo agents.")
@state_dir_option
def up(port: int, detach: bool, no_demo: bool, state_dir: Path) -> None:
    """Start everything and say what to open."""
    state_dir = state_dir.resolve()
    try:
        if detach:
            _up_detached(state_dir, port, no_demo)
        else:
            _up(config_from_environment(os.environ, state_dir=state_dir, port=port, demo=not no_demo))
    except AlreadyRunningError:
        _say_running(state_dir)
    except DevnetCancelledError:
        click.echo("Stopped before everything was started; nothing is left running.")
        sys.exit(130)
    except DevnetError as error:
        raise click.ClickException(str(error)) from error


@click.command()
@state_dir_option
def down(state_dir: Path) -> None:
    """Stop everything that `aicp up` has started."""
    runfile = RunFile(state_dir.resolve())
    state = runfile.read()
    if state is None:
        click.echo("AICP is not running.")
        return
    if runfile.is_held():
        os.kill(state.pid, signal.SIGTERM)
        deadline = time.monotonic() + STOP_TIMEOUT
        while is_same_process(state.pid, state.started):
            if time.monotonic() > deadline:
                raise click.ClickException(f"AICP (process {state.pid}) did not stop within {STOP_TIMEOUT:.0f} s.")
            time.sleep(0.05)
        click.echo("AICP is stopped.")
        return
    ended = end_orphans(state.services)
    runfile.path.unlink(missing_ok=True)
    click.echo(f"Ended what a killed run had left: {', '.join(ended)}." if ended else "AICP is not running.")


@click.command()
@state_dir_option
def status(state_dir: Path) -> None:
    """Show what runs. Exit code 0 when everything does, 3 when not."""
    runfile = RunFile(state_dir.resolve())
    state = runfile.read()
    if state is None or not runfile.is_held():
        click.echo("AICP is not running.")
        sys.exit(NOT_RUNNING)
    click.echo(f"AICP is {state.phase} (process {state.pid}): {state.url}")
    for line in show_states(state.services):
        click.echo(line)
    if state.phase != "running" or any(service.state != "running" for service in state.services):
        sys.exit(NOT_RUNNING)


def _up(config: DevnetConfig) -> None:
    from scripts.devnet.session import Session  # slow to import, and `down` and `status` do without

    started = time.monotonic()
    session = Session(config, report=click.echo)
    with _stop_signals(session.supervisor) as stopped:
        session.start()
        try:
            for line in what_to_open(session, time.monotonic() - started):
                click.echo(line)
            stopped.wait()
            click.echo("Stopping (Ctrl-C again to stop at once) ...")
        finally:
            session.close()
    click.echo("AICP is stopped; `make up` continues where it was.")


@contextmanager
def _stop_signals(supervisor: Supervisor) -> Iterator[threading.Event]:
    """The first signal asks for an orderly stop, the second for an immediate one."""

    def handle(_signal: int, _frame: FrameType | None) -> None:
        if supervisor.cancel.is_set():
            supervisor.force.set()
        supervisor.cancel.set()

    before: dict[signal.Signals, Callable[[int, FrameType | None], object] | int | None] = {
        number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    }
    try:
        yield supervisor.cancel
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def what_to_open(session: Session, seconds: float) -> Iterator[str]:
    """Return the lines a buyer needs: what to open, which network to add, which key to import."""
    config = session.config
    yield ""
    yield f"AICP runs (started in {seconds:.0f} s). Ctrl-C stops it; logs are in {config.state_dir / 'logs'}."
    yield ""
    yield f"  Open       {config.url}"
    if config.chain_id == LOCAL_CHAIN_ID:
        rpc = session.stack.urls.rpc[0]
        yield f"  Network    AICP local, RPC URL {rpc}, chain id {config.chain_id}, currency ETH"
        yield f"  Test key   {session.stack.accounts.buyer.key} (a public test key: never send real money to it)"
    else:
        yield f"  Network    chain id {config.chain_id}"


def _say_running(state_dir: Path) -> None:
    state = RunFile(state_dir).read()
    place = f" at {state.url} (process {state.pid})" if state is not None else ""
    click.echo(f"AICP is already running{place}. `aicp status` shows it, `aicp down` stops it.")


def _up_detached(state_dir: Path, port: int, no_demo: bool) -> None:
    """Run `up` in the background, show its lines until it runs, and fail when it fails."""
    if RunFile(state_dir).is_held():
        raise AlreadyRunningError
    from scripts.devnet.preflight import check_state_dir

    check_state_dir(state_dir)
    (state_dir / "logs").mkdir(exist_ok=True)
    log_path = state_dir / "logs" / "devnet.log"
    command = [sys.executable, "-m", "scripts.devnet", "up", "--port", str(port), "--state-dir", str(state_dir)]
    with log_path.open("wb") as log:
        process = subprocess.Popen(
            [*command, "--no-demo"] if no_demo else command,
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        code = _follow(process, log_path, RunFile(state_dir))
    except KeyboardInterrupt:
        process.send_signal(signal.SIGTERM)
        process.wait()
        raise DevnetCancelledError from None
    if code:
        sys.exit(code)


def _follow(process: subprocess.Popen[bytes], log_path: Path, runfile: RunFile) -> int:
    with log_path.open(encoding="utf-8") as log:
        while True:
            code = process.poll()
            state = runfile.read() if code is None else None
            running = state is not None and state.pid == process.pid and state.phase == "running"
            text = log.read()
            click.echo(text, nl=False)
            if code is not None:
                return code
            if running and "  Open " in text:
                return 0
            time.sleep(0.1)
