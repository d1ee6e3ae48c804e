"""Serves the built page: compressed variants made at build time, long caching for hashed assets, SPA fallback."""

from __future__ import annotations

import mimetypes
from pathlib import Path
from typing import Final

from fastapi import APIRouter, Request
from starlette.responses import FileResponse, Response

from backend.errors import NotFound

ENCODINGS: Final = (("br", ".br"), ("gzip", ".gz"))
IMMUTABLE: Final = "public, max-age=31536000, immutable"


def _accepted(request: Request) -> set[str]:
    header = request.headers.get("accept-encoding", "")
    return {part.split(";")[0].strip().lower() for part in header.split(",") if not part.strip().endswith("q=0")}


def _serve(request: Request, path: Path, cache: str) -> Response:
    media_type = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    headers = {"Cache-Control": cache, "Vary": "Accept-Encoding"}
    accepted = _accepted(request)
    for name, suffix in ENCODINGS:
        variant = path.with_name(path.name + suffix)
        if name in accepted and variant.is_file():
            return FileResponse(variant, headers=headers | {"Content-Encoding": name}, media_type=media_type)
    return FileResponse(path, headers=headers, media_type=media_type)


def ui_router(dist: Path) -> APIRouter:
    """Return the routes of the page; include them last, they take every other GET."""
    router = APIRouter(include_in_schema=False)
    root = dist.resolve()

    @router.get("/{path:path}")
    def page(request: Request, path: str) -> Response:
        """Answer with a built file, or with the page itself for addresses the page routes."""
        if path == "api" or path.startswith("api/"):
            raise NotFound("There is no such address.")
        wanted = (root / path).resolve()
        if path and wanted.is_relative_to(root) and wanted.is_file():
            return _serve(request, wanted, IMMUTABLE if path.startswith("assets/") else "no-cache")
        index = root / "index.html"
        if path.startswith("assets/") or not index.is_file():
            raise NotFound("The page is not built." if not index.is_file() else "There is no such file.")
        return _serve(request, index, "no-cache")

    return router
