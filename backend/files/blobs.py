"""Where the bytes lie: a port, and its first adapter, a local folder addressed by content.

A file is written to a temporary name while it is hashed, flushed to disk, and renamed to its SHA-256 when it is kept.
A crash before the rename leaves a temporary file that the next start sweeps; a rename is atomic, so a stored file is
always whole. The same content is stored once.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final, Protocol

CHUNK: Final = 256 * 1024
HEAD_BYTES: Final = 8192


class StagedBlob(Protocol):
    """Bytes on their way in. `write` them all, `finish`, then either `keep` or `discard`."""

    size: int
    head: bytes
    """The first bytes, for finding out what it is."""

    @property
    def sha256(self) -> bytes:
        """The hash of what was written so far."""

    def write(self, data: bytes) -> None:
        """Append bytes."""

    def finish(self) -> None:
        """Flush everything to disk."""

    def keep(self) -> None:
        """Put the bytes under their hash; repeating it is harmless."""

    def discard(self) -> None:
        """Remove what was not kept."""


class BlobStore(Protocol):
    """Content-addressed storage of files."""

    def stage(self) -> StagedBlob:
        """Begin a new file."""

    def read(self, sha256: bytes) -> Iterator[bytes]:
        """Yield the bytes in chunks. Raises FileNotFoundError before the first chunk."""

    def delete(self, sha256: bytes) -> None:
        """Remove a file; a missing one is no error."""


class LocalStagedBlob:
    """A temporary file in the store's folder."""

    __slots__ = ("_digest", "_file", "_path", "_target", "head", "size")

    def __init__(self, root: Path) -> None:
        handle, name = tempfile.mkstemp(prefix="upload-", dir=root / "tmp")
        self._path = Path(name)
        self._file: BinaryIO = os.fdopen(handle, "wb")
        self._digest = hashlib.sha256()
        self._target = root
        self.size = 0
        self.head = b""

    @property
    def sha256(self) -> bytes:
        """The hash of what was written so far."""
        return self._digest.digest()

    def write(self, data: bytes) -> None:
        """Append bytes."""
        self._digest.update(data)
        self._file.write(data)
        self.size += len(data)
        if len(self.head) < HEAD_BYTES:
            self.head += data[: HEAD_BYTES - len(self.head)]

    def finish(self) -> None:
        """Flush everything to disk."""
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()

    def keep(self) -> None:
        """Put the bytes under their hash; repeating it is harmless."""
        target = _place(self._target, self.sha256)
        if target.exists():
            self.discard()
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        self._path.replace(target)
        folder = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def discard(self) -> None:
        """Remove what was not kept."""
        self._file.close()
        self._path.unlink(missing_ok=True)


def _place(root: Path, sha256: bytes) -> Path:
    name = sha256.hex()
    return root / name[:2] / name[2:4] / name


class LocalBlobs:
    """A folder. Files left half-written by a crash are removed when it is opened by the API."""

    def __init__(self, root: Path) -> None:
        self._root = root
        (root / "tmp").mkdir(parents=True, exist_ok=True, mode=0o700)

    def sweep(self, older_than: float) -> None:
        """Remove temporary files last written before a unix time."""
        for path in (self._root / "tmp").glob("upload-*"):
            if path.stat().st_mtime < older_than:
                path.unlink(missing_ok=True)

    def stage(self) -> LocalStagedBlob:
        """Begin a new file."""
        return LocalStagedBlob(self._root)

    def read(self, sha256: bytes) -> Iterator[bytes]:
        """Yield the bytes in chunks. Raises FileNotFoundError before the first chunk."""
        file = _place(self._root, sha256).open("rb")

        def chunks() -> Iterator[bytes]:
            with file:
                while data := file.read(CHUNK):
                    yield data

        return chunks()

    def delete(self, sha256: bytes) -> None:
        """Remove a file; a missing one is no error."""
        _place(self._root, sha256).unlink(missing_ok=True)
