"""Every operation of the API's description, asked by everybody: no failure of ours, and nobody sees what is not his.

Schemathesis makes the requests from the description as it is served, valid ones and broken ones, over a market in which
something of everything has happened: a path's parameters name what is there two times in three. A valid one is sent as
nobody, as the buyer, the agent, a juror, the operator, and a stranger who has signed in; a broken one as nobody and as
one of them. `make fuzz` makes many more.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final
from urllib.parse import quote

import httpx
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import Case, GenerationMode, Response
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from backend.api.deps import MAX_KEY_LENGTH
from tests.fixtures.peopled import ROLES, Market, opened

EXAMPLES: Final = int(os.environ.get("AICP_FUZZ", "1"))
"""How many valid requests of each operation, and how many broken ones."""
CHECKS: Final = [
    not_a_server_error, status_code_conformance, content_type_conformance, response_headers_conformance,
    response_schema_conformance,
]  # fmt: skip
LEFT_OUT: Final = {"POST /api/v1/auth/logout"}
"""It would end the session of whoever asks next."""
FOR_EVERYBODY: Final = {
    "GET /api/v1/accounts/{address}/balances",
    "GET /api/v1/agents",
    "GET /api/v1/agents/available",
    "GET /api/v1/agents/{agent_id}",
    "GET /api/v1/agents/{agent_id}/endpoints",
    "GET /api/v1/agents/{agent_id}/registration",
    "GET /api/v1/agents/{agent_id}/reputation",
    "GET /api/v1/agents/{agent_id}/reputation/history",
    "GET /api/v1/agents/{agent_id}/suspensions",
    "GET /api/v1/agents/{agent_id}/vouches",
    "POST /api/v1/auth/nonce",
    "POST /api/v1/auth/verify",
    "GET /api/v1/circuit-breaker/failures",
    "GET /api/v1/circuit-breaker/health",
    "GET /api/v1/network",
    "GET /api/v1/network/alarms",
    "GET /api/v1/network/status",
    "GET /api/v1/network/totals",
    "POST /api/v1/notifications/mailbox/confirm",
    "GET /api/v1/payments/channels/{channel_id}",
    "POST /api/v1/payments/vouchers",
    "POST /api/v1/payments/vouchers/batch",
    "POST /api/v1/pricing/estimate",
    "GET /api/v1/reputation/epochs",
    "GET /api/v1/reputation/epochs/{epoch}",
    "GET /api/v1/reputation/leaderboard",
    "GET /api/v1/scheduler/status",
    "GET /api/v1/tasks",
    "POST /api/v1/tasks/route",
    "GET /api/v1/tasks/{task_id}",
    "GET /api/v1/tasks/{task_id}/award",
    "GET /api/v1/tasks/{task_id}/award/record",
    "GET /api/v1/tasks/{task_id}/awards",
    "GET /api/v1/tasks/{task_id}/bids",
    "GET /api/v1/tasks/{task_id}/commits",
    "GET /api/v1/tasks/{task_id}/history",
    "GET /api/v1/tasks/{task_id}/offers",
    "GET /api/v1/tasks/{task_id}/order",
    "GET /api/v1/x402/discovery/resources",
    "POST /api/v1/x402/settle",
    "GET /api/v1/x402/supported",
    "POST /api/v1/x402/verify",
}
"""What needs no session; everything else is refused with 401 without one."""
FOR_OPERATORS: Final = {
    "POST /api/v1/agents/{agent_id}/return",
    "POST /api/v1/agents/{agent_id}/suspend",
    "POST /api/v1/circuit-breaker/reset/{breaker_id}",
    "POST /api/v1/ops/alarms/{alarm_id}/clear",
    "GET /api/v1/ops/keys",
    "POST /api/v1/ops/keys/{address}/lift",
}
OF_PARTIES: Final = ("/deals/{", "/pools/{", "/receipts/{", "/transactions/{", "/disputes/{", "/webhooks/{",
                     "/v1/channels/{", "/files/{")  # fmt: skip
"""What only the parties know of: to a stranger it is not there, whatever he sends."""
NOT_THERE: Final = {403, 404, 422}
"""A body that is no such body is refused before anybody looks for what it is about."""
DEPOSIT_FIRST: Final = "POST /api/v1/pools/{pool_id}/move"
"""Says what is wrong with the deposit that is to follow before it looks for the pool."""


@dataclass(slots=True)
class Findings:
    """What was asked, and what was wrong with the answers."""

    cases: Counter[str] = field(default_factory=Counter)
    statuses: Counter[str] = field(default_factory=Counter)
    failures: dict[str, list[str]] = field(default_factory=dict)

    def table(self) -> str:
        """Return the summary: by role and status class, and what failed."""
        failed = sum(map(len, self.failures.values()))
        lines = [f"operations {len(self.cases)}, cases {self.cases.total()}, failures {failed}"]
        lines.append(f"  {'role':10}" + "".join(f"{kind:>9}" for kind in ("2xx", "401", "403", "404", "422", "others")))
        for role in ROLES:
            of = Counter({key.split()[1]: n for key, n in self.statuses.items() if key.split()[0] == role})
            good = sum(n for status, n in of.items() if status.startswith("2"))
            named = [of[status] for status in ("401", "403", "404", "422")]
            rest = of.total() - good - sum(named)
            lines.append(f"  {role:10}" + "".join(f"{n:9}" for n in (good, *named, rest)))
        lines += [f"  {label}: {told}" for label, every in self.failures.items() for told in every[:3]]
        return "\n".join(lines)


@pytest.fixture(scope="module")
def market(postgres: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Market]:
    made, end = opened(postgres, tmp_path_factory.mktemp("market"))
    yield made
    end()


def named(case: Case, market: Market, dice: Random) -> bool:
    """Let path parameters name what there is, two times in three; return whether all of them do."""
    wanted = dict(case.path_parameters or {})
    if not wanted or dice.random() < 1 / 3:
        return False
    case.path_parameters = {name: quote(dice.choice(market.known[name]), safe="") for name in wanted}
    return True


def wrong(label: str, role: str, answer: Response, *, there: bool) -> str | None:
    """Return what is wrong with a status for somebody, if anything."""
    status = answer.status_code
    if status == 422 and not _is_readable(answer.request):
        return None  # it is refused before anything is known of who sends it
    if role == "nobody" and label not in FOR_EVERYBODY:
        return None if status == 401 else f"{status} without a session"
    if label in FOR_OPERATORS and role not in {"nobody", "operator"}:
        return None if status == 403 else f"{status} for the {role}, who is no operator"
    stranger = role == "stranger" and there and any(part in label for part in OF_PARTIES)
    if label == DEPOSIT_FIRST and status == 409:
        return None
    return f"{status} for a stranger" if stranger and status not in NOT_THERE else None


def _is_readable(request: requests.PreparedRequest) -> bool:
    key = request.headers.get("Idempotency-Key")
    if "%00" in (request.url or "") or not (key is None or 1 <= len(key) <= MAX_KEY_LENGTH):
        return False
    try:
        json.loads(request.body or b"null")
    except ValueError:
        return False
    return True


def ask(case: Case, label: str, market: Market, sessions: dict[str, requests.Session], *, there: bool) -> Iterator[str]:
    """Send a request as everybody; yield what is wrong with the answers, and count their statuses."""
    for role, session in sessions.items():
        answer = case.call(base_url=market.url, session=session, timeout=20)
        told = f"{role}: {answer.request.method} {answer.request.url} {answer.request.body!r:.300}"
        yield f"status {role} {answer.status_code}"
        try:
            case.validate_response(answer, checks=CHECKS)
        except (FailureGroup, schemathesis.core.failures.Failure) as failure:
            why = getattr(failure, "exceptions", (failure,))
            yield f"{told} -> {answer.status_code} {answer.text:.300}: {' '.join(map(str, why)):.800}"
        declared = case.operation.definition.raw["responses"]
        if answer.status_code < 400 and str(answer.status_code) not in declared:
            yield f"{told} -> {answer.status_code}, which is not declared"
        if (said := wrong(label, role, answer, there=there)) is not None:
            yield f"{told}: {said}: {answer.text:.200}"


def each_case(operation: Any, mode: GenerationMode, examples: int, act: Callable[[Case], None]) -> None:
    """Act on so many requests of an operation, the same ones every time."""

    @settings(max_examples=examples, deadline=None, database=None, derandomize=True,
              phases=(Phase.generate,), suppress_health_check=list(HealthCheck))  # fmt: skip
    @given(case=operation.as_strategy(generation_mode=mode))
    def send(case: Case) -> None:
        act(case)

    send()


def ask_everything(market: Market, examples: int) -> Findings:
    """Ask every operation as everybody."""
    description = httpx.get(f"{market.url}/openapi.json", timeout=60).json()
    schema = schemathesis.openapi.from_dict(description)
    findings, dice = Findings(), Random(1)
    sessions = {role: requests.Session() for role in ROLES}
    for role, token in market.tokens.items():
        if token is not None:
            sessions[role].headers["Authorization"] = token

    def act(case: Case) -> None:
        label, there = case.operation.label, named(case, market, dice)
        broken = case.meta is not None and case.meta.generation.mode is GenerationMode.NEGATIVE
        asking = {role: sessions[role] for role in ("nobody", dice.choice(ROLES[1:]))} if broken else sessions
        for told in ask(case, label, market, asking, there=there):
            if told.startswith("status "):
                findings.cases[label] += 1
                findings.statuses[told.removeprefix("status ")] += 1
            else:
                findings.failures.setdefault(label, []).append(told)

    for found in schema.get_all_operations():
        operation = found.ok()
        if operation.label in LEFT_OUT:
            continue
        each_case(operation, GenerationMode.POSITIVE, examples, act)
        if operation.body or list(operation.iter_parameters()):
            with contextlib.suppress(Unsatisfiable):  # whatever is said, it is a text, and so is what the path takes
                each_case(operation, GenerationMode.NEGATIVE, examples, act)
    for session in sessions.values():
        session.close()
    return findings


@pytest.mark.timeout(1_800)
def test_everybody_is_answered_as_described(market: Market) -> None:
    findings = ask_everything(market, EXAMPLES)
    print(f"\n{findings.table()}")
    assert len(findings.cases) > 100
    assert not findings.failures, findings.table()
