"""Fails when the models hold something no migration creates: migrates an empty database and compares."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from alembic.util import CommandError

from backend.db.migrate import check, upgrade
from scripts.devnet.session import Devnet
from scripts.devnet.stack import Part


def main() -> int:
    """Return 1 when models and migrations differ."""
    with (
        tempfile.TemporaryDirectory(prefix="aicp-migrations-") as folder,
        Devnet(Path(folder), parts=frozenset({Part.POSTGRES})) as devnet,
    ):
        upgrade(devnet.database_url)
        try:
            check(devnet.database_url)
        except CommandError as error:
            print(f"models and migrations differ: {error}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
