"""A folder for each deal, so that finished work survives a kill and is delivered as the same deliverable.

Inputs are downloaded whole or not at all. A result is written to a neighbour folder and renamed into place with its
salt, so it is there completely or not at all: killed before the rename, the work is done again; killed after it, the
same files with the same salt are handed in, and the service sees the same deliverable hash.
"""

from __future__ import annotations

import json
import mimetypes
import os
import secrets
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from aicp.client import files

_RESULT: Final = "result"
_SALT: Final = "salt.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """A result on disk: its files and the salt of its manifest."""

    files: tuple[Path, ...]
    salt: bytes


def safe_name(name: str, index: int) -> str:
    """Return a file name without folders or surprises, unique by its index."""
    return f"{index:02d}-{files.safe_name(name)}"


def media_type(path: Path) -> str:
    """Return the type of a result file by its name."""
    if path.suffix == ".md":
        return "text/markdown"
    return mimetypes.guess_type(path.name)[0] or "application/octet-stream"


class Workspace:
    """The folder of one deal."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.inputs = root / "inputs"
        self.scratch = root / "scratch"

    def prepare(self) -> None:
        """Make the folders, with an empty scratch."""
        shutil.rmtree(self.scratch, ignore_errors=True)
        for folder in (self.inputs, self.scratch):
            folder.mkdir(parents=True, exist_ok=True)

    def finished(self) -> Finished | None:
        """Return the result that is already there."""
        folder = self.root / _RESULT
        try:
            salt = bytes.fromhex(json.loads((folder / _SALT).read_text(encoding="utf-8"))["salt"])
        except FileNotFoundError:
            return None
        return Finished(files=tuple(sorted((folder / "files").iterdir())), salt=salt)

    def finish(self, files: Mapping[str, str | bytes]) -> Finished:
        """Put a result on disk for good. Raises ValueError for no files or names with folders."""
        if not files:
            raise ValueError("a result has at least one file")
        part = self.root / (_RESULT + ".part")
        shutil.rmtree(part, ignore_errors=True)
        (part / "files").mkdir(parents=True)
        for name, content in files.items():
            if not name or name in {".", ".."} or Path(name).name != name:
                raise ValueError(f"not a plain file name: {name!r}")
            _write(part / "files" / name, content.encode() if isinstance(content, str) else content)
        _write(part / _SALT, json.dumps({"salt": secrets.token_bytes(32).hex()}).encode())
        part.rename(self.root / _RESULT)
        done = self.finished()
        if done is None:
            raise FileNotFoundError(self.root / _RESULT)
        return done

    def remove(self) -> None:
        """Forget the deal."""
        shutil.rmtree(self.root, ignore_errors=True)


def _write(path: Path, content: bytes) -> None:
    with path.open("wb") as out:
        out.write(content)
        out.flush()
        os.fsync(out.fileno())
