"""`python -m backend.api.openapi [--check]`: writes docs/openapi.json, or tells whether it is up to date."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Final

from backend.api.app import described_app
from backend.api.schema import openapi_of

TARGET: Final = Path(__file__).resolve().parents[2] / "docs" / "openapi.json"


def rendered() -> str:
    """Return the description as the file holds it."""
    return json.dumps(openapi_of(described_app()), indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def main() -> None:
    """Write the file; with --check exit with 1 when it is stale."""
    text = rendered()
    if "--check" in sys.argv[1:]:
        if not TARGET.is_file() or TARGET.read_text(encoding="utf-8") != text:
            sys.exit("docs/openapi.json is stale; run python -m backend.api.openapi")
        return
    TARGET.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
