"""How a deal is named on the command line, and how states and times are written."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Final

import click

from aicp.client import Market, ProblemError
from aicp.client.errors import ClientError
from aicp.client.models import Deal, DealSummary, Task

deal_argument = click.argument("deal_id", metavar="DEAL", type=click.UUID)


async def find(market: Market, named: uuid.UUID) -> Deal:
    """Return the deal with this id, or the current one of the task with this id."""
    try:
        return await market.deal(named)
    except ProblemError as error:
        if error.status != 404:
            raise
    task = await market.task(named)
    if task.deal_id is None:
        raise ClientError("This task has no deal.")
    return await market.deal(task.deal_id)


_WORDS: Final = {"delivered": "delivered, in review", "rejected": "rejected", "split": "split"}
"""States whose public names hide what the parties see on the pages."""


def state_words(found: Deal | DealSummary | Task) -> str:
    """Return the state of a deal or task: its public name, or that its result waits for the buyer's word.

    A deal that its task went on without has ended, whatever becomes of the task.
    """
    if not isinstance(found, Task) and not found.current:
        return "ended"
    return _WORDS.get(found.state, found.public_state)


def when(seconds: int) -> str:
    """Return a chain time as local date and time."""
    return dt.datetime.fromtimestamp(seconds, dt.UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def print_rows(rows: list[tuple[str, str]]) -> None:
    """Print labels and values in two columns."""
    for label, value in rows:
        click.echo(f"  {label:14}{value}")
