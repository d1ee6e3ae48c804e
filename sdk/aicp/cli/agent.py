"""`aicp agent run|list|offers|decline|vouch|vouches`."""

from __future__ import annotations

import importlib
import logging
import sys
import uuid
from pathlib import Path

import click
from rich.table import Table

from aicp.agent.agent import Agent, Options
from aicp.agent.demo.agents import DEMOS
from aicp.cli.lookup import when
from aicp.cli.options import (
    ADDRESS,
    USDC,
    console,
    open_wallet,
    reading,
    run_until_done,
    service_options,
    signing,
    wallet_options,
)
from aicp.client import AgentActions, Market
from aicp.client.models import AgentProfile
from aicp.rules.decay import DAY
from aicp.rules.primitives import checksum, format_usdc


@click.group()
def agent() -> None:
    """Run an agent, or see who is there."""


def load_agent(demo: str | None, target: str | None) -> Agent:
    """Return a demo agent, or the agent that `module:name` names in the current folder or on the path."""
    if (demo is None) == (target is None):
        raise click.UsageError("Name either --demo or an agent as module:name.")
    if demo is not None:
        return DEMOS[demo]()
    module, _, name = str(target).partition(":")
    sys.path.insert(0, str(Path.cwd()))
    try:
        found = getattr(importlib.import_module(module), name or "agent")
    except (ImportError, AttributeError) as error:
        raise click.UsageError(f"There is no agent {target}: {error}.") from error
    if not isinstance(found, Agent):
        raise click.UsageError(f"{target} is no aicp.agent.Agent.")
    return found


@agent.command()
@click.argument("target", required=False, metavar="[MODULE:NAME]")
@click.option("--demo", type=click.Choice(sorted(DEMOS)), help="One of the agents that come with aicp.")
@click.option("--rpc", envvar="AICP_RPC_URL", help="Send own transactions here when the service does not (own gas).")
@click.option("--stake-limit", type=USDC, default="100", show_default=True, help="Never stake more than this.")
@click.option("--collect-from", type=USDC, default="1", show_default=True, help="Collect from a contract from here on.")
@click.option(
    "--dispute-bond-limit",
    type=USDC,
    default="10",
    show_default=True,
    help="Answer no dispute that costs more than this.",
)
@click.option("--offers/--no-offers", default=True, show_default=True, help="Take what the scheduler offers.")
@click.option("--verbose", is_flag=True, help="Say more.")
@wallet_options
def run(
    *,
    target: str | None,
    demo: str | None,
    rpc: str | None,
    stake_limit: int,
    collect_from: int,
    dispute_bond_limit: int,
    offers: bool,
    verbose: bool,
    url: str,
    deployment: Path | None,
    key: str | None,
    keystore: Path | None,
) -> None:
    """Run an agent until it is interrupted: it bids, works, delivers and collects."""
    from aicp.agent.runner import run_agent

    chosen = load_agent(demo, target)
    wallet = open_wallet(key, keystore)
    logging.basicConfig(
        level=logging.WARNING, format="%(asctime)s %(levelname)-7s %(message)s", datefmt="%H:%M:%S", stream=sys.stdout
    )
    logging.getLogger("aicp").setLevel(logging.DEBUG if verbose else logging.INFO)
    click.echo(f"{chosen.name} ({checksum(wallet.address)}) at {url}")
    options = Options(
        stake_limit_units=stake_limit,
        collect_from_units=collect_from,
        rpc_url=rpc,
        deployment=deployment,
        dispute_bond_limit_units=dispute_bond_limit,
        take_offers=offers,
    )
    run_until_done(run_agent(chosen, url, wallet, options))


def _where(found: AgentProfile) -> str:
    if found.suspension is not None:
        return " (suspended)"
    return "" if found.available else " (away)"


@agent.command("offers")
@wallet_options
@signing
async def list_offers(market: Market) -> None:
    """Show what the scheduler offers this wallet's agent now; a bid takes it."""
    table = Table("task", "title", "at most", "why you", "answer until", box=None)
    for offer in await market.own_offers():
        found = await market.task(offer.task_id)
        until = offer.answer_until.astimezone().strftime("%H:%M:%S")
        table.add_row(str(found.id), found.title, f"{format_usdc(offer.max_units)} USDC", offer.why, until)
    if table.row_count:
        console.print(table)
    else:
        click.echo("Nothing is offered to you now.")


@agent.command()
@click.argument("task_id", type=click.UUID)
@wallet_options
@signing
async def decline(market: Market, task_id: uuid.UUID) -> None:
    """Decline a task that the scheduler offers, so that the next agent is asked."""
    await AgentActions(market).decline_offer(task_id)
    click.echo("Declined; the next agent is asked.")


@agent.command("list")
@click.option("--capability", help="Only agents that can do this.")
@service_options
@reading
async def list_agents(market: Market, capability: str | None) -> None:
    """List the registered agents."""
    table = Table("agent", "alias", "address", "can do", "runs", "done", "success", "answers", "stake free", box=None)
    for found in await market.agents(capability):
        success = f"{found.success_rate_bps / 100:.0f}%" if found.success_rate_measured else "not yet"
        table.add_row(
            found.name + _where(found),
            found.slug,
            checksum(found.address),
            ", ".join(found.capabilities),
            str(found.running_tasks),
            str(found.completed_tasks),
            success,
            f"{found.response_ms} ms" if found.response_measured else "not yet",
            f"{format_usdc(found.stake_free_units)} USDC",
        )
    if table.row_count:
        console.print(table)
    else:
        click.echo("No agent is registered.")


@agent.command()
@click.argument("address", metavar="AGENT", type=ADDRESS)
@click.argument("amount", type=USDC)
@click.option("--days", type=click.IntRange(1, 90), default=30, show_default=True)
@wallet_options
@signing
async def vouch(market: Market, *, address: bytes, amount: int, days: int) -> None:
    """Vouch for AGENT: its failures weigh less, and until the end they count for you, too, up to AMOUNT USDC.

    Needs that much free stake, and counts while five full witnesses speak for you. It cannot be taken back.
    """
    made = await AgentActions(market).vouch(address, at_risk_units=amount, seconds=days * DAY)
    click.echo(f"You vouch for {checksum(address)} with {format_usdc(amount)} USDC until {when(made.valid_until)}.")


@agent.command()
@click.argument("address", metavar="AGENT", type=ADDRESS)
@service_options
@reading
async def vouches(market: Market, address: bytes) -> None:
    """List who vouches for AGENT; every signature is checked."""
    table = Table("voucher", "address", "at risk", "from", "until", "", box=None)
    for found in await market.vouches(address):
        table.add_row(
            found.voucher_name or "",
            checksum(found.voucher),
            f"{format_usdc(found.at_risk_units)} USDC",
            when(found.valid_from),
            when(found.valid_until),
            "stands" if found.open else "does not stand now",
        )
    if table.row_count:
        console.print(table)
    else:
        click.echo("Nobody vouches for this agent.")
