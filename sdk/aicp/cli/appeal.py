"""`aicp deal appeal`: the appeal of a dispute, read from the chain; paying for a side of it, and getting money back."""

from __future__ import annotations

import uuid
from typing import Final

import click

from aicp.abi.enums import DisputePeriod
from aicp.cli.lookup import deal_argument, find, print_rows, when
from aicp.cli.options import USDC, rpc_option, signing, wallet_options
from aicp.client import DisputeActions, Market
from aicp.client.appeals import Appeals, Standing
from aicp.client.chain import Chain
from aicp.client.errors import ClientError
from aicp.client.models import Deal
from aicp.client.verify_dispute import number_of
from aicp.rules.primitives import format_usdc

SIDES: Final = {"buyer": 1, "agent": 2}
RULINGS: Final = {"buyer": "for the buyer", "agent": "for the agent", "neither": "for neither side, half to each"}
_BY_NUMBER: Final = ("neither", "buyer", "agent")


@click.command()
@deal_argument
@click.option("--fund", is_flag=True, help="Pay what your side of the appeal is short of.")
@click.option("--side", type=click.Choice(sorted(SIDES)), help="Pay for this side; by default your own.")
@click.option("--amount", type=USDC, help="Pay this much of it only, in USDC.")
@click.option("--limit", type=USDC, default="50", show_default=True, help="Pay no more than this, in USDC.")
@click.option("--direct", is_flag=True, help="Send the payment from the wallet itself, for its own gas.")
@click.option("--collect", is_flag=True, help="After the ruling: get back what is due, and all the arbiter owes you.")
@rpc_option
@wallet_options
@signing
async def appeal(  # one parameter for each option
    market: Market,
    *,
    deal_id: uuid.UUID,
    fund: bool,
    side: str | None,
    amount: int | None,
    limit: int,
    direct: bool,
    collect: bool,
    rpc: str | None,
) -> None:
    """Show the appeal of a dispute, pay for a side of it (--fund), or get money back (--collect).

    The side the votes are against pays twice what the next panel costs, in the first half of the time; then the other
    side pays once, or loses. What buyer and agent pay for their own sides is signed and sent by the service; with
    --direct, for another side, and to collect, the wallet sends it and needs gas.
    """
    if fund and collect:
        raise click.UsageError("Either --fund or --collect.")
    if not fund and (side or amount is not None or direct):
        raise click.UsageError("--side, --amount and --direct belong to --fund.")
    found, chain = await find(market, deal_id), await market.chain()
    number = number_of(found, chain)
    if not (rpc or chain.rpc_url):
        raise ClientError("The service names no RPC; name one with --rpc.")
    own = Appeals(rpc or chain.rpc_url, market.wallet, chain)
    if collect:
        click.echo(f"Paid out: {format_usdc(await own.collect(number))} USDC.")
    elif fund:
        ours = _side_of(found, market.address)
        named = side or ours
        if named is None:
            raise ClientError("You are no party of this deal; name the --side you pay for.")
        if named == ours and not direct:
            paid = await _fund_without_gas(market, found, named, limit, amount)
        else:
            paid = await own.fund(number, SIDES[named], limit_units=limit, units=amount)
        click.echo(f"Paid {format_usdc(paid)} USDC for the {named}'s side.")
    _show(await own.standing(number), chain)


def _side_of(found: Deal, us: bytes) -> str | None:
    return {found.buyer: "buyer", found.agent: "agent"}.get(us)


async def _fund_without_gas(market: Market, found: Deal, named: str, limit: int, amount: int | None) -> int:
    """Sign a payment for our side and wait until what the service sends is mined; return the base units."""
    after = await DisputeActions(market).fund_appeal(found, amount, limit_units=limit)
    last = after.last_intent
    if last is not None and last.kind == "appeal":
        click.echo("Signed; waiting for the chain ...")
        await market.wait_landed(last.id)
    appeal = None if found.escrow is None or found.escrow.dispute is None else found.escrow.dispute.appeal
    short = next(one.missing_units for one in appeal.sides if one.role == named) if appeal else 0
    return short if amount is None else min(amount, short)


def _show(now: Standing, chain: Chain) -> None:
    rows = [("period", f"{now.period.name.lower()} of round {now.round_number}")]
    if now.period is DisputePeriod.SOLVED:
        rows.append(("ruling", RULINGS[_BY_NUMBER[now.ruling]]))
    elif now.period is DisputePeriod.APPEAL or now.round_number:
        rows.append(("votes so far", RULINGS[_BY_NUMBER[now.verdict]]))
    if now.appeal is not None:
        rows += [
            ("next panel", f"costs {format_usdc(now.appeal.cost_units)} USDC"),
            ("challenge by", when(now.appeal.challenge_by)),
            ("ends", when(now.appeal.ends_at)),
        ]
        for name, number in SIDES.items():
            one = now.appeal.side(number)
            paid = f"{format_usdc(one.paid_units)} of {format_usdc(one.required_units)} USDC paid"
            if one.payable_until is None:
                todo = ""
            elif one.payable_until > chain.now():
                todo = f", {format_usdc(one.missing_units)} to pay until {when(one.payable_until)}"
            else:
                todo = ", too late to pay"
            rows.append((f"{name}'s side", paid + todo))
    elif now.ends_at:
        rows.append(("ends", when(now.ends_at)))
    if now.contributed_units:
        rows.append(("you paid in", f"{format_usdc(now.contributed_units)} USDC"))
    if now.credit_units:
        rows.append(("you can get", f"{format_usdc(now.credit_units)} USDC (--collect)"))
    print_rows(rows)
