"""Readable pages of the API description and of its refusals, rendered here: no script, nothing from another site."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from html import escape
from typing import Any, Final

from backend.api.problem_list import Entry

_STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:60rem;padding:0 1rem;color-scheme:light dark}"
    "code,pre{font:13px/1.45 ui-monospace,monospace}pre{overflow:auto;padding:.6rem;border:1px solid #8885}"
    "summary{cursor:pointer;padding:.25rem 0}b{display:inline-block;min-width:4rem}"
    "table{border-collapse:collapse}tr:target{outline:3px solid}"
    "th,td{padding:.3rem .6rem;text-align:left;vertical-align:top;border:1px solid #8885;overflow-wrap:anywhere}"
)

POLICY: Final = (
    "default-src 'none'; base-uri 'none'; frame-ancestors 'none'; "
    f"style-src 'sha256-{base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()}'"
)
"""The content policy of these pages: their one style sheet by hash, and nothing else."""


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
        f"The machine-readable form is <a href='/openapi.json'>openapi.json</a>; "
        f"<a href='/docs/problems'>the problems</a> have a page of their own.</p>"
        f"<h2>Routes</h2>{operations}<h2>Types</h2>{types}</html>"
    )


def _problem(entry: Entry) -> str:
    code = escape(entry.code)
    return (
        f"<tr id='{code}'><th scope='row'><a href='#{code}'><code>{code}</code></a></th><td>{entry.status}</td>"
        f"<td>{escape(entry.title)}</td><td>{'yes' if entry.retryable else 'no'}</td></tr>"
    )


def render_problems(entries: Sequence[Entry]) -> str:
    """Return the page of the refusals; each is at its code."""
    return (
        "<!doctype html><html lang='en'><meta charset='utf-8'>"
        "<meta name='viewport' content='width=device-width, initial-scale=1'><title>Problems - AICP</title>"
        f"<style>{_STYLE}</style><main><h1>Problems</h1><p>What is refused is answered with a problem document "
        "(RFC 9457): <code>code</code> is stable, <code>detail</code> says more, and where there is something to do, "
        "<code>what_to_do</code> says what. <a href='/docs'>The API</a></p>"
        "<table><caption>Every code, and what it means</caption><thead><tr><th scope='col'>Code</th>"
        "<th scope='col'>Status</th><th scope='col'>Meaning</th><th scope='col'>The same again may help</th></tr>"
        f"</thead><tbody>{''.join(map(_problem, entries))}</tbody></table></main></html>"
    )
