"""`aicp reputation verify`: a score, computed again from a node and the published file of its epoch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
import httpx

from aicp.cli.lookup import print_rows, when
from aicp.cli.options import ADDRESS, run_until_done
from aicp.client.chain import read_deployment
from aicp.client.errors import ClientError, Unreachable
from aicp.client.verify_scores import Verified, verify_score
from aicp.rules.primitives import checksum, format_usdc
from aicp.rules.recovery import Recovery
from aicp.rules.witnesses import PPM

_MAX_FILE = 64 * 2**20


@click.group()
def reputation() -> None:
    """Scores of agents: see that they follow from the chain."""


@reputation.command()
@click.argument("agent", type=ADDRESS)
@click.option("--rpc", required=True, envvar="AICP_RPC_URL", help="RPC URL of any node.")
@click.option(
    "--deployment",
    required=True,
    envvar="AICP_DEPLOYMENT",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The published deployments/<chainId>.json.",
)
@click.option("--scores", help="File or URL of the epoch's scores; by default where the epoch itself says.")
@click.option("--epoch", type=click.IntRange(1), help="By default the newest that counts.")
@click.option("--skip-funders", is_flag=True, help="Believe the manifest who funded whom first: reads far fewer logs.")
def verify(
    *, agent: bytes, rpc: str, deployment: Path, scores: str | None, epoch: int | None, skip_funders: bool
) -> None:
    """Compute the score of AGENT (an address) from chain events and compare it with the anchored root.

    Needs a node and two published files, no service and no key. Exit code 4 when something differs.
    """

    async def inside() -> None:
        from aicp.client.score_chain import ScoreChain  # web3 is slow to load

        published = read_deployment(deployment)
        chain = ScoreChain(rpc, published)
        await chain.check()
        anchor = await chain.anchor(epoch)
        if anchor.vetoed:
            raise ClientError(f"Epoch {anchor.event.epoch} was vetoed; it never counts.")
        content = await _load(scores or anchor.event.uri)
        found = await verify_score(chain, published, content, agent, anchor=anchor, check_funders=not skip_funders)
        _say(found, found.inputs.common - published.paying_contracts)

    run_until_done(inside())


async def _load(place: str) -> dict[str, Any]:
    try:
        if place.startswith(("https://", "http://")):
            async with httpx.AsyncClient(timeout=30, follow_redirects=True) as client:
                answer = await client.get(place)
            answer.raise_for_status()
            text = answer.content
        else:
            text = _read(Path(place))
    except httpx.HTTPError as error:
        raise Unreachable(f"{place} did not answer ({type(error).__name__}).") from error
    except OSError as error:
        raise ClientError(f"{place or 'The file of scores'} cannot be read; name it with --scores.") from error
    if len(text) > _MAX_FILE:
        raise ClientError(f"{place} is too large for a file of scores.")
    try:
        content = json.loads(text)
    except ValueError as error:
        raise ClientError(f"{place} is no JSON.") from error
    if not isinstance(content, dict):
        raise ClientError(f"{place} is no file of scores.")
    return content


def _read(path: Path) -> bytes:
    return path.read_bytes()


def _hundredths(value: int) -> str:
    return f"{value // 100}.{value % 100:02d}"


def _recovery(found: Recovery | None) -> list[tuple[str, str]]:
    if found is None:
        return []
    parts = (
        f"{_hundredths(found.time_bps)} % by time, {_hundredths(found.redemption_bps)} % by redemption tasks, "
        f"{_hundredths(found.vouch_bps)} % by {found.vouchers} vouches"
    )
    failed = found.failure.outcome.name.lower()
    return [("recovery", f"the last failure ({failed}) weighs {_hundredths(found.forgiven_bps)} % less: {parts}")]


def _say(found: Verified, exchanges: frozenset[bytes]) -> None:
    card, event = found.card, found.anchor.event
    for sentence in found.compared:
        click.echo(f"  same          {sentence}")
    state = "counts" if found.anchor.counts else f"counts from {when(event.active_at)}"
    print_rows(
        [
            ("agent", checksum(card.agent)),
            ("score", f"{_hundredths(card.score)} ({card.tier.value.replace('_', ' ')})"),
            ("base", f"{_hundredths(card.base)}, of the last 30 days {_hundredths(card.recent)}"),
            ("decay", f"{card.days} days since the last outcome"),
            ("activity", f"{card.active_days} days with a success of the last 30"),
            ("current", _hundredths(card.current)),
            ("witnesses", f"{card.credit * 100 // PPM / 100:.2f} full ones"),
            ("speed", _hundredths(found.qualities.speed)),
            ("quality", _hundredths(found.qualities.quality)),
            ("reliability", _hundredths(found.qualities.reliability)),
            ("deals", f"{card.jobs} over {format_usdc(card.settled_value)} USDC"),
            *_recovery(found.recovery),
            ("exchanges", ", ".join(checksum(one) for one in sorted(exchanges)) or "none named"),
            ("epoch", f"{event.epoch}, to {when(found.inputs.end)}, {state}"),
        ]
    )
