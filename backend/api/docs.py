"""A readable page of the API description, rendered here: no script, nothing from another site."""

from __future__ import annotations

import base64
import hashlib
import json
from html import escape
from typing import Any, Final

_STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:60rem;padding:0 1rem;color-scheme:light dark}"
    "code,pre{font:13px/1.45 ui-monospace,monospace}pre{overflow:auto;padding:.6rem;border:1px solid #8885}"
    "summary{cursor:pointer;padding:.25rem 0}b{display:inline-block;min-width:4rem}"
)

POLICY: Final = (
    "default-src 'none'; base-uri 'none'; frame-ancestors 'none'; "
    f"style-src 'sha256-{base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()}'"
)
"""The content policy of this page: its one style sheet by hash, and nothing else."""


def _name(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        name = str(schema["$ref"]).rsplit("/", 1)[-1]
        return f'<a href="#{escape(name)}">{escape(name)}</a>'
    if schema.get("type") == "array":
        return f"list of {_name(schema.get('items', {}))}"
    return escape(str(schema.get("title") or schema.get("type") or "any"))


def _body(part: dict[str, Any]) -> str:
    return ", ".join(_name(media.get("schema", {})) for media in part.get("content", {}).values())


def _operation(method: str, path: str, operation: dict[str, Any]) -> str:
    parameters = "".join(
        f"<li><code>{escape(p['name'])}</code> ({escape(p['in'])}) {_name(p.get('schema', {}))}</li>"
        for p in operation.get("parameters", [])
    )
    answers = "".join(
        f"<li>{escape(code)}: {_body(answer) or escape(answer.get('description', ''))}</li>"
        for code, answer in operation.get("responses", {}).items()
    )
    body = _body(operation.get("requestBody", {}))
    return (
        f"<details id='{escape(operation['operationId'])}'><summary><b>{method.upper()}</b> <code>{escape(path)}</code>"
        f"</summary><p>{escape(operation.get('description', ''))}</p>"
        f"{f'<p>Body: {body}</p>' if body else ''}<ul>{parameters}</ul><p>Answers</p><ul>{answers}</ul></details>"
    )


def render(schema: dict[str, Any]) -> str:
    """Return the page for an OpenAPI document."""
    operations = "".join(
        _operation(method, path, operation)
        for path, methods in schema["paths"].items()
        for method, operation in methods.items()
    )
    types = "".join(
        f"<details id='{escape(name)}'><summary><code>{escape(name)}</code> "
        f"{escape(str(one.get('description', '')))}</summary><pre>{escape(json.dumps(one, indent=1))}</pre></details>"
        for name, one in sorted(schema["components"]["schemas"].items())
    )
    title = escape(schema["info"]["title"])
    return (
        f"<!doctype html><html lang='en'><meta charset='utf-8'><title>{title}</title><style>{_STYLE}</style>"
        f"<h1>{title}</h1><p>{escape(schema['info'].get('description', ''))} "
        f"The machine-readable form is <a href='/openapi.json'>openapi.json</a>.</p>"
        f"<h2>Routes</h2>{operations}<h2>Types</h2>{types}</html>"
    )
