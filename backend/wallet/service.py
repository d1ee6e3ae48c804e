"""Balances, relayed withdrawals and stakes, and the relayed transactions of an account."""

from __future__ import annotations

import uuid
from functools import partial
from typing import Final

from sqlalchemy.orm import Session

from aicp.abi import escrow, reputation
from aicp.abi.typed_data import ReceiveWithAuthorization, Withdrawal
from aicp.rules.ids import stake_nonce
from aicp.rules.ledgers import LedgerName
from aicp.rules.primitives import Finality, checksum
from backend.api.paging import after_moment, encode
from backend.api.types import Page
from backend.context import Context
from backend.db.times import moment
from backend.domain.signatures import require_signer
from backend.errors import Conflict, InvalidInput, NotFound, SignatureExpired
from backend.txm import repo
from backend.txm import service as txm
from backend.txm.states import IntentState
from backend.wallet.budget import charge
from backend.wallet.chain import WalletState
from backend.wallet.schemas import BalancesOut, IntentOut, LedgerOut, StakeIn, WithdrawalIn
from backend.wallet.view import intent_out, intents_out
from indexer import views

CANCELLABLE: Final = frozenset(
    {"fund", "withdraw", "stake", "pool_deposit", "pool_withdraw", "pool_withdraw_cancel", "faucet", "rate"}
)
"""Calls that move only what is their owner's. The signature stays valid: whoever has it may still send it."""


def balances(session: Session, ctx: Context, account: bytes, wallet: WalletState) -> BalancesOut:
    """Return what an account owns here."""
    ledgers = [_ledger(session, ctx, account, name, nonce) for name, nonce in wallet.withdrawal_nonces.items()]
    stake = views.stake(session, account, Finality.SEEN)
    channels = views.receiver(session, account)
    try:
        head: int | None = views.sync_status(session).head_number
    except views.MirrorEmptyError:
        head = None
    return BalancesOut(
        address=account,
        usdc_units=wallet.usdc_units,
        collectable_units=sum(ledger.units for ledger in ledgers),
        ledgers=ledgers,
        staked_units=stake.staked_units,
        stake_locked_units=stake.locked_units,
        stake_free_units=stake.free_units,
        channel_claimed_units=channels.claimed_units,
        channel_settled_units=channels.settled_units,
        block_number=head,
    )


def _ledger(session: Session, ctx: Context, account: bytes, name: LedgerName, nonce: int) -> LedgerOut:
    contract = ctx.ledgers[name].address
    return LedgerOut(
        ledger=name,
        units=views.ledger_balance(session, contract, account, Finality.SEEN),
        final_units=views.ledger_balance(session, contract, account, Finality.FINAL),
        withdrawal_nonce=nonce,
    )


def collectable(session: Session, ctx: Context, account: bytes) -> int:
    """Return what waits for an account in all ledgers, in base units, at the newest block we know."""
    return sum(views.ledger_balance(session, ledger.address, account, Finality.SEEN) for ledger in ctx.ledgers.values())


def withdraw(session: Session, ctx: Context, account: bytes, given: WithdrawalIn) -> IntentOut:
    """Relay a withdrawal from a ledger.

    Raises InvalidInput, InvalidSignature, SignatureExpired, Conflict, LimitExceeded.
    """
    ledger = ctx.ledgers.get(given.ledger)
    if ledger is None:
        raise InvalidInput("This deployment has no such ledger.")
    if given.amount_units == 0:
        raise InvalidInput("A withdrawal is more than nothing.")
    if given.valid_until <= ctx.now():
        raise SignatureExpired(valid_until=given.valid_until)
    message = Withdrawal(
        account=account, to=given.to, amount=given.amount_units, nonce=given.nonce, valid_until=given.valid_until
    )
    require_signer(message, ledger.domain, given.signature, account)
    held = views.ledger_balance(session, ledger.address, account, Finality.SEEN)
    if held < given.amount_units:
        raise Conflict("The ledger holds less than that.", balance_units=str(held))
    data = escrow.encode_withdraw_with_signature(
        account, given.to, given.amount_units, given.valid_until, given.signature
    )
    intent = txm.enqueue(
        session,
        ctx,
        idem_key=f"withdraw:{ledger.name}:{account.hex()}:{given.nonce}:{txm.key_of_signature(given.signature)}",
        kind="withdraw",
        on_behalf_of=account,
        to=ledger.address,
        data=data,
        expires_at=moment(given.valid_until),
        reference={
            "account": checksum(account),
            "to": checksum(given.to),
            "amount_units": str(given.amount_units),
            "ledger": ledger.name,
        },
        when_new=partial(charge, session, ctx, account, "withdraw"),
    )
    return intent_out(session, intent)


def stake(session: Session, ctx: Context, agent: bytes, given: StakeIn) -> IntentOut:
    """Relay a stake by the agent's token authorization. Raises InvalidSignature, SignatureExpired, LimitExceeded."""
    if given.amount_units == 0:
        raise InvalidInput("A stake is more than nothing.")
    if given.valid_before <= ctx.now():
        raise SignatureExpired(valid_before=given.valid_before)
    message = ReceiveWithAuthorization(
        from_=agent, to=ctx.deployment.reputation, value=given.amount_units, valid_after=given.valid_after,
        valid_before=given.valid_before, nonce=stake_nonce(agent, given.salt),
    )  # fmt: skip
    require_signer(message, ctx.domains.token, given.signature, agent)
    data = reputation.encode_stake_with_authorization(
        agent, given.amount_units, given.valid_after, given.valid_before, int.from_bytes(given.salt, "big"),
        given.signature,
    )  # fmt: skip
    intent = txm.enqueue(
        session,
        ctx,
        idem_key=f"stake:{message.nonce.hex()}:{txm.key_of_signature(given.signature)}",
        kind="stake",
        on_behalf_of=agent,
        to=ctx.deployment.reputation,
        data=data,
        expires_at=moment(given.valid_before),
        reference={"agent": checksum(agent), "amount_units": str(given.amount_units)},
        when_new=partial(charge, session, ctx, agent, "stake"),
    )
    return intent_out(session, intent)


def page(session: Session, account: bytes, *, cursor: str | None, limit: int) -> Page[IntentOut]:
    """Return a page of the account's relayed transactions, newest first. Raises InvalidInput for a foreign cursor."""
    rows = session.execute(repo.intents_of(account, after_moment(cursor), limit + 1)).scalars().all()
    shown = rows[:limit]
    more = len(rows) > limit
    return Page(
        items=intents_out(session, shown),
        next_cursor=encode(shown[-1].created_at, shown[-1].id) if more else None,
    )


def read(session: Session, intent_id: uuid.UUID, account: bytes) -> IntentOut:
    """Return one relayed transaction of the account. Raises NotFound."""
    intent = session.execute(repo.intent(intent_id)).scalar_one_or_none()
    if intent is None or intent.on_behalf_of != account:
        raise NotFound("There is no such transaction of yours.")
    return intent_out(session, intent)


def cancel(session: Session, ctx: Context, intent_id: uuid.UUID, account: bytes) -> IntentOut:
    """Cancel a relayed transaction of the account; a second time changes nothing. Raises NotFound, Conflict.

    What was not sent is over at once. What was sent may be in any pool, so its nonce is tried to be spent on nothing,
    and the intent ends as whichever of the two is mined says.
    """
    intent = session.execute(repo.intent_waited(intent_id)).scalar_one_or_none()
    if intent is None or intent.on_behalf_of != account:
        raise NotFound("There is no such transaction of yours.")
    if intent.kind not in CANCELLABLE:
        raise Conflict("Others rely on this transaction; it cannot be cancelled.", kind=intent.kind)
    match IntentState(intent.state):
        case IntentState.QUEUED:
            txm.set_state(session, ctx, intent, IntentState.CANCELLED, error_code="cancelled")
        case IntentState.SENT:
            intent.cancel_asked_at = intent.cancel_asked_at or moment(ctx.now())
            session.flush()
            session.execute(repo.ring())
        case IntentState.CANCELLED:
            pass
        case IntentState.MINED | IntentState.FINAL | IntentState.FAILED | IntentState.EXPIRED:
            raise Conflict("It is too late to cancel this transaction.", state=intent.state)
    return intent_out(session, intent)
