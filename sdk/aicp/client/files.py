"""Stored files and the manifests that name them, as the service answers them."""

from __future__ import annotations

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
