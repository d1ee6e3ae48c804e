"""Tasks over HTTP."""

from __future__ import annotations

import uuid
from typing import Annotated

from fastapi import APIRouter, Query
from sqlalchemy.orm import Session

from aicp.rules.primitives import parse_address
from aicp.rules.specialties import SPECIALTIES
from backend.api.deps import Ctx, CurrentSession, OptionalSession, Read, Write
from backend.api.paging import Cursor, Limit
from backend.api.types import Page, UnitsText
from backend.deals import service as deals
from backend.domain.task_states import TaskState
from backend.errors import InvalidInput, Unauthenticated
from backend.tasks import service, view
from backend.tasks.repo import Auction, Sort, TaskFilter
from backend.tasks.schemas import RouteIn, RouteOut, TaskIn, TaskOut, TransitionOut

router = APIRouter(prefix="/tasks", tags=["tasks"])


@router.get("")
async def list_tasks(  # noqa: PLR0917  # one parameter for each filter of the query
    ctx: Ctx,
    read: Read,
    caller: OptionalSession,
    state: Annotated[list[TaskState] | None, Query()] = None,
    capability: Annotated[str | None, Query(max_length=40)] = None,
    buyer: Annotated[str | None, Query(max_length=42)] = None,
    q: Annotated[str | None, Query(max_length=120)] = None,
    specialty: Annotated[str | None, Query(max_length=60, description="As `task_type:compute`.")] = None,
    least_units: Annotated[UnitsText | None, Query(description="Least budget.")] = None,
    most_units: Annotated[UnitsText | None, Query(description="Most budget.")] = None,
    auction: Annotated[Auction | None, Query(description="How bids come in, or what the buyer fixed.")] = None,
    mine: bool = False,
    sort: Sort = "newest",
    cursor: Cursor = None,
    limit: Limit = 20,
) -> Page[TaskOut]:
    """List tasks; `mine` are those the caller posted or works on."""
    if mine and caller is None:
        raise Unauthenticated
    chosen = TaskFilter(
        states=tuple(state or ()),
        capability=capability,
        buyer=None if buyer is None else _address(buyer),
        party=caller.address if mine and caller is not None else None,
        words=q,
        specialty=None if specialty is None else _specialty(specialty),
        least_units=least_units,
        most_units=most_units,
        auction=auction,
    )
    return await read(lambda session: view.page(session, ctx, chosen, sort=sort, cursor=cursor, limit=limit))


def _address(text: str) -> bytes:
    try:
        return parse_address(text)
    except ValueError as error:
        raise InvalidInput("This is not an address.") from error


def _specialty(text: str) -> tuple[str, str]:
    dimension, _, value = text.partition(":")
    if value not in SPECIALTIES.get(dimension, ()):
        raise InvalidInput("This is no specialty; they look like task_type:compute.")
    return dimension, value


@router.post("/submit")
async def submit_task(body: TaskIn, ctx: Ctx, caller: CurrentSession, write: Write) -> TaskOut:
    """Post a task; its auction begins at once."""

    def run(session: Session) -> TaskOut:
        task = service.submit(session, ctx, caller.address, body)
        return view.task_out(session, ctx, task, caller.address)

    return await write(run)


@router.post("/route")
async def route_price(body: RouteIn, ctx: Ctx) -> RouteOut:
    """Say which way a price is paid, and why."""
    return view.route(ctx, body)


@router.get("/{task_id}")
async def get_task(task_id: uuid.UUID, ctx: Ctx, caller: OptionalSession, read: Read) -> TaskOut:
    """Return a task; its parties also get the description and the document."""
    reader = None if caller is None else caller.address
    return await read(lambda session: view.task_out(session, ctx, service.get(session, task_id), reader))


@router.get("/{task_id}/history")
async def get_task_history(task_id: uuid.UUID, read: Read) -> list[TransitionOut]:
    """Return every move of a task and what justified it."""
    return await read(lambda session: view.history(session, service.get(session, task_id)))


@router.post("/{task_id}/cancel")
async def cancel_task(task_id: uuid.UUID, ctx: Ctx, caller: CurrentSession, write: Write) -> TaskOut:
    """Take back a task that is open, or whose deal nobody has paid."""

    def run(session: Session) -> TaskOut:
        task = deals.call_off(session, ctx, caller.address, task_id)
        return view.task_out(session, ctx, task, caller.address)

    return await write(run)
