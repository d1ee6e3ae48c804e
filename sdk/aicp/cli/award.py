"""`aicp award verify`: an award, computed again from signatures."""

from __future__ import annotations

import json
import uuid
from pathlib import Path

import click
from rich.table import Table

from aicp.cli.lookup import when
from aicp.cli.options import console, reading, service_options
from aicp.client import Market
from aicp.client.errors import ClientError
from aicp.client.verify_award import DecidedByRule, check_bids, check_record
from aicp.rules.primitives import checksum, format_usdc, hex0x


@click.group()
def award() -> None:
    """Awards of tasks: see that the best bid won and none was left out."""


@award.command()
@click.argument("task_id", metavar="TASK", type=click.UUID)
@click.option(
    "--record",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The signed record of an award by the rule: its inputs, computed again.",
)
@service_options
@reading
async def verify(market: Market, *, task_id: uuid.UUID, record: Path | None) -> None:
    """Check the award of TASK: every bid and receipt, that all of them are under the award's root, and the winner.

    Exit code 4 when something differs. With --deployment the operator's keys are the published ones.
    """
    chain = await market.chain()
    task, bids, found = await market.task(task_id), await market.bids(task_id), await market.awarded(task_id)
    check_bids(task, bids, found, chain)
    click.echo(f"  same          {len(bids)} bids, each signed by its agent and receipted, numbers without a hole")
    click.echo(f"  same          the award's root {hex0x(found.bids_root)} is over all of them")
    winner = next(bid for bid in bids if bid.bid_hash == found.bid_hash)
    if record is None:
        click.echo(
            f"  winner        {checksum(winner.agent)}, {format_usdc(winner.amount_units)} USDC, as the buyer chose"
        )
        return
    decided = check_record(task, bids, found, chain, _read(record))
    click.echo("  same          the rule, applied to the signed inputs, gives this winner")
    _show(decided)


def _read(path: Path) -> dict[str, object]:
    try:
        content = json.loads(path.read_bytes())
    except ValueError as error:
        raise ClientError(f"{path} is no JSON.") from error
    if not isinstance(content, dict):
        raise ClientError(f"{path} is no record of an award.")
    return content


def _show(decided: DecidedByRule) -> None:
    contest = decided.contest
    weights = contest.weights
    click.echo(
        f"  weights       price {weights.price / 100:g}%, reputation {weights.reputation / 100:g}%, "
        f"time {weights.time / 100:g}%, specialty {weights.specialty / 100:g}%"
    )
    click.echo(f"  decided       {when(contest.decided_at)}, by the scores of epoch {contest.epoch}")
    table = Table("points", "agent", "price", "seconds", "reputation", "specialty", box=None)
    for one in decided.ranking.ranked:
        offer, points = one.offer, one.hundredths(contest)
        table.add_row(
            f"{points // 100}.{points % 100:02d}",
            checksum(offer.agent),
            f"{format_usdc(offer.amount)} USDC",
            str(offer.eta_seconds),
            f"{offer.reputation // 100}.{offer.reputation % 100:02d}",
            f"{offer.specialty // 100}.{offer.specialty % 100:02d}",
        )
    console.print(table)
    for bid_hash, reason in decided.ranking.excluded:
        click.echo(f"  not counted   {hex0x(bid_hash)}: {reason.replace('_', ' ')}")
