"""One deadline for a whole request of a client: httpx bounds each read only, and a server may drip for ever."""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterable
from typing import Any, Final

import httpcore
import httpx

_NEVER: Final = float("inf")


class Deadline:
    """The moment at which the request under way is over. A client under one is used by one thread at a time."""

    def __init__(self, client: httpx.Client) -> None:
        """Put a new client under it, with the proxies the environment has given it."""
        self._at = _NEVER
        for transport in {client._transport, *client._mounts.values()}:  # noqa: SLF001  # it offers no other way
            if isinstance(transport, httpx.HTTPTransport):
                pool = transport._pool  # noqa: SLF001
                pool._network_backend = _Network(pool._network_backend, self)  # noqa: SLF001

    def begin(self, seconds: float) -> None:
        """Give what comes next so many seconds, all together."""
        self._at = time.monotonic() + seconds

    def left(self, timeout: float | None) -> float | None:
        """Return how long one step may take. Raises httpcore.ReadTimeout when there is no time left."""
        left = self._at - time.monotonic()
        if left <= 0:
            raise httpcore.ReadTimeout("the answer took too long")
        return timeout if left == _NEVER else left if timeout is None else min(timeout, left)


class _Stream(httpcore.NetworkStream):
    def __init__(self, stream: httpcore.NetworkStream, deadline: Deadline) -> None:
        self._stream, self._deadline = stream, deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, self._deadline.left(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, self._deadline.left(timeout))

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        secured = self._stream.start_tls(ssl_context, server_hostname, self._deadline.left(timeout))
        return _Stream(secured, self._deadline)

    def close(self) -> None:
        self._stream.close()

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


class _Network(httpcore.NetworkBackend):
    def __init__(self, network: httpcore.NetworkBackend, deadline: Deadline) -> None:
        self._network, self._deadline = network, deadline

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        made = self._network.connect_tcp(host, port, self._deadline.left(timeout), local_address, socket_options)
        return _Stream(made, self._deadline)
