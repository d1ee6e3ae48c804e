"""Rate limits, by address where somebody is signed in and by IP otherwise.

The counters are a courtesy to other users, not a safety device: when their storage fails, requests go on.
"""

from __future__ import annotations

from typing import Final

import structlog
from limits import RateLimitItemPerMinute
from limits.aio.storage import MemoryStorage, RedisStorage, Storage
from limits.aio.strategies import FixedWindowRateLimiter

from backend.errors import LimitExceeded
from backend.settings import Settings

LOG = structlog.get_logger(__name__)
WINDOW_SECONDS: Final = 60


def storage_of(redis_url: str | None) -> Storage:
    """Return shared counters in Redis, or counters of this process where no Redis is given."""
    if not redis_url:
        return MemoryStorage()
    return RedisStorage(f"async+{redis_url}", implementation="redispy", socket_timeout=0.5, socket_connect_timeout=0.5)


class RateLimits:
    """Counts requests in windows of a minute."""

    def __init__(self, settings: Settings, storage: Storage) -> None:
        self._limiter = FixedWindowRateLimiter(storage)
        self._items = {
            ("address", True): RateLimitItemPerMinute(settings.writes_per_minute),
            ("address", False): RateLimitItemPerMinute(settings.reads_per_minute),
            ("ip", True): RateLimitItemPerMinute(settings.anonymous_per_minute),
            ("ip", False): RateLimitItemPerMinute(settings.anonymous_reads_per_minute),
        }
        self._nonces = RateLimitItemPerMinute(settings.siwe_nonces_per_minute)

    async def request(self, *, address: bytes | None, ip: str, write: bool) -> None:
        """Count one request. Raises LimitExceeded."""
        kind, who = ("ip", ip) if address is None else ("address", address.hex())
        what = "requests without a session" if address is None else "requests"
        await self._hit(self._items[kind, write], f"{kind}-{'w' if write else 'r'}", who, what)

    async def nonce(self, ip: str) -> None:
        """Count one sign-in nonce. Raises LimitExceeded."""
        await self._hit(self._nonces, "nonce", ip, "sign-ins")

    async def _hit(self, item: RateLimitItemPerMinute, kind: str, who: str, what: str) -> None:
        try:
            allowed = await self._limiter.hit(item, "aicp", kind, who)
        except Exception as error:  # noqa: BLE001  # whatever the storage raises, the request goes on
            LOG.warning("rate_limit_storage_failed", error=type(error).__name__)
            return
        if not allowed:
            raise LimitExceeded(
                f"More than {item.amount} {what} a minute.",
                what_to_do=f"Wait up to {WINDOW_SECONDS} seconds.",
                retry_after=WINDOW_SECONDS,
            )
