"""Statements over uploads and over who may read a file."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Delete, Select, TextClause, delete, exists, func, or_, select, text

from aicp.rules.primitives import hex0x
from backend.auctions.models import Award
from backend.deals.models import Deal, EscrowTerms, Evidence
from backend.domain.task_states import TaskState
from backend.files.models import Upload
from backend.tasks.models import Task, TaskFile, TaskTransition


def lock_owner(owner: bytes) -> TextClause:
    """Wait for other uploads of the same owner, so that the quota is exact."""
    return text("SELECT pg_advisory_xact_lock(hashtextextended(:scope, 1))").bindparams(scope=owner.hex())


def used_bytes(owner: bytes) -> Select[int]:
    """How many bytes the owner's distinct files take."""
    distinct_files = select(Upload.sha256, Upload.size).where(Upload.owner == owner).distinct().subquery()
    return select(func.coalesce(func.sum(distinct_files.c.size), 0))


def of_owner(owner: bytes, hashes: Sequence[bytes]) -> Select[Upload]:
    """The owner's uploads of these files, newest first."""
    return (
        select(Upload)
        .where(Upload.owner == owner, Upload.sha256.in_(hashes))
        .order_by(Upload.created_at.desc(), Upload.id.desc())
    )


def upload(owner: bytes, sha256: bytes, name: str) -> Select[Upload]:
    """One upload by its unique key."""
    return select(Upload).where(Upload.owner == owner, Upload.sha256 == sha256, Upload.name == name)


def task_file_for(reader: bytes, sha256: bytes) -> Select[TaskFile]:
    """A task file of this hash that the reader may see as buyer, as awarded agent or as verifier.

    Inputs: the agent of the live deal, or of one he has delivered on; where the buyer has not chosen that agent himself
    (his order has), once the deal is paid. Results: the agent who delivered them.
    """
    delivered = TaskFile.__table__.alias("delivered")
    has_delivered = exists().where(delivered.c.deal_id == Deal.id)
    current = exists().where(Task.id == Deal.task_id, Task.deal_id == Deal.id)
    chosen = exists().where(Award.id == Deal.award_id, Award.decided_by != "order")
    its_moves = (TaskTransition.task_id == Deal.task_id, TaskTransition.deal_id == Deal.id)
    paid = exists().where(*its_moves, TaskTransition.target == TaskState.ASSIGNED.value)
    as_agent_input = exists().where(
        Deal.task_id == TaskFile.task_id,
        Deal.agent == reader,
        or_(Deal.live, current, has_delivered),
        or_(chosen, paid),
    )
    as_agent_result = exists().where(Deal.id == TaskFile.deal_id, Deal.agent == reader)
    as_buyer = exists().where(Task.id == TaskFile.task_id, or_(Task.buyer == reader, Task.verifier == reader))
    return (
        select(TaskFile)
        .where(
            TaskFile.sha256 == sha256,
            or_(
                as_buyer,
                (TaskFile.role == "input") & as_agent_input,
                (TaskFile.role == "result") & as_agent_result,
            ),
        )
        .order_by(TaskFile.id)
        .limit(1)
    )


def evidence_for(reader: bytes, sha256: bytes) -> Select[dict[str, Any]]:
    """An evidence document that lists the file, of a deal whose party or verifier the reader is."""
    mine = or_(Deal.buyer == reader, Deal.agent == reader, Deal.verifier == reader)
    listed = Evidence.document["files"].contains([{"sha256": hex0x(sha256)}])
    return select(Evidence.document).join(Deal, Deal.id == Evidence.deal_id).where(mine, listed).limit(1)


def case_file_for(escrow_ids: Sequence[bytes], sha256: bytes) -> Select[TaskFile]:
    """A task file of this hash that the deal of one of these escrows is about: what went in, or its own result."""
    result = (TaskFile.role == "result") & (TaskFile.deal_id == Deal.id)
    return (
        select(TaskFile)
        .join(Deal, Deal.task_id == TaskFile.task_id)
        .join(EscrowTerms, EscrowTerms.deal_id == Deal.id)
        .where(EscrowTerms.escrow_id.in_(escrow_ids), TaskFile.sha256 == sha256)
        .where(or_(TaskFile.role == "input", result))
        .order_by(TaskFile.id)
        .limit(1)
    )


def case_evidence_for(escrow_ids: Sequence[bytes], sha256: bytes) -> Select[dict[str, Any]]:
    """An evidence document about one of these escrows that lists the file."""
    listed = Evidence.document["files"].contains([{"sha256": hex0x(sha256)}])
    return select(Evidence.document).where(Evidence.escrow_id.in_(escrow_ids), listed).limit(1)


def of_task(task_id: uuid.UUID, role: str, deal_id: uuid.UUID | None) -> Select[TaskFile]:
    """The files of a task in one role, by name."""
    conditions: list[Any] = [TaskFile.task_id == task_id, TaskFile.role == role]
    if deal_id is not None:
        conditions.append(TaskFile.deal_id == deal_id)
    return select(TaskFile).where(*conditions).order_by(TaskFile.name)


def drop_results(deal_id: uuid.UUID) -> Delete:
    """Forget the results handed in before, when a deal is delivered anew."""
    return delete(TaskFile).where(TaskFile.deal_id == deal_id, TaskFile.role == "result")
