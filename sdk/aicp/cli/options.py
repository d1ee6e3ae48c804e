"""Options every subcommand shares, and the one place that runs its coroutine."""

from __future__ import annotations

import asyncio
import functools
import signal
import sys
from collections.abc import Callable, Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import click
from rich.console import Console

from aicp.client import Market, Wallet
from aicp.client.errors import ClientError
from aicp.client.sessions import Sessions
from aicp.client.store import home
from aicp.rules.primitives import parse_address, parse_usdc

console = Console() if sys.stdout.isatty() else Console(width=160)
"""Tables are as wide as the terminal; where output goes to a file or a pipe, wide enough for an address."""

F = TypeVar("F", bound=Callable[..., Any])


class UsdcType(click.ParamType):
    """A human amount such as 25 or 0.40, turned into base units."""

    name = "usdc"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        try:
            return parse_usdc(str(value))
        except ValueError:
            self.fail(f"{value!r} is no USDC amount; write it like 25 or 0.40 (at most 6 decimals).", param, ctx)


USDC = UsdcType()


class AddressType(click.ParamType):
    """An address in hex, turned into its 20 bytes."""

    name = "address"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> bytes:
        if isinstance(value, bytes):
            return value
        try:
            return parse_address(str(value))
        except ValueError:
            self.fail(f"{value!r} is no address: write 0x and 40 digits.", param, ctx)


ADDRESS = AddressType()

rpc_option = click.option("--rpc", envvar="AICP_RPC_URL", help="RPC to send to; by default the one the service names.")

own_rpc_option = click.option(
    "--rpc", "own_rpc", envvar="AICP_RPC_URL", help="An RPC of your own, to look up what the service only says."
)


def service_options(command: F) -> F:
    """Add --url and --deployment."""
    command = click.option(
        "--deployment",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        envvar="AICP_DEPLOYMENT",
        help="Published deployments/<chainId>.json: its contracts and operators, and no others, count.",
    )(command)
    return click.option(
        "--url",
        default="http://localhost:8000",
        envvar="AICP_URL",
        show_default=True,
        show_envvar=True,
        help="The service.",
    )(command)


def wallet_options(command: F) -> F:
    """Add --key and --keystore to the service options."""
    command = click.option(
        "--keystore",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        envvar="AICP_KEYSTORE",
        help="Encrypted key file; its password is in AICP_KEYSTORE_PASSWORD, or in the file that "
        "AICP_KEYSTORE_PASSWORD_FILE names, or asked for.",
    )(command)
    command = click.option(
        "--key",
        envvar="AICP_KEY",
        help="Private key in hex. Better kept in the environment: AICP_KEY.",
    )(command)
    return service_options(command)


def open_wallet(key: str | None, keystore: Path | None) -> Wallet:
    """Return the wallet of the options. Raises UsageError when there is none."""
    if key:
        return Wallet.from_key(key)
    if keystore is None:
        raise click.UsageError("No wallet: give --keystore, or set AICP_KEY.")
    import os

    password = os.environ.get("AICP_KEYSTORE_PASSWORD")
    if password is None and (path := os.environ.get("AICP_KEYSTORE_PASSWORD_FILE")):
        password = Path(path).read_text(encoding="utf-8").rstrip("\n")
    if password is None:
        password = click.prompt("Password", hide_input=True)
    return Wallet.from_keystore(keystore, str(password))


def reading(command: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Make a click callback of a coroutine that takes a `market` without a wallet as its first argument."""

    @functools.wraps(command)
    def run(url: str, deployment: Path | None, **options: Any) -> None:
        async def inside() -> None:
            async with Market(url, deployment=deployment) as market:
                await command(market, **options)

        run_until_done(inside())

    return run


def signing(command: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Make a click callback of a coroutine that takes a `market` with a wallet as its first argument.

    The market asks the RPC of `own_rpc_option`, where the command has that.
    """

    @functools.wraps(command)
    def run(url: str, deployment: Path | None, key: str | None, keystore: Path | None, **options: Any) -> None:
        wallet, rpc_url = open_wallet(key, keystore), options.pop("own_rpc", None)
        sessions = Sessions(home() / "sessions")

        async def inside() -> None:
            async with Market(url, wallet, deployment=deployment, rpc_url=rpc_url, sessions=sessions) as market:
                await command(market, **options)

        run_until_done(inside())

    return run


def run_until_done(work: Coroutine[Any, Any, None]) -> None:
    """Run a coroutine; SIGINT and SIGTERM cancel it, and everything it has begun."""

    async def inside() -> None:
        task = asyncio.current_task()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            with suppress(NotImplementedError):  # no signal handlers on this platform's loop
                loop.add_signal_handler(number, task.cancel if task else loop.stop)
        await work

    try:
        asyncio.run(inside())
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None
    except BaseExceptionGroup as group:
        errors, rest = group.split(ClientError)
        if errors is None or rest is not None:
            raise
        raise errors.exceptions[0] from None
