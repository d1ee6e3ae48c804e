"""Which web origins this deployment answers to: its own, and those the settings name."""

from __future__ import annotations

from urllib.parse import urlsplit

from backend.settings import Settings


def origin_of(url: str) -> str:
    """Return scheme://host[:port] of a URL, lower case."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}".lower()


def allowed_origins(settings: Settings) -> frozenset[str]:
    """Return the origins that unsafe requests, WebSockets and sign-in messages may come from.

    A page on this machine is reached as `localhost` and as `127.0.0.1`; both are meant when one is named.
    """
    named = {origin_of(url) for url in (settings.public_url, *settings.allowed_origins)}
    twins = {origin.replace("://localhost", "://127.0.0.1") for origin in named}
    return frozenset(named | twins)


def is_local(url: str) -> bool:
    """Return whether a URL names this machine, which browsers trust like a secure origin."""
    return urlsplit(url).hostname in {"localhost", "127.0.0.1", "::1"}
