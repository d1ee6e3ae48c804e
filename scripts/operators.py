"""Writes the epochs of operator keys into a deployment file: who begins to serve, and until when.

    python -m scripts.operators deployments/137.json
    python -m scripts.operators deployments/137.json --begin 0x… --at 2026-12-01T00:00:00Z
    python -m scripts.operators deployments/137.json --end 0x… --at 2026-12-08T00:00:00Z

A time is a date with its offset or unix seconds; without one it is now. The file is replaced in one step, so whoever
reads it meanwhile reads the old or the new one. Services read it when they start.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from aicp.rules.deployment import Deployment, DeploymentFileError, OperatorEpoch
from aicp.rules.operators import serving
from aicp.rules.primitives import checksum, parse_address


class EpochError(ValueError):
    """The change makes no sense; the message is one sentence."""


def begin(deployment: Deployment, address: bytes, at: dt.datetime) -> Deployment:
    """Return the deployment with a key that serves from a time on. Raises EpochError where it is listed already."""
    if any(epoch.address == address for epoch in deployment.operators):
        raise EpochError("This operator is listed already; a key that was retired does not come back.")
    return replace(deployment, operators=(*deployment.operators, OperatorEpoch(address=address, from_time=at)))


def end(deployment: Deployment, address: bytes, at: dt.datetime) -> Deployment:
    """Return the deployment with the end of a key's epoch set. Raises EpochError."""
    known = next((epoch for epoch in deployment.operators if epoch.address == address), None)
    if known is None:
        raise EpochError("This operator is not listed.")
    if at <= known.from_time:
        raise EpochError("An epoch ends after it begins.")
    changed = tuple(replace(epoch, until=at) if epoch is known else epoch for epoch in deployment.operators)
    if not serving(changed, at):
        raise EpochError("No other operator would serve then; begin the next one first.")
    return replace(deployment, operators=changed)


def write(path: Path, deployment: Deployment) -> None:
    """Replace the file in one step."""
    beside = path.with_suffix(".new")
    beside.write_text(json.dumps(deployment.to_json(), indent=2) + "\n", encoding="utf-8")
    beside.replace(path)


def _time(text: str) -> dt.datetime:
    if text.isdigit():
        return dt.datetime.fromtimestamp(int(text), dt.UTC)
    time = dt.datetime.fromisoformat(text)
    if time.tzinfo is None:
        raise argparse.ArgumentTypeError("a time needs its offset, as in 2026-12-01T00:00:00Z")
    return time


def main(arguments: Sequence[str] | None = None) -> int:
    """Change or show a file; return the exit code."""
    now = dt.datetime.now(dt.UTC).replace(microsecond=0)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    change = parser.add_mutually_exclusive_group()
    change.add_argument("--begin", type=parse_address, metavar="ADDRESS", help="begin to serve with this key")
    change.add_argument("--end", type=parse_address, metavar="ADDRESS", help="set the end of this key's epoch")
    parser.add_argument("--at", type=_time, default=now, metavar="TIME", help="when; now by default")
    given = parser.parse_args(arguments)
    try:
        deployment = Deployment.load(given.file)
        if given.begin is not None:
            deployment = begin(deployment, given.begin, given.at)
        elif given.end is not None:
            deployment = end(deployment, given.end, given.at)
        if given.begin is not None or given.end is not None:
            write(given.file, deployment)
    except (DeploymentFileError, EpochError) as error:
        print(error, file=sys.stderr)
        return 1
    live = [epoch.address for epoch in serving(deployment.operators, now)]
    for epoch in deployment.operators:
        state = "new pools" if live[:1] == [epoch.address] else "serves" if epoch.address in live else "does not serve"
        until = "no end" if epoch.until is None else epoch.until.isoformat()
        print(f"{checksum(epoch.address)}  {epoch.from_time.isoformat()}  {until}  {state}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
