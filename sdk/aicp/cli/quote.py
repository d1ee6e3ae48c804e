"""`aicp quote ask|verify`: what the formula gives for an agent and a task, and whether a quote says just that."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from aicp.cli.files import read_object
from aicp.cli.lookup import print_rows, when
from aicp.cli.options import USDC, own_rpc_option, reading, service_options
from aicp.client import Market
from aicp.client.chain import Chain
from aicp.client.errors import Mismatch
from aicp.client.records import outcomes_at
from aicp.client.verify_quote import SignedQuote, verify_quote
from aicp.rules.pricing import Tier
from aicp.rules.primitives import checksum, format_usdc


@click.group()
def quote() -> None:
    """Prices by the published formula, signed by the operator."""


@quote.command()
@click.argument("agent")
@click.option("--base", type=USDC, required=True, help="What the work is worth before any factor, in USDC.")
@click.option("--complexity", type=click.IntRange(1, 10), default=1, show_default=True)
@click.option("--urgency", type=click.Choice(["1.0", "1.25", "1.5"]), default="1.0", show_default=True)
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Keep the quote in this file.")
@service_options
@reading
async def ask(market: Market, *, agent: str, base: int, complexity: int, urgency: str, out: Path | None) -> None:
    """Ask what AGENT (an address or alias) would cost, and check the quote."""
    body = {"base_units": str(base), "complexity": complexity, "urgency": urgency, "agent": agent}
    answer = await market.estimate(body)
    chain = await market.chain()
    found = SignedQuote.found_in(answer)
    tier, multiplier = verify_quote(found, chain, now=chain.now())
    _say(found, tier, multiplier)
    for factor in answer.get("factors", []):
        click.echo(f"  {factor['name']:14}{factor['bps'] / 10_000:g}: {factor['because']}")
    if out is not None:
        _keep(out, answer["quote"])


@quote.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@own_rpc_option
@service_options
@reading
async def verify(market: Market, *, file: Path, own_rpc: str | None) -> None:
    """Compute the quote in FILE again: signature, formula, time; with --rpc also the record it rests on.

    Exit code 4 when something differs. With --deployment the operator's keys are the published ones.
    """
    chain = await market.chain()
    found = SignedQuote.found_in(read_object(file, "is no quote"))
    tier, multiplier = verify_quote(found, chain, now=chain.now())
    click.echo(f"  same          signed by the operator {checksum(found.operator)}")
    click.echo(f"  same          formula {found.formula} gives {format_usdc(found.price_units)} USDC from its inputs")
    if own_rpc is None:
        click.echo("  believed      the record on chain; --rpc asks a node for it")
    else:
        await _check_record(own_rpc, chain, found)
    _say(found, tier, multiplier)


async def _check_record(rpc: str, chain: Chain, found: SignedQuote) -> None:
    successes, decided = await outcomes_at(rpc, chain, found.agent, found.as_of_block)
    if (successes, decided) != (found.successes, found.decided):
        raise Mismatch(
            f"At block {found.as_of_block} the chain says {successes} of {decided} escrows succeeded, the quote "
            f"{found.successes} of {found.decided}."
        )
    click.echo(f"  same          the record on chain at block {found.as_of_block}")


def _keep(path: Path, signed: dict[str, Any]) -> None:
    path.write_text(json.dumps(signed, indent=1) + "\n", encoding="utf-8")


def _say(found: SignedQuote, tier: Tier, multiplier: int) -> None:
    print_rows(
        [
            ("agent", checksum(found.agent)),
            ("price", f"{format_usdc(found.price_units)} USDC"),
            ("base", f"{format_usdc(found.base_units)} USDC"),
            ("multiplier", f"{multiplier / 10_000:g} ({tier.value.replace('_', ' ')})"),
            ("record", f"{found.successes} of {found.decided} escrows succeeded by block {found.as_of_block}"),
            ("task", f"complexity {found.complexity}, urgency {found.urgency_bps / 10_000:g}"),
            ("until", when(found.valid_until)),
        ]
    )
