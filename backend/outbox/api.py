"""The WebSocket: server events, with resume by sequence number."""

from __future__ import annotations

import asyncio
import json
import random
import time
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, WebSocket, WebSocketDisconnect

from backend.api.state import AppState, app_state, client_ip
from backend.auth import service as auth
from backend.auth.service import Caller
from backend.db.times import unix
from backend.errors import Problem, Unavailable
from backend.outbox import service
from backend.outbox.frames import text_frame, writer_of
from backend.outbox.hub import Subscriber

router = APIRouter()

HEARTBEAT_SECONDS: Final = 15.0
SESSION_CHECK_SECONDS: Final = 30.0
"""After so long, however busy the connection is, its session must still be live."""
MAX_BACKLOG: Final = 1000
POLICY_VIOLATION: Final = 1008
TRY_AGAIN: Final = 1013


@router.websocket("/ws")
async def events(
    socket: WebSocket,
    ticket: Annotated[str | None, Query(max_length=200)] = None,
    since: Annotated[int | None, Query(ge=0, lt=2**62)] = None,
) -> None:
    """Send events from now on, or from behind `since`; with a ticket also those for its account only."""
    state = app_state(socket)
    origin = socket.headers.get("origin")
    if origin is not None and origin.lower() not in state.origins:
        await socket.close(POLICY_VIOLATION, "origin_refused")
        return
    caller: Caller | None = None
    if ticket is not None:
        try:
            caller = await state.db.write(lambda session: auth.use_ticket(session, state.ctx, ticket))
        except Problem as problem:
            await socket.close(TRY_AGAIN if isinstance(problem, Unavailable) else POLICY_VIOLATION, problem.code)
            return
    among, who = (state.guests, client_ip(socket)) if caller is None else (state.members, caller.address)
    if not among.enter(who):
        await socket.accept()  # a close before it would carry no reason
        await socket.close(TRY_AGAIN, "too_many_connections")
        return
    try:
        await _subscribed(socket, state, caller, since)
    finally:
        among.leave(who)


async def _subscribed(socket: WebSocket, state: AppState, caller: Caller | None, since: int | None) -> None:
    await socket.accept()
    subscriber = state.hub.subscribe(None if caller is None else caller.address, writer_of(socket))
    state.metrics.sockets += 1
    try:
        await _serve(socket, state, subscriber, caller, since)
    finally:
        state.metrics.sockets -= 1
        state.hub.unsubscribe(subscriber)


async def _serve(
    socket: WebSocket, state: AppState, subscriber: Subscriber, caller: Caller | None, since: int | None
) -> None:
    # one task reads, because only a read notices that the other side went away; the two end together
    reading = asyncio.create_task(_drain(socket))
    sending = asyncio.create_task(_send(socket, state, subscriber, caller, since))
    try:
        await asyncio.wait({reading, sending}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (reading, sending):
            task.cancel()
        await asyncio.gather(reading, sending, return_exceptions=True)


async def _drain(socket: WebSocket) -> None:
    try:
        while True:
            await socket.receive_text()
    except (WebSocketDisconnect, RuntimeError, KeyError):
        return


async def _send(
    socket: WebSocket, state: AppState, subscriber: Subscriber, caller: Caller | None, since: int | None
) -> None:
    newest = subscriber.start
    # at moments of their own, so that connections opened together are not all looked up at once
    checked = time.monotonic() - random.uniform(0, SESSION_CHECK_SECONDS)  # noqa: S311  # no secret
    try:
        gap, backlog = await _backlog(state, subscriber, since, newest)
        await socket.send_json({"type": "hello", "seq": newest, "gap": gap})
        for old in backlog:
            await socket.send_json(old)
        subscriber.go_live()
        while not await subscriber.dropped_within(_pause(state, caller)):
            now = time.monotonic()
            if caller is not None:
                over = _is_over(state, caller)
                if not over and now - checked >= SESSION_CHECK_SECONDS:
                    over, checked = not await _still_live(state, caller), now
                if over:
                    state.hub.unsubscribe(subscriber)  # to close may take as long as the other side likes
                    await socket.close(POLICY_VIOLATION, "session_over")
                    return
            if now - subscriber.last >= HEARTBEAT_SECONDS:
                subscriber.offer(text_frame(json.dumps({"type": "heartbeat", "seq": state.hub.last_seq})), now)
        state.metrics.sockets_dropped += 1
        await socket.close(TRY_AGAIN, "too_slow")
    except Unavailable:
        await socket.close(TRY_AGAIN, "unavailable")
    except (WebSocketDisconnect, RuntimeError):
        return


def _is_over(state: AppState, caller: Caller) -> bool:
    return state.ctx.now() >= unix(caller.expires_at)


def _pause(state: AppState, caller: Caller | None) -> float:
    """Return how long nothing needs to be looked after."""
    if caller is None:
        return HEARTBEAT_SECONDS
    left = unix(caller.expires_at) - state.ctx.now()
    return max(0.0, min(HEARTBEAT_SECONDS, SESSION_CHECK_SECONDS, left))


async def _still_live(state: AppState, caller: Caller) -> bool:
    return await state.db.look(lambda session: auth.still_live(session, state.ctx, caller.session_id))


async def _backlog(
    state: AppState, subscriber: Subscriber, since: int | None, newest: int
) -> tuple[bool, list[dict[str, Any]]]:
    """Return whether events behind `since` are missing, and those that are not."""
    if since is None or since >= newest:
        return since is not None and since > newest, []

    def read(session: Any) -> tuple[bool, list[dict[str, Any]]]:
        oldest = service.oldest_seq(session)
        events = service.events_between(session, since, newest, MAX_BACKLOG + 1)
        gap = len(events) > MAX_BACKLOG or oldest is None or since < oldest - 1
        if len(events) > MAX_BACKLOG:
            return True, []
        return gap, [
            service.message_of(event) for event in events if service.is_for(event.audience, subscriber.address)
        ]

    return await state.db.read(read)
