"""Stored files as clients see them."""

from __future__ import annotations

from pydantic import Field

from backend.api.types import HashText, Model


class FileOut(Model):
    """A stored file; the address of its bytes is their SHA-256."""

    sha256: HashText
    name: str
    size: int
    media_type: str


class ManifestFile(Model):
    """A file inside a task document or a deliverable manifest."""

    name: str = Field(min_length=1, max_length=200)
    sha256: HashText
    size: int = Field(ge=0)
    media_type: str = Field(max_length=100)


class Manifest(Model):
    """What `deliverable_hash` commits to: keccak256 of its RFC 8785 JSON, files sorted by name."""

    files: list[ManifestFile] = Field(min_length=1, max_length=50)
    salt: HashText
