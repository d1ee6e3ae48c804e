"""Escrow terms of a deal: composed while the buyer is present, lapsed when their time passes, composed anew later.

Invariants: a deal has at most one set of current terms; lapsed ones stay, because money may still reach their escrow.
"""

from __future__ import annotations

import secrets
import uuid
from typing import Any

from sqlalchemy.orm import Session

from aicp.abi.typed_data import EscrowTerms as Terms
from aicp.rules.documents import job_hash, named_verifier
from aicp.rules.ids import escrow_id
from aicp.rules.primitives import checksum, hex0x, parse_address, parse_hash
from aicp.rules.terms import compose_terms
from backend.context import Context
from backend.db.times import moment
from backend.deals import repo
from backend.deals.models import Deal, EscrowTerms
from backend.domain.task_states import TaskState
from backend.tasks import service as tasks
from backend.tasks.models import Task


def to_json(terms: Terms) -> dict[str, Any]:
    """Return the stored form: names and order of the EIP-712 type, amounts as decimal strings."""
    return {
        "client": checksum(terms.client),
        "provider": checksum(terms.provider),
        "verifier": checksum(terms.verifier),
        "arbiter": checksum(terms.arbiter),
        "amount": str(terms.amount),
        "feeBps": terms.fee_bps,
        "quorum": terms.quorum,
        "acceptBy": terms.accept_by,
        "deliverBy": terms.deliver_by,
        "challengePeriod": terms.challenge_period,
        "disputeTimeout": terms.dispute_timeout,
        "jobHash": hex0x(terms.job_hash),
        "salt": str(terms.salt),
    }


def from_json(stored: dict[str, Any]) -> Terms:
    """Read what `to_json` wrote."""
    return Terms(
        client=parse_address(stored["client"]),
        provider=parse_address(stored["provider"]),
        verifier=parse_address(stored["verifier"]),
        arbiter=parse_address(stored["arbiter"]),
        amount=int(stored["amount"]),
        fee_bps=stored["feeBps"],
        quorum=stored["quorum"],
        accept_by=stored["acceptBy"],
        deliver_by=stored["deliverBy"],
        challenge_period=stored["challengePeriod"],
        dispute_timeout=stored["disputeTimeout"],
        job_hash=parse_hash(stored["jobHash"]),
        salt=int(stored["salt"]),
    )


def compose(session: Session, ctx: Context, deal: Deal, task: Task) -> EscrowTerms:
    """Compose terms for the deal; the agent has 60 seconds from now to sign them."""
    award = session.execute(repo.award(deal.award_id)).scalar_one()
    now = ctx.now()
    terms = compose_terms(
        client=deal.buyer,
        provider=deal.agent,
        amount_units=deal.price_units,
        deliver_within_seconds=task.deliver_within_seconds,
        job_hash=job_hash(task.task_hash, deal.bid_hash, award.bids_root),
        arbiter=ctx.deployment.arbiter,
        now=now,
        salt=secrets.randbits(256),
        constants=ctx.constants,
        verifier=named_verifier(task.document),
    )
    row = EscrowTerms(
        escrow_id=escrow_id(terms, ctx.domains.escrow),
        deal_id=deal.id,
        terms=to_json(terms),
        accept_by=terms.accept_by,
        deliver_by=terms.deliver_by,
        acceptance_due=now + ctx.constants.agent_acceptance_seconds,
        created_at=moment(now),
    )
    session.add(row)
    session.flush()
    return row


def current(session: Session, deal_id: uuid.UUID) -> EscrowTerms | None:
    """Return the terms of a deal that have not lapsed."""
    return session.execute(repo.current_terms(deal_id)).scalar_one_or_none()


def payable_until(ctx: Context, row: EscrowTerms) -> int | None:
    """Return the latest `validBefore` accepted now, None before the agent has signed or once its time has passed."""
    if row.acceptance_valid_until is None or row.lapsed_at is not None:
        return None
    now = ctx.now()
    latest = min(now + ctx.constants.authorization_lifetime_seconds, row.acceptance_valid_until, row.accept_by)
    return latest if latest > now else None


def have_passed(ctx: Context, row: EscrowTerms) -> bool:
    """Return whether signed terms can no longer be paid."""
    limits = [row.accept_by]
    if row.acceptance_valid_until is not None:
        limits.append(row.acceptance_valid_until)
    return ctx.now() >= min(limits)


def lapse(session: Session, ctx: Context, row: EscrowTerms) -> None:
    """Take terms back; they stay as history."""
    row.lapsed_at = moment(ctx.now())
    session.flush()


def wants_new_terms(session: Session, ctx: Context, deal_id: uuid.UUID, caller: bytes) -> bool:
    """Return whether the caller is the buyer of a deal whose terms lapsed unpaid."""
    deal = session.execute(repo.by_id(deal_id)).scalar_one_or_none()
    if deal is None or deal.buyer != caller or not deal.live or deal.path != "escrow":
        return False
    task = tasks.get(session, deal.task_id)
    if task.state != TaskState.AWAITING_PAYMENT.value:
        return False
    row = current(session, deal_id)
    return row is None or have_passed(ctx, row)


def renew_for_buyer(session: Session, ctx: Context, deal_id: uuid.UUID, caller: bytes) -> bool:
    """Compose new terms (a new escrow id) for a buyer who is back; return whether there was a need."""
    deal = session.execute(repo.by_id(deal_id)).scalar_one()
    task = tasks.get_for_update(session, deal.task_id)
    if not wants_new_terms(session, ctx, deal_id, caller):
        return False
    old = current(session, deal_id)
    if old is not None:
        lapse(session, ctx, old)
    row = compose(session, ctx, deal, task)
    evidence = {"escrow_id": hex0x(row.escrow_id), "lapsed": None if old is None else hex0x(old.escrow_id)}
    tasks.move(
        session, ctx, task, TaskState.AWAITING_ACCEPTANCE, reason="terms lapsed unpaid and were composed anew",
        evidence=evidence, deal_id=deal.id,
    )  # fmt: skip
    return True
