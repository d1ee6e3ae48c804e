"""What stories have found, told as short as it can be."""

from __future__ import annotations

from tests.sim.money.check import require
from tests.sim.money.paying import announce, refused, take
from tests.sim.money.people import cast
from tests.sim.money.sending import funded, purse, rows
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


def test_a_second_refund_under_the_same_nonce_holds_nothing_back_for_ever(stage: Stage) -> None:
    """A refund is asked for twice with different amounts before the first is mined: one is paid, nothing is stuck."""
    funded(stage)
    agent = cast().agents[0]
    way = purse().own_lane(stage.ctx, agent)
    stage.shop.deposit(purse(), agent, 3_000_000)
    for _ in range(4):
        stage.round()
    for units in (1_000_000, 2_000_000):
        stage.shop.ask_back(purse(), agent, units)
    stage.finish()
    require(stage.ground.money.book.channels[way.channel_id].refund_nonce == 1, "another number of refunds")
    require(not rows(stage, "SELECT 1 FROM app.channel_refund WHERE NOT final"), "a refund is held back for ever")
    stage.shop.ask_back(purse(), agent, None)
    stage.finish()
    require(stage.ground.money.book.channels[way.channel_id].free == 0, "something is left that nobody can have")


def test_a_withdrawal_from_a_pool_that_never_had_money_stops_nobody_and_is_not_forgotten(stage: Stage) -> None:
    """Anybody may ask for an empty pool. A deposit that comes later must not be promised: it can leave at once."""
    announce(stage, 9_000_000)
    stage.mine(blocks=2)
    stage.index(2)
    funded(stage)
    refused(stage, "pool_closing", 1_000_000)
    stage.ground.now += 86_400
    take(stage)
    stage.finish()
    require(stage.market.on_chain(purse()).balance == 0, "the buyer has not got its money back")
