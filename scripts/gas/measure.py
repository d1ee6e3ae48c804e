"""All measurements, one after the other on one chain."""

from __future__ import annotations

from scripts.gas import deals, disputes, payments, token
from scripts.gas.chain import chain
from scripts.gas.pricing import Figures
from scripts.gas.world import build


def measure() -> dict[str, Figures]:
    """Return the figures of every operation by its sentence. Raises MeasureError, UnpriceableError."""
    with chain() as node:
        world = build(node)
        for story in (token.run, deals.run, payments.run, disputes.run, deals.run_with_bonus):
            story(world)
        return dict(sorted(world.measured.items()))
