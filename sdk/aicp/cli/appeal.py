"""`aicp deal appeal`: the appeal of a dispute, read from the chain; paying for a side of it, and getting money back."""

from __future__ import annotations

import uuid
from typing import Final

import click

from aicp.abi.enums import DisputePeriod
from aicp.cli.lookup import deal_argument, find, print_rows, when
from aicp.cli.options import USDC, rpc_option, signing, wallet_options
from aicp.client import Market
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
    collect: bool,
    rpc: str | None,
) -> None:
    """Show the appeal of a dispute, pay for a side of it (--fund), or get money back (--collect).

    The side the votes are against pays twice what the next panel costs, in the first half of the time; then the other
    side pays once, or loses. Sent by the wallet, which needs gas.
    """
    if fund and collect:
        raise click.UsageError("Either --fund or --collect.")
    if not fund and (side or amount is not None):
        raise click.UsageError("--side and --amount belong to --fund.")
    found, chain = await find(market, deal_id), await market.chain()
    number = number_of(found, chain)
    if not (rpc or chain.rpc_url):
        raise ClientError("The service names no RPC; name one with --rpc.")
    own = Appeals(rpc or chain.rpc_url, market.wallet, chain)
    if collect:
        click.echo(f"Paid out: {format_usdc(await own.collect(number))} USDC.")
    elif fund:
        named = side or _side_of(found, market.address)
        paid = await own.fund(number, SIDES[named], limit_units=limit, units=amount)
        click.echo(f"Paid {format_usdc(paid)} USDC for the {named}'s side.")
    _show(await own.standing(number), chain)


def _side_of(found: Deal, us: bytes) -> str:
    for name, party in (("buyer", found.buyer), ("agent", found.agent)):
        if us == party:
            return name
    raise ClientError("You are no party of this deal; name the --side you pay for.")


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
