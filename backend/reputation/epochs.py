"""The daily epoch of scores: computed from final blocks, stored, anchored by the one key that may.

Goals: one epoch a day, each computed once and anchored at most once, and nothing in it that others cannot compute.

Each round looks at what stands (the epoch computed last, the mirror, its intents) and takes at most one step:
* compute: the midnight before the newest final block is past, and nothing computed for it may still reach the chain;
* send: what was computed is not on the chain and no intent for it is under way.

A crash before the commit of a step leaves nothing; after it, the next round finds the row or the intent and goes on
with the same bytes. A reorg that takes an anchoring back leaves it to the transaction manager, and no further epoch is
computed before the mirror's newest epoch is final. A vetoed epoch has burnt its number; what the guardian has refused
is not sent again, the next midnight has the next number. An epoch without a leaf is not computed at all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import Any, Final

import structlog
from sqlalchemy.orm import Session

from aicp.abi import reputation as abi
from aicp.rules.canonical import document_hash
from aicp.rules.epochs import Inputs, epoch_end, evidence_of, leaves, manifest, parameters_of
from aicp.rules.facts import Deal
from aicp.rules.primitives import ZERO_ADDRESS, Finality, checksum, hex0x
from aicp.rules.recovery import Recovery
from aicp.rules.reputation import forecast, score_card
from aicp.rules.scores import epoch_root
from aicp.rules.specialties import Tags, qualities, specialties, task_tags
from backend.alarms import service as alarms
from backend.alarms.service import AlarmKind
from backend.context import Context
from backend.db.times import moment, unix
from backend.keeper.service import may_try_again
from backend.notifications import sources as notices
from backend.reputation import chain, repo
from backend.reputation.models import ScoreEpoch
from backend.reputation.vouches import signed_vouches
from backend.txm import service as txm
from backend.txm.machine import Machine
from backend.txm.models import Intent
from backend.txm.states import ENDED_INTENTS, IntentState
from indexer import views

FORECAST_DAYS: Final = (0, 1, 3, 7, 14, 30, 60, 90)
ALARM_SUBJECT: Final = "scores"

_log = structlog.get_logger("reputation")


class Step(StrEnum):
    """What a round does."""

    WAIT = "wait"
    COMPUTE = "compute"
    SEND = "send"


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What a round decides by. `end` is the midnight before the newest final block; epochs are newest first."""

    end: int
    final_number: int
    newest: ScoreEpoch | None
    seen: Sequence[views.ScoreEpochRow]
    final: Sequence[views.ScoreEpochRow]
    tries: Sequence[Intent]
    """The intents for the newest computed epoch, newest first."""


def next_step(standing: Standing, now: int) -> Step:
    """Return what is to be done by what stands, at a unix second."""
    number = standing.seen[0].epoch if standing.seen else 0
    if number != (standing.final[0].epoch if standing.final else 0):
        return Step.WAIT
    newest = standing.newest
    if newest is None:
        return Step.COMPUTE
    passed = unix(newest.ended_at) < standing.end
    if number >= newest.epoch:
        ours = any(row.manifest_hash == newest.manifest_hash for row in standing.final)
        return Step.COMPUTE if passed or not ours else Step.WAIT
    if standing.tries and IntentState(standing.tries[0].state) not in ENDED_INTENTS:
        return Step.WAIT
    if any(intent.state == IntentState.FINAL.value for intent in standing.tries):
        return Step.WAIT  # the mirror is about to read it
    if passed:
        return Step.COMPUTE
    pending = standing.seen and not standing.seen[0].vetoed and standing.seen[0].active_at > now
    return Step.WAIT if pending or not may_try_again(list(standing.tries), now) else Step.SEND


def keep_epochs(machine: Machine) -> int:
    """Take the step that is due; return how many were taken. Raises NodeError, NodeUnreachable or MirrorGapError."""
    ctx, db = machine.ctx, machine.db
    standing = db.read(_standing)
    if standing is None:
        return 0
    step = next_step(standing, ctx.now())
    if step is Step.WAIT:
        return 0
    sender = chain.anchorer(machine)
    if not _may_anchor(machine, sender):
        return 0
    number = standing.seen[0].epoch if standing.seen else 0
    if chain.latest_epoch(machine) != number:
        return 0  # the mirror is behind
    if step is Step.SEND:
        return int(db.write(partial(_send, ctx=ctx, sender=sender)))
    made = _computed(machine, standing, number + 1)
    return 0 if made is None else int(db.write(partial(_store, ctx=ctx, made=made)))


def _standing(session: Session) -> Standing | None:
    try:
        status = views.sync_status(session)
    except views.MirrorEmptyError:
        return None
    newest = session.execute(repo.newest()).scalar_one_or_none()
    return Standing(
        end=epoch_end(status.finalized_time - 1),
        final_number=status.finalized_number,
        newest=newest,
        seen=views.score_epochs(session, 1),
        final=views.score_epochs(session, 3, Finality.FINAL),
        tries=() if newest is None else tuple(txm.history(session, _key(newest))),
    )


def _key(epoch: ScoreEpoch) -> str:
    return f"anchor_epoch:{epoch.id}:"


def _may_anchor(machine: Machine, sender: bytes) -> bool:
    """Return whether the key that anchors is here; where somebody else's key is named, raise the alarm."""
    here = sender in machine.keys.addresses
    if here or sender == ZERO_ADDRESS:  # nobody named: anchoring is off, on purpose
        machine.db.write(lambda s: alarms.clear(s, AlarmKind.ANCHOR_KEY_MISSING, ALARM_SUBJECT))
        return here
    detail = f"Scores are not anchored: the contract takes epochs from {checksum(sender)}, whose key is not here."
    machine.db.write(lambda s: alarms.raise_alarm(s, AlarmKind.ANCHOR_KEY_MISSING, ALARM_SUBJECT, detail))
    return False


@dataclass(frozen=True, slots=True)
class Computed:
    """An epoch that is not stored yet: its row and the rows of its scores."""

    epoch: dict[str, Any]
    scores: list[dict[str, Any]]


def _computed(machine: Machine, standing: Standing, number: int) -> Computed | None:
    ctx = machine.ctx
    found = chain.last_block(machine, standing.end, standing.final_number)
    if found is None:
        return None
    last, block_hash = found
    escrow, reputation = ctx.deployment.escrow, ctx.deployment.reputation
    if not machine.db.read(lambda s: views.any_settled(s, reputation, last)):
        return None
    deals = machine.db.read(lambda s: views.settled_deals(s, escrow, reputation, last))
    accounts = sorted({account for deal in deals for account in (deal.client, deal.provider)})
    parameters = parameters_of(ctx.deployment.chain_id)
    funders = chain.first_funders(machine, accounts, found, parameters.least_gift_units)
    if funders is None:
        return None
    vouches = machine.db.read(lambda s: signed_vouches(s, standing.end))
    vouchers = sorted({one.vouch.voucher for one in vouches if one.vouch.valid_until > standing.end})
    inputs = Inputs(
        epoch=number, end=standing.end, chain_id=ctx.deployment.chain_id, escrow=escrow, reputation=reputation,
        block_number=last, block_hash=block_hash, parameters=parameters, funders=funders,
        common=ctx.deployment.paying_contracts, vouches=vouches,
        free_stake=machine.db.read(lambda s: views.free_stakes(s, vouchers, last)),
    )  # fmt: skip
    tags = machine.db.read(_tags)
    return computed(inputs, deals, tags, f"{ctx.settings.public_url.rstrip('/')}/api/v1/reputation/epochs/{number}")


def _tags(session: Session) -> dict[bytes, Tags]:
    """Return what the task of each escrow was about."""
    return {escrow_id: task_tags(document) for escrow_id, document in session.execute(repo.tasks()).tuples()}


def computed(inputs: Inputs, deals: Sequence[Deal], tags: Mapping[bytes, Tags], uri: str) -> Computed | None:
    """Return the epoch that follows, with the score of every agent; None where there is none."""
    evidence = evidence_of(inputs, deals)
    cards = [score_card(one, inputs.end) for one in evidence]
    if not cards:
        return None
    document = manifest(inputs, deals)
    rows = [
        {
            "agent": card.agent, "score": card.score, "settled_value_units": card.settled_value, "jobs": card.jobs,
            "tier": card.tier.value,
            "detail": {
                "base": card.base, "recent": card.recent, "days": card.days, "active_days": card.active_days,
                "current": card.current, "credit_ppm": card.credit,
                "forecast": [list(point) for point in forecast(one, inputs.end, FORECAST_DAYS)],
                "specialties": {":".join(name): value for name, value in specialties(one, tags).items()},
                "speed": marks.speed, "quality": marks.quality, "reliability": marks.reliability,
                "recovery": None if one.recovery is None else _recovery(one.recovery),
            },
        }
        for one, card, marks in zip(evidence, cards, (qualities(one) for one in evidence), strict=True)
    ]  # fmt: skip
    epoch = {
        "epoch": inputs.epoch, "ended_at": moment(inputs.end), "block_number": inputs.block_number,
        "root": epoch_root(leaves(cards, inputs.epoch)), "leaf_count": len(cards),
        "manifest_hash": document_hash(document), "manifest": document, "uri": uri,
    }  # fmt: skip
    return Computed(epoch, rows)


def _recovery(found: Recovery) -> dict[str, Any]:
    failure = found.failure
    return {
        "escrow_id": hex0x(failure.escrow_id), "outcome": failure.outcome.name.lower(), "closed_at": failure.closed_at,
        "amount_units": str(failure.amount), "time_bps": found.time_bps, "redemption_ppm": found.redemption_ppm,
        "redemption_bps": found.redemption_bps, "vouchers": found.vouchers, "vouch_bps": found.vouch_bps,
        "forgiven_bps": found.forgiven_bps,
    }  # fmt: skip


def _store(session: Session, *, ctx: Context, made: Computed) -> bool:
    """Write an epoch down unless another worker has done so meanwhile."""
    if not _still(session, ctx, Step.COMPUTE):
        return False
    row = ScoreEpoch(**made.epoch)
    session.add(row)
    session.flush()
    for first in range(0, len(made.scores), 1_000):
        part = made.scores[first : first + 1_000]
        session.execute(repo.new_scores([{"epoch_id": row.id, **one} for one in part]))
    notices.scores_computed(session, row)
    _log.info("an epoch is computed", epoch=row.epoch, scores=row.leaf_count)
    return True


def _send(session: Session, *, ctx: Context, sender: bytes) -> bool:
    """Ask for the anchoring of the newest epoch unless another worker has done so meanwhile."""
    if not _still(session, ctx, Step.SEND):
        return False
    row = session.execute(repo.newest()).scalar_one()
    tries = txm.history(session, _key(row))
    txm.enqueue(
        session, ctx, idem_key=f"{_key(row)}{len(tries)}", kind="anchor_epoch", on_behalf_of=sender,
        to=ctx.deployment.reputation,
        data=abi.encode_anchor_epoch(row.root, row.leaf_count, row.manifest_hash, row.uri), expires_at=None,
        reference={"epoch": row.epoch}, account=sender,
    )  # fmt: skip
    return True


def _still(session: Session, ctx: Context, step: Step) -> bool:
    """Return whether this transaction alone goes on, and the step is still the one to take."""
    if not session.execute(repo.try_lock()).scalar_one():
        return False
    standing = _standing(session)
    return standing is not None and next_step(standing, ctx.now()) is step
