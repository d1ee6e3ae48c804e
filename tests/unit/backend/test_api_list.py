"""The list of routes for people names every route of the description, and none that is gone."""

from __future__ import annotations

import json
import re
from pathlib import Path

DOCS = Path(__file__).parents[3] / "docs"


def spelled(method: str, path: str) -> str:
    return f"{method.upper()} {re.sub(r'{[^}]+}', '{}', path.removeprefix('/api/v1'))}"


def test_every_route_is_listed_once() -> None:
    described = json.loads((DOCS / "openapi.json").read_text(encoding="utf-8"))["paths"]
    listed = re.findall(r"^\| (GET|POST|DELETE) `([^`]+)`", (DOCS / "API.md").read_text(encoding="utf-8"), re.MULTILINE)
    known = sorted(spelled(method, path) for path, methods in described.items() for method in methods)
    assert sorted(spelled(method, path) for method, path in listed) == known
