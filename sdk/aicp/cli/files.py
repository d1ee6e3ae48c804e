"""JSON files that commands keep, and read again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from aicp.client.errors import ClientError


def read_object(path: Path, otherwise: str) -> dict[str, Any]:
    """Return the JSON object of a file. Raises ClientError "PATH `otherwise`." where it holds something else."""
    try:
        content = json.loads(path.read_bytes())
    except ValueError as error:
        raise ClientError(f"{path} is no JSON.") from error
    if not isinstance(content, dict):
        raise ClientError(f"{path} {otherwise}.")
    return content
