"""Security headers of every answer, and the content policy of the page."""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from backend.auth.origins import is_local
from backend.settings import Settings

_INLINE: Final = re.compile(rb"<script(?![^>]*\bsrc=)[^>]*>(.*?)</script>", re.DOTALL | re.IGNORECASE)
DOWNLOAD_POLICY: Final = "sandbox; default-src 'none'"


def inline_script_hashes(index: Path) -> list[str]:
    """Return the CSP hashes of the scripts written into the built page (a theme switch, say); nothing else runs."""
    if not index.is_file():
        return []
    digests = (hashlib.sha256(code).digest() for code in _INLINE.findall(index.read_bytes()))
    return [f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests]


def _connections(settings: Settings) -> list[str]:
    public = urlsplit(settings.public_url)
    socket = f"{'wss' if public.scheme == 'https' else 'ws'}://{public.netloc}"
    rpc = settings.public_rpc_url or settings.rpc_urls[0]
    parts = urlsplit(rpc)
    return ["'self'", socket, f"{parts.scheme}://{parts.netloc}"]


def content_policy(settings: Settings) -> str:
    """Return the CSP: own scripts and styles only, connections to the API and the chain's RPC, no frames, no plug-ins.

    Nothing is inline. The page sets widths and places through the CSSOM, which no policy forbids.
    """
    scripts = ["'self'", *inline_script_hashes(settings.frontend_dist / "index.html")]
    return "; ".join(
        [
            "default-src 'none'",
            f"script-src {' '.join(scripts)}",
            "style-src 'self'",
            "img-src 'self' data: blob:",
            "font-src 'self'",
            f"connect-src {' '.join(_connections(settings))}",
            "manifest-src 'self'",
            "worker-src 'self'",
            "base-uri 'none'",
            "form-action 'self'",
            "frame-ancestors 'none'",
            "object-src 'none'",
        ]
    )


def security_headers(settings: Settings) -> dict[str, str]:
    """Return the headers every answer carries unless it sets its own."""
    headers = {
        "Content-Security-Policy": content_policy(settings),
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Referrer-Policy": "no-referrer",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=()",
    }
    if not is_local(settings.public_url):
        headers["Strict-Transport-Security"] = "max-age=31536000; includeSubDomains"
    return headers
