"""The rounds a worker makes. Each step is one transaction of its own; any may be repeated, skipped or killed."""

from __future__ import annotations

import traceback
import uuid
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Final, Protocol, TypeVar

import structlog
from celery.exceptions import SoftTimeLimitExceeded
from sqlalchemy.orm import Session

from aicp.rules.primitives import hex0x
from backend.auctions import orders, ruled, sealed
from backend.auth import service as auth
from backend.context import Context
from backend.deals import lapses
from backend.deals import reconcile as deals
from backend.errors import Problem, Unavailable
from backend.keeper import arbiter, releases
from backend.keeper import service as keeper
from backend.notifications import reminders
from backend.payments import clocks, due, moves, refunds
from backend.payments import watch as pool_watch
from backend.reconciliation import service as reconciliation
from backend.reputation.epochs import keep_epochs
from backend.scheduler import rounds
from backend.settlement import service as settlement
from backend.settlement.watch import ledger_differs, watch
from backend.tasks.service import expire_due
from backend.txm.machine import Machine
from backend.txm.rpc import NodeError, NodeUnreachable
from backend.txm.sweep import sweep
from backend.x402 import purchases
from indexer import views

_log = structlog.get_logger("worker")
T = TypeVar("T")

ROOT: Final = Path(__file__).resolve().parents[2]
SILENT_AFTER: Final = 3
"""After so many rows in a row without an answer of the database, the others wait for the next round."""
FRAMES: Final = 4
STRETCHES: Final = 20
"""Pieces of the ledger read for receipts in one round."""


def _acted(session: Session, *, act: Callable[[Session, Context, T], bool], ctx: Context, item: T) -> bool:
    return act(session, ctx, item)


def _id_of(item: object) -> str:
    match item:
        case keeper.DueCall():
            return item.key
        case clocks.Due():
            return hex0x(item.order_hash)
        case purchases.Decided():
            return str(item.payment)
        case bytes():
            return hex0x(item)
        case uuid.UUID():
            return str(item)
        case _:
            raise TypeError(f"a {type(item).__name__} has no id to log")


def _what(error: Exception) -> dict[str, object]:
    """Return what a log may say of an error: its kind and place, never its text, which may quote what people wrote."""
    frames = traceback.extract_tb(error.__traceback__)[-FRAMES:]
    where = [f"{_short(frame.filename)}:{frame.lineno} {frame.name}" for frame in frames]
    code = error.code if isinstance(error, Problem) else None
    return {"error": type(error).__name__, "code": code, "where": where}


def _short(filename: str) -> str:
    path = Path(filename)
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else path.name


def _each(machine: Machine, items: list[T], act: Callable[[Session, Context, T], bool]) -> int:
    """Act on each item in a transaction of its own; one that fails, however, is logged and stops none of the others.

    Raises Unavailable when the database has answered several in a row with nothing.
    """
    done = silent = 0
    for item in items:
        try:
            done += machine.db.write(partial(_acted, act=act, ctx=machine.ctx, item=item))
            silent = 0
        except SoftTimeLimitExceeded:
            raise
        except Unavailable as error:
            silent += 1
            _log.warning("the database did not finish a step", item=_id_of(item), **_what(error))
            if silent == SILENT_AFTER:
                raise
        except Exception as error:  # noqa: BLE001  # whatever a row holds, the others must go on
            silent = 0
            _log.error("a step failed", item=_id_of(item), **_what(error))
    return done


def _independently(steps: Mapping[str, Callable[[], int]]) -> int:
    """Take every step, whatever becomes of the others; return how much was done."""
    done = 0
    for name, step in steps.items():
        try:
            done += step()
        except SoftTimeLimitExceeded:
            raise
        except Exception as error:  # noqa: BLE001  # one clock that fails must not stop the others
            _log.error("a clock failed", step=name, **_what(error))
    return done


def sweep_transactions(machine: Machine) -> dict[str, int]:
    """Carry intents on: sign, send, confirm, replace."""
    return sweep(machine)


def reconcile(machine: Machine) -> int:
    """Let deals follow the chain; return how many moved."""
    return _each(machine, machine.db.read(deals.live_deals), deals.reconcile_deal)


class _Placed(Protocol):
    """Something due, with its place in the order of pages."""

    @property
    def place(self) -> keeper.Place: ...


D = TypeVar("D", bound=_Placed)
Pages = Callable[[Session, Context, keeper.Place | None], list[D]]


def _page_by_page(machine: Machine, pages: Pages[D], act: Callable[[Session, Context, D], bool], at_once: int) -> int:
    """Act on everything due; what fails on one page does not hide the next."""
    done, after = 0, None
    while True:
        page = machine.db.read(partial(_page, pages=pages, ctx=machine.ctx, after=after))
        done += _each(machine, page, act)
        if len(page) < at_once:
            return done
        after = page[-1].place


def _page(
    session: Session,
    *,
    pages: Callable[[Session, Context, keeper.Place | None], list[T]],
    ctx: Context,
    after: keeper.Place | None,
) -> list[T]:
    return pages(session, ctx, after)


def _ask_all(machine: Machine, pages: Pages[keeper.DueCall]) -> int:
    return _page_by_page(machine, pages, keeper.ask, keeper.AT_ONCE)


def _keep_arbiter(machine: Machine) -> int:
    """Take the arbiter's steps that are due in our disputes, page by page, then the session's they wait for."""
    done, after, waits = 0, None, False
    while True:
        page = machine.db.read(partial(_page, pages=arbiter.due_steps, ctx=machine.ctx, after=after))
        found = [
            step for row in page for step in machine.db.read(partial(_steps_of, ctx=machine.ctx, row=row))
        ]  # fmt: skip
        done += _each(machine, arbiter.passing(machine, found), keeper.ask)
        waits = waits or arbiter.wait_for_a_session(page)
        if len(page) < keeper.AT_ONCE:
            break
        after = arbiter.place_of(page[-1])
    if waits:
        done += _each(machine, arbiter.passing(machine, arbiter.session_steps(machine)), keeper.ask)
    return done


def _steps_of(session: Session, *, ctx: Context, row: views.OpenDispute) -> list[arbiter.Candidate]:
    return arbiter.candidates(session, ctx, row)


def keep(machine: Machine) -> int:
    """Do what clocks decide; return how much was done. A clock that fails stops no other."""
    ctx, db = machine.ctx, machine.db
    escrows = {
        reason.value: partial(_ask_all, machine, partial(keeper.due_escrows, reason=reason))
        for reason in views.DueReason
    }
    return _independently(
        {
            **escrows,
            "orders": partial(_page_by_page, machine, clocks.due, clocks.run_out, clocks.AT_ONCE),
            "unpaid_deals": lambda: _each(
                machine, db.read(partial(lapses.waiting_deals, ctx=ctx)), lapses.expire_waiting
            ),
            "auctions": lambda: db.write(lambda s: expire_due(s, ctx)),
            "reveals": lambda: _each(machine, db.read(partial(sealed.due_reveals, ctx=ctx)), sealed.begin_reveal),
            "ordered_awards": lambda: _each(machine, db.read(partial(orders.due_by_order, ctx=ctx)), orders.award_due),
            "awards": lambda: _each(machine, db.read(partial(ruled.due_by_rule, ctx=ctx)), ruled.award_due),
            "arbiter": partial(_keep_arbiter, machine),
            "pool_levels": lambda: db.write(pool_watch.watch),
            "reminders": lambda: db.write(partial(reminders.remind, ctx=ctx)),
            "watch": lambda: db.write(partial(watch, ctx=ctx)) * 0,
            "pool_releases": partial(_page_by_page, machine, releases.due_releases, releases.release, keeper.AT_ONCE),
            "x402_payments": lambda: _each(machine, db.read(partial(purchases.due, ctx=ctx)), purchases.run_out),
            "sessions": lambda: db.write(partial(auth.forget_over, ctx=ctx)) * 0,
            "x402_transfers": lambda: _each(machine, purchases.decisions(machine), purchases.decide),
            "x402_answers": lambda: db.write(partial(purchases.tidy, ctx=ctx)),
            "channel_refunds": lambda: db.write(refunds.follow),
            "pool_withdrawals": partial(_ask_all, machine, keeper.due_withdrawals),
            "pool_moves": lambda: _each(machine, db.read(moves.open_moves), moves.go_on),
        }
    )


def assign(machine: Machine) -> int:
    """Offer tasks that wait for an agent, and end offers nobody answers; return how many."""
    return machine.db.write(partial(rounds.make_round, ctx=machine.ctx))


def follow_ledger(machine: Machine) -> int:
    """Let the ledger follow the chain's final blocks; return how many blocks it went on, all operators together."""
    ctx, db, done = machine.ctx, machine.db, 0
    for operator in db.read(partial(reconciliation.operators, ctx=ctx)):
        while moved := db.write(partial(reconciliation.follow, ctx=ctx, operator=operator)):
            done += moved
    return done


def check_ledger(machine: Machine) -> int:
    """Compare the ledger with the chain's final blocks; return how many figures differ."""
    ctx, db = machine.ctx, machine.db
    for operator in db.read(partial(reconciliation.operators, ctx=ctx)):
        db.write(partial(reconciliation.catch_up, ctx=ctx, operator=operator))
    found = db.read(reconciliation.differences)
    for one in found:
        _log.error(
            "the ledger differs", what=one.what, owner=hex0x(one.owner), ledger_units=str(one.ledger_units),
            other_units=str(one.other_units),
        )  # fmt: skip
    details = {
        hex0x(one.owner): f"{one.what}: the ledger says {one.ledger_units}, otherwise it is {one.other_units}."
        for one in found
    }
    db.write(partial(ledger_differs, found=details))
    return len(found)


def sign_receipts(machine: Machine) -> int:
    """Sign for what channels have earned without an order since the last round; return how many receipts."""
    ctx, db = machine.ctx, machine.db
    signed, after = 0, b""
    while aside := db.read(partial(due.put_aside, ctx=ctx, after=after)):
        signed += db.write(partial(due.take_up, ctx=ctx, channels=aside))
        after = aside[-1]
    for _ in range(STRETCHES):
        stretch = db.read(due.next_stretch)
        if stretch is None:
            break
        channels = list(stretch.channels)
        for first in range(0, len(channels), due.AT_ONCE):
            part = channels[first : first + due.AT_ONCE]
            signed += len(db.write(partial(due.issue, ctx=ctx, channels=part)))
        for channel in db.read(partial(due.unsigned, channels=channels)):
            signed += len(db.write(partial(due.issue, ctx=ctx, channels=[channel], wait=True)))
        db.write(partial(due.close_stretch, ctx=ctx, stretch=stretch))
    return signed


def settle(machine: Machine) -> int:
    """Claim and pay what the policy chooses, then pay who was not paid; return how many rows were claimed.

    What cannot be signed holds up nothing that is: a withdrawal does not wait.
    """
    _independently({"receipts": partial(sign_receipts, machine)})
    try:
        claimed = settlement.settle(machine)
        settlement.pay_unpaid(machine)
    except (NodeUnreachable, NodeError) as error:
        _log.warning("the chain node does not answer", error=str(error))
        return 0
    return claimed


def score(machine: Machine) -> int:
    """Compute the epoch of scores that is due, or send it; return how many steps were taken."""
    try:
        return keep_epochs(machine)
    except (NodeUnreachable, NodeError) as error:
        _log.warning("the chain node does not answer", error=str(error))
    except views.MirrorGapError as error:
        _log.warning("no scores: the mirror is not whole", error=str(error))
    return 0
