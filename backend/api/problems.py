"""Every error leaves as RFC 9457 problem+json; what went wrong inside never does."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from backend.errors import Internal, InvalidInput, NotFound, Problem, Unauthenticated

MEDIA_TYPE = "application/problem+json"


class MethodNotAllowed(Problem):
    status, code, title = 405, "method_not_allowed", "This address does not take that method."


def problem_response(problem: Problem, headers: dict[str, str] | None = None) -> Response:
    """Return the response of a refusal."""
    extra = dict(headers or {})
    if problem.retryable and "Retry-After" not in extra:
        extra["Retry-After"] = str(problem.extra.get("retry_after", 1))
    if isinstance(problem, Unauthenticated):
        extra["WWW-Authenticate"] = "Bearer"
    body = json.dumps(problem.body(), separators=(",", ":"), default=str)
    return Response(body, problem.status, extra, MEDIA_TYPE)


async def _on_problem(request: Request, error: Exception) -> Response:  # noqa: ARG001  # starlette's shape
    assert isinstance(error, Problem)
    return problem_response(error)


async def _on_malformed(request: Request, error: Exception) -> Response:  # noqa: ARG001
    assert isinstance(error, RequestValidationError)
    # the values sent are left out: they may be task texts or signatures
    found = [
        {"at": ".".join(str(part) for part in item["loc"]), "message": item["msg"], "type": item["type"]}
        for item in error.errors()
    ]
    return problem_response(InvalidInput("The request does not have the expected form.", errors=found))


async def _on_http(request: Request, error: Exception) -> Response:  # noqa: ARG001
    assert isinstance(error, HTTPException)
    headers = dict(error.headers or {})
    if error.status_code == HTTPStatus.NOT_FOUND:
        return problem_response(NotFound("There is no such address."), headers)
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        return problem_response(MethodNotAllowed(), headers)
    if error.status_code < HTTPStatus.INTERNAL_SERVER_ERROR:
        return problem_response(InvalidInput("The request could not be read."), headers)
    return problem_response(Internal(), headers)


def install(app: FastAPI) -> None:
    """Make the app answer every error as a problem document."""
    app.add_exception_handler(Problem, _on_problem)
    app.add_exception_handler(RequestValidationError, _on_malformed)
    app.add_exception_handler(HTTPException, _on_http)


def problem_schema() -> dict[str, Any]:
    """Return the JSON schema of a problem document, for the API description."""
    text = {"type": "string"}
    return {
        "type": "object",
        "title": "Problem",
        "description": "RFC 9457. `code` is stable; further members depend on it.",
        "required": ["type", "title", "status", "code", "detail", "retryable"],
        "additionalProperties": True,
        "properties": {
            "type": text,
            "title": text,
            "status": {"type": "integer"},
            "code": text,
            "detail": text,
            "retryable": {"type": "boolean"},
            "what_to_do": text,
        },
    }
