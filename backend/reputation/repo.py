"""Statements over computed epochs, scores and first funders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy import ColumnElement, Insert, Integer, Select, TextClause, func, insert, or_, select, text
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.orm import defer

from aicp.rules.primitives import hex0x
from aicp.rules.witnesses import Received
from backend.agents.models import Agent
from backend.deals.models import Deal, EscrowTerms
from backend.reputation.models import FirstFunder, Score, ScoreEpoch, SignedVouch
from backend.tasks.models import Task

LOCK: Final = 4_703_811_960
_WITHOUT_MANIFEST: Final = defer(ScoreEpoch.manifest, raiseload=True)


def try_lock() -> TextClause:
    """Return whether this transaction is the only one that goes on with epochs."""
    return text("SELECT pg_try_advisory_xact_lock(:key)").bindparams(key=LOCK)


def newest() -> Select[ScoreEpoch]:
    """The epoch computed last, without its manifest."""
    return select(ScoreEpoch).options(_WITHOUT_MANIFEST).order_by(ScoreEpoch.id.desc()).limit(1)


def anchored(hashes: Sequence[bytes]) -> Select[ScoreEpoch]:
    """The epochs with these manifests, which are large and not read."""
    return select(ScoreEpoch).options(_WITHOUT_MANIFEST).where(ScoreEpoch.manifest_hash.in_(hashes))


def of_number(epoch: int) -> Select[ScoreEpoch]:
    """What was computed under a number, newest first."""
    return select(ScoreEpoch).where(ScoreEpoch.epoch == epoch).order_by(ScoreEpoch.id.desc())


def page(before: int | None, limit: int) -> Select[ScoreEpoch]:
    """Computed epochs without their manifests, newest first, those before an id."""
    statement = select(ScoreEpoch).options(_WITHOUT_MANIFEST).order_by(ScoreEpoch.id.desc()).limit(limit)
    return statement if before is None else statement.where(ScoreEpoch.id < before)


def scores(epoch_id: int) -> Select[bytes, int, int, int]:
    """Agent, score, settled value and deals of an epoch, by agent."""
    columns = (Score.agent, Score.score, Score.settled_value_units, Score.jobs)
    return select(*columns).where(Score.epoch_id == epoch_id).order_by(Score.agent)


def score(epoch_id: int, agent: bytes) -> Select[Score]:
    """One agent's score."""
    return select(Score).where(Score.epoch_id == epoch_id, Score.agent == agent)


def scores_of(epoch_id: int, agents: Sequence[bytes]) -> Select[Score]:
    """The scores of some agents."""
    return select(Score).where(Score.epoch_id == epoch_id, Score.agent.in_(agents))


def measured(epoch_id: int) -> Select[bytes, dict[str, Any]]:
    """Agent and finer scores of an epoch, by agent."""
    return select(Score.agent, Score.detail).where(Score.epoch_id == epoch_id).order_by(Score.agent)


def past(agent: bytes, before: int | None, limit: int) -> Select[ScoreEpoch, Score]:
    """The epochs computed before an id, without their manifests, with what they say of one agent, newest first."""
    statement = (
        select(ScoreEpoch, Score)
        .options(_WITHOUT_MANIFEST)
        .join(Score, Score.epoch_id == ScoreEpoch.id)
        .where(Score.agent == agent)
        .order_by(Score.epoch_id.desc())
        .limit(limit)
    )
    return statement if before is None else statement.where(Score.epoch_id < before)


def new_scores(rows: Sequence[Mapping[str, Any]]) -> Insert:
    """Write down the scores of an epoch."""
    return insert(Score).values(list(rows))


def leaders(
    epoch_id: int,
    *,
    by: str,
    specialty: str | None,
    tier: str | None,
    min_jobs: int,
    capability: str | None,
    after: tuple[int, bytes] | None,
    limit: int,
) -> Select[Score, int, int, str, str]:
    """Scores, best first: the row, its value in the order asked for, its rank, and slug and name where registered.

    `by` is `overall`, or the name of a finer score, and counts where no specialty is named. The rank is that among all
    agents of the epoch, whatever is filtered.
    """
    value: ColumnElement[int] = Score.score.expression
    if specialty is not None:
        value = Score.detail["specialties"][specialty].astext.cast(Integer)
    elif by != "overall":
        value = Score.detail[by].astext.cast(Integer)
    ranked = (
        select(
            Score.agent,
            value.label("value"),
            func.rank().over(order_by=value.desc()).label("rank"),
        )
        .where(Score.epoch_id == epoch_id)
        .subquery()
    )
    statement = (
        select(Score, ranked.c.value, ranked.c.rank, Agent.slug, Agent.name)
        .join(ranked, ranked.c.agent == Score.agent)
        .outerjoin(Agent, Agent.address == Score.agent)
        .where(Score.epoch_id == epoch_id, Score.jobs >= min_jobs)
        .order_by(ranked.c.value.desc(), Score.agent)
        .limit(limit)
    )
    if tier is not None:
        statement = statement.where(Score.tier == tier)
    if capability is not None:
        statement = statement.where(Agent.capabilities.contains([capability]))
    if after is not None:
        worse = (ranked.c.value == after[0]) & (Score.agent > after[1])
        statement = statement.where(or_(ranked.c.value < after[0], worse))
    return statement


def lock_vouches(voucher: bytes) -> Select[Any]:
    """Let the vouches of one agent follow one another until the transaction ends."""
    return select(func.pg_advisory_xact_lock(func.hashtextextended(f"vouches:{voucher.hex()}", 0)))


def vouch(vouch_hash: bytes) -> Select[SignedVouch]:
    """One vouch."""
    return select(SignedVouch).where(SignedVouch.vouch_hash == vouch_hash)


def open_vouches(voucher: bytes, now: int) -> Select[SignedVouch]:
    """An agent's vouches that are not over."""
    return select(SignedVouch).where(SignedVouch.voucher == voucher, SignedVouch.valid_until > now)


def vouches_for(agent: bytes, limit: int) -> Select[SignedVouch, str | None]:
    """Vouches for an agent with the names of those who signed them, those that end last first."""
    return (
        select(SignedVouch, Agent.name)
        .outerjoin(Agent, Agent.address == SignedVouch.voucher)
        .where(SignedVouch.agent == agent)
        .order_by(SignedVouch.valid_until.desc(), SignedVouch.vouch_hash)
        .limit(limit)
    )


def vouches_by(end: int) -> Select[SignedVouch]:
    """Vouches that began by a second."""
    return select(SignedVouch).where(SignedVouch.valid_from <= end).order_by(SignedVouch.vouch_hash)


def tasks() -> Select[bytes, dict[str, Any]]:
    """Escrow id and document of every task an escrow was composed for."""
    statement = select(EscrowTerms.escrow_id, Task.document)
    return statement.join(Deal, Deal.id == EscrowTerms.deal_id).join(Task, Task.id == Deal.task_id)


def funders(accounts: Sequence[bytes]) -> Select[FirstFunder]:
    """What is known of who first funded these accounts."""
    return select(FirstFunder).where(FirstFunder.account.in_(accounts))


def scanned(accounts: Mapping[bytes, Received], to: int) -> Insert:
    """Write down what accounts had got when their logs were read up to a block; who has read further stays."""
    rows = [
        {
            "account": account, "funder": got.funder, "scanned_to": to,
            "sums": {hex0x(sender): str(units) for sender, units in got.sums.items()},
        }
        for account, got in accounts.items()
    ]  # fmt: skip
    statement = pg_insert(FirstFunder).values(rows)
    return statement.on_conflict_do_update(
        index_elements=["account"],
        set_={name: statement.excluded[name] for name in ("funder", "scanned_to", "sums")},
        where=FirstFunder.scanned_to < statement.excluded.scanned_to,
    )
