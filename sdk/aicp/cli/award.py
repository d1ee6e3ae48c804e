"""`aicp award verify`: an award, computed again from signatures."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import click
from rich.table import Table

from aicp.cli.files import read_object
from aicp.cli.lookup import when
from aicp.cli.options import console, reading, service_options
from aicp.client import Market, models
from aicp.client.chain import Chain
from aicp.client.errors import ClientError
from aicp.client.verify_award import (
    DecidedByRule,
    auction_of,
    check_bids,
    check_choice,
    check_decided,
    check_epoch,
    check_order_award,
    check_record,
    check_scores,
)
from aicp.rules.deployment import Deployment
from aicp.rules.primitives import checksum, format_usdc, hex0x
from aicp.rules.reputation import FLOOR

_NO_RECORD: Final = "is no record of an award"
_NO_EPOCH: Final = "no epoch of scores counted then; everybody has 20.00"
_ASK_THE_CHAIN: Final = "with --rpc and --deployment the chain is asked for both"


@click.group()
def award() -> None:
    """Awards of tasks: see that the best bid won and none was left out."""


@award.command()
@click.argument("task_id", metavar="TASK", type=click.UUID)
@click.option(
    "--record",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A signed record kept elsewhere; by default the service's.",
)
@click.option("--rpc", envvar="AICP_RPC_URL", help="RPC of any node, to compare the scores with the anchored root.")
@service_options
@reading
async def verify(market: Market, *, task_id: uuid.UUID, record: Path | None, rpc: str | None) -> None:
    """Check the award of TASK: every bid and receipt, that all of them are under the award's root, and the winner.

    Lines that begin with "same" were computed again from signatures; "believed" is what only the service says. Exit
    code 4 when something differs. With --deployment the operator's keys are the published ones, with --rpc as well the
    epoch of the scores is compared with the chain: which one counted, and its root.
    """
    chain = await market.chain()
    task, bids, awards = await market.task(task_id), await market.bids(task_id), await market.awards(task_id)
    if not awards:
        raise ClientError("The task has not been awarded.")
    shown = _Shown(task, bids, await market.commits(task_id) if task.reveal_ends_at is not None else [], awards)
    _complete(shown, chain)
    if shown.award.decided_by == "order":
        await _by_order(market, shown, chain)
    else:
        if shown.award.decided_by == "buyer" and record is None:
            _by_choice(shown, chain)
        else:
            published = (
                read_object(record, "is no record of an award") if record else await market.award_record(task_id)
            )
            await _by_rule(market, shown, chain, published, rpc)
        if task.buy_now_units is not None:
            _believed("that no price at which a bid wins at once was signed and in force when a bid was within it")
    if task.document is None:
        _believed("who decides, weights and limits of the task: the document they are in is for its parties")


@dataclass(frozen=True, slots=True)
class _Shown:
    """What the service shows of an auction."""

    task: models.Task
    bids: list[models.Bid]
    commits: list[models.Commit]
    awards: list[models.Award]

    @property
    def award(self) -> models.Award:
        """The award that stands."""
        return self.awards[-1]

    @property
    def earlier(self) -> list[models.Award]:
        """The awards that ended unpaid."""
        return self.awards[:-1]


def _complete(shown: _Shown, chain: Chain) -> None:
    bids, commits = shown.bids, shown.commits
    check_bids(shown.task, bids, shown.award, chain, commits)
    _same(f"{len(commits or bids)} bids, each signed by its agent and receipted, numbers without a hole")
    if commits:
        _same(f"{len(bids)} of them were shown, each the one its agent had committed to")
    _same(f"the award's root {hex0x(shown.award.bids_root)} is over all of them")


def _say_winner(shown: _Shown, why: str = "") -> None:
    winner = next(bid for bid in shown.bids if bid.bid_hash == shown.award.bid_hash)
    click.echo(f"  winner        {checksum(winner.agent)}, {format_usdc(winner.amount_units)} USDC{why}")


async def _by_order(market: Market, shown: _Shown, chain: Chain) -> None:
    task = shown.task
    check_order_award(task, shown.bids, shown.award, chain, await market.task_order(task.id), earlier=shown.earlier)
    _same("the buyer has signed a price at or below which a bid wins at once, and this was the first")
    _believed("when the bids and the order came")
    if task.instant:
        _believed("whom the scheduler asked: it passes over suspended agents, and no signature shows who is one")
    elif shown.earlier:
        _believed("why earlier awards ended unpaid: that of a suspended agent does at once, unseen in signatures")
    _say_winner(shown)


def _by_choice(shown: _Shown, chain: Chain) -> None:
    check_choice(shown.task, shown.bids, shown.award, chain, commits=shown.commits, earlier=shown.earlier)
    if auction_of(shown.task).weights is not None:
        _same("no bid that was valid as long as this one counted for the rule, so the choice was the buyer's")
    _believed("that the buyer chose this bid, which nobody signs")
    _say_winner(shown, ", as the buyer chose")


async def _by_rule(market: Market, shown: _Shown, chain: Chain, published: dict[str, Any], rpc: str | None) -> None:
    task = shown.task
    decided = check_record(
        task, shown.bids, shown.award, chain, published, commits=shown.commits, earlier=shown.earlier
    )  # fmt: skip
    check_decided(decided, now=chain.now())
    _same("the rule, applied to the signed inputs, gives this winner")
    await _scores(market, decided, rpc)
    if task.reveal_ends_at is None and decided.contest.decided_at < task.auction_ends_at.timestamp():
        _believed("that the buyer asked for the award before the auction's end")
    _show(decided)


def _same(sentence: str) -> None:
    click.echo(f"  same          {sentence}")


def _believed(sentence: str) -> None:
    click.echo(f"  believed      {sentence}")


async def _scores(market: Market, decided: DecidedByRule, rpc: str | None) -> None:
    """Compare the scores with their epoch, and say what of it had to be believed."""
    contest = decided.contest
    _believed(f"the award was decided {when(contest.decided_at)}")
    root = None
    if rpc is not None and market.published is not None:
        root = await _root_then(rpc, market.published, decided)
        counted = f"epoch {contest.epoch} was the newest that counted then" if contest.epoch else _NO_EPOCH
        _same(f"by the chain, {counted}")
    elif contest.epoch == 0:
        _believed(_NO_EPOCH)
    else:
        _believed(f"that epoch {contest.epoch} was the newest that counted then, and its file; {_ASK_THE_CHAIN}")
    if contest.epoch == 0:
        return
    check_scores(decided, await market.epoch_file(contest.epoch), root)
    _same(f"the scores are those of epoch {contest.epoch}" + ("" if root is None else ", whose root the chain has"))
    if any(offer.specialty != FLOOR for offer in decided.offers):
        _believed("scores in the task's specialty, which are not anchored")


async def _root_then(rpc: str, published: Deployment, decided: DecidedByRule) -> bytes | None:
    """Return the root of the epoch by which the award had to go, None where none counted. Raises Mismatch."""
    from aicp.client.score_chain import ScoreChain  # web3 is slow to load

    scores = ScoreChain(rpc, published)
    await scores.check()
    newest = await scores.newest_at(decided.contest.decided_at)
    check_epoch(decided, newest)
    return None if newest is None else newest.root


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
