"""Carries waiting dispatches to webhooks and mailboxes, at least once each.

Every round: take what is due in one transaction (the try is counted, and the rows are ours for a while), send without
any transaction, write down what came of it in another. A crash between the two leaves the rows to be due again, under
the same ids, so a receiver may get a message twice and knows it by its id. Whoever comes back too late finds a newer
try and changes nothing. One slow server costs a round at most its time limit, and holds up only its own messages.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import structlog
from sqlalchemy.orm import Session

from backend.context import Context
from backend.db.engine import SyncDatabase
from backend.db.times import moment
from backend.domain.notices import MAX_TRIES, pause_seconds
from backend.notifications import repo
from backend.notifications.mail import Mailer
from backend.notifications.messages import letter_of, message_of
from backend.notifications.models import Dispatch, Notification, Subscription
from backend.x402.reasons import AnswerUnusable, UpstreamFailed, UpstreamLate, UpstreamRefused
from backend.x402.upstream import Bounds, call

_log = structlog.get_logger("notifications")

AT_ONCE: Final = 32
ROUND_SECONDS: Final = 20.0
"""No new batch is begun after so long."""
HELD_SECONDS: Final = 150
"""Longer than a batch can take: a few seconds for the webhooks, some more for the letters."""
WEBHOOK_SECONDS: Final = 8.0
MAX_ANSWER_BYTES: Final = 64 << 10
GONE: Final = 410


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One try that is ours to make."""

    dispatch: Dispatch
    subscription: Subscription
    notification: Notification | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What came of a try; without a problem it was taken."""

    milliseconds: int
    status: int | None = None
    problem: str | None = None


def send_due(ctx: Context, db: SyncDatabase) -> int:
    """Send what is due, batch by batch; return how many messages were taken. Raises Unavailable."""
    taken, began = 0, time.monotonic()
    while time.monotonic() - began < ROUND_SECONDS:
        jobs = db.write(partial(take, ctx=ctx))
        if not jobs:
            break
        results = asyncio.run(_send_all(ctx, jobs))
        db.write(partial(record, ctx=ctx, done=list(zip(jobs, results, strict=True))))
        taken += sum(one.problem is None for one in results)
    return taken


def take(session: Session, *, ctx: Context) -> list[Job]:
    """Take what is due, for `HELD_SECONDS`; what has nowhere to go any more is given up."""
    now = moment(ctx.now())
    held = now + dt.timedelta(seconds=HELD_SECONDS)
    ids: list[uuid.UUID] = list(session.execute(repo.take_due(now, held, AT_ONCE)).scalars())
    jobs = []
    for dispatch, subscription, notification in session.execute(repo.to_send(ids)).tuples():
        if subscription.ended_at is not None:
            session.execute(repo.ended(dispatch.id, dispatch.tries, state="dead", not_before=now))
        else:
            jobs.append(Job(dispatch=dispatch, subscription=subscription, notification=notification))
    return jobs


async def _send_all(ctx: Context, jobs: Sequence[Job]) -> list[Result]:
    """Send a batch: webhooks side by side, letters one after the other over one connection."""
    letters = [job for job in jobs if job.subscription.channel == "email"]
    posting = asyncio.create_task(asyncio.to_thread(_mail, ctx, letters))
    hooks = [job for job in jobs if job.subscription.channel == "webhook"]
    posted = await asyncio.gather(*(_post(ctx, job) for job in hooks))
    found = dict(zip((job.dispatch.id for job in hooks), posted, strict=True))
    found |= dict(zip((job.dispatch.id for job in letters), await posting, strict=True))
    return [found[job.dispatch.id] for job in jobs]


async def _post(ctx: Context, job: Job) -> Result:
    began = time.monotonic()
    message = message_of(job.dispatch, job.subscription, job.notification, ctx.now())
    allow_local = ctx.settings.gateway_local_upstreams
    bounds = Bounds(timeout_seconds=WEBHOOK_SECONDS, max_bytes=MAX_ANSWER_BYTES, allow_local=allow_local)
    status: int | None = None
    try:
        answer = await call(
            job.subscription.target, account=job.subscription.account, method="POST", query="",
            headers=message.headers, body=message.body, bounds=bounds,
        )  # fmt: skip
        status = answer.status
        problem = None if 200 <= status < 300 else "status"
    except UpstreamRefused:
        problem = "address_refused"
    except UpstreamLate:
        problem = "too_slow"
    except AnswerUnusable:
        problem = "answer_unusable"
    except UpstreamFailed:
        problem = "no_answer"
    except Exception as error:  # noqa: BLE001  # whatever one URL brings about, the other messages must go on
        _log.error("a webhook could not be called", dispatch=str(job.dispatch.id), error=type(error).__name__)
        problem = "no_answer"
    return Result(milliseconds=_since(began), status=status, problem=problem)


def _since(began: float) -> int:
    return int((time.monotonic() - began) * 1000)


def _mail(ctx: Context, jobs: Sequence[Job]) -> list[Result]:
    if not jobs:
        return []
    results: list[Result] = []
    with Mailer(ctx.settings) as mailer:
        for job in jobs:
            began = time.monotonic()
            problem = mailer.send(letter_of(job.dispatch, job.subscription, job.notification, ctx.settings))
            results.append(Result(milliseconds=_since(began), problem=problem))
    return results


def record(session: Session, *, ctx: Context, done: Sequence[tuple[Job, Result]]) -> None:
    """Write down what came of tries: sent, to be tried again later, or given up."""
    now = moment(ctx.now())
    session.execute(repo.new_tries(), [_try(job, result, now) for job, result in done])
    for job, result in done:
        dispatch = job.dispatch
        if result.problem is None:
            state, again = "sent", now
        elif dispatch.left == 0 or result.status == GONE:
            state, again = "dead", now
        else:
            state = "waiting"
            again = now + dt.timedelta(seconds=pause_seconds(MAX_TRIES - dispatch.left))
        counted = session.execute(repo.ended(dispatch.id, dispatch.tries, state=state, not_before=again)).first()
        if counted is not None and state == "dead":
            _log.warning("a notification is not delivered", dispatch=str(dispatch.id), problem=result.problem)


def _try(job: Job, result: Result, now: dt.datetime) -> dict[str, Any]:
    return {
        "dispatch_id": job.dispatch.id, "number": job.dispatch.tries, "at": now, "milliseconds": result.milliseconds,
        "status": result.status, "problem": result.problem,
    }  # fmt: skip
