"""`aicp indexer run|rebuild|status`: keep the mirror, build it anew, ask how it is.

Exit codes of `rebuild`: 0 readers see the new mirror, 1 it differs and was not swapped, 2 wrong usage, 3 node or
database do not answer or are busy, 5 a log of our contracts could not be understood. Of `status`: 0 all is well, 1 it
is not, 2 wrong usage, 3 the database does not answer. Of `run`: see `python -m indexer`.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import click
import structlog
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from sqlalchemy import Engine, create_engine
from sqlalchemy.exc import ArgumentError, ProgrammingError, SQLAlchemyError
from sqlalchemy.orm import Session

from aicp.rules.constants import network
from aicp.rules.deployment import Deployment, DeploymentFileError
from indexer.chain.errors import ChainError, WrongChainError
from indexer.chain.node import Node
from indexer.chain.rpc import Provider, Providers
from indexer.core.reducer import Reducer, UndecodableError
from indexer.rebuild import BusyReadersError, NoMirrorError, Outcome, Rebuild
from indexer.settings import contracts_of_deployment, psycopg_url
from indexer.store.errors import ForeignMirrorError
from indexer.views import MirrorEmptyError, MirrorStatus, mirror_status

NOT_WELL = 1
WRONG_USAGE = 2
NO_ANSWER = 3
DEAD_LETTER = 5

_database = click.option(
    "--db", required=True, envvar="AICP_INDEXER_DATABASE_URL", help="URL of the mirror's database, as its owner."
)


@click.group()
def indexer() -> None:
    """Keep the mirror of the contracts' logs, build it anew, or ask how it is."""
    # answers are on stdout; looked up at each line, because a caller may exchange the stream
    structlog.configure(logger_factory=lambda *_: structlog.PrintLogger(sys.stderr))


@indexer.command()
def run() -> None:
    """Keep the `chain` schema equal to the contracts' logs until a signal comes.

    Settings come from the environment: AICP_INDEXER_DATABASE_URL, AICP_RPC_URLS, AICP_CHAIN_ID, AICP_DEPLOYMENT.
    """
    from indexer.__main__ import main

    sys.exit(main([]))


@indexer.command()
@_database
@click.option(
    "--deployment",
    "deployment_file",
    required=True,
    envvar="AICP_DEPLOYMENT",
    type=click.Path(path_type=Path),
    help="The deployments/<chainId>.json file.",
)
@click.option("--from-chain", is_flag=True, help="Read the logs from a node again, instead of those already stored.")
@click.option("--rpc", envvar="AICP_RPC_URLS", help="For --from-chain: RPC URL of a node; several separated by commas.")
@click.option("--accept", is_flag=True, help="Swap even where the new mirror differs from the one in use.")
@click.option("--keep-old", is_flag=True, help="Keep the tables of the mirror that was in use.")
@click.option("--wait", default=60.0, show_default=True, help="Seconds to wait for readers to let go of the views.")
@click.option("--json", "as_json", is_flag=True, help="Print the outcome as JSON.")
def rebuild(
    *,
    db: str,
    deployment_file: Path,
    from_chain: bool,
    rpc: str | None,
    accept: bool,
    keep_old: bool,
    wait: float,
    as_json: bool,
) -> None:
    """Build the mirror anew beside the one in use, compare both, and let readers pass over to it.

    Readers and the running indexer go on meanwhile; the indexer exits with code 3 at its first write after the swap and
    goes on when it is started again.
    """
    if from_chain and not rpc:
        raise click.UsageError("--from-chain needs --rpc (or AICP_RPC_URLS).")
    with _answers("rebuild"):
        deployment = Deployment.load(deployment_file)
        engine = create_engine(psycopg_url(db))
        node = _node(rpc, deployment) if from_chain and rpc else None
        try:
            outcome = _rebuild(engine, deployment, node, quiet=as_json, options=(accept, keep_old, wait))
        finally:
            engine.dispose()
            if node is not None:
                node.close()
    click.echo(json.dumps(_as_json(outcome), indent=2) if as_json else _as_text(outcome))
    sys.exit(0 if outcome.swapped else NOT_WELL)


@indexer.command()
@_database
@click.option("--max-lag", default=120, show_default=True, help="Age of the newest block, in seconds, that is well.")
@click.option("--max-finality-age", default=1_200, show_default=True, help="The same of the newest final block.")
@click.option("--json", "as_json", is_flag=True, help="Print the status as JSON.")
def status(db: str, max_lag: int, max_finality_age: int, as_json: bool) -> None:
    """Say how far the mirror is and what is wrong with it, if anything.

    A chain that makes no blocks looks as an indexer that takes none: raise --max-lag there.
    """
    with _answers("status"):
        engine = create_engine(psycopg_url(db))
        try:
            with Session(engine) as session:
                found = mirror_status(session, int(time.time()))
        finally:
            engine.dispose()
    troubles = _troubles(found, max_lag, max_finality_age)
    if as_json:
        click.echo(json.dumps({"ok": not troubles, "troubles": troubles, **asdict(found)}, indent=2, default=str))
    else:
        click.echo(_status_text(found, troubles))
    sys.exit(NOT_WELL if troubles else 0)


@contextmanager
def _answers(name: str) -> Iterator[None]:
    """Turn what can go wrong into one sentence and an exit code."""
    try:
        yield
    except (ProgrammingError, MirrorEmptyError) as error:
        click.echo(f"aicp indexer {name}: there is no mirror in this database yet ({_sentence(error)})", err=True)
        sys.exit(NOT_WELL if name == "status" else WRONG_USAGE)
    except (DeploymentFileError, ForeignMirrorError, NoMirrorError, WrongChainError, ArgumentError) as error:
        click.echo(f"aicp indexer {name}: {_sentence(error)}", err=True)
        sys.exit(WRONG_USAGE)
    except (ChainError, BusyReadersError, SQLAlchemyError) as error:
        click.echo(f"aicp indexer {name}: {_sentence(error)}", err=True)
        sys.exit(NO_ANSWER)
    except UndecodableError as error:
        click.echo(f"aicp indexer {name}: a log could not be understood: {error}", err=True)
        sys.exit(DEAD_LETTER)


def _node(rpc: str, deployment: Deployment) -> Node:
    contracts = contracts_of_deployment(deployment)
    providers = Providers([Provider(url.strip()) for url in rpc.split(",") if url.strip()])
    return Node(providers, contracts.addresses, finality_depth=network(deployment.chain_id).finality_depth)


def _rebuild(
    engine: Engine, deployment: Deployment, node: Node | None, *, quiet: bool, options: tuple[bool, bool, float]
) -> Outcome:
    if node is not None:
        node.check(deployment.chain_id)
    accept, keep_old, wait = options
    columns = (TextColumn("Taking blocks"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=quiet or not console.is_terminal) as bar:
        task = bar.add_task("blocks", total=None)
        work = Rebuild(
            engine,
            Reducer(contracts_of_deployment(deployment)),
            node,
            lambda number, last: bar.update(task, completed=number, total=last),
        )
        return work.run(accept=accept, keep_old=keep_old, wait_seconds=wait)


def _as_json(outcome: Outcome) -> dict[str, object]:
    return {"agree": outcome.agree, **asdict(outcome)}


def _as_text(outcome: Outcome) -> str:
    lines = [
        f"Version {outcome.version}, built anew at block {outcome.block} in {outcome.seconds:.1f} s.",
        f"  in use      {outcome.old_digest}",
        f"  built anew  {outcome.new_digest}",
    ]
    if outcome.agree:
        lines.append("They agree.")
    else:
        lines.append(f"They differ in: {', '.join(outcome.differing)}.")
    if outcome.swapped:
        lines.append("Readers now see the new mirror. An indexer that runs will exit (code 3); start it again.")
    else:
        lines.append(
            f"Nothing was swapped. Look at chain_v{outcome.version}_next, then run this again, with --accept to swap."
        )
    if outcome.kept:
        lines.append(f"Kept: {', '.join(outcome.kept)}.")
    return "\n".join(lines)


def _troubles(found: MirrorStatus, max_lag: int, max_finality_age: int) -> list[str]:
    said = []
    if found.state != "ok":
        said.append(f"the indexer is {found.state}: {found.reason}")
    if found.dead_letters:
        said.append("a log of our contracts could not be understood (chain.dead_letter)")
    if found.missing:
        said.append(f"blocks from {found.missing[0].first} on are missing: {found.missing[0].reason}")
    if found.lag_seconds > max_lag:
        said.append(f"the newest block is {found.lag_seconds} s old")
    if found.finality_age_seconds > max_finality_age:
        said.append(f"the newest final block is {found.finality_age_seconds} s old")
    return said


def _status_text(found: MirrorStatus, troubles: list[str]) -> str:
    lines = [
        f"Block {found.head_number}, {found.lag_seconds} s old; safe {found.safe_number}.",
        f"Final block {found.finalized_number}, {found.finality_age_seconds} s old.",
        f"Version {found.version}, epoch {found.epoch}, last write {found.updated_at:%Y-%m-%d %H:%M:%S %Z}.",
        *(f"Missing: blocks {gap.first} to {gap.last}: {gap.reason}." for gap in found.missing),
        *(f"Not well: {trouble}." for trouble in troubles),
    ]
    return "\n".join([*lines, *([] if troubles else ["All is well."])])


def _sentence(error: Exception) -> str:
    original = getattr(error, "orig", None) or error
    return str(original).splitlines()[0] if str(original) else type(original).__name__
