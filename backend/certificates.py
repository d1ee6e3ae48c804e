"""The certificates we trust when we call other servers."""

from __future__ import annotations

import ssl
from functools import cache

import httpx


@cache
def trusted() -> ssl.SSLContext:
    """Return the certificates we trust, read once a process: reading them takes longer than most calls."""
    return httpx.create_ssl_context(trust_env=False)
