"""Why the devnet cannot start or go on."""

from __future__ import annotations


class DevnetError(Exception):
    """One clear sentence for the person at the terminal."""


class DevnetCancelledError(Exception):
    """Somebody asked to stop while the stack was still starting."""


class AlreadyRunningError(DevnetError):
    """Another supervisor runs this state directory."""
