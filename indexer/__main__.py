"""`python -m indexer`: keep the `chain` schema equal to the contracts' logs.

`aicp indexer rebuild` builds it anew while this one goes on.

Exit codes: 0 stopped by SIGTERM or SIGINT; 1 unexpected; 2 wrong settings, chain or database; 3 another indexer took
over; 4 a reorg below the finalised block; 5 a log of our contracts could not be understood (see `chain.dead_letter`).
"""

from __future__ import annotations

import argparse
import logging
import signal
import sys
import threading
from collections.abc import Sequence
from enum import IntEnum
from functools import partial
from typing import TYPE_CHECKING, Final

import structlog
from pydantic import ValidationError

from aicp.rules.constants import network
from aicp.rules.deployment import Deployment
from indexer.beside import Beside
from indexer.chain.errors import WrongChainError
from indexer.chain.node import Node
from indexer.chain.rpc import Provider, Providers
from indexer.core.chain_view import TooDeepError
from indexer.core.context import Contracts
from indexer.core.reducer import Reducer, UndecodableError
from indexer.runner import Options, Runner
from indexer.settings import Settings, contracts_of_deployment, deployment_digest
from indexer.store.engine import engine as mirror_engine
from indexer.store.errors import ForeignMirrorError, LostRaceError
from indexer.store.store import Store

if TYPE_CHECKING:
    from indexer.chain.heads import NewHeads

_log = structlog.get_logger("indexer")
_SWITCH_SECONDS: Final = 0.0003
"""How long the thread that reduces may keep another one waiting, whose answer from the node or the database has come.

They wait a few hundred times a range. With Python's own five milliseconds a tenth of a backfill is spent on that.
"""


class ExitCode(IntEnum):
    """See the module's docstring."""

    OK = 0
    USAGE = 2
    LOST_RACE = 3
    TOO_DEEP = 4
    DEAD_LETTER = 5


def main(given: Sequence[str] | None = None) -> int:
    """Run until a signal comes or nothing more can be done; return the exit code.

    `given` are the arguments, those of the process where it is None.
    """
    parser = argparse.ArgumentParser(prog="python -m indexer", description="Mirror the contracts' logs.")
    parser.parse_args(given)
    _configure_logging()
    sys.setswitchinterval(_SWITCH_SECONDS)
    stop = threading.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: stop.set())
    try:
        settings = Settings()
        deployment = Deployment.load(settings.deployment)
        contracts = contracts_of_deployment(deployment)
    except (ValidationError, ValueError, OSError) as error:
        _log.error("settings", error=str(error))  # one sentence, no traceback
        return ExitCode.USAGE
    if deployment.chain_id != settings.chain_id:
        _log.error("settings", error=f"the deployment is of chain {deployment.chain_id}, not {settings.chain_id}")
        return ExitCode.USAGE
    return _run(settings, contracts, deployment.deploy_block, stop)


def _node(settings: Settings, contracts: Contracts) -> Node:
    providers = Providers([Provider(url, timeout_seconds=settings.rpc_timeout_seconds) for url in settings.urls])
    depth = network(settings.chain_id).finality_depth
    return Node(providers, contracts.addresses, finality_depth=depth, whole_ranges=settings.whole_ranges)


def _checked_node(settings: Settings, contracts: Contracts) -> Node:
    node = _node(settings, contracts)
    try:
        node.check(settings.chain_id)
    except BaseException:
        node.close()
        raise
    return node


def _process_beside(settings: Settings, contracts: Contracts) -> Beside | None:
    if not settings.read_beside or not Beside.is_of_use():
        return None
    try:
        return Beside(partial(_checked_node, settings, contracts))
    except OSError as error:
        _log.warning("no process beside this one can be started", error=str(error))
        return None


def _run(settings: Settings, contracts: Contracts, start_block: int, stop: threading.Event) -> int:
    beside = _process_beside(settings, contracts)  # before this process has any thread
    reducer = Reducer(contracts)
    node = _node(settings, contracts)
    engine = mirror_engine(settings.database)
    options = Options(
        chain_id=settings.chain_id,
        start_block=start_block,
        deployment_digest=deployment_digest(contracts),
        poll_seconds=settings.poll_seconds,
        range_blocks=settings.range_blocks,
        range_logs=settings.range_logs,
        finality_alarm_seconds=settings.finality_alarm_seconds,
    )
    store = Store(engine, reducer)
    heads = _announcements(settings.ws_url) if settings.ws_url else None
    try:
        Runner(node, store, reducer, options, wait=heads.wait if heads else None, beside=beside).run(stop)
    except (WrongChainError, ForeignMirrorError) as error:
        _log.error("not our chain", error=str(error))
        return ExitCode.USAGE
    except LostRaceError as error:
        _log.error("lost the race", error=str(error))
        return ExitCode.LOST_RACE
    except TooDeepError as error:
        _log.error("reorg too deep", error=str(error))
        return ExitCode.TOO_DEEP
    except UndecodableError as error:
        _log.error("dead letter", error=str(error))
        return ExitCode.DEAD_LETTER
    finally:
        if heads is not None:
            heads.close()
        node.close()
        engine.dispose()
    _log.info("stopped")
    return ExitCode.OK


def _announcements(url: str) -> NewHeads:
    from indexer.chain.heads import NewHeads  # takes a while to import, and most nodes are asked over HTTP only

    return NewHeads(url)


def _configure_logging() -> None:
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(sys.stdout),
        cache_logger_on_first_use=True,
    )


if __name__ == "__main__":
    raise SystemExit(main())
