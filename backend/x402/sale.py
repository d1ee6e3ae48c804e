"""A request at a paid endpoint: what it asks for, and the answers it can get."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from starlette.responses import JSONResponse, Response

from aicp.rules.primitives import checksum
from backend.api.headers import DOWNLOAD_POLICY
from backend.api.state import AppState
from backend.breakers.service import Outcome
from backend.context import Context
from backend.payments.charges import ChannelState
from backend.x402 import offers, upstream, wire
from backend.x402.offers import Offer
from backend.x402.purchases import Bought, Stored
from backend.x402.reasons import AnswerUnusable, Reason, RequestUnusable, UpstreamFailed, UpstreamLate
from backend.x402.schemas import SettleOut
from backend.x402.upstream import Bounds, UpstreamAnswer

PASSED_HEADERS: Final = ("content-type", "accept", "accept-language")
MOVED_FROM: Final = 300
FAILED_FROM: Final = 400
BROKEN_FROM: Final = 500
PAYMENT_STATUS: Final = 402
SILENT: Final = frozenset({502, 503, 504})
"""What a proxy or a server says that does not serve at all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sale:
    """One request at one endpoint."""

    state: AppState
    offer: Offer
    method: str
    query: str
    body: bytes
    headers: Mapping[str, str]
    payment_id: str | None = field(default=None)

    @property
    def ctx(self) -> Context:
        """The context of the process."""
        return self.state.ctx

    @property
    def bought(self) -> Bought:
        """What a payment of this request buys: this endpoint, method, query and body, and nothing else."""
        endpoint = self.offer.endpoint
        digest = hashlib.sha256()
        for part in (endpoint.id.bytes, self.method.encode(), self.query.encode(), self.body):
            digest.update(len(part).to_bytes(8, "big") + part)
        return Bought(
            endpoint_id=endpoint.id, price_units=endpoint.price_units, request_hash=digest.digest(),
            payment_id=self.payment_id,
        )  # fmt: skip


async def ask_agent(sale: Sale, payer: bytes, reference: str, seconds: float | None = None) -> UpstreamAnswer:
    """Return what the agent's server answers, unless it rests or the agent is suspended.

    Raises AgentUnavailable, AgentResting, RequestUnusable, UpstreamRefused, UpstreamFailed.
    """
    sale.offer.require_served()
    headers = _passed(sale.headers)
    gate, agent, longest = sale.state.gate, sale.offer.agent.address, sale.ctx.settings.gateway_timeout_seconds
    given = longest if seconds is None else min(longest, seconds)
    turn = await gate.enter(agent)
    outcome: Outcome = "unclear"
    error, began = "", time.monotonic_ns()
    try:
        answer = await _call(sale, {**headers, "X-Payer": checksum(payer), "Idempotency-Key": reference}, given)
    except UpstreamFailed as failed:
        outcome, error = _health(failed, hurried=given < longest), failed.detail
        raise
    else:
        outcome, error = _health(answer), f"HTTP {answer.status}"
        return answer
    finally:
        sale.state.calls.note(agent, outcome, (time.monotonic_ns() - began) // 1_000_000)
        await gate.leave(agent, turn, outcome, error)


def _health(came: UpstreamAnswer | UpstreamFailed, *, hurried: bool = False) -> Outcome:
    """Return what an answer or its absence says of a server's health.

    What one request can provoke says nothing, so that a rival cannot have an agent rest: one that cannot be sent, a
    fault of the server's program, a redirect, an answer too large, one that is late for a caller who leaves it less
    time than all others.
    """
    if isinstance(came, AnswerUnusable | RequestUnusable) or (hurried and isinstance(came, UpstreamLate)):
        return "unclear"
    if isinstance(came, UpstreamFailed) or came.status in SILENT:
        return "bad"
    return "good" if _delivers(came) or _refuses(came) else "unclear"


def _passed(headers: Mapping[str, str]) -> dict[str, str]:
    """Return what the agent's server is told of a caller's headers. Raises RequestUnusable for what no client sends."""
    passed = {name: headers[name] for name in PASSED_HEADERS if name in headers}
    for name, value in passed.items():
        if not (value.isascii() and value.isprintable()):
            raise RequestUnusable(f"The header {name} holds something else than printable ASCII; nothing was charged.")
    return passed


async def _call(sale: Sale, headers: Mapping[str, str], seconds: float) -> UpstreamAnswer:
    settings = sale.ctx.settings
    return await upstream.call(
        sale.offer.endpoint.upstream_url, account=sale.offer.agent.address, method=sale.method, query=sale.query,
        body=sale.body, headers={**headers, "User-Agent": "aicp-gateway"},
        bounds=Bounds(
            timeout_seconds=seconds, max_bytes=settings.gateway_max_bytes,
            allow_local=settings.gateway_local_upstreams,
        ),
    )  # fmt: skip


def _refuses(answer: UpstreamAnswer) -> bool:
    """Return whether the agent's server says that it does not serve this request. Of money it has nothing to say."""
    return FAILED_FROM <= answer.status < BROKEN_FROM and answer.status != PAYMENT_STATUS


def _delivers(answer: UpstreamAnswer) -> bool:
    """Return whether an answer is what was bought: a redirect is not, for nobody is told where it leads."""
    return 200 <= answer.status < MOVED_FROM


def is_good(answer: UpstreamAnswer) -> bool:
    """Return whether an answer is worth its price. Raises UpstreamFailed where it is not one to pass on either."""
    if not _delivers(answer) and not _refuses(answer):
        raise UpstreamFailed(status=answer.status)
    return _delivers(answer)


def passed_on(answer: UpstreamAnswer, response: dict[str, Any] | None = None) -> Response:
    """Return the agent's answer, as a file no browser runs in our origin; with what was paid for it, if it was."""
    headers = {
        "Content-Type": answer.media_type,
        "Content-Security-Policy": DOWNLOAD_POLICY,
        "Content-Disposition": "attachment",
        "Cache-Control": "private, no-store",
    }
    if response is not None:
        headers[wire.PAYMENT_RESPONSE] = wire.encode(response)
    return Response(answer.body, answer.status, headers)


def paid(stored: Stored) -> Response:
    """Return the answer of a paid request."""
    return passed_on(stored.answer, stored.response)


def unpaid(
    sale: Sale,
    reason: Reason = Reason.NEEDED,
    detail: str = "",
    *,
    state: ChannelState | None = None,
    failed: SettleOut | None = None,
) -> Response:
    """Return 402 with the offer; `state` corrects a client, `failed` tells what became of a transaction."""
    document = offers.required(sale.ctx, sale.offer, reason, state=state).wire()
    headers = {
        wire.PAYMENT_REQUIRED: wire.encode(document),
        "Cache-Control": "no-store",
    }
    if failed is not None:
        headers[wire.PAYMENT_RESPONSE] = wire.encode(failed.wire())
    return JSONResponse({**document, "detail": detail or reason.value}, PAYMENT_STATUS, headers)
