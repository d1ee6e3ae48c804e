"""Scenarios of what is around the engine: messages that are lost or come twice, the database away, too much at once."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any
from unittest.mock import patch

from backend.payments import engine as engines
from backend.payments.outcomes import Code, Outcome
from backend.txm.rpc import Rpc
from backend.worker import sweeps, tasks
from backend.worker.app import make_app
from tests.sim.money.check import require
from tests.sim.money.paying import done
from tests.sim.money.people import cast
from tests.sim.money.sending import funded, purse, rows
from tests.sim.money.stage import Stage
from tests.sim.money.till import Slip

_MOST = 10
_CENT = 10_000


def only_the_clock_rings(stage: Stage) -> None:
    """Every message is lost but those of the clock, and each of those comes twice: all is carried on, and once."""
    stage.market.deposit(purse(), 5_000_000)
    _by_the_clock(stage, 4)
    done(stage)
    _by_the_clock(stage, 10)
    require(stage.still() is None, f"something waits for another message: {stage.still()}")
    stage.finish()


def _by_the_clock(stage: Stage, times: int) -> None:
    """Do what the clock asks for, each task as it is known to the worker, on any of two workers."""
    while len(stage.workers) < 2:
        stage.hire()
    settings = stage.ctx.settings.model_copy(update={"redis_url": "redis://nowhere/0"})
    app = make_app(settings)
    names = [entry["task"].removeprefix("aicp.") for entry in app.conf.beat_schedule.values()]
    app.close()
    with patch.object(tasks, "machine", stage.worker):
        for _ in range(times):
            stage.index()
            for name in names:
                getattr(tasks, name)()
                getattr(tasks, name)()
            stage.pass_time(6)
            stage.mine(blocks=2)
            stage.advance()


def two_settle_at_once(stage: Stage) -> None:
    """Two clocks ring: while a worker simulates a batch of claims, another asks for the same one."""
    funded(stage)
    slow, quick = stage.hire(), stage.hire()
    done(stage)
    stage.pass_time(10)
    real, seen = Rpc.batch, []

    def batch(rpc: Rpc, calls: Any) -> Any:
        if not seen and any(method == "eth_estimateGas" for method, _ in calls):
            seen.append(True)
            sweeps.settle(quick)
        return real(rpc, calls)

    with patch.object(Rpc, "batch", batch):
        stage.drive("settle", sweeps.settle, slow)
    require(bool(seen), "nothing was simulated")
    require(len(rows(stage, "SELECT 1 FROM txm.intent WHERE kind = 'claim'")) == 1, "the same was claimed twice")
    stage.finish()


def database_goes_away(stage: Stage) -> None:
    """The database is lost in the middle of a group, before its COMMIT and after: nobody is told of what is not known,
    and the same vouchers again are paid once."""
    funded(stage)
    agent = cast().agents[0]
    for number, when in enumerate(("", "before", "after", "before"), 1):
        stage.till.hand_in([stage.till.slip(purse(), agent, number * _CENT)], when)
        require(bool(stage.till.doubts) == bool(when), "an answer that nobody could give")
        while stage.till.doubts:
            stage.till.resolve()
    require(stage.market.book.stored[purse().pool, agent.address] == 4 * _CENT, "not every voucher is stored")
    stage.finish()


def more_than_it_takes(stage: Stage) -> None:
    """More vouchers come than the engine lets wait: the rest is refused at once, and is paid when it comes again."""
    funded(stage)
    agent = cast().agents[0]
    slips = [stage.till.slip(purse(), agent, number * _CENT) for number in range(1, 3 * _MOST + 2)]
    with patch.object(engines, "MOST_WAITING", _MOST):
        at_once, outcomes = asyncio.run(_flood(stage, slips))
    require(at_once == 2 * _MOST, f"{at_once} are refused at once of {3 * _MOST}")
    refused = [slip for slip, outcome in zip(slips, outcomes, strict=True) if _is_refusal(outcome)]
    require(len(refused) == at_once, "another number is refused in the end")
    for slip, outcome in zip(slips, outcomes, strict=True):
        if slip not in refused:
            stage.till.note(slip, outcome)
    stage.till.hand_in(refused)
    require(stage.market.book.stored[purse().pool, agent.address] == slips[-1].ceiling, "not every voucher is stored")
    stage.finish()


def _is_refusal(outcome: Outcome) -> bool:
    return getattr(outcome, "code", None) is Code.OVERLOADED


async def _flood(stage: Stage, slips: list[Slip]) -> tuple[int, list[Outcome]]:
    """Offer all but the first at once, before anything is written; return how many are refused there and then."""
    engine = engines.Engine(stage.ctx, own=lambda _: True)
    await engine.start()
    outcomes: dict[int, Outcome] = dict(enumerate(await engine.accept([slips[0].given])))
    for index, slip in enumerate(slips[1:], 1):
        engine.offer(slip.given, partial(outcomes.__setitem__, index))
    at_once = len(outcomes) - 1
    await engine.stop()
    return at_once, [outcomes[index] for index in range(len(slips))]
