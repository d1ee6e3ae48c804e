"""`aicp wallet show|faucet|sign-out|pool|collect|claim|stake`."""

from __future__ import annotations

from typing import Final

import click
from rich.table import Table

from aicp.cli.lookup import when
from aicp.cli.options import USDC, console, signing, wallet_options
from aicp.client import AgentActions, Market, PoolActions
from aicp.client.errors import ClientError, NotEnough, ProblemError, together
from aicp.client.models import Intent, Pool
from aicp.rules.ledgers import LedgerName
from aicp.rules.primitives import checksum, format_usdc, hex0x

WAITS: Final = {
    LedgerName.ESCROW: "from escrows",
    LedgerName.REPUTATION: "from stakes",
    LedgerName.ARBITER: "from the arbiter",
}


@click.group()
def wallet() -> None:
    """See and move your own money. Nothing here needs gas, except --direct."""


async def _landed(market: Market, intent: Intent, sentence: str) -> None:
    click.echo(f"{sentence} Waiting for the chain ...")
    mined = await market.wait_landed(intent.id)
    click.echo(f"Mined in block {mined.block_number}: {hex0x(mined.tx_hash) if mined.tx_hash else 'no hash'}")


@wallet.command()
@wallet_options
@signing
async def show(market: Market) -> None:
    """Show what the wallet owns here."""
    held, owed, committed = await market.balances(), await market.owed(), await market.committed()
    click.echo(checksum(held.address))
    waiting = [(f"to collect, {WAITS[found.ledger]}", found.units) for found in held.ledgers if found.units]
    for label, units in (
        ("in the wallet", held.usdc_units),
        ("in pools", committed.pool_units),
        ("in open escrows", committed.escrow_units),
        *(waiting or [("to collect", 0)]),
        ("stake", held.staked_units),
        ("stake locked", held.stake_locked_units),
        ("stake free", held.stake_free_units),
        *(() if owed is None else (("earned, not claimed yet", owed.owed_units),)),
        ("receipts claimed", held.channel_claimed_units),
        ("receipts paid out", held.channel_settled_units),
    ):
        click.echo(f"  {label:31}{format_usdc(units):>16} USDC")


@wallet.command()
@click.argument("amount", type=USDC, default="1000")
@wallet_options
@signing
async def faucet(market: Market, amount: int) -> None:
    """Get AMOUNT test USDC, by default 1000: on the local chain only, without gas, once a minute."""
    intent = await market.faucet(amount)
    if intent.landed:
        click.echo("The faucet has given that already in this minute; ask again in the next one.")
        return
    await _landed(market, intent, f"The faucet gives {format_usdc(amount)} USDC to {checksum(market.address)}.")


@wallet.command("sign-out")
@wallet_options
@signing
async def sign_out(market: Market) -> None:
    """End the session that commands share for an hour, kept under ~/.aicp/sessions; the next command signs in again."""
    ended = await market.transport.sign_out()
    click.echo("Signed out." if ended else "No session is kept here.")


@wallet.group()
def pool() -> None:
    """The deposit for small payments."""


@pool.command("show")
@wallet_options
@signing
async def show_pools(market: Market) -> None:
    """Show your pools, and where their money stands."""
    pools = await market.pools()
    table = Table("pool", "settled", "earned", "promised", "free", "for new orders", "leaving", box=None)
    for found in pools:
        earned = max(found.earned_units - found.claimed_units, 0)
        free = max(found.balance_latest_units - earned - found.reserved_units, 0)
        leaving = format_usdc(found.pending_withdraw_units) if found.pending_withdraw_units else ""
        if leaving and found.finalize_at is not None:
            leaving += f", {when(found.finalize_at)} at the latest"
        parts = (found.claimed_units, earned, found.reserved_units, free, found.available_units)
        table.add_row(hex0x(found.pool_id)[:18], *map(format_usdc, parts), leaving)
    if pools:
        console.print(table)
        click.echo(
            "Settled on chain, earned off-chain, promised and free add up to what was paid in and not withdrawn."
        )
    else:
        click.echo("You have no pool. Open one with `aicp wallet pool deposit 5`.")


@pool.command()
@click.argument("amount", type=USDC)
@wallet_options
@signing
async def deposit(market: Market, amount: int) -> None:
    """Put AMOUNT USDC into the pool; the first time this makes the session key that spends it."""
    intent = await PoolActions(market).deposit(amount)
    # a deposit that was still under way is taken up first, whatever was asked for now
    sent = int(intent.reference["amount_units"])
    await _landed(market, intent, f"Depositing {format_usdc(sent)} USDC.")


@pool.command()
@click.argument("amount", type=USDC, required=False)
@click.option("--cancel", is_flag=True, help="Take back the whole withdrawal that is under way.")
@click.option("--pool", "named", help="The id of another pool of yours, or how it begins.")
@wallet_options
@signing
async def withdraw(market: Market, amount: int | None, cancel: bool, named: str | None) -> None:
    """Ask AMOUNT USDC of the pool back; it is paid after the pool's delay, sooner when the operator agrees.

    Until then the pool takes no orders.
    """
    if cancel == (amount is not None):
        raise click.UsageError("Name an AMOUNT to withdraw, or --cancel.")
    actions = PoolActions(market)
    found = await actions.pool() if named is None else await _own_pool(market, named)
    if found is None:
        raise NotEnough("You have no pool with this session key.")
    intent = await actions.withdraw(found, amount or 0, cancel=cancel)
    await _landed(market, intent, "Cancelling." if cancel else f"Asking {format_usdc(amount or 0)} USDC back.")
    if not cancel:
        click.echo("Until it is paid the pool takes no orders; `aicp wallet pool show` says when it is at the latest.")


async def _own_pool(market: Market, named: str) -> Pool:
    found = [one for one in await market.pools() if hex0x(one.pool_id).startswith(named.lower())]
    if len(found) != 1:
        raise NotEnough("No pool of yours, or more than one, begins like this.")
    return found[0]


@pool.command("move")
@wallet_options
@signing
async def move_pools(market: Market) -> None:
    """Move what is free in pools of earlier operators to the one who serves now; the service does the rest."""
    chain, actions = await market.chain(), PoolActions(market)
    left = [one for one in await market.pools() if one.operator != chain.current_operator]
    moving = [one for one in left if one.pending_withdraw_units or one.available_units]
    if not moving:
        click.echo("Nothing is free to move: agents claim what is promised first.")
    for found in moving:
        moved = await actions.move(found)
        click.echo(f"{hex0x(found.pool_id)[:18]}: {format_usdc(moved.amount_units)} USDC, {moved.state}.")


@wallet.command()
@click.option("--direct", is_flag=True, help="Send the transactions yourself, with your own gas, whoever is gone.")
@click.option("--rpc", envvar="AICP_RPC_URL", help="RPC for --direct; by default the one the service names.")
@wallet_options
@signing
async def collect(market: Market, direct: bool, rpc: str | None) -> None:
    """Pay out what waits in the contracts, and fetch (with --direct: claim) receipts."""
    if direct:
        await _collect_directly(market, rpc)
        return
    taken = await AgentActions(market).collect_receipts()
    if taken:
        click.echo(f"{len(taken)} new receipts are stored.")
    anything = False
    async for intent in market.collect():
        anything = True
        amount, ledger = int(intent.reference["amount_units"]), LedgerName(intent.reference["ledger"])
        await _landed(market, intent, f"Collecting {format_usdc(amount)} USDC {WAITS[ledger]}.")
    if not anything:
        click.echo("Nothing waits to be collected.")


@wallet.command("claim")
@wallet_options
@signing
async def ask_claims(market: Market) -> None:
    """Ask the operator to claim what your stored receipts hold now, channel by channel."""
    store, actions = await market.store(), AgentActions(market)
    channels = [receipt.channel_id for receipt in store.best_receipts()]
    if not channels:
        click.echo("No receipt is stored. Fetch them with `aicp wallet collect`.")
    for channel_id in channels:
        try:
            wish = await actions.ask_claim(channel_id)
            click.echo(f"{hex0x(channel_id)[:18]}: {format_usdc(wish.unclaimed_units)} USDC will be claimed.")
        except ProblemError as error:
            if error.status != 409:
                raise
            click.echo(f"{hex0x(channel_id)[:18]}: {error}")


async def _collect_directly(market: Market, rpc: str | None) -> None:
    chain, store = await market.chain(), await market.store()
    if not (rpc or chain.rpc_url):
        raise ClientError("The service does not answer; name an RPC with --rpc.")
    try:
        await AgentActions(market).collect_receipts()
    except ClientError as error:
        click.echo(f"Only receipts that are stored here are claimed: {error}", err=True)
    from aicp.client.direct import DirectChain  # web3 is slow to load

    direct = DirectChain(rpc or chain.rpc_url, market.wallet, chain)
    refusals = []
    for name in chain.ledgers:
        try:
            paid = await direct.withdraw(name)
            click.echo(f"Withdrawn {format_usdc(paid)} USDC {WAITS[name]}.")
        except ClientError as error:
            refusals.append(error)
    claimed = 0
    for receipt in store.best_receipts():
        try:
            open_units = receipt.total_claimed_units - await direct.claimed_units(receipt.channel_id)
            if open_units > 0:
                await direct.claim(receipt)
                claimed += open_units
        except ClientError as error:
            refusals.append(error)
    click.echo(f"Claimed {format_usdc(claimed)} USDC of receipts.")
    if refusals:
        raise together(refusals)


@wallet.command()
@click.argument("amount", type=USDC)
@wallet_options
@signing
async def stake(market: Market, amount: int) -> None:
    """Stake AMOUNT USDC as an agent."""
    if amount == 0:
        raise ClientError("Stake more than zero.")
    intent = await AgentActions(market).stake(amount)
    await _landed(market, intent, f"Staking {format_usdc(amount)} USDC.")
