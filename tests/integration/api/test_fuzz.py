"""P12: whatever the description lets a client send, and much that it does not, is answered as the description says.

Requests are made from the API's own description by a seeded generator: amounts at both ends, texts with odd characters,
missing and unknown fields. No answer may be a failure of ours; every refusal is a problem document.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Any, Final

import httpx
import pytest
from fastapi import FastAPI
from jsonschema import Draft202012Validator

from backend.api import problems
from backend.api.problems import MEDIA_TYPE
from backend.errors import Problem
from tests.fixtures.apihost import Host, start

METHODS: Final = ("get", "post", "put", "patch", "delete")
NO_NODE: Final = {"service_unavailable", "chain_unreachable", "unavailable"}
"""How a request is refused that needs the chain, where there is none."""
_TEXTS: Final = ("", "a", "0", "-1", "1.5", "1e3", "null", "\0", "\ud83d\ude00", "\ud800", "a\u202eb",
                 "' OR 1=1 --", "x" * 5_000,
                 str(2**256), "0x", "0x" + "00" * 20, "0x" + "ff" * 20, "0x" + "ab" * 32, "0x" + "00" * 65,
                 "00000000-0000-0000-0000-000000000000", "2026-01-01T00:00:00Z")  # fmt: skip
_NUMBERS: Final = (0, 1, -1, 2**31, 2**63, 2**256, 10_000_000, 1.5, -0.0)
_ODD: Final = (None, True, [], {}, "x", 7)


@dataclass(frozen=True, slots=True)
class Operation:
    """One entry of the description."""

    method: str
    path: str
    about: dict[str, Any]


class Maker:
    """Makes values for schemas: mostly of the right kind, now and then of another."""

    def __init__(self, seed: int, components: dict[str, Any]) -> None:
        self.random = Random(seed)
        self._components = components

    def value(self, schema: dict[str, Any], depth: int = 0) -> Any:
        """Return a value for a schema, or an odd one."""
        if self.random.random() < 0.05:
            return self.random.choice(_ODD)
        if "$ref" in schema:
            return self.value(self._components[schema["$ref"].rsplit("/", 1)[1]], depth)
        if "enum" in schema or "const" in schema:
            return self.random.choice(schema.get("enum") or [schema["const"]])
        for choice in ("anyOf", "oneOf", "allOf"):
            if choice in schema:
                return self.value(self.random.choice(schema[choice]), depth)
        match schema.get("type"):
            case "object":
                return self._object(schema, depth)
            case "array":
                return [self.value(schema.get("items", {}), depth + 1) for _ in range(self.random.choice((0, 1, 3)))]
            case "integer" | "number":
                return self.random.choice((*_NUMBERS, schema.get("minimum", 0), schema.get("maximum", 1)))
            case "boolean":
                return self.random.random() < 0.5
            case "null":
                return None
            case _:
                return self.text(schema)

    def text(self, schema: dict[str, Any]) -> str:
        """Return a text: by what the schema gives as an example, or one of the odd ones."""
        examples = [one for one in schema.get("examples", []) if isinstance(one, str)]
        return self.random.choice(examples) if examples and self.random.random() < 0.6 else self.random.choice(_TEXTS)

    def _object(self, schema: dict[str, Any], depth: int) -> dict[str, Any]:
        made = {}
        for name, inner in schema.get("properties", {}).items():
            needed = name in schema.get("required", ())
            if depth < 6 and self.random.random() < (0.95 if needed else 0.5):
                made[name] = self.value(inner, depth + 1)
        if self.random.random() < 0.05:
            made["a field nobody knows"] = 1
        return made

    def request(self, operation: Operation) -> dict[str, Any]:
        """Return a request of an operation as httpx takes it."""
        path, query = operation.path.removeprefix("/api/v1"), {}
        for parameter in operation.about.get("parameters", ()):
            value = self.value(parameter["schema"])
            spelled = value if isinstance(value, str) else json.dumps(value)
            if parameter["in"] == "path":
                path = path.replace(f"{{{parameter['name']}}}", _quoted(spelled) or "x")
            elif parameter["in"] == "query" and self.random.random() < 0.6:
                query[parameter["name"]] = spelled[:500].encode("utf-8", "replace").decode()
        content = operation.about.get("requestBody", {}).get("content", {})
        asked: dict[str, Any] = {"method": operation.method.upper(), "url": path, "params": query}
        if "application/json" in content:
            body = self.value(content["application/json"]["schema"])
            asked |= {"content": json.dumps(body), "headers": {"content-type": "application/json"}}
        return asked


def _quoted(text: str) -> str:
    return "".join(f"%{byte:02x}" for byte in text[:200].encode("utf-8", "replace"))


def operations(description: dict[str, Any]) -> Iterator[Operation]:
    """Return every operation but the end of the session, which would end the others."""
    for path, methods in description["paths"].items():
        for method in METHODS:
            if method in methods and not path.endswith("/auth/logout"):
                yield Operation(method, path, methods[method])


def look(operation: Operation, answer: httpx.Response, components: dict[str, Any]) -> None:
    """Raises AssertionError for an answer the description does not have."""
    told = f"{answer.request.method} {answer.request.url} {answer.request.content[:300]!r} -> {answer.text[:300]}"
    if answer.status_code < 400:
        assert str(answer.status_code) in operation.about["responses"], told
        declared = operation.about["responses"][str(answer.status_code)].get("content", {}).get("application/json")
        if declared is not None and answer.content:
            schema = {**declared["schema"], "components": {"schemas": components}}
            Draft202012Validator(schema).validate(answer.json())
        return
    assert answer.headers["content-type"] == MEDIA_TYPE, told
    problem = answer.json()
    Draft202012Validator(problems.problem_schema()).validate(problem)
    assert problem["status"] == answer.status_code, told
    assert answer.status_code < 500 or problem["code"] in NO_NODE, told


def ask_everything(host: Host, seed: int, times: int) -> int:
    """Send each operation so many requests, signed in; return how many were answered well."""
    description = httpx.get(f"{host.url}/openapi.json", timeout=60).json()
    components = description["components"]["schemas"]
    maker, good = Maker(seed, components), 0
    client = host.wallet().http
    for operation in operations(description):
        for _ in range(times):
            answer = client.request(**maker.request(operation))
            look(operation, answer, components)
            good += answer.status_code < 400
    return good


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("seed", "times"), [(1, 4), *(pytest.param(seed, 40, marks=pytest.mark.long) for seed in (2, 3))]
)
def test_every_answer_is_as_described(host: Host, seed: int, times: int) -> None:
    assert ask_everything(host, seed, times) > 0


def _without_shapes(app: FastAPI) -> None:
    app.add_exception_handler(Problem, problems._on_problem)


@pytest.mark.removal
@pytest.mark.timeout(120)
def test_without_the_handler_of_malformed_requests_it_breaks(
    fresh_pg_url: str, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backend.api.app.install", _without_shapes)
    host, stop = start(fresh_pg_url, tmp_path)
    try:
        with pytest.raises(AssertionError):
            ask_everything(host, 1, 2)
    finally:
        stop()
