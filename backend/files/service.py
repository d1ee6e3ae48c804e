"""Who stored which file, what tasks name it, and who may read it."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from aicp.rules.primitives import hex0x, parse_hash
from backend.context import Context
from backend.db.ids import new_id
from backend.db.times import moment
from backend.errors import InvalidInput, NotFound, QuotaExceeded, TermsMismatch, UnknownFile
from backend.files import repo
from backend.files.blobs import StagedBlob
from backend.files.models import Upload
from backend.files.schemas import FileOut, ManifestFile
from backend.tasks.models import TaskFile
from indexer import views


@dataclass(frozen=True, slots=True)
class Readable:
    """A file somebody may read, under the name it has for him."""

    sha256: bytes
    name: str
    size: int
    media_type: str


def free_bytes(session: Session, ctx: Context, owner: bytes) -> int:
    """Return how many more bytes the owner may store."""
    used = int(session.execute(repo.used_bytes(owner)).scalar_one())
    return max(0, ctx.settings.max_bytes_per_address - used)


def store(session: Session, ctx: Context, owner: bytes, *, staged: StagedBlob, name: str, media_type: str) -> Upload:
    """Record an upload and put its bytes in place, the row first and the bytes before the commit.

    A crash in between leaves bytes nobody names, never a row without bytes. Raises QuotaExceeded.
    """
    session.execute(repo.lock_owner(owner))
    known = session.execute(repo.of_owner(owner, [staged.sha256])).scalars().first()
    if known is None and staged.size > free_bytes(session, ctx, owner):
        raise QuotaExceeded(max_bytes=ctx.settings.max_bytes_per_address)
    upload = session.execute(repo.upload(owner, staged.sha256, name)).scalar_one_or_none()
    if upload is None:
        upload = Upload(
            id=new_id(),
            owner=owner,
            sha256=staged.sha256,
            name=name,
            size=staged.size,
            media_type=media_type,
            created_at=moment(ctx.now()),
        )
        session.add(upload)
        session.flush()
    staged.keep()
    return upload


def require_uploads(session: Session, owner: bytes, hashes: Sequence[bytes]) -> list[Upload]:
    """Return the owner's newest upload of each hash, in the given order. Raises UnknownFile, InvalidInput."""
    if len(set(hashes)) != len(hashes):
        raise InvalidInput("A file is named twice.")
    found: dict[bytes, Upload] = {}
    for upload in session.execute(repo.of_owner(owner, hashes)).scalars():
        found.setdefault(upload.sha256, upload)
    missing = [value for value in hashes if value not in found]
    if missing:
        raise UnknownFile(what_to_do="Upload the file first.", sha256="0x" + missing[0].hex())
    return [found[value] for value in hashes]


def require_inputs(
    session: Session, owner: bytes, hashes: Sequence[bytes], names: Sequence[str] | None
) -> list[Upload]:
    """Return the owner's upload of each hash under the name beside it, the newest where there are no names.

    The same bytes may be there under two names. Raises UnknownFile, InvalidInput.
    """
    if names is None:
        return require_uploads(session, owner, hashes)
    if len(names) != len(hashes):
        raise InvalidInput("There is one name for each input file.")
    if len(set(names)) != len(names):
        raise InvalidInput("Two input files have the same name.")
    rows = session.execute(repo.of_owner(owner, hashes)).scalars()
    found = {(upload.sha256, upload.name): upload for upload in rows}
    wanted = list(zip(hashes, names, strict=True))
    missing = [one for one in wanted if one not in found]
    if missing:
        sha256, name = missing[0]
        raise UnknownFile(what_to_do="Upload the file first.", sha256=hex0x(sha256), name=name)
    return [found[one] for one in wanted]


def require_listed(session: Session, ctx: Context, owner: bytes, listed: Sequence[ManifestFile]) -> dict[bytes, Upload]:
    """Return the owner's uploads of the files a document lists, by hash.

    Raises UnknownFile for one he has not uploaded, TermsMismatch for another size, InvalidInput for too many.
    """
    if len(listed) > ctx.settings.max_files_per_task:
        raise InvalidInput("There are too many files.", max_files=ctx.settings.max_files_per_task)
    uploads = {u.sha256: u for u in require_uploads(session, owner, list({f.sha256: None for f in listed}))}
    for entry in listed:
        if entry.size != uploads[entry.sha256].size:
            raise TermsMismatch("The document gives a file another size than it has.", name=entry.name)
    return uploads


def attach_results(  # noqa: PLR0917  # session, context, who, where, what
    session: Session,
    ctx: Context,
    owner: bytes,
    task_id: uuid.UUID,
    deal_id: uuid.UUID,
    manifest_files: Sequence[ManifestFile],
) -> list[TaskFile]:
    """Attach the files of a deliverable to a deal, replacing what was handed in before.

    Raises UnknownFile when the agent has not uploaded one, TermsMismatch when the manifest says another size.
    """
    uploads = require_listed(session, ctx, owner, manifest_files)
    session.execute(repo.drop_results(deal_id))
    attached: list[TaskFile] = []
    for entry in manifest_files:
        upload = uploads[entry.sha256]
        attached.append(
            TaskFile(
                id=new_id(),
                task_id=task_id,
                deal_id=deal_id,
                role="result",
                sha256=entry.sha256,
                name=entry.name,
                size=upload.size,
                media_type=upload.media_type,
            )
        )
    session.add_all(attached)
    session.flush()
    return attached


def task_files(session: Session, task_id: uuid.UUID, role: str, deal_id: uuid.UUID | None = None) -> list[TaskFile]:
    """Return the `input` or `result` files of a task, by name."""
    return list(session.execute(repo.of_task(task_id, role, deal_id)).scalars())


def file_out(file: TaskFile | Upload) -> FileOut:
    """Return a stored file as clients see it."""
    return FileOut(sha256=file.sha256, name=file.name, size=file.size, media_type=file.media_type)


def readable(session: Session, ctx: Context, reader: bytes, sha256: bytes) -> Readable:
    """Return the file under the reader's name for it.

    Raises NotFound unless he owns it, is a party or the verifier of a deal that names it, or a juror in a dispute about
    such a deal that is not ruled yet.
    """
    named = session.execute(repo.task_file_for(reader, sha256)).scalar_one_or_none()
    source: TaskFile | Upload | None = named or session.execute(repo.of_owner(reader, [sha256])).scalars().first()
    if source is not None:
        return Readable(source.sha256, source.name, source.size, source.media_type)
    evidence = session.execute(repo.evidence_for(reader, sha256)).scalar_one_or_none()
    if evidence is not None:
        return _listed(evidence, sha256)
    judged = views.judged(session, ctx.deployment.escrow, reader)
    source = session.execute(repo.case_file_for(judged, sha256)).scalar_one_or_none() if judged else None
    if source is not None:
        return Readable(source.sha256, source.name, source.size, source.media_type)
    evidence = session.execute(repo.case_evidence_for(judged, sha256)).scalar_one_or_none() if judged else None
    if evidence is None:
        raise NotFound("There is no such file for you.")
    return _listed(evidence, sha256)


def _listed(evidence: Mapping[str, Any], sha256: bytes) -> Readable:
    """Return a file as an evidence document names it."""
    entry = next(file for file in evidence["files"] if parse_hash(file["sha256"]) == sha256)
    return Readable(sha256, entry["name"], entry["size"], entry["media_type"])
