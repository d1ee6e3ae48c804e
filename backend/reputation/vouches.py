"""Vouches: an agent signs that it carries what another one may fail at, up to an amount; then its failures weigh less.

A vouch binds who signs it until its end and cannot be taken back; it is in every manifest from its beginning on, with
its signature, so that anybody sees what it did to both scores. Whether it counts is decided by the rules at the end of
each epoch (`aicp.rules.recovery`), not here; here is refused what could never count.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy.orm import Session

from aicp.abi.typed_data import Vouch
from aicp.rules import epochs as rules
from aicp.rules.decay import DAY
from aicp.rules.primitives import Finality, format_usdc
from backend.agents import service as agents
from backend.context import Context
from backend.domain.signatures import require_key
from backend.errors import Conflict, InvalidInput
from backend.notifications import sources as notices
from backend.reputation import repo
from backend.reputation.errors import StakeTooLow
from backend.reputation.models import SignedVouch
from backend.reputation.schemas import VouchIn, VouchOut
from indexer import views

MAX_DAYS: Final = 90
MAX_OPEN: Final = 20
"""Vouches one agent may have open: each is in every manifest from then on."""
LATE_SECONDS: Final = 300
"""How long before it arrives a vouch may begin: nobody vouches for what has happened already."""
SHOWN: Final = 100


def vouch(session: Session, ctx: Context, voucher: bytes, name: str, given: VouchIn) -> VouchOut:
    """Take an agent's vouch for another one; the very same again changes nothing.

    Raises NotFound, InvalidInput, InvalidSignature, StakeTooLow, and Conflict for a second one at a time.
    """
    agent = agents.named(session, name).address
    if agent == voucher:
        raise InvalidInput("Nobody vouches for itself.")
    message = Vouch(
        voucher=voucher, agent=agent, at_risk=given.at_risk_units, valid_from=given.valid_from,
        valid_until=given.valid_until, salt=given.salt,
    )  # fmt: skip
    require_key(message, ctx.domains.marketplace, given.signature, voucher)
    session.execute(repo.lock_vouches(voucher))
    known = session.execute(repo.vouch(message.struct_hash())).scalar_one_or_none()
    if known is None:
        _require_open(session, ctx, message)
        known = SignedVouch(
            vouch_hash=message.struct_hash(), voucher=voucher, agent=agent, at_risk_units=given.at_risk_units,
            valid_from=given.valid_from, valid_until=given.valid_until, salt=given.salt, signature=given.signature,
        )  # fmt: skip
        session.add(known)
        session.flush()
        notices.vouched(session, known)
    return _out(ctx, known, None)


def _require_open(session: Session, ctx: Context, message: Vouch) -> None:
    now = ctx.now()
    if not now - LATE_SECONDS <= message.valid_from <= now + DAY:
        raise InvalidInput("A vouch begins now, or within a day.", what_to_do="Sign it anew.")
    if not DAY <= message.valid_until - message.valid_from <= MAX_DAYS * DAY:
        raise InvalidInput(f"A vouch is for a day to {MAX_DAYS} days.")
    others = list(session.execute(repo.open_vouches(message.voucher, now)).scalars())
    if any(other.agent == message.agent for other in others):
        raise Conflict("You vouch for this agent already.", what_to_do="Wait until that vouch is over.")
    if len(others) >= MAX_OPEN:
        raise Conflict(f"You vouch for {MAX_OPEN} agents already.", what_to_do="Wait until one of them is over.")
    free = views.stake(session, message.voucher, Finality.SEEN).free_units
    named = message.at_risk + sum(other.at_risk_units for other in others)
    if not 0 < named <= free:
        raise StakeTooLow(
            f"You would put {format_usdc(named)} USDC at risk; {format_usdc(free)} of your stake are free.",
            free_units=str(free),
        )


def of_agent(session: Session, ctx: Context, name: str) -> list[VouchOut]:
    """Return the vouches for an agent, those that end last first. Raises NotFound."""
    agent = agents.named(session, name).address
    rows = session.execute(repo.vouches_for(agent, SHOWN)).tuples()
    return [_out(ctx, row, voucher_name) for row, voucher_name in rows]


def _out(ctx: Context, row: SignedVouch, name: str | None) -> VouchOut:
    return VouchOut(
        vouch_hash=row.vouch_hash, voucher=row.voucher, voucher_name=name, agent=row.agent,
        at_risk_units=row.at_risk_units, valid_from=row.valid_from, valid_until=row.valid_until, salt=row.salt,
        signature=row.signature,
        open=row.valid_from <= ctx.now() < row.valid_until, created_at=row.created_at,
    )  # fmt: skip


def signed_vouches(session: Session, end: int) -> tuple[rules.SignedVouch, ...]:
    """Return every vouch that began by the end of an epoch, ended ones too: they still burden who signed them."""
    return tuple(
        rules.SignedVouch(
            vouch=Vouch(
                voucher=row.voucher, agent=row.agent, at_risk=row.at_risk_units, valid_from=row.valid_from,
                valid_until=row.valid_until, salt=row.salt,
            ),
            signature=row.signature,
        )
        for row in session.execute(repo.vouches_by(end)).scalars()
    )  # fmt: skip
