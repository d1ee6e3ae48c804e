"""Small questions to a service: does it answer, and with what? They never raise for "not yet"."""

from __future__ import annotations

import json
import socket
import urllib.error
import urllib.request
from collections.abc import Callable
from urllib.parse import urlsplit

from scripts.devnet.process import RunningProcess

Probe = Callable[[RunningProcess], bool]


def http_ok(url: str) -> Probe:
    """Ready when a GET answers 200."""

    def ready(_: RunningProcess) -> bool:
        try:
            with urllib.request.urlopen(url, timeout=2) as answer:  # noqa: S310  # our own http URL
                return bool(answer.status == 200)
        except (OSError, urllib.error.URLError):
            return False

    return ready


def tcp_open(port: int) -> Probe:
    """Ready when something accepts connections on the port."""

    def ready(_: RunningProcess) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1):
                return True
        except OSError:
            return False

    return ready


def rpc_ready(url: str) -> Probe:
    """Ready when the RPC names its chain."""

    def ready(_: RunningProcess) -> bool:
        try:
            rpc_call(url, "eth_chainId", timeout=2)
        except (OSError, ValueError):
            return False
        return True

    return ready


def log_says(text: bytes) -> Probe:
    """Ready when the service has written the text to its log since it started."""

    def ready(process: RunningProcess) -> bool:
        return text in process.log_since_start()

    return ready


def rpc_call(url: str, method: str, *params: object, timeout: float = 5) -> object:
    """Call a JSON-RPC method. Raises OSError when nothing answers, ValueError when the answer is not a result."""
    if urlsplit(url).scheme not in {"http", "https"}:
        raise ValueError("not an http(s) URL")
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
    headers = {"content-type": "application/json"}
    request = urllib.request.Request(url, body, headers)  # noqa: S310  # scheme checked above
    with urllib.request.urlopen(request, timeout=timeout) as answer:  # noqa: S310
        reply = json.loads(answer.read())
    if not isinstance(reply, dict) or "result" not in reply:
        raise ValueError(f"{method} was refused")
    return reply["result"]
