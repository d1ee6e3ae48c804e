"""The certificates we trust when we call other servers, read once a process: that takes longer than most calls."""

from __future__ import annotations

import ssl
from functools import cache

import httpx


@cache
def for_nodes() -> ssl.SSLContext:
    """Return those for servers of the operator's choice, which the environment may add to (`SSL_CERT_FILE`)."""
    return httpx.create_ssl_context()


@cache
def for_strangers() -> ssl.SSLContext:
    """Return those for servers other people name: the environment has no say."""
    return httpx.create_ssl_context(trust_env=False)
