"""The few figures an operator watches, in Prometheus' text format."""

from __future__ import annotations

from collections import Counter
from typing import Final

BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)


class Metrics:
    """Counts requests by route and the time they took; one object a process."""

    def __init__(self) -> None:
        self._requests: Counter[tuple[str, str, int]] = Counter()
        self._buckets: Counter[float] = Counter()
        self._seconds = 0.0
        self._count = 0
        self.sockets = 0
        self.sockets_dropped = 0

    def observe(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one answered request."""
        self._requests[method, route, status] += 1
        self._seconds += seconds
        self._count += 1
        for bound in BUCKETS:
            if seconds <= bound:
                self._buckets[bound] += 1

    def render(self) -> str:
        """Return the exposition text."""
        lines = ["# TYPE aicp_http_requests_total counter"]
        for (method, route, status), count in sorted(self._requests.items()):
            lines.append(f'aicp_http_requests_total{{method="{method}",route="{route}",status="{status}"}} {count}')
        lines.append("# TYPE aicp_http_request_seconds histogram")
        lines.extend(f'aicp_http_request_seconds_bucket{{le="{bound}"}} {self._buckets[bound]}' for bound in BUCKETS)
        lines += [
            f'aicp_http_request_seconds_bucket{{le="+Inf"}} {self._count}',
            f"aicp_http_request_seconds_sum {self._seconds:.6f}",
            f"aicp_http_request_seconds_count {self._count}",
            "# TYPE aicp_websockets gauge",
            f"aicp_websockets {self.sockets}",
            "# TYPE aicp_websockets_dropped_total counter",
            f"aicp_websockets_dropped_total {self.sockets_dropped}",
        ]
        return "\n".join(lines) + "\n"
