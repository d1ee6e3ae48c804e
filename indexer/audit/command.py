"""`aicp audit`: options, the checkpoint file, the report on the way out, and what each exit code says."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import click
from rich.console import Console
from sqlalchemy import create_engine
from sqlalchemy.exc import SQLAlchemyError

from aicp.rules.constants import network
from aicp.rules.deployment import Deployment, DeploymentFileError
from indexer.audit import mirror, position, scores, vouchers
from indexer.audit.book import Book, CheckpointError, Identity
from indexer.audit.patience import Patient
from indexer.audit.progress import Shown
from indexer.audit.report import Lines, Report
from indexer.audit.run import Audit, Subject
from indexer.audit.text import text_of
from indexer.chain.errors import ChainError, WrongChainError
from indexer.chain.node import Node
from indexer.chain.rpc import Provider, Providers
from indexer.core.reducer import Reducer, UndecodableError
from indexer.settings import contracts_of_deployment, deployment_digest, psycopg_url
from indexer.store.readback import Snapshot, snapshot

DIFFERENCES: Final = 1
WRONG_USAGE: Final = 2
NO_ANSWER: Final = 3
CONTRADICTION: Final = 4
INTERRUPTED: Final = 130

_EPILOG: Final = """\b
Exit codes:
  0  everything agrees
  1  there are differences
  2  wrong usage: an option, or a file that is not what it should be
  3  the chain or the database cannot be read; the next run goes on where this one stopped
  4  the contracts' logs contradict themselves
"""
_FILE: Final = click.Path(path_type=Path, dir_okay=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What was asked for on the command line."""

    rpc: str
    deployment_file: Path
    db: str | None
    csv: Path | None
    vouchers: tuple[Path, ...]
    scores: tuple[Path, ...]
    checkpoint: Path | None
    fresh: bool

    @property
    def purpose(self) -> str:
        """What else was compared while blocks were read: another run with other wishes cannot go on from there."""
        url = None if self.db is None else psycopg_url(self.db)
        database = None if url is None else [url.host, url.port, url.database, url.query.get("host")]
        return json.dumps([database, None if self.csv is None else str(self.csv.resolve())])


@click.command(epilog=_EPILOG)
@click.option("--rpc", required=True, envvar="AICP_RPC_URLS", help="RPC URL of any node; several separated by commas.")
@click.option(
    "--deployment", "deployment_file", required=True, envvar="AICP_DEPLOYMENT", type=_FILE,
    help="The deployments/<chainId>.json file.",
)  # fmt: skip
@click.option("--db", help="URL of a mirror's database: every row, raw log and receipt in it is compared as well.")
@click.option(
    "--vouchers", multiple=True, type=_FILE,
    help="An agent's receipts: the SDK's own store, or one JSON document a line. May be given again.",
)  # fmt: skip
@click.option(
    "--scores", multiple=True, type=_FILE,
    help="The scores of one epoch as JSON, to compute its anchored root again. May be given again.",
)  # fmt: skip
@click.option("--csv", type=_FILE, help="Write a line for each comparison to this file.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
@click.option(
    "--checkpoint", type=_FILE,
    help="Where a run that is stopped keeps what it has read; removed at the end. Default: in ~/.aicp/audit.",
)  # fmt: skip
@click.option("--fresh", is_flag=True, help="Read everything again, even if an earlier run was stopped.")
def audit(*, as_json: bool, **wishes: object) -> None:
    """Re-derive all money, stakes and records from the contracts' logs and compare them with the contracts.

    It needs a node and the deployment file, and nobody's database. All contracts are asked at one final block.
    """
    options = Options(**wishes)  # type: ignore[arg-type]  # click has checked them
    try:
        report = run(options)
    except (DeploymentFileError, WrongChainError, LookupError, OSError) as error:
        _leave(error, WRONG_USAGE)
    except (CheckpointError, scores.ScoreFileError, vouchers.VoucherFileError) as error:
        _leave(error, WRONG_USAGE)
    except (ChainError, SQLAlchemyError) as error:
        _leave(error, NO_ANSWER)
    except UndecodableError as error:
        _leave(f"the logs contradict themselves: {error}", CONTRADICTION)
    except KeyboardInterrupt:
        _leave("stopped; the next run goes on from here", INTERRUPTED)
    click.echo(json.dumps(report.as_json(), indent=2) if as_json else text_of(report))
    sys.exit(0 if report.ok else DIFFERENCES)


def run(options: Options) -> Report:
    """Run the audit and return its report. Raises what `Audit.run` does, and OSError or a *Error for a bad file."""
    deployment = Deployment.load(options.deployment_file)
    contracts = contracts_of_deployment(deployment)
    given = [scores.load(path) for path in options.scores]
    for path in options.vouchers:
        vouchers.check(path)
    with ExitStack() as stack:
        node = Node(
            Providers([Provider(url.strip()) for url in options.rpc.split(",") if url.strip()]),
            contracts.addresses,
            finality_depth=network(deployment.chain_id).finality_depth,
        )
        stack.callback(node.close)
        node.check(deployment.chain_id)
        genesis = node.header(0).block.hash
        held = stack.enter_context(_mirror(options.db)) if options.db is not None else None
        if held is not None:
            position.check_identity(held, deployment.chain_id, genesis, contracts)
        identity = Identity(
            chain_id=deployment.chain_id, genesis_hash=genesis, deployment_digest=deployment_digest(contracts)
        )
        report = Report(chain_id=deployment.chain_id)
        book = stack.enter_context(_book(options, identity))
        shown = stack.enter_context(Shown(Console(stderr=True)))
        _resume(options, book, report, held, shown)
        if report.lines is not None:
            stack.callback(report.lines.close)
        subject = Subject(
            token=deployment.usdc,
            first=deployment.deploy_block,
            operators=frozenset(epoch.address for epoch in deployment.operators),
            vouchers=options.vouchers,
            scores=given,
        )
        Audit(Patient(node), Reducer(contracts), subject, book, report, shown, held).run()
    return report


@contextmanager
def _mirror(url: str) -> Iterator[Snapshot]:
    engine = create_engine(psycopg_url(url))
    try:
        with snapshot(engine) as held:
            yield held
    finally:
        engine.dispose()


@contextmanager
def _book(options: Options, identity: Identity) -> Iterator[Book]:
    """Open the checkpoint. The default one is no condition: without it the run keeps its rows in a temporary file."""
    with ExitStack() as stack:
        path = options.checkpoint or _default_path(identity)
        try:
            book = Book(path, identity, options.purpose)
        except CheckpointError:
            if options.checkpoint is not None:
                raise
            directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="aicp-audit-"))
            book = Book(Path(directory) / "book.sqlite", identity, options.purpose)
        finished = False
        try:
            yield book
            finished = True
        finally:
            book.close(finished=finished)


def _default_path(identity: Identity) -> Path:
    home = Path(os.environ.get("AICP_HOME") or Path.home() / ".aicp")
    name = f"{identity.chain_id}-{identity.genesis_hash.hex()[:12]}-{identity.deployment_digest.hex()[:12]}.sqlite"
    return home / "audit" / name


def _resume(options: Options, book: Book, report: Report, held: Snapshot | None, shown: Shown) -> None:
    """Go on from the checkpoint, and open the CSV file where it was then. Raises OSError.

    Where the report would not be that of a run that never stopped, everything is read again.
    """
    path = options.csv
    if options.fresh:
        book.clear()
    if book.position is not None and path is not None and not Lines.fits(path, book.position.report["csv"]):
        _say(f"{path} is not as an earlier run left it; everything is read again")
        book.clear()
    if book.position is not None and held is not None and not mirror.unchanged(book, held, shown):
        _say("the mirror has changed since an earlier run stopped; everything is read again")
        book.clear()
    kept = book.position
    if kept is not None:
        report.resume(kept.report, kept.number)
    if path is not None:
        report.lines = Lines(path, None if kept is None else kept.report["csv"])


def _leave(error: object, code: int) -> None:
    text = str(error)
    _say(text.splitlines()[0] if text else type(error).__name__)
    sys.exit(code)


def _say(text: str) -> None:
    click.echo(f"aicp audit: {text}", err=True)
