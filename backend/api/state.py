"""What one API process holds: made at start, handed to every request."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi.requests import HTTPConnection

from backend.agents.calls import Calls
from backend.api.limits import RateLimits
from backend.api.metrics import Metrics
from backend.breakers.gate import Gate
from backend.context import Context
from backend.db.engine import Database
from backend.files.blobs import BlobStore
from backend.outbox.hub import EventHub
from backend.outbox.sockets import Sockets
from backend.payments.engine import Engine


@dataclass(frozen=True, slots=True)
class AppState:
    """The long-lived parts of the process."""

    ctx: Context
    db: Database
    blobs: BlobStore
    limits: RateLimits
    hub: EventHub
    vouchers: Engine
    gate: Gate
    calls: Calls
    metrics: Metrics
    guests: Sockets
    members: Sockets
    origins: frozenset[str]
    cookie_name: str
    cookie_secure: bool


def app_state(connection: HTTPConnection) -> AppState:
    """Return the state of the process a request or WebSocket came to."""
    state: AppState = connection.app.state.aicp
    return state


def client_ip(connection: HTTPConnection) -> str:
    """Return the caller's IP, as the server or a trusted proxy header gives it."""
    return connection.client.host if connection.client else "unknown"
