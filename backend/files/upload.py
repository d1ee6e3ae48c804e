"""Reads one file out of a multipart body as it arrives: hashed while it is written, never held in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from email.message import Message
from typing import Final

from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser

from backend.errors import InvalidInput, TooLarge
from backend.files.blobs import StagedBlob

FIELD: Final = "file"
MAX_NAME: Final = 200
MAX_HEADER_BYTES: Final = 4096


def safe_name(name: str) -> str:
    """Return the last part of a client's file name without control characters. Raises InvalidInput when empty."""
    last = name.replace("\\", "/").rsplit("/", 1)[-1]
    kept = "".join(char for char in last if char.isprintable()).strip()
    if not kept or kept in {".", ".."} or len(kept) > MAX_NAME:
        raise InvalidInput(f"A file needs a name of at most {MAX_NAME} characters.")
    return kept


def _boundary(content_type: str) -> bytes:
    message = Message()
    message["content-type"] = content_type
    boundary = message.get_param("boundary")
    if message.get_content_type() != "multipart/form-data" or not isinstance(boundary, str):
        raise InvalidInput("Send the file as multipart/form-data.")
    return boundary.encode("latin-1", "replace")


class _FilePart:
    """Callbacks of the parser; takes the part named `file` and nothing else."""

    def __init__(self, staged: StagedBlob, limit: int) -> None:
        self.name: str | None = None
        self.whole = False
        self._staged = staged
        self._limit = limit
        self._field = b""
        self._value = b""
        self._disposition = b""
        self._ours = False

    def callbacks(self) -> dict[str, Callable[..., None]]:
        return {
            "on_part_begin": self._begin,
            "on_header_field": self._on_field,
            "on_header_value": self._on_value,
            "on_header_end": self._on_header,
            "on_headers_finished": self._on_headers,
            "on_part_data": self._on_data,
            "on_part_end": self._end,
        }

    def _begin(self) -> None:
        self._field = self._value = self._disposition = b""
        self._ours = False

    def _on_field(self, data: bytes, start: int, end: int) -> None:
        self._field += data[start:end]
        self._bound()

    def _on_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]
        self._bound()

    def _bound(self) -> None:
        if len(self._field) + len(self._value) > MAX_HEADER_BYTES:
            raise InvalidInput("A header of the multipart body is too long.")

    def _on_header(self) -> None:
        if self._field.lower() == b"content-disposition":
            self._disposition = self._value
        self._field = self._value = b""

    def _on_headers(self) -> None:
        message = Message()
        message["content-disposition"] = self._disposition.decode("utf-8", "replace")
        if message.get_param("name", header="content-disposition") != FIELD:
            return
        if self.name is not None:
            raise InvalidInput("Send one file at a time.")
        self._ours = True
        self.name = safe_name(message.get_filename() or "")

    def _on_data(self, data: bytes, start: int, end: int) -> None:
        if not self._ours:
            return
        size = self._staged.size + end - start
        if size > self._limit:
            raise TooLarge(max_bytes=self._limit)
        self._staged.write(data[start:end])

    def _end(self) -> None:
        self.whole = self.whole or self._ours


async def receive(content_type: str, chunks: AsyncIterator[bytes], staged: StagedBlob, *, limit: int) -> str:
    """Write the part named `file` into `staged` and return its name; at most `limit` bytes.

    Raises InvalidInput and TooLarge; the caller discards what was written.
    """
    part = _FilePart(staged, limit)
    parser = MultipartParser(_boundary(content_type), part.callbacks())  # type: ignore[arg-type]
    try:
        async for chunk in chunks:
            parser.write(chunk)
        parser.finalize()
    except MultipartParseError as error:
        raise InvalidInput("The multipart body cannot be read.") from error
    if part.name is None or not part.whole:
        raise InvalidInput("The body holds no part named 'file'.")
    return part.name
