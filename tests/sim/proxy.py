"""Faults in front of a node in another process: a small HTTP server that forwards through a `Faulty` transport."""

from __future__ import annotations

import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from random import Random

import httpx

from tests.sim.faults import Faulty


class _Server(ThreadingHTTPServer):
    """A server whose clients may be killed at any moment."""

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of a client that is gone; tell everything else."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


class Proxy:
    """A server on a free port of this machine. A timeout is a connection closed without an answer."""

    def __init__(self, target: str, random: Random, kinds: tuple[str, ...], rate: float) -> None:
        self.faulty = Faulty(_Forward(target), random, kinds, rate)
        self._one = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, name="fault proxy", daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)
        self.faulty.close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:  # the name the server calls
                content = self.rfile.read(int(self.headers["content-length"]))
                answer = proxy.answer(content)
                if answer is None:
                    self.close_connection = True
                    return
                body = answer.read()
                self.send_response(answer.status_code)
                for name, value in answer.headers.items():
                    if name in {"content-type", "retry-after"}:
                        self.send_header(name, value)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the name the server calls
                """Say nothing."""

        return Handler

    def answer(self, content: bytes) -> httpx.Response | None:
        """Return the answer to a request, None for none."""
        request = httpx.Request("POST", "http://node", content=content, headers={"content-type": "application/json"})
        with self._one:
            try:
                return self.faulty.handle_request(request)
            except httpx.HTTPError:
                return None


class _Forward(httpx.BaseTransport):
    def __init__(self, target: str) -> None:
        self._target = target
        self._http = httpx.Client(timeout=20.0)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        return self._http.post(self._target, content=request.read(), headers={"content-type": "application/json"})

    def close(self) -> None:
        self._http.close()
