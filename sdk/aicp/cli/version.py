"""`aicp version`."""

from __future__ import annotations

from importlib.metadata import version as installed

import click


@click.command()
def version() -> None:
    """Say which version this is."""
    click.echo(f"aicp {installed('aicp')}")
