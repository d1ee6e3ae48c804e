"""Uploading and downloading files. A download is never rendered on the app's origin."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Final
from urllib.parse import quote

from fastapi import APIRouter, Path, Request, Response
from sqlalchemy.orm import Session
from starlette.responses import StreamingResponse

from aicp.rules.primitives import hex0x, parse_hash
from backend.api.deps import CurrentSession, Read, State
from backend.api.headers import DOWNLOAD_POLICY
from backend.errors import NotFound
from backend.files import service
from backend.files.models import Upload
from backend.files.schemas import FileOut
from backend.files.sniff import media_type_of, served_type
from backend.files.upload import receive

router = APIRouter(prefix="/files", tags=["files"])

_BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {"file": {"type": "string", "format": "binary"}},
                }
            }
        },
    }
}


@router.post("", openapi_extra=_BODY)
async def upload_file(request: Request, caller: CurrentSession, state: State) -> FileOut:
    """Store a file; the same bytes under the same name are stored once."""
    ctx = state.ctx
    staged = state.blobs.stage()
    try:
        name = await receive(
            request.headers.get("content-type", ""),
            request.stream(),
            staged,
            limit=ctx.settings.max_upload_bytes,
        )
        await asyncio.to_thread(staged.finish)
        media_type = media_type_of(staged.head, name)

        def run(session: Session) -> Upload:
            return service.store(session, ctx, caller.address, staged=staged, name=name, media_type=media_type)

        return service.file_out(await state.db.write(run))
    finally:
        staged.discard()


HASH = Annotated[str, Path(pattern="^(0x)?[0-9a-fA-F]{64}$")]


@router.get(
    "/{sha256}",
    response_class=Response,
    responses={200: {"content": {"*/*": {"schema": {"type": "string", "format": "binary"}}}}},
)
async def download_file(sha256: HASH, caller: CurrentSession, state: State, read: Read) -> Response:
    """Send the bytes to the file's owner, to the parties of a task that names it, and to the jurors of its dispute.

    To others it does not exist.
    """
    ctx, wanted = state.ctx, parse_hash("0x" + sha256.removeprefix("0x"))
    file = await read(lambda session: service.readable(session, ctx, caller.address, wanted))
    try:
        chunks = await asyncio.to_thread(state.blobs.read, wanted)
    except FileNotFoundError as error:
        raise NotFound("The file was deleted; its hash remains.", sha256=hex0x(wanted)) from error
    headers = {
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(file.name, safe='')}",
        "Content-Length": str(file.size),
        "Content-Security-Policy": DOWNLOAD_POLICY,
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "private, no-store",
    }
    return StreamingResponse(chunks, headers=headers, media_type=served_type(file.media_type))
