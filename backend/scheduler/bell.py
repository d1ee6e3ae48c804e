"""The bell of the scheduler: rung by whatever gives it something to do, heard by the doorbell of the workers."""

from __future__ import annotations

from typing import Final

from sqlalchemy import TextClause, text

BELL: Final = "aicp_assign"


def ring() -> TextClause:
    """Ring when the transaction commits."""
    return text("SELECT pg_notify(:channel, '')").bindparams(channel=BELL)
