"""`aicp audit`. Exit codes: 0 everything agrees, 1 differences, 2 wrong usage, 3 node or database do not answer."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from sqlalchemy import Engine, create_engine
from sqlalchemy.exc import SQLAlchemyError

from aicp.rules.constants import network
from aicp.rules.deployment import Deployment, DeploymentFileError
from indexer.audit.report import Report
from indexer.audit.run import audit as run_audit
from indexer.chain.errors import ChainError, WrongChainError
from indexer.chain.node import Node
from indexer.chain.rpc import Provider, Providers
from indexer.core.reducer import Reducer, UndecodableError
from indexer.settings import contracts_of_deployment, psycopg_url

DIFFERENCES = 1
WRONG_USAGE = 2
NO_ANSWER = 3


@click.command()
@click.option("--rpc", required=True, envvar="AICP_RPC_URLS", help="RPC URL of any node; several separated by commas.")
@click.option(
    "--deployment",
    "deployment_file",
    required=True,
    envvar="AICP_DEPLOYMENT",
    type=click.Path(path_type=Path),
    help="The deployments/<chainId>.json file.",
)
@click.option("--db", help="URL of a mirror's database; every mirrored row and receipt is checked as well.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
def audit(rpc: str, deployment_file: Path, db: str | None, as_json: bool) -> None:
    """Re-derive all money from the contracts' logs and compare it with the contracts, and with a mirror."""
    engine = create_engine(psycopg_url(db)) if db is not None else None
    try:
        report = _audit(rpc, Deployment.load(deployment_file), engine, quiet=as_json)
    except (DeploymentFileError, WrongChainError, LookupError) as error:
        click.echo(f"aicp audit: {_sentence(error)}", err=True)
        sys.exit(WRONG_USAGE)
    except (ChainError, SQLAlchemyError) as error:
        click.echo(f"aicp audit: {_sentence(error)}", err=True)
        sys.exit(NO_ANSWER)
    except UndecodableError as error:
        click.echo(f"aicp audit: the logs contradict themselves: {error}", err=True)
        sys.exit(DIFFERENCES)
    finally:
        if engine is not None:
            engine.dispose()
    click.echo(json.dumps(report.as_json(), indent=2) if as_json else report.as_text())
    sys.exit(0 if report.ok else DIFFERENCES)


def _audit(rpc: str, deployment: Deployment, engine: Engine | None, *, quiet: bool) -> Report:
    contracts = contracts_of_deployment(deployment)
    providers = Providers([Provider(url.strip()) for url in rpc.split(",") if url.strip()])
    node = Node(providers, contracts.addresses, finality_depth=network(deployment.chain_id).finality_depth)
    columns = (TextColumn("Reading blocks"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    console = Console(stderr=True)
    try:
        node.check(deployment.chain_id)
        head = node.tip().head.block.number
        with Progress(*columns, console=console, transient=True, disable=quiet or not console.is_terminal) as bar:
            task = bar.add_task("blocks", total=head)
            return run_audit(
                node,
                Reducer(contracts),
                deployment.usdc,
                first=deployment.deploy_block,
                engine=engine,
                progress=lambda block: bar.update(task, completed=block),
            )
    finally:
        node.close()


def _sentence(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
