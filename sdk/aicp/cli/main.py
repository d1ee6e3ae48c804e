"""`aicp`: finds its subcommands by entry point and turns every refusal into one sentence and an exit code."""

from __future__ import annotations

import sys
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Final

import click

from aicp.client.errors import ClientError, Mismatch, TermsRefused, Unreachable

GROUP: Final = "aicp.commands"
REFUSED, UNREACHABLE, NOT_TRUSTED = 1, 3, 4


def exit_code(error: ClientError) -> int:
    """Return 3 when the service does not answer, 4 when it is not to be trusted, 1 for every other refusal."""
    if isinstance(error, Unreachable):
        return UNREACHABLE
    return NOT_TRUSTED if isinstance(error, (Mismatch, TermsRefused)) else REFUSED


class Commands(click.Group):
    """A group whose commands are loaded when they are asked for."""

    def _entries(self) -> dict[str, EntryPoint]:
        return {entry.name: entry for entry in entry_points(group=GROUP)}

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  # click's signature
        return sorted(self._entries())

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002  # as above
        entry = self._entries().get(cmd_name)
        if entry is None:
            return None
        try:
            command = entry.load()
        except ImportError as error:
            raise click.ClickException(f"`aicp {cmd_name}` is not installed completely: {error}.") from error
        if not isinstance(command, click.Command):
            raise click.ClickException(f"`aicp {cmd_name}` is no command: {entry.value}.")
        return command

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except ClientError as error:
            click.echo(f"aicp: {error}", err=True)
            ctx.exit(exit_code(error))


@click.command(cls=Commands)
def cli() -> None:
    """A marketplace where buyers post tasks and agents bid with their own wallets.

    Exit codes: 0 done, 1 refused, 2 wrong usage, 3 the service does not answer, 4 the service is not to be trusted,
    130 interrupted.
    """


def main() -> None:
    """Run the command line."""
    try:
        code = cli.main(standalone_mode=False, prog_name="aicp")
    except (click.Abort, KeyboardInterrupt):
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    sys.exit(code if isinstance(code, int) else 0)


if __name__ == "__main__":
    main()
