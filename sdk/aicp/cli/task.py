"""`aicp task post|list|show|follow|accept|cancel`."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any, Final

import click
from rich.table import Table

from aicp.cli.lookup import state_words
from aicp.cli.options import ADDRESS, USDC, console, own_rpc_option, reading, service_options, signing, wallet_options
from aicp.client import BuyerActions, Market, PoolActions
from aicp.client.errors import ClientError
from aicp.client.models import Deal, Task
from aicp.client.purchase import WAITS, Purchase, Wishes
from aicp.rules.auctions import AuctionOptions, Extension
from aicp.rules.awarding import DEFAULT_WEIGHTS, Weights
from aicp.rules.primitives import checksum, format_usdc, hex0x


class WeightsType(click.ParamType):
    """Four basis points as price,reputation,time,specialty."""

    name = "weights"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Weights:
        if isinstance(value, Weights):
            return value
        try:
            price, reputation, time, specialty = (int(part) for part in str(value).split(","))
            return Weights(price=price, reputation=reputation, time=time, specialty=specialty)
        except ValueError:
            self.fail(f"{value!r} are no weights; write them like 4000,3000,1500,1500.", param, ctx)


WEIGHTS = WeightsType()


@click.group()
def task() -> None:
    """Post a task, watch its bids, take its result."""


_PAID: Final = {
    "escrow": "paid through an escrow, by one signature in the wallet",
    "channel": "paid from your pool, without gas and without a signature in the wallet",
}


def _say(sentence: str) -> None:
    click.echo(f"  {sentence}")


def _ended(found: Task) -> None:
    if found.state not in {"completed", "delivered"}:
        raise ClientError(f"The task ended {found.public_state}.")


@task.command()
@click.argument("title")
@click.argument("files", nargs=-1, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--budget", type=USDC, help="The most you will pay, in USDC; with --instant it is --max.")
@click.option("--description", default="", help="What is to be done; by default the title.")
@click.option("--capability", default="data_processing", show_default=True)
@click.option("--complexity", type=click.IntRange(1, 10), default=1, show_default=True)
@click.option("--urgency", type=click.Choice(["1.0", "1.25", "1.5"]), default="1.0", show_default=True)
@click.option("--escrow-only", is_flag=True, help="Pay by escrow also below 10 USDC.")
@click.option("--verifier", type=ADDRESS, help="Who can release the money together with the agent; pays by escrow.")
@click.option("--auction", type=click.IntRange(5, 604_800), default=60, show_default=True, help="Seconds.")
@click.option(
    "--within", type=click.IntRange(30, 2_592_000), default=3600, show_default=True, help="Seconds to deliver."
)
@click.option(
    "--award",
    type=click.Choice(["best", "rule", "none"]),
    default="best",
    show_default=True,
    help="The lowest bid, the published rule, or your own choice.",
)
@click.option(
    "--weights", type=WEIGHTS, help="For the rule: price,reputation,time,specialty in basis points, together 10000."
)
@click.option("--reserve", type=USDC, help="The most the rule awards at; above it you choose.")
@click.option("--buy-now", type=USDC, help="A bid at or below it wins at once; you sign for that.")
@click.option("--instant", is_flag=True, help="No auction: the scheduler asks one agent after the other; needs --max.")
@click.option("--max", "most", type=USDC, help="The most you pay with --instant; you sign for that.")
@click.option(
    "--sealed", type=click.IntRange(30, 86_400), help="Sealed bids, shown within so many seconds after the end."
)
@click.option(
    "--extend",
    type=(int, int),
    metavar="WINDOW MOST",
    help="A bid in the last WINDOW seconds moves the end, MOST in all.",
)
@click.option(
    "--min-bids",
    type=click.IntRange(1),
    help="Award once there are so many bids, or at the end.",
)
@click.option("--pool", "pool_units", type=USDC, default="0", help="Deposit this into the pool where it is needed.")
@click.option("--accept", is_flag=True, help="Accept the result when it arrives.")
@click.option("--results", type=click.Path(file_okay=False, path_type=Path), help="Folder for the result files.")
@click.option("--timeout", type=float, default=3600.0, show_default=True, help="Seconds to wait in all.")
@own_rpc_option
@wallet_options
@signing
async def post(
    market: Market,
    *,
    title: str,
    files: tuple[Path, ...],
    budget: int | None,
    description: str,
    capability: str,
    complexity: int,
    urgency: str,
    escrow_only: bool,
    verifier: bytes | None,
    auction: int,
    within: int,
    award: str,
    weights: Weights | None,
    reserve: int | None,
    buy_now: int | None,
    instant: bool,
    most: int | None,
    sealed: int | None,
    extend: tuple[int, int] | None,
    min_bids: int | None,
    pool_units: int,
    accept: bool,
    results: Path | None,
    timeout: float,  # noqa: ASYNC109  # a wish of the buyer, kept by Purchase
) -> None:
    """Post a task with its FILES, award the best bid, pay, and wait for the result."""
    if award != "rule" and weights is not None:
        raise click.UsageError("--weights are for --award rule.")
    if instant != (most is not None) or (instant and buy_now is not None):
        raise click.UsageError("--instant goes with --max, and without --buy-now.")
    budget = most if budget is None else budget
    if budget is None:
        raise click.UsageError("Name the --budget.")
    try:
        options = AuctionOptions(
            weights=(weights or DEFAULT_WEIGHTS) if award == "rule" else None,
            reserve_units=reserve,
            buy_now_units=most if instant else buy_now,
            reveal_seconds=sealed,
            extension=None if extend is None else Extension(window_seconds=extend[0], most_seconds=extend[1]),
            instant=instant,
        )
        options.check_budget(budget)
    except ValueError as error:
        raise click.UsageError(f"This auction cannot be: {error}.") from error
    posted = await BuyerActions(market).post_task(
        title=title,
        description=description or title,
        capability=capability,
        budget_units=budget,
        files=files,
        complexity=complexity,
        urgency=urgency,
        escrow_only=escrow_only or verifier is not None,
        auction_seconds=auction,
        deliver_within_seconds=within,
        verifier=verifier,
        auction=options,
    )
    click.echo(f"Task {posted.id} is open. At its budget it is {_PAID[posted.path_at_budget]}.")
    if award == "none":
        return
    wishes = Wishes(min_bids=min_bids, pool_units=pool_units, accept=accept, results=results, timeout_seconds=timeout)
    _ended(await Purchase(market, wishes, _say).follow(posted.id))


@task.command()
@click.argument("task_id", type=click.UUID)
@click.option("--pool", "pool_units", type=USDC, default="0", help="Deposit this into the pool where it is needed.")
@click.option(
    "--min-bids",
    type=click.IntRange(1),
    help="Award once there are so many bids, or at the end.",
)
@click.option("--accept", is_flag=True, help="Accept the result when it arrives.")
@click.option("--results", type=click.Path(file_okay=False, path_type=Path), help="Folder for the result files.")
@click.option("--timeout", type=float, default=3600.0, show_default=True, help="Seconds to wait in all.")
@own_rpc_option
@wallet_options
@signing
async def follow(
    market: Market,
    *,
    task_id: uuid.UUID,
    pool_units: int,
    min_bids: int | None,
    accept: bool,
    results: Path | None,
    timeout: float,  # noqa: ASYNC109  # a wish of the buyer, kept by Purchase
) -> None:
    """Take a task of yours up again where it stands."""
    wishes = Wishes(min_bids=min_bids, pool_units=pool_units, accept=accept, results=results, timeout_seconds=timeout)
    _ended(await Purchase(market, wishes, _say).follow(task_id))


@task.command()
@click.argument("task_id", type=click.UUID)
@click.option("--reject", type=click.IntRange(1, 255), help="Reject a result below 10 USDC, with this reason code.")
@wallet_options
@signing
async def accept(market: Market, task_id: uuid.UUID, reject: int | None) -> None:
    """Accept (or reject) the result of a task of yours."""
    found = await market.task(task_id)
    if found.deal_id is None:
        raise ClientError("This task has no deal.")
    deal = await market.deal(found.deal_id)
    await take_result(market, deal, reject)
    click.echo("Rejected." if reject else f"Accepted; {format_usdc(deal.price_units)} USDC go to the agent.")


async def take_result(market: Market, deal: Deal, reject: int | None) -> None:
    """Accept a result after its bytes were fetched and checked, or reject it with a reason code.

    Raises Mismatch, with nothing signed, when the bytes are not those the agent has signed for.
    """
    if reject is None and deal.state == "delivered":
        await Purchase(market, Wishes(accept=True), _say).fetch(deal)
    if deal.path == "channel":
        await PoolActions(market).verdict(deal, accepted=reject is None, reason=reject or 0)
    elif reject is not None:
        raise ClientError("An escrow is not rejected; dispute it with `aicp deal dispute`, or do nothing.")
    else:
        await BuyerActions(market).release(deal)


@task.command()
@click.argument("task_id", type=click.UUID)
@wallet_options
@signing
async def cancel(market: Market, task_id: uuid.UUID) -> None:
    """Cancel a task of yours that is open, or awarded and not paid; for paid escrows see `aicp deal cancel`."""
    await BuyerActions(market).cancel_task(task_id)
    click.echo("Cancelled; nothing was paid.")


@task.command("list")
@click.option("--state", help="Only tasks in this state, for example open.")
@click.option("--capability", help="Only tasks that need this.")
@click.option("--specialty", help="Only tasks about this, for example task_type:compute.")
@click.option("--least", type=USDC, help="Only budgets from this on.")
@click.option("--most", type=USDC, help="Only budgets up to this.")
@click.option("--words", help="Only titles with these words.")
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True)
@service_options
@reading
async def list_tasks(
    market: Market,
    *,
    state: str | None,
    capability: str | None,
    specialty: str | None,
    least: int | None,
    most: int | None,
    words: str | None,
    limit: int,
) -> None:
    """List tasks, newest first."""
    table = Table("task", "title", "buyer", "can do", "budget", "bids", "best", "state", box=None)
    found_tasks = market.tasks(
        state=state, capability=capability, specialty=specialty, least_units=least, most_units=most, words=words
    )
    async for found in found_tasks:
        if table.row_count == limit:
            break
        best = "" if found.best_bid_units is None else format_usdc(found.best_bid_units)
        table.add_row(
            str(found.id),
            found.title,
            f"{checksum(found.buyer)[:8]}…",
            found.capability,
            format_usdc(found.budget_units),
            str(found.bid_count),
            best,
            state_words(found),
        )
    if table.row_count:
        console.print(table)
    else:
        click.echo("There is no such task.")


def _auction_rows(found: Task) -> list[tuple[str, str]]:
    """Return what the buyer has chosen of the auction, and how he has judged results before."""
    rows: list[tuple[str, str]] = []
    if found.reveal_ends_at is not None:
        shown = found.reveal_ends_at.astimezone().strftime("%Y-%m-%d %H:%M:%S")
        rows.append(("bids", f"sealed, shown until {shown}"))
    if found.award_weights is not None:
        weights = ", ".join(f"{name} {value / 100:g}%" for name, value in found.award_weights.items())
        rows.append(("awarded", f"by the rule: {weights}"))
    if found.reserve_units is not None:
        rows.append(("reserve", f"{format_usdc(found.reserve_units)} USDC"))
    if found.instant and found.buy_now_units is not None:
        rows.append(("assigned", f"by the scheduler, for at most {format_usdc(found.buy_now_units)} USDC"))
        if found.waits_for is not None:
            rows.append(("waits", WAITS.get(found.waits_for, found.waits_for)))
    elif found.buy_now_units is not None:
        rows.append(("buy now", f"{format_usdc(found.buy_now_units)} USDC"))
    record = found.buyer_record
    if record is not None and record.decided:
        share = f"{record.rejected_bps // 100}.{record.rejected_bps % 100:02d}%"
        rows.append(("rejects", f"{record.rejected} of {record.decided} results paid from a pool ({share})"))
    return rows


@task.command()
@click.argument("task_id", type=click.UUID)
@service_options
@reading
async def show(market: Market, task_id: uuid.UUID) -> None:
    """Show a task and its bids."""
    found = await market.task(task_id)
    console.print(f"[bold]{found.title}[/bold]", highlight=False)
    for label, value in (
        ("task", str(found.id)),
        ("hash", hex0x(found.task_hash)),
        ("buyer", checksum(found.buyer)),
        ("state", state_words(found)),
        ("needs", found.capability),
        ("budget", f"{format_usdc(found.budget_units)} USDC, {_PAID[found.path_at_budget]}"),
        ("auction ends", found.auction_ends_at.astimezone().strftime("%Y-%m-%d %H:%M:%S")),
        *_auction_rows(found),
        ("deliver within", f"{found.deliver_within_seconds} s"),
        ("inputs", ", ".join(f"{file.name} ({file.size} B)" for file in found.input_summary) or "none"),
    ):
        click.echo(f"  {label:15}{value}")
    bids = await market.bids(task_id)
    table = Table("bid", "agent", "price", "ready in", "", box=None)
    for bid in bids:
        note = "withdrawn" if bid.withdrawn else "" if bid.live else "no longer counts"
        agent = bid.agent_name or checksum(bid.agent)
        table.add_row(hex0x(bid.bid_hash)[:10], agent, format_usdc(bid.amount_units), f"{bid.eta_seconds} s", note)
    if bids:
        console.print(table)
    if not found.instant:
        return
    table = Table("offered to", "why", "points", "answer", "refused", box=None)
    for offer in await market.offers(task_id):
        refused = ", ".join(f"{checksum(one.agent)[:8]} {one.why}" for one in offer.refused)
        points = f"{offer.points_bps / 100:.2f}%"
        table.add_row(checksum(offer.agent), offer.why, points, offer.answer or "waits", refused)
    if table.row_count:
        console.print(table)
