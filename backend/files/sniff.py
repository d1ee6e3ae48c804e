"""What a file is by its content; its name only chooses between text formats and is checked against the rest."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Final

from backend.errors import UnsupportedFile

_MAGIC: Final[tuple[tuple[bytes, str], ...]] = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"%PDF-", "application/pdf"),
    (b"PK\x03\x04", "application/zip"),
    (b"PK\x05\x06", "application/zip"),
    (b"\x1f\x8b", "application/gzip"),
    (b"SQLite format 3\x00", "application/vnd.sqlite3"),
    (b"PAR1", "application/vnd.apache.parquet"),
)
_PROGRAMS: Final = (b"\x7fELF", b"MZ", b"\xfe\xed\xfa", b"\xcf\xfa\xed\xfe", b"\xca\xfe\xba\xbe", b"\x00asm")
_BY_NAME: Final = {
    ".csv": "text/csv",
    ".tsv": "text/tab-separated-values",
    ".md": "text/markdown",
    ".json": "application/json",
    ".jsonl": "application/x-ndjson",
    ".ndjson": "application/x-ndjson",
    ".yaml": "application/yaml",
    ".yml": "application/yaml",
}
_BINARY_NAMES: Final = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".gif": "image/gif",
    ".webp": "image/webp",
    ".pdf": "application/pdf",
    ".zip": "application/zip",
    ".gz": "application/gzip",
    ".parquet": "application/vnd.apache.parquet",
}
_ACTIVE_STARTS: Final = (
    (b"<!doctype html", "text/html"),
    (b"<html", "text/html"),
    (b"<head", "text/html"),
    (b"<body", "text/html"),
    (b"<script", "text/html"),
    (b"<iframe", "text/html"),
    (b"<svg", "image/svg+xml"),
    (b"<?xml", "application/xml"),
)
ACTIVE: Final = frozenset({"text/html", "image/svg+xml", "application/xml", "text/javascript"})
"""Types a browser might run; they are stored as they are and served as plain text only."""
_ACTIVE_NAMES: Final = {
    ".html": "text/html",
    ".htm": "text/html",
    ".xhtml": "text/html",
    ".svg": "image/svg+xml",
    ".xml": "application/xml",
    ".js": "text/javascript",
    ".mjs": "text/javascript",
}


def _is_text(head: bytes) -> bool:
    if b"\x00" in head:
        return False
    try:
        head.decode("utf-8")
    except UnicodeDecodeError as error:
        # a character cut in two at the end of the sample is no sign of another encoding
        return error.start >= len(head) - 3
    return True


def _text_type(head: bytes, suffix: str) -> str:
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n")[:64].lower()
    for prefix, media_type in _ACTIVE_STARTS:
        if start.startswith(prefix):
            return media_type
    return _ACTIVE_NAMES.get(suffix) or _BY_NAME.get(suffix, "text/plain")


def media_type_of(head: bytes, name: str) -> str:
    """Return the media type of a file from its first bytes.

    Raises UnsupportedFile for programs, and for a name that promises a binary format the content is not.
    """
    suffix = PurePosixPath(name).suffix.lower()
    if head.startswith(_PROGRAMS) and not _is_text(head):
        raise UnsupportedFile("Programs are not accepted.")
    found = next((media_type for magic, media_type in _MAGIC if head.startswith(magic)), None)
    if found is None and head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        found = "image/webp"
    if found is None:
        found = _text_type(head, suffix) if _is_text(head) else "application/octet-stream"
    promised = _BINARY_NAMES.get(suffix)
    if promised is not None and promised != found:
        raise UnsupportedFile(f"The content is not what the name says ({suffix}).", found=found)
    return found


def served_type(media_type: str) -> str:
    """Return the type a stored file is served under: nothing a browser would run or render as a page."""
    if media_type in ACTIVE:
        return "text/plain; charset=utf-8"
    return f"{media_type}; charset=utf-8" if media_type.startswith("text/") else media_type
