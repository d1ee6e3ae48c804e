"""Stored files and the manifests that name them, as the service answers them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from aicp.client.wire import Hash, Model
from aicp.rules.documents import FileEntry


class StoredFile(Model):
    """A stored file; its SHA-256 is the address of its bytes."""

    sha256: Hash
    name: str
    size: int
    media_type: str

    def entry(self) -> FileEntry:
        """Return the file as documents name it."""
        return FileEntry(name=self.name, sha256=self.sha256, size=self.size, media_type=self.media_type)


class Manifest(Model):
    files: list[StoredFile]
    salt: Hash


_UNSAFE: Final = re.compile(r"[^\w.\- ]")
_LONGEST: Final = 100
"""Bytes: with a number before it, and what a download adds, a name fits every disk."""


def safe_name(name: str) -> str:
    """Return the last part of a file's name without what a disk or a terminal reads otherwise."""
    plain = _UNSAFE.sub("_", Path(name).name)
    return plain.encode()[-_LONGEST:].decode(errors="ignore")


def names_on_disk(files: Sequence[StoredFile]) -> list[str]:
    """Return a name in one folder for each file: its own, with its number before it where that is none or not alone."""
    names = [safe_name(file.name) for file in files]
    lower = [name.lower() for name in names]
    return [
        f"{number:02d}-{name}" if name.startswith(".") or not name.strip() or lower.count(name.lower()) > 1 else name
        for number, name in enumerate(names, 1)
    ]
