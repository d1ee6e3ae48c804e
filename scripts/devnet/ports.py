"""TCP ports for servers of our own."""

from __future__ import annotations

import secrets
import socket
from typing import Final

_PORTS: Final = range(10_000, 32_000)
"""Below those the system gives to connections: one of them would take the port between our look and the server's start,
and keep it for as long as it lasts."""


def free_port(count: int = 1) -> int:
    """Return the first of so many ports of 127.0.0.1 in a row that nobody holds at this moment."""
    while True:
        first = secrets.choice(_PORTS)
        if all(_is_free(port) for port in range(first, first + count)):
            return first


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
