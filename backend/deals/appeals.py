"""A party pays for its side of an appeal, without gas: one signed token authorization, one relayed call.

The authorization names dispute, round and side by its nonce, which the token takes once, and the arbiter takes no more
than the side is short of; so asking twice, here or past us, never pays twice. A crash before the commit leaves no
intent; after it, the next sweep of any worker carries it out.
"""

from __future__ import annotations

import uuid
from functools import partial
from typing import Final

from sqlalchemy.orm import Session

from aicp.abi import arbiter as abi
from aicp.abi.typed_data import ReceiveWithAuthorization
from aicp.rules.ids import appeal_nonce
from aicp.rules.primitives import format_usdc, hex0x
from backend.context import Context
from backend.db.times import moment
from backend.deals.acts import chain_of, key_of, record, relay, require_none_underway, require_time, terms_of
from backend.deals.appeal_view import trial
from backend.deals.dispute_schemas import AppealOut, AppealPaymentIn, AppealSideOut
from backend.deals.dispute_view import side_of
from backend.deals.errors import AppealMismatch
from backend.deals.models import Deal
from backend.deals.service import lock, require_state
from backend.domain.signatures import require_signer
from backend.domain.task_states import TaskState
from backend.errors import WrongState
from backend.tasks import service as tasks
from backend.txm import service as txm
from indexer import views

SIDES: Final = {"buyer": 1, "agent": 2}


def pay(session: Session, ctx: Context, deal_id: uuid.UUID, party: bytes, given: AppealPaymentIn) -> Deal:
    """Relay a party's payment for its side of the open appeal; the same request again changes nothing.

    Raises TermsMismatch, WrongState, InvalidSignature, SignatureExpired, AppealMismatch, StepUnderway, LimitExceeded.
    """
    deal, task = lock(session, deal_id, party, "buyer", "agent")
    row = terms_of(session, deal, given.escrow_id)
    held, arbiter = chain_of(session, row.escrow_id), ctx.deployment.arbiter
    found = trial(session, ctx, held)
    if found is None:
        raise WrongState("The deal is not before this network's arbiter.", chain_status=held.status.value)
    dispute, number = int.from_bytes(found.court.dispute_id), SIDES[side_of(deal, party)]
    message = ReceiveWithAuthorization(
        from_=party, to=arbiter, value=given.amount_units, valid_after=0, valid_before=given.valid_before,
        nonce=appeal_nonce(dispute, given.round, number, given.salt),
    )  # fmt: skip
    require_signer(message, ctx.domains.token, given.signature, party)
    data = abi.encode_fund_appeal_with_authorization(
        dispute, number, party, given.amount_units, 0, given.valid_before, int.from_bytes(given.salt), given.signature
    )
    fields = {
        "round": given.round, "amount_units": str(given.amount_units), "nonce": hex0x(message.nonce),
        "valid_before": given.valid_before,
    }  # fmt: skip
    kept = partial(record, session, ctx, deal, kind="appeal", actor=party, fields=fields, signature=given.signature)
    key = key_of(ctx, row, "appeal", data, arbiter)
    for asked in txm.history(session, key):
        kept(intent=asked)
        return deal  # it may have been mined since, and nothing be missing any more
    require_state(deal, task, TaskState.DELIVERED, TaskState.DISPUTED)
    if held.status is not views.EscrowStatus.DISPUTED:
        raise WrongState("There is no dispute to appeal in.", chain_status=held.status.value)
    until = _payable_until(found.appeal, deal, party, given)
    require_time(given.valid_before, ctx)
    require_none_underway(session, row.escrow_id, "appeal", but=key, of=party)
    expires = moment(min(given.valid_before, until))
    intent = relay(
        session, ctx, deal, row, kind="appeal", actor=party, data=data, expires_at=expires, to=arbiter
    )  # fmt: skip
    kept(intent=intent)
    tasks.announce_deal(session, task, deal.id, f"payment into the appeal signed by the {side_of(deal, party)}")
    return deal


def _payable_until(appeal: AppealOut | None, deal: Deal, party: bytes, given: AppealPaymentIn) -> int:
    """Return until when the party's side can be paid for. Raises WrongState, AppealMismatch."""
    if appeal is None or appeal.round != given.round:
        raise WrongState("No such appeal can be paid for now.", round=None if appeal is None else appeal.round)
    side: AppealSideOut = next(one for one in appeal.sides if one.role == side_of(deal, party))
    if side.payable_until is None:
        raise WrongState("Your side of the appeal is paid in full.", round=appeal.round)
    if not 0 < given.amount_units <= side.missing_units:
        raise AppealMismatch(
            f"Your side of the appeal is short of {format_usdc(side.missing_units)} USDC.",
            what_to_do="Sign a payment of that, or of a part of it.", missing_units=str(side.missing_units),
        )  # fmt: skip
    return side.payable_until
