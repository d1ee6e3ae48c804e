"""Sessions that outlive a command, so that a shell full of commands signs in once.

One small file each, of its owner alone, named by service, account and scopes. Who reads it can see and ask in the
account's name until the session ends; what moves money is signed each time, by a key that is not here. A file that is
lost, broken or forgotten by the service costs one sign-in.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

import httpx

from aicp.client.errors import Mismatch
from aicp.client.service import Session

_NOFOLLOW: Final = getattr(os, "O_NOFOLLOW", 0)


def _owner() -> int | None:
    """Return who we are, None where files have no owners: there no session is kept."""
    return os.getuid() if hasattr(os, "getuid") else None


class Sessions:
    """The sessions kept in a folder. One that others may write in, or own, is neither read nor written."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self, url: str, address: bytes, scopes: Sequence[str]) -> Session | None:
        """Return the session kept for an account at a service, None where there is none that can be used."""
        try:
            found = Session.model_validate_json(self._place(url, address, scopes).read_bytes())
        except (OSError, ValueError, Mismatch):
            return None
        whole = found.token is not None and found.token.isascii() and found.expires_at.tzinfo is not None
        return found if whole and found.address == address and self._private() else None

    def keep(self, url: str, address: bytes, scopes: Sequence[str], session: Session) -> None:
        """Keep a session; where the folder cannot be written the next command signs in again."""
        place = self._place(url, address, scopes)
        part = place.with_suffix(f".{secrets.token_hex(8)}")
        with suppress(OSError):
            for folder in (self._folder.parent, self._folder):
                folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            if not self._private():
                return
            handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NOFOLLOW, 0o600)
            with os.fdopen(handle, "w") as out:
                out.write(session.model_dump_json())
            part.replace(place)

    def forget(self, url: str, address: bytes, scopes: Sequence[str]) -> None:
        """Drop a session."""
        with suppress(OSError):
            self._place(url, address, scopes).unlink()

    def _private(self) -> bool:
        try:
            found = self._folder.stat()
        except OSError:
            return False
        return found.st_uid == _owner() and not found.st_mode & 0o022

    def _place(self, url: str, address: bytes, scopes: Sequence[str]) -> Path:
        named = "\n".join((str(httpx.URL(url)), address.hex(), *sorted(scopes)))
        return self._folder / f"{hashlib.sha256(named.encode()).hexdigest()[:32]}.json"
