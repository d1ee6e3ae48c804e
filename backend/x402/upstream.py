"""Calling an agent's server: only public addresses, one resolution, bounded time and size, no redirects.

The name is resolved once and the connection goes to the address that was checked, so a name that answers differently
the second time reaches nothing. What the gateway passes on is body and media type alone: no cookies, no headers of the
agent, and no type a browser would run as a page or a script of ours. Nothing is unpacked: a few hundred bytes can hold
gigabytes, and their size is known only when they are in memory.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

import httpx

from backend.certificates import for_strangers
from backend.x402.names import NAMES
from backend.x402.reasons import AnswerUnusable, RequestUnusable, UpstreamFailed, UpstreamLate, UpstreamRefused

MAX_URL: Final = 2048
PORTS: Final = {"http": 80, "https": 443}
CONNECT_SECONDS: Final = 5.0
PASSED_TYPES: Final = frozenset(
    {
        "application/json", "application/pdf", "application/octet-stream", "application/zip", "text/plain", "text/csv",
        "text/markdown", "text/event-stream", "image/png", "image/jpeg", "image/webp", "audio/mpeg", "audio/wav",
        "video/mp4",
    }
)  # fmt: skip
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """How long a call may take, how much it may answer, and whether it may stay on this machine."""

    timeout_seconds: float
    max_bytes: int
    allow_local: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class UpstreamAnswer:
    """What the agent's server said."""

    status: int
    media_type: str
    body: bytes


def check_url(url: str, *, allow_local: bool) -> None:
    """Check what can be checked without resolving. Raises UpstreamRefused."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise UpstreamRefused("This is not a URL.") from error
    if len(url) > MAX_URL or parts.scheme not in PORTS or not parts.hostname:
        raise UpstreamRefused("An upstream is an http or https URL.")
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise UpstreamRefused("An upstream has no user, password or fragment.")
    if port == 0 or any(not 0x21 <= ord(character) <= 0x7E for character in url):
        raise UpstreamRefused("This is not a URL.")
    literal = _literal(parts.hostname)
    if literal is not None and not _allowed(literal, allow_local=allow_local):
        raise UpstreamRefused("An upstream is at a public address.")


def _literal(host: str) -> Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _allowed(address: Address, *, allow_local: bool) -> bool:
    """Return whether an address may be called: public ones, and with `allow_local` this machine's own."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)
        if inner is not None:
            return _allowed(inner, allow_local=allow_local)
        if address.is_site_local:
            return False
    if address.is_loopback:
        return allow_local
    return address.is_global and not address.is_multicast and not address.is_reserved


async def _resolve(host: str, port: int, account: bytes, *, allow_local: bool) -> Address:
    """Return one address of a host; all of them must be allowed. Raises UpstreamRefused, UpstreamFailed."""
    literal = _literal(host)
    if literal is None:
        try:
            found = await NAMES.addresses(host, port, account)
        except (OSError, UnicodeError) as error:
            raise UpstreamFailed("The agent's host has no address.") from error
        addresses = [ipaddress.ip_address(address.partition("%")[0]) for address in found]
    else:
        addresses = [literal]
    if not addresses or not all(_allowed(address, allow_local=allow_local) for address in addresses):
        raise UpstreamRefused("An upstream is at a public address.")
    return addresses[0]


async def call(  # a request has these parts
    url: str, *, account: bytes, method: str, query: str, headers: Mapping[str, str], body: bytes, bounds: Bounds
) -> UpstreamAnswer:
    """Return what an agent's server answers. Raises UpstreamRefused, and UpstreamFailed for everything else.

    `account` is whose server it is: its names are looked up a few at once. One kind of UpstreamFailed is
    RequestUnusable: no request can be made of these parts.
    """
    check_url(url, allow_local=bounds.allow_local)
    try:
        async with asyncio.timeout(bounds.timeout_seconds):
            return await _call(
                url, account=account, method=method, query=query, headers=headers, body=body, bounds=bounds
            )
    except TimeoutError as error:
        raise UpstreamLate("The agent took too long; nothing was charged.") from error
    except httpx.TimeoutException as error:
        raise UpstreamLate from error
    except (httpx.HTTPError, httpx.InvalidURL, OSError, UnicodeError) as error:
        raise UpstreamFailed from error


async def _call(  # as above
    url: str, *, account: bytes, method: str, query: str, headers: Mapping[str, str], body: bytes, bounds: Bounds
) -> UpstreamAnswer:
    parts = urlsplit(url)
    host = parts.hostname or ""
    port = parts.port or PORTS[parts.scheme]
    address = await _resolve(host, port, account, allow_local=bounds.allow_local)
    spelled = f"[{address}]" if address.version == 6 else str(address)
    wanted = "&".join(part for part in (parts.query, query) if part)
    target = f"{parts.scheme}://{spelled}:{port}{parts.path or '/'}" + (f"?{wanted}" if wanted else "")
    timeout = httpx.Timeout(bounds.timeout_seconds, connect=min(CONNECT_SECONDS, bounds.timeout_seconds))
    async with httpx.AsyncClient(verify=for_strangers(), timeout=timeout, trust_env=False) as client:
        try:
            request = client.build_request(
                method, target, headers={**headers, "Host": parts.netloc, "Accept-Encoding": "identity"},
                content=body or None, extensions={"sni_hostname": host},
            )  # fmt: skip
        except (httpx.InvalidURL, UnicodeError) as error:
            raise RequestUnusable from error
        response = await client.send(request, stream=True)
        try:
            return UpstreamAnswer(
                status=response.status_code,
                media_type=passed_type(response.headers.get("content-type", "")),
                body=await _bounded(response, bounds.max_bytes),
            )
        finally:
            await response.aclose()


async def _bounded(response: httpx.Response, limit: int) -> bytes:
    if response.headers.get("content-encoding", "identity").strip().lower() not in {"identity", ""}:
        raise AnswerUnusable("The agent's answer is compressed, which was not asked for; nothing was charged.")
    whole = bytearray()
    async for chunk in response.aiter_raw():
        whole += chunk
        if len(whole) > limit:
            raise AnswerUnusable("The agent's answer is too large; nothing was charged.")
    return bytes(whole)


def passed_type(declared: str) -> str:
    """Return the media type a caller is told: the declared one if it is harmless, else a file of bytes."""
    bare = declared.partition(";")[0].strip().lower()
    if bare not in PASSED_TYPES:
        return "application/octet-stream"
    return f"{bare}; charset=utf-8" if bare.startswith("text/") else bare
