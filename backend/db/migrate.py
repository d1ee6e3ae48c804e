"""Brings the schemas `app` and `txm` to the newest migration, and tells whether models and migrations agree.

Stop the API, workers and voucher shards first, and start the new version after it: a process of an older version does
not write what a newer one keeps beside it, and some migrations lock tables while they fill them. What is on chain goes
on meanwhile, and the service catches up.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from alembic import command
from alembic.config import Config

from backend.db.engine import sync_url

MIGRATIONS = Path(__file__).parent.parent / "migrations"


def config(url: str | None = None) -> Config:
    """Return the Alembic configuration for a database URL, by default that of `AICP_DATABASE_URL`."""
    made = Config()
    url = url or os.environ["AICP_DATABASE_URL"]
    made.set_main_option("script_location", str(MIGRATIONS))
    made.attributes["url"] = sync_url(url).render_as_string(hide_password=False)
    return made


def upgrade(url: str | None = None, revision: str = "head") -> None:
    """Apply every migration up to `revision`; safe to repeat, one process at a time does the work."""
    command.upgrade(config(url), revision)


def downgrade(url: str | None, revision: str) -> None:
    """Undo migrations down to `revision`."""
    command.downgrade(config(url), revision)


def check(url: str | None = None) -> None:
    """Raise alembic's CommandError when the models hold something no migration creates."""
    command.check(config(url))


def revise(url: str | None, message: str) -> None:
    """Write a new migration from the difference between the models and an upgraded database."""
    command.revision(config(url), message=message, autogenerate=True)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["upgrade", *rest]:
            upgrade(None, *rest)
        case ["downgrade", revision]:
            downgrade(None, revision)
        case ["check"]:
            check()
        case ["revise", message]:
            revise(None, message)
        case _:
            sys.exit(
                "usage: python -m backend.db.migrate upgrade [REVISION] | downgrade REVISION | check | revise MESSAGE"
            )
