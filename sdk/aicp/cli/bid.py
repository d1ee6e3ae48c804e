"""`aicp bid place|commit|reveal|withdraw`: bids by hand, open or sealed."""

from __future__ import annotations

import datetime as dt
import json
import os
import uuid
from pathlib import Path
from typing import Any, Final

import click

from aicp.cli.files import read_object
from aicp.cli.lookup import print_rows, when
from aicp.cli.options import USDC, signing, wallet_options
from aicp.client import AgentActions, Market
from aicp.client.errors import ClientError
from aicp.client.models import Commit, Task
from aicp.rules.primitives import format_usdc, hex0x

AFTER_SECONDS: Final = 86_400
"""How long a bid goes on counting after the auction, so that the award and what follows it have time."""

task_argument = click.argument("task_id", metavar="TASK", type=click.UUID)
price_option = click.option("--price", type=USDC, required=True, help="What you ask for, in USDC.")
within_option = click.option("--within", type=click.IntRange(1), help="Seconds to deliver; by default all there are.")
escrow_option = click.option("--escrow-only", is_flag=True, help="Be paid by escrow at any price.")


@click.group()
def bid() -> None:
    """Bid on a task by hand, or take a bid back. Agents that run bid by themselves."""


def _until(task: Task) -> int:
    ends = (task.reveal_ends_at or task.auction_ends_at).astimezone(dt.UTC)
    return int(ends.timestamp()) + AFTER_SECONDS


@bid.command()
@task_argument
@price_option
@within_option
@escrow_option
@wallet_options
@signing
async def place(market: Market, *, task_id: uuid.UUID, price: int, within: int | None, escrow_only: bool) -> None:
    """Place an open bid on TASK. A later one replaces it."""
    task = await market.task(task_id)
    if task.reveal_ends_at is not None:
        raise ClientError("Bids on this task are sealed: use `aicp bid commit`.")
    eta = within or task.deliver_within_seconds
    placed = await AgentActions(market).bid(
        task, amount_units=price, eta_seconds=eta, valid_until=_until(task), escrow_only=escrow_only
    )
    click.echo(f"Bid {format_usdc(price)} USDC, receipt no. {placed.seq}.")
    print_rows([("bid", hex0x(placed.bid_hash)), ("counts until", when(placed.valid_until))])


@bid.command()
@task_argument
@price_option
@within_option
@escrow_option
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Keep a copy of the bid in this file.")
@wallet_options
@signing
async def commit(
    market: Market, *, task_id: uuid.UUID, price: int, within: int | None, escrow_only: bool, out: Path | None
) -> None:
    """Commit to a sealed bid on TASK: nobody learns its price before `aicp bid reveal`, after the auction's end.

    The bid is on disk, readable by you alone, before its commit is sent. Without it, or the copy of --out, the bid
    cannot be shown and does not count.
    """
    task, own = await market.task(task_id), AgentActions(market)
    if task.reveal_ends_at is None:
        raise ClientError("Bids on this task are open: use `aicp bid place`.")
    eta = within or task.deliver_within_seconds
    sealed = await own.commit_bid(
        task, amount_units=price, eta_seconds=eta, valid_until=_until(task), escrow_only=escrow_only
    )
    click.echo(f"Sealed, receipt no. {sealed.seq}. Show it after {_local(task.auction_ends_at)}:")
    click.echo(f"  aicp bid reveal {task_id}")
    rows = [("bid", hex0x(sealed.bid_hash)), ("until", _local(task.reveal_ends_at))]
    rows.append(("kept in", str((await market.store()).path)))
    if out is not None:
        _write(out, await own.sealed_document(task, sealed.bid_hash))
        rows.append(("copy in", str(out)))
    print_rows(rows)


@bid.command()
@task_argument
@click.option(
    "--kept",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The bid's file, from the page or --out, where it was not sealed on this machine.",
)
@wallet_options
@signing
async def reveal(market: Market, *, task_id: uuid.UUID, kept: Path | None) -> None:
    """Show your sealed bid on TASK, between the auction's end and the end of showing."""
    task, own = await market.task(task_id), AgentActions(market)
    if kept is not None:
        await own.keep_sealed(task, read_object(kept, "holds no sealed bid"))
    commit = await _own_commit(market, task_id)
    shown = await own.reveal_bid(task, commit.bid_hash)
    click.echo(f"Shown: {format_usdc(shown.amount_units)} USDC, ready in {shown.eta_seconds} s.")


@bid.command()
@task_argument
@wallet_options
@signing
async def withdraw(market: Market, *, task_id: uuid.UUID) -> None:
    """Take your bid on TASK back, open or sealed, before it wins."""
    task, own = await market.task(task_id), AgentActions(market)
    if task.reveal_ends_at is not None:
        await own.withdraw_commit(task_id, (await _own_commit(market, task_id)).bid_hash)
    else:
        mine = [one for one in await market.bids(task_id) if one.agent == market.address and one.live]
        if not mine:
            raise ClientError("You have no bid on this task that counts.")
        await own.withdraw_bid(task_id, mine[0].bid_hash)
    click.echo("Withdrawn.")


async def _own_commit(market: Market, task_id: uuid.UUID) -> Commit:
    """Return our sealed bid that counts. Raises ClientError where there is none."""
    mine = [one for one in await market.commits(task_id) if one.agent == market.address and one.live]
    if not mine:
        raise ClientError("You have no sealed bid on this task that counts.")
    return max(mine, key=lambda one: one.seq)


def _local(moment: dt.datetime) -> str:
    return when(int(moment.timestamp()))


def _write(path: Path, document: dict[str, Any]) -> None:
    """Write a file that only its owner can read, also where it was another one's before."""
    number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(number, "w", encoding="utf-8") as file:
        os.fchmod(number, 0o600)
        file.write(json.dumps(document, indent=1) + "\n")
