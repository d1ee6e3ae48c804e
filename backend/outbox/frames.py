"""How an event reaches a thousand WebSockets at once: it becomes one frame, and each connection is given its bytes.

A message sent through ASGI wakes a task, passes six functions and is put into a frame again, for every connection.
With a thousand of them the process does nothing else for a tenth of a second at each event, and whoever asks for
something meanwhile waits. So the server's protocol lets its connection take whole frames (`aicp.frames` in the scope's
extensions). Frames of a server are not masked, and compression is off: the same bytes serve everybody.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from fastapi import WebSocket
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame, Opcode

EXTENSION: Final = "aicp.frames"
MOST_WAITING: Final = 1 << 20
"""Bytes that may wait for the other side before it counts as too slow."""

Write = Callable[[bytes], bool]
"""Writes whole frames now; False where too much waits already. What is closing takes them and does nothing."""


class FrameProtocol(WebSocketsSansIOProtocol):
    """The server's side of a WebSocket, which takes whole frames beside the messages of its application."""

    async def run_asgi(self) -> None:
        """Tell the application where frames are taken, and run it."""
        if self.conn.extensions:
            raise RuntimeError("frames written past the protocol must not be compressed")
        self.scope["extensions"][EXTENSION] = {"write": self.write_frames}
        await super().run_asgi()

    def write_frames(self, frames: bytes) -> bool:
        """See `Write`."""
        if self.close_sent or self.disconnected or self.transport.is_closing():
            return True
        if self.transport.get_write_buffer_size() > MOST_WAITING:
            return False
        self.transport.write(frames)
        return True


SERVED: Final[dict[str, Any]] = {
    "ws": FrameProtocol,
    "ws_max_size": 65_536,
    "ws_per_message_deflate": False,  # messages are short, and each connection would compress each of them anew
}
"""uvicorn's options for WebSockets."""


def writer_of(socket: WebSocket) -> Write:
    """Return what writes to a connection. Raises KeyError where the server's protocol is another one."""
    write: Write = socket.scope["extensions"][EXTENSION]["write"]
    return write


def text_frame(text: str) -> bytes:
    """Return a text message as the one frame that carries it."""
    return Frame(Opcode.TEXT, text.encode()).serialize(mask=False)
