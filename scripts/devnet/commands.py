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

from scripts.devnet.config import API_PORT, LOCAL_CHAIN_ID, ROOT, DevnetConfig, config_from_environment, port_of
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
@click.option("--port", metavar="PORT", help=f"Port of the web page and the API.  [default: {API_PORT}]")
@click.option("--detach", is_flag=True, help="Return once everything runs; stop it with `aicp down`.")
@click.option("--no-demo", is_flag=True, help="Start without the demo agents and the demo jurors.")
@click.option("--in-background", is_flag=True, hidden=True)
@state_dir_option
def up(port: str | None, detach: bool, no_demo: bool, in_background: bool, state_dir: Path) -> None:
    """Start everything and say what to open."""
    state_dir = state_dir.resolve()
    try:
        wanted = None if port is None else port_of(port, "PORT")
        if RunFile(state_dir).is_held():
            _say_running(state_dir, wanted)
        elif detach:
            _up_detached(state_dir, wanted or API_PORT, no_demo)
        else:
            config = config_from_environment(os.environ, state_dir=state_dir, port=wanted or API_PORT, demo=not no_demo)
            _up(config, "`aicp down` stops it" if in_background else "Ctrl-C stops it")
    except AlreadyRunningError:  # another one began between the look above and the start
        _say_running(state_dir, None)
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
        left = () if state is None else state.left_alive()
        if state is None or not left:
            click.echo("AICP is not running.")
        else:
            names = ", ".join(service.label for service in left)
            click.echo(f"AICP (process {state.pid}) was killed and has left running: {names}. `aicp down` ends them.")
        sys.exit(NOT_RUNNING)
    click.echo(f"AICP is {state.phase} (process {state.pid}): {state.url}")
    for line in show_states(state.services):
        click.echo(line)
    if state.phase != "running" or any(service.state != "running" for service in state.services):
        sys.exit(NOT_RUNNING)


def _up(config: DevnetConfig, how_to_stop: str) -> None:
    click.echo("Starting AICP ...")
    from scripts.devnet.session import Session  # slow to import, and `down` and `status` do without

    started = time.monotonic()
    progress = _Progress(terminal=sys.stdout.isatty())
    session = Session(config, report=progress.line)
    with _stop_signals(session.supervisor) as stopped:
        try:
            session.start()
        finally:
            progress.end()
        try:
            for line in what_to_open(session, time.monotonic() - started, how_to_stop):
                click.echo(line)
            stopped.wait()
            click.echo("Stopping (Ctrl-C again to stop at once) ...")
        finally:
            session.close()
    click.echo("AICP is stopped; `make up` continues where it was.")


class _Progress:
    """The lines of a start. On a terminal a step under way is written over by the line that says how long it took."""

    def __init__(self, *, terminal: bool) -> None:
        self._terminal = terminal
        self._open = False

    def line(self, text: str) -> None:
        over = "\r\x1b[K" if self._open else ""
        self._open = self._terminal and text.endswith(" ...")
        click.echo(over + text, nl=not self._open)

    def end(self) -> None:
        if self._open:
            click.echo()
        self._open = False


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


def what_to_open(session: Session, seconds: float, how_to_stop: str) -> Iterator[str]:
    """Return the lines a buyer needs: what to open, which network to add, which key to import."""
    config = session.config
    yield ""
    yield f"AICP runs (started in {seconds:.0f} s). {how_to_stop}; logs are in {config.state_dir / 'logs'}."
    yield ""
    yield f"  Open       {config.url}"
    if config.chain_id == LOCAL_CHAIN_ID:
        rpc = session.stack.urls.rpc[0]
        yield f"  Network    AICP local, RPC URL {rpc}, chain id {config.chain_id}, currency ETH"
        yield f"  Test key   {session.stack.accounts.buyer.key} (a public test key: never send real money to it)"
    else:
        yield f"  Network    chain id {config.chain_id}"


def _say_running(state_dir: Path, wanted_port: int | None) -> None:
    """Say where the run is. Raises DevnetError when another port was asked for, because nobody listens there."""
    state = RunFile(state_dir).read()
    place = f" at {state.url} (process {state.pid})" if state is not None else ""
    if state is not None and wanted_port is not None and state.port not in {0, wanted_port}:
        raise DevnetError(
            f"AICP is already running{place}, not on port {wanted_port}; "
            "stop it with `aicp down` first, or give the second one its own --state-dir and RPC_PORT."
        )
    click.echo(f"AICP is already running{place}. `aicp status` shows it, `aicp down` stops it.")


def _up_detached(state_dir: Path, port: int, no_demo: bool) -> None:
    """Run `up` in the background, show its lines until it runs, and fail when it fails."""
    from scripts.devnet.preflight import check_state_dir

    check_state_dir(state_dir)
    (state_dir / "logs").mkdir(exist_ok=True)
    log_path = state_dir / "logs" / "devnet.log"
    command = [sys.executable, "-m", "scripts.devnet", "up", "--in-background", "--port", str(port)]
    command += ["--state-dir", str(state_dir)]
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
