"""The OpenAPI description: routes as FastAPI knows them, plus WebSocket messages and problem documents."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from backend.api.problems import MEDIA_TYPE, problem_schema
from backend.outbox.schemas import SERVER_EVENT

REF = "#/components/schemas/{model}"


def openapi_of(app: FastAPI) -> dict[str, Any]:
    """Return the whole description; FastAPI itself leaves WebSocket messages out."""
    if app.openapi_schema:
        return app.openapi_schema
    schema = get_openapi(
        title=app.title, version=app.version, description=app.description, routes=app.routes, openapi_version="3.1.0"
    )
    schemas: dict[str, Any] = schema.setdefault("components", {}).setdefault("schemas", {})
    event = SERVER_EVENT.json_schema(ref_template=REF, mode="serialization")
    for name, definition in event.pop("$defs").items():
        schemas.setdefault(name, definition)
    schemas["ServerEvent"] = event
    schemas["Problem"] = problem_schema()
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    refusal = {
        "description": "Refused, as an RFC 9457 problem document",
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
    for methods in schema["paths"].values():
        for operation in methods.values():
            operation["responses"].pop("422", None)
            operation["responses"]["default"] = refusal
    app.openapi_schema = schema
    return schema
