"""What stories have found, told as short as it can be."""

from __future__ import annotations

from tests.sim.money.check import require
from tests.sim.money.sending import purse
from tests.sim.money.stage import Stage


def test_a_nodes_error_ends_a_round_and_nothing_else(stage: Stage) -> None:
    """An error of the node passes through the block that holds the keys' leases, and is still a node's error."""
    stage.sweep()
    stage.market.deposit(purse(), 1_000_000)
    for node in stage.nodes:
        node.limited = {"eth_getBalance"}
    before = stage.counts["sweep"]
    stage.sweep()
    require(stage.counts["sweep"] == before + 1, "the round did not end as rounds do")
    for node in stage.nodes:
        node.limited = set()
    stage.finish()
