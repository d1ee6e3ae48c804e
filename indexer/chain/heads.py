"""Hears of new blocks over a websocket, so that nobody has to ask. Only a bell: what it says is never believed.

A subscription that breaks is made again after a pause; meanwhile the loop asks at its usual pace.
"""

from __future__ import annotations

import json
import threading
from typing import Final

import structlog
from websockets.exceptions import WebSocketException
from websockets.sync.client import connect

_log = structlog.get_logger("indexer.heads")
_RECONNECT_SECONDS: Final = 2.0
_SUBSCRIBED_POLL_SECONDS: Final = 1.0


class NewHeads:
    """A subscription to `newHeads` kept by a thread."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._rung = threading.Event()
        self._closed = threading.Event()
        self._subscribed = False
        self._thread = threading.Thread(target=self._run, name="new-heads", daemon=True)
        self._thread.start()

    def wait(self, stop: threading.Event, seconds: float) -> bool:
        """Wait for a block or that long, longer while subscribed; return whether `stop` is set."""
        rest = _SUBSCRIBED_POLL_SECONDS if self._subscribed else seconds
        while rest > 0 and not stop.is_set():
            step = min(rest, 0.25)
            if self._rung.wait(step):
                break
            rest -= step
        self._rung.clear()
        return stop.is_set()

    def close(self) -> None:
        """Let the thread end."""
        self._closed.set()

    def _run(self) -> None:
        while not self._closed.is_set():
            try:
                self._listen()
            except (OSError, WebSocketException, TimeoutError) as error:
                _log.warning("no subscription to new blocks", error=str(error))
            self._subscribed = False
            self._closed.wait(_RECONNECT_SECONDS)

    def _listen(self) -> None:
        with connect(self._url, open_timeout=5, close_timeout=1) as socket:
            socket.send(json.dumps({"jsonrpc": "2.0", "id": 1, "method": "eth_subscribe", "params": ["newHeads"]}))
            answer = json.loads(socket.recv(timeout=5))
            if "result" not in answer:
                raise OSError(f"refused: {answer.get('error')}")
            self._subscribed = True
            _log.info("subscribed to new blocks")
            while not self._closed.is_set():
                try:
                    socket.recv(timeout=1)
                except TimeoutError:
                    continue
                self._rung.set()
